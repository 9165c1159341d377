"""What a task is about: records that are there, that its people may see, and that lead back to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crm_core.actor import Actor
from crm_core.callbacks import open_callback
from crm_core.changes import CHANGES
from crm_core.errors import Forbidden, Invalid
from crm_core.search import Question
from crm_core.searchable import KINDS
from crm_core.task_commands import update_task
from crm_core.task_steps import allowed_steps
from crm_core.tasks import Link, get_task, list_tasks, may_read, of_record
from storage import ReadTx
from tests.unit.crm_core.task_bench import MONDAY_NOON, Tasks, open_tasks
from web.stream import sees


@pytest.fixture
async def tasks(tmp_path: Path) -> AsyncIterator[Tasks]:
    tasks = open_tasks(tmp_path)
    yield tasks
    await tasks.store.close()


async def test_tasks_of_a_record_are_found_by_their_links(tasks: Tasks) -> None:
    anna = await tasks.hire("anna")
    sold, other, customer, person = (
        await tasks.deal(), await tasks.deal(), await tasks.customer(), await tasks.contact(),
    )  # fmt: skip
    deal = await tasks.give(anna, links=(Link("deal", sold), Link("company", customer)))
    await tasks.give(anna, links=(Link("deal", other),))
    contact = await tasks.give(anna, links=(Link("contact", person),))
    assert contact.person_id == person
    for entity, record, wanted in (
        ("deal", sold, [deal.id]),
        ("company", customer, [deal.id]),
        ("contact", person, [contact.id]),
    ):
        where = await tasks.store.read(of_record, entity, record)
        assert [task.id for task in await tasks.store.read(list_tasks, anna, where)] == wanted
    await tasks.do(update_task, anna, deal.id, {"links": (Link("company", customer),)})
    where = await tasks.store.read(of_record, "deal", sold)
    assert await tasks.store.read(list_tasks, anna, where) == []


async def test_only_records_that_are_there_and_may_be_seen_are_linked(tasks: Tasks) -> None:
    anna, buyer = await tasks.hire("anna"), await tasks.hire("buyer", "procurement")
    deal, person = await tasks.deal(), await tasks.contact()
    for links, place in (
        ((Link("deal", deal), Link("weather", "x")), "links[1]"),
        ((Link("deal", deal), Link("deal", deal), Link("deal", "nobody")), "links[2]"),
        ((Link("lead", "nobody"),), "links[0]"),
        ((Link("contact", person),) * 51, "links"),
    ):
        with pytest.raises(Invalid) as refused:
            await tasks.give(anna, links=links)
        assert set(refused.value.fields) == {place}
    with pytest.raises(Invalid) as refused:
        await tasks.give(anna, lead_id="nobody")
    assert set(refused.value.fields) == {"lead_id"}
    with pytest.raises(Forbidden):
        await tasks.give(buyer, links=(Link("deal", deal),))
    task = await tasks.give(anna, co_executors=(buyer.id,), responsible_id=buyer.id, links=(Link("deal", deal),))
    assert await tasks.do(update_task, buyer, task.id, {"links": (Link("deal", deal),)}) == task
    with pytest.raises(Forbidden):
        await tasks.do(update_task, buyer, task.id, {"links": (Link("deal", deal), Link("contact", person))})
    with pytest.raises(Invalid) as refused:
        await tasks.do(update_task, anna, task.id, {"links": (Link("deal", deal), Link("company", "nobody"))})
    assert set(refused.value.fields) == {"links[1]"}


async def test_a_callback_is_seen_by_whoever_reads_its_lead_everywhere_alike(tasks: Tasks) -> None:
    seller, buyer = await tasks.hire("seller"), await tasks.hire("buyer", "procurement")
    callback = await tasks.store.write(
        open_callback, person_id=None, lead_id="lead_1", phone="+79161234567", deadline=MONDAY_NOON,
        title="Перезвонить", queue="first-line", responsible_id=None,
    )  # fmt: skip

    def seen(tx: ReadTx, actor: Actor) -> list[bool]:
        news = next(change for change in tx.find(CHANGES) if change.entity == "task")
        return [
            may_read(actor, callback),
            callback in list_tasks(tx, actor, {"open": True}),
            callback in Question(tx, KINDS, "1234567").records(KINDS["task"], actor, 10),
            sees(actor, news),
        ]

    assert await tasks.store.read(seen, seller) == [True] * 4
    assert await tasks.store.read(seen, buyer) == [False] * 4
    assert await tasks.store.read(get_task, seller, callback.id) == callback
    with pytest.raises(Forbidden):
        await tasks.store.read(get_task, buyer, callback.id)
    assert allowed_steps(seller, callback) == ()
