"""The board of deals: a column for each stage of a pipeline, lost stages folded away below; a card is dragged to
another stage, and a gate that refuses says why where the card was dropped. And the form for a new deal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.access import check, may
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.contacts import readable_person
from crm_core.deal_forecast import Column, forecast, forecast_of
from crm_core.deal_stages import move_deal
from crm_core.deals import DEALS, Deal, create_deal, customer_of, facts, get_deal, list_deals
from crm_core.errors import Incomplete, Invalid
from crm_core.people import Person
from crm_core.pipelines import Pipeline
from crm_core.rights import Action
from crm_core.search import matching
from crm_core.searchable import KINDS
from crm_core.users import User
from distribution.desk import Desk
from storage import AllOf, Filter, ReadTx
from web.pages.actions import done, form_of
from web.pages.i18n import _
from web.pages.look import seen_by
from web.pages.pipelines import creatable
from web.pages.render import Reader, page, part, reader, wants_part
from web.pages.typed import day_of

PAGE = 50
"""Cards of a column before «ещё»."""
FOUND = 1000
"""Deals of one search: those that it gives at most."""
MOST = 500
"""Cards of a column that are loaded anew at once, however many were opened."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One stretch of a column."""

    column: Column | None
    """None: only more of its cards were asked for."""
    stage: str
    items: list[Deal]
    next: str | None
    people: Mapping[str, Person]
    users: Mapping[str, str]
    movable: frozenset[str]
    """Deals that the reader may move."""


@dataclass(frozen=True, slots=True)
class Board:
    """A pipeline at one glance."""

    pipeline: Pipeline
    stacks: list[Stack]
    lost: list[Column]
    """Of these only numbers and sums are read."""
    users: list[User]
    """Whose deals can be asked for."""

    @property
    def number(self) -> int:
        return sum(each.number for each in [*(stack.column for stack in self.stacks if stack.column), *self.lost])


def people_of(tx: ReadTx, actor: Actor, deals: list[Deal]) -> dict[str, Person]:
    """Customers of these deals by id, for whoever may see contacts."""
    return {deal.person_id: found for deal in deals if deal.person_id and (found := customer_of(tx, actor, deal))}


def owned(actor: Actor, query: Mapping[str, str]) -> dict[str, Any]:
    """The filter by `owner` of the address: `me`, `none` or an id."""
    owner = query.get("owner")
    return {"owner_id": {"me": actor.id, "none": None}.get(owner, owner)} if owner else {}


def searched(tx: ReadTx, actor: Actor, query: Mapping[str, str]) -> list[Deal]:
    """Deals that `q` finds, at most a thousand, of the `owner` and the `pipeline` of the address, newest first."""
    text, where = query.get("q", "").strip(), owned(actor, query)
    if "pipeline" in query:
        where["pipeline"] = query["pipeline"]
    found = list_deals(tx, actor, matching(tx, KINDS, actor, "deal", text), limit=FOUND)
    return [deal for deal in found if all(getattr(deal, name) == value for name, value in where.items())]


def listed(
    tx: ReadTx, actor: Actor, where: Filter, stage: str, after: str | None = None, limit: int = PAGE
) -> tuple[list[Deal], str | None]:
    """The newest deals of a stage, or those after the cursor, and the cursor of what follows."""
    found = list_deals(tx, actor, AllOf((where, {"stage": stage})), limit=limit + 1, after=after)
    items = found[:limit]
    return items, tx.cursor_after(DEALS, items[-1], "-created_at") if len(found) > limit else None


def stack(
    tx: ReadTx, actor: Actor, desk: Desk, stage: str, column: Column | None, found: tuple[list[Deal], str | None]
) -> Stack:
    """Cards of a column with what they name."""
    items, cursor = found
    users = {user.id: user.name for user in desk.roster(tx).users}
    movable = frozenset(deal.id for deal in items if may(actor, "deal", Action.UPDATE, facts(deal)))
    return Stack(column, stage, items, cursor, people_of(tx, actor, items), users, movable)


def board(tx: ReadTx, actor: Actor, desk: Desk, pipeline: str, query: Mapping[str, str]) -> Board:
    """`Invalid` when there is no such pipeline."""
    check(actor, "deal", Action.READ)
    way, query = desk.company.pipeline(pipeline), {**query, "pipeline": pipeline}
    cards: dict[str, tuple[list[Deal], str | None]]
    if query.get("q", "").strip():
        deals = searched(tx, actor, query)
        columns = forecast_of(desk.company, pipeline, deals)
        cards = {each.stage: (_of_stage(deals, each.stage), None) for each in columns}
    else:
        where = {"pipeline": pipeline, **owned(actor, query)}
        columns = forecast(tx, actor, desk.company, pipeline, where)
        cards = {each.stage: listed(tx, actor, where, each.stage) for each in columns if each.kind != "lost"}
    gone = {stage.key for stage in way.stages if stage.archived}
    ways = [each for each in columns if each.kind != "lost" and (each.number or each.stage not in gone)]
    shown = [stack(tx, actor, desk, each.stage, each, cards[each.stage]) for each in ways]
    return Board(way, shown, [column for column in columns if column.kind == "lost"], active(tx, desk))


def _of_stage(deals: list[Deal], stage: str) -> list[Deal]:
    return [deal for deal in deals if deal.stage == stage][:MOST]


def active(tx: ReadTx, desk: Desk) -> list[User]:
    """Employees by name."""
    return sorted(desk.roster(tx).users, key=lambda user: user.name)


def more(tx: ReadTx, actor: Actor, desk: Desk, query: Mapping[str, str]) -> Stack:
    """One column: all that was opened of it, with its sums, or its cards after the cursor."""
    check(actor, "deal", Action.READ)
    pipeline, stage, after = query.get("pipeline", ""), query.get("stage", ""), query.get("after") or None
    desk.company.pipeline(pipeline)
    where = {"pipeline": pipeline, **owned(actor, query)}
    if after is not None:
        return stack(tx, actor, desk, stage, None, listed(tx, actor, where, stage, after))
    found: tuple[list[Deal], str | None]
    if query.get("q", "").strip():
        deals = _of_stage(searched(tx, actor, query), stage)
        columns, found = forecast_of(desk.company, pipeline, deals), (deals, None)
    else:
        columns = forecast(tx, actor, desk.company, pipeline, {**where, "stage": stage})
        found = listed(tx, actor, where, stage, limit=_as_many(query.get("count", "")))
    column = next((each for each in columns if each.stage == stage), Column(stage=stage, title=stage, kind="gone"))
    return stack(tx, actor, desk, stage, column, found)


def _as_many(shown: str) -> int:
    return min(max(int(shown), PAGE), MOST) if shown.isascii() and shown.isdecimal() and len(shown) < 6 else PAGE


def filters_of(request: web.Request) -> dict[str, str]:
    """The filters of the address, for links that keep them."""
    return {key: value for key, value in request.query.items() if value and "\0" not in value}


async def deals_page(request: web.Request) -> web.Response:
    """`GET /deals`, `?pipeline=`, `owner=`, `q=`."""
    who, query = await reader(request), filters_of(request)
    company = who.services.desk.company
    pipeline = query.get("pipeline") or company.default_pipeline.key
    found = await who.read(board, who.actor, who.services.desk, pipeline, query)
    context = {"board": found, "query": query, "kept": kept(query), "users": found.users}
    context["can_create"] = bool(creatable(who.actor, company))
    if wants_part(request):
        return part(request, who, "deals/board.html", **context)
    return await page(request, who, "deals/page.html", "deals", **context)


def kept(query: Mapping[str, str]) -> dict[str, str]:
    """Filters that go along from view to view."""
    return {key: query[key] for key in ("owner", "q") if key in query}


async def column_part(request: web.Request) -> web.Response:
    """`GET /deals/column`: one stage of a pipeline, with its sums; or the cards after the cursor."""
    who, query = await reader(request), filters_of(request)
    found = await who.read(more, who.actor, who.services.desk, query)
    return part(request, who, "deals/column.html", stack=found, pipeline=query.get("pipeline", ""), kept=kept(query))


async def drop(request: web.Request) -> web.Response:
    """`POST /deals/{id}/drop`: the card was dragged to `stage`. Nothing comes back when it moved; a gate that refuses
    says what is missing."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company, stage = who.services.desk.company, form.get("stage", "")
    try:
        deal = await who.write(move_deal, who.actor, company, deal_id, stage)
    except Incomplete as error:
        deal = await who.read(get_deal, who.actor, deal_id)
        title = company.pipeline(deal.pipeline).title_of(stage)
        return part(request, who, "deals/refused.html", deal=deal, stage=stage, title=title, missing=error.missing)
    return done(**closed_note(who, company, deal))


def closed_note(who: Reader, company: Company, deal: Deal) -> dict[str, Any]:
    """The event with which a page says that a deal was closed and offers to take it back; none for an open deal."""
    if deal.open:
        return {}
    with seen_by(who.look):
        text = _("Сделка закрыта: «%(stage)s»") % {"stage": company.pipeline(deal.pipeline).title_of(deal.stage)}
    return {"toast": {"text": text, "undo": f"/deals/{deal.id}/undo"}}


async def new_part(request: web.Request) -> web.Response:
    """`GET /deals/new`: an empty form, for the dialog; `?person=` names the customer."""
    who = await reader(request)
    check(who.actor, "deal", Action.CREATE)
    given = {"person_id": request.query.get("person", ""), "pipeline": request.query.get("pipeline", "")}
    return await _form(request, who, given, {})


async def _form(request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]) -> web.Response:
    person = await who.read(readable_person, who.actor, given.get("person_id"))
    ways = creatable(who.actor, who.services.desk.company)
    return part(request, who, "deals/form.html", given=given, errors=errors, ways=ways, person=person)


async def add(request: web.Request) -> web.Response:
    """`POST /deals`: a new one, and on to its page."""
    who, form = await reader(request), await form_of(request)
    company = who.services.desk.company
    try:
        deal = await who.write(create_deal, who.actor, company, form.get("pipeline", ""), _values(form))
    except Invalid as error:
        return await _form(request, who, form, error.fields)
    return web.Response(status=204, headers={"HX-Redirect": f"/deals/{deal.id}"})


def _values(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, without what was left empty."""
    names = ("title", "person_id", "amount")
    values: dict[str, Any] = {key: text for key in names if (text := form.get(key, "").strip())}
    if text := form.get("expected_close", "").strip():
        values["expected_close"] = day_of(text, "expected_close")
    return values
