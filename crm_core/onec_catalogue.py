"""What 1C tells of goods becomes the company's products: groups, cards, prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from crm_core.actor import SYSTEM
from crm_core.categories import upsert_category
from crm_core.company import Company
from crm_core.external import linked
from crm_core.money import Money, to_kopecks
from crm_core.onec import OnecItem, find_item
from crm_core.products import PRODUCTS, edit_product, upsert_product
from storage import Tx


def on_category(tx: Tx, item: OnecItem) -> None:
    """Groups come parents first."""
    if not item.data.get("deleted"):
        parent = item.data.get("parent") or None
        upsert_category(tx, SYSTEM, item.connector, item.external_id, name=item.data["name"], parent_external_id=parent)


def on_product(tx: Tx, company: Company, item: OnecItem) -> None:
    """A product that 1C marks as deleted goes to the archive. A price that came before its product, or while that was
    in the archive, is taken now."""
    data, is_deleted = item.data, bool(item.data.get("deleted"))
    if is_deleted and not linked(tx, "product", item.connector, item.external_id):
        return
    values: dict[str, Any] = {key: data[key] for key in ("name", "sku", "description") if data.get(key)}
    if (unit := data.get("unit", {}).get("code")) in {each.code for each in company.trade.units}:
        values["unit"] = unit
    if data.get("vat"):
        values["vat"] = _vat(company, data["vat"])
    group = next((each for each in data.get("categories", ()) if linked(tx, "category", item.connector, each)), None)
    if group:
        values["category_external_id"] = group
    upsert_product(tx, SYSTEM, company, item.connector, item.external_id, values | {"active": not is_deleted})
    price = find_item(tx, item.connector, "price", item.external_id)
    if price is not None and not is_deleted:
        on_price(tx, company, price)


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
    price = Money(to_kopecks(Decimal(data["price"])), data.get("currency") or "RUB")
    edit_product(tx, SYSTEM, company, product.id, {"prices": {company.trade.price_types[0].key: price}})
