"""Many callers at once: order, isolation, readers beside writers, listeners, cancellation, closing."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from storage import ReadTx, Store, StoreUnavailable, Tx
from tests.contract.store.conftest import Engine, Gate
from tests.contract.store.models import ITEMS, SEATS, Seat, add_item


async def soon(work: Any) -> Any:
    """The answer, which must not take longer than some seconds: waiting for ever is the failure looked for."""
    return await asyncio.wait_for(work, 8)


async def test_functions_of_one_caller_run_in_their_order(store: Store) -> None:
    numbers = await asyncio.gather(*(store.write(lambda tx: tx.next_number("n")) for _ in range(600)))
    assert numbers == list(range(1, 601))


async def test_the_background_lets_the_others_go_first(store: Store, gate: Gate) -> None:
    done: list[str] = []
    first = asyncio.create_task(store.write(gate))
    await gate.entered()
    behind = [asyncio.create_task(store.write_background(lambda tx, n=n: done.append(f"back {n}"))) for n in range(2)]
    front = [asyncio.create_task(store.write(lambda tx, n=n: done.append(f"front {n}"))) for n in range(2)]
    await asyncio.sleep(0)  # all of them have handed in
    gate.open()
    await soon(asyncio.gather(first, *behind, *front))
    assert done == ["front 0", "front 1", "back 0", "back 1"]


async def test_many_writers_lose_no_update(store: Store) -> None:
    await store.write(add_item, "sum", number=0)

    def add(tx: Tx) -> None:
        item = tx.require(ITEMS, "sum")
        tx.update(ITEMS, item, number=(item.number or 0) + 1)

    async def caller() -> None:
        for _ in range(20):
            await store.write(add)

    await asyncio.gather(*(caller() for _ in range(32)))
    item = await store.read(lambda tx: tx.require(ITEMS, "sum"))
    assert (item.number, item.version) == (640, 641)


async def test_only_one_of_many_takes_a_unique_key(store: Store) -> None:
    async def take(number: int) -> bool:
        try:
            await store.write(lambda tx: tx.insert(SEATS, Seat(id=f"s{number}", name="the only one")))
        except Exception:
            return False
        return True

    assert sum(await asyncio.gather(*(take(number) for number in range(100)))) == 1
    assert await store.read(lambda tx: tx.count(SEATS)) == 1


async def test_readers_do_not_wait_for_a_long_write_and_do_not_see_it(store: Store, gate: Gate) -> None:
    def long(tx: Tx) -> None:
        add_item(tx, "unfinished")
        gate(tx)

    writing = asyncio.create_task(store.write(long))
    await gate.entered()
    assert await soon(store.read(lambda tx: tx.count(ITEMS))) == 0
    assert not writing.done()
    gate.open()
    await writing
    assert await store.read(lambda tx: tx.count(ITEMS)) == 1


async def test_a_long_read_keeps_its_view_while_others_commit(store: Store, gate: Gate) -> None:
    await store.write(add_item, "before")

    def long(tx: ReadTx) -> tuple[int, int]:
        first = tx.count(ITEMS)
        gate(tx)
        return first, tx.count(ITEMS)

    reading = asyncio.create_task(store.read(long))
    await gate.entered()
    await soon(store.write(add_item, "meanwhile"))
    gate.open()
    assert await reading == (1, 1)
    assert await store.read(lambda tx: tx.count(ITEMS)) == 2


async def test_a_committed_write_is_seen_by_the_next_read(store: Store) -> None:
    async def caller(name: int) -> None:
        for number in range(20):
            await store.write(add_item, f"{name}-{number}")
            assert await store.read(lambda tx, id: tx.get(ITEMS, id), f"{name}-{number}") is not None

    await asyncio.gather(*(caller(name) for name in range(8)))


async def test_listeners_hear_the_collections_after_the_commit_only(store: Store, gate: Gate) -> None:
    heard: list[frozenset[str]] = []
    threads: set[int] = set()
    store.listen(lambda touched: (heard.append(touched), threads.add(threading.get_ident())))  # type: ignore[func-returns-value, arg-type]

    def work(tx: Tx) -> None:
        add_item(tx)
        tx.insert(SEATS, Seat(id="s"))
        gate(tx)

    writing = asyncio.create_task(store.write(work))
    await gate.entered()
    await asyncio.sleep(0.02)
    assert heard == []
    gate.open()
    await writing
    await asyncio.sleep(0)
    assert heard == [{"items", "seats"}]
    assert threads == {threading.get_ident()}


async def test_listeners_hear_nothing_of_failed_work_and_of_reads(store: Store) -> None:
    heard: list[frozenset[str]] = []
    store.listen(heard.append)

    def fail(tx: Tx) -> None:
        tx.insert(SEATS, Seat(id="s"))
        raise LookupError

    failed = store.write(fail)
    kept = store.write(add_item)
    await asyncio.gather(failed, kept, store.read(lambda tx: tx.count(SEATS)), return_exceptions=True)
    await asyncio.sleep(0)
    assert set().union(*heard) == {"items"}


async def test_a_stopped_listener_is_silent_and_a_failing_one_hurts_nobody(store: Store) -> None:
    heard: list[str] = []

    def broken(touched: frozenset[str]) -> None:
        heard.append("broken")
        raise RuntimeError("a listener's own mistake")

    stop = store.listen(lambda touched: heard.append("stopped"))
    store.listen(broken)
    store.listen(lambda touched: heard.append("last"))
    stop()
    stop()
    await store.write(add_item)
    await asyncio.sleep(0)
    assert heard == ["broken", "last"]


async def test_a_caller_cancelled_while_waiting_leaves_no_trace(store: Store, gate: Gate) -> None:
    first = asyncio.create_task(store.write(gate))
    await gate.entered()
    waiting = [asyncio.create_task(store.write(add_item, f"item{number}")) for number in range(6)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    await asyncio.sleep(0)
    gate.open()
    await first
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [item.id for item in await store.read(lambda tx: tx.find(ITEMS))] == ["item1", "item3", "item5"]


async def test_a_caller_cancelled_while_its_function_runs_does_not_undo_it(store: Store, gate: Gate) -> None:
    def work(tx: Tx) -> None:
        add_item(tx, "whole")
        gate(tx)
        add_item(tx, "too")

    writing = asyncio.create_task(store.write(work))
    await gate.entered()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    gate.open()
    await soon(store.write(add_item, "next"))
    assert await store.read(lambda tx: tx.count(ITEMS)) == 3


async def test_close_finishes_what_waits_and_refuses_what_comes_later(engine: Engine, store: Store, gate: Gate) -> None:
    first = asyncio.create_task(store.write(gate))
    await gate.entered()
    waiting = [asyncio.create_task(store.write(add_item, f"item{number}")) for number in range(300)]
    await asyncio.sleep(0)
    closing = [asyncio.create_task(store.close()) for _ in range(2)]
    await asyncio.sleep(0.02)
    gate.open()
    await soon(asyncio.gather(first, *waiting, *closing))
    for late in (store.write, store.read):
        with pytest.raises(StoreUnavailable):
            await late(lambda tx: tx.count(ITEMS))
    assert await engine.open().read(lambda tx: tx.count(ITEMS)) == 300


async def test_close_ends_even_when_the_last_commit_fails(engine: Engine, store: Store, gate: Gate) -> None:
    await engine.fill_disk(store)
    first = asyncio.create_task(store.write(gate))
    await gate.entered()
    waiting = [asyncio.create_task(store.write(add_item, payload="x" * 100_000)) for _ in range(3)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0.02)
    gate.open()
    answers = await soon(asyncio.gather(first, *waiting, return_exceptions=True))
    await soon(closing)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers[1:])
