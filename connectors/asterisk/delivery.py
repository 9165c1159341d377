"""Brings phases into the hub in their order, and keeps them while the store cannot write.

A call is told as it happens and the exchange repeats nothing, so what the store refuses now waits here in memory. The
open calls are saved as a cursor in the same commit: after a crash of the hub the next process knows which calls it must
close or go on with.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from connectors.contract import CallPhase, ConnectorContext, Inbound, NotReady

log = structlog.get_logger(__name__)

CURSOR = "open-calls"
_BATCH = 500
_LONGEST_PAUSE = 5.0


class Delivery:
    """The queue between the exchange and the intake. Outlives a restart of the connector's `run`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: deque[Inbound] = deque()
        self._wake = asyncio.Event()

    def put(self, inbound: Inbound) -> int:
        """Queue a phase. Returns how many had to be given up because memory is full: bells first, for a phone that rang
        long ago interests nobody, then the oldest; each loss is logged."""
        self._pending.append(inbound)
        self._wake.set()
        if len(self._pending) <= self._limit:
            return 0
        return self._shed()

    @property
    def waiting(self) -> int:
        """Phases that are not durable yet."""
        return len(self._pending)

    async def run(
        self, context: ConnectorContext, snapshot: Callable[[], list[dict[str, Any]]], on_state: Callable[[bool], None]
    ) -> None:
        """Deliver for ever. `on_state(False)` when the store refuses, `on_state(True)` when it takes again."""
        pause = 0.0
        while True:
            await self._wake.wait()
            try:
                await self._deliver(context, snapshot)
            except NotReady:
                pause = min(_LONGEST_PAUSE, pause * 2 or 0.1)
                on_state(False)
                await asyncio.sleep(pause)
                continue
            if pause:
                pause = 0.0
                on_state(True)

    async def _deliver(self, context: ConnectorContext, snapshot: Callable[[], list[dict[str, Any]]]) -> None:
        while self._pending:
            batch = [self._pending[index] for index in range(min(_BATCH, len(self._pending)))]
            last = len(batch) == len(self._pending)
            await context.accept(*batch, cursor=(CURSOR, snapshot()) if last else None)
            self._remove(batch)
        self._wake.clear()

    def _remove(self, batch: list[Inbound]) -> None:
        # By identity: the queue may have been shed while the store wrote.
        done = {id(inbound) for inbound in batch}
        while self._pending and id(self._pending[0]) in done:
            self._pending.popleft()

    def _shed(self) -> int:
        kept = [one for one in self._pending if one.call is None or one.call.phase is not CallPhase.RINGING]
        lost = len(self._pending) - len(kept)
        if not lost:
            kept, lost = kept[1:], 1
        self._pending = deque(kept)
        log.error("call_phases_dropped", count=lost)
        return lost
