"""The page of tasks: «Мой день», what its reader has to do now, and lists whose filters stand in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.leads import Lead
from crm_core.search import matching
from crm_core.searchable import KINDS
from crm_core.task_steps import allowed_steps, complete_task
from crm_core.tasks import TASKS, Task, TaskState, ids_of_people, list_tasks
from distribution.desk import Desk
from storage import AllOf, AnyOf, Between, Filter, Gte, In, Lt, ReadTx
from web.pages.actions import done, form_of, toast
from web.pages.card import leads_by_id
from web.pages.i18n import mark
from web.pages.render import Reader, page, part, reader, wants_part
from web.pages.task import STATES, TONES
from web.pages.task_form import QUICK

PAGE = 50
VIEWS = {
    "day": mark("Мой день"),
    "mine": mark("Мои"),
    "given": mark("Поручил"),
    "helping": mark("Помогаю"),
    "all": mark("Все"),
}
"""`?whose=` → the tab."""
DUE = {
    "late": mark("Просрочены"), "today": mark("Сегодня"), "week": mark("7 дней"), "none": mark("Без срока"),
}  # fmt: skip
FILTERS = ("q", "group", "responsible", "due")


@dataclass(frozen=True, slots=True)
class Rows:
    """One stretch of a list with what its rows name."""

    items: list[Task]
    next: str | None
    allowed: Mapping[str, tuple[str, ...]]
    """Steps that the reader may take, by task."""
    leads: Mapping[str, Lead]
    users: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Day:
    """What one employee has to do now; a task stands in one part only."""

    parts: Mapping[str, Rows]
    """Late, for today, to be accepted, in the coming days, without a deadline; empty ones are left out."""
    users: Mapping[str, str] = field(default_factory=dict)


def _rows(tx: ReadTx, actor: Actor, desk: Desk, items: list[Task], following: str | None = None) -> Rows:
    return Rows(
        items,
        following,
        {task.id: allowed_steps(actor, task) for task in items},
        leads_by_id(tx, {task.lead_id for task in items if task.lead_id}),
        {user.id: user.name for user in desk.roster(tx).users},
    )


def _of_reader(tx: ReadTx, actor: Actor, whose: str, is_open: bool) -> Filter:
    """Which part in its tasks a tab asks for."""
    own = frozenset({actor.id})
    match whose:
        case "mine":
            return {"responsible_id": actor.id}
        case "given":
            return {"creator_id": actor.id}
        case "helping":
            return {"id": In(ids_of_people(tx, own, is_open))}
        case _:
            return {}


def _due(due: str | None, now: datetime, midnight: datetime) -> Filter:
    match due:
        case "late":
            return {"deadline": Lt(now)}
        case "today":
            return {"deadline": Between(midnight, midnight + timedelta(days=1))}
        case "week":
            return {"deadline": Between(midnight, midnight + timedelta(days=7))}
        case "none":
            return {"deadline": None}
        case _:
            return {}


def task_rows(tx: ReadTx, actor: Actor, desk: Desk, query: Mapping[str, str], midnight: datetime) -> Rows:
    """Tasks by the filters of the address: open ones by their deadline, closed ones from the latest back."""
    is_open = query.get("state") not in ("closed", "done")
    where: dict[str, Any] = {"open": is_open}
    if query.get("group"):
        where["group"] = query["group"]
    if query.get("responsible"):
        where["responsible_id"] = query["responsible"]
    filters: list[Filter] = [where, _of_reader(tx, actor, query.get("whose", ""), is_open)]
    filters.append(_due(query.get("due"), tx.now, midnight))
    if text := query.get("q", "").strip():
        filters.append(matching(tx, KINDS, actor, "task", text))
    sort = "deadline" if is_open else "-deadline"
    items = list_tasks(tx, actor, AllOf(tuple(filters)), sort=sort, limit=PAGE, after=query.get("after") or None)
    following = tx.cursor_after(TASKS, items[-1], sort) if len(items) == PAGE else None
    return _rows(tx, actor, desk, items, following)


def my_day(tx: ReadTx, actor: Actor, desk: Desk, midnight: datetime) -> Day:
    """His own tasks and those that he helps with, late ones first; and what waits for his word. What he has handed in
    waits for others and is not shown."""
    tomorrow, week = midnight + timedelta(days=1), midnight + timedelta(days=8)
    helping = In(ids_of_people(tx, frozenset({actor.id}), True, "co_executor"))
    his: Filter = AnyOf(({"responsible_id": actor.id, "open": True}, {"id": helping, "open": True}))
    found = {
        "late": _todo(tx, actor, his, {"deadline": Lt(tx.now)}),
        "today": _todo(tx, actor, his, AllOf(({"deadline": Gte(tx.now)}, {"deadline": Lt(tomorrow)}))),
        "judge": list_tasks(tx, actor, {"creator_id": actor.id, "open": True, "state": TaskState.ACCEPTANCE}),
        "soon": _todo(tx, actor, his, AllOf(({"deadline": Gte(tomorrow)}, {"deadline": Lt(week)}))),
        "none": _todo(tx, actor, his, {"deadline": None}),
    }
    parts = {name: _rows(tx, actor, desk, tasks) for name, tasks in found.items() if tasks}
    return Day(parts, {user.id: user.name for user in desk.roster(tx).users})


def _todo(tx: ReadTx, actor: Actor, his: Filter, when: Filter) -> list[Task]:
    tasks = list_tasks(tx, actor, AllOf(({"open": True}, his, when)), limit=PAGE)
    return [task for task in tasks if task.state is not TaskState.ACCEPTANCE]


def _midnight(who: Reader) -> datetime:
    """At which the reader's day began."""
    return who.look.now.astimezone(who.look.zone).replace(hour=0, minute=0, second=0, microsecond=0)


async def tasks_page(request: web.Request) -> web.Response:
    """`GET /tasks`: the day unless the address asks for something else."""
    who = await reader(request)
    query = {key: value for key, value in request.query.items() if "\0" not in value}
    desk, midnight = who.services.desk, _midnight(who)
    whose = query.get("whose") if query.get("whose") in VIEWS else "all" if any(map(query.get, FILTERS)) else "day"
    context: dict[str, Any] = {
        "whose": whose, "query": query, "base": query, "views": VIEWS, "dues": DUE, "states": STATES, "tones": TONES,
        "quick": QUICK, "day": None,
    }  # fmt: skip
    if whose == "day":
        shown = await who.read(my_day, who.actor, desk, midnight)
        return await page(request, who, "tasks/day.html", "tasks", **context, shown=shown)
    context["rows"] = await who.read(task_rows, who.actor, desk, {**query, "whose": str(whose)}, midnight)
    if wants_part(request) and "after" in query:
        return part(request, who, "tasks/rows.html", **context)
    return await page(request, who, "tasks/list.html", "tasks", **context)


async def finish_task(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/complete` with what came out of it."""
    who, task_id = await reader(request), request.match_info["id"]
    result = (await form_of(request)).get("result", "").strip()
    task = await who.write(complete_task, who.actor, task_id, result, company=who.services.desk.company)
    text = mark("Задача передана на приёмку") if task.open else mark("Задача выполнена")
    return done(**{"task:changed": {"task": task_id, "lead": task.lead_id}, "toast": toast(who, text)})
