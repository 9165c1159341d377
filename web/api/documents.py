"""`/documents`: what was issued, as DOCX and PDF."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.documents.issued import (
    Document,
    DocumentState,
    documents_page,
    get_document,
    void_document,
)
from crm_core.errors import Missing
from crm_core.rights import Action
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route
from web.api.files import head_of, serving_headers
from web.api.input import Id, Line, ListQuery
from web.api.templates import workshop


class DocumentOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    number: str
    day: date
    template: str
    title: str
    kind: str
    name: str
    state: str
    void_reason: str | None
    deal_id: str | None
    lead_id: str | None
    person_id: str | None
    company_id: str | None
    versions: int
    """How often it was printed; the last one counts."""
    size: int
    """Bytes of the DOCX."""
    created_by: str | None
    created_at: datetime
    sent_at: datetime | None


def show_document(document: Document) -> DocumentOut:
    """The document without its data: those who may read the deal find them there."""
    names = [name for name in DocumentOut.__struct_fields__ if name not in ("versions", "size")]
    shown: dict[str, Any] = {name: getattr(document, name) for name in names}
    return DocumentOut(**shown, versions=len(document.files), size=document.files[-1].size)


class DocumentQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    deal_id: Id | None = None
    lead_id: Id | None = None
    person_id: Id | None = None
    company_id: Id | None = None
    created_by: Id | None = None
    template: Id | None = None
    kind: Id | None = None
    state: DocumentState | None = None
    number: Line | None = None


async def list_(call: Call[DocumentQuery, None]) -> Page[DocumentOut]:
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: DocumentQuery) -> Page[DocumentOut]:
    """Only documents of records that the reader may read, too."""
    check(actor, "document", Action.READ)
    names = (
        "deal_id", "lead_id", "person_id", "company_id", "created_by", "template", "kind", "state", "number",
    )  # fmt: skip
    where = {name: getattr(query, name) for name in names if getattr(query, name) is not None}
    rows, following = documents_page(tx, actor, where, sort=query.sort, limit=query.limit, after=query.cursor)
    return Page(items=[show_document(each) for each in rows], next=following)


async def read(call: Call[None, None]) -> DocumentOut:
    return show_document(await call.read(get_document, call.id))


class FormatQuery(In, frozen=True, kw_only=True):
    format: Literal["docx", "pdf"] = "docx"
    revision: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Which version, from 1; the last one when absent."""


async def file(call: Call[FormatQuery, None]) -> web.StreamResponse:
    """The file. PDF needs LibreOffice on the server: `422` with the mend when it is not there, `503` when it failed."""
    document = await call.read(get_document, call.id)
    number = call.query.revision or len(document.files)
    if number > len(document.files):
        raise Missing("Такой версии у документа нет")
    chosen = document.files[number - 1]
    works = workshop(call.request)
    blob = chosen.blob if call.query.format == "docx" else await works.pdf_of(document, chosen)
    path = works.path_of(blob)
    head = await asyncio.to_thread(head_of, path)
    headers = serving_headers(f"{document.name}.{call.query.format}", head)
    return web.FileResponse(path, headers=headers | {"Cache-Control": "private, no-cache"})


class Void(In, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]


async def void(call: Call[None, Void]) -> DocumentOut:
    """Its number stays taken, so that the numbers have no gap."""
    return show_document(await call.write(void_document, call.id, call.body.reason))


ROUTES = (
    Route("GET", "/documents", list_, "Документы", "document.read"),
    Route("GET", "/documents/{id}", read, "Документ", "document.read"),
    Route("GET", "/documents/{id}/file", file, "Файл документа", "document.read", media="application/octet-stream"),
    Route("POST", "/documents/{id}/void", void, "Аннулировать, с причиной", "document.update"),
)
