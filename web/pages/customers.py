"""Customers as lists, companies and people: filters, saved filters (segments), and what each is worth to us."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.access import check, may
from crm_core.actor import Actor
from crm_core.companies import COMPANIES, list_companies
from crm_core.contacts import list_people
from crm_core.people import PEOPLE
from crm_core.rights import Action
from crm_core.search import matching
from crm_core.searchable import KINDS
from crm_core.segments import (
    Condition,
    Segment,
    filter_of,
    is_own,
    list_segments,
    segment_filter,
    segment_order,
)
from distribution.desk import Desk
from storage import AllOf, Collection, Filter, ReadTx
from web.pages.i18n import mark
from web.pages.render import page, part, reader, wants_part

PAGE = 50
MOST_SEGMENTS = 200
SORTS = (
    ("-last_activity_at", mark("Недавно активные")),
    ("-created_at", mark("Сначала новые")),
    ("name", mark("По названию и имени")),
    ("-won_sum", mark("По сумме сделок")),
)
RFM = (
    ("never", mark("Не купившие")), ("new", mark("Новички")), ("regular", mark("Постоянные")),
    ("fading", mark("В зоне потери")),
)  # fmt: skip
ABC = ("A", "B", "C")
QUIET = (30, 90, 180, 365)
"""Days without anything from or to the customer."""
FILTERS = ("owner", "rfm", "abc", "quiet")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is different between the two lists."""

    entity: str
    path: str
    collection: Collection[Any]
    list: Callable[..., list[Any]]


COMPANY = Kind("company", "/companies", COMPANIES, list_companies)
PERSON = Kind("contact", "/people", PEOPLE, list_people)
BY_ENTITY = {kind.entity: kind for kind in (COMPANY, PERSON)}


@dataclass(frozen=True, slots=True)
class Customers:
    """One stretch of a list."""

    kind: Kind
    items: list[Any]
    next: str | None
    users: Mapping[str, str]
    segments: list[Segment]
    segment: Segment | None
    """The one that is chosen."""
    may_delete: bool
    may_create: bool


def conditions(actor: Actor, query: Mapping[str, str]) -> tuple[Condition, ...]:
    """The filters of the address, as a segment keeps them."""
    found = []
    match query.get("owner", ""):
        case "":
            pass
        case "none":
            found.append(Condition(field="owner_id", op="empty"))
        case owner:
            found.append(Condition(field="owner_id", op="eq", value=(actor.id or "") if owner == "me" else owner))
    if rfm := query.get("rfm"):
        found.append(Condition(field="rfm", op="eq", value=rfm))
    if abc := query.get("abc"):
        found.append(Condition(field="abc", op="eq", value=abc))
    if quiet := query.get("quiet"):
        found.append(Condition(field="last_activity_at", op="before_days", value=quiet))
    return tuple(found)


def customers(tx: ReadTx, actor: Actor, desk: Desk, kind: Kind, query: Mapping[str, str]) -> Customers:
    """`Invalid` when a filter or the segment makes no sense."""
    check(actor, kind.entity, Action.READ)
    asked, segment = conditions(actor, query), query.get("segment", "")
    where: Filter = filter_of(kind.entity, asked, tx.now) if asked else {}
    if segment:
        where = AllOf((where, segment_filter(tx, actor, kind.entity, segment)))
    if text := query.get("q", "").strip()[:200]:
        where = AllOf((where, matching(tx, KINDS, actor, kind.entity, text, where=where)))
    usual = (segment_order(tx, segment) if segment else None) or "-last_activity_at"
    sort = query["sort"] if query.get("sort") in dict(SORTS) else usual
    rows = kind.list(tx, actor, where, sort=sort, limit=PAGE + 1, after=query.get("after") or None)
    items = rows[:PAGE]
    saved = list_segments(tx, actor, kind.entity, limit=MOST_SEGMENTS)
    chosen = next((each for each in saved if each.id == segment), None)
    return Customers(
        kind=kind,
        items=items,
        next=tx.cursor_after(kind.collection, items[-1], sort) if len(rows) > PAGE else None,
        users={user.id: user.name for user in desk.roster(tx).users},
        segments=saved,
        segment=chosen,
        may_delete=chosen is not None and is_own(actor, chosen),
        may_create=may(actor, kind.entity, Action.CREATE),
    )


async def companies_page(request: web.Request) -> web.Response:
    """`GET /companies`."""
    return await _show(request, COMPANY)


async def people_page(request: web.Request) -> web.Response:
    """`GET /people`."""
    return await _show(request, PERSON)


async def _show(request: web.Request, kind: Kind) -> web.Response:
    who = await reader(request)
    query = {key: value for key, value in request.query.items() if value and "\0" not in value}
    rows = await who.read(customers, who.actor, who.services.desk, kind, query)
    context: dict[str, Any] = {
        "rows": rows, "query": query, "base": query, "sorts": SORTS, "rfm": RFM, "abc": ABC, "quiet": QUIET,
        "narrowed": any(query.get(name) for name in FILTERS),
    }  # fmt: skip
    if wants_part(request) and "after" in query:
        return part(request, who, "customers/rows.html", **context)
    return await page(request, who, "customers/list.html", "customers", **context)
