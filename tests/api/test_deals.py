"""Deals from outside: a lead becomes one, gates refuse with words, rights reach as far as the pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.hub import Answer, Bench, Caller

KNOWN = {"how_learned": "search", "equipment_category": "large", "probable_equipment": "16К20", "price": "1 250 000,50"}


async def a_lead(bench: Bench, **fields: Any) -> dict[str, Any]:
    return await bench.lead_of(await bench.form(**fields))


async def convert(caller: Caller, lead: dict[str, Any], **body: Any) -> Answer:
    return await caller.post(f"/api/v1/leads/{lead['id']}/convert", body)


async def a_deal(caller: Caller, **values: Any) -> dict[str, Any]:
    answer = await caller.post("/api/v1/deals", values)
    assert answer.status == 201, answer.json
    return dict(answer.json)


@pytest.fixture
async def admin(bench: Bench) -> Caller:
    return await bench.token("admin")


async def test_a_lead_that_lacks_something_names_it_and_stays_a_lead(bench: Bench, admin: Caller) -> None:
    lead = await a_lead(bench)
    answer = await convert(admin, lead, pipeline="equipment")
    assert answer.status == 422
    assert [each["key"] for each in answer.json["missing"]] == [
        "how_learned", "equipment_category", "probable_equipment",
    ]  # fmt: skip
    assert answer.json["missing"][0]["title"] == "Заполните поле «Как узнали о нас»"
    assert (await admin.get(f"/api/v1/leads/{lead['id']}")).json["stage"] != "converted"
    assert await admin.items("/api/v1/deals") == []


async def test_a_converted_lead_and_its_deal_know_each_other(bench: Bench, admin: Caller) -> None:
    lead = await a_lead(bench)
    await admin("PATCH", f"/api/v1/leads/{lead['id']}", {"fields": KNOWN})
    answer = await convert(admin, lead, pipeline="equipment")
    assert answer.status == 201, answer.json
    deal, lead = answer.json["deal"], answer.json["lead"]
    assert (lead["stage"], lead["deal_id"], deal["lead_id"]) == ("converted", deal["id"], lead["id"])
    assert deal["person"]["id"] == lead["person"]["id"]
    assert (deal["pipeline"], deal["stage"], deal["amount"]) == ("equipment", "new", "1250000.50")
    assert deal["fields"] == {"variants": "16К20", "equipment_category": "large"}
    assert deal["weighted"] == "62500.03"
    kinds = [item["kind"] for item in await admin.items(f"/api/v1/deals/{deal['id']}/timeline")]
    assert {"deal", "form", "stage"} <= set(kinds)
    again = await convert(admin, lead)
    assert again.status == 409
    assert "уже сделана сделка № 1" in again.json["detail"]
    back = await admin.post(f"/api/v1/leads/{lead['id']}/move", {"stage": "qualification"})
    assert back.status == 409


async def test_the_next_contact_of_a_converted_customer_is_a_repeat_lead(bench: Bench, admin: Caller) -> None:
    lead = await a_lead(bench)
    await admin("PATCH", f"/api/v1/leads/{lead['id']}", {"fields": KNOWN})
    await convert(admin, lead)
    repeat = await a_lead(bench, comment="Ещё один станок")
    assert repeat["id"] != lead["id"]
    assert repeat["person"]["id"] == lead["person"]["id"]


async def test_a_gate_names_everything_on_the_way_and_opens_when_it_is_there(admin: Caller) -> None:
    deal = await a_deal(admin, pipeline="equipment", title="Станок")
    at = f"/api/v1/deals/{deal['id']}"
    refused = await admin.post(at + "/move", {"stage": "contract"})
    assert refused.status == 422
    assert [(each["stage"], each["kind"], each["key"]) for each in refused.json["missing"]] == [
        ("purchase_check", "field", "requirements"), ("contract", "field", "amount"),
        ("contract", "document", "offer-equipment"),
    ]  # fmt: skip
    assert "Заполните поле «Требования к оборудованию»" in refused.json["detail"]
    gates = (await admin.get(at + "/gates")).json["stages"]
    assert gates["interest"] == []
    assert [each["key"] for each in gates["delivery"]] == [
        "requirements", "amount", "offer-equipment", "delivery_date", "prepaid_at",
    ]  # fmt: skip
    assert gates["price"] == []
    await admin("PATCH", at, {"amount": "100", "fields": {"requirements": "ЧПУ, 5 осей"}})
    await admin.post(at + "/documents", {"template": "offer-equipment", "leave_blanks": True})
    moved = await admin.post(at + "/move", {"stage": "contract"})
    assert (moved.status, moved.json["stage"], moved.json["weighted"]) == (200, "contract", "60.00")
    stays = (await admin.get(at + "/stays")).json["items"]
    assert [stay["stage"] for stay in stays] == ["new", "contract"]
    assert stays[-1]["left_at"] is None
    back = await admin.post(at + "/move", {"stage": "new"})
    assert back.status == 200


async def test_a_lost_deal_is_closed_and_reopened(admin: Caller) -> None:
    deal = await a_deal(admin, pipeline="service")
    at = f"/api/v1/deals/{deal['id']}"
    lost = await admin.post(at + "/move", {"stage": "price"})
    assert (lost.json["open"], lost.json["probability"], lost.json["closed_at"] is None) == (False, 0, False)
    again = await admin.post(at + "/move", {"stage": "offer"})
    assert (again.json["open"], again.json["closed_at"]) == (True, None)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": "много"}, "amount"), ({"amount": "1.234"}, "amount"), ({"amount": "-5"}, "amount"),
        ({"amount": "1e500"}, "amount"), ({"amount": "1,250"}, "amount"), ({"currency": "ABC"}, "currency"),
        ({"origin_id": "nothing"}, "origin_id"), ({"fields": {"delivery_date": "завтра"}}, "fields.delivery_date"),
        ({"fields": {"no_such": "x"}}, "fields.no_such"), ({"person_id": "nobody"}, "person_id"),
        ({"owner_id": "nobody"}, "owner_id"), ({"probability": 101}, "probability"), ({"title": ""}, "title"),
        ({"parties": [{"role": "payer", "person_id": "nobody"}]}, "parties"),
        ({"fields": {"equipment_category": "huge"}}, "fields.equipment_category"),
        ({"pipeline": "nowhere"}, "pipeline"),
    ],
)  # fmt: skip
async def test_a_wrong_value_is_named(admin: Caller, values: dict[str, Any], field: str) -> None:
    answer = await admin.post("/api/v1/deals", {"title": "Станок", **values})
    assert answer.status == 422
    assert field in answer.json["fields"]


async def test_the_card_keeps_next_step_people_and_risks(bench: Bench, admin: Caller) -> None:
    lead = await a_lead(bench)
    values = {
        "next_step": {"text": "Отправить КП", "at": "2026-12-01T09:00:00Z", "commitment": "Согласует бюджет"},
        "parties": [
            {"role": "decision_maker", "person_id": lead["person"]["id"]},
            {"role": "blocker", "name": "Юрист"},
        ],
        "risks": [{"text": "Конкурент дешевле", "level": "high"}],
        "expected_close": "2026-12-31",
    }
    deal = await a_deal(admin, title="Станок", **values)
    shown = (await admin.get(f"/api/v1/deals/{deal['id']}")).json
    assert shown["next_step"] == values["next_step"]
    assert [party["role"] for party in shown["parties"]] == ["decision_maker", "blocker"]
    assert shown["risks"] == [{"text": "Конкурент дешевле", "level": "high", "closed": False}]
    assert shown["expected_close"] == "2026-12-31"
    stale = await admin("PATCH", f"/api/v1/deals/{deal['id']}", {"title": "Другой"}, headers={"If-Match": "99"})
    assert stale.status == 409


async def test_sums_of_a_pipeline_follow_its_deals(admin: Caller) -> None:
    for amount in ("100.10", "200.20"):
        await a_deal(admin, pipeline="service", amount=amount)
    service = next(way for way in await admin.items("/api/v1/pipelines") if way["key"] == "service")
    first = service["stages"][0]
    assert (first["number"], first["amount"], first["weighted"]) == (2, "300.30", "30.03")
    await a_deal(admin, pipeline="service", amount="7.00", currency="EUR")
    service = next(way for way in await admin.items("/api/v1/pipelines") if way["key"] == "service")
    first = service["stages"][0]
    assert (first["number"], first["amount"]) == (3, "300.30")
    assert [(each["currency"], each["amount"]) for each in first["sums"]] == [("RUB", "300.30"), ("EUR", "7.00")]


async def test_only_who_holds_the_role_approves_in_its_name(bench: Bench, admin: Caller) -> None:
    deal = await a_deal(admin)
    at = f"/api/v1/deals/{deal['id']}/approve"
    assert (await admin.post(at, {"role": "head_equipment"})).status == 403
    head = await bench.token("head_equipment")
    approved = await head.post(at, {"role": "head_equipment"})
    assert [each["role"] for each in approved.json["approvals"]] == ["head_equipment"]
    assert len((await head.post(at, {"role": "head_equipment"})).json["approvals"]) == 1
    taken_back = await head.post(f"/api/v1/deals/{deal['id']}/withdraw", {"role": "head_equipment"})
    assert taken_back.json["approvals"] == []


async def test_an_approval_is_asked_for_and_refused_with_the_reason(bench: Bench, admin: Caller) -> None:
    deal = await a_deal(admin)
    at = f"/api/v1/deals/{deal['id']}"
    asked = await admin.post(at + "/ask", {"role": "head_equipment", "text": "Скидка 10 %"})
    assert [(each["state"], each["text"]) for each in asked.json["approvals"]] == [("asked", "Скидка 10 %")]
    head = await bench.token("head_equipment")
    assert set((await head.post(at + "/refuse", {"role": "head_equipment"})).json["fields"]) == {"text"}
    refused = await head.post(at + "/refuse", {"role": "head_equipment", "text": "Много"})
    assert [(each["state"], each["text"]) for each in refused.json["approvals"]] == [("refused", "Много")]


async def test_a_note_of_a_deal_stands_on_its_timeline(admin: Caller) -> None:
    deal = await a_deal(admin)
    assert (await admin.post(f"/api/v1/deals/{deal['id']}/notes", {"text": "Ждёт бюджета"})).status == 201
    notes = [item["text"] for item in await admin.items(f"/api/v1/deals/{deal['id']}/timeline?kind=note")]
    assert notes == ["Ждёт бюджета"]


async def test_deals_are_found_by_words_and_by_what_they_followed_from(admin: Caller) -> None:
    first, other = await a_deal(admin, title="Пресс листовой"), await a_deal(admin, title="Станок")
    follower = await a_deal(admin, pipeline="service", origin_id=first["id"], title="Обслуживание")
    assert [each["id"] for each in await admin.items("/api/v1/deals?q=пресс")] == [first["id"]]
    assert [each["id"] for each in await admin.items(f"/api/v1/deals?origin_id={first['id']}")] == [follower["id"]]
    assert other["id"] not in {each["id"] for each in await admin.items("/api/v1/deals?q=пресс")}


async def test_a_seller_changes_only_his_own_deals_and_only_in_his_pipeline(bench: Bench, admin: Caller) -> None:
    boris = await bench.hire("boris", "consultant")
    seller = await bench.sign_in("boris")
    mine = await a_deal(seller, pipeline="equipment")
    assert mine["owner_id"] == boris.id
    assert (await seller.post("/api/v1/deals", {"pipeline": "service"})).status == 403
    assert (await seller.post("/api/v1/deals", {"pipeline": "equipment", "owner_id": None})).status == 403
    foreign = await a_deal(admin, pipeline="equipment")
    assert (await seller("PATCH", f"/api/v1/deals/{foreign['id']}", {"title": "Моё"})).status == 403
    assert (await seller.get(f"/api/v1/deals/{foreign['id']}")).status == 200
    assert (await seller("PATCH", f"/api/v1/deals/{mine['id']}", {"title": "Моё"})).status == 200


async def test_procurement_sees_deals_only_at_its_stages(bench: Bench, admin: Caller) -> None:
    buyer = await bench.token("procurement")
    deal = await a_deal(admin, pipeline="equipment", fields={"requirements": "ЧПУ"})
    service = await a_deal(admin, pipeline="service")
    at = f"/api/v1/deals/{deal['id']}"
    assert await buyer.items("/api/v1/deals") == []
    assert (await buyer.get(at)).status == 403
    await admin.post(at + "/move", {"stage": "purchase_check"})
    assert [each["id"] for each in await buyer.items("/api/v1/deals")] == [deal["id"]]
    assert (await buyer.get(at)).status == 200
    assert (await buyer.post(at + "/move", {"stage": "offer"})).status == 403
    assert (await buyer.get(f"/api/v1/deals/{service['id']}")).status == 403
