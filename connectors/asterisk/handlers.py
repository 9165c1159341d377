"""What each AMI event says about a leg or a call. One small function per kind; `HANDLERS` is the table.

A handler notes facts and returns the calls it touched; it never decides what is told (`calls` does). Events that are
not in the table say nothing that these do not say better. Names of the headers: docs.asterisk.org, AMI events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime

from connectors.asterisk import tables
from connectors.asterisk.book import CallBook, assign_request, join, to_int
from connectors.asterisk.legs import Call, Event, Leg, answer, ring, silence
from connectors.asterisk.tables import known_number
from connectors.contract import CallDirection

Handler = Callable[[CallBook, Event, datetime], Iterable[Call]]

_WANTED_VARIABLE = re.compile(rb"\r\nVariable: _*(?:FIRSTLINE_|FROM_DID|MIXMONITOR_FILENAME|VMSTATUS)")
_REASON = re.compile(r"[a-z_]{1,40}")


def is_wanted(raw: bytes) -> bool:
    """Whether a message as it came is worth parsing: two of three say nothing about calls, and taking them apart would
    hold up the ringing phones."""
    if not raw.startswith(b"Event: "):
        return True
    kind = raw[7 : raw.find(b"\r\n")].decode("latin-1")
    if kind == "VarSet":
        return _WANTED_VARIABLE.search(raw) is not None
    return kind in HANDLERS or kind == "FullyBooted"


def _channel(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.leg(event, now)
    return () if leg is None else (leg.call,)


def _newexten(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.leg(event, now)
    if leg is None:
        return ()
    app, data = event.get("Application", ""), event.get("AppData", "")
    if book.shapes.is_voicemail(app):
        leg.in_voicemail = True
        leg.call.voicemail_at = leg.call.voicemail_at or now
    elif app == "MixMonitor":
        leg.call.recording = leg.call.recording or book.recording(leg.call, data.split(",", 1)[0])
    return (leg.call,)


def _dial_begin(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    dialer, dest = book.leg(event, now), book.leg(event, now, "Dest")
    if dest is None:
        return _touched(dialer)
    dest.dialled = dest.dialled or tables.dialled_phone(event.get("DialString", ""))
    if dest.extension is None and dialer is not None and dialer.name.half == "2":
        dest.extension = dialer.extension
    if dest.person and dest is not dest.call.root:
        _learn_callee(dest)
    ring(dest)
    return _touched(dialer, dest)


def _learn_callee(dest: Leg) -> None:
    """Whom our phone calls: the first phone or line that is really dialled tells."""
    call = dest.call
    if not call.root_ours or dest.extension == (call.caller_extension or ""):
        return
    if dest.extension is not None:
        if call.direction is None:
            call.direction, call.number = CallDirection.INTERNAL, dest.extension
    elif call.direction is not CallDirection.OUT and not call.rang:
        call.direction, call.number = CallDirection.OUT, dest.dialled or call.number or known_number(dest.caller)
    elif call.number is None or (dest.dialled and call.number.endswith(dest.dialled)):
        # Without the digit for an outside line that our phone dialled.
        call.number = dest.dialled or known_number(dest.caller) or call.number


def _dial_end(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    dialer, dest = book.leg(event, now), book.leg(event, now, "Dest")
    if dest is None:
        return _touched(dialer)
    silence(dest)
    status = event.get("DialStatus", "")
    dest.dial_status = dest.dial_status or status
    if status == "ANSWER":
        answer(dest, now)
    return _touched(dialer, dest)


def _member(book: CallBook, event: Event, now: datetime) -> Leg | None:
    """The called queue member's leg, its employee read from Interface or MemberName."""
    book.leg(event, now)
    dest = book.leg(event, now, "Dest")
    if dest is not None and dest.extension is None:
        shapes = book.shapes
        by_interface = shapes.extension_of_interface(event.get("Interface", ""))
        dest.extension = by_interface or shapes.extension(event.get("MemberName", ""))
    return dest


def _agent_called(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    dest = _member(book, event, now)
    if dest is None:
        return ()
    dest.call.queue = event.get("Queue") or dest.call.queue
    ring(dest)
    return (dest.call,)


def _agent_connect(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    dest = _member(book, event, now)
    if dest is None:
        return ()
    dest.call.queue = event.get("Queue") or dest.call.queue
    answer(dest, now)
    return (dest.call,)


def _agent_no_answer(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    dest = _member(book, event, now)
    if dest is not None:
        silence(dest)
    return _touched(dest)


def _queue_join(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.leg(event, now) if "Linkedid" in event else book.known_leg(event.get("Uniqueid", ""))
    if leg is not None:
        leg.call.queue = event.get("Queue") or leg.call.queue
    return _touched(leg)


def _queue_leave(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.leg(event, now)
    if leg is not None:
        leg.call.queue_left_at = now
    return _touched(leg)


def _bridge_enter(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.leg(event, now)
    if leg is not None:
        answer(leg, now)
    return _touched(leg)


def _attended_transfer(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    transferee = book.known_leg(event.get("TransfereeUniqueid", ""))
    target = book.known_leg(event.get("TransferTargetUniqueid", ""))
    if event.get("Result") != "Success" or transferee is None or target is None:
        return ()
    old = target.call
    join(target, transferee.call, now)
    return {call.linkedid: call for call in (transferee.call, old)}.values()


def _hangup_request(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.leg(event, now)
    if leg is not None and leg is leg.call.root:
        leg.call.caller_hung_up = True
    return _touched(leg)


def _hangup(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.leg(event, now)
    if leg is None:
        return ()
    silence(leg)
    leg.gone = True
    leg.cause = to_int(event.get("Cause", "")) if leg.cause == 0 else leg.cause
    if leg.call.is_over():
        leg.call.ended_at = now
    return (leg.call,)


def _message_waiting(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    leg = book.known_leg(event.get("Uniqueid", ""))
    if leg is not None and to_int(event.get("New", "")) > 0:
        leg.call.voicemail_left = True
    return ()


def _cdr(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    """Only for exchanges that do not send dialplan events: that the caller was in the voicemail."""
    leg = book.known_leg(event.get("UniqueID", ""))
    if leg is not None and book.shapes.is_voicemail(event.get("LastApplication", "")):
        leg.call.voicemail_at = leg.call.voicemail_at or leg.call.queue_left_at
        leg.in_voicemail = True
    return ()


def _originate_response(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    request_id = event.get("ActionID", "")
    leg, expected = book.known_leg(event.get("Uniqueid", "")), book.expected(request_id)
    if expected is not None and leg is not None and leg.call.request_id is None:
        assign_request(leg.call, expected)
    if event.get("Response") != "Failure" or expected is None:
        return _touched(leg)
    failure = tables.ORIGINATE_REASONS.get(event.get("Reason", ""), "failed")
    call = book.call_of_request(request_id)
    if call is None and not expected.placed:
        expected.placed = True
        call = book.stillborn(expected.request, failure, now)
    if call is None:
        return ()
    call.originate_failure = failure
    return (call,)


def _varset(book: CallBook, event: Event, now: datetime) -> Iterable[Call]:
    setter = _VARIABLES.get(event.get("Variable", "").lstrip("_"))
    leg = book.known_leg(event.get("Uniqueid", "")) if setter else None
    if setter is None or leg is None:
        return ()
    setter(book, leg, event.get("Value", ""))
    return (leg.call,)


def _set_request(book: CallBook, leg: Leg, value: str) -> None:
    expected = book.expected(value)
    if expected is not None and leg.call.request_id is None:
        assign_request(leg.call, expected)


def _set_did(book: CallBook, leg: Leg, value: str) -> None:
    if leg.call.incoming and leg is leg.call.root:
        leg.call.did = tables.did_of(value) or leg.call.did


def _set_reason(book: CallBook, leg: Leg, value: str) -> None:
    if leg is leg.call.root and _REASON.fullmatch(value):
        leg.call.given_reason = value


def _set_recording(book: CallBook, leg: Leg, value: str) -> None:
    leg.call.recording = book.recording(leg.call, value) if value else leg.call.recording


def _set_voicemail(book: CallBook, leg: Leg, value: str) -> None:
    leg.call.voicemail_left = leg.call.voicemail_left or value == "SUCCESS"


_VARIABLES: dict[str, Callable[[CallBook, Leg, str], None]] = {
    "FIRSTLINE_REQUEST": _set_request,
    "FIRSTLINE_REASON": _set_reason,
    "FROM_DID": _set_did,
    "MIXMONITOR_FILENAME": _set_recording,
    "VMSTATUS": _set_voicemail,
}


def _touched(*legs: Leg | None) -> Iterable[Call]:
    return {leg.call.linkedid: leg.call for leg in legs if leg is not None}.values()


HANDLERS: dict[str, Handler] = {
    "Newchannel": _channel,
    "Newstate": _channel,
    "NewCallerid": _channel,
    "Newexten": _newexten,
    "DialBegin": _dial_begin,
    "DialEnd": _dial_end,
    "AgentCalled": _agent_called,
    "AgentConnect": _agent_connect,
    "AgentRingNoAnswer": _agent_no_answer,
    "QueueCallerJoin": _queue_join,
    "QueueEntry": _queue_join,
    "QueueCallerAbandon": _queue_leave,
    "QueueCallerLeave": _queue_leave,
    "BridgeEnter": _bridge_enter,
    "AttendedTransfer": _attended_transfer,
    "HangupRequest": _hangup_request,
    "Hangup": _hangup,
    "MessageWaiting": _message_waiting,
    "Cdr": _cdr,
    "OriginateResponse": _originate_response,
    "VarSet": _varset,
}
"""Event to what is noted of it."""
