"""Timers: one row per kind and key, fired once, and never in the way of each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm_core.accounts import create_token
from crm_core.actor import SYSTEM, Actor
from crm_core.errors import Forbidden
from crm_core.notifications import NOTIFICATIONS, notify
from crm_core.rights import Rights
from crm_core.timers import (
    MAX_BACKOFF,
    TIMERS,
    Timer,
    cancel,
    due,
    fire,
    next_due,
    postpone,
    schedule,
    schedule_sooner,
)
from firstline.schema import SCHEMA
from storage import IdSource, Store, Tx, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:timers.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


async def only(store: Store) -> Timer:
    (timer,) = await store.read(lambda tx: tx.find(TIMERS))
    return timer


async def test_asking_again_moves_the_timer(store: Store) -> None:
    await store.write(schedule, "offer", "lead", NOW + MINUTE, {"offer_id": "1"})
    await store.write(schedule, "offer", "lead", NOW + 2 * MINUTE, {"offer_id": "2"})
    timer = await only(store)
    assert (timer.due_at, timer.payload) == (NOW + 2 * MINUTE, {"offer_id": "2"})


async def test_sooner_never_means_later(store: Store) -> None:
    await store.write(schedule_sooner, "wake", "q", NOW + 2 * MINUTE)
    await store.write(schedule_sooner, "wake", "q", NOW + 3 * MINUTE)
    assert (await only(store)).due_at == NOW + 2 * MINUTE
    await store.write(schedule_sooner, "wake", "q", NOW + MINUTE)
    assert (await only(store)).due_at == NOW + MINUTE


async def test_a_timer_fires_when_due_once_and_not_after_it_was_moved_or_cancelled(
    store: Store, clock: ManualClock
) -> None:
    fired: list[str] = []

    def handler(tx: Tx, timer: Timer) -> None:
        fired.append(timer.key)

    for key in ("a", "moved", "cancelled"):
        await store.write(schedule, "k", key, NOW + MINUTE)
    assert await store.read(due) == []
    clock.advance(MINUTE)
    found = await store.read(due)
    await store.write(schedule, "k", "moved", NOW + 2 * MINUTE)
    await store.write(cancel, "k", "cancelled")
    for timer in [*found, *found]:
        await store.write(fire, timer.id, {"k": handler})
    assert fired == ["a"]
    assert await store.read(next_due) == NOW + 2 * MINUTE


async def test_a_handler_may_set_its_own_timer_again(store: Store) -> None:
    def again(tx: Tx, timer: Timer) -> None:
        schedule(tx, timer.kind, timer.key, tx.now + MINUTE)

    timer = await store.write(schedule, "k", "a", NOW)
    await store.write(fire, timer.id, {"k": again})
    assert (await only(store)).due_at == NOW + MINUTE


async def test_a_failed_handler_leaves_everything_as_it_was(store: Store) -> None:
    def broken(tx: Tx, timer: Timer) -> None:
        schedule(tx, "other", "x", tx.now)
        raise ValueError("boom")

    timer = await store.write(schedule, "k", "a", NOW)
    with pytest.raises(ValueError, match="boom"):
        await store.write(fire, timer.id, {"k": broken})
    assert await only(store) == timer


async def test_a_timer_that_fails_for_days_is_postponed_ever_again(store: Store, clock: ManualClock) -> None:
    timer = await store.write(schedule, "k", "a", NOW)
    waits = []
    for _ in range(100):
        await store.write(postpone, timer.id, "ValueError: boom")
        waits.append((await only(store)).due_at - clock.now())
    assert waits[:4] == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8)]
    assert waits[-1] == MAX_BACKOFF


async def test_unread_news_about_one_thing_is_one_note_and_read_news_keeps_quiet(
    store: Store, clock: ManualClock
) -> None:
    def tell(tx: Tx, text: str, key: str | None = "q") -> None:
        notify(tx, "head", "escalation", text, key=key, quiet=MINUTE)

    async def texts() -> list[str]:
        return [note.text for note in await store.read(lambda tx: tx.find(NOTIFICATIONS, sort="id"))]

    await store.write(tell, "one")
    await store.write(tell, "two")
    assert await texts() == ["two"]
    await store.write(lambda tx: [tx.update(NOTIFICATIONS, note, read=True) for note in tx.find(NOTIFICATIONS)])
    await store.write(tell, "three")
    assert await texts() == ["two"]
    clock.advance(MINUTE)
    await store.write(tell, "four")
    await store.write(tell, "about something else", "other")
    await store.write(tell, "without a key", None)
    await store.write(tell, "without a key", None)
    assert await texts() == ["two", "four", "about something else", "without a key", "without a key"]


async def test_only_who_manages_tokens_makes_one(store: Store) -> None:
    rights = Rights.parse({"seller": {"lead": {"*": "all"}}, "admin": {"*": {"*": "all"}}})
    seller = Actor(id="u", name="U", roles=frozenset({"seller"}), rights=rights)
    with pytest.raises(Forbidden):
        await store.write(create_token, seller, "mine", "admin", "secret")
    admin = Actor(id="a", name="A", roles=frozenset({"admin"}), rights=rights)
    assert (await store.write(create_token, admin, "site", "seller", "secret")).role == "seller"
    assert (await store.write(create_token, SYSTEM, "hub", "seller", "other")).active
