"""The timer runner: fires what is due, each timer in its own transaction, and sleeps until the next.

One bad timer is postponed with growing pauses and holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import structlog

from crm_core import merge, robots, setting_moves, task_reminders, tasks, unmerge, worth
from crm_core.company import Company
from crm_core.lead_timers import CALL_GUARD, ESCALATE, OFFER
from crm_core.task_repeat import REPEAT, on_repeat
from crm_core.timers import Handler, Timer, due, fire, next_due, postpone, schedule_sooner
from crm_core.users import PLACE, QUEUE_WAKE
from distribution.desk import Desk
from distribution.offers import on_offer_timeout, on_place
from distribution.release import on_escalation, on_queue_wake
from router import robot_messages
from router.calls import on_call_guard
from storage import ReadTx, Store, StoreUnavailable, Tx

log = structlog.get_logger("timers")

LOOK_EVERY = 5.0
"""Seconds between looks when there is no news."""


def handlers(desk: Desk) -> dict[str, Handler]:
    """Every kind of timer there is, with what it does."""

    def with_desk(handler: Callable[[Tx, Desk, Timer], None]) -> Handler:
        return lambda tx, timer: handler(tx, desk.at(tx), timer)

    def with_company(handler: Callable[[Tx, Company, Timer], None]) -> Handler:
        return lambda tx, timer: handler(tx, desk.at(tx).company, timer)

    return {
        OFFER: with_desk(on_offer_timeout),
        ESCALATE: with_desk(on_escalation),
        QUEUE_WAKE: with_desk(on_queue_wake),
        PLACE: with_desk(on_place),
        CALL_GUARD: with_desk(on_call_guard),
        **{kind: with_company(handler) for kind, handler in robots.handlers(robot_messages.actions(desk)).items()},
        tasks.DUE: task_reminders.on_due,
        task_reminders.SOON: task_reminders.on_soon,
        task_reminders.REMIND: task_reminders.on_remind,
        REPEAT: with_company(on_repeat),
        merge.MOVE: merge.on_move,
        merge.FORGET: merge.on_forget,
        unmerge.UNDO: unmerge.on_undo,
        setting_moves.MOVE: with_company(setting_moves.on_move),
        worth.AGE_CUSTOMERS: with_company(worth.on_age_customers),
    }


class Clockwork:
    """Runs the timers of one store; several may run beside each other."""

    def __init__(self, store: Store, handlers: Mapping[str, Handler]) -> None:
        self._store = store
        self._handlers = handlers
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if "timers" in touched else None)
        try:
            new = True
            while True:
                self._news.clear()
                try:
                    if new:
                        await self._store.write(_look_at_all_queues)
                        new = False
                    busy = await self.fire_due()
                    pause = 0.0 if busy else await self._pause()
                except StoreUnavailable as error:
                    log.error("store unavailable", error=str(error))
                    pause = LOOK_EVERY
                if pause:
                    await self._wait(pause)
        finally:
            stop()

    async def _pause(self) -> float:
        return await self._store.read(_seconds_until_due)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def fire_due(self) -> int:
        """Fire what is due now, oldest first; the number of timers looked at."""
        timers = await self._store.read(due)
        for timer in timers:
            await self._fire(timer)
        return len(timers)

    async def _fire(self, timer: Timer) -> None:
        try:
            await self._store.write(fire, timer.id, self._handlers)
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("timer failed", timer=timer.kind)
            await self._store.write(postpone, timer.id, f"{type(error).__name__}: {error}")


def _look_at_all_queues(tx: Tx) -> None:
    """At the start: the configuration may have changed who can take what waits."""
    schedule_sooner(tx, QUEUE_WAKE, "*", tx.now)


def _seconds_until_due(tx: ReadTx) -> float:
    moment = next_due(tx)
    return LOOK_EVERY if moment is None else min(LOOK_EVERY, max(0.001, (moment - tx.now).total_seconds()))
