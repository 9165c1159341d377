"""Calls that no recording holds: other installations, transfers, our own calls, rubbish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.asterisk.calls import CallTracker
from connectors.asterisk.handlers import HANDLERS
from connectors.asterisk.legs import Event
from connectors.contract import CallDirection, CallOutcome, CallPhase
from tests.connectors.asterisk.events import AT, channel, end_of, event, tell, with_settings
from tests.connectors.asterisk.recorded import SETTINGS
from tests.connectors.asterisk.synthetic import IncomingCall


def answered_by_phone(trunk: str, phone: str, context: str) -> list[Event]:
    """Operator's line → phone, answered, caller hangs up."""
    line, up = channel(trunk, "1.0", state=4, caller="+79161234567", at=context), channel(trunk, "1.0")
    rung, picked = channel(phone, "1.1", state=5, caller="101"), channel(phone, "1.1", caller="101")
    return [
        event("Newchannel", line),
        event("Newchannel", {**rung, "ChannelState": "0"}),
        event("DialBegin", up, rung, DialString="101"),
        event("DialEnd", up, picked, DialStatus="ANSWER"),
        event("HangupRequest", up),
        event("Hangup", up, Cause="16"),
    ]


@pytest.mark.parametrize(
    ("trunk", "phone", "context"),
    [
        ("SIP/mango-0000000a", "SIP/101-0000000b", "from-trunk-sip-mango,74952280001"),
        ("PJSIP/zadarma-0000000a", "PJSIP/101-0000000b", "zadarma-in,74952280001"),
        ("IAX2/office2-1234", "SIP/101-0000000b", "default,74952280001"),
        ("DAHDI/i1/9161234567-1f", "PJSIP/101-0000000b", "from-pstn,74952280001"),
        ("PJSIP/100-0000000a", "PJSIP/101-0000000b", "from-trunk,74952280001"),
    ],
    ids=["chan_sip", "unknown-context", "iax", "dahdi", "trunk-named-like-a-phone"],
)
def test_incoming_call_is_recognised_on_other_exchanges(trunk: str, phone: str, context: str) -> None:
    facts = end_of(tell(*answered_by_phone(trunk, phone, context)))

    assert (facts.direction, facts.outcome) == (CallDirection.IN, CallOutcome.ANSWERED)
    assert (facts.did, facts.number, facts.answered_by) == ("74952280001", "+79161234567", "101")
    assert (facts.wait_seconds, facts.talk_seconds) == (3.0, 2.0)


def test_line_without_a_did_takes_it_from_the_dialplan_variable() -> None:
    line = channel("DAHDI/1-1", "1.0", state=4, caller="+79161234567", at="from-pstn,s")

    (started, *_) = tell(event("Newchannel", line))
    news = tell(
        event("Newchannel", line),
        event("VarSet", line, Variable="__FROM_DID", Value="74952280001"),
        event("Hangup", line, Cause="16"),
    )

    assert started.facts.did is None
    assert end_of(news).did == "74952280001"


def test_phone_named_by_a_word_is_known_by_its_queue_interface() -> None:
    settings = with_settings(extension_pattern=r"\d{3}|anna|boris")
    line = channel("PJSIP/trunk-1", "1.0", state=4, caller="+79161234567", at="from-trunk,74952280001")
    phone = channel("PJSIP/anna-2", "1.1", state=5)

    news = tell(
        event("Newchannel", line),
        event("AgentCalled", line, phone, Queue="sales", Interface="PJSIP/anna", MemberName="Анна"),
        event("AgentConnect", line, phone, Queue="sales", Interface="PJSIP/anna", MemberName="Анна"),
        event("Hangup", line, Cause="16"),
        settings=settings,
    )

    assert (end_of(news).answered_by, end_of(news).queue) == ("anna", "sales")


def local_member() -> tuple[Event, Event, Event, Event]:
    line = channel("PJSIP/trunk-00000000", "1.0", state=4, caller="+79161234567", at="from-trunk,74952280003")
    near = channel("Local/102@from-queue-00000001;1", "1.1", state=0, at="from-queue,102")
    far = channel("Local/102@from-queue-00000001;2", "1.2", state=4, at="from-queue,102")
    phone = channel("PJSIP/102-00000003", "1.3", state=5, caller="+79161234567", at="from-internal,s")
    return line, near, far, phone


def test_queue_member_behind_a_local_channel_is_one_agent() -> None:
    line, near, far, phone = local_member()
    queue = {"Queue": "firstline-local", "Interface": "Local/102@from-queue/n", "MemberName": "Борис Петров"}

    news = tell(
        event("Newchannel", line),
        event("QueueCallerJoin", line, Queue="firstline-local"),
        event("Newchannel", near),
        event("Newchannel", far),
        event("AgentCalled", line, near, **queue),
        event("DialBegin", line, near, DialString="Local/102@from-queue/n"),
        event("Newchannel", phone),
        event("DialBegin", far, phone, DialString="102"),
        event("DialEnd", far, phone, DialStatus="ANSWER"),
        event("DialEnd", line, near, DialStatus="ANSWER"),
        event("AgentConnect", line, near, **queue, HoldTime="5"),
        event("BridgeEnter", near),
        event("BridgeEnter", phone),
        event("Hangup", line, Cause="16"),
    )

    assert (end_of(news).answered_by, end_of(news).rang) == ("102", ("102",))
    assert [one.facts.phase for one in news].count(CallPhase.ANSWERED) == 1


def test_local_channel_that_ends_in_voicemail_is_no_human() -> None:
    line, near, far, _ = local_member()

    news = tell(
        event("Newchannel", line),
        event("Newchannel", near),
        event("Newchannel", far),
        event("DialBegin", line, near, DialString="Local/102@from-queue/n"),
        event("Newexten", far, Application="VoiceMail", AppData="102@default,u"),
        event("DialEnd", line, {**near, "ChannelState": "6"}, DialStatus="ANSWER"),
        event("BridgeEnter", {**near, "ChannelState": "6"}),
        event("Hangup", line, Cause="16"),
    )

    assert (end_of(news).outcome, end_of(news).reason) == (CallOutcome.MISSED, "voicemail")


def test_mobile_that_is_called_for_an_employee_counts_as_that_employee() -> None:
    line, near, far, _ = local_member()
    mobile = channel("PJSIP/trunk-00000009", "1.4", state=5, caller="+79990001122", at="from-trunk,s")

    news = tell(
        event("Newchannel", line),
        event("Newchannel", near),
        event("Newchannel", far),
        event("DialBegin", line, near, DialString="Local/102@from-queue/n"),
        event("DialBegin", far, mobile, DialString="+79990001122@trunk"),
        event("DialEnd", far, mobile, DialStatus="ANSWER"),
        event("Hangup", line, Cause="16"),
    )

    assert (end_of(news).direction, end_of(news).answered_by) == (CallDirection.IN, "102")


def outgoing(status: str, cause: str, exten: str = "989161234567") -> list[Event]:
    phone = channel("PJSIP/101-1", "1.0", state=4, caller="101", at=f"from-internal,{exten}")
    line = channel("PJSIP/trunk-2", "1.1", state=5, caller="89161234567", at="from-trunk,s")
    return [
        event("Newchannel", phone),
        event("Newchannel", {**line, "ChannelState": "0"}),
        event("DialBegin", phone, line, DialString="89161234567@trunk"),
        event("DialEnd", phone, line, DialStatus=status),
        event("Hangup", line, Cause=cause),
        event("Hangup", phone, Cause=cause),
    ]


@pytest.mark.parametrize(
    ("status", "cause", "outcome"),
    [
        ("ANSWER", "16", CallOutcome.ANSWERED),
        ("BUSY", "17", CallOutcome.BUSY),
        ("NOANSWER", "17", CallOutcome.BUSY),
        ("NOANSWER", "19", CallOutcome.NO_ANSWER),
        ("CANCEL", "0", CallOutcome.NO_ANSWER),
        ("CONGESTION", "34", CallOutcome.FAILED),
        ("CHANUNAVAIL", "1", CallOutcome.FAILED),
    ],
)
def test_outcome_of_our_own_call(status: str, cause: str, outcome: CallOutcome) -> None:
    facts = end_of(tell(*outgoing(status, cause)))

    assert (facts.direction, facts.outcome, facts.answered_by) == (CallDirection.OUT, outcome, "101")


def test_digit_for_an_outside_line_is_not_part_of_the_number() -> None:
    assert end_of(tell(*outgoing("ANSWER", "16"))).number == "89161234567"


def test_short_number_of_the_operator_is_an_outgoing_call() -> None:
    assert end_of(tell(*outgoing("ANSWER", "16", exten="0890"))).direction is CallDirection.OUT


def test_feature_code_is_internal() -> None:
    phone = channel("PJSIP/101-1", "1.0", state=4, caller="101", at="from-internal,*97")

    assert end_of(tell(event("Newchannel", phone), event("Hangup", phone))).direction is CallDirection.INTERNAL


def test_customer_handed_to_a_colleague_goes_on_after_the_first_seller_hung_up() -> None:
    phone, *_ = outgoing("ANSWER", "16")
    begun = outgoing("ANSWER", "16")[:4]
    colleague = channel("PJSIP/102-3", "1.2", state=5, caller="102", at="from-internal,s")
    customer = channel("PJSIP/trunk-2", "1.1", at="from-internal,102")

    news = tell(
        *begun,
        event("Hangup", {key: value for key, value in phone.items() if key != "Event"}, Cause="16"),
        event("DialBegin", customer, colleague, DialString="102"),
        event("DialEnd", customer, colleague, DialStatus="ANSWER"),
        event("Hangup", customer, Cause="16"),
        event("Hangup", colleague, Cause="16"),
    )

    facts = end_of(news)
    assert (facts.answered_by, facts.last_agent, facts.talk_seconds) == ("101", "102", 5.0)


def test_call_answered_by_the_first_agent_again_is_told_again() -> None:
    call = IncomingCall(1, "+79161234567")
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    second = channel("PJSIP/102-9", "9.2", call.linkedid, state=5, caller="102", at="from-internal,s")
    third = channel("PJSIP/101-9", "9.3", call.linkedid, state=5, caller="101", at="from-internal,s")

    news = tell(
        *call.ring(),
        *call.answer(),
        event("DialEnd", caller, second, DialStatus="ANSWER"),
        event("DialEnd", caller, third, DialStatus="ANSWER"),
        *call.hang_up(),
    )

    answers = [one for one in news if one.facts.phase is CallPhase.ANSWERED]
    assert [one.facts.last_agent for one in answers] == ["101", "102", "101"]
    assert len({one.key for one in answers}) == 3


def test_consultation_without_a_transfer_is_told_when_it_ends() -> None:
    call = IncomingCall(1, "+79161234567")
    phone = channel("PJSIP/101-8", "8.0", "8.0", state=4, caller="101", at="from-internal,102")
    colleague = channel("PJSIP/102-9", "8.1", "8.0", state=5, caller="102", at="from-internal,s")
    tracker = CallTracker(SETTINGS)
    tell(*call.ring(), *call.answer(), tracker=tracker)

    quiet = tell(
        event("Newchannel", phone),
        event("DialBegin", phone, colleague, DialString="102"),
        event("DialEnd", phone, colleague, DialStatus="ANSWER"),
        tracker=tracker,
    )
    told = tell(event("Hangup", colleague), event("Hangup", phone), tracker=tracker)

    assert quiet == []
    assert (end_of(told).direction, end_of(told).answered_by) == (CallDirection.INTERNAL, "102")


def test_queue_time_out_without_voicemail() -> None:
    call = IncomingCall(1, "+79161234567")
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    news = tell(*call.ring(), event("QueueCallerAbandon", caller), event("Hangup", caller, Cause="16"))

    assert (end_of(news).outcome, end_of(news).reason) == (CallOutcome.MISSED, "queue_timeout")


def test_dialplan_may_name_the_reason_itself() -> None:
    call = IncomingCall(1, "+79161234567")
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    reason = event("VarSet", caller, Variable="FIRSTLINE_REASON", Value="out_of_hours")

    assert end_of(tell(*call.arrive(), reason, *call.hang_up())).reason == "out_of_hours"


def test_recording_link_follows_the_template_and_is_quoted() -> None:
    settings = with_settings(recording_url="https://pbx.example/{year}/{month}/{day}/{file}?id={linkedid}")
    call = IncomingCall(1, "+79161234567", timestamps=True)
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    mix = event("VarSet", caller, Variable="MIXMONITOR_FILENAME", Value="/var/spool/a b&c.wav")

    facts = end_of(tell(*call.ring(), mix, *call.hang_up(), settings=settings))

    assert facts.recording == "https://pbx.example/2026/11/22/a%20b%26c.wav?id=1795350000.2"


def test_recording_is_known_from_the_application_alone() -> None:
    settings = with_settings(recording_url="https://pbx.example/{path}")
    call = IncomingCall(1, "+79161234567")
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    mix = event("Newexten", caller, Application="MixMonitor", AppData="2026/11/22/1.wav,b")

    facts = end_of(tell(*call.ring(), mix, *call.hang_up(), settings=settings))

    assert facts.recording == "https://pbx.example/2026/11/22/1.wav"


def test_waiting_ends_when_the_voicemail_begins_without_any_queue() -> None:
    call = IncomingCall(1, "+79161234567")
    line = call.arrive()[0]
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    voicemail = event("Newexten", caller, Application="VoiceMail", AppData="100@default,u")
    left = event("MessageWaiting", caller, Mailbox="100@default", Waiting="1", New="1")

    facts = end_of(tell(line, event("Newstate", caller), voicemail, left, event("Hangup", caller)))

    assert (facts.wait_seconds, facts.voicemail, facts.reason) == (2.0, True, "voicemail")


def test_caller_who_left_the_queue_before_any_phone_rang_abandoned_it() -> None:
    facts = end_of(tell(*IncomingCall(1, "+79161234567").arrive(), *IncomingCall(1, "+79161234567").hang_up()))

    assert (facts.queue, facts.rang, facts.reason) == ("firstline", (), "abandoned")


def test_voicemail_that_was_left_is_known_from_its_status() -> None:
    call = IncomingCall(1, "+79161234567")
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    status = event("VarSet", caller, Variable="VMSTATUS", Value="SUCCESS")

    assert end_of(tell(*call.arrive(), status, *call.hang_up())).voicemail


def test_voicemail_is_known_from_the_cdr_when_the_dialplan_is_not_seen() -> None:
    call = IncomingCall(1, "+79161234567")
    caller = {key: value for key, value in call.hang_up()[0].items() if key != "Event"}
    cdr = {"Event": "Cdr", "UniqueID": call.linkedid, "LastApplication": "VoiceMail"}

    facts = end_of(tell(*call.arrive(), event("QueueCallerAbandon", caller), cdr, *call.hang_up()))

    assert (facts.reason, facts.wait_seconds) == ("voicemail", 3.0)


_values = st.one_of(
    st.sampled_from(
        ["1.0", "1.1", "2.0", "PJSIP/101-1", "Local/102@x-1;2", "4", "6", "ANSWER", "Success", "", "<unknown>"]
    ),
    st.text(max_size=20),
)
_names = ["Channel", "Uniqueid", "Linkedid", "ChannelState", "CallerIDNum", "CallerIDName", "Context", "Exten", "Cause"]
_headers = [*_names, *(f"Dest{name}" for name in _names), "DialString", "DialStatus", "Variable", "Value", "Timestamp"]


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(HANDLERS)), st.dictionaries(st.sampled_from(_headers), _values)), max_size=12
    )
)
def test_no_event_however_broken_raises(events: list[tuple[str, Event]]) -> None:
    tracker = CallTracker(SETTINGS)
    for name, headers in events:
        for one in tracker.feed({"Event": name, **headers}, AT):
            assert one.facts.linkedid
    tracker.reconcile([headers for _, headers in events], AT, known=tracker.open_calls)
