"""What is remembered about a call while it lives: the call itself and its legs, one per channel of the exchange.

Plain data and questions to it. Who changes it and when is the business of `calls`; what it amounts to is told by
`outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from connectors.asterisk import tables
from connectors.asterisk.tables import ChannelName
from connectors.contract import CallDirection, CallFacts

Event = dict[str, str]
"""Headers of an AMI event, names as Asterisk writes them."""


@dataclass(slots=True)
class Leg:
    """A channel as far as a call cares."""

    uid: str
    name: ChannelName
    call: Call
    extension: str | None
    """Employee behind it; of a mobile that was called for an employee, that employee."""
    caller: str
    up: bool = False
    dialled: str | None = None
    """Phone number in the dial string; of legs towards an operator."""
    ringing: bool = False
    rang: bool = False
    answered: bool = False
    """Somebody there talks, or talked, with the other side of the call."""
    dial_status: str = ""
    cause: int = 0
    gone: bool = False
    in_voicemail: bool = False

    @property
    def person(self) -> bool:
        """A phone with somebody at it, unlike the halves of a Local channel and Asterisk's own helpers."""
        return not self.name.local and self.name.tech not in tables.NO_HUMAN_TECHS

    @property
    def label(self) -> str | None:
        """Who this is on our side: the extension, else the outside phone that the call was forwarded to."""
        return self.extension or self.dialled


@dataclass(slots=True)
class Call:
    """Everything that shares one Linkedid."""

    linkedid: str
    started_at: datetime
    root_ours: bool = False
    """An employee's phone began the call."""
    originated: bool = False
    """The exchange itself began it (click-to-call): the first leg is rung, it does not ring us."""
    direction: CallDirection | None = None
    """None until it is known whom our phone calls."""
    number: str | None = None
    did: str | None = None
    caller_name: str | None = None
    queue: str | None = None
    request_id: str | None = None
    requested_number: str | None = None
    recording: str | None = None
    legs: dict[str, Leg] = field(default_factory=dict)
    rang: list[str] = field(default_factory=list)
    caller_extension: str | None = None
    """Of a call that our phone began: who called."""

    answered: bool = False
    answered_at: datetime | None = None
    answered_by: str | None = None
    last_agent: str | None = None

    queue_left_at: datetime | None = None
    voicemail_at: datetime | None = None
    voicemail_left: bool = False
    caller_hung_up: bool = False
    closed: bool = False
    """Passed the announcement for closed hours."""
    given_reason: str | None = None
    """What the dialplan said in FIRSTLINE_REASON."""
    originate_failure: str | None = None
    lost: str | None = None
    """`crash` or `lost`: ended while nobody listened."""

    held: bool = False
    """A consultation call of somebody who is talking: nothing is told of it unless it ends without a transfer."""
    merged: bool = False
    """Its other side went over to another call by an attended transfer."""
    ended_at: datetime | None = None

    told_start: bool = False
    told_ringing: tuple[str, ...] = ()
    new_answers: list[Leg] = field(default_factory=list)
    last_silenced: str = ""
    """Uniqueid of the leg that stopped ringing last; with the ringing ones it names a state of the bells for ever."""
    latest: CallFacts | None = None

    @property
    def root(self) -> Leg | None:
        """The leg that the call began with."""
        return self.legs.get(self.linkedid)

    @property
    def ringing(self) -> tuple[str, ...]:
        """Extensions that ring now, each once."""
        return tuple(dict.fromkeys(leg.extension for leg in self.legs.values() if leg.ringing and leg.extension))

    @property
    def incoming(self) -> bool:
        return self.direction is CallDirection.IN

    def is_over(self) -> bool:
        """From outside: when the caller is gone. Begun by us: when every leg is gone, for the customer may have been
        handed to a colleague."""
        if not self.legs:
            return False
        root = self.root
        if self.incoming and root is not None:
            return root.gone
        return all(leg.gone for leg in self.legs.values())

    def is_talking(self, extension: str) -> bool:
        """Has this employee a live connection in this call?"""
        return any(leg.up and not leg.gone and leg.extension == extension for leg in self.legs.values())

    def customer_legs(self) -> list[Leg]:
        """Of a call begun by us: the legs towards the called party, in order."""
        inside = self.direction is CallDirection.INTERNAL
        return [
            leg
            for leg in self.legs.values()
            if leg.person and leg.uid != self.linkedid and (leg.extension is not None) == inside
        ]


def ring(leg: Leg) -> None:
    """The phone begins to ring. Once per channel: a late event does not make it ring again."""
    if not leg.rang:
        leg.rang = leg.ringing = True
    if leg.extension is not None and leg.extension not in leg.call.rang:
        leg.call.rang.append(leg.extension)


def silence(leg: Leg) -> None:
    if leg.ringing:
        leg.ringing = False
        leg.call.last_silenced = leg.uid


def answer(leg: Leg, now: datetime | None) -> None:
    """Somebody at this leg talks with the other side. `now` None: since when is unknown."""
    call = leg.call
    silence(leg)
    leg.up = True
    if leg is call.root or leg.answered or leg.gone or not leg.person:
        return
    ours_first = call.direction is CallDirection.OUT and leg.extension is not None and not call.answered
    if ours_first and leg.extension == call.caller_extension:
        return  # Click-to-call through a Local channel: the seller picked up, the customer is still to be called.
    leg.answered = True
    towards_customer = call.direction is CallDirection.OUT and leg.extension is None and call.root_ours
    agent = call.caller_extension if towards_customer else leg.label
    if call.answered and call.last_agent == agent:
        return  # Another channel of whoever talks already.
    if not call.answered:
        call.answered, call.answered_at, call.answered_by = True, now, agent
    call.last_agent = agent or call.last_agent
    call.new_answers.append(leg)
