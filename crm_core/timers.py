"""Everything that happens later is a timer row: due moment, kind, key, payload.

A timer is identified by kind and key, so asking twice for the same thing leaves one row. The runner calls the handler
of the kind and removes the row in the same transaction: a timer never fires in vain and never twice. Handlers must
check that what they are about is still so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from storage import Collection, Entity, Index, Lte, ReadTx, Tx, UniqueViolation

log = structlog.get_logger("timers")


class Timer(Entity, frozen=True, kw_only=True):
    """`id` is `kind:key`."""

    kind: str
    key: str
    due_at: datetime
    payload: dict[str, str] = {}
    attempts: int = 0
    error: str | None = None


TIMERS = Collection("timers", Timer, [Index("due_at")])

Handler = Callable[[Tx, Timer], None]
MAX_BACKOFF = timedelta(hours=1)
DOUBLINGS = 12
"""More would exceed `MAX_BACKOFF` anyway, and in the end what a `timedelta` can hold."""


def schedule(tx: Tx, kind: str, key: str, due_at: datetime, payload: dict[str, str] | None = None) -> Timer:
    """Set or move the timer of this kind and key."""
    timer = Timer(id=f"{kind}:{key}", kind=kind, key=key, due_at=due_at, payload=payload or {})
    try:
        return tx.insert(TIMERS, timer)
    except UniqueViolation:
        existing = tx.require(TIMERS, timer.id)
        return tx.update(TIMERS, existing, due_at=due_at, payload=payload or {}, attempts=0, error=None)


def schedule_sooner(tx: Tx, kind: str, key: str, due_at: datetime, payload: dict[str, str] | None = None) -> None:
    """Like `schedule`, but never moves an existing timer to a later moment."""
    existing = tx.get(TIMERS, f"{kind}:{key}")
    if existing is None or existing.due_at > due_at:
        schedule(tx, kind, key, due_at, payload)


def cancel(tx: Tx, kind: str, key: str) -> None:
    """Forget the timer; nothing happens when there is none."""
    existing = tx.get(TIMERS, f"{kind}:{key}")
    if existing is not None:
        tx.delete(TIMERS, existing)


def next_due(tx: ReadTx) -> datetime | None:
    """When the runner must wake up, or None when nothing is planned."""
    first = tx.first(TIMERS, sort="due_at")
    return first.due_at if first else None


def due(tx: ReadTx, limit: int = 50) -> list[Timer]:
    """Timers whose moment has come, oldest first."""
    return tx.find(TIMERS, {"due_at": Lte(tx.now)}, sort="due_at", limit=limit)


def fire(tx: Tx, timer_id: str, handlers: Mapping[str, Handler]) -> None:
    """Run one due timer and remove it. Does nothing when it was moved, cancelled or fired meanwhile."""
    timer = tx.get(TIMERS, timer_id)
    if timer is None or timer.due_at > tx.now:
        return
    tx.delete(TIMERS, timer)
    handlers[timer.kind](tx, timer)


def postpone(tx: Tx, timer_id: str, error: str) -> None:
    """After a failed handler: try again later, so that one bad timer never holds up the rest."""
    timer = tx.get(TIMERS, timer_id)
    if timer is None:
        return
    wait = min(timedelta(seconds=2 ** min(timer.attempts, DOUBLINGS)), MAX_BACKOFF)
    tx.update(TIMERS, timer, due_at=tx.now + wait, attempts=timer.attempts + 1, error=error[:500])
    log.warning("timer failed", kind=timer.kind, attempts=timer.attempts + 1)
