"""Deals as a list: every pipeline or one, with the filters of the board and more, sorted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.deals import DEALS, list_deals
from crm_core.rights import Action
from distribution.desk import Desk
from storage import ReadTx
from web.pages.deals import MOST, active, filters_of, kept, owned, people_of, searched
from web.pages.lists import PAGE, SORTS, Rows
from web.pages.pipelines import creatable
from web.pages.render import page, part, reader, wants_part


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
    users = {user.id: user.name for user in desk.roster(tx).users}
    return Rows(items, cursor, people_of(tx, actor, items), users=users)


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
