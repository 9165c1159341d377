"""`/search`: one question to everything, answered by kind."""

from __future__ import annotations

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.search import Question
from crm_core.searchable import COMPANY, CONTACT, DEAL, DOCUMENT, KINDS, LEAD, PRODUCT, TASK
from storage import ReadTx
from web.api.call import Call, In, Out, Route
from web.api.companies import CompanyOut, show_company
from web.api.deals import DealOut, show_deal
from web.api.documents import DocumentOut, show_document
from web.api.input import Limit, Line
from web.api.products import ProductOut, show_product
from web.api.shapes import ContactOut, LeadOut, show_contact, show_lead
from web.api.task_shapes import TaskOut, show_task


class SearchQuery(In, frozen=True, kw_only=True):
    q: Line
    limit: Limit = 20
    """Of each kind."""


class SearchOut(Out, frozen=True, kw_only=True):
    leads: list[LeadOut]
    contacts: list[ContactOut]
    companies: list[CompanyOut]
    deals: list[DealOut]
    tasks: list[TaskOut]
    products: list[ProductOut]
    documents: list[DocumentOut]


async def search(call: Call[SearchQuery, None]) -> SearchOut:
    """By number, by any digits of a phone, by words or beginnings of words of names, titles, emails, companies, also
    typed in the wrong keyboard layout or in Latin letters; only what the reader may see, the best first."""
    return await call.read(_search, call.company, call.query)


def _search(tx: ReadTx, actor: Actor, company: Company, query: SearchQuery) -> SearchOut:
    question, limit = Question(tx, KINDS, query.q), query.limit
    return SearchOut(
        leads=[show_lead(tx, lead) for lead in question.records(LEAD, actor, limit)],
        contacts=[show_contact(person) for person in question.records(CONTACT, actor, limit)],
        companies=[show_company(customer) for customer in question.records(COMPANY, actor, limit)],
        deals=[show_deal(tx, actor, company, deal) for deal in question.records(DEAL, actor, limit)],
        tasks=[show_task(task, actor) for task in question.records(TASK, actor, limit)],
        products=[show_product(company, product) for product in question.records(PRODUCT, actor, limit)],
        documents=[show_document(document) for document in question.records(DOCUMENT, actor, limit)],
    )


ROUTES = (Route("GET", "/search", search, "Поиск по всему, что можно видеть", "—"),)
