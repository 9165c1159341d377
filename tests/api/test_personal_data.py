"""What 152-ФЗ lets a person ask for: consents, everything known about him, and that it is forgotten."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import msgspec

from crm_core.leads import LEADS
from crm_core.timeline import TIMELINE, File, ItemKind, TimelineItem, add
from firstline.schema import SCHEMA
from router.journal import JOURNAL
from tests.api.hub import Bench, until

PHONE, EMAIL, NAME = "+79161234567", "kuzma@petrov.example", "Кузьма Водкин"
TEXT = "Хочу поставить станок на даче у реки"
LEFT_NOWHERE = (
    "9161234567", "(916) 123-45-67", EMAIL, "Водкин", "у реки", "тайный договор", "Перезвонить Кузьме",
    "Капитан-художник", "1978-11-05", "красного коня", "Холсты", "гараж", "тёща", "сомневается", "Жена против",
    "Кузьма", "Сергеевич", "9035550011",
)  # fmt: skip


async def customer(bench: Bench, **more: Any) -> dict[str, Any]:
    form = {"name": NAME, "phone": "8 (916) 123-45-67", "email": EMAIL, "comment": TEXT, "consent": "true"} | more
    return await bench.lead_of(await bench.form(**form))


async def history(bench: Bench) -> dict[str, Any]:
    """A lead with a note, a task, a correction by hand and a second contact; a full card; a deal with a task that a
    robot might have made; somebody who was merged into him."""
    lead = await customer(bench)
    admin = await bench.token("admin")
    path, person = f"/api/v1/leads/{lead['id']}", lead["person"]["id"]
    await admin.post(f"{path}/notes", {"text": f"{NAME} просил тайный договор"})
    boss = (await bench.hire("boss")).id
    first = {"title": "Перезвонить Кузьме", "lead_id": lead["id"], "responsible_id": boss}
    assert (await admin.post("/api/v1/tasks", first)).status == 201
    await admin("PATCH", path, {"title": f"Станок для {NAME}", "fields": {"comment": "у реки"}})
    await customer(bench, comment=f"{TEXT}, ещё раз")
    card = {"position": "Капитан-художник", "birthday": "1978-11-05", "comment": "Любит красного коня"}
    assert (await admin("PATCH", f"/api/v1/contacts/{person}", card | {"fields": {"hobby": "Холсты"}})).status == 200
    deal = await deal_of(bench, person)
    task = {"title": "Проверить", "description": f"Клиент: {NAME}", "links": [{"entity": "deal", "id": deal["id"]}]}
    assert (await admin.post("/api/v1/tasks", task | {"responsible_id": boss})).status == 201
    await merged(bench, person)
    return lead


async def deal_of(bench: Bench, person_id: str, **more: Any) -> dict[str, Any]:
    admin = await bench.token("admin")
    given = {"title": f"Станок для {NAME}", "pipeline": "equipment", "person_id": person_id} | more
    deal: dict[str, Any] = (await admin.post("/api/v1/deals", given)).json
    change = {
        "comment": "Жена против",
        "fields": {"requirements": "Поместится в гараж Водкина", "delivery_date": "2027-01-15"},
        "next_step": {"text": "Съездить к Водкину", "at": "2026-12-01T09:00:00Z", "commitment": "Покажет гараж"},
        "parties": [{"role": "payer", "person_id": person_id, "name": NAME, "note": "Решает тёща"}],
        "risks": [{"text": "Водкин сомневается"}],
    }
    path = f"/api/v1/deals/{deal['id']}"
    answer = await admin("PATCH", path, change)
    assert answer.status == 200, answer.body
    await bench.hub.store.write(_note, deal["id"], "Водкин звонил из гаража")
    answer = await admin("PUT", f"{path}/products", {"lines": [{"name": "Станок", "quantity": "2", "price": "500000"}]})
    assert answer.status == 200, answer.body
    changed: dict[str, Any] = (await admin.get(path)).json
    return changed


def _note(tx: Any, deal_id: str, text: str) -> None:
    add(tx, TimelineItem(id=tx.new_id("tl_"), kind=ItemKind.NOTE, at=tx.now, deal_id=deal_id, author="Анна", text=text))


async def merged(bench: Bench, into: str) -> dict[str, Any]:
    """Somebody whom a caller took him for at first."""
    admin = await bench.token("admin")
    other = await bench.lead_of(await bench.form(name="Кузьма Сергеевич", phone="+79035550011", comment="Я же Водкин"))
    await admin.post(f"/api/v1/leads/{other['id']}/move", {"stage": "mistaken"})
    merge = (await admin.post(f"/api/v1/contacts/{other['person']['id']}/merge", {"into": into})).json

    async def done() -> bool:
        return bool((await admin.get(f"/api/v1/merges/{merge['id']}")).json["state"] == "done")

    await until(done)
    return dict(merge)


async def everything(bench: Bench) -> dict[str, list[str]]:
    """Every document of every collection, as text."""

    def read(tx: Any) -> dict[str, list[str]]:
        return {each.name: [msgspec.json.encode(row).decode() for row in tx.find(each)] for each in SCHEMA.collections}

    found: dict[str, list[str]] = await bench.hub.store.read(read)
    return found


async def erased(bench: Bench, person_id: str) -> None:
    admin = await bench.token("admin")
    answer = await admin.post(f"/api/v1/contacts/{person_id}/erase", {"ground": "Заявление от 23.11.2026"})
    assert answer.status == 202, answer.body

    async def finished() -> bool:
        found: dict[str, Any] = (await admin.get(f"/api/v1/contacts/{person_id}/erasure")).json
        return found["finished_at"] is not None

    await until(finished)


async def test_a_consent_of_a_form_is_kept_with_its_page_and_can_be_withdrawn(bench: Bench) -> None:
    lead = await customer(bench, page="https://shop.example/press")
    admin = await bench.token("admin")
    path = f"/api/v1/contacts/{lead['person']['id']}/consents"
    (consent,) = await admin.items(path)
    assert (consent["channel"], consent["connector"], consent["page"]) == ("form", "site", "https://shop.example/press")
    assert consent["withdrawn_at"] is None
    by_word = (await admin.post(path, {"purpose": "Рассылка новостей, редакция 2"})).json["items"]
    assert by_word[0]["purpose"] == "Рассылка новостей, редакция 2"
    assert all(each["withdrawn_at"] for each in (await admin.post(path, {"withdraw": True})).json["items"])
    assert (await admin.post(path, {"withdraw": True})).fields == {"withdraw": "Действующих согласий нет"}


async def test_a_form_without_consent_leaves_none(bench: Bench) -> None:
    lead = await customer(bench, consent="false")
    assert await (await bench.token("admin")).items(f"/api/v1/contacts/{lead['person']['id']}/consents") == []


async def test_everything_known_about_a_person_is_one_archive(bench: Bench) -> None:
    lead = await history(bench)
    admin = await bench.token("admin")
    answer = await admin.get(f"/api/v1/contacts/{lead['person']['id']}/personal-data")
    assert answer.status == 200
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    data = json.loads(archive.read("data.json"))
    assert (data["person"]["name"], data["person"]["phones"]) == (NAME, [PHONE, "+79035550011"])
    assert [len(data[name]) for name in ("identities", "leads", "tasks")] == [3, 2, 2]
    assert {each["channel"] for each in data["consents"]} == {"form"}
    assert [(deal["comment"], deal["amount"]) for deal in data["deals"]] == [("Жена против", "1000000.00")]
    assert {item["kind"] for item in data["timeline"]} >= {"form", "note"}
    readable = archive.read("index.html").decode()
    for text in (NAME, EMAIL, TEXT, "тайный договор", "Перезвонить Кузьме", "Водкин звонил", f"Клиент: {NAME}"):
        assert text in readable
    trail = await admin.items(f"/api/v1/audit?entity_id={lead['person']['id']}")
    assert "exported" in [entry["action"] for entry in trail]


async def test_after_erasure_nothing_anywhere_holds_his_data(bench: Bench) -> None:
    lead = await history(bench)
    before = await everything(bench)
    assert all(any(mark in text for rows in before.values() for text in rows) for mark in LEFT_NOWHERE)
    counted = {name: len(rows) for name, rows in before.items()}
    await erased(bench, lead["person"]["id"])
    after = await everything(bench)
    texts = [(name, text) for name, rows in after.items() for text in rows]
    left = [(name, mark, text) for name, text in texts for mark in LEFT_NOWHERE if mark in text]
    assert left == []
    for name in ("leads", "timeline", "journal", "tasks", "people", "consents", "deals", "merges"):
        assert len(after[name]) == counted[name], name
    kept = await bench.hub.store.read(lambda tx: tx.require(LEADS, lead["id"]))
    assert (kept.stage, kept.number, kept.source.key) == (lead["stage"], lead["number"], lead["source"]["key"])
    admin = await bench.token("admin")
    trail = await admin.items(f"/api/v1/audit?entity_id={lead['person']['id']}")
    entry = next(entry for entry in trail if entry["action"] == "erased")
    assert entry["changes"] == {"ground": [None, "Заявление от 23.11.2026"]}
    (deal,) = await admin.items("/api/v1/deals")
    assert (deal["title"], deal["amount"], deal["stage"]) == (f"Сделка {deal['number']}", "1000000.00", "new")
    assert deal["fields"] == {"delivery_date": "2027-01-15"}
    for question in ("водкин", "9161234567", EMAIL):
        found = (await admin.get("/api/v1/search", params={"q": question})).json
        assert (found["leads"], found["contacts"], found["tasks"]) == ([], [], [])


async def test_another_persons_data_stay_as_they_are(bench: Bench) -> None:
    other = await bench.lead_of(
        await bench.form(name="Анна Иванова", phone="+79035554433", email=f"not-{EMAIL}", comment="Насос у пруда")
    )
    inbound = (await (await bench.token("admin")).items("/api/v1/journal"))[0]["id"]
    written = await bench.hub.store.read(lambda tx: tx.require(JOURNAL, inbound))
    lead = await history(bench)
    await erased(bench, lead["person"]["id"])
    admin = await bench.token("admin")
    again = (await admin.get(f"/api/v1/leads/{other['id']}")).json
    assert again["person"] == other["person"]
    assert await bench.hub.store.read(lambda tx: tx.require(JOURNAL, inbound)) == written
    assert [each["text"] for each in await admin.items(f"/api/v1/leads/{other['id']}/timeline")][-1] == "Насос у пруда"


async def test_his_files_are_deleted_but_for_those_that_others_have_too(bench: Bench) -> None:
    blobs = bench.hub.store.blobs
    own, shared = (await blobs.put(b"own"))[0], (await blobs.put(b"shared"))[0]
    lead = await customer(bench)
    other = await bench.lead_of(await bench.form(name="Анна", phone="+79035554433"))

    def attach(tx: Any) -> None:
        for lead_id, found in ((lead["id"], (own, shared)), (other["id"], (shared,))):
            item = tx.first(TIMELINE, {"lead_id": lead_id}, sort="at")
            files = tuple(File(id=blob, name="файл.txt", type="text/plain", size=6) for blob in found)
            tx.update(TIMELINE, item, attachments=files)

    await bench.hub.store.write(attach)
    await erased(bench, lead["person"]["id"])
    files = {path.parent.name + path.name for path in blobs.folder.glob("??/*")}
    assert own not in files
    assert shared in files


async def test_what_was_said_in_a_messenger_is_forgotten_too(bench: Bench) -> None:
    await bench.stranger.post("/in/hooks/chat", data="70012345:Привет от Кузьмы".encode())
    admin = await bench.token("admin")

    async def known() -> Any:
        return await admin.items("/api/v1/leads")

    (lead,) = await until(known)
    await admin.post(f"/api/v1/leads/{lead['id']}/messages", {"text": "Здравствуйте, Кузьма"})
    await erased(bench, lead["person"]["id"])
    texts = [(name, text) for name, rows in (await everything(bench)).items() for text in rows]
    assert [(name, text) for name, text in texts if "70012345" in text or "Кузьм" in text] == []


async def test_the_same_phone_later_makes_a_new_person(bench: Bench) -> None:
    lead = await customer(bench)
    await erased(bench, lead["person"]["id"])
    again = await customer(bench, comment="Снова я")
    assert again["person"]["id"] != lead["person"]["id"]
    assert (again["id"] != lead["id"], again["person"]["phones"]) == (True, [PHONE])


async def test_erasing_twice_or_without_a_ground_is_refused(bench: Bench) -> None:
    lead = await customer(bench)
    admin = await bench.token("admin")
    path = f"/api/v1/contacts/{lead['person']['id']}"
    assert (await admin.get(f"{path}/erasure")).status == 404
    assert set((await admin.post(f"{path}/erase", {"ground": " "})).fields) == {"ground"}
    await erased(bench, lead["person"]["id"])
    assert (await admin.post(f"{path}/erase", {"ground": "Снова"})).status == 409


async def test_only_admin_and_head_of_equipment_hand_out_and_erase(bench: Bench) -> None:
    lead = await customer(bench)
    path = f"/api/v1/contacts/{lead['person']['id']}"
    for role in ("head_service", "first_line", "consultant", "ceo", "ops", "procurement"):
        token = await bench.token(role)
        assert (await token.get(f"{path}/personal-data")).status == 403
        assert (await token.post(f"{path}/erase", {"ground": "Так"})).status == 403
    head = await bench.token("head_equipment")
    assert (await head.get(f"{path}/personal-data")).status == 200
    assert (await head.post(f"{path}/erase", {"ground": "Заявление"})).status == 202
