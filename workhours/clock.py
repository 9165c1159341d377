"""The clock that is handed to everything that needs to know the time.

Domain code never asks the machine: it gets a `Clock`, so that a test or a simulation can live through a whole day of
a company in a second and repeat it exactly.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of the present moment."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told to; for tests and simulation."""

    def __init__(self, start: datetime) -> None:
        self._now = utc(start)

    def now(self) -> datetime:
        return self._now

    def advance(self, step: timedelta) -> None:
        """Move by `step`; a negative step moves back, as a corrected machine clock does."""
        self._now += step

    def set(self, moment: datetime) -> None:
        """Jump to an aware moment."""
        self._now = utc(moment)


def utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises `ValueError` for a naive one: nobody knows which moment that is."""
    if moment.tzinfo is UTC:
        return moment
    if moment.utcoffset() is None:
        raise ValueError("a moment without time zone")
    return moment.astimezone(UTC)
