"""Payments as 1C tells them: what a stage gate asks when a deal waits for money.

1C tells of a payment in one of two ways. Either as a document of its own («Выплата безналичных денег»), with its amount
and the order it is based on; or, in older configurations, only by requisites of the order («Номер оплаты по 1С»), with
no amount: then the order's sum is assumed and `assumed` says so. When both come, the document counts alone.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation

from crm_core.errors import Invalid
from crm_core.onec import OnecItem, find_item
from crm_core.onec_orders import find_order
from storage import Collection, Entity, In, Index, ReadTx, Tx, Unique


class Payment(Entity, frozen=True, kw_only=True):
    connector: str
    external_id: str
    order_ref: str = ""
    """The order as the payment names it: our id or number, or 1C's."""
    deal_number: str | None = None
    """Of the order it pays; None when no deal of ours made that order."""
    amount: Decimal
    """Negative for money that was given back."""
    currency: str = "RUB"
    paid_at: datetime | None = None
    number: str = ""
    payer_inn: str = ""
    valid: bool = True
    """False when it is marked for deletion, not posted, or not paid yet."""
    assumed: bool = False
    """Known from requisites of the order: the amount is the order's sum."""
    received_at: datetime


PAYMENTS = Collection(
    "onec_payments",
    Payment,
    [Unique("connector", "external_id"), Index("deal_number"), Index("connector", "order_ref")],
)


def payments_of(tx: ReadTx, deal_number: str) -> list[Payment]:
    """Valid payments for this deal, assumed ones only where 1C sent no document of a payment at all."""
    found = [each for each in tx.find(PAYMENTS, {"deal_number": deal_number}) if each.valid]
    documents = [each for each in found if not each.assumed]
    return documents or found


def paid_amount(tx: ReadTx, deal_number: str, currency: str = "RUB") -> Decimal:
    """What is paid for this deal in this currency, refunds taken off."""
    rows = (each.amount for each in payments_of(tx, deal_number) if each.currency == currency)
    return sum(rows, Decimal(0))


def on_payment(tx: Tx, item: OnecItem) -> None:
    """Record a payment, or what changed of it. `Invalid` when its amount is no number."""
    data = item.data
    try:
        amount = Decimal(data["amount"])
    except (KeyError, InvalidOperation, TypeError) as error:
        raise Invalid({"amount": "У оплаты нет суммы: проверьте документ в 1С"}) from error
    fields = {
        "order_ref": data.get("order_ref", ""),
        "deal_number": _deal_of(tx, item.connector, data.get("order_ref", ""), data.get("order_number", "")),
        "amount": amount,
        "currency": data.get("currency") or "RUB",
        "paid_at": datetime.fromisoformat(data["paid_at"]) if data.get("paid_at") else None,
        "number": data.get("number", ""),
        "payer_inn": data.get("payer_inn", ""),
        "valid": bool(data.get("valid", True)),
        "assumed": bool(data.get("assumed", False)),
    }
    former = tx.first(PAYMENTS, {"connector": item.connector, "external_id": item.external_id})
    if former is None:
        payment = Payment(
            id=tx.new_id("pm_"),
            connector=item.connector,
            external_id=item.external_id,
            received_at=tx.now,
            **fields,
        )
        tx.insert(PAYMENTS, payment)
    else:
        tx.update(PAYMENTS, former, **fields)


def _deal_of(tx: ReadTx, connector: str, order_ref: str, order_number: str) -> str | None:
    told = find_item(tx, connector, "order", order_ref) if order_ref else None
    order = find_order(tx, connector, order_ref, order_number, told.data.get("number", "") if told else "")
    return order.deal_number if order else None


def on_order_of_payment(tx: Tx, item: OnecItem) -> None:
    """Payments that came before the order they are based on learn now whose they are."""
    number = item.data.get("number", "")
    names = [name for name in (item.external_id, number) if name]
    deal = _deal_of(tx, item.connector, item.external_id, number)
    for payment in tx.find(PAYMENTS, {"connector": item.connector, "order_ref": In(names)}):
        tx.update(PAYMENTS, payment, deal_number=deal)
