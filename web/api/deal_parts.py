"""What hangs on a deal: its product lines, documents, approvals and notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from crm_core import deal_approvals
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_documents import data_of
from crm_core.deal_notes import add_deal_note
from crm_core.deals import Deal, edit_deal, for_change, get_deal
from crm_core.documents.issued import list_documents
from crm_core.line_reading import read_lines
from crm_core.lines import MAX_LINES
from crm_core.rights import Action
from storage import ReadTx, Tx
from web.api.calculate import Calculated, LineIn, as_typed, show_lines
from web.api.call import Call, In, Out, Route
from web.api.conversation import NewNote
from web.api.deals import DealOut, show_deal
from web.api.documents import DocumentOut, show_document
from web.api.input import Id, Line
from web.api.shapes import TimelineOut, show_item
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
    found = read_lines(tx, actor, company, as_typed(body.lines), body.price_type, was=deal.lines)
    return show_lines(edit_deal(tx, actor, company, deal_id, {"lines": found}, version).lines)


class DealDocuments(Out, frozen=True, kw_only=True):
    items: list[DocumentOut]
    next: None = None


async def documents(call: Call[None, None]) -> DealDocuments:
    """The newest two hundred."""
    return await call.read(_documents, call.id)


def _documents(tx: ReadTx, actor: Actor, deal_id: str) -> DealDocuments:
    get_deal(tx, actor, deal_id)
    check(actor, "document", Action.READ)
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


class RoleIn(In, frozen=True, kw_only=True):
    role: Id


class RoleText(In, frozen=True, kw_only=True):
    role: Id
    text: Annotated[str, Meta(max_length=1000)] = ""


async def ask(call: Call[None, RoleText]) -> DealOut:
    """Everybody of this role who may see the deal gets a note."""
    return await _said(call, deal_approvals.ask, call.body.role, call.body.text)


async def approve(call: Call[None, RoleIn]) -> DealOut:
    return await _said(call, deal_approvals.approve, call.body.role)


async def refuse(call: Call[None, RoleText]) -> DealOut:
    """With the reason in `text`."""
    return await _said(call, deal_approvals.refuse, call.body.role, call.body.text)


async def withdraw(call: Call[None, RoleIn]) -> DealOut:
    return await _said(call, deal_approvals.withdraw, call.body.role)


async def _said(call: Call[None, Any], command: Callable[..., Deal], *words: str) -> DealOut:
    def said(tx: Tx, actor: Actor) -> DealOut:
        return show_deal(tx, actor, call.company, command(tx, actor, call.company, call.id, *words))

    return await call.write(said)


async def note(call: Call[None, NewNote]) -> TimelineOut:
    """For colleagues; the customer never sees it."""
    return show_item(await call.write(add_deal_note, call.id, call.body.text))


ROUTES = (
    Route("GET", "/deals/{id}/products", lines, "Товары сделки и их суммы", "deal.read"),
    Route("PUT", "/deals/{id}/products", set_lines, "Записать товары сделки", "deal.update"),
    Route("POST", "/deals/{id}/ask", ask, "Попросить роль согласовать", "deal.update"),
    Route("POST", "/deals/{id}/approve", approve, "Согласовать от имени своей роли", "deal.read"),
    Route("POST", "/deals/{id}/refuse", refuse, "Отказать в согласовании от имени своей роли", "deal.read"),
    Route("POST", "/deals/{id}/withdraw", withdraw, "Отозвать согласование", "deal.read"),
    Route("POST", "/deals/{id}/notes", note, "Оставить заметку для своих", "deal.update", 201),
    Route("GET", "/deals/{id}/documents", documents, "Документы сделки", "deal.read и document.read"),
    Route(
        "POST",
        "/deals/{id}/documents",
        make_document,
        "Создать документ по шаблону",
        "deal.read и document.create",
        201,
    ),
)
