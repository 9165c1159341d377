"""Products in tables. A category is a path, «Станки / Токарные», and is made on the way where it is not there yet.

Lines of deals hold their product inside, so nobody can say at once whether one is in use: an undone import puts what it
made into the archive, out of lists and of choice, and its categories too where nothing else is in them. An export that
nothing narrows leaves the archive out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.categories import (
    CATEGORIES,
    MAX_DEPTH,
    MAX_NAME,
    Category,
    archive_category,
    create_category,
    path_to,
)
from crm_core.company import Company
from crm_core.errors import CoreError, Invalid
from crm_core.money import Money
from crm_core.products import PRODUCTS, Product, archive_product, by_sku, create_product, edit_product
from crm_core.rights import Action
from crm_core.sheets.kinds import Field, RecordRef, Unreadable, Updated, marks_of
from crm_core.sheets.writing import Cell
from crm_core.trade import Trade
from router.sheets.cells import (
    CURRENCY_NAMES,
    differing,
    in_currency,
    kept_words,
    parse_currency,
    parse_sum,
    parse_text,
    stored,
)
from storage import Filter, ReadTx, Tx

TOUCHED = "Товар изменили после загрузки: он оставлен"
_SPACED = re.compile(r"\s+[/\\>|»→]\s+")
_STEPS = re.compile(r"\s*[/\\>|»→]\s*")
_STATE = {"name": "Название", "sku": "Артикул", "category_id": "Категория", "unit": "Единица", "vat": "НДС",
          "description": "Описание", "prices": "Цены"}  # fmt: skip
"""What an update may change, and an undo gives back."""


def parse_unit(text: str, company: Company) -> str:
    """Code of ОКЕИ of the unit with this code, short or full name."""
    wanted = text.casefold().rstrip(". ")
    for unit in company.trade.units:
        if wanted in (unit.code, unit.title.casefold().rstrip("."), unit.name.casefold()):
            return unit.code
    raise Unreadable(f"Такой единицы нет; есть {', '.join(unit.title for unit in company.trade.units)}")


def parse_vat(text: str, company: Company) -> str:
    """Key of the rate with this key, title or percentage: «НДС 20%», «20», «без НДС»."""
    rates = company.trade.vat.rates
    plain = "".join(text.casefold().split())
    bare = plain.replace("ндс", "").replace("%", "").replace(",", ".")
    for rate in rates:
        if plain in (rate.key.casefold(), "".join(rate.title.casefold().split())):
            return rate.key
        if rate.percent is not None and bare in (f"{rate.percent:f}", f"{rate.percent:f}.0", f"{rate.percent:f}.00"):
            return rate.key
    raise Unreadable(f"Такой ставки НДС нет; есть {', '.join(rate.title for rate in rates)}")


_FIXED = (
    Field("sku", "Артикул", ("SKU", "Артикул товара", "Vendor code", "Item number"), example="ТВ-320"),
    Field("name", "Название", ("Наименование", "Товар", "Номенклатура", "Название товара", "Наименование товара",
                               "Name", "Product", "Product name"), required=True, example="Станок токарный"),
    Field("category", "Категория", ("Категория товара", "Раздел", "Группа", "Группа товаров", "Папка", "Category",
                                    "Section"), example="Станки / Токарные"),
    Field("unit", "Единица", ("Единица измерения", "Ед", "Ед изм", "Unit", "Measure"), parse=parse_unit, example="шт"),
    Field("vat", "НДС", ("Ставка НДС", "НДС %", "VAT", "VAT rate", "Tax", "Налог"), parse=parse_vat, example="20 %"),
    Field("currency", "Валюта", CURRENCY_NAMES, parse=parse_currency, example="RUB"),
    Field("description", "Описание", ("Описание товара", "Детальное описание", "Описание для анонса", "Description"),
          parse=parse_text),
)  # fmt: skip
_FIRST_PRICE = ("Цена", "Стоимость", "Базовая цена", "Цена продажи", "Price", "Base price")


def _price_fields(trade: Trade) -> list[Field]:
    return [
        Field(
            f"prices.{each.key}",
            f"Цена: {each.title.lower()}",
            (f"{each.title} цена", f"Цена {each.title}", f"{each.key} price", *(_FIRST_PRICE if n == 0 else ())),
            parse=parse_sum,
            example="12 500,50",
        )
        for n, each in enumerate(trade.price_types)
    ]


class Products:
    """See `ImportKind`."""

    key = "products"
    entity = "product"
    title = "Товары"
    collection = PRODUCTS
    duplicates: Mapping[str, str] = {"sku": "Артикул", "name": "Название (если артикула нет)"}

    def fields(self, company: Company) -> Sequence[Field]:
        return (*_FIXED, *_price_fields(company.trade))

    def marks(self, values: Mapping[str, Any], rule: Sequence[str]) -> list[tuple[str, Any]]:
        return marks_of(values, [key for key in rule if key == "sku" or "sku" not in values])

    def find_duplicate(self, tx: ReadTx, values: Mapping[str, Any], rule: Sequence[str]) -> str | None:
        found = None
        if "sku" in values:
            found = by_sku(tx, values["sku"]) if "sku" in rule else None
        elif "name" in rule:
            found = tx.first(PRODUCTS, {"active": True, "name_key": values["name"].lower()})
        return found.id if found else None

    def create(self, tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> RecordRef:
        known, missing = _place(tx, actor, values)
        unit = {"unit": company.trade.units[0].code}
        place = {"category_id": known} if not missing else {}
        product = create_product(tx, actor, company, {**unit, **_card(values), **place})
        made = _make(tx, actor, known, missing)
        if made:
            product = edit_product(tx, actor, company, product.id, {"category_id": made[-1]})
        return RecordRef(product.id, True, {}, _state(product) | {"made": made})

    def update(self, tx: Tx, actor: Actor, company: Company, record: str, values: Mapping[str, Any]) -> Updated:
        known, missing = _place(tx, actor, values)
        before = tx.require(PRODUCTS, record)
        place = {"category_id": known} if known and not missing else {}
        after = edit_product(tx, actor, company, record, _card(values) | place)
        if made := _make(tx, actor, known, missing):
            after = edit_product(tx, actor, company, record, {"category_id": made[-1]})
        former, present = differing(_state(before), _state(after))
        return Updated(former, present | {"made": made} if made else present)

    def undo(self, tx: Tx, actor: Actor, company: Company, record: RecordRef) -> str | None:
        product = tx.get(PRODUCTS, record.id)
        if product is None:
            return None if record.created else "Товара больше нет"
        note = self._take_back(tx, actor, company, product, record)
        for category_id in reversed(record.after.get("made", ())):
            _empty(tx, actor, category_id)
        return note

    def _take_back(
        self, tx: Tx, actor: Actor, company: Company, product: Product, record: RecordRef
    ) -> str | None:  # fmt: skip
        now = stored(_state(product))
        if record.created:
            if any(record.after[key] != value for key, value in now.items()):
                return TOUCHED
            if product.active:
                archive_product(tx, actor, product.id)
            return None
        back = {key: value for key, value in record.before.items() if now[key] == record.after[key]}
        if "prices" in back:
            former = _prices(back["prices"])
            back["prices"] = {key: former.get(key) for key in {*former, *product.prices}}
        if back:
            edit_product(tx, actor, company, product.id, back)
        return kept_words([_STATE[key] for key in record.before if key not in back])

    def export_page(
        self, tx: ReadTx, actor: Actor, company: Company, where: Filter, after: str | None, limit: int
    ) -> tuple[list[tuple[str, list[Cell]]], str | None]:
        check(actor, self.entity, Action.READ)
        check(actor, self.entity, Action.EXPORT)
        found = tx.find(PRODUCTS, where or {"active": True}, sort="name_key", limit=limit, after=after)
        paths: dict[str | None, str] = {}
        rows = [(each.id, _cells(tx, company, each, paths)) for each in found]
        return rows, tx.cursor_after(PRODUCTS, found[-1], "name_key") if len(found) == limit else None


def _card(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the core takes: without the path, with the prices in one."""
    prices = {
        key.partition(".")[2]: in_currency(value, values)
        for key, value in values.items()
        if key.startswith("prices.")
    }  # fmt: skip
    own = {key: value for key, value in values.items() if key in _STATE}
    return own | ({"prices": prices} if prices else {})


def _place(tx: ReadTx, actor: Actor, values: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The deepest category of the path that there is, and the names that are to be made below it. Refuses what cannot
    be made, before anything is written."""
    text = values.get("category")
    if not text:
        return None, []
    whole = _child(tx, None, text)
    if whole is not None:
        return whole.id, []
    names = [name for name in (_SPACED if _SPACED.search(text) else _STEPS).split(text) if name.strip()]
    if not names or len(names) > MAX_DEPTH or any(len(name) > MAX_NAME for name in names):
        raise Invalid({"category": f"Нужен путь не глубже {MAX_DEPTH} уровней: «Станки / Токарные»"})
    known: str | None = None
    while names and (found := _child(tx, known, names[0])) is not None:
        known, names = found.id, names[1:]
    if names:
        check(actor, "product", Action.CREATE)
    return known, names


def _child(tx: ReadTx, parent_id: str | None, name: str) -> Category | None:
    found = tx.find(CATEGORIES, {"parent_id": parent_id, "name_key": " ".join(name.split()).lower()}, limit=20)
    return next((each for each in found if each.active), None)


def _make(tx: Tx, actor: Actor, parent_id: str | None, names: Sequence[str]) -> list[str]:
    """Ids of the new categories, from above."""
    made: list[str] = []
    for name in names:
        parent_id = create_category(tx, actor, name, parent_id).id
        made.append(parent_id)
    return made


def _empty(tx: Tx, actor: Actor, category_id: str) -> None:
    """Put a category that an import has made into the archive, when nothing is in it."""
    category = tx.get(CATEGORIES, category_id)
    if category is None or not category.active or tx.first(PRODUCTS, {"category_id": category_id, "active": True}):
        return
    try:
        archive_category(tx, actor, category_id)
    except CoreError:
        return  # others have put categories into it: it stays


def _prices(texts: Mapping[str, str]) -> dict[str, Money]:
    """Prices as `_state` writes them."""
    parted = {key: text.partition(" ") for key, text in texts.items()}
    return {key: Money(Decimal(amount), currency) for key, (amount, _, currency) in parted.items()}


def _state(product: Product) -> dict[str, Any]:
    prices = {key: f"{price.amount} {price.currency}" for key, price in product.prices.items()}
    return {key: getattr(product, key) for key in _STATE} | {"prices": prices}


def _cells(tx: ReadTx, company: Company, product: Product, paths: dict[str | None, str]) -> list[Cell]:
    if product.category_id not in paths:
        paths[product.category_id] = " / ".join(each.name for each in path_to(tx, product.category_id))
    trade = company.trade
    prices = [product.prices.get(each.key) for each in trade.price_types]
    currencies = {price.currency for price in prices if price is not None}
    alone = currencies.pop() if len(currencies) == 1 else None
    vat = next((rate.title for rate in trade.vat.rates if rate.key == product.vat), product.vat)
    shown: list[Cell] = [
        None if price is None else price.amount if alone else f"{price.amount} {price.currency}" for price in prices
    ]
    return [
        product.sku, product.name, paths[product.category_id] or None, trade.unit_title(product.unit), vat, alone,
        product.description or None, *shown,
    ]  # fmt: skip
