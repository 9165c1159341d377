"""The block list: phones, emails, mail domains and accounts whose contacts are ignored instead of becoming leads."""

from __future__ import annotations

from datetime import datetime

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.errors import Invalid, Missing
from crm_core.rights import Action
from storage import Collection, Entity, Index, ReadTx, Tx, UniqueViolation


class Blocked(Entity, frozen=True, kw_only=True):
    """`id` is an identity id (`phone:+79161234567`, `email:a@b.ru`) or `domain:spam.example`."""

    reason: str
    by: str | None = None
    created_at: datetime


BLOCKED = Collection("blocked", Blocked, [Index("created_at")])


ENTRIES = "blocked"
"""Number of entries ever made: as long as there was none, no contact needs a look."""


def block(tx: Tx, actor: Actor, key: str, reason: str) -> Blocked:
    """Ignore this identity from now on. `Invalid` when it is blocked already."""
    check(actor, "lead", Action.UPDATE)
    entry = Blocked(id=key, reason=reason.strip()[:300] or "спам", by=actor.name, created_at=tx.now)
    try:
        tx.insert(BLOCKED, entry)
        tx.next_number(ENTRIES)
    except UniqueViolation as error:
        raise Invalid({"value": "Уже в чёрном списке"}) from error
    record(tx, actor, "blocked", key, "created", {"reason": (None, entry.reason)})
    tell(tx, "blocked", key, "created")
    return entry


def unblock(tx: Tx, actor: Actor, key: str) -> None:
    """Serve this identity again."""
    check(actor, "lead", Action.UPDATE)
    entry = tx.get(BLOCKED, key)
    if entry is None:
        raise Missing("В чёрном списке такого нет")
    tx.delete(BLOCKED, entry)
    record(tx, actor, "blocked", key, "deleted", {"reason": (entry.reason, None)})
    tell(tx, "blocked", key, "deleted")


def list_blocked(tx: ReadTx, actor: Actor, *, limit: int, after: str | None = None) -> list[Blocked]:
    """Newest first."""
    check(actor, "lead", Action.READ)
    return tx.find(BLOCKED, sort="-created_at", limit=limit, after=after)
