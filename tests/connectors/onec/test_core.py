"""What 1C tells reaches the core: its catalogue is the company's, a payment opens the deal's gate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from crm_core.actor import SYSTEM
from crm_core.deals import DEALS, Deal, create_deal
from crm_core.onec_orders import OrderCustomer, OrderLine, queue_order
from storage import Tx
from tests.connectors.onec.base import DATA, Base


async def products(base: Base) -> dict[str, Any]:
    return {each["sku"]: each for each in (await base.api("/products"))["items"]}


async def test_the_catalogue_of_1c_becomes_products_with_prices_and_categories(base: Base) -> None:
    for _ in range(2):
        await base.begin()
        assert await base.send("import.xml") == "success"
        assert await base.send("offers.xml") == "success"
    lathe = (await products(base))["ТВ-16К20"]
    assert lathe["prices"]["retail"] == {"amount": "1250000.50", "currency": "RUB"}
    categories = {each["id"]: each["name"] for each in (await base.api("/product-categories"))["items"]}
    assert categories[lathe["category_id"]] == "Токарные"
    assert len((await base.api(f"/products/{lathe['id']}/prices"))["items"]) == 1, "the repeat changed nothing"


async def test_a_payment_shows_on_its_deal(base: Base) -> None:
    company = base.hub.settings.company

    def sell(tx: Tx) -> Deal:
        deal = create_deal(tx, SYSTEM, company, "equipment", {"title": "Станок"})
        line = OrderLine(name="Станок", quantity=Decimal(1), price=Decimal("10.50"), amount=Decimal("10.50"))
        customer = OrderCustomer(id="co_1", name="Завод «Металл»")
        queue_order(
            tx, SYSTEM, connector="1c", number="Д-17", deal_number=str(deal.number), customer=customer, lines=[line]
        )
        return deal

    deal = await base.hub.store.write(sell)
    await base.begin("sale")
    await base.upload("orders.xml", (DATA / "orders_203.xml").read_bytes(), "sale")
    paid = await base.read(lambda tx: tx.require(DEALS, deal.id))
    assert paid.fields == {"prepaid_at": "2026-11-20"}
