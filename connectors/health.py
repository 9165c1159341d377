"""How each connector is: state, since when, last event in and out, errors in words.

In memory; pages and metrics read it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.contract import HealthState

KEEP_ERRORS = 20


@dataclass(slots=True)
class Health:
    """Of one connector."""

    name: str
    type: str
    channel: str
    title: str
    state: HealthState = HealthState.STARTING
    since: datetime | None = None
    error: str | None = None
    """The present problem with what to do about it; None while all is well."""
    detail: str | None = None
    sending: str | None = None
    """Why nothing can be sent now, though receiving may work; makes UP a DEGRADED."""
    last_in: datetime | None = None
    last_out: datetime | None = None
    received: int = 0
    sent: int = 0
    restarts: int = 0
    errors: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=KEEP_ERRORS))
    counts: dict[str, int] = field(default_factory=dict)
    minutes: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=60))
    """(minute since 1970, inbounds) of the last hour."""

    def report(self, state: HealthState, now: datetime, error: str | None, detail: str | None) -> bool:
        """Take a new state; True when it differs from the former one."""
        if state is HealthState.UP and self.sending:
            state, error = HealthState.DEGRADED, self.sending
        changed = state is not self.state or error != self.error
        if state is not self.state or self.since is None:
            self.since = now
        self.state, self.error, self.detail = state, error, detail or self.detail
        if error and changed:
            self.errors.append((now, error))
        return changed

    def received_at(self, now: datetime, number: int) -> None:
        """Count inbounds."""
        minute = int(now.timestamp() // 60)
        self.received += number
        self.last_in = now
        if self.minutes and self.minutes[-1][0] == minute:
            number += self.minutes.pop()[1]
        self.minutes.append((minute, number))

    def rate(self, now: datetime, within: timedelta = timedelta(minutes=5)) -> float:
        """Inbounds per minute lately."""
        first = int((now - within).timestamp() // 60) + 1
        return sum(n for minute, n in self.minutes if minute >= first) / (within.total_seconds() / 60)
