"""Products and documents of a deal, gates that ask for documents and tasks, and what a customer is worth afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.hub import Bench, Caller
from tests.api.papers import words_of
from tests.api.test_deals import KNOWN, a_deal, a_lead, convert
from tests.api.test_robots import move, runs


@pytest.fixture
async def admin(bench: Bench) -> Caller:
    return await bench.token("admin")


async def put(caller: Caller, deal: dict[str, Any], **body: Any) -> Any:
    return await caller("PUT", f"/api/v1/deals/{deal['id']}/products", body)


async def test_lines_make_the_amount_and_its_tax(admin: Caller) -> None:
    deal = await a_deal(admin, pipeline="equipment", amount="5")
    lines = [
        {"name": "Станок", "quantity": "2", "price": "1 000 000,50", "discount": {"kind": "percent", "value": "10"}},
        {"name": "Наладка", "price": "50000", "vat": "none"},
    ]  # fmt: skip
    summed = (await put(admin, deal, lines=lines)).json
    assert summed["totals"]["total"] == "1850000.90"
    shown = (await admin.get(f"/api/v1/deals/{deal['id']}")).json
    assert (shown["amount"], shown["weighted"]) == ("1850000.90", "92500.05")
    refused = await put(admin, deal, lines=[{"name": "Станок", "price": "дорого"}])
    assert set(refused.json["fields"]) == {"lines[0].price"}
    assert (await admin.get(f"/api/v1/deals/{deal['id']}/products")).json == summed


async def test_a_document_is_made_of_the_deal_and_opens_the_gate(bench: Bench, admin: Caller) -> None:
    lead = await a_lead(bench)
    deal = await a_deal(
        admin, pipeline="equipment", title="Станок", person_id=lead["person"]["id"], fields={"requirements": "ЧПУ"}
    )
    await put(admin, deal, lines=[{"name": "Станок 16К20", "price": "1000000"}])
    at = f"/api/v1/deals/{deal['id']}"
    refused = await admin.post(at + "/move", {"stage": "contract"})
    assert [lack["kind"] for lack in refused.json["missing"]] == ["document"]
    assert "Коммерческое предложение на оборудование" in refused.json["detail"]
    empty = await admin.post(at + "/documents", {"template": "contract-equipment"})
    assert empty.status == 422
    assert empty.json["fields"].keys() == {"customer.address", "deal.delivery_address"}
    assert empty.json["fields"]["customer.address"] == "Заполните: Клиент: юридический адрес"
    made = await admin.post(at + "/documents", {"template": "offer-equipment", "leave_blanks": True})
    assert made.status == 201, made.json
    assert made.json["number"] == "КП-2026-0001"
    assert [each["id"] for each in await admin.items(at + "/documents")] == [made.json["id"]]
    assert (await admin.post(at + "/move", {"stage": "contract"})).status == 200
    await admin.post(f"/api/v1/documents/{made.json['id']}/void", {"reason": "Ошибка в цене"})
    await move(admin, deal, "offer")
    assert (await admin.post(at + "/move", {"stage": "contract"})).status == 422


async def test_a_gate_waits_for_the_tasks_of_a_group(bench: Bench, admin: Caller) -> None:
    await bench.hire("engineer", "service_admin")
    deal = await a_deal(admin, pipeline="equipment", amount="100", fields={
        "requirements": "ЧПУ", "delivery_date": "2026-12-01", "prepaid_at": "2026-11-20",
    })  # fmt: skip
    at = f"/api/v1/deals/{deal['id']}"
    await admin.post(at + "/documents", {"template": "offer-equipment", "leave_blanks": True})
    await move(admin, deal, "commissioning")
    await runs(admin, deal, 1)
    refused = await admin.post(at + "/move", {"stage": "postpayment"})
    assert "Установка оборудования" in refused.json["detail"]
    engineer = await bench.sign_in("engineer")
    (task,) = await engineer.items(f"/api/v1/tasks?entity=deal&entity_id={deal['id']}")
    assert (await engineer.post(f"/api/v1/tasks/{task['id']}/complete", {"result": "Наладили"})).status == 200
    assert (await admin.post(at + "/move", {"stage": "postpayment"})).status == 422
    accepted = await admin.post(f"/api/v1/tasks/{task['id']}/accept")
    assert accepted.status == 200, accepted.json
    await move(admin, deal, "postpayment")


async def test_a_lead_becomes_a_deal_of_a_company_new_or_known(bench: Bench, admin: Caller) -> None:
    known = (await admin.post("/api/v1/companies", {"name": "ООО «Ромашка»"})).json
    deals = []
    for number, name in enumerate(("ромашка ООО", "Новый завод")):
        lead = await a_lead(bench, phone=f"+7916000000{number}", name=f"Клиент {number}")
        await admin("PATCH", f"/api/v1/leads/{lead['id']}", {"fields": KNOWN})
        answer = await convert(admin, lead, pipeline="equipment", company=name)
        assert answer.status == 201, answer.json
        deals.append(answer.json["deal"])
    assert deals[0]["company_id"] == known["id"]
    fresh = (await admin.get(f"/api/v1/companies/{deals[1]['company_id']}")).json
    assert fresh["name"] == "Новый завод"
    contact = (await admin.get(f"/api/v1/contacts/{deals[1]['person']['id']}")).json
    assert contact["company_id"] == fresh["id"]


async def ready(bench: Bench, admin: Caller, number: int, **person: Any) -> dict[str, Any]:
    """A lead that lacks nothing."""
    lead = await a_lead(bench, phone=f"+7916000010{number}", name=f"Клиент {number}")
    await admin("PATCH", f"/api/v1/leads/{lead['id']}", {"fields": KNOWN})
    if person:
        await admin("PATCH", f"/api/v1/contacts/{lead['person']['id']}", person)
    return lead


async def test_of_companies_that_resemble_the_name_people_choose(bench: Bench, admin: Caller) -> None:
    ip = (await admin.post("/api/v1/companies", {"name": "ИП Ромашка", "inn": "500100732259"})).json
    lead = await ready(bench, admin, 1)
    refused = await convert(admin, lead, company="ООО Ромашка")
    assert refused.status == 422
    assert refused.json["missing"] == [
        {"kind": "company", "key": ip["id"], "title": "ИП Ромашка, ИНН 500100732259", "stage": None}
    ]
    assert len(await admin.items("/api/v1/companies")) == 1
    chosen = await convert(admin, lead, company_id=ip["id"])
    assert chosen.json["deal"]["company_id"] == ip["id"]
    other = await ready(bench, admin, 2)
    made = await convert(admin, other, company="ООО Ромашка", new_company=True)
    assert made.json["deal"]["company_id"] not in (None, ip["id"])
    third = await ready(bench, admin, 3)
    assert set((await convert(admin, third, company_id="nobody")).fields) == {"company_id"}
    exact = await convert(admin, third, company="«Ромашка» ООО")
    assert exact.json["deal"]["company_id"] == made.json["deal"]["company_id"]


async def test_the_persons_change_of_company_stands_in_the_audit_trail(bench: Bench, admin: Caller) -> None:
    former = (await admin.post("/api/v1/companies", {"name": "Василёк"})).json
    known = (await admin.post("/api/v1/companies", {"name": "ООО Ромашка"})).json
    lead = await ready(bench, admin, 1, company_id=former["id"])
    assert (await convert(admin, lead, company_id=known["id"])).status == 201
    newest = (await admin.items(f"/api/v1/audit?entity_id={lead['person']['id']}"))[0]
    assert newest["changes"]["company_id"] == [former["id"], known["id"]]


async def test_a_deal_is_of_the_company_that_the_contact_belongs_to_when_none_is_named(
    bench: Bench, admin: Caller
) -> None:
    known = (await admin.post("/api/v1/companies", {"name": "ООО Ромашка"})).json
    lead = await ready(bench, admin, 1, company_id=known["id"])
    assert (await convert(admin, lead)).json["deal"]["company_id"] == known["id"]


async def test_a_converted_lead_is_moved_nowhere(bench: Bench, admin: Caller) -> None:
    lead = await ready(bench, admin, 1)
    assert (await convert(admin, lead)).status == 201
    for stage in ("qualification", "spam", "mistaken"):
        refused = await admin.post(f"/api/v1/leads/{lead['id']}/move", {"stage": stage})
        assert (refused.status, "уже сделана сделка" in refused.json["detail"]) == (409, True), stage


async def test_a_won_deal_makes_a_customer_and_a_reopened_one_does_not(bench: Bench, admin: Caller) -> None:
    lead = await a_lead(bench)
    person = f"/api/v1/contacts/{lead['person']['id']}"
    deal = await a_deal(admin, pipeline="service", amount="2500.50", person_id=lead["person"]["id"])
    await move(admin, deal, "won")
    bought = (await admin.get(person)).json
    assert (bought["won_count"], bought["won_sum"]) == (1, "2500.50")
    await move(admin, deal, "offer")
    assert (await admin.get(person)).json["won_count"] == 0


async def test_everything_of_a_deal_is_found(bench: Bench, admin: Caller) -> None:
    company = (await admin.post("/api/v1/companies", {"name": "ООО «Ромашка»", "inn": "7707083893"})).json
    deal = await a_deal(admin, title="Токарный станок", company_id=company["id"])
    for _ in range(100):
        found = (await admin.get("/api/v1/search?q=7707083893")).json
        if found["companies"]:
            break
        await asyncio.sleep(0.05)
    assert [each["id"] for each in found["companies"]] == [company["id"]]
    assert [each["id"] for each in (await admin.get("/api/v1/search?q=njrfhysq")).json["deals"]] == [deal["id"]]
    assert [each["id"] for each in (await admin.get("/api/v1/search?q=ромашка")).json["deals"]] == [deal["id"]]


async def test_a_discount_is_printed_as_it_was_given_though_vat_comes_on_top(admin: Caller) -> None:
    deal = await a_deal(admin, pipeline="equipment")
    line = {"name": "Станок", "price": "100", "discount": {"kind": "percent", "value": "10"}, "vat_included": False}
    await put(admin, deal, lines=[line | {"vat": "vat22"}])
    at = f"/api/v1/deals/{deal['id']}/documents"
    made = (await admin.post(at, {"template": "offer-equipment", "leave_blanks": True})).json
    text = words_of((await admin.get(f"/api/v1/documents/{made['id']}/file")).body)
    assert "Скидка: 10,00 ₽" in text
    total = (await admin.get(f"/api/v1/deals/{deal['id']}/products")).json["totals"]["total"].replace(".", ",")
    assert f"Итого: {total} ₽" in text
