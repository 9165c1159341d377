"""`/deals`: lists, the card, moves through gates, forecast; and the conversion of leads."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from crm_core import deal_stages
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_forecast import StageSum, forecast
from crm_core.deals import (
    DEALS,
    Approval,
    Deal,
    NextStep,
    Party,
    Risk,
    create_deal,
    customer_of,
    edit_deal,
    get_deal,
    history_of,
    likelihood,
    list_deals,
    parties_of,
)
from crm_core.errors import Lack
from crm_core.rights import Action
from crm_core.search import matching
from crm_core.searchable import KINDS
from storage import AllOf, Filter, Gte, Lt, ReadTx, Tx
from storage import In as OneOf
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.conversation import TimelineQuery, timeline_page, timeline_rows
from web.api.input import Fields, Id, Line, ListQuery, Moment, Text
from web.api.shapes import PersonOut, SourceOut, TimelineOut, show_person, show_source


class DealOut(Out, frozen=True, kw_only=True):
    id: str
    number: int
    version: int
    title: str
    pipeline: str
    stage: str
    stage_since: datetime
    open: bool
    person: PersonOut | None
    company_id: str | None
    lead_id: str | None
    origin_id: str | None
    owner_id: str | None
    source: SourceOut | None
    amount: Decimal | None
    currency: str
    probability: int
    weighted: Decimal | None
    expected_close: date | None
    comment: str
    fields: dict[str, str]
    next_step: NextStep | None
    parties: tuple[Party, ...]
    risks: tuple[Risk, ...]
    approvals: tuple[Approval, ...]
    closed_at: datetime | None
    last_activity_at: datetime
    created_by: str | None
    created_at: datetime
    updated_at: datetime


COMPUTED = frozenset({"person", "parties", "source", "probability"})


def show_deal(tx: ReadTx, actor: Actor, company: Company, deal: Deal) -> DealOut:
    """As this reader may see it: without the people of the other side for whoever may not read contacts."""
    person = customer_of(tx, actor, deal)
    return DealOut(
        **{name: getattr(deal, name) for name in DealOut.__struct_fields__ if name not in COMPUTED},
        person=show_person(person) if person else None,
        parties=parties_of(actor, deal),
        source=show_source(deal.source) if deal.source else None,
        probability=likelihood(company, deal),
    )


class DealQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["created_at", "-created_at", "updated_at", "-updated_at", "number", "-number"] = "-created_at"
    pipeline: Id | None = None
    stage: Line | None = None
    """One, or several with commas."""
    open: bool | None = None
    owner_id: Id | None = None
    person_id: Id | None = None
    company_id: Id | None = None
    lead_id: Id | None = None
    origin_id: Id | None = None
    """Deals that followed from this one."""
    q: Line | None = None
    """Words of the deal and its customer, number or phone, as `/search` finds them."""
    created_from: Moment | None = None
    created_to: Moment | None = None


_EQUAL = ("pipeline", "open", "owner_id", "person_id", "company_id", "lead_id", "origin_id")


async def list_(call: Call[DealQuery, None]) -> Page[DealOut]:
    return await call.read(_list, call.company, call.query)


def _list(tx: ReadTx, actor: Actor, company: Company, query: DealQuery) -> Page[DealOut]:
    check(actor, "deal", Action.READ)
    rows = list_deals(
        tx, actor, filter_of(tx, actor, query), sort=query.sort, limit=query.limit + 1, after=query.cursor
    )
    return page_of(tx, DEALS, rows, query.limit, query.sort, lambda deal: show_deal(tx, actor, company, deal))


def filter_of(tx: ReadTx, actor: Actor, query: DealQuery) -> Filter:
    """What the parameters mean to the store."""
    filters: list[Filter] = [{name: value for name in _EQUAL if (value := getattr(query, name)) is not None}]
    if query.stage is not None:
        filters.append({"stage": OneOf([stage.strip() for stage in query.stage.split(",")])})
    filters += created_between(query.created_from, query.created_to)
    if query.q is not None:
        filters.append(matching(tx, KINDS, actor, "deal", query.q))
    return AllOf(tuple(filters))


def created_between(start: datetime | None, end: datetime | None) -> list[Filter]:
    """Records made from `start` on and before `end`, where they are given."""
    since: list[Filter] = [{"created_at": Gte(start)}] if start is not None else []
    until: list[Filter] = [{"created_at": Lt(end)}] if end is not None else []
    return since + until


Title = Annotated[str, Meta(min_length=1, max_length=300)]
Sum = Annotated[str, Meta(max_length=40)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Percent = Annotated[int, Meta(ge=0, le=100)]


class StepIn(In, frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    at: Moment
    commitment: Annotated[str, Meta(max_length=1000)] = ""
    """What the customer has promised to do by then."""


class PartyIn(In, frozen=True, kw_only=True):
    role: Literal["decision_maker", "payer", "purchaser", "blocker", "other"]
    person_id: Id | None = None
    name: Line = ""
    note: Annotated[str, Meta(max_length=1000)] = ""


class RiskIn(In, frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    level: Literal["low", "medium", "high"] = "medium"
    closed: bool = False


class DealPatch(In, frozen=True, kw_only=True):
    title: Title | UnsetType = UNSET
    person_id: Id | UnsetType | None = UNSET
    company_id: Id | UnsetType | None = UNSET
    owner_id: Id | UnsetType | None = UNSET
    amount: Sum | UnsetType | None = UNSET
    """A decimal number as text. While the deal has products it is their total and cannot be changed."""
    currency: Currency | UnsetType = UNSET
    probability: Percent | UnsetType | None = UNSET
    expected_close: date | UnsetType | None = UNSET
    comment: Text | UnsetType = UNSET
    fields: Fields | UnsetType = UNSET
    next_step: StepIn | UnsetType | None = UNSET
    parties: Annotated[list[PartyIn], Meta(max_length=50)] | UnsetType = UNSET
    risks: Annotated[list[RiskIn], Meta(max_length=50)] | UnsetType = UNSET


class NewDeal(DealPatch, frozen=True, kw_only=True):
    pipeline: Id | None = None
    """The first one when absent."""
    origin_id: Id | None = None
    """The deal that this one follows from: its customer is taken over."""


def _values(body: DealPatch) -> dict[str, Any]:
    """What the core takes: its own types instead of those of the body."""
    values = body.given()
    for name, type_ in (("next_step", NextStep | None), ("parties", tuple[Party, ...]), ("risks", tuple[Risk, ...])):
        if name in values:
            values[name] = msgspec.convert(msgspec.to_builtins(values[name]), type_)
    return values


async def create(call: Call[None, NewDeal]) -> DealOut:
    return await call.write(_create, call.company, call.body)


def _create(tx: Tx, actor: Actor, company: Company, body: NewDeal) -> DealOut:
    values = _values(body)
    pipeline = values.pop("pipeline", None) or company.default_pipeline.key
    return show_deal(tx, actor, company, create_deal(tx, actor, company, pipeline, values))


async def read(call: Call[None, None]) -> DealOut:
    return await call.read(lambda tx, actor: show_deal(tx, actor, call.company, get_deal(tx, actor, call.id)))


async def patch(call: Call[None, DealPatch]) -> DealOut:
    """`If-Match: VERSION` refuses a change of what somebody else has changed meanwhile."""
    return await call.write(_patch, call.company, call.id, _values(call.body), call.if_match)


def _patch(
    tx: Tx, actor: Actor, company: Company, deal_id: str, values: dict[str, Any], version: int | None
) -> DealOut:
    return show_deal(tx, actor, company, edit_deal(tx, actor, company, deal_id, values, version))


class DealMove(In, frozen=True, kw_only=True):
    stage: Id
    pipeline: Id | None = None
    """Another one than the deal's own: all gates of its way up to the stage must be met."""


async def move(call: Call[None, DealMove]) -> DealOut:
    """A move that a gate refuses is answered `422` with `missing`: kind, key, stage and title of each thing."""
    return await call.write(_move, call.company, call.id, call.body, call.if_match)


def _move(tx: Tx, actor: Actor, company: Company, deal_id: str, body: DealMove, version: int | None) -> DealOut:
    deal = deal_stages.move_deal(tx, actor, company, deal_id, body.stage, version, pipeline=body.pipeline)
    return show_deal(tx, actor, company, deal)


async def timeline(call: Call[TimelineQuery, None]) -> Page[TimelineOut]:
    """With what happened while it was a lead, for those who may read leads."""
    return await call.read(_timeline, call.id, call.query)


def _timeline(tx: ReadTx, actor: Actor, deal_id: str, query: TimelineQuery) -> Page[TimelineOut]:
    rows = timeline_rows(tx, history_of(get_deal(tx, actor, deal_id)), query)
    return timeline_page(tx, actor, rows, query)


class StayOut(Out, frozen=True, kw_only=True):
    stage: str
    entered_at: datetime
    left_at: datetime | None
    """null: it is there now."""
    seconds: int
    working_seconds: int
    """By the company's calendar."""
    user_id: str | None


class Stays(Out, frozen=True, kw_only=True):
    items: list[StayOut]
    next: None = None


async def stays(call: Call[None, None]) -> Stays:
    found = await call.read(deal_stages.stays, call.company, call.id)
    rows = [
        StayOut(
            stage=stay.stage, entered_at=stay.entered_at, left_at=stay.left_at if stay.to else None,
            seconds=int(stay.duration.total_seconds()), working_seconds=int(stay.working.total_seconds()),
            user_id=stay.user_id,
        )
        for stay in found
    ]  # fmt: skip
    return Stays(items=rows)


class Gates(Out, frozen=True, kw_only=True):
    stages: dict[str, tuple[Lack, ...]]
    """For each other stage what a move there lacks; empty: the way is free."""


async def gates(call: Call[None, None]) -> Gates:
    found = await call.read(deal_stages.missing_for, call.company, call.id)
    return Gates(stages={stage: tuple(missing) for stage, missing in found.items()})


class StageOut(Out, frozen=True, kw_only=True):
    key: str
    title: str
    kind: str
    color: str
    probability: int
    archived: bool
    """Nothing enters it any more."""
    number: int
    """Of the deals that the caller may see."""
    amount: Decimal
    """Of those in roubles."""
    weighted: Decimal
    sums: tuple[StageSum, ...]
    """Each currency by itself, roubles first."""


class PipelineOut(Out, frozen=True, kw_only=True):
    key: str
    title: str
    archived: bool
    stages: list[StageOut]


class Pipelines(Out, frozen=True, kw_only=True):
    items: list[PipelineOut]
    next: None = None


async def pipelines(call: Call[None, None]) -> Pipelines:
    return await call.read(_pipelines, call.company)


def _pipelines(tx: ReadTx, actor: Actor, company: Company) -> Pipelines:
    check(actor, "deal", Action.READ)
    items = []
    for way in company.pipelines.values():
        columns = {column.stage: column for column in forecast(tx, actor, company, way.key)}
        stages = [
            StageOut(
                key=stage.key, title=stage.title, kind=stage.kind, color=stage.color, probability=stage.probability,
                archived=stage.archived, number=columns[stage.key].number, amount=columns[stage.key].roubles.amount,
                weighted=columns[stage.key].roubles.weighted, sums=columns[stage.key].sums,
            )
            for stage in way.stages
        ]  # fmt: skip
        items.append(PipelineOut(key=way.key, title=way.title, archived=way.archived, stages=stages))
    return Pipelines(items=items)


ROUTES = (
    Route("GET", "/pipelines", pipelines, "Направления, стадии, суммы и прогноз", "deal.read"),
    Route("GET", "/deals", list_, "Сделки с отбором", "deal.read"),
    Route("POST", "/deals", create, "Создать сделку", "deal.create", 201),
    Route("GET", "/deals/{id}", read, "Карточка сделки", "deal.read"),
    Route("PATCH", "/deals/{id}", patch, "Изменить карточку", "deal.update"),
    Route("POST", "/deals/{id}/move", move, "Перевести на другую стадию", "deal.update"),
    Route("GET", "/deals/{id}/gates", gates, "Чего не хватает для каждой стадии", "deal.read"),
    Route("GET", "/deals/{id}/stays", stays, "Сколько времени сделка была на каждой стадии", "deal.read"),
    Route("GET", "/deals/{id}/timeline", timeline, "Лента сделки", "deal.read"),
)
