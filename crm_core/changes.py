"""The change feed: news for the pages and for outgoing webhooks, written in the transaction that made it true.

Readers go by `seq`, which grows in commit order, so a page that was away resumes where it stopped. Rows are kept for
`KEEP`; a page that was away for longer reloads.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from storage import Collection, Entity, Gt, Index, ReadTx, Tx

KEEP = timedelta(days=2)


class Change(Entity, frozen=True, kw_only=True):
    """One piece of news about one record."""

    seq: int
    at: datetime
    entity: str
    """`lead`, `timeline`, `task`, `call`, `user`, `notification`, `connector`, `queue`."""
    entity_id: str
    event: str
    """`created`, `updated`, `offered`, `assigned`, `waiting`, `closed`, `ringing`, …"""
    lead_id: str | None = None
    owners: tuple[str, ...] = ()
    """Users that the record belongs to at this moment, for own-scope readers."""
    to: tuple[str, ...] = ()
    """Only these users get it; empty: everybody who may read the entity."""
    data: dict[str, Any] = {}
    """A few values that a page shows at once without asking again."""


CHANGES = Collection("changes", Change, [Index("seq")])


def tell(
    tx: Tx,
    entity: str,
    entity_id: str,
    event: str,
    *,
    lead_id: str | None = None,
    owners: tuple[str | None, ...] = (),
    to: tuple[str, ...] = (),
    data: dict[str, Any] | None = None,
) -> None:
    """Write one piece of news."""
    tx.append(
        CHANGES,
        Change(
            id=tx.new_id(),
            seq=tx.next_number("change"),
            at=tx.now,
            entity=entity,
            entity_id=entity_id,
            event=event,
            lead_id=lead_id,
            owners=tuple(owner for owner in owners if owner),
            to=to,
            data=data or {},
        ),
    )


def since(tx: ReadTx, seq: int, limit: int = 500) -> list[Change]:
    """What happened after `seq`, oldest first."""
    return tx.find(CHANGES, {"seq": Gt(seq)}, sort="seq", limit=limit)


def last_seq(tx: ReadTx) -> int:
    """Number of the newest piece of news, 0 when there is none."""
    newest = tx.first(CHANGES, sort="-seq")
    return newest.seq if newest else 0


def prune(tx: Tx, limit: int = 1000) -> int:
    """Drop news older than `KEEP`; returns how many went."""
    oldest = tx.find(CHANGES, sort="seq", limit=limit)
    old = [change for change in oldest if change.at < tx.now - KEEP]
    for change in old:
        tx.delete(CHANGES, change)
    return len(old)
