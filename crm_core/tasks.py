"""Tasks: what one employee asks of another or of himself, and the callbacks that missed calls leave behind.

Here is what a task is, who may do what with it, and how tasks are found. What is done with them stands beside, by
reason to change: `task_commands` (create, change, comment), `task_steps` (from state to state, from stage to stage),
`task_checklist`, `task_reminders` (reminders and deadlines), `task_repeat` (recurring tasks), `callbacks`.

A task's co-executors, observers and links are many per task, and lists ask for them; an index holds one value per
record. So each of them also has a row of its own, in `task_places` and `task_links`, kept in step by `save`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from crm_core import timers
from crm_core.access import Facts, check, may, visible
from crm_core.actor import Actor
from crm_core.changes import tell
from crm_core.errors import Missing
from crm_core.rights import Action, Scope
from crm_core.timeline import ItemKind, TimelineItem, add
from storage import AllOf, AnyOf, Collection, Entity, Filter, In, Index, ReadTx, Tx


class TaskState(StrEnum):
    OPEN = "open"
    """Nobody has begun."""
    IN_WORK = "in_work"
    WAITING = "waiting"
    """Put off."""
    ACCEPTANCE = "acceptance"
    """Done, to be accepted or returned."""
    DONE = "done"
    CANCELLED = "cancelled"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class CheckItem(Struct, frozen=True, kw_only=True):
    id: str
    text: str
    done: bool = False
    done_by: str | None = None
    done_at: datetime | None = None


class Link(Struct, frozen=True, order=True):
    """A record that the task is about."""

    entity: str
    id: str


class Reminder(Struct, frozen=True, kw_only=True):
    """At a moment, or so many minutes before the deadline, moving with it."""

    id: str
    user_id: str
    at: datetime | None = None
    before_minutes: int | None = None


class TaskFile(Struct, frozen=True, kw_only=True):
    """A file that came with a comment; `id` is its blob address."""

    id: str
    name: str
    type: str
    size: int
    item_id: str
    """The comment, through which it is read."""


class Task(Entity, frozen=True, kw_only=True):
    number: int
    kind: str = "task"
    """`task` or `callback`."""
    title: str
    description: str = ""
    state: TaskState = TaskState.OPEN
    open: bool = True
    """Neither done nor cancelled."""
    group: str | None = None
    stage: str | None = None
    """Of its group."""
    responsible_id: str | None = None
    """None while the lead that it belongs to waits in its queue."""
    creator_id: str | None = None
    co_executors: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    queue: str | None = None
    lead_id: str | None = None
    person_id: str | None = None
    links: tuple[Link, ...] = ()
    phone: str | None = None
    deadline: datetime | None = None
    overdue: bool = False
    priority: Priority = Priority.NORMAL
    planned_minutes: int | None = None
    spent_minutes: int = 0
    checklist: tuple[CheckItem, ...] = ()
    """In the order of the list."""
    files: tuple[TaskFile, ...] = ()
    result_required: bool = False
    """It cannot be completed before a result was written."""
    acceptance: bool = False
    """Its creator accepts what was done, or returns it."""
    result: str | None = None
    reminders: tuple[Reminder, ...] = ()
    series_id: str | None = None
    """Of the recurring task that made it."""
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
        Index("lead_id", "open", "deadline"),
        Index("person_id", "open", "deadline"),
        Index("created_at"),
        Index("kind", "open", "deadline"),
        Index("state", "overdue", "deadline"),
        Index("group", "open", "deadline"),
        Index("group", "stage", "deadline"),
        Index("number"),
    ],
)


class TaskPlace(Entity, frozen=True, kw_only=True):
    """Somebody takes part in a task besides its responsible and creator; `id` is `task:role:user`."""

    task_id: str
    user_id: str
    role: str
    """`co_executor` or `observer`."""
    open: bool


class TaskLink(Entity, frozen=True, kw_only=True):
    """A record has this task; `id` is `task:entity:record`."""

    task_id: str
    entity: str
    record_id: str
    open: bool


TASK_PLACES = Collection("task_places", TaskPlace, [Index("user_id", "open", "role"), Index("task_id")])
TASK_LINKS = Collection("task_links", TaskLink, [Index("entity", "record_id", "open"), Index("task_id")])

CALLBACK = "callback"
"""Kind of a task that a missed call left behind."""
DUE = "task_due"
"""Kind of the timer that marks a task overdue."""
MOST_IDS = 20_000
"""So many tasks of others that somebody takes part in are looked through, the newest first."""


class Doing(StrEnum):
    """What people do with a task, by who may."""

    WORK = "work"
    """Start, put off, complete, tick, write down time."""
    EDIT = "edit"
    """Change, cancel, reopen, delegate."""
    RULE = "rule"
    """Demand a result and acceptance."""
    JUDGE = "judge"
    """Accept or return."""


def facts(task: Task) -> Facts:
    """Everybody who takes part: they see it."""
    return Facts(owners=frozenset(participants(task)), open=task.open)


def participants(task: Task) -> tuple[str | None, ...]:
    return (task.responsible_id, task.creator_id, *task.co_executors, *task.observers)


def _doers(task: Task, doing: Doing) -> frozenset[str | None]:
    edit = frozenset({task.responsible_id, task.creator_id})
    work = edit | frozenset(task.co_executors)
    creator = frozenset({task.creator_id})
    match doing:
        case Doing.WORK:
            return work
        case Doing.EDIT:
            return edit
        case Doing.RULE:
            return creator if task.creator_id else edit
        case Doing.JUDGE:
            return creator if task.acceptance and task.creator_id else work


def may_do(actor: Actor, task: Task, doing: Doing) -> bool:
    """Whether this actor may do that: his part in the task, or a right that reaches further than his own tasks."""
    return may(actor, "task", Action.UPDATE, Facts(owners=_doers(task, doing), open=task.open))


def task_for(tx: ReadTx, actor: Actor, task_id: str, doing: Doing) -> Task:
    """The task, checked for what is going to be done with it."""
    task = get_task(tx, actor, task_id)
    check(actor, "task", Action.UPDATE, Facts(owners=_doers(task, doing), open=task.open))
    return task


def may_read(actor: Actor, task: Task) -> bool:
    """Those who take part; and a callback, which waits for whoever comes to it first, everybody who reads its lead."""
    if may(actor, "task", Action.READ, facts(task)):
        return True
    return task.kind == CALLBACK and may(actor, "task", Action.READ) and may(actor, "lead", Action.READ, facts(task))


def get_task(tx: ReadTx, actor: Actor, task_id: str) -> Task:
    """The task, when the actor may see it."""
    task = tx.get(TASKS, task_id)
    if task is None:
        raise Missing("Такой задачи нет")
    if not may_read(actor, task):
        check(actor, "task", Action.READ, facts(task))
    return task


def list_tasks(
    tx: ReadTx, actor: Actor, where: Filter, *, sort: str = "deadline", limit: int = 50, after: str | None = None
) -> list[Task]:
    """Tasks that match and that the actor may see."""
    scope = _scope(tx, actor, _asked_open(where))
    return [] if scope is None else tx.find(TASKS, AllOf((where, scope)), sort=sort, limit=limit, after=after)


def _scope(tx: ReadTx, actor: Actor, open: bool | None) -> Filter | None:
    scope = visible(actor, "task", owner_fields=("responsible_id", "creator_id"))
    if scope is None or scope == {}:
        return scope
    reach = {Scope.OWN: frozenset({actor.id} - {None}), Scope.DEPARTMENT: actor.department}
    ways: list[Filter] = [scope]
    for grant in actor.rights.granted(actor.roles, "task", Action.READ):
        people = reach.get(grant.scope)
        if people:
            also = {"open": True} if grant.only_open else {}
            ways.append({"id": In(ids_of_people(tx, people, True if grant.only_open else open)), **also})
    leads = visible(actor, "lead", owner_fields=("responsible_id",))
    if leads is not None:
        ways.append(AllOf(({"kind": CALLBACK}, leads)))
    return AnyOf(tuple(ways))


def _asked_open(where: Filter) -> bool | None:
    """Whether a filter asks for open tasks or closed ones only."""
    if isinstance(where, AllOf):
        return next((asked for each in where.filters if (asked := _asked_open(each)) is not None), None)
    asked = None if isinstance(where, AnyOf) else where.get("open")
    return asked if isinstance(asked, bool) else None


def ids_of_people(
    tx: ReadTx, people: frozenset[str] | frozenset[str | None], open: bool | None = None, role: str | None = None
) -> list[str]:
    """Tasks in which these people are co-executors or observers, the newest `MOST_IDS`."""
    where: dict[str, Any] = {"user_id": In(sorted(each for each in people if each))}
    if open is not None:
        where["open"] = open
    if role is not None:
        where["role"] = role
    return sorted({place.task_id for place in tx.find(TASK_PLACES, where, sort="-id", limit=MOST_IDS)})


def of_record(tx: ReadTx, entity: str, record_id: str) -> Filter:
    """The filter for the tasks of a record."""
    rows = tx.find(TASK_LINKS, {"entity": entity, "record_id": record_id}, sort="-id", limit=MOST_IDS)
    linked: Filter = {"id": In([row.task_id for row in rows])}
    field = {"lead": "lead_id", "contact": "person_id"}.get(entity)
    return AnyOf(({field: record_id}, linked)) if field else linked


def insert(tx: Tx, task: Task) -> Task:
    """Keep a new task with its rows."""
    tx.insert(TASKS, task)
    _keep_rows(tx, task)
    return task


def save(tx: Tx, task: Task, **changes: Any) -> Task:
    """Keep a changed task and the rows that lists find it by."""
    changed = tx.update(TASKS, task, **changes)
    if {"co_executors", "observers", "links", "open"} & changes.keys():
        _keep_rows(tx, changed)
    return changed


def _keep_rows(tx: Tx, task: Task) -> None:
    people = [("co_executor", each) for each in task.co_executors] + [("observer", each) for each in task.observers]
    places = {
        f"{task.id}:{role}:{user_id}": TaskPlace(
            id=f"{task.id}:{role}:{user_id}", task_id=task.id, user_id=user_id, role=role, open=task.open
        )
        for role, user_id in people
    }
    links = {
        f"{task.id}:{link.entity}:{link.id}": TaskLink(
            id=f"{task.id}:{link.entity}:{link.id}", task_id=task.id, entity=link.entity, record_id=link.id,
            open=task.open,
        )
        for link in task.links
    }  # fmt: skip
    _replace(tx, TASK_PLACES, task.id, places)
    _replace(tx, TASK_LINKS, task.id, links)


def _replace(tx: Tx, collection: Collection[Any], task_id: str, wanted: dict[str, Any]) -> None:
    kept = {row.id: row for row in tx.find(collection, {"task_id": task_id})}
    for id, row in kept.items():
        if id not in wanted:
            tx.delete(collection, row)
        else:
            tx.update(collection, row, open=wanted[id].open)
    for id in wanted.keys() - kept.keys():
        tx.insert(collection, wanted[id])


def close(
    tx: Tx, task: Task, result: str, user_id: str | None, name: str, *, state: TaskState = TaskState.DONE,
    stage: str | None = None,
) -> Task:  # fmt: skip
    """Done or cancelled: no timer of it fires any more, and the timelines of its lead and deals say so."""
    done = save(
        tx, task, state=state, open=False, result=result or task.result, stage=stage or task.stage, closed_at=tx.now,
        closed_by=user_id,
    )  # fmt: skip
    timers.cancel(tx, DUE, task.id)
    word = "выполнено" if state is TaskState.DONE else "отменено"
    for lead_id, deal_id in _stands_on(task):
        item = TimelineItem(
            id=tx.new_id("tl_"),
            kind=ItemKind.TASK,
            at=tx.now,
            lead_id=lead_id,
            deal_id=deal_id,
            person_id=task.person_id,
            task_id=task.id,
            author_id=user_id,
            author=name,
            text=f"{task.title}: {result or word}",
            data={"state": state.value, "task_kind": task.kind},
        )
        add(tx, item, owners=participants(task))
    announce(tx, done, state.value)
    return done


def _stands_on(task: Task) -> list[tuple[str | None, str | None]]:
    """Lead or deal, for each timeline that tells of this task."""
    leads: list[tuple[str | None, str | None]] = [(task.lead_id, None)] if task.lead_id else []
    return leads + [(None, link.id) for link in task.links if link.entity == "deal"]


def announce(tx: Tx, task: Task, event: str, *, former: str | None = None) -> None:
    """Tell the open pages of everybody who takes part."""
    tell(
        tx,
        "task",
        task.id,
        event,
        lead_id=task.lead_id,
        owners=tuple(dict.fromkeys((*participants(task), former))),
        data={"title": task.title, "kind": task.kind},
    )
