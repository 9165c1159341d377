"""What hangs on a deal: its product lines and its documents."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_documents import data_of
from crm_core.deals import edit_deal, for_change, get_deal
from crm_core.documents.issued import list_documents
from crm_core.lines import MAX_LINES
from storage import ReadTx, Tx
from web.api.calculate import Calculated, LineIn, read_lines, show_lines
from web.api.call import Call, In, Out, Route
from web.api.documents import DocumentOut, show_document
from web.api.input import Id, Line
from web.documents import DOCUMENTS

MANY = 200


async def lines(call: Call[None, None]) -> Calculated:
    return await call.read(lambda tx, actor: show_lines(get_deal(tx, actor, call.id).lines))


class NewLines(In, frozen=True, kw_only=True):
    lines: Annotated[list[LineIn], Meta(max_length=MAX_LINES)]
    price_type: Line | None = None
    """Where products take their prices from; the first of the company when absent."""


async def set_lines(call: Call[None, NewLines]) -> Calculated:
    """All lines at once; the deal's amount becomes their total. An empty list leaves the amount as it is."""
    return await call.write(_set_lines, call.company, call.id, call.body, call.if_match)


def _set_lines(tx: Tx, actor: Actor, company: Company, deal_id: str, body: NewLines, version: int | None) -> Calculated:
    deal = for_change(tx, actor, deal_id, version)
    found = read_lines(tx, actor, company, body.lines, body.price_type, was=deal.lines)
    return show_lines(edit_deal(tx, actor, company, deal_id, {"lines": found}, version).lines)


class DealDocuments(Out, frozen=True, kw_only=True):
    items: list[DocumentOut]
    next: None = None


async def documents(call: Call[None, None]) -> DealDocuments:
    """The newest two hundred."""
    return await call.read(_documents, call.id)


def _documents(tx: ReadTx, actor: Actor, deal_id: str) -> DealDocuments:
    get_deal(tx, actor, deal_id)
    return DealDocuments(
        items=[show_document(each) for each in list_documents(tx, actor, {"deal_id": deal_id}, limit=MANY)]
    )


class NewDocument(In, frozen=True, kw_only=True):
    template: Id
    leave_blanks: bool = False
    """Make it although something that it names is empty: the gaps are filled in by hand."""


async def make_document(call: Call[None, NewDocument]) -> DocumentOut:
    """What the template names and what is empty is refused by field, in words."""
    _, data, links = await call.read(data_of, call.company, call.id)
    workshop = call.request.app[DOCUMENTS]
    made = await workshop.generate(call.actor, call.body.template, data, links, leave_blanks=call.body.leave_blanks)
    return show_document(made)


ROUTES = (
    Route("GET", "/deals/{id}/products", lines, "Товары сделки и их суммы", "deal.read"),
    Route("PUT", "/deals/{id}/products", set_lines, "Записать товары сделки", "deal.update"),
    Route("GET", "/deals/{id}/documents", documents, "Документы сделки", "document.read"),
    Route("POST", "/deals/{id}/documents", make_document, "Создать документ по шаблону", "document.create", 201),
)
