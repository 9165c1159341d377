"""Lists: leads and calls. A list is a page; «Показать ещё» appends the next rows of the same list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.calls import CALLS, list_calls
from crm_core.contacts import readable_person
from crm_core.leads import LEADS, Lead, list_leads
from crm_core.people import Person, find_person
from crm_core.search import matching
from crm_core.searchable import KINDS
from crm_core.users import User
from distribution.desk import Desk
from router import normalize
from storage import AllOf, Collection, Filter, Gte, ReadTx
from web.downloads import export
from web.pages.card import leads_by_id
from web.pages.conversation import staff
from web.pages.i18n import mark
from web.pages.look import look, seen_by
from web.pages.render import Reader, page, part, reader, wants_part

PAGE = 50
PERIODS = (
    ("", mark("За всё время")), ("today", mark("Сегодня")), ("week", mark("7 дней")), ("month", mark("30 дней")),
)  # fmt: skip
_BACK = {"today": 0, "week": 6, "month": 29}
SORTS = (
    ("-created_at", mark("Сначала новые")),
    ("created_at", mark("Сначала старые")),
    ("-updated_at", mark("Недавно изменённые")),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """One stretch of a list with what its rows name."""

    items: list[Any]
    next: str | None
    people: Mapping[str, Person] = field(default_factory=dict)
    leads: Mapping[str, Lead] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    staff: Mapping[str, str] = field(default_factory=dict)
    total: int | None = None


def since(period: str, now: datetime) -> datetime | None:
    """Local midnight at which the chosen period begins."""
    if period not in _BACK:
        return None
    today = now.astimezone(look().zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=_BACK[period])


def _people(tx: ReadTx, actor: Actor, ids: set[str | None]) -> dict[str, Person]:
    """Of tasks and calls: those whom the reader may see."""
    return {each: found for each in ids if each and (found := readable_person(tx, actor, each)) is not None}


def _users(tx: ReadTx, desk: Desk) -> dict[str, str]:
    return {user.id: user.name for user in desk.roster(tx).users}


def _next(tx: ReadTx, collection: Collection[Any], items: list[Any], sort: str) -> str | None:
    return tx.cursor_after(collection, items[-1], sort) if len(items) == PAGE else None


def lead_filter(tx: ReadTx, actor: Actor, query: Mapping[str, str], start: datetime | None) -> Filter:
    """What the filters of the address mean to the store."""
    where: dict[str, Any] = {}
    if stage := query.get("stage"):
        where |= {"open": True} if stage == "open" else {"stage": stage}
    if owner := query.get("owner"):
        where["owner_id"] = actor.id if owner == "me" else None if owner == "none" else owner
    if channel := query.get("channel"):
        where["source.channel"] = channel
    if source := query.get("source"):
        where["source.key"] = source
    if start is not None:
        where["created_at"] = Gte(start)
    text = query.get("q", "").strip()
    return AllOf((where, matching(tx, KINDS, actor, "lead", text))) if text else where


def lead_rows(tx: ReadTx, actor: Actor, desk: Desk, query: Mapping[str, str], start: datetime | None) -> Rows:
    """Leads by the filters of the address."""
    sort = query.get("sort") if query.get("sort") in dict(SORTS) else "-created_at"
    filters = lead_filter(tx, actor, query, start)
    items = list_leads(tx, actor, filters, sort=str(sort), limit=PAGE, after=query.get("after") or None)
    ids = {lead.person_id for lead in items}
    people = {each: found for each in ids if each and (found := find_person(tx, each)) is not None}
    return Rows(items, _next(tx, LEADS, items, str(sort)), people, users=_users(tx, desk))


async def _show(
    request: web.Request, who: Reader, name: str, load: Callable[..., Rows], **context: Any
) -> web.Response:
    query = {key: value for key, value in request.query.items() if "\0" not in value}
    rows = await who.read(load, who.actor, who.services.desk, query, context.pop("start", None))
    context |= {"rows": rows, "query": query, "base": dict(query)}
    if wants_part(request) and "after" in query:
        return part(request, who, f"lists/{name}_rows.html", **context)
    return await page(request, who, f"lists/{name}.html", name, **context)


async def leads_page(request: web.Request) -> web.Response:
    """`GET /leads`: every lead that the reader may see, filtered."""
    who = await reader(request)
    start = _start(who, request)
    company = who.services.desk.company
    channels = sorted({info.channel for info in company.connectors.values()})
    sources = {rule.key: rule.label for rule in company.sources}
    users = await who.read(_active, who.services.desk)
    return await _show(
        request, who, "leads", lead_rows, start=start, channels=channels, sources=sources, users=users,
        periods=PERIODS, sorts=SORTS,
    )  # fmt: skip


async def export_leads(request: web.Request) -> web.StreamResponse:
    """`GET /leads/export`: what the list shows, as a file; `?format=csv` or `xlsx`."""
    who = await reader(request)
    query = {key: value for key, value in request.query.items() if "\0" not in value}
    start, format = _start(who, request), "xlsx" if query.get("format") == "xlsx" else "csv"
    return await export(
        request, who.services, who.actor, "leads", format, lambda tx, actor: lead_filter(tx, actor, query, start)
    )


def _active(tx: ReadTx, desk: Desk) -> list[User]:
    return sorted(desk.roster(tx).users, key=lambda user: user.name)


def _start(who: Reader, request: web.Request) -> datetime | None:
    with seen_by(who.look):
        return since(request.query.get("period", ""), who.look.now)


def call_rows(tx: ReadTx, actor: Actor, desk: Desk, query: Mapping[str, str], start: datetime | None) -> Rows:
    """The journal of calls, newest first."""
    where: dict[str, Any] = {}
    if direction := query.get("direction"):
        where["direction"] = direction
    if outcome := query.get("outcome"):
        where["outcome"] = outcome
    if text := query.get("number", "").strip():
        where["number"] = normalize.phone(text) or text
    if start is not None:
        where["started_at"] = Gte(start)
    items = list_calls(tx, actor, where, limit=PAGE, after=query.get("after") or None)
    people = _people(tx, actor, {call.person_id for call in items})
    leads = leads_by_id(tx, {call.lead_id for call in items if call.lead_id})
    return Rows(items, _next(tx, CALLS, items, "-started_at"), people, leads, staff=staff(tx, desk))


async def calls_page(request: web.Request) -> web.Response:
    """`GET /calls`."""
    who = await reader(request)
    return await _show(request, who, "calls", call_rows, start=_start(who, request), periods=PERIODS)
