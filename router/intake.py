"""The only door: what `accept` returned is durable, and only then may the channel be told so.

Who comes in one turn of the event loop goes to the store in one piece, and so does who comes while some pieces are on
their way: one journey to the writer and back, instead of one each. When a piece cannot be written because of somebody
in it, everybody in it is written alone, so one bad contact hurts nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from connectors.contract import Inbound, Receipt
from router.journal import accept, accept_together
from storage import Store, StoreUnavailable

MOST = 64
"""Callers in one piece: the first of a crowd is answered before the last is written."""
UNDERWAY = 3
"""Pieces on their way to the store; who comes meanwhile waits for company instead of a journey of his own."""


class _Caller(NamedTuple):
    inbounds: Sequence[Inbound]
    cursor: tuple[str, Any] | None
    receipts: asyncio.Future[Sequence[Receipt]]


class Intake:
    """Writes inbounds to the journal; many callers share one commit. Belongs to one event loop at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._callers: list[_Caller] = []
        self._writing: set[asyncio.Task[None]] = set()

    async def accept(self, *inbounds: Inbound, cursor: tuple[str, Any] | None = None) -> Sequence[Receipt]:
        """Durable when it returns. Raises `StoreUnavailable` when the store cannot write: acknowledge nothing."""
        loop = asyncio.get_running_loop()
        receipts: asyncio.Future[Sequence[Receipt]] = loop.create_future()
        if not self._callers and len(self._writing) < UNDERWAY:
            loop.call_soon(self._send)
        self._callers.append(_Caller(inbounds, cursor, receipts))
        return await receipts

    def _send(self) -> None:
        """Everybody who waits, in their order, as far as the store is free."""
        while self._callers and len(self._writing) < UNDERWAY:
            callers, self._callers = self._callers[:MOST], self._callers[MOST:]
            task = asyncio.create_task(self._write(callers))
            self._writing.add(task)
            task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        self._send()

    async def _write(self, callers: list[_Caller]) -> None:
        try:
            written = await self._store.write(accept_together, [caller[:2] for caller in callers])
        except StoreUnavailable as error:
            for caller in callers:
                _refuse(caller, error)
        except Exception:
            await asyncio.gather(*(self._write_alone(caller) for caller in callers))
        else:
            for caller, receipts in zip(callers, written, strict=True):
                if not caller.receipts.done():
                    caller.receipts.set_result(receipts)
        finally:
            for caller in callers:
                caller.receipts.cancel()  # only when this very task was cancelled: nobody waits for ever

    async def _write_alone(self, caller: _Caller) -> None:
        try:
            receipts = await self._store.write(accept, caller.inbounds, caller.cursor)
        except Exception as error:
            if not caller.receipts.done():
                caller.receipts.set_exception(error)
        else:
            if not caller.receipts.done():
                caller.receipts.set_result(receipts)


def _refuse(caller: _Caller, error: StoreUnavailable) -> None:
    """An error of its own for each: a shared one would collect the tracebacks of all of them."""
    if not caller.receipts.done():
        own = StoreUnavailable(*error.args)
        own.__cause__ = error
        caller.receipts.set_exception(own)
