"""Gaps: what the exchange still knows is taken up, what it no longer knows is closed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.asterisk.calls import CallTracker
from connectors.contract import CallOutcome, CallPhase
from tests.connectors.asterisk.events import AT, end_of, tell
from tests.connectors.asterisk.recorded import SETTINGS, ended
from tests.connectors.asterisk.synthetic import IncomingCall


def test_call_begun_after_asking_for_the_channels_stays_open() -> None:
    tracker = CallTracker(SETTINGS)
    old, new = IncomingCall(1, "+79161234567"), IncomingCall(2, "+79031112233")
    tell(*old.ring(), tracker=tracker)
    known = tracker.open_calls
    tell(*new.ring(), tracker=tracker)

    closed = ended(tracker.reconcile([], AT, known=known))

    assert [facts.linkedid for facts in closed] == [old.linkedid]
    assert tracker.open_calls == {new.linkedid}


def test_call_that_ended_after_the_list_was_made_is_not_taken_up_again() -> None:
    tracker = CallTracker(SETTINGS)
    call = IncomingCall(1, "+79161234567")
    tell(*call.ring(), *call.answer(), *call.hang_up(), tracker=tracker)

    assert tracker.reconcile(call.channels(answered=True), AT, known=frozenset()) == []


@pytest.mark.parametrize("answered", [True, False])
def test_call_found_alive_is_taken_up_with_its_start(answered: bool) -> None:
    tracker = CallTracker(SETTINGS)
    call = IncomingCall(1, "+79161234567")

    news = tracker.reconcile(call.channels(answered=answered), AT, known=frozenset())

    assert news[0].facts.phase is CallPhase.STARTED
    assert news[0].facts.started_at == AT - timedelta(seconds=7)
    assert news[-1].facts.ringing == (() if answered else ("101",))
    assert news[-1].facts.last_agent == ("101" if answered else None)


def test_restart_of_the_hub_repeats_no_phase_under_another_name() -> None:
    call = IncomingCall(1, "+79161234567")
    before = CallTracker(SETTINGS)
    told = {one.key for one in tell(*call.ring(), *call.answer(), tracker=before)}
    after = CallTracker(SETTINGS)
    after.restore(before.snapshot())

    again = after.reconcile(call.channels(answered=True), AT, known=after.open_calls)
    end = end_of(tell(*call.hang_up(), tracker=after))

    assert {one.key for one in again} <= told
    assert (end.outcome, end.answered_by, end.did) == (CallOutcome.ANSWERED, "101", "74952280001")
    assert end.talk_seconds is not None


def test_customer_waiting_in_a_queue_is_found_after_a_restart() -> None:
    tracker = CallTracker(SETTINGS)
    call = IncomingCall(1, "+79161234567")
    tracker.reconcile(call.channels(answered=False), AT, known=frozenset())
    entry = {"Event": "QueueEntry", "Queue": "firstline", "Position": "1", "Uniqueid": call.linkedid}

    assert end_of(tell(entry, *call.hang_up(), tracker=tracker)).queue == "firstline"
