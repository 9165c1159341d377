"""Phases reach the hub in order, wait for a store that refuses, and are never given up silently."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from connectors.asterisk.calls import CallTracker
from connectors.asterisk.delivery import CURSOR, Delivery
from connectors.asterisk.parse import to_inbound
from connectors.contract import CallPhase, Inbound
from tests.connectors.asterisk.hub import Hub
from tests.connectors.asterisk.recorded import SETTINGS
from tests.connectors.asterisk.synthetic import IncomingCall

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


def phases_of(index: int) -> list[Inbound]:
    tracker, call = CallTracker(SETTINGS), IncomingCall(index, f"+7916{index:07}")
    events = [*call.ring(), *call.answer(), *call.hang_up()]
    return [to_inbound("p", one) for event in events for one in tracker.feed(event, AT)]


async def deliver(delivery: Delivery, hub: Hub) -> None:
    """Run until everything is durable."""
    task = asyncio.create_task(delivery.run(hub, lambda: [{"open": 1}], lambda takes: None))
    async with asyncio.timeout(5):
        while delivery.waiting:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_open_calls_are_saved_with_the_phases() -> None:
    hub, delivery = Hub(), Delivery(limit=100)
    for inbound in phases_of(1):
        delivery.put(inbound)

    await deliver(delivery, hub)

    assert [one.call.phase for one in hub.accepted if one.call] == [
        CallPhase.STARTED,
        CallPhase.RINGING,
        CallPhase.ANSWERED,
        CallPhase.ENDED,
    ]
    assert hub.cursors == {CURSOR: [{"open": 1}]}


async def test_full_memory_gives_up_old_bells_first_and_says_so() -> None:
    hub, delivery = Hub(), Delivery(limit=9)
    with capture_logs() as logs:
        lost = sum(delivery.put(inbound) for index in (1, 2, 3) for inbound in phases_of(index))

    await deliver(delivery, hub)

    assert lost == 3
    assert [entry["count"] for entry in logs if entry["event"] == "call_phases_dropped"] == [3]
    kept = [one.call.phase for one in hub.accepted if one.call]
    assert kept.count(CallPhase.ENDED) == 3
    assert kept.count(CallPhase.STARTED) == 3


async def test_more_than_one_batch_keeps_its_order() -> None:
    hub, delivery = Hub(), Delivery(limit=10_000)
    inbounds = [inbound for index in range(300) for inbound in phases_of(index)]
    for inbound in inbounds:
        delivery.put(inbound)

    await deliver(delivery, hub)

    assert [one.external_id for one in hub.accepted] == [one.external_id for one in inbounds]


async def test_phases_survive_a_restart_of_run() -> None:
    hub, delivery = Hub(), Delivery(limit=100)
    hub.full = True
    for inbound in phases_of(1):
        delivery.put(inbound)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await delivery.run(hub, list, lambda takes: None)
    hub.full = False

    await deliver(delivery, hub)

    assert len(hub.accepted) == 4
