"""The book of live calls: which channel is a leg of which call, and what the first channel says about the call.

Every event with channel headers goes through `CallBook.leg`, which begins a call when its first channel shows up, adds
legs, follows a leg whose Linkedid changes, and decides the direction. The rules stand in the header of `calls`.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.asterisk import tables
from connectors.asterisk.legs import Call, Event, Leg, answer
from connectors.asterisk.outcome import recording_link
from connectors.asterisk.settings import AsteriskSettings
from connectors.asterisk.tables import Shapes, channel_name, known_number
from connectors.contract import CallDirection, CallRequest

_REMEMBER_ENDED = 20_000
_REQUEST_LIFE = timedelta(seconds=180)


class Expected(msgspec.Struct):
    """A click-to-call that was asked for."""

    request: CallRequest
    at: datetime
    placed: bool = False


class CallBook:
    """Calls and legs by their ids."""

    def __init__(self, settings: AsteriskSettings) -> None:
        self.shapes = Shapes(settings)
        self.calls: dict[str, Call] = {}
        self._recording_url = settings.recording_url
        self._legs: dict[str, Leg] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._expected: dict[str, Expected] = {}

    def leg(self, event: Event, now: datetime, prefix: str = "", *, adopt: bool = False) -> Leg | None:
        """The leg that the event's channel headers (with this prefix) speak of, brought up to date; begins the call and
        the leg when they are new. None when it belongs to nothing that is followed. `adopt`: a call may be begun in the
        middle, from a list of channels."""
        uid, linkedid = event.get(prefix + "Uniqueid", ""), event.get(prefix + "Linkedid", "")
        state = to_int(event.get(prefix + "ChannelState", ""))
        leg = self._legs.get(uid)
        if leg is None:
            call = self.calls.get(linkedid)
            if call is None and (uid != linkedid or not uid or linkedid in self._ended):
                return None
            if call is None and state == tables.UP and not adopt:
                return None
            leg = self._new_leg(event, prefix, call or self._new_call(linkedid, now))
            if leg is leg.call.root:
                self._note_root(leg, event, prefix, state)
        elif (joined := self.calls.get(linkedid)) is not None:
            join(leg, joined, now)
        leg.up = leg.up or state == tables.UP
        if leg is leg.call.root:
            self._note_progress(leg, event, prefix)
        return leg

    def known_leg(self, uid: str) -> Leg | None:
        """A leg that is already followed."""
        return self._legs.get(uid)

    def forget(self, call: Call) -> None:
        """The call is over: what still comes of it is ignored."""
        self.calls.pop(call.linkedid, None)
        for uid in call.legs:
            self._legs.pop(uid, None)
        self._ended[call.linkedid] = None
        while len(self._ended) > _REMEMBER_ENDED:
            self._ended.popitem(last=False)

    def expect(self, request: CallRequest, at: datetime) -> None:
        """A click-to-call is being placed."""
        self._expected = {key: one for key, one in self._expected.items() if at - one.at < _REQUEST_LIFE}
        self._expected.setdefault(request.id, Expected(request, at))

    def give_up(self, request_id: str) -> None:
        """A click-to-call was refused."""
        self._expected.pop(request_id, None)

    def expected(self, request_id: str) -> Expected | None:
        """The click-to-call of this id, if it was asked for lately."""
        return self._expected.get(request_id)

    def call_of_request(self, request_id: str) -> Call | None:
        """The live call that came of a click-to-call."""
        return next((call for call in self.calls.values() if call.request_id == request_id), None)

    def stillborn(self, request: CallRequest, failure: str, at: datetime) -> Call:
        """A click-to-call that the exchange could not even begin: a call without channels, over at once."""
        call = self._new_call(f"originate:{request.id}", at)
        call.direction, call.root_ours, call.originated = CallDirection.OUT, True, True
        call.request_id, call.requested_number = request.id, request.number
        call.originate_failure, call.ended_at = failure, at
        call.legs[""] = Leg("", channel_name(""), call, request.extension, "", gone=True)
        return call

    def recording(self, call: Call, path: str) -> str | None:
        """Link to a recording by the configured template."""
        return recording_link(self._recording_url, call, path)

    def _new_call(self, linkedid: str, now: datetime) -> Call:
        call = self.calls[linkedid] = Call(linkedid, started_at=now)
        return call

    def _new_leg(self, event: Event, prefix: str, call: Call) -> Leg:
        name = channel_name(event.get(prefix + "Channel", ""))
        caller = event.get(prefix + "CallerIDNum", "")
        extension = self.shapes.extension_of_channel(name, event.get(prefix + "Context", ""), caller)
        leg = Leg(event[prefix + "Uniqueid"], name, call, extension, caller)
        self._legs[leg.uid] = call.legs[leg.uid] = leg
        return leg

    def _note_root(self, leg: Leg, event: Event, prefix: str, state: int) -> None:
        call, context = leg.call, event.get(prefix + "Context", "")
        if not call.told_start:  # else the call was restored and knows all this
            ours = self.shapes.is_internal(context) or (not self.shapes.is_trunk(context) and leg.extension is not None)
            call.root_ours = ours or leg.name.local
            call.originated = state in (tables.DOWN, tables.RINGING) or event.get("Application") == "AppDial2"
            self._note_origin(leg, event.get(prefix + "Exten", ""))
        if not call.root_ours:
            leg.extension = None

    def _note_origin(self, leg: Leg, exten: str) -> None:
        call = leg.call
        if not call.root_ours:
            call.direction = CallDirection.OUT if call.originated else CallDirection.IN
            call.did = tables.did_of(exten) if call.incoming else None
            return
        call.caller_extension = leg.extension or (None if leg.name.local else known_number(leg.caller) or leg.name.peer)
        call.held = not call.originated and self._is_talking(call.caller_extension, call)
        if call.originated:
            waiting = (one for one in self._expected.values() if not one.placed)
            if found := next((one for one in waiting if one.request.extension == call.caller_extension), None):
                assign_request(call, found)

    def _is_talking(self, extension: str | None, besides: Call) -> bool:
        others = (call for call in self.calls.values() if call is not besides)
        return extension is not None and any(call.is_talking(extension) for call in others)

    def _note_progress(self, leg: Leg, event: Event, prefix: str) -> None:
        """What the first channel says while the call goes on: whom it calls, who calls, where in the dialplan it is."""
        call = leg.call
        number = known_number(event.get(prefix + "CallerIDNum"))
        if not call.root_ours:
            call.closed = self.shapes.is_closed(event.get(prefix + "Context", ""))
            call.number = call.number or number
            call.caller_name = known_name(event.get(prefix + "CallerIDName", "")) or call.caller_name
        elif call.direction is None:
            self._decide(call, event.get(prefix + "Exten", ""), number)

    def _decide(self, call: Call, exten: str, caller: str | None) -> None:
        if call.request_id is not None:
            call.direction = CallDirection.OUT
        if tables.dialled_phone(exten) == exten:
            call.direction, call.number = CallDirection.OUT, exten
        elif call.originated and caller is not None and tables.dialled_phone(caller) == caller:
            call.direction, call.number = CallDirection.OUT, caller
        elif call.direction is None and (self.shapes.extension(exten) or exten[:1] in ("*", "#")):
            call.direction, call.number = CallDirection.INTERNAL, exten


def moment_of(event: Event, at: datetime) -> datetime:
    """The event's own time (`timestampevents=yes`), else that of its arrival."""
    try:
        return datetime.fromtimestamp(float(event["Timestamp"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return at


def known_name(value: str) -> str | None:
    """The caller's name as the operator sent it, None for numbers and words in its place."""
    text = value.strip()
    if not any(char.isalpha() for char in text) or text.lower().replace(" ", "_") in tables.WITHHELD:
        return None
    return text


def join(leg: Leg, call: Call, now: datetime) -> None:
    """The exchange joined two calls: this leg belongs to the other one from now on. What began a call stays with it,
    and nothing returns to a call that was merged: some events still carry the Linkedid from before the transfer."""
    old = leg.call
    if call is old or call.merged or leg is old.root:
        return
    del old.legs[leg.uid]
    old.merged = True
    call.legs[leg.uid] = leg
    leg.call = call
    if leg.answered:
        leg.answered = False
        answer(leg, now)


def assign_request(call: Call, expected: Expected) -> None:
    """This call is what came of a click-to-call."""
    expected.placed = True
    call.request_id, call.requested_number = expected.request.id, expected.request.number
    call.caller_name = call.caller_name or expected.request.caller_name


def to_int(text: str) -> int:
    """A header's whole number, -1 when it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
