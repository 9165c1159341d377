"""Who may call what: each role of the preset against the calls, spot by spot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.hub import ROLES, Bench

EVERYBODY = frozenset(ROLES)
LEAD_READERS = EVERYBODY - {"service_seller", "procurement", "service_admin", "ops"}
LEAD_MAKERS = frozenset({"admin", "head_equipment", "head_service", "first_line", "consultant"})
DOCUMENT_READERS = EVERYBODY - {"first_line", "procurement", "service_admin", "ops"}
ON_DUTY = frozenset({"admin", "ops", "head_equipment"})

SEGMENT = {"name": "Лучшие", "entity": "company", "filter": [{"field": "abc", "op": "eq", "value": "A"}]}

CALLS: tuple[tuple[str, str, Any, frozenset[str]], ...] = (
    ("GET", "/leads", None, LEAD_READERS),
    ("GET", "/deals", None, EVERYBODY - {"ops"}),
    ("GET", "/automations", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/robot-runs", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/departments", None, EVERYBODY),
    ("POST", "/departments", {"name": "Склад"}, frozenset({"admin"})),
    ("GET", "/settings", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/settings/pipelines", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/settings/fields/price", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/settings/changes", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/settings/export", None, frozenset({"admin", "head_equipment"})),
    ("PUT", "/settings/fields", {"order": ["price"]}, frozenset({"admin"})),
    ("PUT", "/settings/fields/warranty", {"value": {"title": "Гарантия"}}, frozenset({"admin"})),
    ("PATCH", "/settings/fields/price", {"value": {"title": "Цена"}}, frozenset({"admin"})),
    ("DELETE", "/settings/fields/price", None, frozenset({"admin"})),
    ("GET", "/pipelines", None, EVERYBODY - {"ops"}),
    ("POST", "/deals", {"pipeline": "equipment"}, frozenset({"admin", "head_equipment", "first_line"})),
    ("POST", "/deals", {"pipeline": "service"}, frozenset({"admin", "head_equipment", "head_service"})),
    ("GET", "/search?q=79161234567", None, EVERYBODY),
    ("GET", "/contacts", None, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("GET", "/companies", None, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("GET", "/companies/similar?name=Ромашка", None, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("POST", "/companies", {"name": "Ромашка"}, LEAD_MAKERS),
    ("GET", "/duplicates", None, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("GET", "/contacts/export", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/leads/export", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/companies/export", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/deals/export", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/products/export", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/imports", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/calls", None, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("GET", "/documents", None, DOCUMENT_READERS),
    ("GET", "/tasks", None, EVERYBODY),
    ("GET", "/templates", None, DOCUMENT_READERS),
    ("GET", "/template-guide", None, DOCUMENT_READERS),
    ("GET", "/users", None, EVERYBODY),
    ("GET", "/queues", None, EVERYBODY - {"procurement", "service_admin"}),
    ("GET", "/products", None, EVERYBODY - {"ops"}),
    ("GET", "/product-categories", None, EVERYBODY - {"ops"}),
    ("GET", "/calculate/options", None, EVERYBODY - {"ops"}),
    ("POST", "/calculate/lines", {"lines": [{"price": "100"}]}, EVERYBODY - {"ops"}),
    ("POST", "/products", {"name": "Станок"}, frozenset({"admin", "head_equipment"})),
    ("POST", "/product-categories", {"name": "Станки"}, frozenset({"admin", "head_equipment"})),
    ("GET", "/connectors", None, ON_DUTY | {"deputy"}),
    ("GET", "/onec/exchanges", None, ON_DUTY | {"deputy"}),
    ("GET", "/onec/orders", None, ON_DUTY | {"deputy"}),
    ("GET", "/journal", None, ON_DUTY),
    ("GET", "/quarantine", None, ON_DUTY),
    ("GET", "/outbox", None, ON_DUTY),
    ("GET", "/audit", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/retention", None, frozenset({"admin", "head_equipment"})),
    ("GET", "/workhours/office", None, EVERYBODY),
    ("DELETE", "/templates/offer-service", None, frozenset({"admin"})),
    ("PATCH", "/templates/offer-service", {"title": "КП"}, frozenset({"admin", "head_equipment"})),
    ("POST", "/leads", {"phone": "+79161234567"}, LEAD_MAKERS),
    ("POST", "/connectors/site/resume", None, frozenset({"admin", "deputy", "ops"})),
    ("POST", "/users", {"email": "x@y.ru", "name": "Х", "roles": ["ops"]}, frozenset({"admin"})),
    ("GET", "/segments", None, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("GET", "/companies/duplicates", None, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("POST", "/segments", SEGMENT, EVERYBODY - {"procurement", "service_admin", "ops"}),
    ("POST", "/tasks", {"title": "Позвонить"}, EVERYBODY),
    ("GET", "/task-groups", None, EVERYBODY),
)


@pytest.mark.parametrize(("method", "path", "body", "allowed"), CALLS, ids=[f"{m} {p}" for m, p, _, _ in CALLS])
async def test_each_role_may_call_exactly_what_the_preset_grants(
    bench: Bench, method: str, path: str, body: Any, allowed: frozenset[str]
) -> None:
    got = {}
    for role in ROLES:
        got[role] = (await (await bench.token(role))(method, "/api/v1" + path, body)).status
    assert {role for role, status in got.items() if status != 403} == allowed
    assert all(got[role] < 300 or got[role] in (409, 422) for role in allowed), got


async def test_search_shows_only_what_the_reader_may_see(bench: Bench) -> None:
    await bench.lead_of(await bench.form())
    seller = (await (await bench.token("first_line")).get("/api/v1/search?q=8 (916) 123-45-67")).json
    assert (len(seller["leads"]), len(seller["contacts"])) == (1, 1)
    service = (await (await bench.token("service_seller")).get("/api/v1/search?q=89161234567")).json
    assert (service["leads"], len(service["contacts"])) == ([], 1)
    buyer = (await (await bench.token("procurement")).get("/api/v1/search?q=89161234567")).json
    assert (buyer["leads"], buyer["contacts"]) == ([], [])


async def test_a_contacts_timeline_hides_leads_that_the_reader_may_not_see(bench: Bench) -> None:
    lead = await bench.lead_of(await bench.form(comment="Секрет"))
    path = f"/api/v1/contacts/{lead['person']['id']}/timeline"
    assert [each["kind"] for each in await (await bench.token("first_line")).items(path)] == ["form"]
    assert await (await bench.token("service_seller")).items(path) == []


async def test_a_finished_lead_is_no_longer_the_first_lines_to_change(bench: Bench) -> None:
    lead = await bench.lead_of(await bench.form())
    path = f"/api/v1/leads/{lead['id']}"
    assert (await (await bench.token("admin")).post(f"{path}/move", {"stage": "mistaken"})).status == 200
    assert (await (await bench.token("first_line"))("PATCH", path, {"title": "Снова"})).status == 403
    assert (await (await bench.token("consultant"))("PATCH", path, {"title": "Снова"})).status == 200


async def test_tasks_are_seen_by_those_who_take_part(bench: Bench) -> None:
    await bench.hire("anna")
    boris = await bench.hire("boris")
    anna, other = await bench.sign_in("anna"), await bench.sign_in("boris")
    mine = (await anna.post("/api/v1/tasks", {"title": "Моя", "deadline": "2026-11-24T10:00:00+03:00"})).json
    given = (await anna.post("/api/v1/tasks", {"title": "Борису", "responsible_id": boris.id})).json
    assert mine["deadline"] == "2026-11-24T07:00:00Z"
    assert {each["id"] for each in await anna.items("/api/v1/tasks?mine=true")} == {mine["id"]}
    assert {each["id"] for each in await other.items("/api/v1/tasks")} == {given["id"]}
    assert (await other.get(f"/api/v1/tasks/{mine['id']}")).status == 403
    commented = await other.post(f"/api/v1/tasks/{given['id']}/comments", {"text": "Сделаю"})
    assert commented.status == 201
    done = await other.post(f"/api/v1/tasks/{given['id']}/complete", {"result": "Готово"})
    assert (done.json["state"], done.json["result"]) == ("done", "Готово")
    assert (await other.post(f"/api/v1/tasks/{given['id']}/complete")).status == 409
    comments = await anna.items(f"/api/v1/tasks/{given['id']}/comments")
    assert [each["text"] for each in comments] == ["Сделаю"]


async def test_what_an_admin_does_is_in_the_audit_trail(bench: Bench) -> None:
    admin = await bench.token("admin")
    body = {"email": "New@Firstline.example", "name": "Новый", "roles": ["first_line"], "password": "длинный пароль"}
    user = (await admin.post("/api/v1/users", body)).json
    assert user["email"] == "new@firstline.example"
    trail = await admin.items(f"/api/v1/audit?entity_id={user['id']}")
    assert [each["action"] for each in trail] == ["created"]
    assert (await admin.post("/api/v1/users", body)).fields == {"email": "Сотрудник с таким адресом уже есть"}
    wrong = await admin("PATCH", f"/api/v1/users/{user['id']}", {"calendar": "nowhere", "department_id": "nowhere"})
    assert set(wrong.fields) == {"calendar", "department_id"}


async def test_absence_shows_and_ends(bench: Bench) -> None:
    anna = await bench.hire("anna")
    admin = await bench.token("admin")
    path = f"/api/v1/users/{anna.id}/absences"
    times = {"starts_at": "2026-11-23T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}
    absence = await admin.post(path, {"kind": "vacation"} | times)
    assert absence.status == 201
    queue = (await admin.get("/api/v1/queues/first-line")).json
    assert queue["members"][0]["absent_until"] == "2026-12-01T00:00:00Z"
    assert (await admin.get(f"/api/v1/users/{anna.id}")).json["absence"]["kind"] == "vacation"
    assert (await admin("DELETE", f"{path}/{absence.json['id']}")).status == 204
    assert await admin.items(path) == []
