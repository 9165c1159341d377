"""What names a person, a company or a lead: nothing is forgotten by a merge, and all of it comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM
from crm_core.companies import create_company
from crm_core.company import Company, Stage
from crm_core.contacts import create_person
from crm_core.documents.issued import DOCUMENTS, Document, DocumentFile
from crm_core.errors import Conflict
from crm_core.external import link, linked, name_for_table, named_in_table
from crm_core.leads import LEADS, Lead, Source
from crm_core.merge import merge_companies, merge_people
from crm_core.personal_data import CONSENTS, Consent
from crm_core.references import TO_COMPANY, TO_PERSON
from crm_core.removal import delete_company
from crm_core.rights import Rights
from crm_core.sheets.kinds import external_of, remember_external
from crm_core.tasks import TASKS, Link, Task, insert, of_record
from crm_core.unmerge import undo_merge
from firstline.schema import SCHEMA
from router.sheets.registry import import_kinds
from storage import IdSource, Store, Tx, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
OURS = Company(
    timezone="Europe/Moscow",
    language="ru",
    calendars={},
    stages=(Stage("new", "Новый"), Stage("mistaken", "Ошибочное обращение", "lost")),
    rights=Rights.everything("admin"),
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store("sqlite:references.db", tmp_path, SCHEMA, clock=ManualClock(NOW).now, ids=IdSource())
    yield store
    await store.close()


def add_task(tx: Tx, id: str, *links: Link, **more: Any) -> None:
    insert(tx, Task(id=id, number=tx.next_number("task"), title=id, links=links, created_at=NOW, **more))


def add_document(tx: Tx, id: str, **more: Any) -> None:
    serial = tx.next_number("document")
    document = Document(
        id=id, number=f"П-{serial}", serial=serial, year=2026, day=NOW.date(), template="offer", title="КП",
        kind="offer", name="КП", created_by=None, created_at=NOW,
        files=(DocumentFile(blob="0" * 64, size=1, created_at=NOW),), **more,
    )  # fmt: skip
    tx.insert(DOCUMENTS, document)


def add_lead(tx: Tx, id: str, person_id: str) -> None:
    source = Source(channel="form", connector="site")
    lead = Lead(
        id=id, number=tx.next_number("lead"), title=id, stage="new", stage_since=NOW, person_id=person_id,
        source=source, first_touch=source, last_touch=source, queue="first-line", last_activity_at=NOW,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    tx.insert(LEADS, lead)


def tasks_of(tx: Tx, entity: str, record_id: str) -> list[str]:
    return sorted(task.id for task in tx.find(TASKS, of_record(tx, entity, record_id)))


def test_whatever_is_indexed_by_a_person_or_a_company_takes_part_in_a_merge() -> None:
    known = {(each.collection.name, each.field) for each in (*TO_PERSON, *TO_COMPANY)}
    fields = {"person_id", "company_id", "record_id"}
    indexed = {(each.name, name) for each in SCHEMA.collections for index in each.indexes for name in index.fields}
    assert {(collection, name) for collection, name in indexed if name in fields} - known == set()


async def test_a_company_that_was_merged_away_leaves_its_tasks_and_documents_to_the_other(store: Store) -> None:
    def fill(tx: Tx) -> tuple[str, str]:
        one = create_company(tx, SYSTEM, {"name": "Ромашка"})
        other = create_company(tx, SYSTEM, {"name": "Василёк"})
        add_task(tx, "its", Link("company", one.id))
        add_task(tx, "done", Link("company", one.id), open=False)
        add_task(tx, "both", Link("company", one.id), Link("company", other.id))
        add_document(tx, "doc_1", company_id=one.id)
        link(tx, "company", "1c", "GUID-1", one.id)
        return one.id, other.id

    one, other = await store.write(fill)
    merge = await store.write(merge_companies, SYSTEM, OURS, one, other, {})
    assert await store.read(tasks_of, "company", other) == ["both", "done", "its"]
    assert await store.read(lambda tx: tx.require(DOCUMENTS, "doc_1").company_id) == other
    assert await store.read(linked, "company", "1c", "GUID-1") == other
    await store.write(undo_merge, SYSTEM, OURS, merge.id)
    assert await store.read(tasks_of, "company", one) == ["both", "done", "its"]
    assert await store.read(tasks_of, "company", other) == ["both"]
    assert await store.read(lambda tx: tx.require(DOCUMENTS, "doc_1").company_id) == one
    assert await store.read(linked, "company", "1c", "GUID-1") == one


async def test_a_person_who_was_merged_away_leaves_his_consents_documents_and_linked_tasks(store: Store) -> None:
    def fill(tx: Tx) -> tuple[str, str]:
        one = create_person(tx, SYSTEM, {"name": "Иван"})
        other = create_person(tx, SYSTEM, {"name": "Пётр"})
        add_task(tx, "further", Link("contact", one.id))
        add_document(tx, "doc_1", person_id=one.id)
        tx.insert(CONSENTS, Consent(id="cons_1", person_id=one.id, given_at=NOW))
        return one.id, other.id

    def holders(tx: Tx) -> set[str | None]:
        return {tx.require(CONSENTS, "cons_1").person_id, tx.require(DOCUMENTS, "doc_1").person_id}

    one, other = await store.write(fill)
    merge = await store.write(merge_people, SYSTEM, OURS, one, other, {})
    assert await store.read(holders) == {other}
    assert await store.read(tasks_of, "contact", other) == ["further"]
    await store.write(undo_merge, SYSTEM, OURS, merge.id)
    assert await store.read(holders) == {one}
    assert await store.read(tasks_of, "contact", one) == ["further"]


async def test_a_lead_that_gives_way_hands_over_its_open_tasks_with_their_links(store: Store) -> None:
    def fill(tx: Tx) -> tuple[str, str]:
        one = create_person(tx, SYSTEM, {"name": "Иван"})
        other = create_person(tx, SYSTEM, {"name": "Пётр"})
        add_lead(tx, "lead_one", one.id)
        add_lead(tx, "lead_two", other.id)
        add_task(tx, "own", Link("lead", "lead_one"), lead_id="lead_one")
        add_task(tx, "linked", Link("lead", "lead_one"), Link("contact", other.id))
        add_task(tx, "done", Link("lead", "lead_one"), lead_id="lead_one", open=False)
        return one.id, other.id

    one, other = await store.write(fill)
    merge = await store.write(
        lambda tx: merge_people(tx, SYSTEM, OURS, one, other, {}, keep_lead="lead_two", close_stage="mistaken")
    )
    assert await store.read(tasks_of, "lead", "lead_two") == ["linked", "own"]
    assert await store.read(tasks_of, "lead", "lead_one") == ["done"]
    await store.write(undo_merge, SYSTEM, OURS, merge.id)
    assert await store.read(tasks_of, "lead", "lead_one") == ["done", "linked", "own"]
    assert await store.read(tasks_of, "lead", "lead_two") == []


async def test_a_company_with_tasks_or_documents_is_not_deleted_and_a_code_of_another_system_does_not_keep_it(
    store: Store,
) -> None:
    def fill(tx: Tx) -> tuple[str, str]:
        kept = create_company(tx, SYSTEM, {"name": "Ромашка"})
        gone = create_company(tx, SYSTEM, {"name": "Василёк"})
        add_task(tx, "its", Link("company", kept.id))
        add_document(tx, "doc_1", company_id=kept.id)
        link(tx, "company", "1c", "GUID-2", gone.id)
        return kept.id, gone.id

    kept, gone = await store.write(fill)
    with pytest.raises(Conflict, match="задач: 1, документов: 1"):
        await store.write(delete_company, SYSTEM, kept)
    await store.write(delete_company, SYSTEM, gone)
    assert await store.read(linked, "company", "1c", "GUID-2") is None


async def test_an_import_finds_what_1c_named_and_1c_what_an_import_named(store: Store) -> None:
    kind = import_kinds({})["contacts"]

    def fill(tx: Tx) -> tuple[str, str]:
        ivan = create_person(tx, SYSTEM, {"name": "Иван"})
        anna = create_person(tx, SYSTEM, {"name": "Анна"})
        link(tx, "contact", "1c", "GUID-1", ivan.id)
        remember_external(tx, kind, "000123", anna.id)
        remember_external(tx, kind, "GUID-1", anna.id)
        return ivan.id, anna.id

    ivan, anna = await store.write(fill)
    assert await store.read(external_of, kind, "GUID-1") == ivan, "what is tied stays"
    assert await store.read(linked, "contact", "1c", "000123") == anna
    assert await store.read(named_in_table, "company", "000123") is None
    assert await store.read(name_for_table, "contact", ivan) == "GUID-1"
    await store.write(link, "contact", "1c", "GUID-3", anna)
    assert await store.read(name_for_table, "contact", anna) == "000123", "what the table called it comes first"
