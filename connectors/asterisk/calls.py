"""The call-state machine: AMI events in, phases of calls out. No I/O, no clock; the same events always tell the same.

Handlers only note what an event says about a leg or a call. Afterwards `_tell` compares the call with what was told of
it and emits what is new, so the order in which an installation sends its events matters little and a repeated event
changes nothing.

Rules, from recorded traffic of Asterisk 20 and 22 (`tests/connectors/asterisk/traces/README.md`):

====================  ==================================================================================================
a call begins         with a channel whose Uniqueid is its Linkedid, first seen before it is up
direction             first channel an operator's line: IN when it rings us (state 4), OUT when the exchange dialled it;
                      first channel our phone: OUT or INTERNAL by whom it calls, so STARTED waits until that is known
ours or not           context patterns, then the peer's name, then the caller id, in that order
a phone rings         DialBegin or AgentCalled, until DialEnd, AgentRingNoAnswer or Hangup; each channel rings once
a human answered      DialEnd ANSWER, AgentConnect or BridgeEnter of a called leg that is a phone. The caller's own
                      channel being up, CDRs and halves of Local channels prove nothing
agent of a leg        its own extension, else of the queue member (Interface, MemberName), else of the Local channel
                      that dials it (a mobile called on behalf of 102 is 102), else the dialled number
transfer              a further leg answers in the same call, or a leg changes its Linkedid to this call's
consultation          an internal call of somebody who is talking is held back; when its other side changes over to the
                      first call it is never told, else it is told when it ends
queue time-out        QueueCallerAbandon and QueueCallerLeave end nothing; only a Hangup does
over                  IN: the caller's channel is gone. Begun by us: all channels are gone
crash, lost link      `reconcile`: what the exchange no longer knows is closed, end unknown; what it knows is taken up
click-to-call         the next call that the exchange places to that extension, or the channel variable
                      FIRSTLINE_REQUEST, or the ActionID in OriginateResponse
====================  ==================================================================================================

Linkedids hold the second of their creation, so they do not repeat after a restart of Asterisk, and serve as call ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from connectors.asterisk import tables
from connectors.asterisk.book import CallBook, moment_of, to_int
from connectors.asterisk.handlers import HANDLERS
from connectors.asterisk.legs import Call, Event, answer, ring, silence
from connectors.asterisk.outcome import facts_of
from connectors.asterisk.settings import AsteriskSettings
from connectors.contract import CallDirection, CallFacts, CallPhase, CallRequest


class CallNews(msgspec.Struct, frozen=True):
    """One phase of a call, with what its inbound needs besides the facts."""

    facts: CallFacts
    at: datetime
    """When this phase began."""
    key: str
    """Names this phase within the call by its content, the same after a restart of the hub."""
    caller_name: str | None = None


class CallTracker:
    """All live calls of one exchange."""

    def __init__(self, settings: AsteriskSettings) -> None:
        self._book = CallBook(settings)

    @property
    def open_calls(self) -> frozenset[str]:
        """Ids of the calls that live now, as far as is known."""
        return frozenset(self._book.calls)

    def feed(self, event: Event, at: datetime) -> list[CallNews]:
        """Take one event that arrived at `at`; its own Timestamp counts when the exchange sends one."""
        handler = HANDLERS.get(event.get("Event", ""))
        if handler is None:
            return []
        now = moment_of(event, at)
        return [news for call in handler(self._book, event, now) for news in self._tell(call, now)]

    def expect(self, request: CallRequest, at: datetime) -> None:
        """A click-to-call is being placed: the call that comes of it carries its id."""
        self._book.expect(request, at)

    def give_up(self, request_id: str) -> None:
        """The click-to-call was refused: no call will come of it."""
        self._book.give_up(request_id)

    def reconcile(
        self, channels: Sequence[Event], at: datetime, *, known: frozenset[str], booted_at: datetime | None = None
    ) -> list[CallNews]:
        """Compare with CoreShowChannels after a gap. `known` are the `open_calls` at the moment of asking: calls that
        began since are not in the list and must not be closed. `booted_at`: start of Asterisk, tells crash from lost
        link."""
        touched = {call.linkedid: call for row in channels if (call := self._adopt(row, at)) is not None}
        uids = {row.get("Uniqueid", "") for row in channels}
        linkedids = {row.get("Linkedid", "") for row in channels}
        for linkedid in sorted(known & self._book.calls.keys()):
            call = touched[linkedid] = self._book.calls[linkedid]
            if linkedid not in (uids if call.incoming else linkedids):
                call.lost = "crash" if booted_at is not None and booted_at > call.started_at else "lost"
            for leg in [leg for leg in call.legs.values() if leg.uid not in uids]:
                silence(leg)
                leg.gone = True
        return [news for call in touched.values() for news in self._tell(call, at)]

    def snapshot(self) -> list[dict[str, Any]]:
        """The open calls that were told of, as JSON values for `restore`."""
        return [
            {"facts": msgspec.to_builtins(call.latest), "name": call.caller_name}
            for call in self._book.calls.values()
            if call.latest is not None
        ]

    def restore(self, saved: Iterable[dict[str, Any]]) -> None:
        """Take up the calls of an earlier process; `reconcile` closes those that ended in between."""
        for item in saved:
            facts = msgspec.convert(item["facts"], CallFacts)
            self._book.calls.setdefault(facts.linkedid, _restored(facts, item.get("name")))

    def _adopt(self, row: Event, at: datetime) -> Call | None:
        hours, minutes, seconds = ([max(0, to_int(part)) for part in row.get("Duration", "").split(":")] + [0, 0])[:3]
        leg = self._book.leg(row, at - timedelta(hours=hours, minutes=minutes, seconds=seconds), adopt=True)
        if leg is None:
            return None
        if leg is not leg.call.root:
            if to_int(row.get("ChannelState", "")) == tables.RINGING:
                ring(leg)
            elif leg.up and row.get("BridgeId"):
                answer(leg, None)
        return leg.call

    def _tell(self, call: Call, now: datetime) -> list[CallNews]:
        over = call.lost is not None or call.is_over()
        if call.direction is CallDirection.OUT:
            call.held = False
            if call.answered_by is None and _has_picked_up(call):
                call.answered_by = call.caller_extension
        if not over and (call.held or call.direction is None):
            return []
        told = [] if over and call.held and call.merged else list(_phases(call, over, now))
        if over:
            self._book.forget(call)
        return told


def _phases(call: Call, over: bool, now: datetime) -> Iterable[CallNews]:
    if not call.told_start:
        call.told_start = True
        yield _news(call, CallPhase.STARTED, call.started_at, "started")
    ringing = call.ringing
    if call.new_answers:
        for leg in call.new_answers:
            yield _news(call, CallPhase.ANSWERED, now, f"answered:{call.last_agent or ''}:{leg.uid}")
        call.new_answers = []
    elif ringing != call.told_ringing and not over:
        bells = "+".join(leg.uid for leg in call.legs.values() if leg.ringing)
        yield _news(call, CallPhase.RINGING, now, f"ringing:{bells}:{call.last_silenced}")
    call.told_ringing = ringing
    if over:
        yield _news(call, CallPhase.ENDED, call.ended_at or now, "ended")


def _news(call: Call, phase: CallPhase, at: datetime, key: str) -> CallNews:
    call.latest = facts_of(call, phase)
    return CallNews(call.latest, at, key, call.caller_name)


def _has_picked_up(call: Call) -> bool:
    """Did the employee who calls lift the receiver (or called with it in hand)?"""
    if not call.root_ours or call.caller_extension is None:
        return False
    return not call.originated or call.is_talking(call.caller_extension)


def _restored(facts: CallFacts, name: str | None) -> Call:
    call = Call(facts.linkedid, started_at=facts.started_at, direction=facts.direction, number=facts.number)
    call.root_ours = facts.direction is not CallDirection.IN
    call.caller_extension = facts.answered_by if facts.direction is CallDirection.OUT else None
    call.did, call.caller_name, call.queue, call.recording = facts.did, name, facts.queue, facts.recording
    call.request_id, call.voicemail_left, call.rang = facts.request_id, facts.voicemail, list(facts.rang)
    call.answered = facts.last_agent is not None or facts.answered_at is not None
    call.answered_at, call.answered_by, call.last_agent = facts.answered_at, facts.answered_by, facts.last_agent
    call.told_start, call.told_ringing, call.latest = True, facts.ringing, facts
    return call
