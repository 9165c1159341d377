"""Lines of a deal or an order, and what they add up to.

A line is a snapshot: name, price and the percent of its VAT are kept in it, so that neither a new price nor a new tax
law changes what was agreed. `totals(lines)` needs nothing but the lines.

Each line is rounded by itself, half up to kopecks, and totals are plain sums of lines: so the sum of the column is
always what stands below it. VAT on top is `net × rate / 100` (tax code, article 168 paragraph 1); VAT that is inside
the price is taken out by the calculated rate `total × rate / (100 + rate)` (article 164 paragraph 4), and net is the
rest, so that net and VAT make the total to the kopeck.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from crm_core.errors import Invalid
from crm_core.money import (
    CURRENCIES,
    EXACT,
    KOPECK,
    MAX_AMOUNT,
    MAX_QUANTITY,
    RUB,
    share,
    show_money,
    times,
    to_kopecks,
)
from crm_core.trade import HUNDRED, Trade

ZERO = Decimal("0.00")
MAX_LINES = 500
MAX_NAME = 500
QUANTITY_STEP, PERCENT_STEP = Decimal("0.001"), KOPECK


class Discount(msgspec.Struct, frozen=True):
    """Off the price times the quantity: a percent of it, or a sum in the line's currency."""

    kind: Literal["percent", "sum"]
    value: Decimal


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One position. Made by `checked_line`, which refuses what could not be added up."""

    id: str
    product_id: str | None = None
    name: str
    unit: str = "796"
    """Code of ОКЕИ."""
    quantity: Decimal = Decimal(1)
    price: Decimal
    """Of one unit, before the discount."""
    currency: str = RUB
    discount: Discount | None = None
    vat: str = "none"
    """Key of the rate."""
    vat_percent: Decimal | None = None
    """What the rate was when the line was written; None: «без НДС»."""
    vat_included: bool = True
    """Whether `price` has the VAT inside; else it comes on top."""


class LineSum(msgspec.Struct, frozen=True, kw_only=True):
    """What one line comes to. `gross - discount` is `total` when VAT is inside, else `net`; `net + vat == total`."""

    gross: Decimal
    discount: Decimal
    net: Decimal
    vat: Decimal
    total: Decimal


class VatSum(msgspec.Struct, frozen=True, kw_only=True):
    """All lines of one rate together."""

    key: str
    percent: Decimal | None
    net: Decimal
    vat: Decimal


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What lines add up to; `vat` is the sum of `by_rate`, lowest rate first."""

    currency: str = RUB
    gross: Decimal = ZERO
    discount: Decimal = ZERO
    net: Decimal = ZERO
    vat: Decimal = ZERO
    by_rate: tuple[VatSum, ...] = ()
    total: Decimal = ZERO


def line_sum(line: Line) -> LineSum:
    """Gross, discount, net, VAT and total of a line, each in whole kopecks."""
    gross = times(line.price, line.quantity)
    discount = discount_of(gross, line.discount)
    left = gross - discount
    percent = line.vat_percent or Decimal(0)
    if line.vat_included:
        vat = share(left, percent, HUNDRED + percent)
        return LineSum(gross=gross, discount=discount, net=left - vat, vat=vat, total=left)
    vat = share(left, percent, HUNDRED)
    return LineSum(gross=gross, discount=discount, net=left, vat=vat, total=left + vat)


def discount_of(gross: Decimal, discount: Discount | None) -> Decimal:
    """What is taken off, in whole kopecks."""
    if discount is None:
        return ZERO
    return share(gross, discount.value, HUNDRED) if discount.kind == "percent" else to_kopecks(discount.value)


def totals(lines: Iterable[Line]) -> Totals:
    """The sums of the lines, in whatever order they stand. `Invalid` when their currencies differ."""
    lines = tuple(lines)
    currencies = {line.currency for line in lines}
    if len(currencies) > 1:
        raise Invalid({"lines": f"В строках разные валюты: {', '.join(sorted(currencies))}. Нужна одна"})
    sums = [line_sum(line) for line in lines]
    return Totals(
        currency=next(iter(currencies), RUB),
        gross=_added(each.gross for each in sums),
        discount=_added(each.discount for each in sums),
        net=_added(each.net for each in sums),
        vat=_added(each.vat for each in sums),
        by_rate=_by_rate(lines, sums),
        total=_added(each.total for each in sums),
    )


def _added(values: Iterable[Decimal]) -> Decimal:
    found = ZERO
    for value in values:
        found = EXACT.add(found, value)
    return found


def _by_rate(lines: Sequence[Line], sums: Sequence[LineSum]) -> tuple[VatSum, ...]:
    found: dict[tuple[Decimal, str], list[LineSum]] = {}
    percents: dict[tuple[Decimal, str], Decimal | None] = {}
    for line, each in zip(lines, sums, strict=True):
        place = (Decimal(-1) if line.vat_percent is None else line.vat_percent, line.vat)
        found.setdefault(place, []).append(each)
        percents[place] = line.vat_percent
    return tuple(
        VatSum(
            key=place[1],
            percent=percents[place],
            net=_added(each.net for each in found[place]),
            vat=_added(each.vat for each in found[place]),
        )
        for place in sorted(found)
    )


def checked_line(trade: Trade, line: Line, day: date, *, was: Line | None = None) -> Line:
    """The line with its VAT percent filled in from the rate, fit to be added up and kept. `was` is the same line as it
    was kept before: a rate that it already had stays, though it may not hold any more. `Invalid` names each field."""
    wrong = _wrong_numbers(line) | _wrong_words(line)
    percent = None
    if was is not None and was.vat == line.vat:
        percent = was.vat_percent
    else:
        try:
            percent = trade.vat.chosen(line.vat, day).percent
        except Invalid as error:
            wrong |= error.fields
    if was is None or was.unit != line.unit:
        try:
            trade.unit(line.unit)
        except Invalid as error:
            wrong |= error.fields
    if wrong:
        raise Invalid(wrong)
    return msgspec.structs.replace(line, price=to_kopecks(line.price), vat_percent=percent)


def checked_lines(trade: Trade, lines: Sequence[Line], day: date, *, was: Sequence[Line] = ()) -> tuple[Line, ...]:
    """All lines of one deal. `Invalid` names fields as `lines[2].price`."""
    if len(lines) > MAX_LINES:
        raise Invalid({"lines": f"Не больше {MAX_LINES} строк"})
    before = {line.id: line for line in was}
    found: list[Line] = []
    wrong: dict[str, str] = {}
    for number, line in enumerate(lines):
        if any(each.id == line.id for each in found):
            wrong[f"lines[{number}].id"] = "Строка с таким id уже есть"
        try:
            found.append(checked_line(trade, line, day, was=before.get(line.id)))
        except Invalid as error:
            wrong |= {f"lines[{number}].{field}": text for field, text in error.fields.items()}
    if wrong:
        raise Invalid(wrong)
    if totals(found).total > MAX_AMOUNT:
        raise Invalid({"lines": "Слишком большой итог: нужно меньше триллиона"})
    return tuple(found)


def _wrong_words(line: Line) -> dict[str, str]:
    wrong = {}
    if not line.name.strip() or len(line.name) > MAX_NAME:
        wrong["name"] = f"Укажите наименование не длиннее {MAX_NAME} знаков"
    if line.currency not in CURRENCIES:
        wrong["currency"] = f"Такой валюты нет; есть {', '.join(CURRENCIES)}"
    return wrong


def _wrong_numbers(line: Line) -> dict[str, str]:
    wrong = {}
    if not _fits(line.quantity, QUANTITY_STEP, MAX_QUANTITY) or not line.quantity:
        wrong["quantity"] = "Нужно число больше нуля, не больше трёх знаков после запятой"
    if not _fits(line.price, KOPECK, MAX_AMOUNT):
        wrong["price"] = "Нужна сумма от нуля до триллиона в рублях и копейках"
    if not wrong and times(line.price, line.quantity) > MAX_AMOUNT:
        wrong["quantity"] = "Слишком большая сумма строки: нужно меньше триллиона"
    if not wrong and line.discount is not None:
        wrong |= _wrong_discount(line.discount, times(line.price, line.quantity), line.currency)
    return wrong


def _wrong_discount(discount: Discount, gross: Decimal, currency: str) -> dict[str, str]:
    value = discount.value
    if discount.kind == "percent":
        if not _fits(value, PERCENT_STEP, HUNDRED):
            return {"discount": "Скидка должна быть от 0 до 100 %, не больше двух знаков после запятой"}
    elif not _fits(value, KOPECK, MAX_AMOUNT):
        return {"discount": "Нужна сумма скидки в рублях и копейках, не меньше нуля"}
    elif value > gross:
        return {"discount": f"Скидка больше суммы строки: можно не больше {show_money(gross, currency)}"}
    return {}


def _fits(value: Decimal, step: Decimal, most: Decimal) -> bool:
    """A finite number from zero to `most` in whole steps."""
    return value.is_finite() and 0 <= value <= most and value.quantize(step, context=EXACT) == value
