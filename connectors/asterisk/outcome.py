"""What a call amounts to: its `CallFacts` at any moment, and at the end its outcome, reason and times.

Rules of the times: waiting counts from the first event of the call to the first human's answer; without an answer to
the moment when waiting was over, which is the start of the voicemail, else the end. Talk counts from the answer to the
end, transfers and hold included. The exchange's own Answer(), CDR dispositions and billable seconds say nothing about
a human, so they are not read.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from connectors.asterisk import tables
from connectors.asterisk.legs import Call
from connectors.contract import CallDirection, CallFacts, CallOutcome, CallPhase


def facts_of(call: Call, phase: CallPhase) -> CallFacts:
    """Everything known about the call, as a fact of this phase."""
    ended = phase is CallPhase.ENDED
    outcome, reason = ending(call) if ended else (None, None)
    return CallFacts(
        call_id=call.linkedid,
        linkedid=call.linkedid,
        phase=phase,
        direction=call.direction or CallDirection.INTERNAL,
        number=call.number or call.requested_number,
        did=call.did,
        outcome=outcome,
        reason=reason,
        ringing=() if ended else call.ringing,
        rang=tuple(call.rang),
        answered_by=call.answered_by,
        last_agent=call.last_agent,
        queue=call.queue,
        started_at=call.started_at,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        wait_seconds=_wait(call, ended),
        talk_seconds=_talk(call) if ended else None,
        voicemail=call.voicemail_left,
        recording=call.recording,
        request_id=call.request_id,
    )


def ending(call: Call) -> tuple[CallOutcome, str | None]:
    """Outcome and finer reason of a call that is over."""
    if call.answered:
        return CallOutcome.ANSWERED, call.lost
    if call.lost:
        return CallOutcome.UNKNOWN, call.lost
    if call.incoming:
        return CallOutcome.MISSED, next(reason for applies, reason in _MISSED if applies(call)) or call.given_reason
    return _unanswered_by_customer(call)


_MISSED: tuple[tuple[Callable[[Call], bool], str | None], ...] = (
    (lambda call: call.given_reason is not None, None),
    (lambda call: call.voicemail_left or call.voicemail_at is not None, "voicemail"),
    (lambda call: call.closed, "out_of_hours"),
    (lambda call: call.caller_hung_up and not call.queue and not call.rang, "greeting"),
    (lambda call: call.caller_hung_up, "abandoned"),
    (lambda call: bool(call.rang) and all(leg.cause == 17 for leg in call.legs.values() if leg.rang), "busy"),
    (lambda call: call.queue is not None, "queue_timeout"),
    (lambda call: bool(call.rang), "no_answer"),
    (lambda call: True, "not_connected"),
)
"""Why nobody of ours answered: the first line that applies. None stands for the dialplan's own word."""


def _unanswered_by_customer(call: Call) -> tuple[CallOutcome, str | None]:
    legs = call.customer_legs()
    if not legs:
        if call.originated and call.root_ours and not any(leg.up for leg in call.legs.values()):
            reason = call.originate_failure or "agent_no_answer"
            return (CallOutcome.FAILED if reason in ("failed", "congestion") else CallOutcome.NO_ANSWER), reason
        return CallOutcome.FAILED, call.originate_failure or "not_dialled"
    last = legs[-1]
    by_status = tables.DIAL_OUTCOMES.get(last.dial_status)
    outcome = tables.CAUSE_OUTCOMES.get(last.cause, by_status) if last.dial_status != "CANCEL" else by_status
    return outcome or CallOutcome.FAILED, "cancelled" if last.dial_status == "CANCEL" else None


def _wait(call: Call, ended: bool) -> float | None:
    if call.answered:
        return _seconds(call.started_at, call.answered_at)
    if not ended:
        return None
    until = call.voicemail_at or (call.queue_left_at if call.voicemail_left else None) or call.ended_at
    return _seconds(call.started_at, until)


def _talk(call: Call) -> float | None:
    if call.answered:
        return _seconds(call.answered_at, call.ended_at)
    return None if call.lost else 0.0


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max(0.0, round((end - start).total_seconds(), 3))


def recording_link(template: str | None, call: Call, path: str) -> str | None:
    """Link to the recording that the exchange writes to `path`; the parts from outside are quoted."""
    if template is None:
        return None
    day = call.started_at.astimezone(UTC)
    return template.format(
        file=quote(posixpath.basename(path)),
        path=quote(path),
        linkedid=quote(call.linkedid),
        year=f"{day:%Y}",
        month=f"{day:%m}",
        day=f"{day:%d}",
    )
