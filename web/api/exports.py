"""`/leads/export`, `/contacts/export`, …: everything that the reader may see and take out, as one file, with the
filters of the list and the columns of an import."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.categories import with_all_below
from storage import AllOf, AnyOf, Filter, Prefix, ReadTx
from storage import In as OneOf
from web.api import companies, contacts, deals, leads
from web.api.call import Call, In, Route
from web.api.input import Id, Line, Moment
from web.downloads import Format, export


class LeadExport(In, frozen=True, kw_only=True):
    """The filters of the list, but for paging."""

    format: Format = "csv"
    stage: Line | None = None
    owner_id: Id | None = None
    queue: Id | None = None
    open: bool | None = None
    channel: Line | None = None
    phone: Line | None = None
    email: Line | None = None
    q: Line | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None


class ContactExport(In, frozen=True, kw_only=True):
    """The filters of the list that narrow it; somebody who is sought by phone, email or name is not exported."""

    format: Format = "csv"
    company_id: Id | None = None
    owner_id: Id | None = None
    segment: Id | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None


class CompanyExport(In, frozen=True, kw_only=True):
    """The filters of the list, but for paging."""

    format: Format = "csv"
    q: Line | None = None
    inn: Line | None = None
    owner_id: Id | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None
    segment: Id | None = None


class DealExport(In, frozen=True, kw_only=True):
    """The filters of the list, but for paging."""

    format: Format = "csv"
    pipeline: Id | None = None
    stage: Line | None = None
    open: bool | None = None
    owner_id: Id | None = None
    person_id: Id | None = None
    company_id: Id | None = None
    lead_id: Id | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None


class ProductExport(In, frozen=True, kw_only=True):
    """The filters of the list, but for paging."""

    format: Format = "csv"
    q: Line | None = None
    """Beginning of the SKU or of the name."""
    category_id: Id | None = None
    active: bool = True


def _given(call: Call[Any, None], *but: str) -> dict[str, Any]:
    return {name: value for name, value in call.query.given().items() if name not in ("format", *but)}


async def export_leads(call: Call[LeadExport, None]) -> web.StreamResponse:
    """The same columns as an import takes."""
    query = leads.LeadQuery(**_given(call))
    return await _export(call, "leads", lambda tx, actor: leads.filter_of(tx, actor, query))


async def export_contacts(call: Call[ContactExport, None]) -> web.StreamResponse:
    """The same columns as an import takes."""
    query = contacts.ContactQuery(**_given(call, "created_from", "created_to"))
    made = deals.created_between(call.query.created_from, call.query.created_to)
    return await _export(
        call, "contacts", lambda tx, actor: AllOf((contacts.filter_of(tx, actor, query), *made))
    )  # fmt: skip


async def export_companies(call: Call[CompanyExport, None]) -> web.StreamResponse:
    """The same columns as an import takes."""
    query = companies.CompanyQuery(**_given(call))
    return await _export(call, "companies", lambda tx, actor: companies.filter_of(tx, actor, query))


async def export_deals(call: Call[DealExport, None]) -> web.StreamResponse:
    """The same columns as an import takes."""
    query = deals.DealQuery(**_given(call))
    return await _export(call, "deals", lambda tx, actor: deals.filter_of(tx, actor, query))


async def export_products(call: Call[ProductExport, None]) -> web.StreamResponse:
    """The same columns as an import takes."""
    return await _export(call, "products", partial(_products, query=call.query))


def _products(tx: ReadTx, actor: Actor, query: ProductExport) -> Filter:
    where: list[Filter] = [{"active": query.active}]
    if query.category_id is not None:
        where.append({"category_id": OneOf(with_all_below(tx, query.category_id))})
    if key := " ".join((query.q or "").split()).lower():
        where.append(AnyOf(({"sku_key": Prefix(key)}, {"name_key": Prefix(key)})))
    return AllOf(tuple(where))


async def _export(call: Call[Any, None], key: str, where: Any) -> web.StreamResponse:
    return await export(call.request, call.services, call.actor, key, call.query.format, where)


ROUTES = (
    Route("GET", "/leads/export", export_leads, "Выгрузить лиды", "lead.export", media="text/csv"),
    Route("GET", "/contacts/export", export_contacts, "Выгрузить контакты", "contact.export", media="text/csv"),
    Route("GET", "/companies/export", export_companies, "Выгрузить компании", "company.export", media="text/csv"),
    Route("GET", "/deals/export", export_deals, "Выгрузить сделки", "deal.export", media="text/csv"),
    Route("GET", "/products/export", export_products, "Выгрузить товары", "product.export", media="text/csv"),
)
