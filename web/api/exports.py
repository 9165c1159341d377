"""`/leads/export`, `/contacts/export`: everything that the reader may see and take out, as one file.

Rows are read page by page, each in a short transaction of its own, so an export of a million records holds up nobody.
CSV goes out while it is read; XLSX is a ZIP and waits on the disk until it is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from aiohttp import web

from crm_core.access import check
from crm_core.company import Company
from crm_core.rights import Action
from crm_core.sheets.exporting import export_page, header
from crm_core.sheets.kinds import ImportKind
from crm_core.sheets.writing import FORMATS, Cell, writer
from router.sheets.registry import import_kinds
from storage import AllOf, Filter, Gte, Lt, ReadTx
from web.api.call import Call, In, Route
from web.api.input import Id, Line, Moment
from web.api.leads import LeadQuery, filter_of

Format = Literal["csv", "xlsx"]
Pages = AsyncIterator[Sequence[Sequence[Cell]]]


class LeadExport(In, frozen=True, kw_only=True):
    """The filters of the list, but for paging."""

    format: Format = "csv"
    stage: Line | None = None
    owner_id: Id | None = None
    queue: Id | None = None
    open: bool | None = None
    channel: Line | None = None
    phone: Line | None = None
    email: Line | None = None
    q: Line | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None


class ContactExport(In, frozen=True, kw_only=True):
    format: Format = "csv"
    created_from: Moment | None = None
    created_to: Moment | None = None


async def leads(call: Call[LeadExport, None]) -> web.StreamResponse:
    """The same columns as an import takes."""
    given = {name: value for name, value in call.query.given().items() if name != "format"}
    query = LeadQuery(**given)
    return await _export(call, "leads", call.query.format, lambda tx: filter_of(tx, call.actor, query))


async def contacts(call: Call[ContactExport, None]) -> web.StreamResponse:
    """The same columns as an import takes."""
    query = call.query
    filters: list[Filter] = []
    if query.created_from is not None:
        filters.append({"created_at": Gte(query.created_from)})
    if query.created_to is not None:
        filters.append({"created_at": Lt(query.created_to)})
    return await _export(call, "contacts", query.format, lambda tx: AllOf(tuple(filters)))


async def _export(
    call: Call[Any, None], key: str, format: str, where: Callable[[ReadTx], Filter]
) -> web.StreamResponse:
    kind = import_kinds(call.services.desk.queues)[key]
    check(call.actor, kind.entity, Action.READ)
    check(call.actor, kind.entity, Action.EXPORT)
    return await sent(call, format, kind.title, _pages(call, kind, await call.store.read(where)))


async def _pages(call: Call[Any, None], kind: ImportKind, where: Filter) -> Pages:
    company: Company = call.company
    yield [header(kind, company)]
    cursor: str | None = None
    while True:
        rows, cursor = await call.read(export_page, kind, company, where, cursor)
        if rows:
            yield rows
        if cursor is None:
            return


async def sent(call: Call[Any, Any], format: str, name: str, pages: Pages) -> web.StreamResponse:
    """A table as a download."""
    day = call.services.clock().astimezone(zone := ZoneInfo(call.company.timezone)).date()
    plain, full = f"export-{day}.{format}", quote(f"{name} {day}.{format}", safe="")
    response = web.StreamResponse(
        headers={
            "Content-Type": FORMATS[format],
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
    )
    first = await anext(pages, None)
    await response.prepare(call.request)
    made = writer(format, zone)
    if first is not None:
        await response.write(await asyncio.to_thread(made.rows, first))
    async for page in pages:
        if written := await asyncio.to_thread(made.rows, page):
            await response.write(written)
    await response.write(await asyncio.to_thread(made.end))
    await response.write_eof()
    return response


ROUTES = (
    Route("GET", "/leads/export", leads, "Выгрузить лиды", "lead.export", media="text/csv"),
    Route("GET", "/contacts/export", contacts, "Выгрузить контакты", "contact.export", media="text/csv"),
)
