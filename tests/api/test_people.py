"""People put right through the API: contacts made and corrected, anonymous callers named, pairs filed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connectors.contract import CallDirection, CallFacts, CallOutcome, CallPhase, Inbound, InboundKind, Sender
from tests.api.hub import Bench, Caller, until


async def make(admin: Caller, **fields: Any) -> dict[str, Any]:
    answer = await admin.post("/api/v1/leads", fields)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def anonymous_call(bench: Bench, id: str = "call-1") -> dict[str, Any]:
    """A missed call from a withheld number, as the telephony connector hands it over; its lead."""
    at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    facts = CallFacts(
        call_id=id, linkedid=id, phase=CallPhase.ENDED, direction=CallDirection.IN, number=None, did="+74951234567",
        started_at=at, outcome=CallOutcome.MISSED, ended_at=at,
    )  # fmt: skip
    (receipt,) = await bench.hub.intake.accept(
        Inbound(
            connector="office-phone", channel="phone", external_id=id, kind=InboundKind.CALL, occurred_at=at,
            sender=Sender(), call=facts,
        )
    )  # fmt: skip
    lead = await bench.lead_of(receipt.id)
    assert lead["person"] is None
    return lead


async def test_a_contact_is_corrected_and_found_by_what_is_new(bench: Bench) -> None:
    admin = await bench.token("admin")
    lead = await make(admin, name="Иван", phone="+79160000001", email="old@mail.ru")
    path = f"/api/v1/contacts/{lead['person']['id']}"
    version = (await admin.get(path)).json["version"]
    change = {"name": " Иван  Петров ", "company": "Завод", "phones": ["8 (916) 000-00-01", "8 916 000-00-02"]}
    answer = await admin("PATCH", path, change | {"emails": []}, headers={"If-Match": f'"{version}"'})
    assert answer.status == 200, answer.body
    assert (answer.json["name"], answer.json["company"]) == ("Иван Петров", "Завод")
    assert (answer.json["phones"], answer.json["emails"]) == (["+79160000001", "+79160000002"], [])
    assert answer.json["version"] > version
    assert [each["id"] for each in await admin.items("/api/v1/contacts?phone=89160000002")] == [answer.json["id"]]
    assert await admin.items("/api/v1/contacts?email=old@mail.ru") == []
    again = await make(admin, phone="+79160000002")
    assert again["id"] == lead["id"]
    (entry,) = await admin.items(f"/api/v1/audit?entity_id={answer.json['id']}")
    assert entry["changes"]["name"] == ["Иван", "Иван Петров"]


async def test_a_stale_or_nonsensical_version_is_refused(bench: Bench) -> None:
    admin = await bench.token("admin")
    lead = await make(admin, name="Иван", phone="+79160000001")
    anna = await bench.hire("anna")
    task = (await admin.post("/api/v1/tasks", {"title": "Счёт", "responsible_id": anna.id})).json
    for path, change in (
        (f"/api/v1/contacts/{lead['person']['id']}", {"name": "Пётр"}),
        (f"/api/v1/leads/{lead['id']}/person", {"name": "Пётр"}),
        (f"/api/v1/tasks/{task['id']}", {"title": "Договор"}),
        (f"/api/v1/users/{anna.id}", {"name": "Анна Соколова"}),
    ):
        assert (await admin("PATCH", path, change, headers={"If-Match": "999"})).status == 409, path
        assert set((await admin("PATCH", path, change, headers={"If-Match": "x"})).fields) == {"If-Match"}
        assert (await admin("PATCH", path, change)).status == 200, path


async def test_a_phone_of_somebody_else_is_refused_by_name_and_the_pair_is_filed(bench: Bench) -> None:
    admin = await bench.token("admin")
    ivan = await make(admin, name="Иван", phone="+79160000001")
    petr = await make(admin, name="Пётр", phone="+79160000002")
    path = f"/api/v1/contacts/{ivan['person']['id']}"
    answer = await admin("PATCH", path, {"name": "Другой", "phones": ["+79160000001", "+79160000002"]})
    assert answer.status == 422
    assert set(answer.fields) == {"phones"}
    assert "Пётр" in answer.fields["phones"]
    (pair,) = await admin.items("/api/v1/duplicates")
    assert {pair["first"]["id"], pair["second"]["id"]} == {ivan["person"]["id"], petr["person"]["id"]}
    assert (await admin.get(path)).json["name"] == "Иван"


async def test_nonsense_is_refused_by_field(bench: Bench) -> None:
    admin = await bench.token("admin")
    lead = await make(admin, phone="+79160000001")
    path = f"/api/v1/contacts/{lead['person']['id']}"
    wrong = await admin("PATCH", path, {"phones": ["junk"], "emails": ["junk"]})
    assert set(wrong.fields) == {"phones", "emails"}
    assert set((await admin("PATCH", path, {"phones": []})).fields) == {"name"}
    assert set((await admin("PATCH", path, {"notes": "x"})).fields) == {"notes"}
    assert (await admin("PATCH", "/api/v1/contacts/nobody", {"name": "x"})).status == 404
    assert set((await admin.post("/api/v1/contacts", {})).fields) == {"name"}
    assert set((await admin.post("/api/v1/contacts", {"phones": ["89160000001"]})).fields) == {"phones"}


async def test_a_contact_made_by_hand_is_recognised_when_he_writes(bench: Bench) -> None:
    seller, admin = await bench.token("first_line"), await bench.token("admin")
    made = await seller.post("/api/v1/contacts", {"name": "Пётр", "phones": ["8 916 000-00-05"]})
    assert made.status == 201, made.body
    lead = await make(admin, phone="+79160000005")
    assert lead["person"]["id"] == made.json["id"]
    assert (await (await bench.token("ops")).post("/api/v1/contacts", {"name": "x"})).status == 403


async def test_sellers_correct_the_contacts_of_leads_that_they_may_change(bench: Bench) -> None:
    admin, seller, service = [await bench.token(role) for role in ("admin", "first_line", "service_seller")]
    lead = await make(admin, name="Иван", phone="+79160000001")
    path = f"/api/v1/contacts/{lead['person']['id']}"
    assert (await seller("PATCH", path, {"name": "Пётр"})).status == 200
    assert (await service("PATCH", path, {"name": "Олег"})).status == 403
    await admin.post(f"/api/v1/leads/{lead['id']}/move", {"stage": "mistaken"})
    assert (await seller("PATCH", path, {"name": "Олег"})).status == 403


async def test_an_anonymous_caller_gets_a_name_and_his_calls_become_his(bench: Bench) -> None:
    seller, admin = await bench.token("first_line"), await bench.token("admin")
    lead = await anonymous_call(bench)
    path = f"/api/v1/leads/{lead['id']}/person"
    assert set((await seller("PATCH", path, {})).fields) == {"name"}
    named = await seller("PATCH", path, {"name": "Иван", "phone": "8 916 000-00-01"})
    assert named.status == 200, named.body
    assert (named.json["person"]["name"], named.json["person"]["phones"]) == ("Иван", ["+79160000001"])
    person = named.json["person"]["id"]
    items = await admin.items(f"/api/v1/contacts/{person}/timeline")
    assert [each["kind"] for each in items].count("call") == 1
    (call,) = await admin.items("/api/v1/calls")
    assert call["person_id"] == person
    more = await seller("PATCH", path, {"email": "ivan@mail.ru"})
    assert (more.json["person"]["id"], more.json["person"]["emails"]) == (person, ["ivan@mail.ru"])
    assert (await make(admin, phone="+79160000001"))["id"] == lead["id"]


async def test_a_caller_who_has_another_open_lead_is_told_of_it(bench: Bench) -> None:
    admin = await bench.token("admin")
    known = await make(admin, name="Иван", phone="+79160000001")
    lead = await anonymous_call(bench)
    answer = await admin("PATCH", f"/api/v1/leads/{lead['id']}/person", {"phone": "+79160000001"})
    assert answer.status == 409
    assert f"№ {known['number']}" in answer.json["detail"]
    assert (await admin.get(f"/api/v1/leads/{lead['id']}")).json["person"] is None
    await admin.post(f"/api/v1/leads/{known['id']}/move", {"stage": "mistaken"})
    answer = await admin("PATCH", f"/api/v1/leads/{lead['id']}/person", {"phone": "+79160000001"})
    assert (answer.json["person"]["id"], answer.json["repeat_of"]) == (known["person"]["id"], known["id"])


async def test_open_pages_hear_of_a_corrected_contact(bench: Bench) -> None:
    await bench.hire("anna")
    browser, admin = await bench.sign_in("anna"), await bench.token("admin")
    lead = await make(admin, name="Иван", phone="+79160000001")
    async with browser.http.get(bench.url + "/api/v1/events?last_id=0") as stream:
        await admin("PATCH", f"/api/v1/contacts/{lead['person']['id']}", {"name": "Пётр"})

        async def heard() -> bool:
            return (await stream.content.readline()).strip() == b"event: contact"

        await until(heard)
