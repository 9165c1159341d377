"""Deals and 1C: a deal at certain stages is an order there; its payment shows on the deal and opens the gate."""

from __future__ import annotations

from collections.abc import Collection as Group
from datetime import date, datetime
from decimal import Decimal

from crm_core.actor import SYSTEM
from crm_core.automation import robot
from crm_core.companies import find_company
from crm_core.company import Company
from crm_core.deals import DEALS, Deal, edit_deal, stage_of
from crm_core.errors import Invalid
from crm_core.lines import Line, line_sum
from crm_core.money import to_kopecks
from crm_core.onec import OnecItem
from crm_core.onec_orders import (
    OUTGOING,
    OrderCustomer,
    OrderLine,
    OutgoingOrder,
    find_order,
    queue_order,
    withdraw_order,
)
from crm_core.onec_payments import PAYMENTS, paid_amount, payments_of
from crm_core.people import find_person
from crm_core.products import PRODUCTS
from storage import Filter, Gte, ReadTx, Tx

PAID_FIELD = "prepaid_at"
"""Field of the deal card that the first payment fills, where the preset has it."""
PIECE = 200
"""Deals of one look for changed ones."""


def order_number(deal: Deal) -> str:
    """What people see in 1C as the number on the site; no order that was born in 1C is called so."""
    return f"FL-{deal.number}"


def collect(
    tx: Tx, company: Company, connector: str, stages: Group[str], since: datetime | None
) -> tuple[datetime | None, bool]:
    """Queue the orders of the deals that changed since that moment, a piece of them: those at one of these stages
    (`pipeline/stage`), or withdraw what 1C has not fetched of those that were lost. Until when it has looked, and
    whether there is more. A deal without a customer or without anything to sell is passed over until it changes."""
    where: Filter = {} if since is None else {"updated_at": Gte(since)}
    deals = tx.find(DEALS, where, sort="updated_at", limit=PIECE)
    for deal in deals:
        if f"{deal.pipeline}/{deal.stage}" in stages:
            _queue(tx, company, connector, deal)
        elif stage_of(company, deal).kind == "lost":
            withdraw_order(tx, connector, order_number(deal))
    last = deals[-1].updated_at if deals else since
    return last, len(deals) == PIECE and last != since


def _queue(tx: Tx, company: Company, connector: str, deal: Deal) -> None:
    customer = _customer(tx, deal)
    lines = [_line(tx, company, connector, line) for line in deal.lines]
    if not lines and deal.amount:
        lines = [OrderLine(name=deal.title, quantity=Decimal(1), price=deal.amount, amount=deal.amount)]
    if customer is None or not lines:
        return
    queue_order(
        tx,
        SYSTEM,
        connector=connector,
        number=order_number(deal),
        deal_number=str(deal.number),
        customer=customer,
        lines=lines,
        currency=deal.currency,
        comment=deal.title,
    )


def _customer(tx: ReadTx, deal: Deal) -> OrderCustomer | None:
    """The deal's company, else its person."""
    person = find_person(tx, deal.person_id) if deal.person_id else None
    phone, email = (next(iter(each), "") for each in ((person.phones, person.emails) if person else ((), ())))
    company = find_company(tx, deal.company_id) if deal.company_id else None
    if company is not None:
        return OrderCustomer(
            id=company.id,
            name=company.name,
            inn=company.inn or "",
            kpp=company.kpp or "",
            address=company.legal_address or "",
            phone=next(iter(company.phones), phone),
            email=next(iter(company.emails), email),
        )
    if person is None:
        return None
    return OrderCustomer(id=person.id, name=person.name or phone or email or "Без имени", phone=phone, email=email)


def _line(tx: ReadTx, company: Company, connector: str, line: Line) -> OrderLine:
    """With the discount and the tax in it, as 1C expects."""
    total = line_sum(line).total
    product = tx.get(PRODUCTS, line.product_id) if line.product_id else None
    percent = line.vat_percent
    try:
        unit = company.trade.unit(line.unit).title
    except Invalid:  # it has left the classifier of the company since
        unit = "шт"
    return OrderLine(
        name=line.name,
        quantity=line.quantity,
        price=to_kopecks(total / line.quantity),
        amount=total,
        product_id=product.external_ids.get(connector, "") if product else "",
        unit=unit,
        vat="Без НДС" if percent is None else f"{percent.normalize():f}",
    )


def on_payment(tx: Tx, company: Company, item: OnecItem) -> None:
    """A payment opens the gate that waits for it; one that is taken back closes it again."""
    payment = tx.first(PAYMENTS, {"connector": item.connector, "external_id": item.external_id})
    if payment is not None and payment.deal_number:
        for order in tx.find(OUTGOING, {"deal_number": payment.deal_number}, limit=PIECE):
            mark_paid(tx, company, order)


def on_order(tx: Tx, company: Company, item: OnecItem) -> None:
    """A payment may have come before the order that it pays."""
    order = find_order(tx, item.connector, item.external_id)
    if order is not None:
        mark_paid(tx, company, order)


def mark_paid(tx: Tx, company: Company, order: OutgoingOrder) -> None:
    """Fill the field of the order's deal with the day of its first payment in the deal's currency, once; empty what was
    filled so when everything was given back. What a person wrote there stays."""
    deal = tx.first(DEALS, {"number": int(order.deal_number)}) if order.deal_number.isdecimal() else None
    if deal is None or PAID_FIELD not in {rule.key for rule in company.deal_fields}:
        return
    written, day = deal.fields.get(PAID_FIELD), _paid_day(tx, company, deal, order.deal_number)
    if written and written != order.marked_paid:
        return
    told = day.isoformat() if day else None
    if told != written:
        edit_deal(tx, robot("1С", 1), company, deal.id, {"fields": {PAID_FIELD: told}})
    tx.update(OUTGOING, order, marked_paid=told)


def _paid_day(tx: ReadTx, company: Company, deal: Deal, number: str) -> date | None:
    if paid_amount(tx, number, deal.currency) <= 0:
        return None
    paid = [each for each in payments_of(tx, number) if each.amount > 0 and each.currency == deal.currency]
    zone = company.calendar().zone
    return min((each.paid_at or each.received_at).astimezone(zone).date() for each in paid)
