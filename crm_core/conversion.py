"""A lead becomes a deal: what it demands, what goes over, and how the two find each other."""

from __future__ import annotations

from typing import Any

from crm_core.access import Facts, may
from crm_core.actor import Actor
from crm_core.changes import tell
from crm_core.companies import COMPANIES, create_company
from crm_core.company import Company
from crm_core.deal_fields import BUILT_IN
from crm_core.deal_values import MAX_TITLE
from crm_core.deals import DEALS, Deal, create_deal
from crm_core.errors import Conflict, Incomplete, Lack
from crm_core.leads import LEADS, Lead, for_change, set_stage
from crm_core.money import AmountError, parse_money
from crm_core.people import PEOPLE, Person, find_person
from crm_core.pipelines import Pipeline
from crm_core.rights import Action
from crm_core.similar import company_key
from crm_core.timeline import ItemKind, TimelineItem, add
from storage import ReadTx, Tx

TITLES = {"name": "Имя клиента", "contact": "Телефон или почта", "source": "Канал", "company": "Компания"}


def lacks(tx: ReadTx, company: Company, lead: Lead) -> list[Lack]:
    """What is missing for a conversion, in the order of the preset."""
    person = tx.get(PEOPLE, lead.person_id) if lead.person_id else None
    titles = TITLES | {rule.key: rule.title for rule in company.fields}
    missing = [key for key in company.conversion.requires if not _known(lead, person, key)]
    return [Lack(kind="field", key=key, title=f"Заполните поле «{titles.get(key, key)}»") for key in missing]


def _known(lead: Lead, person: Person | None, key: str) -> bool:
    match key:
        case "name":
            return person is not None and bool(person.name)
        case "contact":
            return person is not None and bool(person.phones or person.emails)
        case "source":
            return bool(lead.source.channel)
        case "company":
            return bool(lead.company)
    return bool(lead.fields.get(key))


def convert_lead(
    tx: Tx, actor: Actor, company: Company, lead_id: str, pipeline: str, *, customer: str | None = None,
    version: int | None = None,
) -> tuple[Lead, Deal]:  # fmt: skip
    """Make a deal of an open lead. The person stays the same record, so is the contact of both. `customer` is the
    name of a company: the one of this name is taken, or a new one is made, and the person becomes its contact.
    `Incomplete` names what is missing; `Conflict` when the lead is finished or a deal already."""
    lead = for_change(tx, actor, lead_id, version)
    way = company.pipeline(pipeline)
    if lead.deal_id:
        existing = tx.get(DEALS, lead.deal_id)
        raise Conflict(f"Из этого лида уже сделана сделка{f' № {existing.number}' if existing else ''}")
    if not lead.open:
        raise Conflict("Лид закрыт: верните его в работу, чтобы сделать сделку")
    if missing := lacks(tx, company, lead):
        raise Incomplete("Чтобы сделать из лида сделку, не хватает", missing)
    values = _values(way, company, lead, actor)
    if customer and customer.strip():
        values["company_id"] = _customer(tx, actor, lead, customer.strip())
    elif person := (find_person(tx, lead.person_id) if lead.person_id else None):
        values["company_id"] = person.company_id
    deal = create_deal(tx, actor, company, way.key, values)
    lead = tx.update(LEADS, lead, deal_id=deal.id, owner_id=lead.owner_id or actor.id)
    lead = set_stage(tx, actor, company, lead, company.conversion.stage)
    _link(tx, actor, lead, deal)
    return lead, deal


def _customer(tx: Tx, actor: Actor, lead: Lead, name: str) -> str:
    """Id of the company of this name. Of several the one that the person belongs to, else the one made last."""
    person = find_person(tx, lead.person_id) if lead.person_id else None
    same = tx.find(COMPANIES, {"name_key": company_key(name)}, sort="-created_at", limit=20)
    own = [each for each in same if person is not None and each.id == person.company_id]
    found = next(iter([*own, *same]), None) or create_company(tx, actor, {"name": name})
    if person is not None and person.company_id != found.id:
        tx.update(PEOPLE, person, company_id=found.id, company=found.name)
        tell(tx, "contact", person.id, "updated")
    return found.id


def _values(pipeline: Pipeline, company: Company, lead: Lead, actor: Actor) -> dict[str, Any]:
    """What the deal takes over. Who led the lead owns the deal; whoever makes it, when nobody did or when he may make
    deals only for himself."""
    for_owner = Facts(frozenset({lead.owner_id}), pipeline.first.key, True, pipeline.key)
    values: dict[str, Any] = {
        "title": lead.title[:MAX_TITLE],
        "person_id": lead.person_id,
        "lead_id": lead.id,
        "source": lead.source,
        "owner_id": lead.owner_id if lead.owner_id and may(actor, "deal", Action.CREATE, for_owner) else actor.id,
    }
    fields: dict[str, str] = {}
    for key, target in company.conversion.carried.items():
        value = lead.fields.get(key, "")
        if not value:
            continue
        if target == "amount":
            values |= _amount(value)
        elif target in BUILT_IN:
            values[target] = value
        else:
            fields[target] = value
    return values | ({"fields": fields} if fields else {})


def _amount(text: str) -> dict[str, Any]:
    """A price that nobody can read stays on the lead; the deal's amount is asked for later."""
    try:
        money = parse_money(text)
    except AmountError:
        return {}
    return {"amount": money.amount, "currency": money.currency}


def _link(tx: Tx, actor: Actor, lead: Lead, deal: Deal) -> None:
    """Both timelines tell of the other record."""
    both = {"lead_id": lead.id, "deal_id": deal.id, "deal_number": deal.number, "lead_number": lead.number}
    item = TimelineItem(
        id=tx.new_id("tl_"), kind=ItemKind.DEAL, at=tx.now, lead_id=lead.id, deal_id=deal.id,
        person_id=lead.person_id, author_id=actor.id, author=actor.name,
        text=f"Лид № {lead.number} → сделка № {deal.number}", data=both,
    )  # fmt: skip
    add(tx, item, owners=(lead.owner_id, deal.owner_id))
