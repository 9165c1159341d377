"""The board of deals: a column for each stage of a pipeline, lost stages folded away, and the form for a new deal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.contacts import readable_person
from crm_core.deal_forecast import Column, forecast
from crm_core.deals import DEALS, Deal, create_deal, customer_of, list_deals
from crm_core.errors import Invalid
from crm_core.people import Person
from crm_core.pipelines import Pipeline
from crm_core.rights import Action
from distribution.desk import Desk
from storage import ReadTx
from web.pages.actions import form_of
from web.pages.pipelines import creatable
from web.pages.render import Reader, page, part, reader, wants_part
from web.pages.typed import day_of

PAGE = 50
"""Cards of a column before «ещё»."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One stretch of a column."""

    column: Column
    items: list[Deal]
    next: str | None
    people: Mapping[str, Person]
    users: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Board:
    """A pipeline at one glance."""

    pipeline: Pipeline
    stacks: list[Stack]
    lost: list[Column]
    """Of these only numbers and sums are read."""

    @property
    def number(self) -> int:
        return sum(each.number for each in [*(stack.column for stack in self.stacks), *self.lost])


def people_of(tx: ReadTx, actor: Actor, deals: list[Deal]) -> dict[str, Person]:
    """Customers of these deals by id, for whoever may see contacts."""
    return {deal.person_id: found for deal in deals if deal.person_id and (found := customer_of(tx, actor, deal))}


def stack(tx: ReadTx, actor: Actor, desk: Desk, pipeline: str, column: Column, after: str | None = None) -> Stack:
    """The newest deals of a stage, or those after the cursor."""
    found = list_deals(tx, actor, {"pipeline": pipeline, "stage": column.stage}, limit=PAGE + 1, after=after)
    items = found[:PAGE]
    cursor = tx.cursor_after(DEALS, items[-1], "-created_at") if len(found) > PAGE else None
    users = {user.id: user.name for user in desk.roster(tx).users}
    return Stack(column, items, cursor, people_of(tx, actor, items), users)


def board(tx: ReadTx, actor: Actor, desk: Desk, pipeline: str) -> Board:
    """`Invalid` when there is no such pipeline."""
    check(actor, "deal", Action.READ)
    way = desk.company.pipeline(pipeline)
    columns = forecast(tx, actor, desk.company, pipeline)
    gone = {stage.key for stage in way.stages if stage.archived}
    ways = [each for each in columns if each.kind != "lost" and (each.number or each.stage not in gone)]
    shown = [stack(tx, actor, desk, pipeline, column) for column in ways]
    return Board(way, shown, [column for column in columns if column.kind == "lost"])


def more(tx: ReadTx, actor: Actor, desk: Desk, pipeline: str, stage: str, after: str | None) -> Stack:
    """One column, from its start or further on."""
    check(actor, "deal", Action.READ)
    desk.company.pipeline(pipeline).stage(stage)
    column = next(each for each in forecast(tx, actor, desk.company, pipeline) if each.stage == stage)
    return stack(tx, actor, desk, pipeline, column, after)


async def deals_page(request: web.Request) -> web.Response:
    """`GET /deals`, `?pipeline=`."""
    who = await reader(request)
    company = who.services.desk.company
    chosen = request.query.get("pipeline") or company.default_pipeline.key
    found = await who.read(board, who.actor, who.services.desk, chosen)
    context = {"board": found, "can_create": bool(creatable(who.actor, company))}
    if wants_part(request):
        return part(request, who, "deals/board.html", **context)
    return await page(request, who, "deals/page.html", "deals", **context)


async def column_part(request: web.Request) -> web.Response:
    """`GET /deals/column`: cards of one stage of a pipeline, after the cursor."""
    who, query = await reader(request), request.query
    found = await who.read(
        more, who.actor, who.services.desk, query.get("pipeline", ""), query.get("stage", ""),
        query.get("after") or None,
    )  # fmt: skip
    return part(request, who, "deals/cards.html", stack=found, pipeline=query.get("pipeline", ""))


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
