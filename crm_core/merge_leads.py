"""A person has one open lead; when two people become one, one of their two must be closed, and people say which."""

from __future__ import annotations

from dataclasses import dataclass

from crm_core import callbacks
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid
from crm_core.leads import LEADS, Lead, for_change, open_lead_of, set_stage
from crm_core.references import TO_LEAD
from storage import Tx

Moves = dict[tuple[str, str], list[str]]
"""Key of a reference and field → ids of documents that were let name another record."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The lead that gave way, for an undo."""

    lead_id: str
    stage: str
    closed_as: str
    kept_id: str
    moved: Moves
    """Open tasks that went over to the lead that stays."""


def settle_open_leads(
    tx: Tx, actor: Actor, company: Company, gone: str, into: str, keep_lead: str | None, close_stage: str | None
) -> Closed | None:
    """Close the one of two open leads that is not kept; None when there are not two. Its open tasks, unread contacts
    and the time of the awaited answer go over to the one that stays."""
    first, second = open_lead_of(tx, gone), open_lead_of(tx, into)
    if first is None or second is None:
        return None
    if keep_lead is None:
        both = " и ".join(f"№ {lead.number} «{lead.title}»" for lead in (first, second))
        raise Conflict(
            f"У обоих контактов есть открытый лид: {both}. Закройте один из них или укажите в keep_lead, "
            "какой остаётся, а в close_stage, с какой стадией закрыть другой"
        )
    if keep_lead not in (first.id, second.id):
        raise Invalid({"keep_lead": f"Укажите один из двух открытых лидов: {first.id} или {second.id}"})
    kept, closing = (first, second) if keep_lead == first.id else (second, first)
    closing = for_change(tx, actor, closing.id)
    lost = [stage.key for stage in company.stages if stage.kind == "lost" and not stage.archived]
    if close_stage not in lost:
        raise Invalid({"close_stage": f"Укажите стадию проигрыша, с которой закрыть другой лид: {', '.join(lost)}"})
    return _join(tx, actor, company, kept, closing, close_stage)


def _join(tx: Tx, actor: Actor, company: Company, kept: Lead, closing: Lead, close_stage: str) -> Closed:
    moved: Moves = {}
    for reference in TO_LEAD:
        for document in tx.find(reference.collection, {**reference.where(closing.id), "open": True}):
            field, id = reference.repoint(tx, document, closing.id, kept.id)
            moved.setdefault((reference.key, field), []).append(id)
    callbacks.hand_over(tx, kept.id, kept.owner_id)
    due = min((each for each in (kept.due_at, closing.due_at) if each is not None), default=None)
    tx.update(LEADS, kept, due_at=due, unread=kept.unread + closing.unread, updated_at=tx.now)
    set_stage(tx, actor, company, closing, close_stage)
    return Closed(closing.id, closing.stage, close_stage, kept.id, moved)


def reopen(tx: Tx, actor: Actor, company: Company, lead_id: str, stage: str, closed_as: str) -> None:
    """Undo of the closing, unless somebody has done something else with the lead, or its person has a new open one."""
    lead = tx.get(LEADS, lead_id)
    if lead is None or lead.open or lead.stage != closed_as or stage not in {each.key for each in company.stages}:
        return
    if lead.person_id is None or open_lead_of(tx, lead.person_id) is None:
        set_stage(tx, actor, company, lead, stage)
