"""Every kind of record that the search finds. A new kind: a `Kind`, and its name in `KINDS`; the order is that of the
answer, and of the build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from crm_core.access import visible
from crm_core.actor import Actor
from crm_core.companies import COMPANIES, CustomerCompany, find_company
from crm_core.contacts import contact_scope
from crm_core.deals import DEALS, Deal, deal_scope
from crm_core.documents.issued import DOCUMENTS, Document, is_readable
from crm_core.documents.library import KINDS as KIND_TITLES
from crm_core.documents.links import reads_all_records
from crm_core.leads import LEADS, Lead, lead_scope
from crm_core.people import PEOPLE, Person, by_email, by_phone, find_person
from crm_core.products import PRODUCTS, Product
from crm_core.search import Kind, Texts
from crm_core.search_words import digits_of, is_dialled
from crm_core.tasks import TASKS, Task, may_read
from storage import AllOf, Collection, Filter, ReadTx

MAX_NUMBER_DIGITS = 12
MOST_TOUCHED = 50
"""Leads, and deals, of one customer that are found by his texts, newest first."""


def _contact_texts(tx: ReadTx, person: Person) -> Texts:
    accounts = (text for account in person.messengers for text in (account.username, account.id))
    return Texts((person.name, person.company, *person.emails, *accounts), person.phones)


def person_named(tx: ReadTx, text: str) -> Person | None:
    """Whoever has this phone, in any notation, or this email."""
    if "@" in text:
        return by_email(tx, text)
    digits = digits_of(text)
    if not is_dialled(text) or len(digits) < 10:
        return None
    spelt = [digits, "7" + digits[1:], "7" + digits]
    found = (by_phone(tx, "+" + each) for each in spelt if len(each) >= 11)
    return next((person for person in found if person is not None), None)


def _named_contact(tx: ReadTx, text: str) -> Iterator[str]:
    person = person_named(tx, text)
    if person is not None:
        yield person.id


def _leads_of(tx: ReadTx, person_id: str) -> list[Lead]:
    return tx.find(LEADS, {"person_id": person_id}, sort="-created_at", limit=MOST_TOUCHED)


def _contact_touches(tx: ReadTx, person_id: str) -> Iterator[tuple[str, str]]:
    for lead in _leads_of(tx, person_id):
        yield "lead", lead.id
    yield from _deals_with(tx, "person_id", person_id)


def _deals_with(tx: ReadTx, field: str, id: str) -> Iterator[tuple[str, str]]:
    for deal in tx.find(DEALS, {field: id}, sort="-created_at", limit=MOST_TOUCHED):
        yield "deal", deal.id


def _company_touches(tx: ReadTx, company_id: str) -> Iterator[tuple[str, str]]:
    yield from _deals_with(tx, "company_id", company_id)


def _lead_texts(tx: ReadTx, lead: Lead) -> Texts:
    person = find_person(tx, lead.person_id)
    own = (lead.title, lead.company, *lead.fields.values())
    if person is None:
        return Texts(own)
    theirs = _contact_texts(tx, person)
    return Texts((*own, *theirs.texts), theirs.phones)


def _number(text: str) -> int | None:
    digits = text.lstrip("#№ ")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= MAX_NUMBER_DIGITS else None


def _named_leads(tx: ReadTx, text: str) -> Iterator[str]:
    number = _number(text)
    if number is not None:
        for lead in tx.find(LEADS, {"number": number}):
            yield lead.id
    person = person_named(tx, text)
    if person is not None:
        for lead in _leads_of(tx, person.id):
            yield lead.id


def _lead_touches(tx: ReadTx, lead_id: str) -> Iterator[tuple[str, str]]:
    lead = tx.get(LEADS, lead_id)
    if lead is not None and lead.person_id is not None:
        yield "contact", lead.person_id


def _task_texts(tx: ReadTx, task: Task) -> Texts:
    return Texts((task.title, task.description, task.result), (task.phone,) if task.phone else ())


def _task_scope(actor: Actor) -> Filter | None:
    """Co-executors and observers stand in no field of the store: the task itself is asked (`may_read`)."""
    scope = visible(actor, "task", owner_fields=("responsible_id", "creator_id"))
    return AllOf(({},)) if scope else scope


def _task_is_readable(tx: ReadTx, actor: Actor, task: Task) -> bool:
    return may_read(actor, task)


def _deal_texts(tx: ReadTx, deal: Deal) -> Texts:
    person = find_person(tx, deal.person_id) if deal.person_id else None
    customer = find_company(tx, deal.company_id) if deal.company_id else None
    own = (deal.title, deal.comment, *deal.fields.values(), customer.name if customer else None)
    theirs = _contact_texts(tx, person) if person else Texts(())
    return Texts((*own, *theirs.texts), theirs.phones)


def _numbered(collection: Collection[Any]) -> Callable[[ReadTx, str], Iterator[str]]:
    """Finds whatever bears the number that was asked for."""

    def named(tx: ReadTx, text: str) -> Iterator[str]:
        number = _number(text)
        if number is not None:
            yield from (each.id for each in tx.find(collection, {"number": number}))

    return named


def _company_texts(tx: ReadTx, company: CustomerCompany) -> Texts:
    numbers = (company.inn, company.kpp, company.ogrn)
    return Texts((company.name, *numbers, *company.emails, company.site), company.phones)


def _company_scope(actor: Actor) -> Filter | None:
    return visible(actor, "company", owner_fields=("owner_id",))


def _product_texts(tx: ReadTx, product: Product) -> Texts:
    return Texts((product.name, product.sku, product.description))


def _product_scope(actor: Actor) -> Filter | None:
    return visible(actor, "product", owner_fields=())


def _document_texts(tx: ReadTx, document: Document) -> Texts:
    """Its number and kind, and the customer as the paper names him."""
    customer, person = document.data.get("customer", {}), document.data.get("person", {})
    theirs = (customer.get("name"), customer.get("full_name"), customer.get("inn"), person.get("name"))
    return Texts((document.number, document.title, KIND_TITLES.get(document.kind), *theirs))


def _document_scope(actor: Actor) -> Filter | None:
    """Of which record a document is stands in another collection: it is asked about one by one, where need be."""
    scope = visible(actor, "document", owner_fields=("created_by",))
    return scope if scope is None or reads_all_records(actor) else AllOf((scope,))


def _named_documents(tx: ReadTx, text: str) -> Iterator[str]:
    for number in dict.fromkeys((text, text.upper(), text.lstrip("#№ "), text.lstrip("#№ ").upper())):
        yield from (each.id for each in tx.find(DOCUMENTS, {"number": number}, limit=MOST_TOUCHED))


LEAD = Kind("lead", LEADS, lambda lead: lead.title, _lead_texts, lead_scope, _named_leads, _lead_touches)
CONTACT = Kind(
    "contact", PEOPLE, lambda person: person.name, _contact_texts, contact_scope, _named_contact, _contact_touches
)
TASK = Kind(
    "task", TASKS, lambda task: task.title, _task_texts, _task_scope, _numbered(TASKS), readable=_task_is_readable
)
DEAL = Kind("deal", DEALS, lambda deal: deal.title, _deal_texts, deal_scope, _numbered(DEALS))
COMPANY = Kind(
    "company", COMPANIES, lambda company: company.name, _company_texts, _company_scope, touches=_company_touches
)
PRODUCT = Kind("product", PRODUCTS, lambda product: product.name, _product_texts, _product_scope)
DOCUMENT = Kind(
    "document", DOCUMENTS, lambda document: document.title, _document_texts, _document_scope, _named_documents,
    readable=is_readable,
)  # fmt: skip
KINDS = {kind.name: kind for kind in (CONTACT, COMPANY, LEAD, DEAL, TASK, PRODUCT, DOCUMENT)}
