"""Lists: filters, paging, sorting; creating by API with an idempotency key; search."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.hub import Bench, Caller


async def make(admin: Caller, number: int) -> list[dict[str, Any]]:
    leads = []
    for n in range(number):
        answer = await admin.post("/api/v1/leads", {"name": f"Клиент {n}", "phone": f"+7916000{n:04}"})
        assert answer.status == 201, answer.body
        leads.append(answer.json)
    return leads


async def test_pages_follow_each_other_without_gaps_while_others_write(bench: Bench) -> None:
    admin = await bench.token("admin")
    made = await make(admin, 25)
    for sort, wanted in (("number", made), ("-number", made[::-1]), ("created_at", made), ("-created_at", made[::-1])):
        got: list[str] = []
        cursor = ""
        while True:
            page = (await admin.get(f"/api/v1/leads?limit=10&sort={sort}&cursor={cursor}")).json
            got += [lead["id"] for lead in page["items"]]
            if page["next"] is None:
                break
            cursor = page["next"]
        assert got == [lead["id"] for lead in wanted], sort
    first = (await admin.get("/api/v1/leads?limit=10&sort=-number")).json
    await make(admin, 26)
    second = (await admin.get(f"/api/v1/leads?limit=10&sort=-number&cursor={first['next']}")).json
    assert [lead["number"] for lead in second["items"]] == list(range(15, 5, -1))


async def test_a_lead_made_by_the_api_goes_the_routers_way(bench: Bench) -> None:
    anna = await bench.hire("anna")
    await bench.sign_in("anna")
    admin = await bench.token("admin")
    body = {
        "name": "Пётр", "phone": "8 916 765-43-21", "email": "Petr@Mail.ru", "text": "Нужен пресс", "title": "Пресс",
        "utm": {"source": "quiz"}, "page": "https://shop.example/press", "fields": {"equipment": "large"},
    }  # fmt: skip
    lead = (await admin.post("/api/v1/leads", body)).json
    assert lead["title"] == "Пресс"
    assert (lead["person"]["phones"], lead["person"]["emails"]) == (["+79167654321"], ["petr@mail.ru"])
    assert (lead["source"]["channel"], lead["source"]["utm"]) == ("api", {"source": "quiz"})
    assert lead["fields"]["equipment_category"] == "large"
    assert lead["offered_to"] == anna.id
    items = await admin.items(f"/api/v1/leads/{lead['id']}/timeline")
    assert [each["text"] for each in items if each["kind"] == "message"] == ["Нужен пресс"]
    again = (await admin.post("/api/v1/leads", {"email": "petr@mail.ru", "text": "Ещё вопрос", "title": "Другое"})).json
    assert (again["id"], again["title"], again["unread"]) == (lead["id"], "Пресс", 2)


async def test_the_same_key_makes_one_lead_and_another_callers_key_is_another(bench: Bench) -> None:
    admin, head = await bench.token("admin"), await bench.token("head_equipment")
    key = {"Idempotency-Key": "order-77"}
    first = await admin.post("/api/v1/leads", {"phone": "+79160000001"}, headers=key)
    again = await admin.post("/api/v1/leads", {"phone": "+79160000001"}, headers=key)
    other = await head.post("/api/v1/leads", {"phone": "+79160000002"}, headers=key)
    assert (first.json["id"], first.json["unread"]) == (again.json["id"], again.json["unread"])
    assert other.json["id"] != first.json["id"]
    too_long = await admin.post("/api/v1/leads", {"phone": "+79160000001"}, headers={"Idempotency-Key": "k" * 201})
    assert set(too_long.fields) == {"Idempotency-Key"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("stage=new", 3),
        ("stage=new,spam", 3),
        ("stage=spam", 0),
        ("channel=api", 3),
        ("channel=form", 0),
        ("open=true&waiting=true", 3),
        ("open=false", 0),
        ("queue=first-line", 3),
        ("owner_id=nobody", 0),
        ("phone=8 (916) 000-00-01", 1),
        ("phone=junk", 0),
        ("email=ANNA@x.ru", 0),
        ("q=2", 2),
        ("q=№2", 1),
        ("q=клиент", 3),
        ("q=Клиент 1", 1),
        ("q=89160000002", 1),
        ("q=nothing like that", 0),
        ("created_from=2026-11-23T00:00:00Z&created_to=2026-11-24T00:00:00%2B03:00", 3),
        ("created_from=2027-01-01T00:00:00Z", 0),
    ],
)
async def test_each_filter_finds_what_it_says(bench: Bench, query: str, found: int) -> None:
    admin = await bench.token("admin")
    await make(admin, 3)
    assert len(await admin.items(f"/api/v1/leads?{query}")) == found


async def test_contacts_are_found_by_any_of_their_marks(bench: Bench) -> None:
    admin = await bench.token("admin")
    await admin.post("/api/v1/leads", {"name": "Анна Каренина", "phone": "+79161112233", "email": "anna@mail.ru"})
    for query in (
        "phone=89161112233",
        "email=ANNA@mail.ru",
        "q=анна",
        "q=Каренина",
        "q=8 916 111-22-33",
        "q=anna@mail.ru",
    ):
        people = await admin.items(f"/api/v1/contacts?{query}")
        assert [each["name"] for each in people] == ["Анна Каренина"], query
    assert await admin.items("/api/v1/contacts?q=анна&phone=89990000000") == []
    person = (await admin.items("/api/v1/contacts"))[0]
    assert (await admin.get(f"/api/v1/contacts/{person['id']}")).json == person
    found = (await admin.get("/api/v1/search?q=каренина")).json
    assert (len(found["leads"]), len(found["contacts"])) == (1, 1)


async def test_two_marks_of_two_people_are_filed_as_possible_duplicates(bench: Bench) -> None:
    admin = await bench.token("admin")
    await admin.post("/api/v1/leads", {"phone": "+79161112233"})
    await admin.post("/api/v1/leads", {"email": "anna@mail.ru"})
    await admin.post("/api/v1/leads", {"phone": "+79161112233", "email": "anna@mail.ru"})
    (pair,) = await admin.items("/api/v1/duplicates")
    assert {*pair["first"]["phones"], *pair["second"]["phones"]} >= {"+79161112233"}
    assert pair["first"]["id"] != pair["second"]["id"]


async def test_notifications_are_ones_own_and_can_be_read(bench: Bench) -> None:
    anna = await bench.hire("anna")
    await bench.hire("boris")
    browser, other = await bench.sign_in("anna"), await bench.sign_in("boris")
    admin = await bench.token("admin")
    (lead,) = await make(admin, 1)
    await admin.post(f"/api/v1/leads/{lead['id']}/assign", {"user_id": anna.id})
    (note,) = await browser.items("/api/v1/notifications?read=false")
    assert note["kind"] == "lead_given"
    assert (await other.post(f"/api/v1/notifications/{note['id']}/read")).status == 404
    assert (await browser.post(f"/api/v1/notifications/{note['id']}/read")).json["read"] is True
    assert await browser.items("/api/v1/notifications?read=false") == []
    assert (await browser.post("/api/v1/notifications/read")).status == 204
    assert (await admin.get("/api/v1/notifications")).status == 403


async def test_assigning_to_nobody_or_to_both_is_refused_by_field(bench: Bench) -> None:
    admin = await bench.token("admin")
    (lead,) = await make(admin, 1)
    path = f"/api/v1/leads/{lead['id']}/assign"
    for body in ({}, {"user_id": "x", "queue": "first-line"}, {"user_id": "nobody"}):
        assert set((await admin.post(path, body)).fields) == {"user_id"}
    assert set((await admin.post(path, {"queue": "nowhere"})).fields) == {"queue"}
    assert (await admin.post("/api/v1/leads/nobody/assign", {"user_id": "nobody"})).status == 404
