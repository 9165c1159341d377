"""The catalogue as a page: a list with search, a card and a form in the dialog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.categories import Category, create_category, list_categories, path_to
from crm_core.errors import Invalid
from crm_core.money import AmountError, Money, parse_money, typed_money
from crm_core.prices import ProductPrice, price_history
from crm_core.products import (
    Product,
    archive_product,
    create_product,
    edit_product,
    get_product,
    list_products,
    restore_product,
)
from crm_core.rights import Action
from crm_core.trade import Trade, local_day
from storage import ReadTx
from web.api.call import MAX_VERSION_DIGITS
from web.pages.actions import done, form_of, toast
from web.pages.i18n import mark
from web.pages.render import Reader, page, part, reader, wants_part

PAGE = 50
HISTORY = 20
MAX_CATEGORIES = 2000
"""Shown in the choice."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A category in the order of the tree, with its depth from 0."""

    id: str
    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """One stretch of the list."""

    items: list[Product]
    next: str | None
    branches: list[Branch]


@dataclass(frozen=True, slots=True)
class Card:
    product: Product
    path: list[Category]
    history: list[ProductPrice]
    branches: list[Branch] = field(default_factory=list)


def branches_of(tx: ReadTx, actor: Actor) -> list[Branch]:
    """Live categories, each before those in it, neighbours by name."""
    below: dict[str | None, list[Category]] = {}
    for each in list_categories(tx, actor, {"active": True}, limit=MAX_CATEGORIES):
        below.setdefault(each.parent_id, []).append(each)

    def walk(parent: str | None, depth: int) -> Iterable[Branch]:
        for each in below.get(parent, ()):
            yield Branch(each.id, each.name, depth)
            yield from walk(each.id, depth + 1)

    return list(walk(None, 0))


def shelf(tx: ReadTx, actor: Actor, query: Mapping[str, str]) -> Shelf:
    """Products by the filters of the address."""
    found = list_products(
        tx, actor, text=query.get("q", ""), category_id=query.get("category") or None,
        active=query.get("state") != "archive", limit=PAGE, after=query.get("after") or None,
    )  # fmt: skip
    return Shelf(found.items, found.next, branches_of(tx, actor))


def card(tx: ReadTx, actor: Actor, product_id: str) -> Card:
    """The product with its place in the tree and its last prices."""
    product = get_product(tx, actor, product_id)
    history = price_history(tx, actor, product.id, limit=HISTORY)
    return Card(product, path_to(tx, product.category_id), history, branches_of(tx, actor))


async def products_page(request: web.Request) -> web.Response:
    """`GET /products`."""
    who = await reader(request)
    query = {key: value for key, value in request.query.items() if "\0" not in value}
    rows = await who.read(shelf, who.actor, query)
    context = {
        "rows": rows,
        "query": query,
        "base": dict(query),
        "names": {each.id: each.name for each in rows.branches},
    }
    if wants_part(request):
        return part(request, who, f"products/{'rows' if query.get('after') else 'list'}.html", **context)
    return await page(request, who, "products/page.html", "products", **context)


async def product_part(request: web.Request) -> web.Response:
    """`GET /products/{id}`: the card, for the dialog."""
    who = await reader(request)
    found = await who.read(card, who.actor, request.match_info["id"])
    return part(request, who, "products/card.html", card=found, product=found.product)


async def new_part(request: web.Request) -> web.Response:
    """`GET /products/new`: an empty form, for the dialog."""
    who = await reader(request)
    check(who.actor, "product", Action.CREATE)
    return await _form(request, who, None, {})


async def edit_part(request: web.Request) -> web.Response:
    """`GET /products/{id}/edit`: the form, for the dialog."""
    who = await reader(request)
    product = await who.read(get_product, who.actor, request.match_info["id"])
    check(who.actor, "product", Action.UPDATE)
    return await _form(request, who, product, _written(product))


def _written(product: Product) -> dict[str, str]:
    """A product as its form shows it."""
    return {
        "name": product.name,
        "sku": product.sku or "",
        "category_id": product.category_id or "",
        "unit": product.unit,
        "vat": product.vat or "",
        "description": product.description,
        "fields": "\n".join(f"{key}: {value}" for key, value in product.fields.items()),
        "version": str(product.version),
    } | {f"price.{key}": typed_money(price.amount, price.currency) for key, price in product.prices.items()}


async def _form(
    request: web.Request, who: Reader, product: Product | None, given: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
) -> web.Response:  # fmt: skip
    trade = who.services.desk.company.trade
    day = local_day(who.look.now, who.services.desk.company.timezone)
    rates = trade.vat.on(day)
    context: dict[str, Any] = {"trade": trade, "rates": rates, "usual": trade.vat.chosen(None, day)}
    context["branches"] = await who.read(branches_of, who.actor)
    return part(request, who, "products/form.html", product=product, given=given, errors=errors or {}, **context)


async def add(request: web.Request) -> web.Response:
    """`POST /products`."""
    who, form = await reader(request), await form_of(request)
    check(who.actor, "product", Action.CREATE)
    company = who.services.desk.company
    try:
        values = _values(form, None, company.trade)
        await who.write(create_product, who.actor, company, values)
    except Invalid as error:
        return await _form(request, who, None, form, error.fields)
    return _saved(who, mark("Товар добавлен"))


async def change(request: web.Request) -> web.Response:
    """`POST /products/{id}`: the whole form."""
    who, form = await reader(request), await form_of(request)
    company = who.services.desk.company
    product = await who.read(get_product, who.actor, request.match_info["id"])
    check(who.actor, "product", Action.UPDATE)
    seen = form.get("version", "")
    version = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) <= MAX_VERSION_DIGITS else None
    try:
        values = _values(form, product, company.trade)
        await who.write(edit_product, who.actor, company, product.id, values, version)
    except Invalid as error:
        return await _form(request, who, product, form, error.fields)
    return _saved(who, mark("Товар сохранён"))


def _values(form: Mapping[str, str], product: Product | None, trade: Trade) -> dict[str, Any]:
    """What the form says. `Invalid` names prices and characteristics that cannot be read."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {name: form[name] for name in ("name", "sku", "unit") if name in form}
    values |= {name: form[name] or None for name in ("category_id", "vat") if name in form}
    values |= {"description": form["description"].replace("\r\n", "\n").strip()} if "description" in form else {}
    prices: dict[str, Money | None] = {}
    for each in trade.price_types:
        typed = form.get(f"price.{each.key}")
        try:
            if typed is not None:
                prices[each.key] = parse_money(typed) if typed.strip() else None
        except AmountError as error:
            wrong[f"prices.{each.key}"] = str(error)
    fields = _fields(form.get("fields", ""), wrong)
    if product is not None and "fields" in form:
        fields = dict.fromkeys(product.fields) | fields
    if wrong:
        raise Invalid(wrong)
    return values | {"prices": prices, "fields": fields}


def _fields(text: str, wrong: dict[str, str]) -> dict[str, str | None]:
    """«Мощность: 15 кВт», one per line."""
    found: dict[str, str | None] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not key or not value:
            wrong["fields"] = f"Не понимаю строку «{line[:60]}»: пишите «Мощность: 15 кВт», по одной в строке"
        found[key] = value
    return found


def _saved(who: Reader, text: str) -> web.Response:
    return done(**{"products:changed": {}, "close-dialog": {}, "toast": toast(who, text)})


async def archive(request: web.Request) -> web.Response:
    """`POST /products/{id}/archive`; the toast offers to take it back."""
    who, product_id = await reader(request), request.match_info["id"]
    await who.write(archive_product, who.actor, product_id)
    note = toast(who, "Товар в архиве", undo=f"/products/{product_id}/restore")
    return done(**{"products:changed": {}, "close-dialog": {}, "toast": note})


async def restore(request: web.Request) -> web.Response:
    """`POST /products/{id}/restore`."""
    who = await reader(request)
    await who.write(restore_product, who.actor, request.match_info["id"])
    return _saved(who, mark("Товар снова в продаже"))


async def categories_part(request: web.Request) -> web.Response:
    """`GET /products/categories`: the tree and a form for one more, for the dialog."""
    return await _categories(request, await reader(request), {}, {})


async def _categories(
    request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    branches = await who.read(branches_of, who.actor)
    return part(request, who, "products/categories.html", branches=branches, given=given, errors=errors)


async def add_category(request: web.Request) -> web.Response:
    """`POST /products/categories`: the dialog again, with the new one in it."""
    who, form = await reader(request), await form_of(request)
    try:
        await who.write(create_category, who.actor, form.get("name", ""), form.get("parent_id") or None)
    except Invalid as error:
        return await _categories(request, who, form, error.fields)
    answer = await _categories(request, who, {}, {})
    answer.headers["HX-Trigger"] = "products:changed"
    return answer
