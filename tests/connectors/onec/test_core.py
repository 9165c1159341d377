"""What 1C tells reaches the core: its catalogue is the company's, a payment opens the deal's gate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from crm_core.actor import SYSTEM
from crm_core.companies import create_company
from crm_core.deals import DEALS, Deal, create_deal, edit_deal
from crm_core.lines import Line
from crm_core.products import PRODUCTS
from storage import Tx
from tests.connectors.onec.base import Base

LATHE = "22222222-0000-11e6-80c9-00155d000001"


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


async def sell(base: Base, **given: Any) -> Deal:
    """A deal with a company and a product of 1C, at «Договор и счёт»."""
    company = base.hub.settings.company

    def work(tx: Tx) -> Deal:
        buyer = create_company(tx, SYSTEM, {"name": "Завод «Металл»", "inn": "7707083893"})
        product = next((each for each in tx.find(PRODUCTS) if each.sku == "ТВ-16К20"), None)
        line = Line(
            id="1", product_id=product and product.id, name="Станок", quantity=Decimal(2), price=Decimal("10.50")
        )
        deal = create_deal(
            tx, SYSTEM, company, "equipment", {"title": "Станок", "company_id": buyer.id, "lines": (line,)} | given
        )
        return tx.update(DEALS, deal, stage="contract", updated_at=tx.now)

    deal: Deal = await base.hub.store.write(work)
    return deal


async def orders(base: Base) -> dict[str, str]:
    """Number → sum of what 1C is given."""
    await base.begin("sale")
    document = etree.fromstring((await base.ask("sale", "query")).encode())
    return {each.findtext("{*}Номер"): each.findtext("{*}Сумма") for each in document.iter("{*}Документ")}


def paid(deal: Deal, amount: str = "500000.25", operation: str = "Выплата безналичных денег", **more: str) -> bytes:
    """A document of money that 1C has based on the order of this deal."""
    told = {"currency": "руб.", "order": f"FL-{deal.number}", "id": f"pay-{amount}"} | more
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<КоммерческаяИнформация ВерсияСхемы="2.10"><Контейнер><Документ>
<Ид>{told["id"]}</Ид><Номер>302</Номер><Дата>2026-11-20</Дата><ХозОперация>{operation}</ХозОперация>
<Валюта>{told["currency"]}</Валюта><Сумма>{amount}</Сумма><Основание>{told["order"]}</Основание>
</Документ></Контейнер></КоммерческаяИнформация>""".encode()


async def prepaid(base: Base, deal: Deal) -> str | None:
    found = await base.read(lambda tx: tx.require(DEALS, deal.id))
    return found.fields.get("prepaid_at")


async def test_a_deal_at_its_stage_is_an_order_until_1c_has_it(base: Base) -> None:
    await base.begin()
    assert await base.send("import.xml") == "success"
    deal = await sell(base)
    assert await orders(base) == {f"FL-{deal.number}": "21.00"}
    answer = await base.ask("sale", "query")
    assert "7707083893" in answer, "1C knows the customer"
    assert LATHE in answer, "and the product"
    assert await base.ask("sale", "success") == "success"
    assert await orders(base) == {}
    (listed,) = (await base.api("/onec/orders"))["items"]
    assert (listed["amount"], listed["pending"], listed["deal_number"]) == ("21.00", False, str(deal.number))
    await base.hub.store.write(edit_deal, SYSTEM, base.hub.settings.company, deal.id, {"title": "Станок с доставкой"})
    assert list(await orders(base)) == [f"FL-{deal.number}"], "it changed"


@pytest.mark.parametrize(("stage", "left"), [("price", 0), ("won", 1), ("delivery", 1)])
async def test_only_a_deal_that_is_lost_before_1c_came_is_no_order(base: Base, stage: str, left: int) -> None:
    deal = await sell(base)
    assert await orders(base)
    gone = {"stage": stage, "open": stage == "delivery"}
    await base.hub.store.write(lambda tx: tx.update(DEALS, tx.require(DEALS, deal.id), updated_at=tx.now, **gone))
    assert len(await orders(base)) == left


async def test_a_payment_fills_the_deal_and_its_refund_empties_it(base: Base) -> None:
    deal = await sell(base)
    assert await orders(base)
    await base.upload("paid.xml", paid(deal), "sale")
    assert await prepaid(base, deal) == "2026-11-20"
    await base.upload("back.xml", paid(deal, "500000.25", "Возврат безналичных денег", id="refund"), "sale")
    assert await prepaid(base, deal) is None


async def test_what_a_person_wrote_is_not_touched_by_a_refund(base: Base) -> None:
    deal = await sell(base)
    assert await orders(base)
    company = base.hub.settings.company
    await base.hub.store.write(edit_deal, SYSTEM, company, deal.id, {"fields": {"prepaid_at": "2026-11-01"}})
    await base.upload("paid.xml", paid(deal), "sale")
    await base.upload("back.xml", paid(deal, "500000.25", "Возврат безналичных денег", id="refund"), "sale")
    assert await prepaid(base, deal) == "2026-11-01"


async def test_money_for_an_order_that_is_not_ours_opens_no_gate(base: Base) -> None:
    deal = await sell(base)
    assert await orders(base)
    await base.upload("foreign.xml", paid(deal, order=f"{deal.number:09}"), "sale")
    await base.upload("yuan.xml", paid(deal, "7", currency="156"), "sale")
    assert await prepaid(base, deal) is None


async def test_a_price_waits_for_its_product(base: Base) -> None:
    await base.begin()
    assert await base.send("offers.xml") == "success"
    assert await base.send("import.xml") == "success"
    assert (await products(base))["ТВ-16К20"]["prices"]["retail"] == {"amount": "1250000.50", "currency": "RUB"}
