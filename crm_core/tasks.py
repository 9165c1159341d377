"""Tasks: for now the callback tasks that missed calls and wishes to be called leave behind.

A callback task closes by itself when the customer is reached: any answered call with that person, or a reply to him.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from crm_core import timers
from crm_core.access import Facts, check, visible
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.notifications import notify
from crm_core.rights import Action
from crm_core.timeline import ItemKind, TimelineItem, add
from crm_core.users import USERS
from storage import AllOf, Collection, Entity, Filter, Index, ReadTx, Tx


class TaskState(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class Task(Entity, frozen=True, kw_only=True):
    number: int
    kind: str = "task"
    """`task` or `callback`."""
    title: str
    description: str = ""
    state: TaskState = TaskState.OPEN
    open: bool = True
    responsible_id: str | None = None
    """None while the lead that it belongs to waits in its queue."""
    creator_id: str | None = None
    queue: str | None = None
    lead_id: str | None = None
    person_id: str | None = None
    phone: str | None = None
    deadline: datetime | None = None
    overdue: bool = False
    result: str | None = None
    calls: int = 1
    """How many missed calls it stands for."""
    created_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None


TASKS = Collection(
    "tasks",
    Task,
    [
        Index("responsible_id", "open", "deadline"),
        Index("creator_id", "open", "deadline"),
        Index("open", "deadline"),
        Index("lead_id", "open"),
        Index("person_id", "open"),
        Index("created_at"),
        Index("kind", "open", "deadline"),
        Index("state", "overdue", "deadline"),
    ],
)

DUE = "task_due"
"""Kind of the timer that marks a task overdue."""
MAX_TITLE = 300


def facts(task: Task) -> Facts:
    return Facts(owners=frozenset({task.responsible_id, task.creator_id}), open=task.open)


def open_callback(
    tx: Tx,
    *,
    person_id: str | None,
    lead_id: str,
    phone: str,
    deadline: datetime,
    title: str,
    queue: str,
    responsible_id: str | None,
) -> Task:
    """The callback task of this lead: the open one grows by a call and keeps its earlier deadline, else a new one."""
    existing = tx.first(TASKS, {"lead_id": lead_id, "open": True, "kind": "callback"})
    if existing is not None:
        grown = tx.update(TASKS, existing, calls=existing.calls + 1, phone=phone)
        _announce(tx, grown, "updated")
        return grown
    task = Task(
        id=tx.new_id("tsk_"),
        number=tx.next_number("task"),
        kind="callback",
        title=title,
        phone=phone,
        deadline=deadline,
        queue=queue,
        responsible_id=responsible_id,
        lead_id=lead_id,
        person_id=person_id,
        created_at=tx.now,
    )
    tx.insert(TASKS, task)
    timers.schedule(tx, DUE, task.id, deadline)
    _announce(tx, task, "created")
    return task


def create_task(
    tx: Tx,
    actor: Actor,
    *,
    title: str,
    description: str = "",
    responsible_id: str | None = None,
    deadline: datetime | None = None,
    lead_id: str | None = None,
) -> Task:
    """A task by hand."""
    check(actor, "task", Action.CREATE)
    if not title.strip() or len(title) > MAX_TITLE:
        raise Invalid({"title": f"Укажите название, не длиннее {MAX_TITLE} знаков"})
    task = Task(
        id=tx.new_id("tsk_"),
        number=tx.next_number("task"),
        title=title.strip(),
        description=description,
        responsible_id=responsible_id or actor.id,
        creator_id=actor.id,
        deadline=deadline,
        lead_id=lead_id,
        created_at=tx.now,
    )
    tx.insert(TASKS, task)
    record(tx, actor, "task", task.id, "created", {"title": (None, task.title)})
    if deadline is not None:
        timers.schedule(tx, DUE, task.id, deadline)
    _announce(tx, task, "created")
    return task


EDITABLE = frozenset({"title", "description", "deadline", "responsible_id"})


def update_task(tx: Tx, actor: Actor, task_id: str, changes: Mapping[str, Any], version: int | None = None) -> Task:
    """Change an open task. A later deadline makes it timely again; who loses it learns of that. `Invalid` names a wrong
    field, `Conflict` says that it is closed or that `version` is not the present one."""
    task = get_task(tx, actor, task_id, Action.UPDATE)
    wrong = _wrong(tx, changes)
    if wrong:
        raise Invalid(wrong)
    if version is not None and version != task.version:
        raise Conflict("Задача уже изменена кем-то другим. Прочитайте её заново")
    if not task.open:
        raise Conflict("Задача уже закрыта")
    changes = dict(changes)
    if "title" in changes:
        changes["title"] = changes["title"].strip()
    if changes.get("deadline", task.deadline) != task.deadline:
        changes["overdue"] = False  # when it has passed already, the timer says so at once and tells the responsible
    before_after = {name: (getattr(task, name), value) for name, value in changes.items()}
    if all(before == after for before, after in before_after.values()):
        return task
    changed = tx.update(TASKS, task, **changes)
    record(tx, actor, "task", task.id, "updated", before_after)
    if changed.deadline is None:
        timers.cancel(tx, DUE, task.id)
    elif changed.deadline != task.deadline:
        timers.schedule(tx, DUE, task.id, changed.deadline)
    _announce(tx, changed, "updated", former=task.responsible_id)
    return changed


def _wrong(tx: ReadTx, changes: Mapping[str, Any]) -> dict[str, str]:
    wrong = dict.fromkeys(sorted(set(changes) - EDITABLE), "Такого поля нет или его нельзя менять")
    if "title" in changes and not 0 < len(changes["title"].strip()) <= MAX_TITLE:
        wrong["title"] = f"Укажите название, не длиннее {MAX_TITLE} знаков"
    if "responsible_id" in changes:
        responsible = tx.get(USERS, changes["responsible_id"])
        if responsible is None or not responsible.active:
            wrong["responsible_id"] = "Такого сотрудника нет, или он отключён"
    return wrong


def list_tasks(
    tx: ReadTx, actor: Actor, where: Filter, *, sort: str = "deadline", limit: int = 50, after: str | None = None
) -> list[Task]:
    """Tasks that match and that the actor may see."""
    scope = visible(actor, "task", owner_fields=("responsible_id", "creator_id"))
    return [] if scope is None else tx.find(TASKS, AllOf((where, scope)), sort=sort, limit=limit, after=after)


def get_task(tx: ReadTx, actor: Actor, task_id: str, action: Action = Action.READ) -> Task:
    """The task, checked for this action."""
    task = tx.get(TASKS, task_id)
    if task is None:
        raise Missing("Такой задачи нет")
    check(actor, "task", action, facts(task))
    return task


def complete_task(tx: Tx, actor: Actor, task_id: str, result: str = "") -> Task:
    """Done, with what came out of it."""
    task = get_task(tx, actor, task_id, Action.UPDATE)
    if not task.open:
        raise Conflict("Задача уже закрыта")
    done = _close(tx, task, result, actor.id, actor.name)
    record(tx, actor, "task", task.id, "completed", {"state": (task.state, done.state)})
    return done


def comment_task(tx: Tx, actor: Actor, task_id: str, text: str) -> TimelineItem:
    """Add a comment to a task."""
    task = get_task(tx, actor, task_id)
    if not text.strip() or len(text) > 10_000:
        raise Invalid({"text": "Напишите комментарий, не длиннее 10 000 знаков"})
    item = TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.COMMENT,
        at=tx.now,
        task_id=task.id,
        author_id=actor.id,
        author=actor.name,
        text=text.strip(),
    )
    return add(tx, item, owners=(task.responsible_id, task.creator_id))


def close_callbacks(tx: Tx, lead_id: str, result: str, user_id: str | None) -> int:
    """The customer was reached: his callback tasks are done. Returns how many."""
    found = [task for task in tx.find(TASKS, {"lead_id": lead_id, "open": True}) if task.kind == "callback"]
    for task in found:
        _close(tx, task, result, user_id, "Первая линия")
    return len(found)


def cancel_callbacks(tx: Tx, lead_id: str, reason: str) -> None:
    """The lead is finished: nobody is to be called any more."""
    for task in tx.find(TASKS, {"lead_id": lead_id, "open": True, "kind": "callback"}):
        timers.cancel(tx, DUE, task.id)
        changes = {"state": TaskState.CANCELLED, "open": False, "result": reason, "closed_at": tx.now}
        _announce(tx, tx.update(TASKS, task, **changes), "cancelled")


def revive_callbacks(tx: Tx, lead_id: str, closed_at: datetime) -> None:
    """The lead that was finished at this moment is open again, and so are the callbacks that ended with it."""
    for task in tx.find(TASKS, {"lead_id": lead_id, "open": False, "kind": "callback"}):
        if task.state is not TaskState.CANCELLED or task.closed_at != closed_at:
            continue
        task = tx.update(TASKS, task, state=TaskState.OPEN, open=True, result=None, closed_at=None)
        if task.deadline is not None and not task.overdue:
            timers.schedule(tx, DUE, task.id, task.deadline)
        _announce(tx, task, "created")


def hand_over(tx: Tx, lead_id: str, user_id: str | None) -> None:
    """Open callback tasks follow their lead's owner."""
    for task in tx.find(TASKS, {"lead_id": lead_id, "open": True}):
        if task.kind == "callback" and task.responsible_id != user_id:
            _announce(tx, tx.update(TASKS, task, responsible_id=user_id), "assigned")


def on_due(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: an open task is now overdue, and its responsible is told."""
    task = tx.get(TASKS, timer.key)
    if task is None or not task.open or task.overdue:
        return
    overdue = tx.update(TASKS, task, overdue=True)
    if task.responsible_id:
        notify(
            tx, task.responsible_id, "task_overdue", f"Просрочено: {task.title}", lead_id=task.lead_id, task_id=task.id
        )
    _announce(tx, overdue, "overdue")


def _close(tx: Tx, task: Task, result: str, user_id: str | None, name: str) -> Task:
    done = tx.update(
        TASKS, task, state=TaskState.DONE, open=False, result=result or None, closed_at=tx.now, closed_by=user_id
    )
    timers.cancel(tx, DUE, task.id)
    if task.lead_id:
        item = TimelineItem(
            id=tx.new_id("tl_"),
            kind=ItemKind.TASK,
            at=tx.now,
            lead_id=task.lead_id,
            person_id=task.person_id,
            task_id=task.id,
            author_id=user_id,
            author=name,
            text=f"{task.title}: {result or 'выполнено'}",
            data={"state": "done"},
        )
        add(tx, item, owners=(task.responsible_id,))
    _announce(tx, done, "done")
    return done


def _announce(tx: Tx, task: Task, event: str, *, former: str | None = None) -> None:
    tell(
        tx,
        "task",
        task.id,
        event,
        lead_id=task.lead_id,
        owners=(task.responsible_id, task.creator_id, former),
        data={"title": task.title, "kind": task.kind},
    )
