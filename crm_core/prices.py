"""What price held when: one row per change of a product's price, never changed afterwards."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.money import RUB, Money
from crm_core.rights import Action
from storage import Collection, Entity, Index, Lte, ReadTx, Tx, Unique


class ProductPrice(Entity, frozen=True, kw_only=True):
    """From `since` on, until the next row of the same product and price type."""

    product_id: str
    price_type: str
    amount: Decimal | None = None
    """None: from then on there is no price."""
    currency: str = RUB
    since: datetime
    author_id: str | None = None
    author: str = ""


PRODUCT_PRICES = Collection(
    "product_prices", ProductPrice, [Unique("product_id", "price_type", "since"), Index("product_id", "since")]
)


def price_history(
    tx: ReadTx,
    actor: Actor,
    product_id: str,
    price_type: str | None = None,
    *,
    sort: str = "-since",
    limit: int = 50,
    after: str | None = None,
) -> list[ProductPrice]:
    """Changes of the prices of a product, newest first; of one price type or of all."""
    check(actor, "product", Action.READ)
    where = {"product_id": product_id} | ({"price_type": price_type} if price_type is not None else {})
    return tx.find(PRODUCT_PRICES, where, sort=sort, limit=limit, after=after)


def price_at(tx: ReadTx, actor: Actor, product_id: str, price_type: str, moment: datetime) -> Money | None:
    """The price that held at this moment (aware); None when there was none."""
    check(actor, "product", Action.READ)
    where = {"product_id": product_id, "price_type": price_type, "since": Lte(moment)}
    found = tx.first(PRODUCT_PRICES, where, sort="-since")
    return Money(found.amount, found.currency) if found is not None and found.amount is not None else None


def write_price(tx: Tx, actor: Actor, product_id: str, price_type: str, price: Money | None) -> None:
    """Note the price that holds from now on; the second change within one moment replaces the first. For
    `crm_core.products`, which has checked the rights and keeps the present price on the product."""
    amount, currency = (price.amount, price.currency) if price else (None, RUB)
    same = tx.first(PRODUCT_PRICES, {"product_id": product_id, "price_type": price_type, "since": tx.now})
    if same is not None:
        tx.update(PRODUCT_PRICES, same, amount=amount, currency=currency, author_id=actor.id, author=actor.name)
        return
    row = ProductPrice(
        id=tx.new_id("pp_"),
        product_id=product_id,
        price_type=price_type,
        amount=amount,
        currency=currency,
        since=tx.now,
        author_id=actor.id,
        author=actor.name,
    )
    tx.insert(PRODUCT_PRICES, row)
