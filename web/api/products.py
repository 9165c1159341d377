"""`/products`: the catalogue, its prices and how they changed, its pictures."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Invalid, Missing
from crm_core.money import RUB, AmountError, Money, parse_money
from crm_core.prices import PRODUCT_PRICES, ProductPrice, price_at, price_history
from crm_core.products import (
    Product,
    archive_product,
    create_product,
    edit_product,
    get_product,
    list_products,
    restore_product,
)
from crm_core.timeline import File
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.files import attachments_of, head_of, serving_headers
from web.api.input import Fields, Id, Line, ListQuery, Moment, Text
from web.api.shapes import FileOut, same
from web.problems import Problem


class MoneyIn(In, frozen=True, kw_only=True):
    amount: Annotated[str, Meta(max_length=60, examples=["1250000.50"])]
    """A decimal string; what people type is understood too."""
    currency: Annotated[str, Meta(max_length=3)] = RUB


class MoneyOut(Out, frozen=True, kw_only=True):
    amount: Decimal
    currency: str


Prices = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=40)], MoneyIn | None], Meta(max_length=20)]


class ProductOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    name: str
    sku: str | None
    category_id: str | None
    unit: str
    unit_title: str
    vat: str | None
    prices: dict[str, MoneyOut]
    description: str
    pictures: tuple[FileOut, ...]
    fields: dict[str, str]
    active: bool
    external_ids: dict[str, str]
    created_at: datetime
    updated_at: datetime


class PriceOut(Out, frozen=True, kw_only=True):
    id: str
    price_type: str
    amount: Decimal | None
    """Null: from then on there was no price."""
    currency: str
    since: datetime
    author_id: str | None
    author: str


def show_money(money: Money) -> MoneyOut:
    return MoneyOut(amount=money.amount, currency=money.currency)


def show_product(company: Company, product: Product) -> ProductOut:
    pictures = tuple(
        FileOut(id=f.id, name=f.name, type=f.type, size=f.size, url=f"/api/v1/products/{product.id}/pictures/{f.id}")
        for f in product.pictures
    )
    prices = {key: show_money(price) for key, price in product.prices.items()}
    title = company.trade.unit_title(product.unit)
    return same(ProductOut, product, prices=prices, pictures=pictures, unit_title=title)


def read_money(field: str, given: MoneyIn) -> Money:
    """The sum, or `Invalid` that names the field."""
    try:
        return parse_money(given.amount, given.currency)
    except AmountError as error:
        raise Invalid({field: str(error)}) from error


class ProductQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["name", "-name"] = "name"
    q: Line | None = None
    """Beginning of the SKU or of the name; SKUs come first then, and `sort` says nothing."""
    category_id: Id | None = None
    """With everything below it."""
    active: bool = True


async def list_(call: Call[ProductQuery, None]) -> Page[ProductOut]:
    return await call.read(_list, call.company, call.query)


def _list(tx: ReadTx, actor: Actor, company: Company, query: ProductQuery) -> Page[ProductOut]:
    found = list_products(
        tx, actor, text=query.q or "", category_id=query.category_id, active=query.active, sort=f"{query.sort}_key",
        limit=query.limit, after=query.cursor,
    )  # fmt: skip
    return Page(items=[show_product(company, product) for product in found.items], next=found.next)


class NewProduct(In, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=300)]
    sku: Line | None = None
    category_id: Id | None = None
    unit: Line | None = None
    """Code of ОКЕИ; the first of the company when absent."""
    vat: Line | None = None
    """Key of the rate; null: the usual one of the day of the sale."""
    prices: Prices = {}
    description: Text = ""
    pictures: Annotated[list[Annotated[str, Meta(max_length=2000)]], Meta(max_length=20)] = []
    """Ids of uploaded files."""
    fields: Fields = {}


class ProductPatch(In, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=300)] | UnsetType = UNSET
    sku: Line | UnsetType | None = UNSET
    category_id: Id | UnsetType | None = UNSET
    unit: Line | UnsetType = UNSET
    vat: Line | UnsetType | None = UNSET
    prices: Prices | UnsetType = UNSET
    """Those to change; null takes one away."""
    description: Text | UnsetType = UNSET
    pictures: Annotated[list[Annotated[str, Meta(max_length=2000)]], Meta(max_length=20)] | UnsetType = UNSET
    """All of them from now on: ids of pictures that are there, and of uploaded files."""
    fields: Fields | UnsetType = UNSET
    """Those to change; null or an empty text clears one."""


async def create(call: Call[None, NewProduct]) -> ProductOut:
    """The SKU must be free among products that are not in the archive."""
    values = await _values(call, call.body.given(), ())
    if values["unit"] is None:
        values["unit"] = call.company.trade.units[0].code
    return show_product(call.company, await call.write(create_product, call.company, values))


async def _values(call: Call[None, Any], given: dict[str, Any], present: tuple[File, ...]) -> dict[str, Any]:
    if "prices" in given:
        given["prices"] = _prices(given["prices"])
    if "pictures" in given:
        given["pictures"] = await _pictures(call, given["pictures"], present)
    return given


def _prices(given: dict[str, MoneyIn | None]) -> dict[str, Money | None]:
    found: dict[str, Money | None] = {}
    wrong: dict[str, str] = {}
    for key, price in given.items():
        try:
            found[key] = read_money(f"prices.{key}", price) if price is not None else None
        except Invalid as error:
            wrong |= error.fields
    if wrong:
        raise Invalid(wrong)
    return found


async def _pictures(call: Call[None, Any], ids: list[str], present: tuple[File, ...]) -> tuple[File, ...]:
    """Pictures that are there already, and uploads that turn out to be pictures."""
    known = {file.id: file for file in present}
    found, wrong = [], {}
    for number, id in enumerate(ids):
        file = known.get(id) or await _uploaded(call, id)
        if file is None:
            wrong[f"pictures[{number}]"] = "Это не картинка, или файл загружен не вами: загрузите PNG, JPEG, GIF, WebP"
        else:
            found.append(file)
    if wrong:
        raise Invalid(wrong)
    return tuple(found)


async def _uploaded(call: Call[None, Any], id: str) -> File | None:
    try:
        (file,) = await attachments_of(call.store, call.actor, [id])
    except Problem:
        return None
    headers = serving_headers(file.name, await asyncio.to_thread(head_of, Path(call.store.blobs.path(file.blob))))
    type = headers["Content-Type"]
    return File(id=file.blob, name=file.name, type=type, size=file.size) if type.startswith("image/") else None


async def read(call: Call[None, None]) -> ProductOut:
    return show_product(call.company, await call.read(get_product, call.id))


async def patch(call: Call[None, ProductPatch]) -> ProductOut:
    """`If-Match: VERSION` refuses a change of what somebody else has changed meanwhile."""
    present = (await call.read(get_product, call.id)).pictures
    changes = await _values(call, call.body.given(), present)
    return show_product(call.company, await call.write(edit_product, call.company, call.id, changes, call.if_match))


async def archive(call: Call[None, None]) -> ProductOut:
    """Out of lists and of choice; where it was sold it stays."""
    return show_product(call.company, await call.write(archive_product, call.id))


async def restore(call: Call[None, None]) -> ProductOut:
    """`409` when its SKU belongs to another product by now."""
    return show_product(call.company, await call.write(restore_product, call.id))


class PriceQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["since", "-since"] = "-since"
    price_type: Line | None = None


async def prices(call: Call[PriceQuery, None]) -> Page[PriceOut]:
    """Every change of the prices, newest first."""
    return await call.read(_history, call.id, call.query)


def _history(tx: ReadTx, actor: Actor, product_id: str, query: PriceQuery) -> Page[PriceOut]:
    get_product(tx, actor, product_id)
    rows = price_history(
        tx, actor, product_id, query.price_type, sort=query.sort, limit=query.limit + 1, after=query.cursor
    )
    return page_of(tx, PRODUCT_PRICES, rows, query.limit, query.sort, show_price)


def show_price(row: ProductPrice) -> PriceOut:
    return same(PriceOut, row)


class NewPrice(In, frozen=True, kw_only=True):
    price_type: Id
    price: MoneyIn | None
    """Null: no price from now on."""


async def set_price(call: Call[None, NewPrice]) -> ProductOut:
    """One price, from now on."""
    body = call.body
    changes = {"prices": {body.price_type: read_money("price", body.price) if body.price else None}}
    return show_product(call.company, await call.write(edit_product, call.company, call.id, changes, call.if_match))


class HeldQuery(In, frozen=True, kw_only=True):
    price_type: Id
    at: Moment


class HeldOut(Out, frozen=True, kw_only=True):
    price: MoneyOut | None


async def held(call: Call[HeldQuery, None]) -> HeldOut:
    """The price that held at a moment; null when there was none."""
    return await call.read(_held, call.id, call.query)


def _held(tx: ReadTx, actor: Actor, product_id: str, query: HeldQuery) -> HeldOut:
    get_product(tx, actor, product_id)
    found = price_at(tx, actor, product_id, query.price_type, query.at)
    return HeldOut(price=show_money(found) if found else None)


async def picture(call: Call[None, None]) -> web.StreamResponse:
    """The content of a picture."""
    file = await call.read(_picture, call.id, call.ids["blob"])
    path = Path(call.store.blobs.path(file.id))
    return web.FileResponse(path, headers=serving_headers(file.name, await asyncio.to_thread(head_of, path)))


def _picture(tx: ReadTx, actor: Actor, product_id: str, blob: str) -> File:
    for file in get_product(tx, actor, product_id).pictures:
        if file.id == blob:
            return file
    raise Missing("Такой картинки нет")


ROUTES = (
    Route("GET", "/products", list_, "Товары с отбором", "product.read"),
    Route("POST", "/products", create, "Добавить товар", "product.create", 201),
    Route("GET", "/products/{id}", read, "Товар", "product.read"),
    Route("PATCH", "/products/{id}", patch, "Изменить товар", "product.update"),
    Route("POST", "/products/{id}/archive", archive, "Убрать в архив", "product.update"),
    Route("POST", "/products/{id}/restore", restore, "Вернуть из архива", "product.update"),
    Route("GET", "/products/{id}/prices", prices, "Как менялись цены", "product.read"),
    Route("POST", "/products/{id}/prices", set_price, "Назначить цену", "product.update", 201),
    Route("GET", "/products/{id}/prices/held", held, "Какая цена действовала", "product.read"),
    Route(
        "GET", "/products/{id}/pictures/{blob}", picture, "Картинка товара", "product.read",
        media="application/octet-stream",
    ),
)  # fmt: skip
