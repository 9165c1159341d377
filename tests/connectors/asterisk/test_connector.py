"""The real connector against a replaying exchange on a real socket."""

from __future__ import annotations

import asyncio
import math
import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from connectors import contract
from connectors.asterisk import handlers
from connectors.asterisk.ami import AmiLink, BadValue
from connectors.asterisk.connector import AsteriskConnector
from connectors.contract import (
    AuthFailed,
    CallOutcome,
    CallPhase,
    Connector,
    HealthState,
    Misconfigured,
    NotReady,
    OpenState,
    Originates,
)
from tests.connectors.asterisk.ami_server import AmiServer, encode
from tests.connectors.asterisk.hub import Hub, running, settings_for, up
from tests.connectors.asterisk.recorded import EXPECTED, SETTINGS, TRACES, parts
from tests.connectors.asterisk.synthetic import IncomingCall


def test_connector_keeps_the_contract() -> None:
    connector: Connector = AsteriskConnector("phone", SETTINGS)

    assert isinstance(connector, Originates)
    assert isinstance(connector, contract.Tests)


@pytest.mark.parametrize("chunk", [None, 1, random.Random(7)], ids=["at-once", "bytewise", "random"])
async def test_recorded_call_arrives_whole_in_any_pieces(
    server: AmiServer, hub: Hub, connector: AsteriskConnector, chunk: int | random.Random | None
) -> None:
    async with running(connector, hub):
        await up(hub)
        await server.play(TRACES / "e_two_simultaneous.ami", chunk=chunk)
        await hub.until(lambda: len(hub.ended()) == 2)

    assert [call.answered_by for call in hub.ended()] == ["102", "101"]
    assert {one.sender.phones for one in hub.accepted} == {("+79161234567",), ("89031112233",)}
    assert {one.source.did for one in hub.accepted} == {"74952280001"}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, random.Random(1)], ids=["1", "2", "3", "7", "random"])
async def test_cyrillic_names_survive_any_chunk_border(
    server: AmiServer, hub: Hub, connector: AsteriskConnector, chunk: int | random.Random
) -> None:
    """Р and х end in bytes that latin-1 takes for blanks."""
    event = IncomingCall(1, "+79161234567", name="Анна Иванова-Щукина Рх").arrive()[0]

    async with running(connector, hub):
        await up(hub)
        await server.send(encode(event | {"LastHeader": "Р"}), chunk=chunk)
        await hub.until(lambda: bool(hub.accepted))

    assert hub.accepted[0].sender.name == "Анна Иванова-Щукина Рх"


async def test_name_in_windows_1251_is_read_too(server: AmiServer, hub: Hub, connector: AsteriskConnector) -> None:
    event = IncomingCall(1, "+79161234567", name="Пётр").arrive()[0]
    raw = "".join(f"{key}: {value}\r\n" for key, value in event.items()).encode("cp1251") + b"\r\n"

    async with running(connector, hub):
        await up(hub)
        await server.send(raw)
        await hub.until(lambda: bool(hub.accepted))

    assert hub.accepted[0].sender.name == "Пётр"


async def test_ring_reaches_the_hub_within_milliseconds(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    """Fifty calls at once; measured from the write of the ring to its acceptance, the socket included."""
    calls = [IncomingCall(n, f"+7916{n:07}") for n in range(50)]
    async with running(connector, hub):
        await up(hub)
        delays = []
        for call in calls:
            await server.emit(*call.arrive())
            await hub.until(lambda call=call: any(c.linkedid == call.linkedid for c in hub.calls))  # type: ignore[misc]
            started = time.perf_counter()
            await server.emit(*call.ring_phone())
            await hub.until(
                lambda call=call: any(c.linkedid == call.linkedid and c.ringing for c in hub.calls)  # type: ignore[misc]
            )
            delays.append(time.perf_counter() - started)

    assert sorted(delays)[len(delays) // 2] < 0.005


async def test_restart_of_the_exchange_ends_one_call_and_lets_the_next_in(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    first, second = parts("i_restart_mid_call")
    async with running(connector, hub):
        await up(hub)
        await server.play(first)
        await server.hang_up()
        await hub.until(lambda: hub.state is HealthState.DOWN)
        server.uptime = 1
        await server.listen()
        await hub.until(lambda: hub.state is HealthState.UP)
        await server.play(second)
        await hub.until(lambda: len(hub.ended()) == 2)

    assert [call.outcome for call in hub.ended()] == [CallOutcome.ANSWERED, CallOutcome.ANSWERED]
    assert [call.talk_seconds for call in hub.ended()] == pytest.approx([4.0, 3.0], abs=0.1)
    assert [call.reason for call in hub.ended()] == [None, None]
    assert "reconnect" in hub.counts


async def test_crash_of_the_exchange_closes_the_call_in_flight(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    first, second = parts("i2_crash_mid_call")
    async with running(connector, hub):
        await up(hub)
        await server.play(first)
        await hub.until(lambda: any(call.phase is CallPhase.ANSWERED for call in hub.calls))
        await server.crash()
        server.fully_booted = False  # the recording itself says when, after some other events
        await server.listen()
        await server.wait_for(lambda: server.logins == 2)
        await server.play(second)
        await hub.until(lambda: bool(hub.ended()))

    (call,) = hub.ended()
    assert (call.linkedid, call.outcome) == (EXPECTED["i2_crash_mid_call"][0]["linkedid"], CallOutcome.ANSWERED)
    assert (call.ended_at, call.talk_seconds) == (None, None)


async def test_unanswered_call_that_vanished_in_a_crash_is_unknown(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    async with running(connector, hub):
        await up(hub)
        await server.emit(*IncomingCall(1, "+79161234567").ring())
        await hub.until(lambda: any(call.ringing for call in hub.calls))
        await server.crash()
        server.uptime = 0
        await server.listen()
        await hub.until(lambda: bool(hub.ended()))

    assert (hub.ended()[0].outcome, hub.ended()[0].reason) == (CallOutcome.UNKNOWN, "crash")


async def test_call_that_lives_through_a_lost_link_goes_on(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    call = IncomingCall(1, "+79161234567")
    async with running(connector, hub):
        await up(hub)
        await server.emit(*call.ring())
        await hub.until(lambda: any(one.ringing for one in hub.calls))
        await server.crash()
        server.channels = call.channels(answered=True)
        await server.listen()
        await hub.until(lambda: any(one.phase is CallPhase.ANSWERED for one in hub.calls))
        await up(hub)
        await server.emit(*call.hang_up())
        await hub.until(lambda: bool(hub.ended()))

    assert [one.phase for one in hub.calls] == [
        CallPhase.STARTED,
        CallPhase.RINGING,
        CallPhase.ANSWERED,
        CallPhase.ENDED,
    ]
    assert (hub.ended()[0].answered_by, hub.ended()[0].did) == ("101", "74952280001")
    assert hub.ended()[0].talk_seconds is None  # nobody heard when it was answered


async def test_restarted_hub_closes_the_call_it_knew_and_takes_up_the_one_it_did_not(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    old, new = IncomingCall(1, "+79161234567"), IncomingCall(2, "+79031112233", extension="102")
    async with running(connector, hub):
        await up(hub)
        await server.emit(*old.ring())
        await hub.until(lambda: any(one.ringing for one in hub.calls))
    server.channels = new.channels(answered=False)

    async with running(AsteriskConnector("office-phone", settings_for(server)), hub):
        await hub.until(lambda: any(one.linkedid == new.linkedid and one.ringing for one in hub.calls))

    assert [(one.linkedid, one.reason) for one in hub.ended()] == [(old.linkedid, "lost")]
    assert hub.ended()[0].did == "74952280001"


async def test_half_open_link_is_noticed_and_replaced(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    """By default a ping every 5 s and 5 s for its answer. Here the interval is short, the 5 s are real."""
    async with running(connector, hub):
        await up(hub)
        server.half_open = True
        started = time.monotonic()
        await hub.until(lambda: hub.state is HealthState.DOWN, timeout=15)
        noticed = time.monotonic() - started
        server.half_open = False
        await hub.until(lambda: hub.state is HealthState.UP)

    assert noticed < 15 - 5  # the default interval is 5 s longer
    assert server.logins == 2


async def test_wrong_secret_is_tried_once(server: AmiServer, hub: Hub) -> None:
    connector = AsteriskConnector("office-phone", settings_for(server, secret="wrong"))

    with pytest.raises(AuthFailed):
        await asyncio.wait_for(connector.run(hub), 3)

    assert server.logins == 1


async def test_another_service_on_the_port_is_a_misconfiguration(server: AmiServer, hub: Hub) -> None:
    server.banner = b"SSH-2.0-OpenSSH_9.2\r\n"

    with pytest.raises(Misconfigured):
        await asyncio.wait_for(AsteriskConnector("office-phone", settings_for(server)).run(hub), 3)


async def test_phases_wait_in_order_while_the_store_is_full(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    async with running(connector, hub):
        await up(hub)
        hub.full = True
        await server.play(TRACES / "a_answered.ami")
        await hub.until(lambda: hub.refused > 1 and hub.state is HealthState.DEGRADED)
        hub.full = False
        await hub.until(lambda: bool(hub.ended()))
        await hub.until(lambda: hub.state is HealthState.UP)

    phases = [call.phase for call in hub.calls]
    assert phases == [CallPhase.STARTED, CallPhase.RINGING, CallPhase.ANSWERED, CallPhase.ENDED]


async def test_event_nobody_foresaw_does_not_cost_the_link(
    server: AmiServer, hub: Hub, connector: AsteriskConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[object]:
        raise KeyError("boom")

    monkeypatch.setitem(handlers.HANDLERS, "Strange", fail)
    async with running(connector, hub):
        await up(hub)
        await server.emit({"Event": "Strange"}, *IncomingCall(1, "+79161234567").ring())
        await hub.until(lambda: any(call.ringing for call in hub.calls))

    assert server.logins == 1


async def test_account_without_the_system_class_is_told_to_ops(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    server.denied = {"CoreShowChannels", "DBPut"}
    async with running(connector, hub):
        await hub.until(lambda: hub.state is HealthState.DEGRADED)
        await server.emit(*IncomingCall(1, "+79161234567").ring())
        await hub.until(lambda: any(call.ringing for call in hub.calls))

    assert "system" in (hub.reports[-1][1] or "")


async def test_opening_hours_are_in_astdb_and_follow_the_calendar(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    opening = hub.now() + timedelta(seconds=0.5)
    hub.hours = OpenState(open=False, next_open=opening, next_close=None)
    async with running(connector, hub):
        await server.wait_for(lambda: len(server.asked("DBPut")) == 3)
        closed = dict(server.astdb)
        hub.hours = OpenState(open=True, next_open=None, next_close=datetime(2026, 11, 23, 16, tzinfo=UTC))
        await server.wait_for(lambda: server.astdb["firstline/next_open_epoch"] == "-")

    assert closed["firstline/open"] == "0"
    assert closed["firstline/next_open"] == opening.isoformat(timespec="seconds")
    assert server.astdb == {"firstline/open": "1", "firstline/next_open": "-", "firstline/next_open_epoch": "-"}


async def test_opening_hours_are_written_again_after_a_restart(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    async with running(connector, hub):
        await server.wait_for(lambda: len(server.asked("DBPut")) == 3)
        await server.crash()
        server.astdb.clear()
        await server.listen()
        await server.wait_for(lambda: server.astdb.get("firstline/open") == "1")


async def test_check_logs_in_and_tells_the_version(server: AmiServer, connector: AsteriskConnector) -> None:
    assert await connector.check() == "Вход выполнен: Asterisk 20.20.1, AMI 9.0.0."


async def test_check_tells_a_wrong_secret_and_a_closed_port(server: AmiServer) -> None:
    with pytest.raises(AuthFailed):
        await AsteriskConnector("phone", settings_for(server, secret="wrong")).check()
    settings = settings_for(server)
    await server.crash()
    with pytest.raises(NotReady):
        await AsteriskConnector("phone", settings).check()


async def test_nothing_stays_scheduled_after_the_end(server: AmiServer, hub: Hub, connector: AsteriskConnector) -> None:
    before = asyncio.all_tasks()
    async with running(connector, hub):
        await up(hub)
    await asyncio.sleep(0.5)  # longer than the pause before a new attempt

    assert asyncio.all_tasks() - before == set()
    assert server.logins == 1


@pytest.mark.parametrize("value", ["a\r\nAction: Logoff", "a\nb", "a\rb", "a\x00b", "a\u2028b"])
async def test_link_refuses_a_value_that_would_break_out_of_its_line(server: AmiServer, value: str) -> None:
    link = await AmiLink.open(settings_for(server), lambda event: None)
    with pytest.raises(BadValue):
        await link.action("DBPut", {"Family": "firstline", "Key": "open", "Val": value})
    await link.close()

    assert [action["Action"] for action in server.actions] == ["Login"]


async def test_endless_message_ends_the_link_and_not_the_memory(
    server: AmiServer, hub: Hub, connector: AsteriskConnector
) -> None:
    async with running(connector, hub):
        await up(hub)
        await server.send(b"Event: Newchannel\r\nCallerIDName: " + b"x" * (3 << 20))
        await hub.until(lambda: hub.state is HealthState.DOWN)
        await hub.until(lambda: hub.state is HealthState.UP)

    assert server.logins == 2


async def test_recording_plays_at_its_own_pace(server: AmiServer, hub: Hub, connector: AsteriskConnector) -> None:
    """b2 lasts 2.0 s; at tenfold speed a fifth of a second."""
    async with running(connector, hub):
        await up(hub)
        started = time.monotonic()
        await server.play(TRACES / "b2_hangup_in_greeting.ami", speed=10)
        await hub.until(lambda: bool(hub.ended()))

    assert 0.15 < time.monotonic() - started < math.inf
    assert hub.ended()[0].reason == "greeting"
