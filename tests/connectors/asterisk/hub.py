"""The hub as a connector sees it, in memory: collects what is accepted, refuses like a full disk, tells the hours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.asterisk.connector import AsteriskConnector
from connectors.asterisk.settings import AsteriskSettings
from connectors.contract import (
    BlobWriter,
    CallFacts,
    CallPhase,
    HealthState,
    Inbound,
    NotReady,
    OpenState,
    Receipt,
)
from tests.connectors.asterisk.ami_server import AmiServer


class Hub:
    """A ConnectorContext that keeps everything."""

    blobs: BlobWriter

    def __init__(self) -> None:
        self.accepted: list[Inbound] = []
        self.cursors: dict[str, Any] = {}
        self.reports: list[tuple[HealthState, str | None]] = []
        self.counts: list[str] = []
        self.full = False
        self.refused = 0
        self.hours = OpenState(open=True, next_open=None, next_close=None)
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def accept(self, *inbounds: Inbound, cursor: tuple[str, Any] | None = None) -> Sequence[Receipt]:
        await asyncio.sleep(0)
        if self.full:
            self.refused += 1
            self._changed.set()
            raise NotReady("disk full")
        seen = {one.external_id for one in self.accepted}
        fresh = [one for one in inbounds if one.external_id not in seen]
        self.accepted += fresh
        if cursor is not None:
            self.cursors[cursor[0]] = cursor[1]
        self._changed.set()
        return [Receipt(id=one.id, duplicate=one not in fresh) for one in inbounds]

    async def load_cursor(self, key: str) -> Any:
        return self.cursors.get(key)

    async def save_cursor(self, key: str, value: Any) -> None:
        self.cursors[key] = value

    def report(self, state: HealthState, error: str | None = None, *, detail: str | None = None) -> None:
        self.reports.append((state, error))
        self._changed.set()

    def count(self, event: str) -> None:
        self.counts.append(event)

    async def calendar(self) -> OpenState:
        return self.hours

    @property
    def state(self) -> HealthState | None:
        return self.reports[-1][0] if self.reports else None

    @property
    def calls(self) -> list[CallFacts]:
        return [one.call for one in self.accepted if one.call is not None]

    def ended(self) -> list[CallFacts]:
        return [call for call in self.calls if call.phase is CallPhase.ENDED]

    async def until(self, condition: Callable[[], bool], timeout: float = 5.0) -> None:
        """Wait until the condition holds; it is looked at whenever something came in."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def settings_for(server: AmiServer, **more: object) -> AsteriskSettings:
    base = {"host": "127.0.0.1", "port": server.port, "username": "firstline", "secret": "secret"}
    return AsteriskSettings.model_validate({**base, **more})


@contextlib.asynccontextmanager
async def running(connector: AsteriskConnector, hub: Hub) -> AsyncIterator[asyncio.Task[None]]:
    """The connector at work, cancelled at the end as the supervisor does it."""
    task = asyncio.create_task(connector.run(hub))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def up(hub: Hub) -> None:
    """Wait until the connector is connected and reconciled."""
    await hub.until(lambda: hub.state is HealthState.UP)
