"""The outbox sender: one task per connector, messages of one conversation in order, backoff on failure.

A message is marked `sending` before the channel is asked and `sent` after it took it. A crash between the two leaves
`sending`; the message is then tried again with the same id, which connectors use to make the retry harmless. A refusal
that cannot be cured fails the message at once; others are retried for `GIVE_UP_AFTER`, longer and longer apart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

from connectors.contract import ConnectorError, MessageState, NotReady, SendRejected, SendResult, Sends
from connectors.outbox import OUTBOX, OutboxMessage, lane_head, pace
from storage import Lte, ReadTx, Store, StoreUnavailable, Tx

log = structlog.get_logger("outbox")

LOOK_EVERY = 2.0
SEND_TIMEOUT = 120.0
GIVE_UP_AFTER = timedelta(hours=24)
MAX_PAUSE = timedelta(minutes=15)
DOUBLINGS = 10
"""More would exceed `MAX_PAUSE` anyway, and in the end what a `timedelta` can hold."""
LONGEST_WISH = timedelta(days=1)
"""A channel that asks for a longer pause is asked again after this one."""

OnChange = Callable[[Any, OutboxMessage], None]
"""Called inside the transaction that changed a row: `(tx, row)`."""
OnTrouble = Callable[[str | None], None]
"""Called after each attempt: why the channel cannot send now, None when it can."""


def due_messages(tx: ReadTx, connector: str, limit: int = 50) -> list[OutboxMessage]:
    """What may be sent now, oldest first: the head of each lane, when its time has come."""
    due = tx.find(
        OUTBOX,
        {"connector": connector, "pending": True, "next_attempt_at": Lte(tx.now)},
        sort="next_attempt_at",
        limit=limit,
    )
    heads: dict[str, OutboxMessage] = {}
    for row in due:
        if row.lane not in heads:
            head = lane_head(tx, row.lane)
            if head is not None and head.next_attempt_at <= tx.now:
                heads[row.lane] = head
    return list(heads.values())


class Sender:
    """Works off the outbox of one connector."""

    def __init__(
        self,
        store: Store,
        connector: Sends,
        name: str,
        on_change: OnChange,
        on_trouble: OnTrouble = lambda trouble: None,
    ) -> None:
        self._store = store
        self._connector = connector
        self._name = name
        self._on_change = on_change
        self._on_trouble = on_trouble
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if "outbox" in touched else None)
        try:
            while True:
                self._news.clear()
                sent = 0
                try:
                    sent = await self.send_due()
                except StoreUnavailable as error:
                    log.error("store unavailable", error=str(error))
                except Exception:
                    log.exception("sender failed", connector=self._name)
                if not sent:
                    await self._wait()
        finally:
            stop()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await self._news.wait()

    async def send_due(self) -> int:
        """Send one message of each conversation that has one due; the number that was tried."""
        rows = await self._store.read(due_messages, self._name)
        for row in rows:
            await self._send(row)
        return len(rows)

    async def _send(self, row: OutboxMessage) -> None:
        marked = await self._store.write(self._mark, row.id)
        if marked is None:
            return
        trouble: str | None = None
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                result = await self._connector.send(marked.outbound)
        except SendRejected as error:
            await self._store.write(self._failed, row.id, str(error), error.retryable, error.retry_after)
        except TimeoutError:
            trouble = "Канал не ответил вовремя на отправку"
            await self._store.write(self._failed, row.id, trouble, True, None)
        except ConnectorError as error:
            trouble = str(error)
            wait = None if isinstance(error, NotReady) else MAX_PAUSE.total_seconds()
            await self._store.write(self._failed, row.id, trouble, True, wait)
        except Exception as error:
            log.exception("send failed", outbound=row.id, connector=self._name)
            await self._store.write(self._failed, row.id, f"ошибка отправки: {type(error).__name__}", True, None)
        else:
            await self._store.write(self._sent, row.id, result)
        self._on_trouble(trouble)

    def _mark(self, tx: Tx, row_id: str) -> OutboxMessage | None:
        row = tx.get(OUTBOX, row_id)
        if row is None or not row.pending:
            return None
        row = tx.update(OUTBOX, row, state=MessageState.SENDING, attempts=row.attempts + 1)
        self._on_change(tx, row)
        return row

    def _sent(self, tx: Tx, row_id: str, result: SendResult) -> None:
        """The channel took it. Its own report (delivered, read) may have been faster and then stands."""
        row = tx.require(OUTBOX, row_id)
        row = tx.update(
            OUTBOX,
            row,
            state=result.state if row.pending else row.state,
            pending=False,
            external_id=result.external_id,
            error=None if row.pending else row.error,
            sent_at=tx.now,
        )
        self._on_change(tx, row)

    def _failed(self, tx: Tx, row_id: str, error: str, retryable: bool, retry_after: float | None) -> None:
        row = tx.require(OUTBOX, row_id)
        if not row.pending:
            return
        if retryable and tx.now - row.created_at < GIVE_UP_AFTER:
            row = tx.update(OUTBOX, row, state=MessageState.QUEUED, error=error[:500])
            pace(tx, row.lane, tx.now + _pause(row.attempts, retry_after))
            row = tx.require(OUTBOX, row_id)
        else:
            row = tx.update(OUTBOX, row, state=MessageState.FAILED, pending=False, error=error[:500])
        self._on_change(tx, row)


def _pause(attempts: int, retry_after: float | None) -> timedelta:
    """How long to wait before the next attempt: as the channel asked, else longer and longer."""
    if retry_after:
        return timedelta(seconds=min(max(retry_after, 0.0), LONGEST_WISH.total_seconds()))
    return min(timedelta(seconds=2 ** min(attempts, DOUBLINGS)), MAX_PAUSE)
