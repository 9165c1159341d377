"""Deals as a list: every pipeline or one, with the filters of the board and more, sorted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.deals import DEALS, Deal, list_deals
from crm_core.people import Person
from crm_core.rights import Action
from distribution.desk import Desk
from storage import ReadTx
from web.pages.deals import MOST, active, filters_of, kept, owned, people_of, searched
from web.pages.i18n import mark
from web.pages.pipelines import creatable
from web.pages.render import page, part, reader, wants_part

PAGE = 50
SORTS = (
    ("-created_at", mark("Сначала новые")),
    ("created_at", mark("Сначала старые")),
    ("-updated_at", mark("Недавно изменённые")),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """One stretch of the list."""

    items: list[Deal]
    next: str | None
    people: Mapping[str, Person]
    users: Mapping[str, str]


def rows(tx: ReadTx, actor: Actor, desk: Desk, query: Mapping[str, str]) -> Rows:
    """Deals by the filters of the address; what the search found comes at once, the best thousand of it."""
    check(actor, "deal", Action.READ)
    where = owned(actor, query) | ({"pipeline": query["pipeline"]} if "pipeline" in query else {})
    if stage := query.get("stage"):
        where |= {"open": stage == "open"} if stage in ("open", "closed") else {"stage": stage}
    sort = query.get("sort", "")
    sort = sort if sort in dict(SORTS) else "-created_at"
    cursor = None
    if query.get("q", "").strip():
        found = [each for each in searched(tx, actor, query) if all(getattr(each, key) == where[key] for key in where)]
        items = sorted(found, key=lambda deal: getattr(deal, sort.lstrip("-")), reverse=sort.startswith("-"))[:MOST]
    else:
        found = list_deals(tx, actor, where, sort=sort, limit=PAGE + 1, after=query.get("after"))
        items = found[:PAGE]
        cursor = tx.cursor_after(DEALS, items[-1], sort) if len(found) > PAGE else None
    return Rows(items, cursor, people_of(tx, actor, items), {user.id: user.name for user in desk.roster(tx).users})


async def list_page(request: web.Request) -> web.Response:
    """`GET /deals/list`, `?pipeline=`, `stage=`, `owner=`, `q=`, `sort=`."""
    who, query = await reader(request), filters_of(request)
    company = who.services.desk.company
    if "pipeline" in query:
        company.pipeline(query["pipeline"])
    found = await who.read(rows, who.actor, who.services.desk, query)
    context: dict[str, Any] = {"rows": found, "query": query, "base": query, "kept": kept(query), "sorts": SORTS}
    if wants_part(request):
        return part(request, who, "deals/list_rows.html", **context)
    context["users"] = await who.read(active, who.services.desk)
    context["can_create"] = bool(creatable(who.actor, company))
    return await page(request, who, "deals/list.html", "deals", **context)
