"""Figures that must add up: groups and measures against a plain Python reference."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import Avg, Count, Max, Min, QueryError, ReadTx, StorageError, Store, Sum, Tx
from storage.collection import to_microseconds
from storage.query import Measure
from tests.contract.store.models import ITEMS, NOW, Colour, Item, add_item
from tests.contract.store.test_queries import filled, thorough

PRICES = st.none() | st.decimals(-(10**9), 10**9, places=4)
MOMENTS = st.none() | st.timedeltas(timedelta(-10_000), timedelta(10_000)).map(lambda shift: NOW + shift)
ITEM = st.builds(
    Item,
    id=st.just(""),
    price=PRICES,
    number=st.none() | st.integers(-(2**50), 2**50),
    at=MOMENTS,
    colour=st.sampled_from(Colour),
    flag=st.booleans(),
)


def figures(items: list[Item]) -> tuple[Any, ...]:
    """Count and Sum, Avg, Min, Max of the price, Sum of the number, Min and Max of the moment."""
    prices = [item.price for item in items if item.price is not None]
    numbers = [item.number for item in items if item.number is not None]
    moments = [to_microseconds(item.at) for item in items if item.at is not None]
    if not prices:
        money: tuple[Any, ...] = (None, None, None, None)
    else:
        total = sum(prices, Decimal(0))
        money = (total, total / len(prices), min(prices), max(prices))
    total_number = sum(numbers) if numbers else None
    return (len(items), *money, total_number, min(moments, default=None), max(moments, default=None))


MEASURES: list[Measure] = [
    *(Count(), Sum("price"), Avg("price"), Min("price"), Max("price")),
    *(Sum("number"), Min("at"), Max("at")),
]


@thorough
@given(made=st.lists(ITEM, max_size=12))
async def test_groups_and_measures_agree_with_the_reference(store: Store, made: list[Item]) -> None:
    def check(tx: Tx) -> None:
        items = filled(tx, made)
        keys = sorted({(item.colour.value, item.flag) for item in items})
        wanted = [(*key, *figures([i for i in items if (i.colour.value, i.flag) == key])) for key in keys]
        assert tx.aggregate(ITEMS, by=["colour", "flag"], measures=MEASURES) == wanted
        assert tx.aggregate(ITEMS, by=[], measures=MEASURES) == [figures(items)]
        red = [figures([item for item in items if item.colour is Colour.RED])]
        assert tx.aggregate(ITEMS, by=[], measures=MEASURES, where={"colour": Colour.RED}) == red

    await store.write(check)


async def test_kopecks_add_up_exactly_and_stay_decimals(store: Store) -> None:
    await store.write(lambda tx: [add_item(tx, price="0.1") for _ in range(1000)])
    rows = await store.read(lambda tx: tx.aggregate(ITEMS, by=["price"], measures=[Sum("price"), Avg("price")]))
    assert rows == [(Decimal("0.1"), Decimal(100), Decimal("0.1"))]
    assert all(isinstance(value, Decimal) for value in rows[0])


async def test_groups_are_sorted_and_an_absent_value_is_a_group_that_comes_first(store: Store) -> None:
    await store.write(lambda tx: [add_item(tx, number=n) for n in (5, None, -3, 5)])
    rows = await store.read(lambda tx: tx.aggregate(ITEMS, by=["number"], measures=[Count()]))
    assert rows == [(None, 1), (-3, 1), (5, 2)]


async def test_flags_and_moments_come_back_as_documented(store: Store) -> None:
    await store.write(lambda tx: [add_item(tx, flag=True, at=NOW + timedelta(hours=n)) for n in range(2)])
    [row] = await store.read(
        lambda tx: tx.aggregate(ITEMS, by=["flag"], measures=[Max("at"), Min("flag"), Avg("ratio")])
    )
    assert row == (True, to_microseconds(NOW + timedelta(hours=1)), True, None)
    assert isinstance(row[0], bool)


async def test_texts_do_not_add_up(store: Store) -> None:
    def ask(tx: ReadTx, /, *measures: Measure) -> None:
        tx.aggregate(ITEMS, by=[], measures=measures)

    for measures in ((Sum("text"),), (Avg("colour"),), ()):
        with pytest.raises(QueryError):
            await store.read(ask, *measures)


async def test_a_sum_beyond_64_bits_is_an_error_of_its_caller_only(store: Store) -> None:
    await store.write(lambda tx: [add_item(tx, number=2**63 - 1) for _ in range(2)])
    bad = store.write(lambda tx: tx.aggregate(ITEMS, by=[], measures=[Sum("number")]))
    outcome = await asyncio.gather(bad, store.write(add_item, "neighbour"), return_exceptions=True)
    assert isinstance(outcome[0], StorageError)
    assert await store.read(lambda tx: tx.get(ITEMS, "neighbour")) is not None
