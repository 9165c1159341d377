"""Notes on a deal: what colleagues should know and the customer never sees."""

from __future__ import annotations

from crm_core.actor import Actor
from crm_core.deals import DEALS, for_change
from crm_core.errors import Invalid
from crm_core.timeline import ItemKind, TimelineItem, add
from storage import Tx

MAX_TEXT = 50_000


def add_deal_note(tx: Tx, actor: Actor, deal_id: str, text: str) -> TimelineItem:
    """A note on the timeline of the deal; it is activity, so the deal is not stuck."""
    deal = for_change(tx, actor, deal_id)
    if not text.strip() or len(text) > MAX_TEXT:
        raise Invalid({"text": f"Напишите заметку, не длиннее {MAX_TEXT} знаков"})
    if not actor.is_system:
        tx.update(DEALS, deal, last_activity_at=tx.now)
    item = TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.NOTE,
        at=tx.now,
        deal_id=deal.id,
        person_id=deal.person_id,
        author_id=actor.id,
        author=actor.name,
        text=text.strip(),
    )
    return add(tx, item, owners=(deal.owner_id,))
