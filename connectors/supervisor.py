"""The supervisor: starts every connector, watches it, restarts it with backoff and jitter; one never hurts another.

`AuthFailed` and `Misconfigured` stop a connector until somebody resumes it; `NotReady`, a return, or an unexpected
error restart it. Pausing stops receiving and sending; what is in the outbox waits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from connectors import cursors
from connectors.contract import (
    AuthFailed,
    BlobWriter,
    Connector,
    ConnectorError,
    HealthState,
    Inbound,
    Misconfigured,
    NotReady,
    OpenState,
    Receipt,
    Sends,
    Tests,
)
from connectors.exchange import ExchangeDoor, Refused
from connectors.health import Health
from connectors.sender import OnChange, Sender
from storage import Store, StoreUnavailable

log = structlog.get_logger("connectors")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STOP_AGAIN = 5.0
"""Seconds for a task to end in."""
"""Seconds between restarts; doubled each time, forgotten after `STEADY` seconds of running."""
STEADY = 60.0
_STORE_AWAY = "хранилище не принимает запись (нет места на диске?)"
STOPPED = (HealthState.DISABLED, HealthState.PAUSED)

Accept = Callable[..., Awaitable[Sequence[Receipt]]]
Calendars = Callable[[str, datetime], OpenState]
"""(connector name, moment) → its calendar at that moment."""


class Context:
    """What a running connector may use; see `connectors.contract.ConnectorContext`."""

    def __init__(self, supervisor: Supervisor, health: Health) -> None:
        self._supervisor = supervisor
        self._health = health
        self.blobs: BlobWriter = supervisor.store.blobs

    def now(self) -> datetime:
        return self._supervisor.clock()

    async def accept(self, *inbounds: Inbound, cursor: tuple[str, Any] | None = None) -> Sequence[Receipt]:
        try:
            receipts = await self._supervisor.accept(*inbounds, cursor=cursor)
        except StoreUnavailable as error:
            raise NotReady(_STORE_AWAY) from error
        if fresh := [receipt for receipt in receipts if not receipt.duplicate]:
            self._health.received_at(self.now(), len(fresh))
        return receipts

    async def load_cursor(self, key: str) -> Any:
        return await self._supervisor.store.read(cursors.load, self._health.name, key)

    async def save_cursor(self, key: str, value: Any) -> None:
        try:
            await self._supervisor.store.write(cursors.save, self._health.name, key, value)
        except StoreUnavailable as error:
            raise NotReady(_STORE_AWAY) from error

    def report(self, state: HealthState, error: str | None = None, *, detail: str | None = None) -> None:
        self._supervisor.report(self._health, state, error, detail)

    def count(self, event: str) -> None:
        self._health.counts[event] = self._health.counts.get(event, 0) + 1

    async def calendar(self) -> OpenState:
        return self._supervisor.calendars(self._health.name, self.now())

    def exchange(self) -> ExchangeDoor:
        """See `connectors.exchange`."""
        if self._supervisor.exchanges is None:
            raise Refused("Обмен с учётной системой здесь не поддержан")
        return self._supervisor.exchanges(self._health.name)


async def end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel them and wait. Libraries may lose a cancellation that comes together with an answer: a task that goes on
    is told again."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=STOP_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)  # nobody else asks for their errors


class Supervisor:
    """Owns the connectors of this process."""

    def __init__(
        self,
        store: Store,
        accept: Accept,
        clock: Callable[[], datetime],
        calendars: Calendars,
        on_outbox_change: OnChange,
    ) -> None:
        self.store = store
        self.accept = accept
        self.clock = clock
        self.calendars = calendars
        self._on_outbox_change = on_outbox_change
        self.on_health: Callable[[Health], None] = lambda health: None
        """Called with every change of a connector's state."""
        self.exchanges: Callable[[str], ExchangeDoor] | None = None
        """Connector name → its door for catalogues and payments; None where nobody listens."""
        self._connectors: dict[str, Connector] = {}
        self._health: dict[str, Health] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._commands: dict[str, asyncio.Lock] = {}
        """Pause and resume of one connector follow each other; else it might run twice."""

    def add(self, connector: Connector, title: str, *, enabled: bool = True) -> None:
        """Take a connector in; `start` runs it."""
        health = Health(connector.name, connector.type, connector.channel, title)
        if not enabled:
            health.report(HealthState.DISABLED, self.clock(), None, None)
        self._connectors[connector.name] = connector
        self._commands[connector.name] = asyncio.Lock()
        self._health[connector.name] = health

    def start(self) -> None:
        """Run every connector that is enabled."""
        for name, health in self._health.items():
            if health.state is not HealthState.DISABLED:
                self._start(name)

    def _start(self, name: str) -> None:
        connector = self._connectors[name]
        jobs = [self._keep_running(connector, self._health[name])]
        if isinstance(connector, Sends):
            health = self._health[name]
            sender = Sender(self.store, connector, name, self._sent(health), partial(self._sending, health))
            jobs.append(sender.run())
        self._tasks[name] = [asyncio.create_task(job, name=f"connector-{name}") for job in jobs]

    def _sent(self, health: Health) -> OnChange:
        def changed(tx: Any, row: Any) -> None:
            self._on_outbox_change(tx, row)
            if row.sent_at is not None:
                health.last_out = tx.now
                health.sent += 1

        return changed

    def _sending(self, health: Health, trouble: str | None) -> None:
        former, health.sending = health.sending, trouble
        if trouble != former and health.state in (HealthState.UP, HealthState.DEGRADED):
            self.report(health, HealthState.UP, None, None)

    async def stop(self) -> None:
        """Stop everything and wait for the ends."""
        await asyncio.gather(*(self._stop(name) for name in list(self._tasks)))

    async def _stop(self, name: str) -> None:
        await end(self._tasks.pop(name, []))

    async def _keep_running(self, connector: Connector, health: Health) -> None:
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            if health.state is not HealthState.DOWN:
                # While it is down it stays so until it reports otherwise: `since` tells when the trouble began.
                self.report(health, HealthState.STARTING, None, None)
            try:
                await connector.run(Context(self, health))
                self.report(health, HealthState.DOWN, "Соединение завершилось, подключаемся снова", None)
            except AuthFailed as error:
                self.report(health, HealthState.MISCONFIGURED, str(error), None)
                return
            except Misconfigured as error:
                self.report(health, HealthState.MISCONFIGURED, str(error), None)
                return
            except ConnectorError as error:
                self.report(health, HealthState.DOWN, str(error), None)
            except Exception as error:
                log.exception("connector failed", connector=connector.name)
                text = f"Внутренняя ошибка: {type(error).__name__}. Подробности в журнале сервера"
                self.report(health, HealthState.DOWN, text, None)
            pause = FIRST_PAUSE if loop.time() - started > STEADY else min(pause * 2, LONGEST_PAUSE)
            health.restarts += 1
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 - jitter, not a secret

    def report(self, health: Health, state: HealthState, error: str | None, detail: str | None) -> None:
        """Note a state and tell whoever watches when it changed."""
        if health.report(state, self.clock(), error, detail):
            log.info("connector state", connector=health.name, state=str(state), error=error)
            self.on_health(health)

    def health(self) -> list[Health]:
        """Every connector's health, in the order of the configuration."""
        return list(self._health.values())

    def get(self, name: str) -> Connector | None:
        """The connector, when there is one and it is neither disabled nor paused."""
        health = self._health.get(name)
        return self._connectors[name] if health is not None and health.state not in STOPPED else None

    def known(self, name: str) -> Connector | None:
        """The connector, in whatever state."""
        return self._connectors.get(name)

    async def pause(self, name: str) -> None:
        """Stop receiving and sending; nothing queued is lost. One that the configuration disables stays disabled."""
        async with self._commands[name]:
            if self._health[name].state is not HealthState.DISABLED:
                await self._stop(name)
                self.report(self._health[name], HealthState.PAUSED, None, None)

    async def resume(self, name: str) -> None:
        """Run (again), also after a failure that stopped it. One that the configuration disables stays disabled."""
        async with self._commands[name]:
            if self._health[name].state is not HealthState.DISABLED:
                await self._stop(name)
                self.report(self._health[name], HealthState.STARTING, None, None)
                self._start(name)

    async def test(self, name: str) -> str:
        """Let the connector try itself; raises `ConnectorError`."""
        connector = self._connectors[name]
        if not isinstance(connector, Tests):
            return "Канал работает через наш сервер: проверять снаружи нечего"
        return await connector.check()
