"""Names made comparable, the classes of customers, and how they stay true as deals are won and time passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from crm_core.actor import SYSTEM
from crm_core.companies import COMPANIES, CustomerCompany, create_company
from crm_core.company import Company
from crm_core.customers import Abc, Rfm, Thresholds, classify
from crm_core.people import PEOPLE, Person
from crm_core.rights import Rights
from crm_core.similar import company_key, person_key
from crm_core.timers import TIMERS, Handler, fire
from crm_core.worth import AGE_CUSTOMERS, AT_ONCE, note_unwon, note_won, on_age_customers
from firstline.schema import SCHEMA
from storage import IdSource, Store, Tx, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = timedelta(days=1)
OURS = Company(timezone="Europe/Moscow", language="ru", calendars={}, stages=(), rights=Rights.everything("admin"))


def ageing(company: Company = OURS) -> dict[str, Handler]:
    return {AGE_CUSTOMERS: lambda tx, timer: on_age_customers(tx, company, timer)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ООО «Ромашка»", "ромашка, ооо"),
        ("Общество с ограниченной ответственностью Ёлка", "ООО ЕЛКА"),
        ("АО Завод-1", "Акционерное общество «Завод 1»"),
    ],
)
def test_a_company_is_the_same_however_its_name_is_written(one: str, other: str) -> None:
    assert company_key(one) == company_key(other)


def test_different_companies_stay_different_and_a_bare_legal_form_is_a_name() -> None:
    assert company_key("Ромашка Юг") != company_key("Ромашка")
    assert company_key("ООО") == "ооо"
    assert company_key("«»") is None


def test_the_order_of_somebodys_names_does_not_matter() -> None:
    assert person_key("Фёдоров Пётр") == person_key("пётр федоров") == "петр федоров"


@pytest.mark.parametrize(
    ("count", "total", "days", "expected"),
    [
        (0, 0, None, (Rfm.NEVER, None)),
        (1, 999_999, 1, (Rfm.NEW, Abc.C)),
        (1, 1_000_000, 365, (Rfm.NEW, Abc.B)),
        (2, 4_999_999, 10, (Rfm.REGULAR, Abc.B)),
        (9, 5_000_000, 366, (Rfm.FADING, Abc.A)),
        (1, 0, 366, (Rfm.FADING, Abc.C)),
    ],
)
def test_classes_follow_from_number_sum_and_time(
    count: int, total: int, days: int | None, expected: tuple[Rfm, Abc | None]
) -> None:
    last = None if days is None else NOW - days * DAY
    assert classify(count, Decimal(total), last, NOW) == expected


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:customers.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


async def person(store: Store, name: str = "Иван") -> Person:
    made = Person(id=f"per_{name}", name=name, created_at=NOW, last_activity_at=NOW)
    found: Person = await store.write(lambda tx: tx.insert(PEOPLE, made))
    return found


async def read(store: Store, person_id: str) -> Person:
    found: Person = await store.read(lambda tx: tx.require(PEOPLE, person_id))
    return found


async def test_a_won_deal_counts_for_the_person_and_the_company(store: Store) -> None:
    ivan = await person(store)
    company: CustomerCompany = await store.write(create_company, SYSTEM, {"name": "ООО Ромашка"})
    await store.write(note_won, ivan.id, company.id, Decimal("1500000.50"), NOW)
    await store.write(note_won, ivan.id, None, Decimal("0.25"), NOW)
    ivan = await read(store, ivan.id)
    assert (ivan.won_count, ivan.won_sum, ivan.rfm, ivan.abc) == (2, Decimal("1500000.75"), Rfm.REGULAR, Abc.B)
    company = await store.read(lambda tx: tx.require(COMPANIES, company.id))
    assert (company.won_count, company.won_sum, company.rfm) == (1, Decimal("1500000.50"), Rfm.NEW)


async def test_a_deal_that_is_no_longer_won_leaves_no_trace(store: Store) -> None:
    ivan = await person(store)
    await store.write(note_won, ivan.id, None, Decimal(10), NOW - 5 * DAY)
    await store.write(note_won, ivan.id, None, Decimal(20), NOW)
    await store.write(note_unwon, ivan.id, None, Decimal(20), NOW)
    ivan = await read(store, ivan.id)
    assert (ivan.won_count, ivan.won_sum, ivan.last_won_at, ivan.rfm) == (1, Decimal(10), NOW - 5 * DAY, Rfm.NEW)
    await store.write(note_unwon, ivan.id, None, Decimal(10), NOW - 5 * DAY)
    ivan = await read(store, ivan.id)
    assert (ivan.won_count, ivan.won_sum, ivan.last_won_at, ivan.rfm, ivan.abc) == (0, 0, None, Rfm.NEVER, None)


async def test_who_has_not_bought_for_long_is_in_the_zone_of_loss_a_day_later(store: Store, clock: ManualClock) -> None:
    ivan, anna = await person(store), await person(store, "Анна")
    await store.write(note_won, ivan.id, None, Decimal(10), NOW)
    await store.write(note_won, anna.id, None, Decimal(10), NOW - 364 * DAY)
    clock.set(NOW + 2 * DAY)
    await store.write(fire, f"{AGE_CUSTOMERS}:*", ageing())
    assert ((await read(store, anna.id)).rfm, (await read(store, ivan.id)).rfm) == (Rfm.FADING, Rfm.NEW)
    timer = await store.read(lambda tx: tx.require(TIMERS, f"{AGE_CUSTOMERS}:*"))
    assert timer.due_at == NOW + 3 * DAY
    await store.write(note_won, anna.id, None, Decimal(10), NOW + 2 * DAY)
    assert (await read(store, anna.id)).rfm is Rfm.REGULAR


async def test_many_customers_are_aged_in_pieces(store: Store, clock: ManualClock) -> None:
    def fill(tx: Tx) -> None:
        for number in range(AT_ONCE + 1):
            made = Person(id=f"per_{number:04}", created_at=NOW, last_activity_at=NOW)
            tx.insert(PEOPLE, made)
            note_won(tx, made.id, None, Decimal(1), NOW)

    await store.write(fill)
    clock.set(NOW + 400 * DAY)
    for left in (1, 0):
        await store.write(fire, f"{AGE_CUSTOMERS}:*", ageing())
        assert await store.read(lambda tx: tx.count(PEOPLE, {"rfm": Rfm.NEW})) == left


async def test_classes_begin_where_the_company_says_and_follow_a_change_within_a_day(
    store: Store, clock: ManualClock
) -> None:
    strict = replace(OURS, customers=Thresholds(timedelta(days=30), 3, Decimal(1000), Decimal(100)))
    ivan = await person(store)
    await store.write(note_won, ivan.id, None, Decimal(150), NOW, strict.customers)
    assert (await read(store, ivan.id)).abc is Abc.B
    await store.write(note_won, ivan.id, None, Decimal(150), NOW, strict.customers)
    assert (await read(store, ivan.id)).rfm is Rfm.NEW, "two deals do not make a regular one here"
    clock.set(NOW + 40 * DAY)
    await store.write(fire, f"{AGE_CUSTOMERS}:*", ageing(strict))
    aged = await read(store, ivan.id)
    assert (aged.abc, aged.rfm) == (Abc.B, Rfm.FADING)
    clock.set(NOW + 42 * DAY)
    await store.write(fire, f"{AGE_CUSTOMERS}:*", ageing())
    back = await read(store, ivan.id)
    assert (back.abc, back.rfm) == (Abc.C, Rfm.REGULAR), "the limits were changed"
