"""Filters by field name, and the lists that were without them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.hub import Bench, Caller, until


async def make(admin: Caller, **fields: Any) -> dict[str, Any]:
    answer = await admin.post("/api/v1/leads", fields)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def test_tasks_are_found_by_every_field(bench: Bench) -> None:
    admin, anna = await bench.token("admin"), await bench.hire("anna")
    lead = await make(admin, phone="+79160000001")
    late = (bench.clock.now() + timedelta(minutes=5)).isoformat()
    task = {"title": "Дело", "responsible_id": anna.id}
    bodies = (task | {"lead_id": lead["id"]}, task | {"deadline": late}, task)
    made = [(await admin.post("/api/v1/tasks", body)).json["id"] for body in bodies]
    await admin.post(f"/api/v1/tasks/{made[2]}/complete", {"result": "готово"})
    bench.clock.push(timedelta(minutes=10))
    for query, wanted in (
        ("state=open", made[:2]),
        ("state=done", made[2:]),
        ("state=cancelled", []),
        (f"lead_id={lead['id']}", made[:1]),
        (f"responsible_id={anna.id}", made),
        ("responsible_id=nobody", []),
        ("kind=task", made),
        ("kind=callback", []),
        ("person_id=nobody", []),
    ):
        found = await admin.items(f"/api/v1/tasks?sort=created_at&{query}")
        assert [each["id"] for each in found] == wanted, query
    assert set((await admin.get("/api/v1/tasks?state=lost")).fields) == {"state"}


async def test_overdue_tasks_are_a_list_of_their_own(bench: Bench) -> None:
    admin = await bench.token("admin")
    anna = await bench.hire("anna")
    past = (bench.clock.now() - timedelta(minutes=1)).isoformat()
    body = {"title": "Срочно", "deadline": past, "responsible_id": anna.id}
    task = (await admin.post("/api/v1/tasks", body)).json
    (found,) = await until(lambda: admin.items("/api/v1/tasks?overdue=true"))
    assert found["id"] == task["id"]
    assert await admin.items("/api/v1/tasks?overdue=false") == []
    later = (bench.clock.now() + timedelta(days=1)).isoformat()
    moved = await admin("PATCH", f"/api/v1/tasks/{task['id']}", {"deadline": later})
    assert (moved.status, moved.json["overdue"]) == (200, False)
    bench.clock.push(timedelta(days=2))
    assert await until(lambda: admin.items("/api/v1/tasks?overdue=true"))


async def test_a_task_is_changed_and_the_change_is_written_down(bench: Bench) -> None:
    admin = await bench.token("admin")
    anna, boris = await bench.hire("anna"), await bench.hire("boris")
    task = (await admin.post("/api/v1/tasks", {"title": "Счёт", "responsible_id": anna.id})).json
    path = f"/api/v1/tasks/{task['id']}"
    changed = await admin(
        "PATCH", path, {"title": " Договор ", "description": "до пятницы", "responsible_id": boris.id}
    )
    assert changed.status == 200, changed.body
    assert (changed.json["title"], changed.json["description"]) == ("Договор", "до пятницы")
    assert changed.json["responsible_id"] == boris.id
    entries = await admin.items(f"/api/v1/audit?entity_id={task['id']}")
    assert ["Счёт", "Договор"] in [entry["changes"].get("title") for entry in entries]
    for wrong in ({"title": "   "}, {"responsible_id": "nobody"}, {"deadline": "завтра"}, {"state": "done"}):
        assert set((await admin("PATCH", path, wrong)).fields) == set(wrong)
    await admin.post(path + "/complete")
    assert (await admin("PATCH", path, {"title": "Поздно"})).status == 409


async def test_employees_are_found_by_every_field(bench: Bench) -> None:
    admin = await bench.token("admin")
    await bench.hire("anna", "first_line", extension="101")
    boris = await bench.hire("boris", "consultant", "ops")
    await admin("PATCH", f"/api/v1/users/{boris.id}", {"active": False})
    for query, wanted in (
        ("role=first_line", ["Anna"]),
        ("role=ops", ["Boris"]),
        ("role=nobody", []),
        ("email=ANNA@firstline.example", ["Anna"]),
        ("extension=101", ["Anna"]),
        ("active=false", ["Boris"]),
        ("active=true&role=ops", []),
    ):
        assert [each["name"] for each in await admin.items(f"/api/v1/users?{query}")] == wanted, query
    first = (await admin.get("/api/v1/users?limit=1&role=first_line")).json
    assert first["next"] is None


async def test_two_who_work_never_have_one_extension(bench: Bench) -> None:
    admin = await bench.token("admin")
    anna, boris = await bench.hire("anna", extension="101"), await bench.hire("boris")
    body = {"email": "c@firstline.example", "name": "Вера", "roles": ["first_line"], "extension": "101"}
    refused = await admin.post("/api/v1/users", body)
    assert set(refused.fields) == {"extension"}
    assert refused.fields["extension"] == "Этот внутренний номер уже у сотрудника «Anna»"
    path = f"/api/v1/users/{boris.id}"
    assert set((await admin("PATCH", path, {"extension": "101"})).fields) == {"extension"}
    assert (await admin("PATCH", f"/api/v1/users/{anna.id}", {"extension": "101"})).status == 200
    assert (await admin("PATCH", path, {"active": False, "extension": "101"})).status == 200
    assert set((await admin("PATCH", path, {"active": True})).fields) == {"extension"}


async def test_a_timeline_shows_one_kind_page_by_page(bench: Bench) -> None:
    admin = await bench.token("admin")
    lead = await make(admin, phone="+79160000001", text="Здравствуйте")
    path = f"/api/v1/leads/{lead['id']}"
    for n in range(3):
        await admin.post(f"{path}/notes", {"text": f"заметка {n}"})
    await admin.post(f"{path}/move", {"stage": "mistaken"})
    first = (await admin.get(f"{path}/timeline?kind=note&limit=2&sort=at")).json
    assert [each["text"] for each in first["items"]] == ["заметка 0", "заметка 1"]
    second = (await admin.get(f"{path}/timeline?kind=note&limit=2&sort=at&cursor={first['next']}")).json
    assert ([each["text"] for each in second["items"]], second["next"]) == (["заметка 2"], None)
    assert [each["kind"] for each in await admin.items(f"{path}/timeline?kind=stage")] == ["stage"]
    person = f"/api/v1/contacts/{lead['person']['id']}/timeline"
    assert [each["kind"] for each in await admin.items(person + "?kind=message")] == ["message"]
    assert set((await admin.get(f"{path}/timeline?kind=joke")).fields) == {"kind"}


async def test_connectors_come_in_pages(bench: Bench) -> None:
    admin = await bench.token("admin")
    whole = [each["name"] for each in await admin.items("/api/v1/connectors")]
    got: list[str] = []
    cursor = ""
    while True:
        page = (await admin.get(f"/api/v1/connectors?limit=1&cursor={cursor}")).json
        got += [each["name"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert got == whole
    assert len(whole) > 2
    assert set((await admin.get("/api/v1/connectors?limit=1000")).fields) == {"limit"}
    assert set((await admin.get("/api/v1/connectors?cursor=nowhere")).fields) == {"cursor"}


async def test_leads_of_a_source_are_found_by_any_of_its_names(bench: Bench) -> None:
    admin = await bench.token("admin")
    by_api = await make(admin, phone="+79160000001")
    by_form = await bench.lead_of(await bench.form(phone="+79160000002"))
    assert (await bench.stranger.post("/in/hooks/chat", data=b"1:hello")).status == 200
    for query, wanted in (
        (by_form["source"]["label"], by_form["id"]),
        ("site", by_form["id"]),
        ("api", by_api["id"]),
    ):
        found = await admin.items(f"/api/v1/leads?source={query}")
        assert [each["id"] for each in found] == [wanted], query
    assert by_form["id"] in [
        each["id"] for each in await admin.items(f"/api/v1/leads?source={by_form['source']['key']}")
    ]
    assert await admin.items("/api/v1/leads?source=nowhere") == []
    await admin("PATCH", f"/api/v1/leads/{by_api['id']}", {"source": "yandex_direct"})
    for name in ("yandex_direct", "Яндекс Директ", "яндекс директ"):
        assert [each["id"] for each in await admin.items(f"/api/v1/leads?source={name}")] == [by_api["id"]], name


@pytest.mark.parametrize(
    "query", ["karenina@", "KARENINA@MAIL", "mail.ru", "111-22-33", "1112233", "8916111", "916 111", "+7 916 111"]
)
async def test_part_of_an_email_or_a_phone_finds_the_lead_and_the_person(bench: Bench, query: str) -> None:
    admin = await bench.token("admin")
    lead = await make(admin, name="Анна", phone="+79161112233", email="karenina@mail.ru")
    await make(admin, name="Пётр", phone="+79037654488", email="petr@yandex.ru")
    params = {"q": query}
    for path in ("/api/v1/leads", "/api/v1/contacts"):
        found = (await admin.get(path, params=params)).json["items"]
        assert len(found) == 1, path
    found = (await admin.get("/api/v1/search", params=params)).json
    assert [each["id"] for each in found["leads"]] == [lead["id"]]
    assert [each["id"] for each in found["contacts"]] == [lead["person"]["id"]]
