"""Documents, keys, versions, numbers: what one function may rely on inside its transaction."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from storage import NotFound, ReadTx, StorageError, Store, Tx, UniqueViolation, VersionConflict
from tests.contract.store.conftest import Engine
from tests.contract.store.models import ITEMS, LABELS, NOW, SEATS, Item, Label, Seat, add_item, add_items


class Refused(Exception):
    """Raised by a function under test."""


async def test_what_was_written_is_there_after_reopening(engine: Engine, store: Store) -> None:
    written = await store.write(add_item, text="Ёлка", price="12.50", at=NOW, tags={"city": "Тверь"})
    store = await engine.reopen(store)
    assert await store.read(lambda tx: tx.require(ITEMS, written.id)) == written


async def test_a_function_that_raises_leaves_nothing(store: Store) -> None:
    def half(tx: Tx) -> None:
        add_item(tx, "a")
        tx.next_number("lead")
        raise Refused

    with pytest.raises(Refused):
        await store.write(half)
    assert await store.read(lambda tx: tx.count(ITEMS)) == 0


async def test_a_failing_function_does_not_hurt_its_neighbours(store: Store) -> None:
    def work(tx: Tx, number: int) -> str:
        add_item(tx, f"item{number}")
        if number % 3 == 0:
            raise Refused
        return f"item{number}"

    answers = await asyncio.gather(*(store.write(work, n) for n in range(60)), return_exceptions=True)
    kept = {answer for answer in answers if isinstance(answer, str)}
    assert kept == {f"item{n}" for n in range(60) if n % 3}
    assert all(isinstance(answers[n], Refused) for n in range(0, 60, 3))
    assert {item.id for item in await store.read(lambda tx: tx.find(ITEMS))} == kept


async def test_get_gives_none_and_require_raises_for_an_unknown_id(store: Store) -> None:
    assert await store.read(lambda tx: tx.get(ITEMS, "none")) is None
    with pytest.raises(NotFound):
        await store.read(lambda tx: tx.require(ITEMS, "none"))


async def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    def work(tx: Tx) -> tuple[int, str | None]:
        item = add_item(tx, "a", text="old")
        tx.update(ITEMS, item, text="new")
        return tx.count(ITEMS, {"text": "new"}), tx.require(ITEMS, "a").text

    assert await store.write(work) == (1, "new")


async def test_now_is_one_moment_and_ids_sort_by_creation(store: Store) -> None:
    moment, ids = await store.write(lambda tx: (tx.now, [tx.new_id("x_") for _ in range(500)]))
    assert moment == NOW
    assert moment.utcoffset() == timedelta(0)
    assert ids == sorted(set(ids))
    later = await store.write(lambda tx: tx.new_id("x_"))
    assert later > ids[-1]


async def test_a_second_document_with_the_same_id_is_refused(store: Store) -> None:
    await store.write(add_item, "a")
    with pytest.raises(UniqueViolation) as caught:
        await store.write(add_item, "a")
    assert (caught.value.collection, caught.value.index) == ("items", "id")


async def test_a_taken_key_is_refused_and_the_transaction_stays_usable(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.insert(SEATS, Seat(id="a", name="window"))
        with pytest.raises(UniqueViolation):
            tx.insert(SEATS, Seat(id="b", name="window"))
        tx.insert(SEATS, Seat(id="c", name="door"))

    await store.write(work)
    assert [seat.id for seat in await store.read(lambda tx: tx.find(SEATS))] == ["a", "c"]


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 100])
async def test_only_unknown_documents_are_added_and_of_equal_ids_the_first(store: Store, count: int) -> None:
    await store.write(lambda tx: tx.insert(SEATS, Seat(id="s0", name="before")))

    def work(tx: Tx) -> list[bool]:
        arrivals = [Seat(id=f"s{number}", name=f"first {number}") for number in range(count)]
        return tx.insert_unknown(SEATS, [*arrivals, Seat(id=f"s{count - 1}", name="again")])

    assert await store.write(work) == [False] + [True] * (count - 1) + [False]
    assert await store.read(lambda tx: tx.require(SEATS, "s0").name) == "before"
    assert await store.read(lambda tx: tx.count(SEATS)) == count
    assert {seat.name for seat in await store.read(lambda tx: tx.find(SEATS))}.isdisjoint({"again"})


async def test_unknown_documents_with_a_taken_key_are_refused_together(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.insert(SEATS, Seat(id="a", name="window"))
        with pytest.raises(UniqueViolation):
            tx.insert_unknown(SEATS, [Seat(id="b", name="door"), Seat(id="c", name="window")])

    await store.write(work)
    assert [seat.id for seat in await store.read(lambda tx: tx.find(SEATS))] == ["a"]


@pytest.mark.parametrize("count", [1, 2, 70])
async def test_what_is_appended_is_seen_at_once_and_kept(engine: Engine, store: Store, count: int) -> None:
    def work(tx: Tx) -> tuple[int, Item | None, list[str]]:
        for number in range(count):
            tx.append(ITEMS, Item(id=f"a{number:02}", text="new", number=number))
        seen = tx.count(ITEMS, {"text": "new"}), tx.get(ITEMS, "a00")
        tx.append(ITEMS, Item(id="b", text="last"))
        tx.update(ITEMS, tx.append(ITEMS, Item(id="c", text="draft")), text="last")
        return *seen, [item.id for item in tx.find(ITEMS, {"text": "last"})]

    found, first, last = await store.write(work)
    assert (found, first and first.number, last) == (count, 0, ["b", "c"])
    store = await engine.reopen(store)
    assert await store.read(lambda tx: tx.count(ITEMS)) == count + 2


async def test_an_appended_document_with_a_taken_id_undoes_its_function_alone(store: Store) -> None:
    def work(tx: Tx, number: int) -> None:
        add_item(tx, f"item{number}")
        tx.append(ITEMS, Item(id=f"more{number % 3}"))

    answers = await asyncio.gather(*(store.write(work, n) for n in range(6)), return_exceptions=True)
    assert [isinstance(answer, UniqueViolation) for answer in answers] == [False] * 3 + [True] * 3
    kept = {item.id for item in await store.read(lambda tx: tx.find(ITEMS))}
    assert kept == {"item0", "item1", "item2", "more0", "more1", "more2"}


async def test_nothing_unknown_is_nothing_to_do(store: Store) -> None:
    assert await store.write(lambda tx: tx.insert_unknown(SEATS, [])) == []


async def test_replace_refuses_a_taken_key_too(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.insert(SEATS, Seat(id="a", name="window"))
        door = tx.insert(SEATS, Seat(id="b", name="door"))
        with pytest.raises(UniqueViolation):
            tx.update(SEATS, door, name="window")

    await store.write(work)
    assert await store.read(lambda tx: tx.require(SEATS, "b").name) == "door"


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        ({"name": "x"}, {"name": "x"}, True),
        ({"name": None}, {"name": None}, False),
        ({"person": "p", "room": "1"}, {"person": "p", "room": "1"}, True),
        ({"person": "p", "room": "1"}, {"person": "p", "room": "2"}, False),
        ({"person": "p", "room": "1"}, {"person": "p", "room": "1", "open": False}, False),
        ({"person": "p", "room": "1", "open": False}, {"person": "p", "room": "1", "open": False}, False),
        ({"person": "p", "room": None}, {"person": "p", "room": None}, False),
    ],
)
async def test_unique_keys_count_only_what_is_present_and_matches(
    store: Store, first: dict[str, Any], second: dict[str, Any], agree: bool
) -> None:
    await store.write(lambda tx: tx.insert(SEATS, Seat(id="a", **first)))
    try:
        await store.write(lambda tx: tx.insert(SEATS, Seat(id="b", **second)))
    except UniqueViolation:
        assert agree
    else:
        assert not agree


async def test_a_partial_key_bites_when_the_condition_becomes_true(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.insert(SEATS, Seat(id="a", person="p", room="1"))
        closed = tx.insert(SEATS, Seat(id="b", person="p", room="1", open=False))
        with pytest.raises(UniqueViolation):
            tx.update(SEATS, closed, open=True)

    await store.write(work)


async def test_a_deleted_key_is_free_again(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.delete(SEATS, tx.insert(SEATS, Seat(id="a", name="window")))
        tx.insert(SEATS, Seat(id="b", name="window"))

    await store.write(work)
    assert await store.read(lambda tx: tx.count(SEATS)) == 1


async def test_replace_raises_the_version_and_refuses_an_old_one(store: Store) -> None:
    old = await store.write(add_item, "a", text="1")
    new = await store.write(lambda tx: tx.update(ITEMS, old, text="2"))
    assert (old.version, new.version) == (1, 2)
    with pytest.raises(VersionConflict):
        await store.write(lambda tx: tx.update(ITEMS, old, text="3"))
    with pytest.raises(VersionConflict):
        await store.write(lambda tx: tx.delete(ITEMS, old))
    assert await store.read(lambda tx: tx.require(ITEMS, "a")) == new


async def test_replace_and_delete_of_what_is_gone_raise_not_found(store: Store) -> None:
    ghost = Item(id="ghost")
    with pytest.raises(NotFound):
        await store.write(lambda tx: tx.replace(ITEMS, ghost))
    with pytest.raises(NotFound):
        await store.write(lambda tx: tx.delete(ITEMS, ghost))


async def test_a_derived_field_is_found_by_its_new_value_after_an_update(store: Store) -> None:
    label = await store.write(lambda tx: tx.insert(LABELS, Label(id="a", text="One")))
    await store.write(lambda tx: tx.update(LABELS, label, text="TWO"))
    assert await store.read(lambda tx: (tx.count(LABELS, {"key": "two"}), tx.count(LABELS, {"key": "one"}))) == (1, 0)
    with pytest.raises(UniqueViolation):
        await store.write(lambda tx: tx.insert(LABELS, Label(id="b", text="two")))


async def test_update_without_a_difference_writes_nothing(store: Store) -> None:
    item = await store.write(add_item, "a", text="same", number=5)
    heard: list[frozenset[str]] = []
    store.listen(heard.append)
    same = await store.write(lambda tx: tx.update(ITEMS, item, text="same", number=5))
    assert same.version == 1
    await asyncio.sleep(0)
    assert heard == []


async def test_numbers_have_no_gap_after_failures(store: Store) -> None:
    def number(tx: Tx, fail: bool) -> int:
        value = tx.next_number("lead")
        if fail:
            raise Refused
        return value

    answers = await asyncio.gather(*(store.write(number, n % 4 == 1) for n in range(80)), return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, int)] == list(range(1, 61))
    assert await store.write(lambda tx: tx.next_number("deal")) == 1


async def test_numbers_continue_after_reopening(engine: Engine, store: Store) -> None:
    await store.write(lambda tx: tx.next_number("lead"))
    store = await engine.reopen(store)
    assert await store.write(lambda tx: tx.next_number("lead")) == 2


async def test_a_document_of_twenty_megabytes_is_kept(store: Store) -> None:
    text = "Ж" * 10_000_000
    await store.write(lambda tx: tx.insert(ITEMS, Item(id="big", payload=text)))
    assert (await store.read(lambda tx: tx.require(ITEMS, "big"))).payload == text


async def test_arguments_reach_the_function(store: Store) -> None:
    assert len(await store.write(add_items, 2, size=3)) == 2

    def answer(tx: ReadTx, /, a: int, *, b: int) -> tuple[int, int, int]:
        return tx.count(ITEMS), a, b

    assert await store.read(answer, 1, b=2) == (2, 1, 2)


async def test_a_transaction_kept_beyond_its_function_is_refused(store: Store) -> None:
    kept: list[ReadTx] = []
    await store.write(kept.append)
    await store.read(kept.append)
    for tx in kept:
        with pytest.raises(StorageError, match="over"):
            tx.count(ITEMS)
