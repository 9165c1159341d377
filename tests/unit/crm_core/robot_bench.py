"""A company, its deals and its robots over a real store, with a clock that tests move."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crm_core import timers
from crm_core.actor import SYSTEM, Actor
from crm_core.automation import RUNS, Automation, Condition, Event, RobotRun, Step, Trigger
from crm_core.automation_commands import save_automation
from crm_core.company import Company
from crm_core.deal_stages import move_deal
from crm_core.deals import DEALS, Deal, NextStep, create_deal, edit_deal
from crm_core.timers import TIMERS
from crm_core.users import create_user
from distribution.desk import Desk
from firstline.schema import SCHEMA
from firstline.settings import load_settings
from router import clockwork
from storage import IdSource, Store, open_store
from workhours import ManualClock

MONDAY_NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""12:00 in Moscow; the office works Mon–Fri 10–19."""
COMPANY: Company = replace(load_settings(None, {}).company, automations={})
"""The reference company without robots."""
MOST = 300
"""Timers in one go; more of them mean a loop without an end."""


def automation(event: str, *steps: Step, conditions: tuple[Condition, ...] = (), **trigger: Any) -> Automation:
    on = Trigger(entity=trigger.pop("entity", "deal"), event=Event(event), **trigger)
    return Automation(id="", title=f"Робот {event}", trigger=on, steps=steps, conditions=conditions)


def step(action: str, **params: str) -> Step:
    return Step(action=action, params=params)


def comment(text: str) -> Step:
    return step("set_field", field="comment", value=text)


class Robots:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(MONDAY_NOON)
        self.store: Store = open_store("sqlite:robots.db", folder, SCHEMA, clock=self.clock.now, ids=IdSource())
        self.handlers = clockwork.handlers(Desk(COMPANY, {}))

    async def hire(self, name: str, role: str = "consultant") -> str:
        email = f"{name}@firstline.example"
        return (await self.store.write(create_user, SYSTEM, email=email, name=name, roles=(role,))).id

    async def keep(self, robot: Automation, actor: Actor = SYSTEM) -> Automation:
        return await self.store.write(save_automation, actor, COMPANY, robot)

    async def deal(self, pipeline: str = "service", **values: Any) -> Deal:
        deal = await self.store.write(create_deal, SYSTEM, COMPANY, pipeline, values)
        await self.settle()
        return await self.look(deal)

    async def edit(self, deal: Deal, actor: Actor = SYSTEM, **values: Any) -> Deal:
        await self.store.write(edit_deal, actor, COMPANY, deal.id, values)
        await self.settle()
        return await self.look(deal)

    async def move(self, deal: Deal, stage: str) -> Deal:
        await self.store.write(move_deal, SYSTEM, COMPANY, deal.id, stage)
        await self.settle()
        return await self.look(deal)

    async def look(self, deal: Deal) -> Deal:
        return await self.store.read(lambda tx: tx.require(DEALS, deal.id))

    async def settle(self) -> None:
        """Fire everything that is due, one after another, as the clockwork does."""
        for _ in range(MOST):
            due = await self.store.read(timers.due)
            if not due:
                return
            try:
                await self.store.write(timers.fire, due[0].id, self.handlers)
            except Exception as error:
                await self.store.write(timers.postpone, due[0].id, repr(error))
        raise AssertionError("the robots do not come to rest")

    async def wait(self, step: timedelta) -> None:
        """Let time pass; every timer on the way fires at its moment."""
        end = self.clock.now() + step
        for _ in range(MOST):
            moment = await self.store.read(timers.next_due)
            if moment is None or moment > end:
                break
            self.clock.set(max(moment, self.clock.now()))
            await self.settle()
        self.clock.set(end)

    async def runs(self, deal: Deal) -> list[RobotRun]:
        """What robots did with it, oldest first."""
        return await self.store.read(lambda tx: tx.find(RUNS, {"entity_id": deal.id}, sort="at"))

    async def waiting(self, deal: Deal) -> list[datetime]:
        """When robots will look at it by themselves."""
        found = await self.store.read(lambda tx: tx.find(TIMERS, sort="due_at"))
        return [timer.due_at for timer in found if timer.kind == "robot_time" and timer.key.endswith(deal.id)]


def next_step(at: datetime) -> NextStep:
    return NextStep(text="Встреча", at=at)
