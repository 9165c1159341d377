"""VAT rates, units of measure and price types of a preset, and the catalogue of the demo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel

from crm_core.money import AmountError, parse_money
from crm_core.trade import PIECE, RETAIL, WITHOUT_VAT, PriceType, Trade, Unit, Vat, VatRate
from firstline.build_people import once, refers
from firstline.build_rules import read_rows
from firstline.draft import Draft, Place
from firstline.problems import nearest
from firstline.settings_models import DemoCategory, DemoProduct, PriceTypeRow, UnitRow, VatRow

M = TypeVar("M", bound=BaseModel)


def read_trade(draft: Draft) -> Trade:
    """`[vat]`, `[[units]]` and `[[price_types]]`; what a preset leaves out is the least there can be."""
    return Trade(vat=_vat(draft), units=_units(draft), price_types=_price_types(draft))


def _vat(draft: Draft) -> Vat:
    table = draft.table("vat")
    if not table:
        return Vat()
    for key in table.keys() - {"rates", "usual"}:
        draft.report(("vat", key), "такого ключа нет", nearest(key, ("rates", "usual")))
    rows = _inner_rows(draft, ("vat", "rates"), VatRow)
    once(draft, [(("vat", "rates", number, "key"), row.key) for number, row in enumerate(rows)], "ключ")
    for number, row in enumerate(rows):
        if row.since and row.until and row.until < row.since:
            draft.report(("vat", "rates", number, "until"), "ставка кончается раньше, чем начинается", "исправьте даты")
    rates = [VatRate(row.key, row.title, row.percent, row.since, row.until) for row in rows] or [WITHOUT_VAT]
    return Vat(rates, _usual(draft, table.get("usual"), rates))


def _usual(draft: Draft, names: object, rates: Sequence[VatRate]) -> tuple[str, ...]:
    """Rates that are meant when nobody chose; on every day one of them must hold."""
    place: Place = ("vat", "usual")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        draft.report(place, "нужен список ключей ставок", 'например ["vat22", "vat20"]')
        return (rates[0].key,)
    refers(draft, place, "ставки", names, [rate.key for rate in rates])
    chosen = [rate for rate in rates if rate.key in names]
    if len(chosen) < len(set(names)):
        return (rates[0].key,)
    if not any(rate.since is None for rate in chosen):
        draft.report(place, "для прежних дней нет ставки", "добавьте ставку без since")
    for day in sorted(rate.until + timedelta(days=1) for rate in chosen if rate.until):
        if not any(rate.holds(day) for rate in chosen):
            draft.report(place, f"на {day:%d.%m.%Y} нет ставки", "добавьте ставку, которая тогда действует")
    return tuple(names)


def _units(draft: Draft) -> tuple[Unit, ...]:
    rows = read_rows(draft, "units", UnitRow)
    once(draft, [(("units", number, "code"), row.code) for number, row in enumerate(rows)], "код ОКЕИ")
    return tuple(Unit(row.code, row.title, row.name) for row in rows) or (PIECE,)


def _price_types(draft: Draft) -> tuple[PriceType, ...]:
    rows = read_rows(draft, "price_types", PriceTypeRow)
    once(draft, [(("price_types", number, "key"), row.key) for number, row in enumerate(rows)], "ключ")
    return tuple(PriceType(row.key, row.title, row.vat_included) for row in rows) or (RETAIL,)


def read_demo_categories(draft: Draft) -> tuple[DemoCategory, ...]:
    """`[[demo.categories]]`: each parent stands before its children, so there are no circles."""
    rows = _inner_rows(draft, ("demo", "categories"), DemoCategory)
    once(draft, [(("demo", "categories", number, "key"), row.key) for number, row in enumerate(rows)], "ключ")
    for number, row in enumerate(rows):
        if row.parent is not None:
            before = [each.key for each in rows[:number]]
            refers(draft, ("demo", "categories", number, "parent"), "категории выше по списку", [row.parent], before)
    return tuple(rows)


def read_demo_products(draft: Draft, categories: Sequence[DemoCategory]) -> tuple[DemoProduct, ...]:
    """`[[demo.products]]` with categories, units, VAT rates and price types that exist."""
    rows, trade = _inner_rows(draft, ("demo", "products"), DemoProduct), read_trade(draft)
    once(draft, [(("demo", "products", number, "sku"), row.sku.lower()) for number, row in enumerate(rows)], "артикул")
    for number, row in enumerate(rows):
        place: Place = ("demo", "products", number)
        refers(draft, (*place, "category"), "категории", [row.category], [each.key for each in categories])
        refers(draft, (*place, "unit"), "единицы", [row.unit] if row.unit else [], [each.code for each in trade.units])
        refers(draft, (*place, "vat"), "ставки", [row.vat] if row.vat else [], [each.key for each in trade.vat.rates])
        refers(draft, (*place, "prices"), "вида цен", row.prices, [each.key for each in trade.price_types])
        for key, text in row.prices.items():
            try:
                parse_money(text)
            except AmountError as error:
                draft.report((*place, "prices", key), "сумма не понята", str(error))
    return tuple(rows)


def _inner_rows(draft: Draft, place: tuple[str, str], model: type[M]) -> list[M]:
    """The rows of an array of tables inside a table; those with mistakes are reported and left out."""
    rows = draft.table(place[0]).get(place[1], [])
    if not isinstance(rows, list):
        draft.report(place, "нужен список таблиц", f"каждая начинается строкой [[{'.'.join(place)}]]")
        return []
    found = [draft.read(model, data, (*place, number)) for number, data in enumerate(rows)]
    return [row for row in found if row is not None]
