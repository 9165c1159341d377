"""Of which record a document is, and who may read it for that.

A document tells what its record tells: an offer holds the sums of a deal. So the right to documents is never enough;
whoever reads one must be allowed to read the record that it was made for as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from crm_core import companies, deals, leads
from crm_core.access import Facts, check, may
from crm_core.actor import Actor
from crm_core.rights import Action
from storage import ReadTx


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The records that a document belongs to."""

    deal_id: str | None = None
    lead_id: str | None = None
    person_id: str | None = None
    company_id: str | None = None


def _facts_of_deal(tx: ReadTx, deal_id: str) -> Facts | None:
    deal = tx.get(deals.DEALS, deal_id)
    return deals.facts(deal) if deal else None


def _facts_of_lead(tx: ReadTx, lead_id: str) -> Facts | None:
    lead = tx.get(leads.LEADS, lead_id)
    return leads.facts(lead) if lead else None


def _facts_of_company(tx: ReadTx, company_id: str) -> Facts | None:
    company = companies.find_company(tx, company_id)
    return companies.facts(company) if company else None


_RECORDS: tuple[tuple[str, str, Callable[[ReadTx, str], Facts | None]], ...] = (
    ("deal", "deal_id", _facts_of_deal),
    ("lead", "lead_id", _facts_of_lead),
    ("company", "company_id", _facts_of_company),
    ("contact", "person_id", lambda tx, person_id: Facts()),
)
"""Kind of record, the link to it, and its facts; the first link that a document has says whose it is."""
ENTITIES = tuple(entity for entity, _, _ in _RECORDS)


def record_of(tx: ReadTx, linked: Any) -> tuple[str, Facts] | None:
    """Kind and facts of the record that a document (or its `Links`) is of; None when it is of none. A record that is
    gone belongs to nobody: only those who read all of its kind still see what was made of it."""
    for entity, link, facts_of in _RECORDS:
        if id := getattr(linked, link):
            return entity, facts_of(tx, id) or Facts()
    return None


def check_record(tx: ReadTx, actor: Actor, linked: Any) -> None:
    """Raises `Forbidden` when the actor may not read the record that this is of."""
    if found := record_of(tx, linked):
        check(actor, found[0], Action.READ, found[1])


def reads_record(tx: ReadTx, actor: Actor, linked: Any) -> bool:
    """The same as an answer."""
    found = record_of(tx, linked)
    return found is None or may(actor, found[0], Action.READ, found[1])


def reads_all_records(actor: Actor) -> bool:
    """Whether there is no record that the actor may not read, so that none need be asked about."""
    grants = (actor.rights.granted(actor.roles, entity, Action.READ) for entity in ENTITIES)
    return all(any(each.is_everything for each in granted) for granted in grants)


def news_of(tx: ReadTx, linked: Any) -> dict[str, Any]:
    """What the live stream needs to ask the same of somebody who cannot look into the store."""
    found = record_of(tx, linked)
    if found is None:
        return {}
    entity, facts = found
    owners = sorted(owner for owner in facts.owners if owner)
    return {"of": {"entity": entity, "owners": owners, "stage": facts.stage, "open": facts.open,
                   "pipeline": facts.pipeline}}  # fmt: skip


def reads_news(actor: Actor, data: dict[str, Any]) -> bool:
    """Whether the record that a piece of news names by `news_of` is the reader's to read."""
    told = data.get("of")
    if not isinstance(told, dict):
        return True
    facts = Facts(frozenset(told["owners"]), told["stage"], told["open"], told["pipeline"])
    return may(actor, told["entity"], Action.READ, facts)
