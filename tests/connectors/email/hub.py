"""The hub as a connector sees it, small enough to look into: what was accepted, in which commit, with which cursor.

Redelivery behaves as in the real intake: `(connector, external_id)` is unique and a duplicate is a receipt too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.contract import (
    AuthFailed,
    BlobWriter,
    Connector,
    HealthState,
    Inbound,
    Misconfigured,
    NotReady,
    OpenState,
    Receipt,
)


class Blobs:
    """Files by content in a folder, written and renamed as the real store does it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    async def put(self, data: bytes | AsyncIterable[bytes]) -> tuple[str, int]:
        self._count += 1
        temporary = self.folder / f"new-{self._count}"
        digest, size = hashlib.sha256(), 0
        with temporary.open("wb") as file:
            async for block in _blocks(data):
                digest.update(block)
                size += len(block)
                file.write(block)
        os.replace(temporary, self.folder / digest.hexdigest())
        return digest.hexdigest(), size

    async def get(self, blob: str) -> bytes:
        return self.bytes(blob)

    def path(self, blob: str) -> str:
        return str(self.folder / blob)

    def bytes(self, blob: str) -> bytes:
        return (self.folder / blob).read_bytes()


async def _blocks(data: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    async for block in data:
        yield block


class Hub:
    """A `ConnectorContext` that remembers."""

    def __init__(self, folder: Path) -> None:
        self.files = Blobs(folder)
        self.blobs: BlobWriter = self.files
        self.inbounds: dict[str, Inbound] = {}
        self.duplicates = 0
        self.commits: list[int] = []
        self.cursors: dict[str, Any] = {}
        self.reports: list[tuple[HealthState, str | None, str | None]] = []
        self.counts: list[str] = []
        self.refuse: Exception | None = None
        """What `accept` raises instead of storing."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def accept(self, *inbounds: Inbound, cursor: tuple[str, Any] | None = None) -> Sequence[Receipt]:
        if self.refuse is not None:
            raise self.refuse
        receipts = [Receipt(id=item.id, duplicate=item.id in self.inbounds) for item in inbounds]
        self.duplicates += sum(receipt.duplicate for receipt in receipts)
        for item in inbounds:
            self.inbounds.setdefault(item.id, item)
        self.commits.append(len(inbounds))
        if cursor is not None:
            await self.save_cursor(*cursor)
        return receipts

    async def load_cursor(self, key: str) -> Any:
        return json.loads(self.cursors[key]) if key in self.cursors else None

    async def save_cursor(self, key: str, value: Any) -> None:
        self.cursors[key] = json.dumps(value)

    def report(self, state: HealthState, error: str | None = None, *, detail: str | None = None) -> None:
        self.reports.append((state, error, detail))

    def count(self, event: str) -> None:
        self.counts.append(event)

    async def calendar(self) -> OpenState:
        return OpenState(open=True, next_open=None, next_close=None)

    @property
    def subjects(self) -> list[str | None]:
        return [item.subject for item in self.inbounds.values()]

    @property
    def is_waiting(self) -> bool:
        """The connector has caught up and listens."""
        return bool(self.reports) and "ждём новых" in (self.reports[-1][2] or "")


@contextlib.asynccontextmanager
async def running(connector: Connector, hub: Hub) -> AsyncIterator[asyncio.Task[None]]:
    """Runs a connector and restarts it after `NotReady`, as the supervisor does, without its long pauses."""

    async def supervise() -> None:
        while True:
            try:
                await connector.run(hub)
            except NotReady as error:
                hub.report(HealthState.DOWN, str(error))
                await asyncio.sleep(0.1)
            except (AuthFailed, Misconfigured) as error:
                hub.report(HealthState.MISCONFIGURED, str(error))
                return

    task = asyncio.create_task(supervise())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
