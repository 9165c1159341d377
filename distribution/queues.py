"""Queues («линии»): the rules as configured, and the little state that makes turns fair across restarts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

import msgspec

from storage import Collection, Entity


class Strategy(StrEnum):
    ROUND_ROBIN = "round-robin"
    LEAST_BUSY = "least-busy"
    WEIGHTED = "weighted"
    SKILL = "skill"


@dataclass(frozen=True, slots=True)
class Queue:
    """Rules of one queue, from `[queues.NAME]`."""

    name: str
    title: str
    members: tuple[str, ...]
    """`role:first_line`, `department:<id>` or an employee's email."""
    strategy: Strategy = Strategy.ROUND_ROBIN
    sticky: bool = True
    """A known customer goes to the former owner when he can take it."""
    accept_within: timedelta = timedelta(minutes=5)
    """Working time to accept an offer; zero: no offer step, the lead is owned at once."""
    capacity: int | None = 20
    """Open leads per member; None: no limit."""
    presence_required: bool = True
    calendar: str = "office"
    escalate_after: timedelta = timedelta(minutes=15)
    """Working time after which the heads are told that a lead still waits; zero: never."""
    heads: tuple[str, ...] = ()
    """Who is told: like `members`."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Email → share, over the employee's own weight."""
    skills: tuple[str, ...] = ("equipment_category",)
    """Lead fields whose value the member must have among his skills, when the lead has one."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Where a member stands in the turns of a queue."""

    served: int = 0
    """Virtual service received in this shift: grows by `STEP / weight` with each contact."""
    last: int = 0
    """Number of the queue's last contact that this member got; breaks ties in favour of who waited longest."""
    away: bool = False
    """Could not take contacts at the last decision; on return he starts level with the others."""


class QueueState(Entity, frozen=True, kw_only=True):
    """`id` is the queue's name."""

    shift: date
    """Local date of the turns; a new day starts level."""
    given: int = 0
    """Contacts given out ever."""
    floor: int = 0
    """Virtual service of the last member served: where a returning member starts."""
    turns: dict[str, Turn] = {}


QUEUE_STATES = Collection("queue_states", QueueState)
