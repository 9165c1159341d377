"""What merged customers bought: it adds up, and after an undo it is counted again from the deals of each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM
from crm_core.company import Company
from crm_core.deals import DEALS, Deal
from crm_core.merge import Merge, merge_people
from crm_core.people import PEOPLE, Person
from crm_core.pipelines import Pipeline, PipelineStage
from crm_core.rights import Rights
from crm_core.unmerge import undo_merge
from crm_core.worth import note_unwon, note_won
from firstline.schema import SCHEMA
from storage import IdSource, Store, Tx, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = timedelta(days=1)
WAY = Pipeline("equipment", "Оборудование", (PipelineStage("new", "Новая"), PipelineStage("won", "Завершена", "won")))
OURS = Company(
    timezone="Europe/Moscow",
    language="ru",
    calendars={},
    stages=(),
    rights=Rights.everything("admin"),
    pipelines={WAY.key: WAY},
)


def fill(tx: Tx) -> None:
    for name in ("ivan", "pyotr"):
        tx.insert(PEOPLE, Person(id=f"per_{name}", name=name, created_at=NOW, last_activity_at=NOW))


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Store]:
    """Ivan, and Pyotr, who is the same man."""
    store = open_store("sqlite:worth.db", tmp_path, SCHEMA, clock=ManualClock(NOW).now, ids=IdSource())
    await store.write(fill)
    yield store
    await store.close()


async def merge(store: Store) -> Merge:
    found: Merge = await store.write(merge_people, SYSTEM, OURS, "per_ivan", "per_pyotr", {})
    return found


async def undo(store: Store, merge_id: str) -> None:
    await store.write(undo_merge, SYSTEM, OURS, merge_id)


async def person_of(store: Store, person_id: str) -> Person:
    found: Person = await store.read(lambda tx: tx.require(PEOPLE, person_id))
    return found


def add_deal(tx: Tx, id: str, person_id: str, **more: Any) -> None:
    times = {"stage_since": NOW, "last_activity_at": NOW, "created_at": NOW, "updated_at": NOW}
    values = {"title": "Станок", "pipeline": "equipment", "stage": "new", "person_id": person_id} | times | more
    tx.insert(DEALS, Deal(id=id, number=tx.next_number("deal"), **values))


def add_won_deal(tx: Tx, id: str, person_id: str, amount: Decimal, at: datetime) -> None:
    add_deal(tx, id, person_id, stage="won", open=False, amount=amount, closed_at=at)
    note_won(tx, person_id, None, amount, at)


async def test_what_both_bought_adds_up_and_comes_apart(two: Store) -> None:
    await two.write(add_won_deal, "deal_1", "per_ivan", Decimal(700_000), NOW - DAY)
    await two.write(add_won_deal, "deal_2", "per_pyotr", Decimal(400_000), NOW - 2 * DAY)
    done = await merge(two)
    person = await person_of(two, "per_pyotr")
    assert (person.won_count, person.won_sum, person.abc, person.rfm, person.last_won_at) == (
        2, Decimal(1_100_000), "B", "regular", NOW - DAY,
    )  # fmt: skip
    await undo(two, done.id)
    person = await person_of(two, "per_pyotr")
    assert (person.won_count, person.won_sum, person.abc, person.rfm, person.last_won_at) == (
        1, Decimal(400_000), "C", "new", NOW - 2 * DAY,
    )  # fmt: skip


async def test_a_deal_that_was_won_after_the_merge_takes_its_worth_back_with_it(two: Store) -> None:
    await two.write(add_won_deal, "deal_2", "per_pyotr", Decimal(400_000), NOW - 2 * DAY)
    await two.write(add_deal, "deal_1", "per_ivan")
    done = await merge(two)

    def win(tx: Tx) -> None:
        deal = tx.require(DEALS, "deal_1")
        tx.update(DEALS, deal, stage="won", open=False, closed_at=NOW, amount=Decimal(900_000))
        note_won(tx, deal.person_id, None, Decimal(900_000), NOW)

    await two.write(win)
    await undo(two, done.id)
    ivan, pyotr = await person_of(two, "per_ivan"), await person_of(two, "per_pyotr")
    assert (ivan.won_count, ivan.won_sum, ivan.last_won_at) == (1, Decimal(900_000), NOW)
    assert (pyotr.won_count, pyotr.won_sum, pyotr.last_won_at) == (1, Decimal(400_000), NOW - 2 * DAY)


async def test_a_deal_that_was_lost_after_the_merge_leaves_no_sum_below_zero(two: Store) -> None:
    await two.write(add_won_deal, "deal_1", "per_ivan", Decimal(700_000), NOW - DAY)
    done = await merge(two)

    def reopen(tx: Tx) -> None:
        deal = tx.require(DEALS, "deal_1")
        tx.update(DEALS, deal, stage="new", open=True, closed_at=None)
        note_unwon(tx, deal.person_id, None, Decimal(700_000), NOW - DAY)

    await two.write(reopen)
    await undo(two, done.id)
    for each in ("per_ivan", "per_pyotr"):
        person = await person_of(two, each)
        assert (person.won_count, person.won_sum, person.last_won_at, person.abc) == (0, Decimal(0), None, None), each
