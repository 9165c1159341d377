"""The journal: once for each native event, leases that expire, attempts that are counted, and the quarantine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors import cursors
from connectors.contract import Inbound, InboundKind
from crm_core.actor import SYSTEM, Actor
from crm_core.errors import Conflict, Forbidden, Missing
from crm_core.rights import Rights
from firstline.schema import SCHEMA
from router.journal import (
    JOURNAL,
    LEASE,
    MAX_ATTEMPTS,
    JournalRecord,
    accept,
    claim,
    discard,
    fail,
    next_pending,
    replay,
    take_up,
)
from storage import IdSource, Store, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def event(external_id: str = "1", connector: str = "site") -> Inbound:
    return Inbound(connector=connector, channel="form", external_id=external_id, kind=InboundKind.FORM, occurred_at=NOW)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:journal.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


async def record(store: Store, id: str) -> JournalRecord:
    return await store.read(lambda tx: tx.require(JOURNAL, id))


async def test_the_same_event_is_accepted_once_in_one_batch_and_later(store: Store) -> None:
    first, again = await store.write(accept, [event(), event()])
    (later,) = await store.write(accept, [event()])
    other = (await store.write(accept, [event(connector="mail")]))[0]
    assert [first.duplicate, again.duplicate, later.duplicate, other.duplicate] == [False, True, True, False]
    assert first.id == again.id == later.id != other.id
    assert await store.read(lambda tx: tx.count(JOURNAL)) == 2


async def test_what_comes_together_is_claimed_in_its_order(store: Store) -> None:
    receipts = await store.write(accept, [event(str(n)) for n in range(5)])
    assert await store.write(claim, 3) == [each.id for each in receipts[:3]]
    assert await store.write(claim, 3) == [each.id for each in receipts[3:]]
    assert await store.write(claim, 3) == []


async def test_the_cursor_is_committed_with_the_events_and_not_without(store: Store) -> None:
    await store.write(accept, [event()], ("offset", 7))
    assert await store.read(cursors.load, "site", "offset") == 7
    assert await store.read(cursors.load, "mail", "offset") is None
    await store.write(accept, [event()], ("offset", 8))
    assert await store.read(cursors.load, "site", "offset") == 8, "a duplicate moves it too"


async def test_a_lease_keeps_others_away_until_it_expires(store: Store, clock: ManualClock) -> None:
    (receipt,) = await store.write(accept, [event()])
    assert await store.write(claim, 10, "a") == [receipt.id]
    clock.advance(LEASE - timedelta(milliseconds=1))
    assert await store.write(claim, 10, "b") == []
    clock.advance(timedelta(milliseconds=1))
    assert await store.write(claim, 10, "b") == [receipt.id]
    assert ((await record(store, receipt.id)).attempts, (await record(store, receipt.id)).worker) == (2, "b")


async def test_a_restarted_worker_takes_up_what_it_held_and_nothing_else(store: Store) -> None:
    receipts = await store.write(accept, [event("1"), event("2")])
    await store.write(claim, 1, "a")
    await store.write(claim, 1, "b")
    assert await store.write(take_up, "a") == 1
    assert await store.write(claim, 10, "a") == [receipts[0].id]
    assert await store.write(take_up, "c") == 0


async def test_a_record_that_kills_its_worker_each_time_is_quarantined(store: Store) -> None:
    receipts = await store.write(accept, [event("deadly"), event("fine")])
    for _ in range(MAX_ATTEMPTS):
        assert receipts[0].id in await store.write(claim, 1, "a")
        await store.write(take_up, "a")
    assert await store.write(claim, 10, "a") == [receipts[1].id]
    dead = await record(store, receipts[0].id)
    assert (dead.state, dead.pending, dead.attempts) == ("quarantined", False, MAX_ATTEMPTS)
    assert dead.error


async def test_failures_are_tried_again_ever_later_and_then_quarantined(store: Store, clock: ManualClock) -> None:
    (receipt,) = await store.write(accept, [event()])
    pauses = []
    for _ in range(MAX_ATTEMPTS - 1):
        assert await store.write(claim, 1) == [receipt.id]
        await store.write(fail, receipt.id, "ValueError: boom")
        assert await store.write(claim, 1) == [], "not at once"
        available = (await record(store, receipt.id)).available_at
        assert await store.read(next_pending) == available
        pauses.append(available - clock.now())
        clock.set(available)
    assert pauses == sorted(set(pauses))
    await store.write(claim, 1)
    await store.write(fail, receipt.id, "x" * 5000)
    last = await record(store, receipt.id)
    assert (last.state, len(last.error or "")) == ("quarantined", 1000)
    assert await store.read(next_pending) is None


async def test_failing_what_is_done_changes_nothing(store: Store) -> None:
    (receipt,) = await store.write(accept, [event()])
    done = await store.write(
        lambda tx: tx.update(JOURNAL, tx.require(JOURNAL, receipt.id), state="done", pending=False)
    )
    await store.write(fail, receipt.id, "late")
    await store.write(fail, "no such record", "late")
    assert await record(store, receipt.id) == done


async def quarantined(store: Store) -> str:
    (receipt,) = await store.write(accept, [event()])
    broken = {"state": "quarantined", "pending": False, "attempts": MAX_ATTEMPTS}
    await store.write(lambda tx: tx.update(JOURNAL, tx.require(JOURNAL, receipt.id), **broken))
    return receipt.id


async def test_a_replayed_record_has_all_its_attempts_again(store: Store) -> None:
    id = await quarantined(store)
    assert (await store.write(replay, SYSTEM, id)).attempts == 0
    assert await store.write(claim, 1) == [id]
    with pytest.raises(Conflict, match="pending"):
        await store.write(replay, SYSTEM, id)


async def test_a_discarded_record_stays_and_is_never_claimed(store: Store) -> None:
    id = await quarantined(store)
    assert (await store.write(discard, SYSTEM, id)).state == "discarded"
    assert await store.write(claim, 1) == []


async def test_only_who_may_manage_the_journal_replays(store: Store) -> None:
    id = await quarantined(store)
    reader = Actor(
        id="u", name="U", roles=frozenset({"reader"}), rights=Rights.parse({"reader": {"journal": {"read": "all"}}})
    )
    for command in (replay, discard):
        with pytest.raises(Forbidden):
            await store.write(command, reader, id)
        with pytest.raises(Missing):
            await store.write(command, SYSTEM, "no such record")
