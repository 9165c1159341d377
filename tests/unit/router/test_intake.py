"""The door: who comes at once is written in one piece, and nobody suffers from his neighbour."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.contract import CallDirection, CallFacts, CallPhase, Inbound, InboundKind
from firstline.schema import SCHEMA
from router.intake import MOST, UNDERWAY, Intake
from router.journal import JOURNAL, TOLD_AGAIN, JournalRecord, claim
from storage import IdSource, InvalidValue, Store, StoreUnavailable, Tx, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def form(external_id: str, text: str = "") -> Inbound:
    return Inbound(
        connector="site", channel="form", external_id=external_id, kind=InboundKind.FORM, occurred_at=NOW, text=text
    )


def call(number: int, phase: CallPhase) -> Inbound:
    facts = CallFacts(
        call_id=str(number), linkedid=str(number), phase=phase, direction=CallDirection.IN, started_at=NOW
    )
    return Inbound(
        connector="office",
        channel="phone",
        external_id=f"{number}:{phase}",
        kind=InboundKind.CALL,
        occurred_at=NOW,
        conversation=str(number),
        call=facts,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store("sqlite:intake.db", tmp_path, SCHEMA, clock=ManualClock(NOW).now, ids=IdSource())
    yield store
    await store.close()


async def test_a_crowd_is_durable_and_handled_in_the_order_of_arrival(store: Store) -> None:
    intake, crowd = Intake(store), [form(str(number)) for number in range(MOST)]
    answers = await asyncio.gather(*(intake.accept(each) for each in crowd))
    assert [receipts[0].id for receipts in answers] == [each.id for each in crowd]
    assert await store.write(claim, MOST) == [each.id for each in crowd]


async def test_who_comes_while_the_store_is_busy_goes_together(store: Store) -> None:
    """Nobody is forgotten when nothing else comes, each gets his own receipt, and the commits are few."""
    intake, entered, leave = Intake(store), threading.Event(), threading.Event()

    def busy(tx: Tx) -> None:
        entered.set()
        assert leave.wait(10)

    blocking = asyncio.create_task(store.write(busy))
    assert await asyncio.to_thread(entered.wait, 10)
    commits: list[frozenset[str]] = []
    store.listen(commits.append)
    waiting = []
    for number in range(3 * MOST):
        waiting.append(asyncio.create_task(intake.accept(form(str(number)))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    leave.set()
    await blocking
    receipts = await asyncio.gather(*waiting)
    assert [each[0].id for each in receipts] == [form(str(number)).id for number in range(3 * MOST)]
    assert await store.read(lambda tx: tx.count(JOURNAL)) == 3 * MOST
    assert len([each for each in commits if "journal" in each]) <= 2 * UNDERWAY


async def test_a_double_click_in_one_crowd_is_told_apart(store: Store) -> None:
    intake = Intake(store)
    answers = await asyncio.gather(intake.accept(form("1")), intake.accept(form("2")), intake.accept(form("1")))
    assert [receipts[0].duplicate for receipts in answers] == [False, False, True]


async def test_one_that_cannot_be_stored_hurts_nobody_else(store: Store) -> None:
    intake = Intake(store)
    answers = await asyncio.gather(
        intake.accept(form("1")),
        intake.accept(form("2"), form("3", "\ud800"), cursor=("offset", 7)),
        intake.accept(form("4")),
        return_exceptions=True,
    )
    assert isinstance(answers[1], InvalidValue)
    kept = await store.read(lambda tx: {each.inbound.external_id for each in tx.find(JOURNAL)})
    assert kept == {"1", "4"}


async def test_who_gave_up_does_not_keep_the_others_from_their_answer(store: Store) -> None:
    intake = Intake(store)
    gone, waiting = asyncio.create_task(intake.accept(form("1"))), asyncio.create_task(intake.accept(form("2")))
    await asyncio.sleep(0)
    gone.cancel()
    assert [receipt.duplicate for receipt in await waiting] == [False]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_store_that_is_away_is_told_to_each(store: Store) -> None:
    intake = Intake(store)
    await store.close()
    answers = await asyncio.gather(intake.accept(form("1")), intake.accept(form("2")), return_exceptions=True)
    assert all(isinstance(each, StoreUnavailable) for each in answers)
    assert answers[0] is not answers[1]


async def test_the_beginning_of_a_call_that_rings_already_needs_no_handling(store: Store) -> None:
    first, second = call(1, CallPhase.STARTED), call(2, CallPhase.STARTED)
    ringing = call(1, CallPhase.RINGING)
    await Intake(store).accept(first, ringing, second)
    assert await store.write(claim, 10) == [ringing.id, second.id]

    def look(tx: Tx) -> JournalRecord:
        return tx.require(JOURNAL, first.id)

    record = await store.write(look)
    assert (record.state, record.pending, record.rule) == ("done", False, TOLD_AGAIN)
