"""Deals: what they are, who may see them, and how they are made and changed. Moves between stages are in
`deal_stages.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from crm_core.access import Facts, check, visible
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import Event, raise_event
from crm_core.changes import tell
from crm_core.companies import find_company
from crm_core.company import Company
from crm_core.deal_fields import checked, to_kopecks
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.leads import Source
from crm_core.lines import Line, totals
from crm_core.people import find_person
from crm_core.rights import Action
from crm_core.users import USERS
from storage import AllOf, Collection, Entity, Filter, Index, ReadTx, Sum, Tx
from storage import Count as Number

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
    """Somebody said yes in the name of a role."""

    role: str
    user_id: str | None
    name: str
    at: datetime


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
    currency: str = "RUB"
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
        Index("owner_id", "open", "created_at"),
        Index("person_id", "created_at"),
        Index("company_id", "created_at"),
        Index("lead_id"),
        Index("number"),
        Index("created_at"),
        Index("updated_at"),
        Index("next_step_at", where={"open": True}),
        Index("last_activity_at", where={"open": True}),
        Index("pipeline", "stage", "amount", "weighted"),
    ],
)

PLAIN = frozenset({"title", "comment", "amount", "currency", "expected_close", "probability", "next_step", "parties",
                   "risks"})  # fmt: skip
EDITABLE = PLAIN | {"person_id", "company_id", "owner_id", "fields", "lines"}


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


def for_change(tx: ReadTx, actor: Actor, deal_id: str, version: int | None = None) -> Deal:
    """The deal, checked for change rights and for the version that the actor saw."""
    deal = get_deal(tx, actor, deal_id)
    check(actor, "deal", Action.UPDATE, facts(deal))
    if version is not None and version != deal.version:
        raise Conflict("Сделка уже изменена кем-то другим. Обновите карточку")
    return deal


def announce(tx: Tx, deal: Deal, event: str, *, former: tuple[str | None, ...] = ()) -> None:
    """News about a deal for the open pages; `former`: who owned it until now."""
    shown = {"number": deal.number, "title": deal.title, "pipeline": deal.pipeline, "stage": deal.stage}
    tell(tx, "deal", deal.id, event, owners=(deal.owner_id, *former), data=shown | {"owner_id": deal.owner_id})


def create_deal(tx: Tx, actor: Actor, company: Company, pipeline: str, values: Mapping[str, Any]) -> Deal:
    """A new deal in the first stage; its owner is the actor unless another is named. `Invalid` by field."""
    way = company.pipeline(pipeline)
    if way.archived:
        raise Invalid({"pipeline": f"Направление «{way.title}» в архиве: новые сделки в нём не заводят"})
    values = _checked(tx, company, {"owner_id": actor.id, **values})
    stage = way.first
    check(actor, "deal", Action.CREATE, Facts(frozenset({values["owner_id"]}), stage.key, True, pipeline))
    number = tx.next_number("deal")
    links = {key: values.pop(key) for key in ("lead_id", "origin_id", "source") if key in values}
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
    deal = tx.insert(DEALS, derived(deal, stage.probability))
    record(tx, actor, "deal", deal.id, "created", {"pipeline": (None, pipeline), "title": (None, deal.title)})
    announce(tx, deal, "created")
    raise_event(tx, actor, "deal", deal.id, Event.CREATED)
    raise_event(tx, actor, "deal", deal.id, Event.STAGE, stage=deal.stage)
    return deal


def edit_deal(
    tx: Tx, actor: Actor, company: Company, deal_id: str, changes: Mapping[str, Any], version: int | None = None
) -> Deal:
    """Change the card. `Invalid` names what cannot be changed or has a wrong value."""
    deal = for_change(tx, actor, deal_id, version)
    if unknown := set(changes) - EDITABLE:
        raise Invalid(dict.fromkeys(sorted(unknown), "Такого поля нет или его меняют другой командой"))
    values = _checked(tx, company, changes)
    if "fields" in values:
        merged = {**deal.fields, **values["fields"]}
        values["fields"] = {key: value for key, value in merged.items() if value}
    before = {key: getattr(deal, key) for key in values}
    if all(value == before[key] for key, value in values.items()):
        return deal
    return put(tx, actor, company, deal, values)


def put(tx: Tx, actor: Actor, company: Company, deal: Deal, values: Mapping[str, Any]) -> Deal:
    """Store changed values, with audit and news; for callers that have checked rights and values."""
    stage = company.pipeline(deal.pipeline).stage(deal.stage)
    changed = derived(msgspec.structs.replace(deal, **values, updated_at=tx.now), stage.probability)
    changed = tx.replace(DEALS, changed)
    pairs = {key: (getattr(deal, key), getattr(changed, key)) for key in {*values, "amount"}}
    record(tx, actor, "deal", deal.id, "updated", {key: pair for key, pair in pairs.items() if pair[0] != pair[1]})
    announce(tx, changed, "updated", former=(deal.owner_id,))
    raise_event(tx, actor, "deal", deal.id, Event.FIELD, fields=_changed(deal, changed, values))
    return changed


def _changed(before: Deal, after: Deal, names: Iterable[str]) -> set[str]:
    """Names of what differs, fields of the card by their keys."""
    keys = before.fields.keys() | after.fields.keys()
    own = {name for name in (*names, "amount") if getattr(before, name) != getattr(after, name)} - {"fields"}
    return own | {key for key in keys if before.fields.get(key) != after.fields.get(key)}


def derived(deal: Deal, stage_probability: int) -> Deal:
    """The deal with what follows from its other values: the weighted amount, the moment of the next step."""
    if deal.lines:
        summed = totals(deal.lines)
        deal = msgspec.structs.replace(deal, amount=summed.total, currency=summed.currency)
    likely = stage_probability if deal.probability is None or not deal.open else deal.probability
    weighted = None if deal.amount is None else to_kopecks(deal.amount * likely / 100)
    at = deal.next_step.at if deal.next_step else None
    return msgspec.structs.replace(deal, weighted=weighted, next_step_at=at)


def _checked(tx: ReadTx, company: Company, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values in their final form. `Invalid` names every wrong one."""
    values, wrong = dict(changes), {}
    if "title" in values and not str(values["title"] or "").strip():
        wrong["title"] = "Название не может быть пустым"
    if values.get("owner_id"):
        owner = tx.get(USERS, values["owner_id"])
        if owner is None or not owner.active:
            wrong["owner_id"] = "Такого сотрудника нет, или он отключён"
    if values.get("company_id") and find_company(tx, values["company_id"]) is None:
        wrong["company_id"] = "Такой компании нет"
    people = {party.person_id for party in values.get("parties") or ()} | {values.get("person_id")}
    for person_id in filter(None, people):
        if find_person(tx, person_id) is None:
            wrong["person_id" if person_id == values.get("person_id") else "parties"] = "Такого контакта нет"
    if values.get("next_step") and not values["next_step"].text.strip():
        wrong["next_step"] = "Назовите следующий шаг"
    try:
        if "fields" in values:
            values["fields"] = checked(company.deal_fields, values["fields"])
    except Invalid as error:
        wrong |= error.fields
    if wrong:
        raise Invalid(wrong)
    return values


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage of a pipeline holds, for the board and the forecast."""

    stage: str
    title: str
    kind: str
    number: int
    amount: Decimal
    weighted: Decimal


def forecast(tx: ReadTx, actor: Actor, company: Company, pipeline: str, where: Filter | None = None) -> list[Column]:
    """Number and sums per stage of the deals that the actor may see, stages in their order."""
    way, scope = company.pipeline(pipeline), deal_scope(actor)
    rows: dict[str, tuple[Any, ...]] = {}
    if scope is not None:
        filters = AllOf(({"pipeline": pipeline}, where or {}, scope))
        measures = (Number(), Sum("amount"), Sum("weighted"))
        rows = {row[0]: row for row in tx.aggregate(DEALS, by=["stage"], measures=measures, where=filters)}
    columns = []
    for stage in way.stages:
        _, number, amount, weighted = rows.get(stage.key, (stage.key, 0, None, None))
        columns.append(
            Column(
                stage=stage.key,
                title=stage.title,
                kind=stage.kind,
                number=number,
                amount=to_kopecks(amount or Decimal(0)),
                weighted=to_kopecks(weighted or Decimal(0)),
            )
        )
    return columns
