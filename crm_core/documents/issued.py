"""Documents that were issued: number, file, what they were made of.

A document is stored when its file is finished, so a number that is used always has a paper behind it. Rendering cannot
happen inside of a transaction; therefore the number is only looked at first (`next_serial`), printed, and taken with
the finished file (`issue`): when somebody else took it meanwhile, `NumberTaken` says so and the caller prints again.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec

from crm_core.access import Facts, check, may, visible
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.documents.data import DocumentData
from crm_core.documents.library import FoundTemplate
from crm_core.documents.links import Links, check_record, news_of, reads_all_records, reads_record
from crm_core.documents.numbering import counter, number_of
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.rights import Action
from storage import AllOf, Collection, Entity, Filter, Index, ReadTx, Tx, Unique


class DocumentState(StrEnum):
    READY = "ready"
    SENT = "sent"
    VOID = "void"


class DocumentFile(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the paper; the last one counts, the earlier ones may be with the customer already."""

    blob: str
    size: int
    pdf: str | None = None
    """The same as PDF, once somebody asked for it."""
    template_revision: int = 0
    created_by: str | None = None
    created_at: datetime


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One letter that carried the document."""

    outbound_id: str
    to: str
    format: str
    """`pdf` or `docx`."""
    revision: int
    """Which version went, from 1."""
    state: str = "queued"
    """As the outbox has it: queued, sending, sent, delivered, read, failed, cancelled."""
    error: str | None = None
    by: str | None = None
    at: datetime
    """When it was asked for."""
    sent_at: datetime | None = None
    """When the channel took it."""


class Document(Entity, frozen=True, kw_only=True):
    """One issued document."""

    number: str
    serial: int
    year: int
    day: date
    """That it bears, in the company's time zone."""
    template: str
    """Key."""
    title: str
    kind: str
    name: str
    """File name without its suffix."""
    state: DocumentState = DocumentState.READY
    void_reason: str | None = None
    deal_id: str | None = None
    lead_id: str | None = None
    person_id: str | None = None
    company_id: str | None = None
    files: tuple[DocumentFile, ...] = ()
    """Versions, oldest first."""
    data: dict[str, Any] = {}
    """What the last version was made of."""
    created_by: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    """When the last version went to the customer."""
    sent_to: str | None = None
    """The address that it went to."""
    sendings: tuple[Sending, ...] = ()
    """Oldest first."""


DOCUMENTS = Collection(
    "documents",
    Document,
    [
        Unique("template", "year", "serial"),
        Index("number"),
        Index("deal_id", "created_at"),
        Index("lead_id", "created_at"),
        Index("person_id", "created_at"),
        Index("company_id", "created_at"),
        Index("created_by", "created_at"),
        Index("template", "created_at"),
        Index("kind", "created_at"),
        Index("state", "created_at"),
        Index("created_at"),
    ],
)
MAX_REASON = 1000
MAX_FILES = 100
AT_ONCE = 200
MOST_SIFTED = 5000
"""Documents that one page of a list looks at."""


class NumberTaken(Exception):
    """The number that was printed belongs to another document now."""


def facts(document: Document) -> Facts:
    return Facts(owners=frozenset({document.created_by}), open=document.state is not DocumentState.VOID)


def get_document(tx: ReadTx, actor: Actor, document_id: str, action: Action = Action.READ) -> Document:
    """The document, checked for this action and for reading the record that it is of."""
    document = tx.get(DOCUMENTS, document_id)
    if document is None:
        raise Missing("Такого документа нет")
    check(actor, "document", action, facts(document))
    check_record(tx, actor, document)
    return document


def is_readable(tx: ReadTx, actor: Actor, document: Document) -> bool:
    """Whether this reader may see it."""
    return may(actor, "document", Action.READ, facts(document)) and reads_record(tx, actor, document)


def list_documents(
    tx: ReadTx, actor: Actor, where: Filter, *, sort: str = "-created_at", limit: int = 50, after: str | None = None
) -> list[Document]:
    """Documents that match and that the actor may see."""
    return documents_page(tx, actor, where, sort=sort, limit=limit, after=after)[0]


def documents_page(
    tx: ReadTx, actor: Actor, where: Filter, *, sort: str = "-created_at", limit: int = 50, after: str | None = None
) -> tuple[list[Document], str | None]:
    """Documents that match and that the actor may see, and the cursor of what follows; None at the end. A reader who
    may see few of them gets a short page after `MOST_SIFTED` that are not his, and goes on with the cursor."""
    scope = visible(actor, "document", owner_fields=("created_by",))
    found: list[Document] = []
    if scope is None:
        return found, None
    filters, sees_all = AllOf((where, scope)), reads_all_records(actor)
    for _ in range(MOST_SIFTED // AT_ONCE):
        rows = tx.find(DOCUMENTS, filters, sort=sort, limit=AT_ONCE, after=after)
        for number, row in enumerate(rows):
            if sees_all or reads_record(tx, actor, row):
                found.append(row)
            if len(found) == limit:
                ends = number + 1 == len(rows) < AT_ONCE
                return found, None if ends else tx.cursor_after(DOCUMENTS, row, sort)
        if len(rows) < AT_ONCE:
            return found, None
        after = tx.cursor_after(DOCUMENTS, rows[-1], sort)
    return found, after


def next_serial(tx: ReadTx, template: str, year: int) -> int:
    """The number that the next document of this template would get. Nothing is taken."""
    return tx.last_number(counter(template, year)) + 1


def issue(
    tx: Tx,
    actor: Actor,
    template: FoundTemplate,
    data: DocumentData,
    links: Links,
    file: DocumentFile,
    *,
    serial: int,
    day: date,
) -> Document:
    """Take the number that is printed on this file and keep both. `NumberTaken` when it is no longer free."""
    check(actor, "document", Action.CREATE)
    if tx.next_number(counter(template.key, day.year)) != serial:
        raise NumberTaken
    number = number_of(template.numbering, day.year, serial)
    document = Document(
        id=tx.new_id("doc_"),
        number=number,
        serial=serial,
        year=day.year,
        day=day,
        template=template.key,
        title=template.title,
        kind=template.kind,
        name=name_of(template, number, data),
        deal_id=links.deal_id,
        lead_id=links.lead_id,
        person_id=links.person_id,
        company_id=links.company_id,
        files=(file,),
        data=msgspec.to_builtins(data),
        created_by=actor.id,
        created_at=tx.now,
    )
    tx.insert(DOCUMENTS, document)
    record(tx, actor, "document", document.id, "created", {"number": (None, number)})
    announce(tx, document, "created")
    return document


def name_of(template: FoundTemplate, number: str, data: DocumentData) -> str:
    """«Договор поставки Д-2026-0007 ООО Ромашка»: fit for any file system."""
    text = " ".join(part for part in (template.title, number, data.customer.name) if part)
    return "".join(c for c in text if c.isalnum() or c in " -_.№,")[:120].strip(" .")


def add_version(
    tx: Tx, actor: Actor, document_id: str, data: DocumentData, file: DocumentFile, version: int
) -> Document:
    """The same document, printed anew under its number. `Conflict` when it changed meanwhile or is void."""
    document = get_document(tx, actor, document_id, Action.UPDATE)
    check_alive(document)
    if document.version != version:
        raise Conflict("Документ уже изменён кем-то другим. Прочитайте его заново")
    if len(document.files) >= MAX_FILES:
        raise Conflict(f"У документа уже {MAX_FILES} версий: выпустите новый")
    changed = tx.update(
        DOCUMENTS,
        document,
        files=(*document.files, file),
        data=msgspec.to_builtins(data),
        state=DocumentState.READY,
        sent_at=None,
        sent_to=None,
    )
    record(tx, actor, "document", document.id, "regenerated", {"files": (len(document.files), len(changed.files))})
    announce(tx, changed, "updated")
    return changed


def remember_pdf(tx: Tx, document_id: str, blob: str, pdf: str) -> None:
    """Keep the PDF of one version, so that it is converted once."""
    document = tx.get(DOCUMENTS, document_id)
    if document is not None:
        files = tuple(msgspec.structs.replace(each, pdf=pdf) if each.blob == blob else each for each in document.files)
        tx.update(DOCUMENTS, document, files=files)


def void_document(tx: Tx, actor: Actor, document_id: str, reason: str) -> Document:
    """It counts no more; number and files stay, so that the numbers have no gap."""
    document = get_document(tx, actor, document_id, Action.UPDATE)
    check_alive(document)
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Invalid({"reason": f"Укажите причину, не длиннее {MAX_REASON} знаков"})
    changed = tx.update(DOCUMENTS, document, state=DocumentState.VOID, void_reason=reason.strip())
    changes = {"state": (document.state, changed.state), "void_reason": (None, changed.void_reason)}
    record(tx, actor, "document", document.id, "voided", changes)
    announce(tx, changed, "voided")
    return changed


def check_alive(document: Document) -> None:
    """Raises `Conflict` for a document that is void."""
    if document.state is DocumentState.VOID:
        raise Conflict(f"Документ {document.number} аннулирован: {document.void_reason}")


def announce(tx: Tx, document: Document, event: str) -> None:
    """News about a document for the open pages."""
    tell(
        tx,
        "document",
        document.id,
        event,
        lead_id=document.lead_id,
        owners=(document.created_by,),
        data={"number": document.number, "deal_id": document.deal_id} | news_of(tx, document),
    )
