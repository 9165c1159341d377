"""The terms of storage: what goes when its day has come, what stays, and what a preview tells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from crm_core.audit import AUDIT
from crm_core.people import PEOPLE
from crm_core.personal_data import ERASURES
from crm_core.retention import RETENTION_RUNS, Retention
from crm_core.timeline import TIMELINE
from firstline.schema import SCHEMA
from router.erasure import Eraser
from router.erasure_reach import Kept
from router.hours import AUTO_ANSWERS, AutoAnswer
from router.journal import JOURNAL, is_bare
from router.retention import RULES, Keeper
from storage import ReadTx, Tx
from tests.api.hub import Bench

YEAR = timedelta(days=366)
TERMS = Retention(
    journal_days=365, outbox_days=365, auto_answers_days=30, closed_leads_days=365, withdrawn_consents_days=30
)


async def closed(bench: Bench, phone: str, **more: Any) -> dict[str, Any]:
    lead = await bench.lead_of(await bench.form(phone=phone, **more))
    moved = await (await bench.token("admin")).post(f"/api/v1/leads/{lead['id']}/move", {"stage": "mistaken"})
    assert moved.status == 200, moved.body
    return lead


async def kept(bench: Bench, terms: Retention = TERMS) -> None:
    await Keeper(bench.hub.store, lambda: terms).look()


async def erasing(bench: Bench) -> set[str]:
    return {each.id for each in await bench.hub.store.read(lambda tx: tx.find(ERASURES))}


async def test_only_customers_without_open_leads_deals_and_tasks_are_erased_in_time(bench: Bench) -> None:
    admin = await bench.token("admin")
    gone = await closed(bench, "+79030000001")
    with_deal = await closed(bench, "+79030000002")
    await admin.post("/api/v1/deals", {"title": "Станок", "person_id": with_deal["person"]["id"]})
    with_task = await closed(bench, "+79030000003")
    task = {"links": [{"entity": "contact", "id": with_task["person"]["id"]}], "title": "Позвонить"}
    given = await admin.post("/api/v1/tasks", task | {"responsible_id": (await bench.hire("anna")).id})
    assert given.status == 201
    of_buyer = await closed(bench, "+79030000004")
    company = (await admin.post("/api/v1/companies", {"name": "ООО Ромашка"})).json
    await admin("PATCH", f"/api/v1/contacts/{of_buyer['person']['id']}", {"company_id": company["id"]})
    await admin.post("/api/v1/deals", {"title": "Пресс", "company_id": company["id"]})
    await bench.lead_of(await bench.form(phone="+79030000005"))
    bench.clock.push(YEAR)
    fresh = await closed(bench, "+79030000006")
    assert fresh["id"] != gone["id"]
    await kept(bench)
    assert await erasing(bench) == {gone["person"]["id"]}
    row = await bench.hub.store.read(lambda tx: tx.require(ERASURES, gone["person"]["id"]))
    assert (row.ground, row.by) == ("Истёк срок хранения: 365 дн. без обращений и сделок", "Сроки хранения")
    trail = await admin.items("/api/v1/audit?entity_id=closed_leads")
    assert [(each["action"], each["changes"]["done"]) for each in trail] == [("run", [None, 1])]


async def test_a_withdrawn_consent_ends_in_erasure_unless_he_came_again(bench: Bench) -> None:
    admin = await bench.token("admin")
    gone = await closed(bench, "+79030000001", consent="true")
    again = await closed(bench, "+79030000002", consent="true")
    standing = await closed(bench, "+79030000003", consent="true")
    for lead in (gone, again, standing):
        path = f"/api/v1/contacts/{lead['person']['id']}/consents"
        assert (await admin.post(path, {"withdraw": True})).status == 200
    await admin.post(f"/api/v1/contacts/{standing['person']['id']}/consents", {"purpose": "Рассылка"})
    await bench.lead_of(await bench.form(phone="+79030000002"))
    bench.clock.push(timedelta(days=29))
    await kept(bench)
    assert await erasing(bench) == set()
    bench.clock.push(timedelta(days=2))
    await kept(bench)
    assert await erasing(bench) == {gone["person"]["id"]}


async def test_the_journal_forgets_what_was_said_and_the_talk_stays(bench: Bench) -> None:
    lead = await bench.lead_of(await bench.form(comment="Секрет о станке"))
    bench.clock.push(YEAR)
    again = await bench.form(phone="+79035554433", comment="Свежий секрет")
    await bench.lead_of(again)
    await kept(bench)
    rows = await bench.hub.store.read(lambda tx: {each.id: str(each.inbound) for each in tx.find(JOURNAL)})
    assert len(rows) == 2
    assert "Свежий секрет" in rows.pop(again)
    assert "Секрет" not in "".join(rows.values())
    assert "79161234567" not in "".join(rows.values())
    talk = await bench.hub.store.read(lambda tx: [each.text for each in tx.find(TIMELINE, {"lead_id": lead["id"]})])
    assert any("Секрет о станке" in text for text in talk)


async def test_a_contact_whose_words_are_gone_is_not_handled_again(bench: Bench) -> None:
    inbound = await bench.form()
    await bench.lead_of(inbound)
    await bench.hub.store.write(lambda tx: tx.update(JOURNAL, tx.require(JOURNAL, inbound), state="ignored"))
    bench.clock.push(YEAR)
    await kept(bench)
    answer = await (await bench.token("admin")).post(f"/api/v1/quarantine/{inbound}/replay")
    assert (answer.status, "удалено" in answer.json["detail"]) == (409, True)


async def test_files_that_only_the_journal_named_go_with_it(bench: Bench) -> None:
    blobs = bench.hub.store.blobs
    raw = (await blobs.put(b"raw letter"))[0]
    inbound = await bench.form(comment="Письмо")
    await bench.lead_of(inbound)

    def attach(tx: Tx) -> None:
        row = tx.require(JOURNAL, inbound)
        tx.update(JOURNAL, row, inbound=replace(row.inbound, raw=raw))

    await bench.hub.store.write(attach)
    bench.clock.push(YEAR)
    await kept(bench)
    await Eraser(bench.hub.store, SCHEMA.collections, Kept).look()
    assert not await blobs.touch(raw)


async def test_a_rule_runs_once_a_day_and_goes_on_where_it_stopped(bench: Bench) -> None:
    def answer(tx: Tx, number: int) -> None:
        for each in range(number, number + 450):
            tx.insert(AUTO_ANSWERS, AutoAnswer(id=f"chat:{each}:2026", at=tx.now))

    def left(tx: ReadTx) -> int:
        return tx.count(AUTO_ANSWERS)

    store = bench.hub.store
    await store.write(answer, 0)
    bench.clock.push(timedelta(days=31))
    await store.write(answer, 1000)
    await kept(bench)
    assert await store.read(left) == 450
    bench.clock.push(timedelta(hours=23))
    assert (await store.read(lambda tx: tx.require(RETENTION_RUNS, "auto_answers"))).done == 450
    await kept(bench)
    assert (await store.read(lambda tx: tx.require(RETENTION_RUNS, "auto_answers"))).runs == 1
    bench.clock.push(timedelta(days=31))
    await kept(bench)
    assert await store.read(left) == 0


async def test_what_has_no_term_stays_for_ever(bench: Bench) -> None:
    await closed(bench, "+79030000001", consent="true")
    before = await bench.hub.store.read(lambda tx: (tx.find(JOURNAL), tx.find(AUDIT), tx.find(PEOPLE)))
    bench.clock.push(10 * YEAR)
    await kept(bench, Retention())
    assert before == await bench.hub.store.read(lambda tx: (tx.find(JOURNAL), tx.find(AUDIT), tx.find(PEOPLE)))


async def test_a_preview_tells_what_would_go_and_changes_nothing(bench: Bench) -> None:
    await closed(bench, "+79030000001")
    bench.clock.push(3 * YEAR)
    admin = await bench.token("admin")
    rules = {each["rule"]: each for each in await admin.items("/api/v1/retention")}
    assert set(rules) == {rule.key for rule in RULES}
    assert (rules["journal"]["days"], rules["journal"]["due"], rules["journal"]["started_at"]) == (365, 1, None)
    for never in ("audit", "closed_leads"):
        assert (rules[never]["days"], rules[never]["due"], rules[never]["older_than"]) == (None, 0, None)
    assert await bench.hub.store.read(lambda tx: all(not is_bare(each) for each in tx.find(JOURNAL)))
    await kept(bench, bench.hub.desk.company.retention)
    after = {each["rule"]: each for each in await admin.items("/api/v1/retention")}
    assert (after["journal"]["due"], after["journal"]["done"]) == (0, 1)
    assert after["journal"]["finished_at"] is not None
    assert await erasing(bench) == set()
