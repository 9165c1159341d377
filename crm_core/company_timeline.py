"""The timeline of a company: those of its contacts and of its deals as one.

Each is read in its own order, a few items at a time, and only as far as the merged one comes: a company of a hundred
lively contacts costs little more than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from heapq import merge
from typing import Any

from crm_core.actor import Actor
from crm_core.contacts import list_people
from crm_core.deals import list_deals
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem
from storage import ReadTx

JOINED = 100
"""Contacts, active last, and deals, newest, whose timelines are joined."""
AT_ONCE = 5
"""Items of one of them that are read ahead."""


def company_items(
    tx: ReadTx,
    actor: Actor,
    company_id: str,
    limit: int,
    after: str | None = None,
    sort: str = "-at",
    kind: ItemKind | None = None,
) -> list[TimelineItem]:
    """Up to `limit` items of contacts and deals that the actor may see, in the order of `sort` (`at` or `-at`), each
    once. The items themselves are yet to be asked about (`timeline_rights`)."""
    where = {"company_id": company_id}
    people = list_people(tx, actor, where, limit=JOINED)
    deals = list_deals(tx, actor, where, limit=JOINED)
    parts = [{"person_id": each.id} for each in people] + [{"deal_id": each.id} for each in deals]
    streams = [_stream(tx, part, sort, after) for part in parts]
    found: dict[str, TimelineItem] = {}
    for item in merge(*streams, key=_place, reverse=sort.startswith("-")):
        if kind is None or item.kind is kind:
            found[item.id] = item
        if len(found) == limit:
            break
    return list(found.values())


def _place(item: TimelineItem) -> tuple[datetime, str]:
    return item.at, item.id


def _stream(tx: ReadTx, where: Mapping[str, Any], sort: str, after: str | None) -> Iterator[TimelineItem]:
    while found := tx.find(TIMELINE, where, sort=sort, limit=AT_ONCE, after=after):
        yield from found
        after = tx.cursor_after(TIMELINE, found[-1], sort)
