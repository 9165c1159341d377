"""Erasure where it is hard: odd names, companies' deals, merges, papers, files that come again, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.outbox import OUTBOX
from crm_core.deals import DEALS
from crm_core.documents.issued import DOCUMENTS, Document, DocumentFile
from crm_core.leads import LEADS
from crm_core.merge import MERGES
from crm_core.people import PEOPLE
from crm_core.personal_data import ERASURE_WALKS, ERASURES, Erasure, ErasureWalk
from crm_core.retention import RETENTION_RUNS, RetentionRun
from crm_core.timeline import TIMELINE, File, ItemKind, TimelineItem
from firstline.schema import SCHEMA
from router import erasure_reach, erasure_walk
from router.erasure import Eraser
from router.erasure_reach import Kept
from router.erasure_walk import REMOVE
from router.journal import JOURNAL
from router.retention import RULES, carry_out
from storage import Tx
from tests.api.hub import Bench, until
from tests.api.test_personal_data import NAME, customer, deal_of, erased, everything, merged


async def begun(bench: Bench, person_id: str) -> None:
    answer = await (await bench.token("admin")).post(f"/api/v1/contacts/{person_id}/erase", {"ground": "Заявление"})
    assert answer.status == 202, answer.body


async def line_of(bench: Bench, deal: dict[str, Any]) -> str:
    found = await bench.hub.store.read(lambda tx: tx.require(DEALS, deal["id"]))
    return found.lines[0].name


@pytest.mark.parametrize("name", ["-", ".", "a", "2026", "Ян"])
async def test_a_name_of_a_few_signs_breaks_nothing(bench: Bench, name: str) -> None:
    lead = await customer(bench, name=name)
    deal = await deal_of(bench, lead["person"]["id"])
    await erased(bench, lead["person"]["id"])
    admin = await bench.token("admin")
    kept = (await admin.get(f"/api/v1/deals/{deal['id']}")).json
    assert (kept["id"], kept["amount"], kept["created_at"]) == (deal["id"], "1000000.00", deal["created_at"])
    assert await line_of(bench, deal) == "Станок"
    assert (await admin.get(f"/api/v1/leads/{lead['id']}")).json["created_at"] == lead["created_at"]


async def test_the_title_of_a_lead_is_not_hidden_in_what_was_sold(bench: Bench) -> None:
    lead = await customer(bench)
    admin = await bench.token("admin")
    await admin("PATCH", f"/api/v1/leads/{lead['id']}", {"title": "Станок"})
    company = (await admin.post("/api/v1/companies", {"name": "ООО Ромашка"})).json
    deal = await deal_of(bench, lead["person"]["id"], company_id=company["id"])
    await erased(bench, lead["person"]["id"])
    kept = (await admin.get(f"/api/v1/deals/{deal['id']}")).json
    assert (kept["title"], await line_of(bench, deal)) == ("Станок для Данные удалены", "Станок")


async def test_of_a_companys_deal_only_his_name_goes(bench: Bench) -> None:
    lead = await customer(bench)
    admin = await bench.token("admin")
    company = (await admin.post("/api/v1/companies", {"name": "ООО Ромашка"})).json
    deal = await deal_of(bench, lead["person"]["id"], company_id=company["id"])
    robot: dict[str, Any] = {"title": "Проверить закупку", "description": f"Клиент: {NAME}, ООО Ромашка"}
    robot |= {"responsible_id": (await bench.hire("anna")).id, "links": [{"entity": "deal", "id": deal["id"]}]}
    task = (await admin.post("/api/v1/tasks", robot)).json
    await erased(bench, lead["person"]["id"])
    kept = (await admin.get(f"/api/v1/deals/{deal['id']}")).json
    assert kept["comment"] == "Жена против"
    assert kept["fields"]["requirements"] == "Поместится в гараж Водкина", "an inflected name is not recognised"
    assert (kept["parties"][0]["name"], kept["parties"][0]["note"]) == ("", "")
    kept_task = (await admin.get(f"/api/v1/tasks/{task['id']}")).json
    assert kept_task["description"] == "Клиент: Данные удалены, ООО Ромашка"
    notes = await bench.hub.store.read(lambda tx: [each.text for each in tx.find(TIMELINE, {"deal_id": deal["id"]})])
    assert "Данные удалены звонил из гаража" in notes


async def test_a_merge_with_him_cannot_be_undone_and_keeps_nothing(bench: Bench) -> None:
    lead = await customer(bench)
    merge = await merged(bench, lead["person"]["id"])
    admin = await bench.token("admin")
    await erased(bench, merge["from_id"])  # his former id is his as well
    undo = await admin.post(f"/api/v1/merges/{merge['id']}/undo")
    assert (undo.status, "данные этого контакта удалены" in undo.json["detail"]) == (409, True)
    assert "Сергеевич" not in "".join((await everything(bench))["merges"])
    assert (await admin.get(f"/api/v1/contacts/{merge['from_id']}/erasure")).json["finished_at"] is not None


async def test_a_contact_is_not_merged_while_his_data_are_erased(bench: Bench) -> None:
    lead, other = await customer(bench), await bench.lead_of(await bench.form(phone="+79035554433"))
    await bench.hub.store.write(_hold, lead["person"]["id"])
    admin = await bench.token("admin")
    answer = await admin.post(f"/api/v1/contacts/{lead['person']['id']}/merge", {"into": other["person"]["id"]})
    assert (answer.status, "сейчас удаляются" in answer.json["detail"]) == (409, True)


def _hold(tx: Tx, person_id: str) -> None:
    """An erasure that its worker will not come to before tomorrow."""
    row = Erasure(id=person_id, ground="Заявление", by_id=None, by="admin", begun_at=tx.now)
    tx.insert(ERASURES, row)
    tx.update(ERASURES, row, retry_at=tx.now + timedelta(days=1))


async def test_contracts_are_kept_and_offers_are_not(bench: Bench) -> None:
    lead = await customer(bench)
    deal = await deal_of(bench, lead["person"]["id"])
    blobs = {kind: (await bench.hub.store.blobs.put(kind.encode()))[0] for kind in ("contract", "offer")}

    def issue(tx: Tx) -> None:
        for kind, blob in blobs.items():
            file = DocumentFile(blob=blob, size=8, created_at=tx.now)
            document = Document(
                id=f"doc_{kind}", number=f"{kind}-7", serial=7, year=2026, day=tx.now.date(), template=kind,
                title=kind, kind=kind, name=f"{kind} {NAME}", deal_id=deal["id"], person_id=lead["person"]["id"],
                files=(file,), data={"person": {"name": NAME}}, created_at=tx.now,
            )  # fmt: skip
            tx.insert(DOCUMENTS, document)

    await bench.hub.store.write(issue)
    await erased(bench, lead["person"]["id"])
    kept = await bench.hub.store.read(lambda tx: {each.kind: each for each in tx.find(DOCUMENTS)})
    assert (kept["offer"].name, kept["offer"].files, kept["offer"].state) == ("offer offer-7", (), "void")
    assert (kept["contract"].name, len(kept["contract"].files)) == (f"contract {NAME}", 1)
    admin = await bench.token("admin")
    assert (await admin.get(f"/api/v1/contacts/{lead['person']['id']}/erasure")).json["kept_documents"] == 1
    assert (await admin.get("/api/v1/documents/doc_offer/file")).status == 404
    assert (await admin.get("/api/v1/documents/doc_contract/file")).body == b"contract"
    assert not Path(bench.hub.store.blobs.path(blobs["offer"])).exists()


async def test_an_erasure_that_fails_says_so_and_holds_up_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = await customer(bench), await bench.lead_of(await bench.form(phone="+79035554433", name="Анна Ли"))
    way, broken = erasure_reach.WAYS["leads"], [True]

    def breaks(work: Any, lead: Any) -> None:
        if broken[0] and lead.id == first["id"]:
            raise ValueError(NAME)
        way.clean(work, lead)

    ways = erasure_reach.WAYS | {"leads": erasure_reach.Way(way.collection, way.sort, breaks, way.limit)}
    monkeypatch.setattr(erasure_reach, "WAYS", ways)
    await begun(bench, first["person"]["id"])
    await erased(bench, other["person"]["id"])
    admin = await bench.token("admin")
    row = (await admin.get(f"/api/v1/contacts/{first['person']['id']}/erasure")).json
    assert (row["finished_at"], row["step"]) == (None, "reach")
    assert "ValueError" in row["failure"]
    assert NAME not in row["failure"]
    broken[0] = False
    bench.clock.push(timedelta(minutes=2))
    await bench.hub.store.write(_look_now, first["person"]["id"])
    await _finished(bench, first["person"]["id"])
    assert (await admin.get(f"/api/v1/contacts/{first['person']['id']}/erasure")).json["failure"] is None


async def test_an_erasure_that_an_older_program_began_is_finished(bench: Bench) -> None:
    lead = await customer(bench)

    def begin(tx: Tx) -> None:
        row = Erasure(id=lead["person"]["id"], ground="Заявление", by_id=None, by="admin", begun_at=tx.now)
        tx.insert(ERASURES, replace(row, step="clean:journal", after="x", marks=("79161234567",), names=(NAME,)))

    await bench.hub.store.write(begin)
    await _finished(bench, lead["person"]["id"])
    kept = await bench.hub.store.read(lambda tx: tx.require(LEADS, lead["id"]))
    assert (kept.title, kept.fields) == (f"Лид {kept.number}", {})


def _look_now(tx: Tx, person_id: str) -> None:
    """The worker looks when something changes, or every half a minute."""
    tx.update(ERASURES, tx.require(ERASURES, person_id), attempts=0)


async def _finished(bench: Bench, person_id: str) -> None:
    async def done() -> bool:
        found = await bench.hub.store.read(lambda tx: tx.require(ERASURES, person_id))
        return found.finished_at is not None

    await until(done)


async def test_two_workers_at_once_leave_nothing_out(bench: Bench) -> None:
    lead = await customer(bench)
    await deal_of(bench, lead["person"]["id"])
    await begun(bench, lead["person"]["id"])
    others = [Eraser(bench.hub.store, SCHEMA.collections, Kept) for _ in range(3)]
    await asyncio.gather(*(each.look() for each in others))
    await _finished(bench, lead["person"]["id"])
    texts = [(name, text) for name, rows in (await everything(bench)).items() for text in rows]
    assert [each for each in texts if "Водкин" in each[1] or "9161234567" in each[1]] == []


async def test_a_document_that_cannot_be_cleaned_fails_only_those_it_is_about(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = await customer(bench), await bench.lead_of(await bench.form(phone="+79035554433", name="Анна Ли"))
    journal: Callable[..., Any] = erasure_walk._CLEAN[JOURNAL.name]

    def breaks(tx: Tx, row: Any, secrets: Any) -> Any:
        if first["person"]["id"] in secrets.records:
            raise TypeError("broken")
        return journal(tx, row, secrets)

    monkeypatch.setitem(erasure_walk._CLEAN, JOURNAL.name, breaks)
    await begun(bench, first["person"]["id"])
    await erased(bench, other["person"]["id"])
    admin = await bench.token("admin")

    async def told() -> Any:
        return (await admin.get(f"/api/v1/contacts/{first['person']['id']}/erasure")).json["failure"]

    assert "«journal» (TypeError)" in await until(told)


async def test_a_file_that_another_customer_brings_meanwhile_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk has passed the timeline when the same bytes come again and are named there."""
    blobs = bench.hub.store.blobs
    blob = (await blobs.put(b"price list"))[0]
    lead = await customer(bench)
    other = await bench.lead_of(await bench.form(name="Анна", phone="+79035554433"))
    await bench.hub.store.write(_attach, lead["id"], blob)
    removing, came = blobs.remove, []

    async def late(address: str, before: Any = None) -> bool:
        if not came:
            came.append((await blobs.put(b"price list"))[0])
            await bench.hub.store.write(_attach, other["id"], blob)
        return await removing(address, before)

    monkeypatch.setattr(blobs, "remove", late)
    await erased(bench, lead["person"]["id"])
    assert came == [blob]
    assert await blobs.get(blob) == b"price list"


async def test_a_stop_before_the_files_are_removed_costs_nothing(bench: Bench) -> None:
    blob, _ = await bench.hub.store.blobs.put(b"his letter")
    bench.clock.push(timedelta(seconds=1))

    def stopped(tx: Tx) -> None:
        walk = ErasureWalk(id="walk_1", people=(), step=REMOVE, blobs=(blob,), looked_from=tx.now)
        tx.insert(ERASURE_WALKS, walk)

    await bench.hub.store.write(stopped)
    await Eraser(bench.hub.store, SCHEMA.collections, Kept).look()
    assert not await bench.hub.store.blobs.touch(blob)
    assert await bench.hub.store.read(lambda tx: tx.count(ERASURE_WALKS)) == 0


def _attach(tx: Tx, lead_id: str, blob: str) -> None:
    item = tx.first(TIMELINE, {"lead_id": lead_id}, sort="at")
    assert item is not None
    tx.update(TIMELINE, item, attachments=(File(id=blob, name="файл.txt", type="text/plain", size=10),))


async def test_a_long_history_goes_in_pieces(bench: Bench) -> None:
    lead = await customer(bench)

    def fill(tx: Tx) -> None:
        for number in range(450):
            tx.insert(
                TIMELINE,
                TimelineItem(
                    id=tx.new_id("tl_"), kind=ItemKind.NOTE, at=tx.now + timedelta(seconds=number),
                    lead_id=lead["id"], person_id=lead["person"]["id"], text=f"тайна {number}",
                ),
            )  # fmt: skip

    await bench.hub.store.write(fill)
    await erased(bench, lead["person"]["id"])
    items = await bench.hub.store.read(lambda tx: tx.find(TIMELINE, {"lead_id": lead["id"]}))
    assert len(items) > 450
    assert not [item for item in items if "тайна" in item.text]


async def test_a_short_number_of_his_is_not_looked_for_in_other_peoples_documents(bench: Bench) -> None:
    """A messenger account 12345 is no reason to wipe whoever wrote of 12345 roubles."""
    other = await bench.lead_of(await bench.form(name="Анна", phone="+79035554433", comment="Бюджет 12345 рублей"))
    await bench.stranger.post("/in/hooks/chat", data="12345:Привет".encode())
    admin = await bench.token("admin")
    (lead,) = await until(lambda: admin.items("/api/v1/leads?channel=chat"))
    before = await bench.hub.store.read(lambda tx: [each for each in tx.find(JOURNAL) if each.lead_id == other["id"]])
    await erased(bench, lead["person"]["id"])
    assert before == await bench.hub.store.read(
        lambda tx: [each for each in tx.find(JOURNAL) if each.lead_id == other["id"]]
    )
    texts = await everything(bench)
    assert not [text for name in ("journal", "outbox") for text in texts[name] if '"12345"' in text]


async def test_a_mention_in_somebody_elses_letter_is_hidden_and_the_letter_stays(bench: Bench) -> None:
    other = await bench.lead_of(
        await bench.form(name="Анна", phone="+79035554433", comment="Звоните мужу: 8 916 123-45-67, он решает")
    )
    lead = await customer(bench)
    await erased(bench, lead["person"]["id"])
    (row,) = await bench.hub.store.read(lambda tx: [each for each in tx.find(JOURNAL) if each.lead_id == other["id"]])
    assert row.inbound.sender.name == "Анна"
    assert "123-45-67" not in str(row.inbound)
    assert "он решает" in str(row.inbound)


async def test_a_card_that_was_filled_again_can_be_erased_again(bench: Bench) -> None:
    lead = await customer(bench)
    await erased(bench, lead["person"]["id"])
    admin = await bench.token("admin")
    path = f"/api/v1/contacts/{lead['person']['id']}"
    assert (await admin.post(f"{path}/erase", {"ground": "Снова"})).status == 409
    assert (await admin("PATCH", path, {"name": NAME, "phones": ["+79161234567"]})).status == 200
    await erased(bench, lead["person"]["id"])
    assert "Водкин" not in "".join((await everything(bench))["people"])
    trail = await admin.items(f"/api/v1/audit?entity_id={lead['person']['id']}")
    assert [each["action"] for each in trail].count("erased") == 2


async def test_an_erasure_that_is_refused_leaves_the_merge_as_it_is(bench: Bench) -> None:
    lead = await customer(bench)
    done = await merged(bench, lead["person"]["id"])

    def moving(tx: Tx) -> None:
        merge = tx.require(MERGES, done["id"])
        tx.insert(MERGES, replace(merge, id="mrg_moving", state="moving"))

    await bench.hub.store.write(moving)
    bench.clock.push(timedelta(days=400))
    await bench.hub.store.write(carry_out_now, lead["person"]["id"])
    kept = await bench.hub.store.read(lambda tx: tx.require(MERGES, done["id"]))
    assert kept.gone["name"] == "Кузьма Сергеевич"


def carry_out_now(tx: Tx, person_id: str) -> None:
    """As the daily worker does, which passes over what is refused."""
    rule = next(each for each in RULES if each.key == "closed_leads")
    tx.insert(RETENTION_RUNS, RetentionRun(id=rule.key, started_at=tx.now))
    (lead,) = tx.find(LEADS, {"person_id": person_id, "open": True})
    tx.update(LEADS, lead, open=False)
    carry_out(tx, rule, 30, [person_id])
    assert tx.count(ERASURES) == 0


async def test_the_card_is_blank_at_once(bench: Bench) -> None:
    lead = await customer(bench)
    admin = await bench.token("admin")
    company = (await admin.post("/api/v1/companies", {"name": "ООО Ромашка"})).json
    card = {"position": "Мастер", "birthday": "1978-11-05", "comment": "Конь", "fields": {"a": "b"}}
    path = f"/api/v1/contacts/{lead['person']['id']}"
    assert (await admin("PATCH", path, card | {"company_id": company["id"]})).status == 200
    await begun(bench, lead["person"]["id"])
    person = await bench.hub.store.read(lambda tx: tx.require(PEOPLE, lead["person"]["id"]))
    shown = (person.position, person.birthday, person.comment, person.company_id, person.company, person.fields)
    assert shown == (None, None, None, None, None, {})
    counted = await bench.hub.store.read(lambda tx: (tx.count(LEADS), tx.count(DEALS), tx.count(OUTBOX)))
    assert counted == (1, 0, 0)
