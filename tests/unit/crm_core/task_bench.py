"""A company with a few employees and its tasks, over a real store with a clock that tests move.

The office works Mon–Fri 10–19."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from crm_core import timers
from crm_core.actor import SYSTEM, Actor
from crm_core.companies import create_company
from crm_core.company import Company
from crm_core.contacts import create_person
from crm_core.deals import create_deal
from crm_core.notifications import NOTIFICATIONS
from crm_core.task_commands import create_task
from crm_core.tasks import TASKS, Task
from crm_core.users import DEPARTMENTS, Department, actor_for, create_user
from distribution.desk import Desk
from firstline.schema import SCHEMA
from firstline.settings import load_settings
from router.clockwork import handlers
from storage import IdSource, Store, Tx, open_store
from tests.waiting import MONDAY_NOON as MONDAY_NOON
from workhours import ManualClock

COMPANY: Company = load_settings(None, {}).company


@dataclass
class Tasks:
    store: Store
    clock: ManualClock

    async def hire(self, name: str, role: str = "first_line", department: str | None = None) -> Actor:
        user = await self.store.write(
            create_user, SYSTEM, email=f"{name}@firstline.example", name=name, roles=(role,), department_id=department
        )
        return await self.store.read(actor_for, user, COMPANY.rights)

    async def head(self, name: str, role: str, *people: str) -> Actor:
        """The head of a new department in which these employees work."""
        head = await self.hire(name, role)

        def found_department(tx: Tx) -> None:
            tx.insert(DEPARTMENTS, Department(id=f"dep-{name}", name=name, head_id=head.id))

        await self.store.write(found_department)
        staff = frozenset({head.id or "", *people})
        return Actor(id=head.id, name=name, roles=head.roles, rights=head.rights, department=staff)

    async def do(self, command: Callable[..., Any], actor: Actor, *args: Any, **more: Any) -> Any:
        return await self.store.write(command, actor, *args, **more)

    async def step(self, command: Callable[..., Any], actor: Actor, *args: Any) -> Task:
        task: Task = await self.store.write(command, actor, *args, company=COMPANY)
        return task

    async def give(self, creator: Actor, **fields: Any) -> Task:
        return await self.store.write(create_task, creator, title="Дело", company=COMPANY, **fields)

    async def deal(self) -> str:
        """Id of a deal that there is."""
        made = await self.store.write(create_deal, SYSTEM, COMPANY, "equipment", {"title": "Сделка"})
        return made.id

    async def customer(self) -> str:
        """Id of a company that there is."""
        return (await self.store.write(create_company, SYSTEM, {"name": "Ромашка"})).id

    async def contact(self) -> str:
        """Id of a contact that there is."""
        return (await self.store.write(create_person, SYSTEM, {"name": "Пётр"})).id

    async def all(self) -> list[Task]:
        return await self.store.read(lambda tx: tx.find(TASKS))

    async def notes(self, actor: Actor) -> list[str]:
        """What this employee was told, newest last."""
        found = await self.store.read(lambda tx: tx.find(NOTIFICATIONS, {"user_id": actor.id}, sort="at"))
        return [f"{note.kind}: {note.text}" for note in found]

    async def wait(self, step: timedelta) -> None:
        """Let time pass and fire every timer on the way, each at its moment."""
        end = self.clock.now() + step
        table = handlers(Desk(COMPANY, {}))
        while (due := await self.store.read(timers.next_due)) is not None and due <= end:
            self.clock.set(max(due, self.clock.now()))
            for timer in await self.store.read(timers.due):
                if timer.kind.startswith("task_"):
                    await self.store.write(timers.fire, timer.id, table)
                else:
                    await self.store.write(timers.cancel, timer.kind, timer.key)
        self.clock.set(end)


def open_tasks(folder: Path) -> Tasks:
    clock = ManualClock(MONDAY_NOON)
    return Tasks(open_store("sqlite:tasks.db", folder, SCHEMA, clock=clock.now, ids=IdSource()), clock)
