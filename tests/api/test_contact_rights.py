"""«Свои контакты»: who may see only his own people finds only them, whichever way he asks."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crm_core.timeline import ItemKind, TimelineItem, add
from storage import Tx
from tests.api import hub
from tests.api.hub import Bench, Caller, open_bench

EQUIPMENT = Path("crm_core/presets/equipment")
OWN = """
[rights.consultant]
lead = { read = "own", update = "own" }
contact = { read = "own", create = "own", update = "own" }
company = { read = "own", create = "own", update = "own" }
user = { read = "all" }
"""


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    preset = tmp_path / "preset"
    shutil.copytree(EQUIPMENT, preset)
    rights = (preset / "rights.toml").read_text("utf-8")
    before, rest = rights.split("[rights.consultant]")
    (preset / "rights.toml").write_text(before + OWN + rest[rest.index("# Продавец сервиса") :], "utf-8")
    monkeypatch.setattr(hub, "CONFIG", hub.CONFIG.replace('"equipment"', f'"{preset}"'))
    bench = await open_bench(tmp_path)
    yield bench
    await bench.close()


@pytest.fixture
async def anna(office: Bench) -> Caller:
    await office.hire("anna", "consultant")
    return await office.sign_in("anna")


async def made(caller: Caller, path: str, **values: Any) -> dict[str, Any]:
    answer = await caller.post(f"/api/v1/{path}", values)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def test_lists_cards_search_and_duplicates_show_the_same_people(office: Bench, anna: Caller) -> None:
    root = await office.token("admin")
    mine = await made(anna, "contacts", name="Иван Петров", phones=["+79160000001"])
    other = await made(root, "contacts", name="Иван Петров", phones=["+79160000002"])
    assert (mine["owner_id"] is not None, other["owner_id"]) == (True, None)
    assert [each["id"] for each in await anna.items("/api/v1/contacts")] == [mine["id"]]
    for query in ("q=петров", "q=89160000002", "phone=89160000002"):
        expected = [mine["id"]] if query == "q=петров" else []
        assert [each["id"] for each in await anna.items(f"/api/v1/contacts?{query}")] == expected, query
    found = (await anna.get("/api/v1/search?q=петров")).json
    assert [each["id"] for each in found["contacts"]] == [mine["id"]]
    assert (await anna.get(f"/api/v1/contacts/{mine['id']}")).status == 200
    assert (await anna.get(f"/api/v1/contacts/{other['id']}")).status == 403
    assert (await anna.get(f"/api/v1/contacts/{other['id']}/timeline")).status == 403
    assert (await anna.get(f"/people/{other['id']}")).status == 403
    assert (await anna.get(f"/api/v1/contacts/{mine['id']}/duplicates")).json["items"] == []


async def test_nobody_merges_or_changes_what_he_may_not_change(office: Bench, anna: Caller) -> None:
    root = await office.token("admin")
    mine = await made(anna, "contacts", name="Иван Петров")
    other = await made(root, "contacts", name="Иван Петров")
    for gone, into in ((mine, other), (other, mine)):
        assert (await anna.post(f"/api/v1/contacts/{gone['id']}/merge", {"into": into["id"]})).status == 403
    assert (await anna("PATCH", f"/api/v1/contacts/{other['id']}", {"name": "Х"})).status == 403
    dismissed = await anna.post(f"/api/v1/contacts/{mine['id']}/duplicates/dismiss", {"other_id": other["id"]})
    assert (dismissed.status, set(dismissed.fields)) == (422, {"other_id"})
    merge = (await root.post(f"/api/v1/contacts/{mine['id']}/merge", {"into": other["id"]})).json
    assert (await anna.get(f"/api/v1/merges/{merge['id']}")).status == 200, "it is hers still: an owner is kept"
    await root("PATCH", f"/api/v1/contacts/{other['id']}", {"owner_id": None})
    assert (await anna.get(f"/api/v1/merges/{merge['id']}")).status == 403
    assert (await anna.post(f"/api/v1/merges/{merge['id']}/undo")).status == 403


async def test_pairs_show_only_companies_that_one_may_see(office: Bench, anna: Caller) -> None:
    root = await office.token("admin")
    mine = await made(anna, "companies", name="ООО Ромашка")
    await made(root, "companies", name="Ромашка")
    assert len(await root.items("/api/v1/companies/duplicates")) == 1
    assert await anna.items("/api/v1/companies/duplicates") == []
    assert (await anna.get(f"/api/v1/companies/{mine['id']}/duplicates")).json["items"] == []
    lead = await office.lead_of(await office.form(name="Пётр", phone="+79160000003"))
    assert (await anna.post(f"/api/v1/leads/{lead['id']}/convert", {})).status == 403


async def test_a_question_is_answered_from_all_people_not_from_the_newest_hundred(bench: Bench) -> None:
    root = await bench.token("admin")
    company = await made(root, "companies", name="Завод")
    wanted = await made(root, "contacts", name="Анна Первая", company_id=company["id"])
    for number in range(105):
        await made(root, "contacts", name=f"Анна {number:03}")
    found = await root.items(f"/api/v1/contacts?q=анна&company_id={company['id']}")
    assert [each["id"] for each in found] == [wanted["id"]]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await root.get(f"/api/v1/contacts?q=анна&limit=50{cursor}")).json
        seen += [each["id"] for each in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert (len(seen), len(set(seen))) == (106, 106)


async def test_the_page_of_a_person_shows_what_his_reader_may_see_though_it_is_of_no_lead(bench: Bench) -> None:
    lead = await bench.lead_of(await bench.form(comment="Секрет лида"))
    person, root = lead["person"]["id"], await bench.token("admin")
    deal = await made(root, "deals", pipeline="service", person_id=person)

    def talk_about_the_deal(tx: Tx) -> None:
        item = TimelineItem(
            id="tl_deal", kind=ItemKind.NOTE, at=tx.now, deal_id=deal["id"], person_id=person, text="Про сервис"
        )
        add(tx, item)

    await bench.hub.store.write(talk_about_the_deal)
    await bench.hire("oleg", "service_seller")
    page = (await (await bench.sign_in("oleg")).get(f"/people/{person}")).body.decode()
    assert ("Про сервис" in page, "Секрет лида" in page, "Истории пока нет" in page) == (True, False, False)


async def test_what_passed_in_the_deals_of_a_company_stands_on_its_timeline(bench: Bench) -> None:
    root = await bench.token("admin")
    company = await made(root, "companies", name="Завод")
    person = await made(root, "contacts", name="Иван", company_id=company["id"])
    deal = await made(root, "deals", pipeline="service", company_id=company["id"])

    def tell(tx: Tx) -> None:
        for number in range(30):
            whose = {"person_id": person["id"]} if number % 2 else {"deal_id": deal["id"]}
            whose |= {"person_id": person["id"]} if number % 10 == 0 else {}
            item = TimelineItem(id=f"tl_{number:02}", kind=ItemKind.NOTE, at=tx.now, text=str(number), **whose)
            add(tx, item)

    await bench.hub.store.write(tell)
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await root.get(f"/api/v1/companies/{company['id']}/timeline?kind=note&limit=7{cursor}")).json
        seen += [each["text"] for each in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert seen == [str(number) for number in reversed(range(30))], "each once, newest first"
