"""Making documents: read the data, render in a thread, take the number together with the finished file.

`generate` and `regenerate` are given a `DocumentData` by the deals' calls and pages. Nothing here holds a transaction
while it renders.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from pathlib import Path

from aiohttp import web

from connectors.contract import Attachment
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.documents.context import context_of
from crm_core.documents.data import MAX_LINES, DocumentData
from crm_core.documents.issued import (
    Document,
    DocumentFile,
    NumberTaken,
    add_version,
    get_document,
    issue,
    next_serial,
    remember_pdf,
)
from crm_core.documents.library import FoundTemplate, find_template
from crm_core.documents.links import Links
from crm_core.documents.numbering import number_of
from crm_core.documents.templates import Field, TemplateProblem, check_template, fields_of, fill
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.rights import Action
from crm_core.trade import local_day
from storage import NotFound, ReadTx, Store
from web.pdf import ConversionFailed, NotInstalled, Pdf
from web.problems import RETRY_AFTER, Problem, invalid

TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pdf": "application/pdf",
}
TRIES = 20
"""How often a number that another process took is replaced by the next."""


class Documents:
    """The workshop of one process. Documents are made one at a time: rendering keeps a processor busy."""

    def __init__(self, store: Store, company: Company, pdf: Pdf) -> None:
        self._store = store
        self._company = company
        self._pdf = pdf
        self._one_at_a_time = asyncio.Lock()

    async def generate(
        self, actor: Actor, template: str, data: DocumentData, links: Links, *, leave_blanks: bool = False
    ) -> Document:
        """A new document with the next number. `Invalid` names every field that the template needs and that is empty,
        unless `leave_blanks` lets them be filled in by hand; a switched-off or broken template is a `Conflict`."""
        found = await self._store.read(find_template, actor, self._company, template)
        check(actor, "document", Action.CREATE)
        if not found.active:
            raise Conflict(f"Шаблон «{found.title}» отключён")
        content = await self.content_of(found)
        async with self._one_at_a_time:
            for _ in range(TRIES):
                serial, day = await self._store.read(_next, found, self._company.timezone)
                number = number_of(found.numbering, day.year, serial)
                file = await self._made(actor, found, content, data, number, day, leave_blanks)
                try:
                    return await self._store.write(issue, actor, found, data, links, file, serial=serial, day=day)
                except NumberTaken:
                    continue
        raise Conflict("Слишком много документов выпускают одновременно. Повторите")

    async def regenerate(
        self, actor: Actor, document_id: str, data: DocumentData, *, leave_blanks: bool = False
    ) -> Document:
        """The same document under its number and date, as its next version. Refusals as in `generate`."""
        document = await self._store.read(get_document, actor, document_id, Action.UPDATE)
        found = await self._store.read(find_template, actor, self._company, document.template)
        content = await self.content_of(found)
        async with self._one_at_a_time:
            file = await self._made(actor, found, content, data, document.number, document.day, leave_blanks)
        return await self._store.write(add_version, actor, document_id, data, file, document.version)

    async def fields(self, template: FoundTemplate) -> tuple[Field, ...]:
        """What the template names. `Conflict` when it is broken."""
        content = await self.content_of(template)
        try:
            return await asyncio.to_thread(fields_of, content)
        except TemplateProblem as error:
            raise _broken(template, error) from error

    async def content_of(self, template: FoundTemplate) -> bytes:
        """The template's file. `Missing` when it is gone."""
        try:
            if template.blob is not None:
                return await self._store.blobs.get(template.blob)
            if template.file is not None:
                return await asyncio.to_thread(template.file.read_bytes)
        except (NotFound, OSError) as error:
            raise Missing(f"Файла шаблона «{template.title}» больше нет: загрузите его заново") from error
        raise Missing(f"У шаблона «{template.title}» нет файла: загрузите его")

    async def check_upload(self, content: bytes) -> None:
        """`Invalid` with the sentence and the place when a file is not fit to be a template."""
        async with self._one_at_a_time:
            try:
                await asyncio.to_thread(check_template, content)
            except TemplateProblem as error:
                raise Invalid({"attachments[0]": str(error)}) from error

    async def pdf_of(self, document: Document, file: DocumentFile) -> str:
        """Blob of this version as PDF; converted once."""
        if file.pdf is not None:
            return file.pdf
        try:
            content = await self._pdf.convert(await self._store.blobs.get(file.blob))
        except NotFound as error:
            raise Missing("Файла документа больше нет") from error
        except NotInstalled as error:
            raise invalid(format=str(error)) from error
        except ConversionFailed as error:
            raise Problem(503, str(error), headers={"Retry-After": RETRY_AFTER}) from error
        blob, _ = await self._store.blobs.put(content)
        await self._store.write(remember_pdf, document.id, file.blob, blob)
        return blob

    @property
    def makes_pdf(self) -> bool:
        """Whether LibreOffice is there now."""
        return self._pdf.program is not None

    async def attachment_of(self, document: Document, format: str | None = None) -> tuple[Attachment, str]:
        """The last version as a file for a letter, and its format: PDF when it can be made, unless one is named.
        Refusals as in `pdf_of`."""
        if not document.files:
            raise Missing("Файла документа больше нет")
        file = document.files[-1]
        wanted = format or ("pdf" if self.makes_pdf or file.pdf else "docx")
        blob = await self.pdf_of(document, file) if wanted == "pdf" else file.blob
        try:
            size = (await asyncio.to_thread(self.path_of(blob).stat)).st_size
        except OSError as error:
            raise Missing("Файла документа больше нет") from error
        return Attachment(blob=blob, name=f"{document.name}.{wanted}", type=TYPES[wanted], size=size), wanted

    def path_of(self, blob: str) -> Path:
        return Path(self._store.blobs.path(blob))

    async def _made(
        self,
        actor: Actor,
        found: FoundTemplate,
        content: bytes,
        data: DocumentData,
        number: str,
        day: date,
        blanks: bool,
    ) -> DocumentFile:
        docx = await asyncio.to_thread(_rendered, found, content, data, number, day, actor.name, blanks)
        blob, size = await self._store.blobs.put(docx)
        moment = await self._store.read(_now)
        return DocumentFile(
            blob=blob, size=size, template_revision=found.revision, created_by=actor.id, created_at=moment
        )


def _now(tx: ReadTx) -> datetime:
    return tx.now


def _next(tx: ReadTx, template: FoundTemplate, timezone: str) -> tuple[int, date]:
    day = local_day(tx.now, timezone)
    return next_serial(tx, template.key, day.year), day


def _rendered(
    found: FoundTemplate, content: bytes, data: DocumentData, number: str, day: date, author: str, blanks: bool
) -> bytes:
    if len(data.lines) > MAX_LINES:
        raise Invalid({"lines": f"В документе может быть не больше {MAX_LINES} строк"})
    context = context_of(data, number, day)
    try:
        filled = fill(content, context, title=f"{found.title} {number}", author=author)
    except TemplateProblem as error:
        raise _broken(found, error) from error
    if filled.lacks and not blanks:
        raise Invalid(filled.lacks)
    return filled.content


def _broken(template: FoundTemplate, error: TemplateProblem) -> Conflict:
    return Conflict(f"Шаблон «{template.title}» неисправен. {error}")


DOCUMENTS: web.AppKey[Documents] = web.AppKey("documents", Documents)
