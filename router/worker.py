"""The worker: claims journal records and hands each to the store, many at a time, each in its own transaction.

News of a commit wakes it; besides, it looks by itself, so that lost news costs time and never a contact. A record that
fails is tried again with growing pauses and then quarantined; the next ones go on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from distribution.desk import Desk
from router.context import Outcome
from router.journal import claim, fail, next_pending, take_up
from router.process import handle, handle_all
from storage import ReadTx, Store, StoreUnavailable

log = structlog.get_logger("router")

BATCH = 120
"""Records claimed at once."""
PIECE = 20
"""Records handled in one transaction as long as nothing goes wrong. A contact that arrives meanwhile waits behind one
or two of these for its commit."""
LOOK_EVERY = 2.0
"""Seconds between looks when there is no news."""


class Router:
    """One router worker; several may run on one store."""

    def __init__(self, store: Store, desk: Desk, name: str = "local") -> None:
        self._store = store
        self._desk = desk
        self._name = name
        self._news = asyncio.Event()
        self._ahead: list[str] = []
        """Claimed, not handled yet."""

    async def run(self) -> None:
        """Work until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if "journal" in touched else None)
        try:
            held, blame = True, True
            while True:
                self._news.clear()
                try:
                    if held:
                        await self._store.write(take_up, self._name, blame=blame)
                        held, self._ahead = False, []
                    busy = await self.work_once()
                    pause = LOOK_EVERY if busy else await self._pause()
                except StoreUnavailable as error:
                    log.error("store unavailable", error=str(error))
                    busy, pause = 0, LOOK_EVERY
                    held, blame = True, False
                if not busy:
                    await self._wait(pause)
        finally:
            stop()

    async def _pause(self) -> float:
        return await self._store.read(_seconds_until_pending)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def work_once(self) -> int:
        """Claim and handle one batch; the number of records it held. In a rush the next one is claimed behind it in the
        same commit."""
        claimed, self._ahead = self._ahead or await self._claim(), []
        pieces = [claimed[start : start + PIECE] for start in range(0, len(claimed), PIECE)]
        handled = asyncio.gather(*(self._handle_piece(piece) for piece in pieces))
        if len(claimed) < BATCH:
            await handled
        else:
            _, self._ahead = await asyncio.gather(handled, self._claim())
        return len(claimed)

    async def _claim(self) -> list[str]:
        return await self._store.write_background(claim, BATCH, self._name)

    async def _handle_piece(self, record_ids: list[str]) -> None:
        """Several in one transaction, which costs less; when one of them fails, each has one of its own."""
        try:
            outcomes = await self._store.write_background(handle_all, self._desk, record_ids)
        except StoreUnavailable:
            raise
        except Exception:
            for record_id in record_ids:
                await self._handle(record_id)
            return
        for record_id, outcome in zip(record_ids, outcomes, strict=True):
            _report(record_id, outcome)

    async def _handle(self, record_id: str) -> None:
        try:
            outcome = await self._store.write_background(handle, self._desk, record_id)
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("contact failed", inbound=record_id)
            await self._store.write(fail, record_id, f"{type(error).__name__}: {error}")
            return
        _report(record_id, outcome)


def _report(record_id: str, outcome: Outcome | None) -> None:
    if outcome is not None:
        log.info("contact handled", inbound=record_id, rule=outcome.rule, lead=outcome.lead_id, ignored=outcome.ignored)


def _seconds_until_pending(tx: ReadTx) -> float:
    moment = next_pending(tx)
    return LOOK_EVERY if moment is None else min(LOOK_EVERY, max(0.01, (moment - tx.now).total_seconds()))
