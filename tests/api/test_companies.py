"""Companies: requisites, duplicate control on entry, contacts, timeline, deletion; and segments over both lists."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from crm_core.worth import note_won
from tests.api.hub import Bench, Caller

COMPANIES = "/api/v1/companies"
BANK = {"inn": "7707 083 893", "kpp": "773601001", "ogrn": "1027700132195"}


@pytest.fixture
async def root(bench: Bench) -> Caller:
    return await bench.token("admin")


async def make(root: Caller, **values: Any) -> Any:
    answer = await root.post(COMPANIES, {"name": "ООО «Ромашка»"} | values)
    assert answer.status == 201, answer.body
    return answer.json


async def test_a_company_is_made_read_and_changed(bench: Bench, root: Caller) -> None:
    anna = await bench.hire("anna")
    made = await make(root, **BANK, phones=["8 (916) 123-45-67"], emails=["Info@Romashka.RU"], fields={"region": "Юг"})
    assert (made["inn"], made["phones"], made["emails"]) == ("7707083893", ["+79161234567"], ["info@romashka.ru"])
    path = f"{COMPANIES}/{made['id']}"
    change = {"owner_id": anna.id, "fields": {"region": None, "plan": "2027"}, "comment": "Важный"}
    changed = await root("PATCH", path, change, headers={"If-Match": str(made["version"])})
    assert (changed.json["fields"], changed.json["owner_id"]) == ({"plan": "2027"}, anna.id)
    assert (await root("PATCH", path, {"name": "Х"}, headers={"If-Match": str(made["version"])})).status == 409
    assert (await root.get(path)).json == changed.json
    trail = await root.items(f"/api/v1/audit?entity_id={made['id']}")
    assert {each["action"] for each in trail} == {"created", "updated"}


async def test_each_wrong_field_of_a_company_is_named(root: Caller) -> None:
    wrong = {"inn": "7707083894", "kpp": "1", "phones": ["нет"], "emails": ["нет"], "owner_id": "nobody"}
    answer = await root.post(COMPANIES, {"name": "Ромашка"} | wrong)
    assert (answer.status, set(answer.fields)) == (422, set(wrong))
    assert set((await root.post(COMPANIES, {"name": "  "})).fields) == {"name"}
    made = await make(root, **BANK)
    assert set((await root("PATCH", f"{COMPANIES}/{made['id']}", {"inn": None})).fields) == {"kpp"}


async def test_the_same_inn_and_kpp_are_refused_by_the_name_of_who_has_them(root: Caller) -> None:
    made = await make(root, **BANK)
    answer = await root.post(COMPANIES, {"name": "Другая"} | BANK)
    assert answer.status == 409
    assert "ИНН 7707083893 и КПП 773601001 уже есть: «ООО «Ромашка»»" in answer.json["detail"]
    branch = await make(root, name="Филиал", inn="7707083893", kpp="773601002")
    answer = await root("PATCH", f"{COMPANIES}/{branch['id']}", {"kpp": "773601001"})
    assert (answer.status, "уже есть: «ООО «Ромашка»»" in answer.json["detail"]) == (409, True)
    alike = (await root.get(f"{COMPANIES}/{made['id']}/duplicates")).json["items"]
    assert [(each["company"]["id"], each["reasons"]) for each in alike] == [(branch["id"], ["Тот же ИНН"])]


async def test_a_similar_name_is_a_hint_and_no_refusal(root: Caller) -> None:
    made = await make(root, name="ООО «Ёлка»")
    hint = (await root.get(f"{COMPANIES}/similar?name=елка ооо")).json["items"]
    assert [each["id"] for each in hint] == [made["id"]]
    other = await make(root, name="Елка")
    found = (await root.get(f"{COMPANIES}/{other['id']}/duplicates")).json["items"]
    assert [(each["company"]["id"], each["reasons"]) for each in found] == [(made["id"], ["Похожее название или имя"])]
    (pair,) = await root.items(f"{COMPANIES}/duplicates")
    assert {pair["first"]["id"], pair["second"]["id"]} == {made["id"], other["id"]}, "filed on entry"
    answer = await root.post(f"{COMPANIES}/{other['id']}/duplicates/dismiss", {"other_id": made["id"]})
    assert answer.status == 204
    assert (await root.get(f"{COMPANIES}/{made['id']}/duplicates")).json["items"] == []
    assert await root.items(f"{COMPANIES}/duplicates") == []


async def test_companies_are_found_by_name_inn_owner_and_date(bench: Bench, root: Caller) -> None:
    anna = await bench.hire("anna")
    one = await make(root, **BANK, owner_id=anna.id)
    other = await make(root, name="АО Василёк")

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in await root.items(f"{COMPANIES}?{query}")]

    assert await ids("q=ром") == [one["id"]]
    assert await ids("q=ооо ромашка") == [one["id"]]
    assert await ids("q=ВАСИЛЕК") == [other["id"]]
    assert await ids("inn=7707083893") == [one["id"]]
    assert await ids(f"owner_id={anna.id}") == [one["id"]]
    assert await ids("created_to=2026-01-01T00:00:00Z") == []
    assert await ids("sort=name") == [other["id"], one["id"]]
    first = (await root.get(f"{COMPANIES}?limit=1&sort=created_at")).json
    rest = await ids(f"limit=1&sort=created_at&cursor={first['next']}")
    assert [first["items"][0]["id"], *rest] == [one["id"], other["id"]]


async def test_a_contact_belongs_to_a_company_whose_timeline_joins_its_contacts(bench: Bench, root: Caller) -> None:
    company = await make(root)
    first = await bench.lead_of(await bench.form(comment="Первый"))
    other = await bench.lead_of(await bench.form(phone="+79037654321", name="Анна", comment="Вторая"))
    for lead in (first, other):
        change = {"company_id": company["id"], "position": "Инженер", "birthday": "1985-12-31", "fields": {"a": "1"}}
        changed = await root("PATCH", f"/api/v1/contacts/{lead['person']['id']}", change)
        assert changed.status == 200, changed.body
        shown = {name: changed.json[name] for name in ("company", "position", "birthday", "fields")}
        assert shown == {
            "company": "ООО «Ромашка»", "position": "Инженер", "birthday": "1985-12-31", "fields": {"a": "1"},
        }  # fmt: skip
    people = await root.items(f"{COMPANIES}/{company['id']}/contacts")
    assert {each["id"] for each in people} == {first["person"]["id"], other["person"]["id"]}
    assert len(await root.items(f"/api/v1/contacts?company_id={company['id']}")) == 2
    path = f"{COMPANIES}/{company['id']}/timeline"
    whole = [each["id"] for each in await root.items(path)]
    assert {each["lead_id"] for each in await root.items(path)} == {first["id"], other["id"]}
    paged, cursor = [], ""
    while cursor is not None:
        page = (await root.get(f"{path}?limit=1{cursor}")).json
        paged += [each["id"] for each in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert paged == whole
    assert await (await bench.token("service_seller")).items(path) == [], "leads that the reader may not see"
    wrong = {"company_id": "nobody", "birthday": "вчера", "owner_id": "nobody"}
    answer = await root("PATCH", f"/api/v1/contacts/{first['person']['id']}", wrong)
    assert set(answer.fields) == set(wrong)


async def test_only_a_company_that_nothing_refers_to_is_deleted(root: Caller) -> None:
    company = await make(root)
    contact = (await root.post("/api/v1/contacts", {"name": "Пётр", "company_id": company["id"]})).json
    refused = await root("DELETE", f"{COMPANIES}/{company['id']}")
    assert (refused.status, "контактов: 1" in refused.json["detail"]) == (409, True)
    assert (await root("PATCH", f"/api/v1/contacts/{contact['id']}", {"company_id": None})).status == 200
    assert (await root("DELETE", f"{COMPANIES}/{company['id']}")).status == 204
    assert (await root.get(f"{COMPANIES}/{company['id']}")).status == 404


async def test_the_first_line_makes_companies_and_does_not_change_them(bench: Bench, root: Caller) -> None:
    seller = await bench.token("first_line")
    company = await make(seller)
    assert (await seller("PATCH", f"{COMPANIES}/{company['id']}", {"name": "Х"})).status == 403
    assert (await seller("DELETE", f"{COMPANIES}/{company['id']}")).status == 403
    assert (await seller.post(f"{COMPANIES}/{company['id']}/merge", {"into": company["id"]})).status == 403
    assert (await (await bench.token("ops")).get(f"{COMPANIES}/{company['id']}")).status == 403


async def test_a_segment_narrows_a_list_and_is_its_owners_to_change(bench: Bench) -> None:
    for name in ("anna", "boris"):
        await bench.hire(name, "consultant")
    anna, boris = await bench.sign_in("anna"), await bench.sign_in("boris")
    mine = await make(anna)
    await make(boris, name="Чужая")
    owner = (await anna.get("/api/v1/users/me")).json["id"]
    conditions = [
        {"field": "owner_id", "op": "in", "value": [owner]},
        {"field": "rfm", "op": "eq", "value": "never"},
        {"field": "won_sum", "op": "lt", "value": "100.50"},
        {"field": "abc", "op": "empty"},
        {"field": "created_at", "op": "within_days", "value": 7},
        {"field": "name", "op": "prefix", "value": "ромаш"},
    ]
    segment = await anna.post("/api/v1/segments", {"name": "Мои", "entity": "company", "filter": conditions})
    assert segment.status == 201, segment.body
    path = f"/api/v1/segments/{segment.json['id']}"
    found = await anna.items(f"{COMPANIES}?segment={segment.json['id']}")
    assert [each["id"] for each in found] == [mine["id"]]
    assert set((await anna.get(f"/api/v1/contacts?segment={segment.json['id']}")).fields) == {"segment"}
    assert (await boris.get(path)).status == 404
    assert set((await boris.get(f"{COMPANIES}?segment={segment.json['id']}")).fields) == {"segment"}
    assert (await anna("PATCH", path, {"shared": True})).status == 200
    assert len(await boris.items("/api/v1/segments?entity=company")) == 1
    assert (await boris("PATCH", path, {"name": "Х"})).status == 403
    assert (await anna("DELETE", path)).status == 204
    assert await anna.items("/api/v1/segments") == []


async def test_a_segment_of_a_sum_comes_greatest_first_and_pages(bench: Bench, root: Caller) -> None:
    ids = [(await make(root, name=f"Фирма {number}"))["id"] for number in range(3)]
    for place, each in enumerate(ids):
        at = bench.clock.now()
        await bench.hub.store.write(note_won, None, each, Decimal(place), at)
    conditions = [{"field": "won_sum", "op": "gt", "value": "0"}]
    made = await root.post("/api/v1/segments", {"name": "Купили", "entity": "company", "filter": conditions})
    path = f"{COMPANIES}?limit=1&segment={made.json['id']}"
    first = (await root.get(path)).json
    rest = (await root.get(f"{path}&cursor={first['next']}")).json
    assert [each["id"] for each in (*first["items"], *rest["items"])] == [ids[2], ids[1]]
    assert (first["items"][0]["won_sum"], first["items"][0]["rfm"], rest["next"]) == ("2", "new", None)


async def test_a_condition_that_cannot_be_answered_fast_or_makes_no_sense_is_named_by_its_place(root: Caller) -> None:
    conditions = [
        {"field": "comment", "op": "eq", "value": "х"},
        {"field": "rfm", "op": "gt", "value": "new"},
        {"field": "abc", "op": "eq", "value": "Z"},
        {"field": "last_won_at", "op": "gt", "value": "вчера"},
        {"field": "won_count", "op": "gt", "value": None},
        {"field": "won_sum", "op": "gt", "value": "NaN"},
    ]
    answer = await root.post("/api/v1/segments", {"name": "Х", "entity": "contact", "filter": conditions})
    assert set(answer.fields) == {
        "filter[0].field", "filter[1].op", "filter[2].value", "filter[3].value", "filter[4].value", "filter[5].value",
    }  # fmt: skip
    assert "company_id" in answer.fields["filter[0].field"], "those that can be used are listed"
