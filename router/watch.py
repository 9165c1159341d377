"""The watch: notices what ops must know before the sales department does, and tells it once.

    connector   down for longer than `PATIENCE`, or misconfigured; and when it is well again
    backlog     the oldest unprocessed contact waits longer than `STALE`
    quarantine  a contact could not be processed
    silence     nothing for an hour where the same hour of the last four weeks always brought something

An alert is a note to everybody who may manage connectors, written in the store; other ways out (mail, Telegram, a
webhook) are handed in. Pages learn of every change of a connector's state at once through the change feed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connectors.contract import HealthState
from connectors.health import Health
from crm_core.access import may
from crm_core.changes import tell
from crm_core.notifications import notify
from crm_core.rights import Action
from crm_core.users import USERS, actor_for
from distribution.desk import Desk
from router.journal import JOURNAL
from storage import Between, ReadTx, Store, StoreUnavailable, Tx

log = structlog.get_logger("watch")

LOOK_EVERY = 15.0
PATIENCE = timedelta(minutes=1)
STALE = timedelta(minutes=2)
WINDOW, WEEKS, USUAL = timedelta(hours=1), 4, 3
"""Silence: this long, compared with so many weeks, each of which had at least so many contacts in that hour."""
BAD = (HealthState.DOWN, HealthState.MISCONFIGURED)


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell; `key` names the trouble, so that it is told once."""

    key: str
    text: str
    solved: bool = False


Deliver = Callable[[Alert], Awaitable[None]]


class Watch:
    """Looks regularly; knows what it has told already."""

    def __init__(self, store: Store, desk: Desk, health: Callable[[], Sequence[Health]], deliver: Deliver) -> None:
        self._store = store
        self._desk = desk
        self._health = health
        self._deliver = deliver
        self._told: dict[str, str] = {}
        self._changed: dict[str, HealthState] = {}
        self._news = asyncio.Event()

    def on_health(self, health: Health) -> None:
        """A connector changed its state: the pages shall know."""
        self._changed[health.name] = health.state
        self._news.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._news.clear()
            with contextlib.suppress(StoreUnavailable):
                await self._announce()
                await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._news.wait()

    async def _announce(self) -> None:
        changed, self._changed = self._changed, {}
        if changed:
            await self._store.write(_announce, changed)

    async def look(self) -> None:
        """Compare what is with what was told, and tell the difference."""
        names = [health.name for health in self._health() if health.state is HealthState.UP]
        found = await self._store.read(_store_troubles, names)
        found |= dict(self._connector_troubles(await self._store.read(lambda tx: tx.now)))
        alerts = [Alert(key, text) for key, text in found.items() if key not in self._told]
        alerts += [Alert(key, f"Снова в порядке: {text}", True) for key, text in self._told.items() if key not in found]
        self._told = found
        for alert in alerts:
            log.warning("alert", key=alert.key, solved=alert.solved)
            await self._store.write(_notify, self._desk, alert)
            await self._deliver(alert)

    def _connector_troubles(self, now: datetime) -> Iterator[tuple[str, str]]:
        for health in self._health():
            if health.state in BAD and health.since is not None:
                patience = timedelta(0) if health.state is HealthState.MISCONFIGURED else PATIENCE
                if now - health.since >= patience:
                    yield (
                        f"connector:{health.name}",
                        f"Канал «{health.title}» не работает. {health.error or ''}".strip(),
                    )


def _announce(tx: Tx, changed: dict[str, HealthState]) -> None:
    for name, state in changed.items():
        tell(tx, "connector", name, state, data={"state": state})


def _store_troubles(tx: ReadTx, connectors: list[str]) -> dict[str, str]:
    found = {}
    oldest = tx.first(JOURNAL, {"pending": True}, sort="available_at")
    if oldest is not None and tx.now - oldest.received_at >= STALE:
        minutes = int((tx.now - oldest.received_at).total_seconds() // 60)
        found["backlog"] = f"Обращения обрабатываются с опозданием: самое старое ждёт {minutes} мин"
    if number := tx.count(JOURNAL, {"state": "quarantined"}, limit=1000):
        found["quarantine"] = f"В карантине обращения, которые не удалось обработать: {number}"
    for name in connectors:
        if _is_silent(tx, name):
            found[f"silence:{name}"] = f"Канал «{name}» молчит дольше обычного для этого часа"
    return found


def _is_silent(tx: ReadTx, connector: str) -> bool:
    def contacts(weeks: int) -> int:
        end = tx.now - timedelta(weeks=weeks)
        where = {"connector": connector, "received_at": Between(end - WINDOW, end)}
        return tx.count(JOURNAL, where, limit=USUAL)

    return contacts(0) == 0 and all(contacts(week) >= USUAL for week in range(1, WEEKS + 1))


def _notify(tx: Tx, desk: Desk, alert: Alert) -> None:
    rights = desk.at(tx).company.rights
    for user in tx.find(USERS):
        if user.active and may(actor_for(tx, user, rights), "connector", Action.MANAGE):
            notify(tx, user.id, "alert", alert.text)
