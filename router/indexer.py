"""The worker that keeps the search index: follows the change feed a moment behind, in pieces, and builds it the first
time. It writes little at once and rests in between, so that contacts and calls never wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog

from crm_core.search import Kinds, apply, begin_anew, plan
from router.journal import contacts_wait
from storage import Store, StoreUnavailable

log = structlog.get_logger("search")

LOOK_EVERY = 5.0
COLLECT = 0.25
"""Seconds that news may gather: several changes of one lead become one."""
REST = 9
"""After a piece, so many times as long as it took: with much to do it takes a tenth of a processor."""
REST_IN_A_RUSH = 1.0
"""Seconds after a piece while contacts wait: they are in front of a seller first, and found by their words later."""


class Indexer:
    """Keeps the index of one store; several may run beside each other."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store = store
        self._kinds = kinds
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if "changes" in touched else None)
        try:
            while True:
                self._news.clear()
                try:
                    while spent := await self._timed_piece():
                        rush = REST_IN_A_RUSH if await self._store.read(contacts_wait) else 0.0
                        await asyncio.sleep(max(rush, spent * REST))
                except StoreUnavailable as error:
                    log.error("store unavailable", error=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._news.wait()
                await asyncio.sleep(COLLECT)
        finally:
            stop()

    async def _timed_piece(self) -> float:
        """Seconds that a piece took; 0 when nothing is left for now."""
        started = time.monotonic()
        return 0.0 if await self.work_once() else max(time.monotonic() - started, 0.001)

    async def work_once(self) -> bool:
        """One piece; True when nothing is left for now."""
        planned = await self._store.read(plan, self._kinds)
        if planned.is_idle:
            return True
        return await self._store.write_background(apply, planned) and planned.done

    async def rebuild(self) -> None:
        """Build the index anew, at once."""
        await self._store.write(begin_anew, self._kinds)
        while not await self.work_once():
            pass
