"""Products of a deal, in the dialog: found in the catalogue or written by hand, with quantity, price, discount and VAT.
Whatever is changed is counted at once, by the core; nothing is kept before «Сохранить»."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deals import Deal, edit_deal, for_change
from crm_core.errors import Conflict, Invalid
from crm_core.line_reading import DiscountText, LineText, read_lines
from crm_core.lines import MAX_LINES, Line, LineSum, Totals, line_sum, totals
from crm_core.money import show_number, typed_money
from crm_core.products import Product, get_product, list_products
from crm_core.rights import Action
from crm_core.trade import VatRate, local_day
from storage import ReadTx, Tx
from web.pages.actions import form_of
from web.pages.deal import changed
from web.pages.i18n import mark
from web.pages.render import part, reader

FOUND = 8
Row = dict[str, str]
"""One line as it stands in the form."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The form."""

    deal: Deal
    rows: list[Row]
    sums: list[LineSum | None]
    totals: Totals | None
    errors: Mapping[str, str]
    """By `lines[0].price`."""
    seen: str
    """What the deal held when the form was opened."""
    rates: list[VatRate]
    price_type: str

    def wrong(self, number: int) -> list[str]:
        """What is wrong with a row, in words."""
        start = f"lines[{number}]."
        return list(dict.fromkeys(text for place, text in self.errors.items() if place.startswith(start)))


def seen_of(lines: Sequence[Line]) -> str:
    """Tells whether somebody else changed the lines since the form was opened."""
    return hashlib.sha256(msgspec.json.encode(tuple(lines))).hexdigest()[:16]


def row_of(line: Line) -> Row:
    """A kept line as its form shows it."""
    discount = ""
    if line.discount:
        percent = line.discount.kind == "percent"
        discount = f"{show_number(line.discount.value)} %" if percent else typed_money(line.discount.value)
    return {
        "id": line.id,
        "product_id": line.product_id or "",
        "name": line.name,
        "unit": line.unit,
        "quantity": show_number(line.quantity),
        "price": typed_money(line.price, line.currency),
        "discount": discount,
        "vat": line.vat,
    } | ({"included": "1"} if line.vat_included else {})


def rows_of(form: Mapping[str, str]) -> list[Row]:
    """Rows of a posted form, in its order: their fields are named `3.price`."""
    found: dict[int, Row] = {}
    for key, value in form.items():
        number, _, name = key.partition(".")
        if name and number.isascii() and number.isdecimal() and len(number) < 5:
            found.setdefault(int(number), {})[name] = value.strip()
    return [found[number] for number in sorted(found)][: MAX_LINES + 1]


def as_typed(rows: Sequence[Row]) -> list[LineText]:
    """What the core reads."""
    return [
        LineText(
            id=row.get("id") or None,
            product_id=row.get("product_id") or None,
            name=row.get("name") or None,
            unit=row.get("unit") or None,
            quantity=row.get("quantity", ""),
            price=row.get("price", ""),
            discount=_discount(row.get("discount", "")),
            vat=row.get("vat") or None,
            vat_included="included" in row,
        )
        for row in rows
    ]


def _discount(text: str) -> DiscountText | None:
    if not text:
        return None
    return DiscountText(kind="percent" if text.endswith("%") else "sum", value=text)


def sheet(
    tx: ReadTx, actor: Actor, company: Company, deal_id: str, rows: list[Row] | None, form: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
) -> Sheet:  # fmt: skip
    """The form with what the rows come to; None: those that the deal has."""
    deal = for_change(tx, actor, deal_id)
    check(actor, "product", Action.READ)
    rows = [row_of(line) for line in deal.lines] if rows is None else rows
    found: tuple[Line, ...] = ()
    wrong = dict(errors or {})
    try:
        found = read_lines(tx, actor, company, as_typed(rows), was=deal.lines)
    except Invalid as error:
        wrong |= error.fields
    day = local_day(tx.now, company.timezone)
    return Sheet(
        deal=deal,
        rows=rows,
        sums=[line_sum(line) for line in found] if found else [_alone(tx, actor, company, row, deal) for row in rows],
        totals=totals(found) if found else None,
        errors=wrong,
        seen=form.get("seen") or seen_of(deal.lines),
        rates=company.trade.vat.on(day),
        price_type=company.trade.price_type(form.get("price_type") or None).key,
    )


def _alone(tx: ReadTx, actor: Actor, company: Company, row: Row, deal: Deal) -> LineSum | None:
    """What a row comes to while another one is not right yet."""
    try:
        (line,) = read_lines(tx, actor, company, as_typed([row]), was=deal.lines)
    except Invalid:
        return None
    return line_sum(line)


def added(
    tx: ReadTx, actor: Actor, company: Company, rows: list[Row], product_id: str, price_type: str | None
) -> list[Row]:
    """One row more: of a product, or an empty one to be written by hand."""
    if len(rows) >= MAX_LINES:
        raise Invalid({"lines": f"Не больше {MAX_LINES} строк"})
    day = local_day(tx.now, company.timezone)
    trade = company.trade
    row: Row = {"quantity": "1", "unit": trade.units[0].code, "vat": trade.vat.chosen(None, day).key}
    kind = trade.price_type(price_type)
    row |= {"included": "1"} if kind.vat_included else {}
    if product_id:
        product = get_product(tx, actor, product_id)
        price = product.prices.get(kind.key)
        row |= {"product_id": product.id, "name": product.name, "unit": product.unit}
        row |= {"vat": product.vat} if product.vat else {}
        row |= {"price": typed_money(price.amount, price.currency)} if price else {}
    return [*rows, row]


async def lines_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/lines`: the dialog."""
    who = await reader(request)
    company, deal_id = who.services.desk.company, request.match_info["id"]
    found = await who.read(sheet, who.actor, company, deal_id, None, {})
    return part(request, who, "deals/lines.html", sheet=found)


async def draft(request: web.Request) -> web.Response:
    """`POST /deals/{id}/lines/draft`: the sums alone; the whole form with a product to `add` (empty: a line by hand) or
    without the row to `drop`."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company, rows = who.services.desk.company, rows_of(form)
    errors: Mapping[str, str] = {}
    if "drop" in form:
        rows = [row for number, row in enumerate(rows) if str(number) != form["drop"]]
    if "add" in form:
        try:
            rows = await who.read(added, who.actor, company, rows, form["add"], form.get("price_type") or None)
        except Invalid as error:
            errors = error.fields
    found = await who.read(sheet, who.actor, company, deal_id, rows, form, errors)
    found = replace(found, errors={key: text for key, text in found.errors.items() if _was_typed(key, rows)})
    template = "lines" if "drop" in form or "add" in form else "lines_sums"
    return part(request, who, f"deals/{template}.html", sheet=found)


def _was_typed(place: str, rows: Sequence[Row]) -> bool:
    """Whether a mistake is in what stands in the form, not in what was not come to yet."""
    found = re.fullmatch(r"lines\[(\d+)\]\.(quantity|price|name)", place)
    return found is None or bool(rows[int(found[1])].get(found[2]))


async def save(request: web.Request) -> web.Response:
    """`POST /deals/{id}/lines`: all rows at once."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company, rows = who.services.desk.company, rows_of(form)
    try:
        await who.write(_save, who.actor, company, deal_id, rows, form.get("seen", ""))
    except Invalid as error:
        found = await who.read(sheet, who.actor, company, deal_id, rows, form, error.fields)
        return part(request, who, "deals/lines.html", sheet=found)
    return changed(who, deal_id, mark("Товары сделки сохранены"))


def _save(tx: Tx, actor: Actor, company: Company, deal_id: str, rows: Sequence[Row], seen: str) -> Deal:
    deal = for_change(tx, actor, deal_id)
    if seen != seen_of(deal.lines):
        raise Conflict("Товары сделки уже изменил кто-то другой: откройте их заново")
    lines = read_lines(tx, actor, company, as_typed(rows), was=deal.lines)
    changes: dict[str, Any] = {"lines": lines}
    return edit_deal(tx, actor, company, deal_id, changes)


async def found_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/lines/found`: products of the catalogue whose name or SKU begins so."""
    who = await reader(request)
    text = request.query.get("q", "").replace("\0", "").strip()[:200]
    company = who.services.desk.company
    products: list[Product] = []
    if text:
        products = (await who.read(list_products, who.actor, text=text, limit=FOUND)).items
    kind = company.trade.price_type(request.query.get("price_type") or None).key
    deal_id = request.match_info["id"]
    return part(request, who, "deals/lines_found.html", deal_id=deal_id, products=products, kind=kind, text=text)
