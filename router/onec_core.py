"""What the core does with what 1C tells: its catalogue becomes products, a payment shows on the deal."""

from __future__ import annotations

from functools import partial
from typing import Any

from crm_core.actor import SYSTEM
from crm_core.automation import robot
from crm_core.categories import upsert_category
from crm_core.company import Company
from crm_core.deals import DEALS, edit_deal
from crm_core.external import linked
from crm_core.money import Money, parse_amount
from crm_core.onec import Handlers, OnecItem
from crm_core.onec_orders import find_order
from crm_core.onec_payments import PAYMENTS, payments_of
from crm_core.products import PRODUCTS, edit_product, upsert_product
from distribution.desk import Desk
from storage import Tx

PAID_FIELD = "prepaid_at"
"""Field of the deal card that the first payment fills, where the preset has it."""

CURRENCIES = {"руб": "RUB", "643": "RUB", "810": "RUB", "840": "USD", "978": "EUR", "156": "CNY"}
"""How 1C names currencies: by ISO codes, by their numbers, and the rouble by «руб»."""


def handlers(desk: Desk) -> Handlers:
    """For `compose`, after those of the exchange itself."""
    return {
        "category": on_category,
        "product": partial(_with_company, desk, on_product),
        "price": partial(_with_company, desk, on_price),
        "order": partial(_with_company, desk, on_order),
        "payment": partial(_with_company, desk, on_payment),
    }


def _with_company(desk: Desk, handler: Any, tx: Tx, item: OnecItem) -> None:
    handler(tx, desk.at(tx).company, item)


def on_category(tx: Tx, item: OnecItem) -> None:
    """Groups come parents first."""
    if not item.data.get("deleted"):
        parent = item.data.get("parent") or None
        upsert_category(tx, SYSTEM, item.connector, item.external_id, name=item.data["name"], parent_external_id=parent)


def on_product(tx: Tx, company: Company, item: OnecItem) -> None:
    """A product that 1C marks as deleted goes to the archive."""
    data = item.data
    values: dict[str, Any] = {"name": data["name"], "active": not data.get("deleted")}
    if data.get("sku"):
        values["sku"] = data["sku"]
    if data.get("description"):
        values["description"] = data["description"]
    if (unit := data.get("unit", {}).get("code")) in {each.code for each in company.trade.units}:
        values["unit"] = unit
    if data.get("vat"):
        values["vat"] = _vat(company, data["vat"])
    group = next((each for each in data.get("categories", ()) if linked(tx, "category", item.connector, each)), None)
    if group:
        values["category_external_id"] = group
    upsert_product(tx, SYSTEM, company, item.connector, item.external_id, values)


def _vat(company: Company, told: str) -> str | None:
    """The rate that 1C names by its percent or as «Без НДС»; None, the usual one of the day of a sale, for the usual
    rates of now and before and for what we do not know."""
    vat = company.trade.vat
    plain = told.strip().rstrip("%").casefold()
    for rate in vat.rates:
        percent = None if rate.percent is None else f"{rate.percent.normalize():f}"
        if rate.key not in vat.usual and plain == (percent or "без ндс"):
            return rate.key
    return None


def on_price(tx: Tx, company: Company, item: OnecItem) -> None:
    """The chosen price goes to the company's first price type; characteristics of a product have none of their own."""
    data = item.data
    known = linked(tx, "product", item.connector, data["product"])
    product = tx.get(PRODUCTS, known) if known else None
    if product is None or not product.active or data.get("price") is None or data.get("characteristic"):
        return
    told = str(data.get("currency") or "").strip().rstrip(".").casefold()
    price = Money(parse_amount(data["price"]), CURRENCIES.get(told, told.upper() or "RUB"))
    edit_product(tx, SYSTEM, company, product.id, {"prices": {company.trade.price_types[0].key: price}})


def on_payment(tx: Tx, company: Company, item: OnecItem) -> None:
    """The first payment of a deal opens the gate that waits for it."""
    payment = tx.first(PAYMENTS, {"connector": item.connector, "external_id": item.external_id})
    if payment is not None and payment.deal_number:
        mark_paid(tx, company, payment.deal_number)


def on_order(tx: Tx, company: Company, item: OnecItem) -> None:
    """A payment may have come before the order that it pays."""
    order = find_order(tx, item.connector, item.external_id)
    if order is not None and order.deal_number:
        mark_paid(tx, company, order.deal_number)


def mark_paid(tx: Tx, company: Company, number: str) -> None:
    """Fill the field of the deal with the day of its first payment, once."""
    deal = tx.first(DEALS, {"number": int(number)}) if number.isdecimal() and len(number) <= 12 else None
    if deal is None or deal.fields.get(PAID_FIELD) or PAID_FIELD not in {rule.key for rule in company.deal_fields}:
        return
    paid = [payment for payment in payments_of(tx, number) if payment.amount > 0]
    if paid:
        day = (paid[0].paid_at or tx.now).astimezone(company.calendar().zone).date()
        edit_deal(tx, robot("1С", 0), company, deal.id, {"fields": {PAID_FIELD: day.isoformat()}})
