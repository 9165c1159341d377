"""Orders on their way to 1C. A deal queues one; 1C fetches what is queued, and only its confirmation ends the sending.

An order is known by its number: queueing the same number again replaces what is not confirmed yet and sends a changed
order anew. `revision` tells apart what 1C fetched and what was changed meanwhile. What 1C says of the order later
(status, its own number) comes back as an item of kind `order` and is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from crm_core import audit
from crm_core.actor import Actor
from crm_core.errors import Invalid
from crm_core.onec import EXCHANGES, OnecItem
from storage import Collection, Entity, Gte, Index, ReadTx, Tx, Unique

MAX_NUMBER = 100


class OrderCustomer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom the order is for; a company when it has a taxpayer number of ten digits, else a person."""

    id: str
    """Ours; 1C keeps it and finds its own record by it."""
    name: str
    full_name: str = ""
    inn: str = ""
    kpp: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of the order."""

    name: str
    quantity: Decimal
    price: Decimal
    """For one unit, in the order's currency, tax included."""
    amount: Decimal
    product_id: str = ""
    """1C's id of the product, with `#` and the characteristic when there is one; empty: 1C looks by name."""
    unit: str = "шт"
    vat: str = ""
    """Rate as 1C writes it: `20`, `10`, `0`, `Без НДС`; empty: not said."""


class OutgoingOrder(Entity, frozen=True, kw_only=True):
    connector: str
    number: str
    """What people see in 1C as the number on the site."""
    deal_number: str
    placed_at: datetime
    currency: str
    amount: Decimal
    customer: OrderCustomer
    lines: tuple[OrderLine, ...]
    comment: str = ""
    pending: bool = True
    revision: int = 1
    queued_at: datetime
    sent_at: datetime | None = None
    """When 1C confirmed it."""
    status: str | None = None
    """In 1C, in its words."""
    onec_number: str | None = None
    onec_id: str | None = None
    marked_paid: str | None = None
    """Day that a payment of this order wrote onto its deal."""


OUTGOING = Collection(
    "onec_outgoing",
    OutgoingOrder,
    [
        Unique("connector", "number"),
        Index("connector", "queued_at", where={"pending": True}),
        Index("queued_at"),
        Index("deal_number"),
        Index("connector", "onec_id"),
    ],
)


def queue_order(
    tx: Tx,
    actor: Actor,
    *,
    connector: str,
    number: str,
    deal_number: str,
    customer: OrderCustomer,
    lines: Sequence[OrderLine],
    currency: str = "RUB",
    comment: str = "",
) -> OutgoingOrder:
    """Let 1C fetch this order at its next exchange. The same number again replaces the order; nothing happens when it
    is the same. `Invalid` for an order without number or lines. Rights are the deal's: its command checks them."""
    _check(number, lines)
    content: dict[str, Any] = {
        "deal_number": deal_number,
        "customer": customer,
        "lines": tuple(lines),
        "currency": currency,
        "comment": comment,
        "amount": sum((line.amount for line in lines), Decimal(0)),
    }
    existing = tx.first(OUTGOING, {"connector": connector, "number": number})
    if existing is None:
        order = OutgoingOrder(
            id=tx.new_id("od_"), connector=connector, number=number, placed_at=tx.now, queued_at=tx.now, **content
        )
        audit.record(tx, actor, "onec_order", order.id, "queued", {"number": (None, number)})
        return tx.insert(OUTGOING, order)
    before = {name: getattr(existing, name) for name in content}
    if before == content:
        return existing
    changes = {name: (before[name], value) for name, value in content.items() if before[name] != value}
    audit.record(tx, actor, "onec_order", existing.id, "queued", changes)
    return tx.update(OUTGOING, existing, pending=True, revision=existing.revision + 1, queued_at=tx.now, **content)


def _check(number: str, lines: Sequence[OrderLine]) -> None:
    if not number.strip() or len(number) > MAX_NUMBER:
        raise Invalid({"number": f"Нужен номер заказа, не длиннее {MAX_NUMBER} знаков"})
    if not lines:
        raise Invalid({"lines": "В заказе нет ни одной строки: добавьте товары в сделку"})
    for place, line in enumerate(lines):
        numbers = (line.quantity, line.price, line.amount)
        if not all(value.is_finite() for value in numbers) or line.quantity <= 0 or line.price < 0 or line.amount < 0:
            raise Invalid({f"lines.{place}": "Количество должно быть больше нуля, цена и сумма — не меньше нуля"})


def orders_to_send(
    tx: ReadTx, connector: str, since: datetime | None = None, *, limit: int = 200
) -> list[OutgoingOrder]:
    """What 1C has not confirmed yet, oldest first; `since`: queued at that moment or later."""
    where: dict[str, Any] = {"connector": connector, "pending": True}
    if since is not None:
        where["queued_at"] = Gte(since)
    return tx.find(OUTGOING, where, sort="queued_at", limit=limit)


def withdraw_order(tx: Tx, connector: str, number: str) -> None:
    """1C need not fetch it any more; one that it has fetched is cancelled there, by people."""
    order = tx.first(OUTGOING, {"connector": connector, "number": number})
    if order is not None and order.pending and order.sent_at is None:
        tx.delete(OUTGOING, order)


def hand_out(tx: Tx, connector: str, session: str) -> list[OutgoingOrder]:
    """Orders for 1C, noted in the session so that its confirmation means exactly these."""
    orders = orders_to_send(tx, connector)
    exchange = tx.require(EXCHANGES, session)
    handed = {order.id: order.revision for order in orders}
    tx.update(EXCHANGES, exchange, handed=handed, touched_at=tx.now)
    return orders


def confirm(tx: Tx, session: str) -> int:
    """1C has the orders of this session; twice is once."""
    exchange = tx.require(EXCHANGES, session)
    done = mark_sent(tx, exchange.handed)
    state = exchange.state if exchange.state in ("failed", "importing") else "done"
    tx.update(EXCHANGES, exchange, handed={}, sent=exchange.sent + done, state=state, touched_at=tx.now)
    return done


def mark_sent(tx: Tx, handed: Mapping[str, int]) -> int:
    """1C confirmed these orders, id → revision that it was given; one that was changed meanwhile is sent again.
    How many are done."""
    done = 0
    for id, revision in handed.items():
        order = tx.get(OUTGOING, id)
        if order is not None and order.pending and order.revision == revision:
            tx.update(OUTGOING, order, pending=False, sent_at=tx.now)
            done += 1
    return done


def find_order(tx: ReadTx, connector: str, *keys: str) -> OutgoingOrder | None:
    """The order that 1C means by any of these: our id, our number, or its own id."""
    for key in filter(None, keys):
        by_id = tx.get(OUTGOING, key)
        if by_id is not None and by_id.connector == connector:
            return by_id
        for field in ("number", "onec_id"):
            found = tx.first(OUTGOING, {"connector": connector, field: key})
            if found is not None:
                return found
    return None


def on_order(tx: Tx, item: OnecItem) -> None:
    """What 1C says of an order of ours: its status there, its own number."""
    data = item.data
    order = find_order(tx, item.connector, item.external_id, data.get("number", ""))
    if order is not None:
        tx.update(
            OUTGOING,
            order,
            onec_id=item.external_id,
            onec_number=data.get("onec_number") or order.onec_number,
            status=data.get("status") or order.status,
        )
