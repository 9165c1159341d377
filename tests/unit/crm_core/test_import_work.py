"""The worker of imports on a real store: pieces, a kill in between, a row that breaks the program, undo."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM, Actor
from crm_core.audit import AUDIT
from crm_core.company import Company
from crm_core.contacts import edit_person
from crm_core.deals import create_deal
from crm_core.external import EXTERNAL_REFS
from crm_core.merge import merge_people
from crm_core.people import IDENTITIES, PEOPLE
from crm_core.sheets import jobs
from crm_core.sheets.jobs import IMPORT_ROWS, IMPORTS, Import, OnDuplicate, Rule, State
from crm_core.sheets.kinds import Field, RecordRef
from crm_core.sheets.survey import survey
from crm_core.users import USERS, User, create_user
from distribution.desk import Desk
from firstline.opening import opened
from firstline.settings import load_settings
from router.sheets.contacts import Contacts
from router.sheets.registry import import_kinds
from router.sheets.worker import ABANDONED, PIECE, ImportWorker, waiting
from storage import Store, Tx
from web.imports import error_pages

SETTINGS = load_settings(None, {})
COMPANY = SETTINGS.company
DESK = Desk(COMPANY, SETTINGS.queues)
KINDS = import_kinds(SETTINGS.queues)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(SETTINGS, tmp_path / "data", guest=False) as store:
        yield store


def table(rows: int, start: int = 0) -> str:
    lines = (f"Клиент {n};+7916{n:07};client{n}@example.ru;A-{n}" for n in range(start, start + rows))
    return "Имя;Телефон;Почта;ID\n" + "\n".join(lines) + "\n"


async def prepared(store: Store, content: str, rule: OnDuplicate = OnDuplicate.SKIP, actor: Actor = SYSTEM) -> Import:
    blob, size = await store.blobs.put(content.encode())
    path, kind = Path(store.blobs.path(blob)), KINDS["contacts"]
    found = survey(path, "t.csv", kind, COMPANY)
    job = await store.write(
        jobs.create_import, actor, kind, name="t.csv", blob=blob, size=size,
        layout=found.layout, columns=found.columns, total=found.total,
    )  # fmt: skip
    return await store.write(
        jobs.configure, actor, KINDS, COMPANY, job.id, {"rule": Rule(on_duplicate=rule, by=job.rule.by)}
    )


def worker(store: Store, kinds: Any = KINDS) -> ImportWorker:
    return ImportWorker(store, kinds, DESK, actor=SYSTEM, gives_way=False)


async def run(store: Store, job: Import, kinds: Any = KINDS) -> Import:
    begun = await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id)
    await worker(store, kinds).work_off(begun)
    return await now(store, job)


async def now(store: Store, job: Import) -> Import:
    return await store.read(lambda tx: tx.require(IMPORTS, job.id))


async def count(store: Store, collection: Any) -> int:
    found: int = await store.read(lambda tx: tx.count(collection))
    return found


async def test_a_killed_worker_is_followed_by_one_that_does_nothing_twice(store: Store) -> None:
    job = await prepared(store, table(10 * PIECE + 7), OnDuplicate.CREATE)
    begun = await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id)
    first = asyncio.create_task(worker(store).work_off(begun))
    while not (await now(store, job)).done:
        await asyncio.sleep(0.001)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    halfway = await store.write(lambda tx: tx.require(IMPORTS, job.id))  # behind the piece that was under way
    assert halfway.state is State.RUNNING
    assert 0 < halfway.done < halfway.total
    await worker(store).work_off(halfway)
    job = await now(store, job)
    assert (job.state, job.done, job.created, job.failed) == (State.DONE, job.total, job.total, 0)
    assert await count(store, PEOPLE) == await count(store, IMPORT_ROWS) == job.total


async def test_two_workers_on_one_import_do_each_row_once(store: Store) -> None:
    job = await prepared(store, table(3 * PIECE), OnDuplicate.CREATE)
    begun = await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id)
    await asyncio.gather(worker(store).work_off(begun), worker(store).work_off(begun))
    job = await now(store, job)
    if job.state is State.RUNNING:
        await worker(store).work_off(job)
        job = await now(store, job)
    assert (job.state, job.created, job.failed) == (State.DONE, 3 * PIECE, 0)


class Fragile(Contacts):
    """A kind with a fault of its own: it breaks after it has written."""

    def create(self, tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> RecordRef:
        made = super().create(tx, actor, company, values)
        if values["name"] == "Клиент 5":
            raise RuntimeError("broken")
        return made


async def test_a_row_that_breaks_the_program_leaves_nothing_and_holds_up_nobody(store: Store) -> None:
    job = await run(store, await prepared(store, table(20)), {"contacts": Fragile()})
    assert (job.state, job.created, job.failed) == (State.DONE, 19, 1)
    (row,) = await store.read(jobs.error_rows, job)
    assert row.row == 7
    assert "внутренней ошибки" in row.errors[0].message
    assert await count(store, PEOPLE) == 19
    assert await count(store, IDENTITIES) == 38


async def test_undo_removes_everything_that_was_made(store: Store) -> None:
    job = await run(store, await prepared(store, table(2 * PIECE + 5)))
    assert await count(store, EXTERNAL_REFS) == 2 * PIECE + 5
    await worker(store).work_off(await store.write(jobs.undo, SYSTEM, KINDS, job.id))
    job = await now(store, job)
    assert (job.state, job.undone, job.kept) == (State.UNDONE, 2 * PIECE + 5, 0)
    for collection in (PEOPLE, IDENTITIES, EXTERNAL_REFS):
        assert await count(store, collection) == 0


async def test_a_row_that_updates_what_an_earlier_row_made_is_undone_with_it(store: Store) -> None:
    content = "Имя;Телефон\nИван;89161234567\nИван Петров;89161234567\n"
    job = await run(store, await prepared(store, content, OnDuplicate.UPDATE))
    assert (job.created, job.updated) == (1, 1)
    await worker(store).work_off(await store.write(jobs.undo, SYSTEM, KINDS, job.id))
    assert (await now(store, job)).undone == 2
    assert await count(store, PEOPLE) == 0


async def test_the_external_id_finds_what_a_former_import_made(store: Store) -> None:
    await run(store, await prepared(store, "ID;Имя;Телефон\nA-1;Иван;89161234567\n"))
    again = "ID;Имя;Телефон\nA-1;Иван Петров;89035556677\n"
    job = await run(store, await prepared(store, again, OnDuplicate.UPDATE))
    assert (job.created, job.updated) == (0, 1)
    (person,) = await store.read(lambda tx: tx.find(PEOPLE))
    assert (person.name, person.phones) == ("Иван Петров", ("+79161234567", "+79035556677"))
    job = await run(store, await prepared(store, "ID;Имя\nA-1;Ольга\n", OnDuplicate.CREATE))
    (row,) = await store.read(jobs.error_rows, job)
    assert row.errors[0].column == "ID"


async def test_a_dry_run_knows_what_pieces_before_it_would_have_made(store: Store) -> None:
    job = await prepared(store, table(PIECE) + table(PIECE).partition("\n")[2])
    begun = await store.write(jobs.dry_run, SYSTEM, KINDS, COMPANY, job.id)
    await worker(store).work_off(begun)
    job = await now(store, job)
    assert (job.state, job.created, job.skipped, job.failed) == (State.CHECKED, PIECE, PIECE, 0)
    assert await count(store, PEOPLE) == 0


class Waiting(Contacts):
    """A kind that stops at a row until it is let go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def fields(self, company: Company) -> Sequence[Field]:
        return [replace(each, parse=self._parse) if each.key == "name" else each for each in super().fields(company)]

    def _parse(self, text: str, company: Company) -> str:
        if text == f"Клиент {PIECE}":
            self.reached.set()
            assert self.go_on.wait(20)
        return text


async def test_a_cancelled_import_stops_and_can_be_undone(store: Store) -> None:
    job, kind = await prepared(store, table(5 * PIECE)), Waiting()
    begun = await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id)
    work = asyncio.create_task(worker(store, {"contacts": kind}).work_off(begun))
    assert await asyncio.to_thread(kind.reached.wait, 20)
    await store.write(jobs.cancel, SYSTEM, KINDS, job.id)
    kind.go_on.set()
    await work
    job = await now(store, job)
    assert (job.state, job.created) == (State.CANCELLED, PIECE)
    assert await count(store, PEOPLE) == PIECE
    await worker(store).work_off(await store.write(jobs.undo, SYSTEM, KINDS, job.id))
    assert await count(store, PEOPLE) == 0


async def test_an_import_ends_when_its_author_may_no_longer_import(store: Store) -> None:
    user: User = await store.write(
        create_user, SYSTEM, email="a@x.ru", name="Анна", roles=("head_equipment",), password_hash="x"
    )
    author = Actor(id=user.id, name=user.name, roles=frozenset(user.roles), rights=COMPANY.rights)
    job = await prepared(store, table(3), actor=author)
    begun = await store.write(jobs.start, author, KINDS, COMPANY, job.id)
    await store.write(lambda tx: tx.update(USERS, tx.require(USERS, user.id), active=False))
    await ImportWorker(store, KINDS, DESK, gives_way=False).work_off(begun)
    job = await now(store, job)
    assert (job.state, job.done) == (State.FAILED, 0)
    assert job.problem == "Сотрудник, который начал загрузку, больше не работает"


async def employee(store: Store, name: str) -> Actor:
    user: User = await store.write(
        create_user, SYSTEM, email=f"{name}@x.ru", name=name, roles=("head_equipment",), password_hash="x"
    )
    return Actor(id=user.id, name=user.name, roles=frozenset(user.roles), rights=COMPANY.rights)


async def test_whoever_asks_undoes_an_import_though_its_author_has_left(store: Store) -> None:
    anna, boris = await employee(store, "anna"), await employee(store, "boris")
    job = await run(store, await prepared(store, table(3), actor=anna))
    await store.write(lambda tx: tx.update(USERS, tx.require(USERS, anna.id or ""), active=False))
    undoing = await store.write(jobs.undo, boris, KINDS, job.id)
    await ImportWorker(store, KINDS, DESK, gives_way=False).work_off(undoing)
    job = await now(store, job)
    assert (job.state, job.undone) == (State.UNDONE, 3)
    made = await store.read(lambda tx: tx.find(AUDIT, {"actor_id": boris.id}))
    assert [each.action for each in made if each.entity == "contact"] == ["deleted"] * 3


async def test_a_fault_in_reading_ends_its_own_import_alone(store: Store) -> None:
    class Faulty(Contacts):
        def fields(self, company: Company) -> Sequence[Field]:
            return [replace(each, parse=self._parse) for each in super().fields(company)]

        def _parse(self, text: str, company: Company) -> str:
            raise RuntimeError("broken")

    job = await run(store, await prepared(store, table(3)), {"contacts": Faulty()})
    assert (job.state, job.done) == (State.FAILED, 0)
    assert job.problem
    assert "Внутренняя ошибка" in job.problem


async def test_imports_of_the_console_do_not_hide_those_of_the_hub(store: Store) -> None:
    for _ in range(25):
        job = await prepared(store, table(1))
        await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id, worker="console")
    job = await prepared(store, table(2))
    await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id)
    work = asyncio.create_task(worker(store).run())
    try:
        async with asyncio.timeout(20):
            while (await now(store, job)).state is State.RUNNING:
                await asyncio.sleep(0.01)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert (await now(store, job)).state is State.DONE


async def test_the_hub_undoes_what_the_console_imported(store: Store) -> None:
    job = await prepared(store, table(2))
    begun = await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id, worker="console")
    await worker(store).work_off(begun)
    assert (await store.write(jobs.undo, SYSTEM, KINDS, job.id)).worker == jobs.HUB


async def test_two_workers_on_one_dry_run_count_each_row_once(store: Store) -> None:
    job = await prepared(store, table(3 * PIECE))
    begun = await store.write(jobs.dry_run, SYSTEM, KINDS, COMPANY, job.id)
    await asyncio.gather(worker(store).work_off(begun), worker(store).work_off(begun))
    job = await now(store, job)
    assert (job.state, job.done, job.created, job.run) == (State.CHECKED, 3 * PIECE, 3 * PIECE, begun.run)


async def test_a_dry_run_is_begun_anew_only_when_nobody_is_at_it(store: Store) -> None:
    job, kind = await prepared(store, table(2 * PIECE)), Waiting()
    begun = await store.write(jobs.dry_run, SYSTEM, KINDS, COMPANY, job.id)
    first = asyncio.create_task(worker(store, {"contacts": kind}).work_off(begun))
    assert await asyncio.to_thread(kind.reached.wait, 20)
    assert not await worker(store).work_off(begun)
    kind.go_on.set()
    await first
    assert (await now(store, job)).run == begun.run
    left = await store.write(jobs.dry_run, SYSTEM, KINDS, COMPANY, job.id)
    gone = left.started_at - timedelta(minutes=1)
    left = await store.write(lambda tx: tx.update(IMPORTS, tx.require(IMPORTS, job.id), done=PIECE, touched_at=gone))
    assert await worker(store).work_off(left)
    job = await now(store, job)
    assert (job.state, job.done, job.run) == (State.CHECKED, 2 * PIECE, left.run + 1)


async def test_undo_leaves_a_contact_that_something_refers_to(store: Store) -> None:
    job = await run(store, await prepared(store, table(2)))
    person = await store.read(lambda tx: tx.first(PEOPLE, {"name": "Клиент 1"}))
    await store.write(create_deal, SYSTEM, COMPANY, "equipment", {"person_id": person.id})
    await worker(store).work_off(await store.write(jobs.undo, SYSTEM, KINDS, job.id))
    job = await now(store, job)
    assert (job.undone, job.kept) == (1, 1)
    (kept,) = await store.read(jobs.kept_rows, job, 10)
    assert kept.note == "С контактом уже работали (сделок: 1): он оставлен"
    assert await count(store, PEOPLE) == 1


async def test_an_external_code_leads_to_the_contact_that_its_own_was_merged_into(store: Store) -> None:
    await run(store, await prepared(store, "ID;Имя;Телефон\nA-1;Иван;89161234567\nA-2;Пётр;89035556677\n"))
    people = {each.name: each for each in await store.read(lambda tx: tx.find(PEOPLE))}
    await store.write(merge_people, SYSTEM, COMPANY, people["Пётр"].id, people["Иван"].id, {})
    job = await run(store, await prepared(store, "ID;Имя\nA-2;Иван Петров\n", OnDuplicate.UPDATE))
    assert (job.updated, job.failed) == (1, 0)
    (person,) = await store.read(lambda tx: tx.find(PEOPLE))
    assert person.name == "Иван Петров"


async def test_an_external_code_of_a_record_that_is_gone_is_free_again(store: Store) -> None:
    await run(store, await prepared(store, "ID;Имя\nA-1;Иван\n"))
    await store.write(lambda tx: tx.delete(PEOPLE, tx.first(PEOPLE)))
    job = await run(store, await prepared(store, "ID;Имя\nA-1;Ольга\n"))
    assert (job.created, job.failed) == (1, 0)
    job = await run(store, await prepared(store, "ID;Имя\nA-1;Ольга Ивановна\n", OnDuplicate.UPDATE))
    assert (job.updated, job.failed) == (1, 0)


async def test_rows_that_stay_are_told_however_far_down_they_are(store: Store) -> None:
    job = await run(store, await prepared(store, table(1100)))
    last = await store.read(lambda tx: tx.first(PEOPLE, {"name": "Клиент 1099"}))
    await store.write(edit_person, SYSTEM, last.id, {"comment": "важный"})
    await worker(store).work_off(await store.write(jobs.undo, SYSTEM, KINDS, job.id))
    assert [row.row for row in await store.read(jobs.kept_rows, await now(store, job), 100)] == [1101]


async def test_refused_rows_come_page_by_page(store: Store) -> None:
    job = await run(store, await prepared(store, "Имя;Телефон\n" + "Ольга;12\n" * 600))
    pages = [page async for page in error_pages(store, job)]
    assert [len(page) for page in pages] == [1, 500, 100]
    assert pages[0] == [["Имя", "Телефон", "Ошибка"]]
    assert pages[2][-1][:2] == ["Ольга", "12"]


async def test_an_import_that_another_router_is_at_is_taken_up_when_that_one_falls_silent(store: Store) -> None:
    job = await prepared(store, table(1))
    begun = await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id)
    assert [each.id for each in await store.read(waiting)] == [job.id]
    for ago, taken_up in ((timedelta(0), []), (ABANDONED, [job.id])):
        moment = await store.read(lambda tx: tx.now) - ago
        await store.write(lambda tx, at: tx.update(IMPORTS, tx.require(IMPORTS, begun.id), touched_at=at), moment)
        assert [each.id for each in await store.read(waiting)] == taken_up
