"""`/companies`: customers that are companies, their contacts' timeline, and who may be the same company."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.companies import (
    COMPANIES,
    MOST,
    CustomerCompany,
    alike,
    create_company,
    edit_company,
    get_company,
    list_companies,
)
from crm_core.company_timeline import company_items
from crm_core.contacts import list_people
from crm_core.errors import Invalid
from crm_core.people import PEOPLE
from crm_core.removal import delete_company
from crm_core.rights import Action
from crm_core.segments import segment_filter, segment_order
from crm_core.similar import company_key
from storage import AllOf, Filter, Gte, Lt, Prefix, ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.conversation import TimelineQuery, timeline_page
from web.api.input import Fields, Id, Line, ListQuery, Moment, Text
from web.api.shapes import ContactOut, TimelineOut, show_contact


class CompanyOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    name: str
    inn: str | None
    kpp: str | None
    ogrn: str | None
    bank: str | None
    bik: str | None
    account: str | None
    corr_account: str | None
    legal_address: str | None
    postal_address: str | None
    director: str | None
    activity: str | None
    size: str | None
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    site: str | None
    owner_id: str | None
    comment: str | None
    fields: dict[str, str]
    rfm: str
    """`never`, `new`, `regular`, `fading`: не купившие, новички, постоянные, в зоне потери."""
    abc: str | None
    won_count: int
    won_sum: Decimal
    last_won_at: datetime | None
    created_at: datetime
    updated_at: datetime
    last_activity_at: datetime


def show_company(company: CustomerCompany) -> CompanyOut:
    return CompanyOut(**{name: getattr(company, name) for name in CompanyOut.__struct_fields__})


class CompanyQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["-last_activity_at", "last_activity_at", "-created_at", "created_at", "name", "-name"] | None = None
    """Without it: by name when one is asked for, by the date or sum that is asked for, else those active last first."""
    q: Line | None = None
    """Beginning of the name; letter case, ё and the legal form do not matter."""
    inn: Line | None = None
    owner_id: Id | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None
    segment: Id | None = None
    """A saved filter of companies, see `/segments`."""


async def list_(call: Call[CompanyQuery, None]) -> Page[CompanyOut]:
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: CompanyQuery) -> Page[CompanyOut]:
    check(actor, "company", Action.READ)
    where = filter_of(tx, actor, query)
    sort = query.sort or _order(tx, query)
    rows = list_companies(tx, actor, where, sort=sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, COMPANIES, rows, query.limit, sort, show_company)


def _order(tx: ReadTx, query: CompanyQuery) -> str:
    """The order in which the index that answers the question gives its records anyway."""
    if query.q is not None and company_key(query.q):
        return "name_key"
    if query.created_from is not None or query.created_to is not None:
        return "-created_at"
    return (segment_order(tx, query.segment) if query.segment else None) or "-last_activity_at"


def filter_of(tx: ReadTx, actor: Actor, query: CompanyQuery) -> Filter:
    """What the parameters mean to the store."""
    where: list[Filter] = []
    if query.q is not None and (key := company_key(query.q)):
        where.append({"name_key": Prefix(key)})
    if query.inn is not None:
        where.append({"inn": query.inn.strip()})
    if query.owner_id is not None:
        where.append({"owner_id": query.owner_id})
    if query.created_from is not None:
        where.append({"created_at": Gte(query.created_from)})
    if query.created_to is not None:
        where.append({"created_at": Lt(query.created_to)})
    if query.segment is not None:
        where.append(segment_filter(tx, actor, "company", query.segment))
    return AllOf(tuple(where))


Marks = Annotated[list[Annotated[str, Meta(min_length=1, max_length=300)]], Meta(max_length=MOST)]
Given = Text | UnsetType | None


class CompanyPatch(In, frozen=True, kw_only=True):
    name: Line | UnsetType = UNSET
    inn: Given = UNSET
    kpp: Given = UNSET
    ogrn: Given = UNSET
    bank: Given = UNSET
    bik: Given = UNSET
    account: Given = UNSET
    corr_account: Given = UNSET
    legal_address: Given = UNSET
    postal_address: Given = UNSET
    director: Given = UNSET
    activity: Given = UNSET
    size: Given = UNSET
    phones: Marks | UnsetType = UNSET
    """In any notation; all that it shall have, so are emails."""
    emails: Marks | UnsetType = UNSET
    site: Given = UNSET
    owner_id: Id | UnsetType | None = UNSET
    comment: Given = UNSET
    fields: Fields | UnsetType = UNSET
    """Own fields by name; null or an empty text takes one away, those left out stay."""


class NewCompany(CompanyPatch, frozen=True, kw_only=True):
    name: Line


async def create(call: Call[None, NewCompany]) -> CompanyOut:
    """Requisites are checked by their control digits. The ИНН and КПП of another company are refused by its name."""
    return show_company(await call.write(create_company, call.body.given()))


async def read(call: Call[None, None]) -> CompanyOut:
    """The id of a company that was merged away leads to the one that it became."""
    return show_company(await call.read(get_company, call.id))


async def patch(call: Call[None, CompanyPatch]) -> CompanyOut:
    """`If-Match: VERSION` refuses a change of what somebody else has changed meanwhile."""
    return show_company(await call.write(edit_company, call.id, call.body.given(), call.if_match))


async def delete(call: Call[None, None]) -> None:
    """Only when nothing refers to it."""
    await call.write(delete_company, call.id, call.if_match)


class SimilarQuery(In, frozen=True, kw_only=True):
    name: Line | None = None
    inn: Line | None = None


class SimilarOut(Out, frozen=True, kw_only=True):
    items: list[CompanyOut]
    next: None = None


async def look_alike(call: Call[SimilarQuery, None]) -> SimilarOut:
    """Before a company is created: who has this ИНН, or this name but for its writing. A hint, no refusal."""
    return SimilarOut(items=[show_company(each) for each in await call.read(_alike, call.query)])


def _alike(tx: ReadTx, actor: Actor, query: SimilarQuery) -> list[CustomerCompany]:
    check(actor, "company", Action.READ)
    if not query.name and not query.inn:
        raise Invalid({"name": "Укажите название или ИНН"})
    return [tx.require(COMPANIES, each) for each in alike(tx, actor, query.name, query.inn)]


class PeopleQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["-last_activity_at", "last_activity_at"] = "-last_activity_at"


async def people(call: Call[PeopleQuery, None]) -> Page[ContactOut]:
    return await call.read(_people, call.id, call.query)


def _people(tx: ReadTx, actor: Actor, company_id: str, query: PeopleQuery) -> Page[ContactOut]:
    company = get_company(tx, actor, company_id)
    check(actor, "contact", Action.READ)
    where = {"company_id": company.id}
    rows = list_people(tx, actor, where, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, PEOPLE, rows, query.limit, query.sort, show_contact)


async def timeline(call: Call[TimelineQuery, None]) -> Page[TimelineOut]:
    """Everything in and out with the company's contacts and in its deals, across all channels, that the reader may see;
    a page may be shorter for what he may not."""
    return await call.read(_timeline, call.id, call.query)


def _timeline(tx: ReadTx, actor: Actor, company_id: str, query: TimelineQuery) -> Page[TimelineOut]:
    company = get_company(tx, actor, company_id)
    rows = company_items(tx, actor, company.id, query.limit + 1, query.cursor, query.sort, query.kind)
    return timeline_page(tx, actor, rows, query)


ROUTES = (
    Route("GET", "/companies", list_, "Компании", "company.read"),
    Route("POST", "/companies", create, "Создать компанию", "company.create", 201),
    Route("GET", "/companies/similar", look_alike, "Похожие компании до создания", "company.read"),
    Route("GET", "/companies/{id}", read, "Компания", "company.read"),
    Route("PATCH", "/companies/{id}", patch, "Исправить компанию", "company.update"),
    Route("DELETE", "/companies/{id}", delete, "Удалить компанию, с которой ничего не связано", "company.delete", 204),
    Route("GET", "/companies/{id}/contacts", people, "Контакты компании", "company.read и contact.read"),
    Route("GET", "/companies/{id}/timeline", timeline, "Лента компании", "company.read"),
)
