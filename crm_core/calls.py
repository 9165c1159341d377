"""Calls as people and reports see them: one record per call, kept up to date while it lasts."""

from __future__ import annotations

from datetime import datetime

from crm_core.access import visible
from crm_core.actor import Actor
from storage import AllOf, Collection, Entity, Filter, Index, ReadTx


class CallRecord(Entity, frozen=True, kw_only=True):
    """See CONTRACT `/calls`. `id` is made of connector and call id, so that every phase finds it again."""

    connector: str
    linkedid: str
    direction: str
    number: str | None = None
    """E.164 where it is a public number."""
    did: str | None = None
    outcome: str | None = None
    """None while the call is going on."""
    reason: str | None = None
    answered_by: str | None = None
    last_agent: str | None = None
    rang: tuple[str, ...] = ()
    ringing: tuple[str, ...] = ()
    queue: str | None = None
    wait_seconds: float | None = None
    talk_seconds: float | None = None
    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    voicemail: bool = False
    recording: str | None = None
    lead_id: str | None = None
    person_id: str | None = None
    request_id: str | None = None
    timeline_id: str | None = None


CALLS = Collection(
    "calls",
    CallRecord,
    [
        Index("started_at"),
        Index("number", "started_at"),
        Index("lead_id", "started_at"),
        Index("person_id", "started_at"),
        Index("direction", "outcome", "started_at"),
        Index("did", "started_at"),
        Index("linkedid"),
    ],
)


def list_calls(
    tx: ReadTx, actor: Actor, where: Filter, *, sort: str = "-started_at", limit: int = 50, after: str | None = None
) -> list[CallRecord]:
    """Calls that match and that the actor may see."""
    scope = visible(actor, "call", owner_fields=())
    return [] if scope is None else tx.find(CALLS, AllOf((where, scope)), sort=sort, limit=limit, after=after)
