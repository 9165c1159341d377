"""Merging: nothing is lost, long histories move in pieces, and a merge can be taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM
from crm_core.calls import CALLS, CallRecord
from crm_core.companies import COMPANIES, create_company, edit_company, find_company
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid
from crm_core.leads import LEADS, Lead, Source
from crm_core.merge import FORGET, MERGES, MOVE, MOVED, PIECE, Merge, merge_companies, merge_people, on_forget, on_move
from crm_core.people import (
    DUPLICATES,
    IDENTITIES,
    PEOPLE,
    IdentityKind,
    Person,
    attach_identity,
    by_phone,
    file_duplicate,
    find_person,
)
from crm_core.rights import Rights
from crm_core.stages import Stage
from crm_core.tasks import TASKS, Task
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem
from crm_core.timers import due, fire
from crm_core.unmerge import UNDO, on_undo, undo_merge
from firstline.schema import SCHEMA
from storage import IdSource, Store, Tx, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = timedelta(days=1)
OURS = Company(
    timezone="Europe/Moscow",
    language="ru",
    calendars={},
    stages=(
        Stage("new", "Новый"),
        Stage("qualification", "Квалификация"),
        Stage("mistaken", "Ошибочное обращение", "lost"),
        Stage("won", "Успешный", "won"),
    ),
    rights=Rights.everything("admin"),
)
SOURCE = Source(channel="form", connector="site")
HANDLERS = {MOVE: on_move, UNDO: on_undo, FORGET: on_forget}
IVAN, PYOTR = "+79161234567", "+79037654321"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:merge.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


def add_person(tx: Tx, id: str, phone: str, **more: Any) -> Person:
    values = {"name": "Иван Петров", "phones": (phone,), "created_at": NOW, "last_activity_at": NOW} | more
    person = tx.insert(PEOPLE, Person(id=id, **values))
    attach_identity(tx, person, IdentityKind.PHONE, phone)
    return person


def add_lead(tx: Tx, id: str, person_id: str, *, open: bool = True) -> Lead:
    touches = {"source": SOURCE, "first_touch": SOURCE, "last_touch": SOURCE}
    times = {"stage_since": NOW, "last_activity_at": NOW, "created_at": NOW, "updated_at": NOW}
    stage = "qualification" if open else "mistaken"
    lead = Lead(
        id=id, number=tx.next_number("lead"), title=f"Лид {id}", stage=stage, open=open, person_id=person_id,
        queue="first-line", owner_id="usr_1", **touches, **times,
    )  # fmt: skip
    return tx.insert(LEADS, lead)


def add_items(tx: Tx, person_id: str, number: int) -> None:
    for each in range(number):
        item = TimelineItem(id=f"tl_{each:06}", kind=ItemKind.NOTE, at=NOW - each * DAY, person_id=person_id, text="…")
        tx.insert(TIMELINE, item)


@pytest.fixture
async def two(store: Store) -> Store:
    """Ivan with a lead, a call, a task and two items; and Pyotr, who is the same man."""

    def fill(tx: Tx) -> None:
        add_person(tx, "per_ivan", IVAN, position="Директор", comment="Любит чай", fields={"city": "Пермь", "a": "1"})
        add_person(tx, "per_pyotr", PYOTR, name="Пётр", comment="Просит счёт", fields={"city": "Уфа"})
        add_lead(tx, "led_ivan", "per_ivan")
        tx.insert(
            TASKS, Task(id="tsk_1", number=1, title="Т", person_id="per_ivan", lead_id="led_ivan", created_at=NOW)
        )
        call = CallRecord(
            id="call_1", connector="ats", linkedid="1", direction="in", started_at=NOW, person_id="per_ivan"
        )
        tx.insert(CALLS, call)
        add_items(tx, "per_ivan", 2)

    await store.write(fill)
    return store


async def merge(store: Store, choices: dict[str, str] | None = None, **more: Any) -> Merge:
    found: Merge = await store.write(merge_people, SYSTEM, OURS, "per_ivan", "per_pyotr", choices or {}, **more)
    return found


async def undo(store: Store, merge_id: str) -> Merge:
    found: Merge = await store.write(undo_merge, SYSTEM, OURS, merge_id)
    return found


async def look(store: Store, fn: Callable[..., Any], *arguments: Any) -> Any:
    return await store.read(fn, *arguments)


async def owners(store: Store) -> set[str | None]:
    """Whom everything belongs to."""

    def collect(tx: Tx) -> set[str | None]:
        found = [*tx.find(LEADS), *tx.find(TASKS), *tx.find(CALLS), *tx.find(TIMELINE)]
        return {each.person_id for each in found if getattr(each, "kind", None) is not ItemKind.DECISION}

    owned: set[str | None] = await store.read(collect)
    return owned


async def run_timers(store: Store) -> int:
    """Everything that is due now, one transaction each; how many."""
    fired = 0
    while timers := [each for each in await store.read(due) if each.kind in HANDLERS]:
        for timer in timers:
            await store.write(fire, timer.id, HANDLERS)
            fired += 1
    return fired


async def test_everything_of_both_is_the_ones_who_stays(two: Store) -> None:
    done = await merge(two)
    assert done.state == "done"
    assert await owners(two) == {"per_pyotr"}
    assert await look(two, lambda tx: tx.get(PEOPLE, "per_ivan")) is None
    person = await look(two, find_person, "per_ivan")
    assert person.id == "per_pyotr", "the old id leads to the one who lives on"
    assert (person.name, person.phones, person.position) == ("Пётр", (PYOTR, IVAN), "Директор")
    assert person.comment == "Просит счёт\nЛюбит чай"
    assert person.fields == {"city": "Уфа", "a": "1"}
    assert (await look(two, by_phone, IVAN)).id == "per_pyotr"


async def test_the_value_of_each_field_can_be_chosen(two: Store) -> None:
    await merge(two, {"name": "from", "comment": "into", "position": "into", "fields": "from"})
    person = await look(two, find_person, "per_pyotr")
    assert (person.name, person.comment, person.position) == ("Иван Петров", "Просит счёт", None)
    assert person.fields == {"city": "Пермь", "a": "1"}


async def test_wrong_choices_and_merging_with_oneself_are_refused_by_field(two: Store) -> None:
    with pytest.raises(Invalid) as refused:
        await merge(two, {"phones": "from", "name": "other"})
    assert set(refused.value.fields) == {"fields.phones", "fields.name"}
    for into in ("per_ivan", "nobody"):
        with pytest.raises(Invalid) as refused:
            await two.write(merge_people, SYSTEM, OURS, "per_ivan", into, {})
        assert set(refused.value.fields) == {"into"}


async def test_an_undo_restores_both_as_they_were(two: Store) -> None:
    def image(tx: Tx) -> list[Any]:
        kept = [*tx.find(PEOPLE), *tx.find(LEADS), *tx.find(TASKS), *tx.find(CALLS), *tx.find(TIMELINE)]
        return [
            {name: getattr(each, name) for name in each.__struct_fields__ if name != "version"}
            for each in kept
            if getattr(each, "kind", None) is not ItemKind.DECISION
        ]

    before = await look(two, image)
    done = await merge(two)
    assert (await undo(two, done.id)).state == "undone"
    assert await look(two, image) == before
    assert (await look(two, by_phone, IVAN)).id == "per_ivan"
    with pytest.raises(Conflict, match="уже отменено"):
        await undo(two, done.id)
    assert (await merge(two)).state == "done", "and they can be merged again"


async def test_what_happened_since_stays_after_an_undo(two: Store) -> None:
    done = await merge(two)

    def meanwhile(tx: Tx) -> None:
        person = tx.require(PEOPLE, "per_pyotr")
        tx.update(PEOPLE, person, position="Главный инженер", fields=person.fields | {"new": "2"})
        item = TimelineItem(id="tl_new", kind=ItemKind.NOTE, at=NOW, person_id="per_pyotr")
        tx.insert(TIMELINE, item)

    await two.write(meanwhile)
    await undo(two, done.id)
    pyotr = await look(two, find_person, "per_pyotr")
    assert (pyotr.position, pyotr.comment, pyotr.phones) == ("Главный инженер", "Просит счёт", (PYOTR,))
    assert pyotr.fields == {"city": "Уфа", "new": "2"}
    assert (await look(two, lambda tx: tx.require(TIMELINE, "tl_new"))).person_id == "per_pyotr"


async def test_two_open_leads_need_a_decision_and_the_other_ones_tasks_go_over(two: Store) -> None:
    await two.write(add_lead, "led_pyotr", "per_pyotr")
    with pytest.raises(Conflict, match=r"№ 1 .* и № 2 .*keep_lead"):
        await merge(two)
    with pytest.raises(Invalid) as refused:
        await merge(two, keep_lead="led_pyotr", close_stage="new")
    assert set(refused.value.fields) == {"close_stage"}
    done = await merge(two, keep_lead="led_pyotr", close_stage="mistaken")
    closed, kept = [await look(two, lambda tx, id=id: tx.require(LEADS, id)) for id in ("led_ivan", "led_pyotr")]
    assert (closed.open, closed.stage, closed.person_id, kept.open) == (False, "mistaken", "per_pyotr", True)
    assert (await look(two, lambda tx: tx.require(TASKS, "tsk_1"))).lead_id == "led_pyotr"
    await undo(two, done.id)
    reopened = await look(two, lambda tx: tx.require(LEADS, "led_ivan"))
    assert (reopened.open, reopened.stage, reopened.person_id) == (True, "qualification", "per_ivan")
    assert (await look(two, lambda tx: tx.require(TASKS, "tsk_1"))).lead_id == "led_ivan"


async def test_a_long_history_moves_in_pieces_there_and_back(two: Store) -> None:
    def more(tx: Tx) -> None:
        for each in range(10_000):
            item = TimelineItem(id=f"tl_more{each:05}", kind=ItemKind.NOTE, at=NOW, person_id="per_ivan")
            tx.insert(TIMELINE, item)

    await two.write(more)
    done = await merge(two)
    assert done.state == "moving"
    assert await look(two, lambda tx: tx.count(TIMELINE, {"person_id": "per_ivan"})) >= 10_000 - PIECE
    with pytest.raises(Conflict, match="ещё переносит"):
        await undo(two, done.id)
    await two.write(add_person, "per_third", "+79990000000")
    with pytest.raises(Conflict, match="другое слияние"):
        await two.write(merge_people, SYSTEM, OURS, "per_pyotr", "per_third", {})
    assert await run_timers(two) >= 10_000 // PIECE
    assert (await look(two, lambda tx: tx.require(MERGES, done.id))).state == "done"
    assert await owners(two) == {"per_pyotr"}
    assert (await undo(two, done.id)).state == "undoing"
    await run_timers(two)
    assert (await look(two, lambda tx: tx.require(MERGES, done.id))).state == "undone"
    assert await owners(two) == {"per_ivan"}


async def test_after_thirty_days_it_stays_merged(two: Store, clock: ManualClock) -> None:
    done = await merge(two)
    clock.set(NOW + 31 * DAY)
    with pytest.raises(Conflict, match=r"до 23\.12\.2026"):
        await undo(two, done.id)
    await run_timers(two)
    assert await look(two, lambda tx: tx.count(MOVED)) == 0


async def test_a_merge_of_the_one_who_stayed_must_be_undone_first(two: Store) -> None:
    first = await merge(two)
    await two.write(add_person, "per_third", "+79990000000")
    second = await two.write(merge_people, SYSTEM, OURS, "per_pyotr", "per_third", {})
    assert (await look(two, find_person, "per_ivan")).id == "per_third"
    with pytest.raises(Conflict, match="сначала отмените то слияние"):
        await undo(two, first.id)
    await undo(two, second.id)
    await undo(two, first.id)
    assert await owners(two) == {"per_ivan"}


async def test_a_phone_that_is_somebody_elses_by_now_makes_an_undo_impossible(two: Store) -> None:
    done = await merge(two)

    def give_away(tx: Tx) -> None:
        third = add_person(tx, "per_third", "+79990000000")
        tx.update(IDENTITIES, tx.require(IDENTITIES, f"phone:{IVAN}"), person_id=third.id)

    await two.write(give_away)
    with pytest.raises(Conflict, match=r"\+79161234567 теперь у другого контакта"):
        await undo(two, done.id)


async def test_pairs_of_possible_duplicates_are_settled_and_come_back(two: Store) -> None:
    def pairs(tx: Tx) -> None:
        add_person(tx, "per_third", "+79990000000")
        file_duplicate(tx, "per_ivan", "per_pyotr", "Один телефон")
        file_duplicate(tx, "per_ivan", "per_third", "Одна почта")

    await two.write(pairs)
    done = await merge(two)
    found = {(each.first_id, each.second_id, each.state) for each in await look(two, lambda tx: tx.find(DUPLICATES))}
    assert found == {("per_ivan", "per_pyotr", "merged"), ("per_pyotr", "per_third", "open")}
    await undo(two, done.id)
    found = {(each.first_id, each.second_id, each.state) for each in await look(two, lambda tx: tx.find(DUPLICATES))}
    assert found == {("per_ivan", "per_pyotr", "open"), ("per_ivan", "per_third", "open")}


async def test_companies_merge_with_their_contacts_and_requisites_that_go_together(two: Store) -> None:
    one = await two.write(
        create_company,
        SYSTEM,
        {"name": "Ромашка", "inn": "7707083893", "kpp": "773601001", "phones": ["8 916 123-45-67"]},
    )
    other = await two.write(create_company, SYSTEM, {"name": "ООО Ромашка", "inn": "7707083893"})

    def employ(tx: Tx) -> None:
        tx.update(PEOPLE, tx.require(PEOPLE, "per_ivan"), company_id=one.id)

    await two.write(employ)
    done = await two.write(merge_companies, SYSTEM, OURS, one.id, other.id, {"name": "from"})
    company = await look(two, find_company, one.id)
    assert (company.id, company.name, company.kpp, company.phones) == (other.id, "Ромашка", "773601001", (IVAN,))
    assert (await look(two, find_person, "per_ivan")).company_id == other.id
    third = await two.write(create_company, SYSTEM, {"name": "Захватчик", "inn": "500100732259"})
    await two.write(edit_company, SYSTEM, other.id, {"kpp": None})
    await two.write(edit_company, SYSTEM, third.id, {"inn": "7707083893", "kpp": "773601001"})
    with pytest.raises(Conflict, match="теперь у другой компании"):
        await undo(two, done.id)
    await two.write(edit_company, SYSTEM, third.id, {"kpp": None, "inn": None})
    await undo(two, done.id)
    assert (await look(two, find_person, "per_ivan")).company_id == one.id
    assert await look(two, lambda tx: tx.count(COMPANIES)) == 3


async def test_requisites_of_two_companies_are_not_mixed_by_themselves(two: Store) -> None:
    one = await two.write(create_company, SYSTEM, {"name": "А", "inn": "7707083893", "kpp": "773601001"})
    other = await two.write(create_company, SYSTEM, {"name": "Б", "inn": "500100732259"})
    with pytest.raises(Invalid) as refused:
        await two.write(merge_companies, SYSTEM, OURS, one.id, other.id, {"kpp": "from"})
    assert set(refused.value.fields) == {"fields.kpp"}
    await two.write(merge_companies, SYSTEM, OURS, one.id, other.id, {})
    company = await look(two, find_company, other.id)
    assert (company.inn, company.kpp) == ("500100732259", None)
