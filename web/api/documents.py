"""`/documents`: what was issued, as DOCX and PDF."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.deal_documents import data_again
from crm_core.documents.issued import (
    Document,
    DocumentState,
    documents_page,
    get_document,
    void_document,
)
from crm_core.errors import Missing
from crm_core.rights import Action
from router.letters import Letter, check_letter, propose, send_document
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route
from web.api.files import head_of, serving_headers
from web.api.input import Id, Line, ListQuery, Text
from web.api.templates import workshop


class SendingOut(Out, frozen=True, kw_only=True):
    outbound_id: str
    to: str
    format: str
    revision: int
    state: str
    """queued, sending, sent, delivered, read, failed, cancelled."""
    error: str | None
    by: str | None
    at: datetime
    sent_at: datetime | None


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
    sent_to: str | None
    sendings: list[SendingOut]
    """Letters with this document, oldest first."""


def show_document(document: Document) -> DocumentOut:
    """The document without its data: those who may read the deal find them there."""
    names = [name for name in DocumentOut.__struct_fields__ if name not in ("versions", "size", "sendings")]
    shown: dict[str, Any] = {name: getattr(document, name) for name in names}
    sendings = [SendingOut(**msgspec.structs.asdict(each)) for each in document.sendings]
    size = document.files[-1].size if document.files else 0
    return DocumentOut(**shown, versions=len(document.files), size=size, sendings=sendings)


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


class Revision(In, frozen=True, kw_only=True):
    leave_blanks: bool = False
    """Make it although something that it names is empty or in doubt."""


async def renew(call: Call[None, Revision]) -> DocumentOut:
    """The same number and date with what the deal says now; earlier versions stay. It counts as not sent again."""
    document = await call.read(get_document, call.id, Action.UPDATE)
    data = await call.read(data_again, call.company, document)
    works = workshop(call.request)
    return show_document(await works.regenerate(call.actor, call.id, data, leave_blanks=call.body.leave_blanks))


class AddressOut(Out, frozen=True, kw_only=True):
    email: str
    name: str


class MailboxOut(Out, frozen=True, kw_only=True):
    name: str
    title: str


class LetterOut(Out, frozen=True, kw_only=True):
    addresses: list[AddressOut]
    """Of the customer's people and company that the reader may see, the contact of the deal first."""
    mailboxes: list[MailboxOut]
    subject: str
    text: str
    format: Literal["docx", "pdf"]
    """What goes unless another is asked for: PDF where LibreOffice is installed."""


async def letter(call: Call[None, None]) -> LetterOut:
    found = await call.read(propose, call.services.desk, call.id)
    return LetterOut(
        addresses=[AddressOut(email=each.email, name=each.name) for each in found.addresses],
        mailboxes=[MailboxOut(name=each.name, title=each.title) for each in found.mailboxes],
        subject=found.subject,
        text=found.text,
        format="pdf" if workshop(call.request).makes_pdf else "docx",
    )


class NewLetter(In, frozen=True, kw_only=True):
    to: Line
    subject: Line | None = None
    """As proposed when absent, like `text`."""
    text: Text | None = None
    connector: Id | None = None
    """The mailbox; the first one when absent."""
    format: Literal["docx", "pdf"] | None = None
    """PDF where LibreOffice is installed, else DOCX."""


async def send(call: Call[None, NewLetter]) -> DocumentOut:
    """A letter with the last version into the durable outbox. The document is `sent` when the mailbox took it; until
    then and after a failure `sendings` says so, and it can be sent again."""
    new, desk = call.body, call.services.desk
    wanted = Letter(to=new.to, subject=new.subject, text=new.text, mailbox=new.connector)
    document = await call.read(check_letter, desk, call.id, wanted)
    file, format = await workshop(call.request).attachment_of(document, new.format)
    return show_document(await call.write(send_document, desk, call.id, wanted, file, format))


ROUTES = (
    Route("GET", "/documents", list_, "Документы", "document.read"),
    Route("GET", "/documents/{id}", read, "Документ", "document.read"),
    Route("GET", "/documents/{id}/file", file, "Файл документа", "document.read", media="application/octet-stream"),
    Route("POST", "/documents/{id}/versions", renew, "Выпустить заново под тем же номером", "document.update", 201),
    Route("GET", "/documents/{id}/letter", letter, "Письмо с документом, как его предлагает система", "document.read"),
    Route("POST", "/documents/{id}/send", send, "Отправить клиенту письмом", "document.update", 201),
    Route("POST", "/documents/{id}/void", void, "Аннулировать, с причиной", "document.update"),
)
