"""Tables as downloads, for pages and API alike.

Rows are read page by page, each in a short transaction of its own, so an export of a million records holds up nobody.
CSV goes out while it is read; XLSX is a ZIP and waits on the disk until it is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from aiohttp import web

from crm_core.actor import Actor
from crm_core.sheets.exporting import begin_export, export_page, header
from crm_core.sheets.kinds import ImportKind
from crm_core.sheets.writing import FORMATS, Cell, writer
from router.sheets.registry import import_kinds
from storage import Filter, ReadTx
from web.services import Services

Format = Literal["csv", "xlsx"]
Pages = AsyncIterator[Sequence[Sequence[Cell]]]


async def export(
    request: web.Request,
    services: Services,
    actor: Actor,
    key: str,
    format: str,
    where: Callable[[ReadTx, Actor], Filter],
) -> web.StreamResponse:
    """Everything of a kind that the actor may read and take out, as one file; that he did is noted in the audit."""
    kind = import_kinds(services.desk.queues)[key]
    await services.store.write(begin_export, actor, kind, format)
    found = await services.store.read(where, actor)
    return await sent(request, services, format, kind.title, _pages(services, actor, kind, found))


async def _pages(services: Services, actor: Actor, kind: ImportKind, where: Filter) -> Pages:
    company = services.desk.company
    yield [header(kind, company)]
    cursor: str | None = None
    while True:
        rows, cursor = await services.store.read(export_page, actor, kind, company, where, cursor)
        if rows:
            yield rows
        if cursor is None:
            return


async def sent(
    request: web.Request, services: Services, format: str, name: str, pages: Pages
) -> web.StreamResponse:  # fmt: skip
    """A table as a download."""
    zone = ZoneInfo(services.desk.company.timezone)
    day = services.clock().astimezone(zone).date()
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
    await response.prepare(request)
    made = writer(format, zone)
    if first is not None:
        await response.write(await asyncio.to_thread(made.rows, first))
    async for page in pages:
        if written := await asyncio.to_thread(made.rows, page):
            await response.write(written)
    rest = made.end()
    while piece := await asyncio.to_thread(next, rest, b""):
        await response.write(piece)
    await response.write_eof()
    return response
