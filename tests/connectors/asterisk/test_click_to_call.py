"""Click-to-call: the seller first, then the customer; never late, never twice, nothing injected."""

from __future__ import annotations

import asyncio

import pytest

from connectors.asterisk import ami
from connectors.asterisk.ami import AmiLink
from connectors.asterisk.calls import CallTracker
from connectors.asterisk.connector import AsteriskConnector
from connectors.contract import (
    CallOutcome,
    CallPhase,
    CallRequest,
    HealthState,
    NotReady,
    SendRejected,
)
from tests.connectors.asterisk.ami_server import AmiServer
from tests.connectors.asterisk.events import AT, channel, end_of, event, tell
from tests.connectors.asterisk.hub import Hub, running, settings_for, up
from tests.connectors.asterisk.recorded import SETTINGS, TRACES

REQUEST = CallRequest(id="click2call-1", extension="101", number="+79161234567", caller_name="Иван")


async def test_click_to_call_rings_the_seller_and_its_call_carries_the_request(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    async with running(connector, hub):
        await up(hub)
        await connector.originate(REQUEST)
        await server.play(TRACES / "h_click2call_answered.ami")
        await hub.until(lambda: bool(hub.ended()))

    asked = server.asked("Originate")[0]
    assert asked == asked | {
        "ActionID": "click2call-1",
        "Channel": "PJSIP/101",
        "Context": "from-internal",
        "Exten": "+79161234567",
        "Priority": "1",
        "Async": "true",
        "Variable": "__FIRSTLINE_REQUEST=click2call-1",
        "CallerID": '"Иван" <+79161234567>',
    }
    assert {call.request_id for call in hub.calls} == {"click2call-1"}
    assert (hub.ended()[0].outcome, hub.ended()[0].answered_by) == (CallOutcome.ANSWERED, "101")


async def test_click_to_call_the_exchange_cannot_begin_is_reported_as_a_call(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    async with running(connector, hub):
        await up(hub)
        await connector.originate(REQUEST)
        answer = {"Response": "Failure", "ActionID": REQUEST.id, "Reason": "0", "Uniqueid": "<unknown>"}
        await server.emit({"Event": "OriginateResponse", "Channel": "PJSIP/101", **answer})
        await hub.until(lambda: bool(hub.ended()))

    (call,) = hub.ended()
    assert (call.request_id, call.outcome, call.number) == ("click2call-1", CallOutcome.FAILED, "+79161234567")


@pytest.mark.parametrize(
    "request_",
    [
        CallRequest(id="r", extension="101", number="+7916123\r\nAction: Command"),
        CallRequest(id="r", extension="101", number="89161234567"),
        CallRequest(id="r", extension="101&PJSIP/102", number="+79161234567"),
        CallRequest(id="r", extension="", number="+79161234567"),
        CallRequest(id="r\r\nAction: Logoff", extension="101", number="+79161234567"),
        CallRequest(id="r,X=1", extension="101", number="+79161234567"),
    ],
    ids=["number-crlf", "number-not-e164", "extension-two", "extension-none", "id-crlf", "id-variable"],
)
async def test_injection_into_an_action_is_refused(
    server: AmiServer, hub: Hub, connector: AsteriskConnector, request_: CallRequest
) -> None:
    async with running(connector, hub):
        await up(hub)
        with pytest.raises(SendRejected) as refusal:
            await connector.originate(request_)

    assert not refusal.value.retryable
    assert server.asked("Originate") == []


async def test_name_cannot_steer_the_exchange(server: AmiServer, hub: Hub, connector: AsteriskConnector) -> None:
    evil = CallRequest(id="r", extension="101", number="+79161234567", caller_name='Иван"\r\nExten: 999\x00 <112>;${X}')
    async with running(connector, hub):
        await up(hub)
        await connector.originate(evil)

    asked = server.asked("Originate")[0]
    assert asked["Exten"] == "+79161234567"
    assert asked["CallerID"].count('"') == 2
    assert not set(asked["CallerID"]) & set(";$\x00{}")


async def test_click_to_call_without_a_link_is_refused_and_never_placed_later(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    async with running(connector, hub):
        await up(hub)
        await server.crash()
        await hub.until(lambda: hub.state is HealthState.DOWN)
        with pytest.raises(NotReady):
            await connector.originate(REQUEST)
        await server.listen()
        await up(hub)
        await server.wait_for(lambda: len(server.asked("QueueStatus")) == 2)

    assert server.asked("Originate") == []


async def test_click_to_call_into_a_silent_link_is_dropped_with_it_and_not_repeated(
    server: AmiServer, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in the socket's buffer would ring the phone when the network comes back."""
    monkeypatch.setattr(ami, "ANSWER_WITHIN", 0.5)
    connector = AsteriskConnector("office-phone", settings_for(server, ping_interval=9))
    async with running(connector, hub):
        await up(hub)
        server.half_open = True
        with pytest.raises(SendRejected) as refusal:
            await connector.originate(REQUEST)
        await hub.until(lambda: hub.state is HealthState.DOWN, timeout=1)
        server.half_open = False
        await server.wait_for(lambda: server.logins == 2)
        await up(hub)

    assert (refusal.value.code, refusal.value.retryable) == ("timeout", False)
    assert len(server.asked("Originate")) == 1


async def test_refused_click_to_call_says_so(server: AmiServer, hub: Hub, connector: AsteriskConnector) -> None:
    server.denied = {"Originate"}
    async with running(connector, hub):
        await up(hub)
        with pytest.raises(SendRejected) as refusal:
            await connector.originate(REQUEST)

    assert refusal.value.code == "refused"


async def test_answer_and_outcome_of_originate_in_one_packet_are_both_seen(server: AmiServer) -> None:
    """The response and the event carry the same ActionID; neither may swallow the other."""
    seen: list[str] = []
    link = await AmiLink.open(settings_for(server), lambda event: seen.append(event["Event"]))
    task = asyncio.create_task(link.action("Originate", {"Async": "true"}, action_id="r1"))
    await server.wait_action("Originate")
    await server.emit({"Event": "OriginateResponse", "ActionID": "r1", "Response": "Failure"})
    assert (await task)["Response"] == "Success"
    async with asyncio.timeout(2):
        while "OriginateResponse" not in seen:
            await asyncio.sleep(0.01)
    await link.close()


def test_click_to_call_through_a_local_channel_waits_for_the_customer() -> None:
    tracker = CallTracker(SETTINGS)
    tracker.expect(CallRequest(id="r1", extension="101", number="+79161234567"), AT)
    near = channel("Local/101@from-internal-1;1", "1.0", state=0, at="from-internal,s")
    far = channel("Local/101@from-internal-1;2", "1.1", state=4, at="from-internal,101")
    phone = channel("PJSIP/101-2", "1.2", state=5, at="from-internal,s")
    line = channel("PJSIP/trunk-3", "1.3", state=5, at="from-trunk,s")
    dialling = channel("Local/101@from-internal-1;1", "1.0", at="from-internal,+79161234567")

    seller = tell(
        event("Newchannel", near),
        event("Newchannel", far),
        event("DialBegin", far, phone, DialString="101"),
        event("DialEnd", far, phone, DialStatus="ANSWER"),
        tracker=tracker,
    )
    customer = tell(
        event("DialBegin", dialling, line, DialString="+79161234567@trunk"),
        event("DialEnd", dialling, line, DialStatus="ANSWER"),
        event("BridgeEnter", phone),
        *(event("Hangup", leg) for leg in (line, phone, far, dialling)),
        tracker=tracker,
    )

    assert CallPhase.ANSWERED not in [one.facts.phase for one in seller]
    assert ("101",) in [one.facts.ringing for one in seller]
    assert [one.facts.phase for one in customer].count(CallPhase.ANSWERED) == 1
    assert (end_of(customer).outcome, end_of(customer).answered_by) == (CallOutcome.ANSWERED, "101")
    assert (end_of(customer).number, end_of(customer).request_id) == ("+79161234567", "r1")


def test_request_is_known_by_the_channel_variable_too() -> None:
    """Another program placed a call to the same phone a moment before."""
    tracker = CallTracker(SETTINGS)
    phone = channel("PJSIP/102-2", "1.0", state=0, caller="102", at="from-internal,s")
    tracker.expect(CallRequest(id="r1", extension="101", number="+79161234567"), AT)

    news = tell(
        event("Newchannel", phone),
        event("VarSet", phone, Variable="__FIRSTLINE_REQUEST", Value="r1"),
        event("Hangup", phone),
        tracker=tracker,
    )

    assert end_of(news).request_id == "r1"


def test_request_that_came_to_nothing_does_not_mark_a_later_call() -> None:
    tracker = CallTracker(SETTINGS)
    tracker.expect(CallRequest(id="r1", extension="101", number="+79161234567"), AT)
    tracker.give_up("r1")

    news = tell(event("Newchannel", channel("PJSIP/101-1", "1.0", state=0, caller="101")), tracker=tracker)
    news += tell(event("Hangup", channel("PJSIP/101-1", "1.0", state=0, caller="101")), tracker=tracker)

    assert {one.facts.request_id for one in news} == {None}
