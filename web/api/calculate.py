"""`/calculate/lines`: what lines come to, while somebody types them; and what they can be made of.

Numbers may be written as people type them, a line of a product takes from it what it leaves out:
`crm_core.line_reading` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.line_reading import LineText, read_lines
from crm_core.lines import MAX_LINES, line_sum, totals
from crm_core.lines import Line as LineRecord
from crm_core.money import CURRENCIES
from crm_core.rights import Action
from crm_core.trade import local_day
from storage import ReadTx
from web.api.call import Call, In, Out, Route
from web.api.input import Id, Line

Typed = Annotated[str, Meta(max_length=60)]


class DiscountIn(In, frozen=True, kw_only=True):
    kind: Literal["percent", "sum"]
    value: Typed


class LineIn(In, frozen=True, kw_only=True):
    """One line; what a line of a product leaves out is taken from the product."""

    id: Id | None = None
    product_id: Id | None = None
    name: Annotated[str, Meta(max_length=500)] | None = None
    unit: Line | None = None
    quantity: Typed = "1"
    price: Typed | None = None
    currency: Annotated[str, Meta(max_length=3)] | None = None
    discount: DiscountIn | None = None
    vat: Line | None = None
    vat_included: bool | None = None


class DiscountOut(Out, frozen=True, kw_only=True):
    kind: str
    value: Decimal


class LineOut(Out, frozen=True, kw_only=True):
    id: str
    product_id: str | None
    name: str
    unit: str
    quantity: Decimal
    price: Decimal
    currency: str
    discount: DiscountOut | None
    vat: str
    vat_percent: Decimal | None
    vat_included: bool
    gross: Decimal
    discount_amount: Decimal
    net: Decimal
    vat_amount: Decimal
    total: Decimal


class VatOut(Out, frozen=True, kw_only=True):
    key: str
    percent: Decimal | None
    net: Decimal
    vat: Decimal


class TotalsOut(Out, frozen=True, kw_only=True):
    currency: str
    gross: Decimal
    discount: Decimal
    net: Decimal
    vat: Decimal
    by_rate: tuple[VatOut, ...]
    total: Decimal


class Calculated(Out, frozen=True, kw_only=True):
    lines: tuple[LineOut, ...]
    totals: TotalsOut


class ToCalculate(In, frozen=True, kw_only=True):
    lines: Annotated[list[LineIn], Meta(max_length=MAX_LINES)]
    price_type: Line | None = None
    """Where products take their prices from; the first of the company when absent."""


async def lines(call: Call[None, ToCalculate]) -> Calculated:
    """Rounded line by line to kopecks; the totals are the sums of the lines. Keeps nothing."""
    return await call.read(_lines, call.company, call.body)


def _lines(tx: ReadTx, actor: Actor, company: Company, body: ToCalculate) -> Calculated:
    return show_lines(read_lines(tx, actor, company, as_typed(body.lines), body.price_type))


def show_lines(lines: Sequence[LineRecord]) -> Calculated:
    """Lines with their sums, and the totals."""
    summed = totals(lines)
    shown = {name: getattr(summed, name) for name in TotalsOut.__struct_fields__ if name != "by_rate"}
    by_rate = tuple(VatOut(key=each.key, percent=each.percent, net=each.net, vat=each.vat) for each in summed.by_rate)
    return Calculated(lines=tuple(map(_show_line, lines)), totals=TotalsOut(**shown, by_rate=by_rate))


def _show_line(line: LineRecord) -> LineOut:
    sums = line_sum(line)
    same = {name: getattr(line, name) for name in line.__struct_fields__ if name != "discount"}
    return LineOut(
        **same,
        discount=DiscountOut(kind=line.discount.kind, value=line.discount.value) if line.discount else None,
        gross=sums.gross,
        discount_amount=sums.discount,
        net=sums.net,
        vat_amount=sums.vat,
        total=sums.total,
    )


def as_typed(given: Sequence[LineIn]) -> list[LineText]:
    """What the core reads."""
    return [msgspec.convert(each, LineText, from_attributes=True) for each in given]


class RateOut(Out, frozen=True, kw_only=True):
    key: str
    title: str
    percent: Decimal | None


class UnitOut(Out, frozen=True, kw_only=True):
    code: str
    title: str
    name: str


class PriceTypeOut(Out, frozen=True, kw_only=True):
    key: str
    title: str
    vat_included: bool


class TradeOut(Out, frozen=True, kw_only=True):
    vat: tuple[RateOut, ...]
    """Rates that hold today."""
    usual_vat: str
    units: tuple[UnitOut, ...]
    price_types: tuple[PriceTypeOut, ...]
    currencies: dict[str, str]
    """Code → sign."""


async def options(call: Call[None, None]) -> TradeOut:
    """VAT rates of today, units, price types and currencies, the usual ones first."""
    return await call.read(_options, call.company)


def _options(tx: ReadTx, actor: Actor, company: Company) -> TradeOut:
    check(actor, "product", Action.READ)
    trade, day = company.trade, local_day(tx.now, company.timezone)
    return TradeOut(
        vat=tuple(RateOut(key=each.key, title=each.title, percent=each.percent) for each in trade.vat.on(day)),
        usual_vat=trade.vat.chosen(None, day).key,
        units=tuple(UnitOut(code=each.code, title=each.title, name=each.name) for each in trade.units),
        price_types=tuple(
            PriceTypeOut(key=each.key, title=each.title, vat_included=each.vat_included) for each in trade.price_types
        ),
        currencies=dict(CURRENCIES),
    )


ROUTES = (
    Route("POST", "/calculate/lines", lines, "Посчитать строки: суммы, скидки, НДС", "product.read"),
    Route("GET", "/calculate/options", options, "Ставки НДС, единицы, виды цен, валюты", "product.read"),
)
