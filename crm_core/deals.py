"""Deals: what they are, who may see them, and how they are made and changed. Moves between stages are in
`deal_stages.py`, what may stand in a deal in `deal_values.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from crm_core.access import Facts, check, check_version, may, visible
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import Event, raise_event
from crm_core.changes import tell
from crm_core.companies import CustomerCompany, find_company
from crm_core.company import Company
from crm_core.contacts import readable_person
from crm_core.deal_values import checked_values
from crm_core.errors import Invalid, Missing
from crm_core.leads import Source
from crm_core.lines import Line, totals
from crm_core.money import RUB, share
from crm_core.people import Person
from crm_core.pipelines import Pipeline, PipelineStage
from crm_core.rights import Action
from crm_core.trade import HUNDRED
from crm_core.worth import note_unwon, note_won
from storage import AllOf, AnyOf, Collection, Entity, Filter, Index, ReadTx, Tx

Role = Literal["decision_maker", "payer", "purchaser", "blocker", "other"]
Level = Literal["low", "medium", "high"]


class NextStep(msgspec.Struct, frozen=True, kw_only=True):
    """What happens next, when, and what the customer has promised to do."""

    text: str
    at: datetime
    commitment: str = ""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on the customer's side who has a say; a contact of ours or only a name."""

    role: Role
    person_id: str | None = None
    name: str = ""
    note: str = ""


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What may spoil the deal."""

    text: str
    level: Level = "medium"
    closed: bool = False


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What a role says of the deal: it was asked, it said yes, or it said no and why. One for each role."""

    role: str
    user_id: str | None
    """Who asked, approved or refused."""
    name: str
    at: datetime
    state: Literal["asked", "approved", "refused"] = "approved"
    text: str = ""
    """What was asked, or why it was refused."""
    asked_by: str | None = None


class Deal(Entity, frozen=True, kw_only=True):
    """A sale on its way through a pipeline."""

    number: int
    title: str
    pipeline: str
    stage: str
    stage_since: datetime
    open: bool = True
    person_id: str | None = None
    company_id: str | None = None
    lead_id: str | None = None
    """The lead that it was made of."""
    origin_id: str | None = None
    """The deal that it followed from: service after equipment."""
    owner_id: str | None = None
    source: Source | None = None
    amount: Decimal | None = None
    currency: str = RUB
    probability: int | None = None
    """Per cent, by the seller's judgement; None: that of the stage."""
    weighted: Decimal | None = None
    """Amount × probability, for the forecast."""
    lines: tuple[Line, ...] = ()
    """What is sold; while there are lines, `amount` is their total."""
    expected_close: date | None = None
    comment: str = ""
    fields: dict[str, str] = {}
    next_step: NextStep | None = None
    next_step_at: datetime | None = None
    """That of `next_step`, to search by."""
    parties: tuple[Party, ...] = ()
    risks: tuple[Risk, ...] = ()
    approvals: tuple[Approval, ...] = ()
    closed_at: datetime | None = None
    last_activity_at: datetime
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


DEALS = Collection(
    "deals",
    Deal,
    [
        Index("pipeline", "stage", "created_at"),
        Index("pipeline", "open", "created_at"),
        Index("stage", "created_at"),
        Index("pipeline", "owner_id", "stage", "created_at"),
        Index("owner_id", "open", "created_at"),
        Index("owner_id", "created_at"),
        Index("person_id", "created_at"),
        Index("company_id", "created_at"),
        Index("lead_id"),
        Index("origin_id", sparse=True),
        Index("number"),
        Index("created_at"),
        Index("updated_at"),
        Index("next_step_at", where={"open": True}),
        Index("last_activity_at", where={"open": True}),
        Index("pipeline", "stage", "currency", "amount", "weighted"),
        Index("pipeline", "owner_id", "stage", "currency", "amount", "weighted"),
    ],
)

PLAIN = frozenset({"title", "comment", "amount", "currency", "expected_close", "probability", "next_step", "parties",
                   "risks"})  # fmt: skip
EDITABLE = PLAIN | {"person_id", "company_id", "owner_id", "fields", "lines"}
LINKS = frozenset({"lead_id", "origin_id", "source"})
"""Said once, when the deal is made."""


def facts(deal: Deal) -> Facts:
    return Facts(frozenset({deal.owner_id}), deal.stage, deal.open, deal.pipeline)


def deal_scope(actor: Actor) -> Filter | None:
    """Which deals the actor may read; None when none."""
    return visible(actor, "deal", owner_fields=("owner_id",), has_stage=True)


def get_deal(tx: ReadTx, actor: Actor, deal_id: str) -> Deal:
    """The deal. `Missing` when there is none, `Forbidden` when the actor may not see it."""
    deal = tx.get(DEALS, deal_id)
    if deal is None:
        raise Missing("Такой сделки нет")
    check(actor, "deal", Action.READ, facts(deal))
    return deal


def list_deals(
    tx: ReadTx, actor: Actor, where: Filter, *, sort: str = "-created_at", limit: int = 50, after: str | None = None
) -> list[Deal]:
    """Deals that match and that the actor may see."""
    scope = deal_scope(actor)
    return [] if scope is None else tx.find(DEALS, AllOf((where, scope)), sort=sort, limit=limit, after=after)


def customer_of(tx: ReadTx, actor: Actor, deal: Deal) -> Person | None:
    """The person on the other side; None when there is nobody, and for whoever may not read contacts."""
    return readable_person(tx, actor, deal.person_id)


def company_of(tx: ReadTx, actor: Actor, deal: Deal) -> CustomerCompany | None:
    """The same for the company."""
    return find_company(tx, deal.company_id) if may(actor, "company", Action.READ) else None


def parties_of(actor: Actor, deal: Deal) -> tuple[Party, ...]:
    """Who has a say on the other side; whoever may not read contacts sees roles without names."""
    if may(actor, "contact", Action.READ):
        return deal.parties
    return tuple(msgspec.structs.replace(party, person_id=None, name="") for party in deal.parties)


def history_of(deal: Deal) -> Filter:
    """Items of the timeline of a deal: its own and those of the lead that it was made of. Who may read which is told by
    `timeline_rights`."""
    own: Filter = {"deal_id": deal.id}
    return AnyOf((own, {"lead_id": deal.lead_id})) if deal.lead_id else own


def pipeline_of(company: Company, deal: Deal) -> Pipeline:
    """The deal's pipeline; one that is gone from the configuration is called by its key and has no stages."""
    return company.pipelines.get(deal.pipeline) or Pipeline(deal.pipeline, deal.pipeline, ())


def stage_of(company: Company, deal: Deal) -> PipelineStage:
    """The deal's stage; one that is gone from the configuration is called by its key."""
    gone = PipelineStage(deal.stage, deal.stage, "open" if deal.open else "lost", "gray")
    return next((stage for stage in pipeline_of(company, deal).stages if stage.key == deal.stage), gone)


def likelihood(company: Company, deal: Deal) -> int:
    """Per cent: by the seller's judgement while the deal is open, else that of the stage."""
    return stage_of(company, deal).probability if deal.probability is None or not deal.open else deal.probability


def for_change(tx: ReadTx, actor: Actor, deal_id: str, version: int | None = None) -> Deal:
    """The deal, checked for change rights and for the version that the actor saw."""
    deal = get_deal(tx, actor, deal_id)
    check(actor, "deal", Action.UPDATE, facts(deal))
    check_version(deal, version, "Сделка уже изменена")
    return deal


def announce(
    tx: Tx, deal: Deal, event: str, *, former: tuple[str | None, ...] = (), data: Mapping[str, Any] | None = None
) -> None:
    """News about a deal for the open pages; `former`: who owned it until now."""
    shown = {"number": deal.number, "title": deal.title, "pipeline": deal.pipeline, "stage": deal.stage}
    shown |= {"owner_id": deal.owner_id, **(data or {})}
    tell(tx, "deal", deal.id, event, owners=(deal.owner_id, *former), data=shown)


def create_deal(tx: Tx, actor: Actor, company: Company, pipeline: str, values: Mapping[str, Any]) -> Deal:
    """A new deal in the first stage; its owner is the actor unless another is named. With `origin_id` it follows from
    that deal and takes over its customer. `Invalid` by field."""
    way = company.pipeline(pipeline)
    if way.archived:
        raise Invalid({"pipeline": f"Направление «{way.title}» в архиве: новые сделки в нём не заводят"})
    stage = way.first
    values = {"owner_id": actor.id, **_taken_over(tx, actor, values.get("origin_id")), **values}
    links = {key: values.pop(key) for key in LINKS & values.keys()}
    _refuse_unknown(values)
    values = checked_values(tx, company, values, currency=RUB)
    check(actor, "deal", Action.CREATE, Facts(frozenset({values["owner_id"]}), stage.key, True, pipeline))
    number = tx.next_number("deal")
    deal = Deal(
        id=tx.new_id("deal_"),
        number=number,
        pipeline=pipeline,
        stage=stage.key,
        stage_since=tx.now,
        last_activity_at=tx.now,
        created_by=actor.id,
        created_at=tx.now,
        updated_at=tx.now,
        **links,
        **({"title": f"Сделка № {number}"} | {key: value for key, value in values.items() if value is not None}),
    )
    deal = tx.insert(DEALS, derived(company, deal))
    record(tx, actor, "deal", deal.id, "created", {"pipeline": (None, pipeline), "title": (None, deal.title)})
    announce(tx, deal, "created")
    raise_event(tx, actor, "deal", deal.id, Event.CREATED)
    raise_event(tx, actor, "deal", deal.id, Event.STAGE, stage=deal.stage)
    return deal


def _taken_over(tx: ReadTx, actor: Actor, origin_id: str | None) -> dict[str, Any]:
    """What a deal takes from the one that it follows from. `Invalid` when there is no such deal."""
    if not origin_id:
        return {}
    try:
        origin = get_deal(tx, actor, origin_id)
    except Missing as error:
        raise Invalid({"origin_id": str(error)}) from error
    return {name: getattr(origin, name) for name in ("title", "person_id", "company_id", "source")}


def _refuse_unknown(names: Iterable[str]) -> None:
    if unknown := set(names) - EDITABLE:
        raise Invalid(dict.fromkeys(sorted(unknown), "Такого поля нет или его меняют другой командой"))


def edit_deal(
    tx: Tx, actor: Actor, company: Company, deal_id: str, changes: Mapping[str, Any], version: int | None = None
) -> Deal:
    """Change the card. `Invalid` names what cannot be changed or has a wrong value."""
    deal = for_change(tx, actor, deal_id, version)
    _refuse_unknown(changes)
    values = checked_values(tx, company, changes, currency=deal.currency, lines=deal.lines)
    if "fields" in values:
        merged = {**deal.fields, **values["fields"]}
        values["fields"] = {key: value for key, value in merged.items() if value}
    before = {key: getattr(deal, key) for key in values}
    if all(value == before[key] for key, value in values.items()):
        return deal
    return put(tx, actor, company, deal, values)


def put(tx: Tx, actor: Actor, company: Company, deal: Deal, values: Mapping[str, Any]) -> Deal:
    """Store changed values, with audit and news; for callers that have checked rights and values. What a person does is
    activity; a robot's work is not."""
    touched = {"updated_at": tx.now} | ({} if actor.is_system else {"last_activity_at": tx.now})
    changed = tx.replace(DEALS, derived(company, msgspec.structs.replace(deal, **values, **touched)))
    if stage_of(company, deal).kind == "won":
        count_won(tx, company, deal, changed)
    pairs = {key: (getattr(deal, key), getattr(changed, key)) for key in {*values, "amount"}}
    record(tx, actor, "deal", deal.id, "updated", {key: pair for key, pair in pairs.items() if pair[0] != pair[1]})
    announce(tx, changed, "updated", former=(deal.owner_id,))
    raise_event(tx, actor, "deal", deal.id, Event.FIELD, fields=_changed(deal, changed, values))
    return changed


def count_won(tx: Tx, company: Company, before: Deal | None, after: Deal | None) -> None:
    """Keep the worth of customers: what the deal counted for while it was won is taken back, and what it counts for now
    is added; None: it was not, or is not, won."""
    if before is not None and after is not None and sold(before) == sold(after):
        return
    if before is not None:
        note_unwon(tx, *sold(before), before.closed_at or tx.now, company.customers)
    if after is not None:
        note_won(tx, *sold(after), after.closed_at or tx.now, company.customers)


def sold(deal: Deal) -> tuple[str | None, str | None, Decimal]:
    """To whom, and for how many roubles: what was paid in another currency counts as a purchase without a sum."""
    amount = deal.amount if deal.currency == RUB else None
    return deal.person_id, deal.company_id, amount or Decimal(0)


def _changed(before: Deal, after: Deal, names: Iterable[str]) -> set[str]:
    """Names of what differs, fields of the card by their keys."""
    keys = before.fields.keys() | after.fields.keys()
    own = {name for name in (*names, "amount") if getattr(before, name) != getattr(after, name)} - {"fields"}
    return own | {key for key in keys if before.fields.get(key) != after.fields.get(key)}


def derived(company: Company, deal: Deal) -> Deal:
    """The deal with what follows from its other values: the weighted amount, the moment of the next step."""
    if deal.lines:
        summed = totals(deal.lines)
        deal = msgspec.structs.replace(deal, amount=summed.total, currency=summed.currency)
    likely = Decimal(likelihood(company, deal))
    weighted = None if deal.amount is None else share(deal.amount, likely, HUNDRED)
    at = deal.next_step.at if deal.next_step else None
    return msgspec.structs.replace(deal, weighted=weighted, next_step_at=at)
