"""Full disks, values that no store can hold, functions that end badly: typed errors, and the store goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from storage import InvalidValue, Store, StoreUnavailable, Tx
from tests.contract.store.conftest import Engine, Gate
from tests.contract.store.models import ITEMS, NOW, Item, Origin, add_item, add_items

BIG = 200_000


async def test_a_full_disk_is_said_reading_goes_on_and_writing_recovers_by_itself(engine: Engine, store: Store) -> None:
    await store.write(add_item, "before")
    await engine.fill_disk(store)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await store.write(add_items, 3, BIG)
        assert await store.read(lambda tx: tx.count(ITEMS)) == 1
    await engine.free_disk(store)
    await store.write(add_items, 3, BIG)
    store = await engine.reopen(store)
    assert await store.read(lambda tx: tx.count(ITEMS)) == 4


async def test_a_batch_that_meets_the_full_disk_fails_as_a_whole_with_an_error_each(
    engine: Engine, store: Store, gate: Gate
) -> None:
    await engine.fill_disk(store)
    heard: list[frozenset[str]] = []
    store.listen(heard.append)
    first = asyncio.create_task(store.write(gate))
    await gate.entered()
    sizes = [10, BIG, 10, BIG]
    waiting = [asyncio.create_task(store.write(add_items, 1, size)) for size in sizes]
    await asyncio.sleep(0)
    gate.open()
    answers = await asyncio.gather(first, *waiting, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
    assert len({id(error) for error in refused}) == len(refused) >= 2
    written = [answer[0] for answer in answers if isinstance(answer, list)]
    assert len(refused) + len(written) + (answers[0] is None) == 5
    assert [item.id for item in await store.read(lambda tx: tx.find(ITEMS))] == written
    assert bool(heard) == bool(written)


async def test_a_function_that_swallows_the_full_disk_is_not_committed_by_halves(engine: Engine, store: Store) -> None:
    await engine.fill_disk(store)

    def stubborn(tx: Tx) -> str:
        for _ in range(5):
            try:
                add_items(tx, 2, BIG)
            except Exception:
                continue
        return "done"

    with pytest.raises(StoreUnavailable):
        await store.write(stubborn)
    await engine.free_disk(store)
    assert await store.read(lambda tx: tx.count(ITEMS)) == 0


class Unusual(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, asyncio.CancelledError, Unusual]
)
@pytest.mark.parametrize("way", ["write", "read"])
async def test_a_function_that_ends_in_an_unusual_way_ends_only_itself(
    store: Store, way: str, error: type[BaseException]
) -> None:
    def end(tx: Any) -> None:
        if way == "write":
            add_item(tx, "lost")
        raise error

    bad = getattr(store, way)(end)
    answers = await asyncio.wait_for(
        asyncio.gather(store.write(add_item, "a"), bad, store.write(add_item, "b"), return_exceptions=True), 8
    )
    assert isinstance(answers[1], RuntimeError)
    assert isinstance(answers[1].__cause__, error)
    assert [item.id for item in await store.read(lambda tx: tx.find(ITEMS))] == ["a", "b"]


async def test_the_error_of_a_function_reaches_its_caller_as_it_is(store: Store) -> None:
    mistake = LookupError("mine")

    def fail(tx: Any) -> None:
        raise mistake

    for way in (store.write, store.read):
        with pytest.raises(LookupError) as caught:
            await way(fail)
        assert caught.value is mistake


UNSTORABLE: dict[str, Callable[[], Item]] = {
    "half a surrogate pair": lambda: Item(id="x", payload="\ud83d"),
    "half a surrogate pair in an indexed field": lambda: Item(id="x", text="a\udc00"),
    "half a surrogate pair in the id": lambda: Item(id="\ud800"),
    "an integer beyond 64 bits in an indexed field": lambda: Item(id="x", number=2**63),
    "a number that is none": lambda: Item(id="x", ratio=float("nan")),
    "an endless number": lambda: Item(id="x", ratio=float("inf")),
    "a price finer than the store adds up": lambda: Item(id="x", price=Decimal("0.00001")),
    "a price that is none": lambda: Item(id="x", price=Decimal("NaN")),
    "a price beyond 64 bits": lambda: Item(id="x", price=Decimal(10**17)),
    "a moment without time zone": lambda: Item(id="x", at=NOW.replace(tzinfo=None)),
    "the wrong type": lambda: Item(id="x", order="many"),  # type: ignore[arg-type]
    "nothing where something must be": lambda: Item(id="x", payload=None),  # type: ignore[arg-type]
    "an object": lambda: Item(id="x", origin=object()),  # type: ignore[arg-type]
    "a wrong type inside": lambda: Item(id="x", origin=Origin(channel=5)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("build", UNSTORABLE.values(), ids=UNSTORABLE.keys())
async def test_what_cannot_be_stored_is_a_typed_error_of_its_caller_only(
    store: Store, build: Callable[[], Item]
) -> None:
    bad = store.write(lambda tx: tx.insert(ITEMS, build()))
    good = [store.write(add_item, name) for name in ("a", "b")]
    answers = await asyncio.gather(good[0], bad, good[1], return_exceptions=True)
    assert isinstance(answers[1], InvalidValue)
    assert [item.id for item in await store.read(lambda tx: tx.find(ITEMS))] == ["a", "b"]


async def test_a_refused_change_leaves_the_transaction_usable(store: Store) -> None:
    def work(tx: Tx) -> None:
        item = add_item(tx, "a", payload="good")
        with pytest.raises(InvalidValue):
            tx.update(ITEMS, item, payload="\ud800")
        tx.update(ITEMS, item, payload="better")

    await store.write(work)
    assert (await store.read(lambda tx: tx.require(ITEMS, "a"))).payload == "better"


async def test_the_error_text_does_not_repeat_the_value(store: Store) -> None:
    secret = "Иван Петров"
    for bad in (Item(id="x", payload=f"{secret}\ud800"), Item(id="x", order=secret)):  # type: ignore[arg-type]
        with pytest.raises(InvalidValue) as caught:
            await store.write(lambda tx, item: tx.insert(ITEMS, item), bad)
        assert secret not in str(caught.value)


async def test_unusual_text_is_kept_and_found(store: Store) -> None:
    texts = ["", "\0", "a\0b", "a\0c", "'; DROP TABLE items; --", "\u2028", "😀", "\ufeff", "%_\\"]
    await store.write(lambda tx: [add_item(tx, f"id{text}", text=text) for text in texts])
    for text in texts:
        found = await store.read(lambda tx, wanted: tx.find(ITEMS, {"text": wanted}), text)
        assert [(item.id, item.text) for item in found] == [(f"id{text}", text)]


async def test_a_moment_of_another_zone_is_the_same_moment(store: Store) -> None:
    moment = datetime.fromisoformat("2026-11-22T12:30:00+03:00")
    await store.write(lambda tx: tx.insert(ITEMS, Item(id="a", at=moment)))
    assert await store.read(lambda tx: tx.count(ITEMS, {"at": NOW})) == 1
