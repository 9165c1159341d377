"""Every recorded call comes out as it really was, whatever order, repetition or lack of timestamps the events have."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.asterisk.calls import CallNews, CallTracker
from connectors.asterisk.handlers import HANDLERS
from connectors.asterisk.legs import Event
from connectors.contract import CallDirection, CallFacts, CallPhase
from tests.connectors.asterisk.recorded import (
    EXPECTED,
    REQUEST,
    SETTINGS,
    assert_as_expected,
    blocks,
    ended,
    parts,
    play,
    run,
    without_timestamps,
)

ALL = sorted(EXPECTED)


@pytest.mark.parametrize("trace", ALL)
def test_call_is_told_as_it_really_was(trace: str) -> None:
    assert_as_expected(trace, run(trace))


@pytest.mark.parametrize("trace", ALL)
def test_each_call_starts_once_and_ends_once_and_no_phase_repeats(trace: str) -> None:
    news = run(trace)

    counts = Counter((one.facts.call_id, one.facts.phase) for one in news)
    for call_id in {one.facts.call_id for one in news}:
        assert counts[call_id, CallPhase.STARTED] == 1
        assert counts[call_id, CallPhase.ENDED] == 1
    keys = [(one.facts.call_id, one.key) for one in news]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("trace", [trace for trace in ALL if len(parts(trace)) == 1])
def test_call_without_timestamps_is_measured_by_arrival(trace: str) -> None:
    tracker = CallTracker(SETTINGS)
    tracker.expect(REQUEST, datetime(2026, 11, 22, tzinfo=UTC))
    news = [one for event, at in without_timestamps(blocks(parts(trace)[0])) for one in tracker.feed(event, at)]

    assert_as_expected(trace, news, tolerance=0.15)


@pytest.mark.parametrize("trace", ALL)
def test_events_told_twice_change_nothing(trace: str) -> None:
    doubled = [[event for event in blocks(path) for _ in (1, 2)] for path in parts(trace)]

    news = play(doubled, CallTracker(SETTINGS))

    assert _told(news) == _told(run(trace))


@pytest.mark.parametrize("trace", ALL)
def test_whole_recording_told_twice_changes_nothing(trace: str) -> None:
    tracker = CallTracker(SETTINGS)
    first = run(trace, tracker=tracker)

    assert_as_expected(trace, first)
    assert run(trace, tracker=tracker) == []


@pytest.mark.parametrize("trace", ALL)
def test_exchange_that_sends_no_dialplan_events_is_understood(trace: str) -> None:
    """An AMI account without the `dialplan` class gets neither Newexten nor VarSet."""
    kept = [[event for event in blocks(path) if event["Event"] not in ("Newexten", "VarSet")] for path in parts(trace)]

    assert_as_expected(trace, play(kept, CallTracker(SETTINGS)))


_SETTLING = timedelta(milliseconds=25)
_ORDERED = {"Newchannel", "FullyBooted"}
_ENDS = {"Hangup", "DialEnd", "Cdr"}


@pytest.mark.parametrize("trace", ALL)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_order_of_simultaneous_events_does_not_matter(trace: str, data: st.DataObject) -> None:
    """Neighbours that happened within the same instant change places, again and again: Cdr and Hangup, AgentComplete
    and BridgeLeave, the caller's and the agent's Hangup, OriginateResponse and DialEnd, DialEnd twice, and the rest."""
    shuffled = []
    for path in parts(trace):
        events = [event for event in blocks(path) if event["Event"] in HANDLERS or event["Event"] == "FullyBooted"]
        swaps = data.draw(st.lists(st.integers(0, max(0, len(events) - 2)), max_size=60))
        shuffled.append(_swap(events, swaps))

    assert_as_expected(trace, play(shuffled, CallTracker(SETTINGS)), tolerance=0.15)


def _swap(events: list[Event], swaps: list[int]) -> list[Event]:
    events = list(events)
    for index in swaps:
        first, second = events[index : index + 2] if len(events) > 1 else (events[0], events[0])
        if _may_swap(first, second):
            events[index : index + 2] = [second, first]
    return events


def _may_swap(first: Event, second: Event) -> bool:
    """Within one instant, and not what Asterisk itself orders: a channel is created before anything else of it, and one
    channel's own states follow each other. Of one kind only ends are unordered: phones of a group are told in order."""
    kinds = {first["Event"], second["Event"]}
    if kinds & _ORDERED or (len(kinds) == 1 and not kinds & _ENDS):
        return False
    apart = abs(_moment(first) - _moment(second))
    same_channel = first.get("Uniqueid") == second.get("Uniqueid") and "Uniqueid" in first
    own_states = {"Newstate", "HangupRequest", "Hangup", "BridgeEnter", "Newexten", "NewCallerid"}
    follows = same_channel and kinds <= own_states
    return apart <= _SETTLING and not follows and first is not second


def _moment(event: Event) -> datetime:
    return datetime.fromtimestamp(float(event.get("Timestamp", 0)), UTC)


def _told(news: list[CallNews]) -> list[tuple[str, CallFacts]]:
    return [(one.key, one.facts) for one in news]


def test_click_to_call_of_another_program_is_an_outgoing_call_without_our_request() -> None:
    tracker = CallTracker(SETTINGS)
    events = blocks(parts("h_click2call_answered")[0])
    news = [one for event in events for one in tracker.feed(event, datetime(2026, 11, 22, tzinfo=UTC))]

    assert {(one.facts.direction, one.facts.number, one.facts.request_id) for one in news} == {
        (CallDirection.OUT, "89161234567", None)
    }
    assert (ended(news)[0].answered_by, ended(news)[0].talk_seconds) == ("101", 7.002)


def test_crash_closes_the_call_with_unknown_end() -> None:
    (facts,) = ended(run("i2_crash_mid_call"))

    assert facts.ended_at is None
    assert facts.talk_seconds is None


def test_consultation_before_a_transfer_is_not_a_call_of_its_own() -> None:
    assert {one.facts.call_id for one in run("f2_attended_transfer")} == {"1795344826.0"}


@pytest.mark.parametrize(
    ("trace", "unseen"),
    [
        ("f2_attended_transfer", {"AttendedTransfer"}),
        ("f2_attended_transfer", {"BridgeEnter", "NewConnectedLine"}),
        ("a_answered", {"DialEnd", "AgentConnect"}),
        ("a_answered", {"DialEnd", "BridgeEnter"}),
        ("a_answered", {"AgentCalled", "AgentConnect", "BridgeEnter"}),
        ("b_abandoned", {"QueueCallerAbandon", "QueueCallerLeave"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(sorted(value)),
)
def test_no_single_witness_is_needed(trace: str, unseen: set[str]) -> None:
    """Exchanges differ in what they send; answers and transfers are seen by several events."""
    kept = [[event for event in blocks(path) if event["Event"] not in unseen] for path in parts(trace)]

    assert_as_expected(trace, play(kept, CallTracker(SETTINGS)))


def test_card_pops_up_before_the_answer_and_goes_when_the_phone_stops() -> None:
    rings = [one.facts.ringing for one in run("a2_second_agent") if one.facts.phase is CallPhase.RINGING]

    assert rings == [("101",), (), ("102",)]


def test_ring_group_rings_everybody_at_once() -> None:
    rings = [one.facts.ringing for one in run("l_ringgroup_answered") if one.facts.phase is CallPhase.RINGING]

    assert ("101", "102", "103") in rings
