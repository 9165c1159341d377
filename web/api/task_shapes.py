"""What a task looks like from outside."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from msgspec import Meta

from crm_core.actor import Actor
from crm_core.task_reminders import moment_of
from crm_core.task_repeat import DayOff, Repeat, TaskSeries, Unit
from crm_core.task_steps import allowed_steps
from crm_core.tasks import Task
from web.api.call import In, Out
from web.api.shapes import FileOut, same


class CheckOut(Out, frozen=True, kw_only=True):
    id: str
    text: str
    done: bool
    done_by: str | None
    done_at: datetime | None


class LinkOut(Out, frozen=True, kw_only=True):
    entity: str
    id: str


class ReminderOut(Out, frozen=True, kw_only=True):
    id: str
    at: datetime | None
    """When it comes, as of now."""
    before_minutes: int | None


class TaskOut(Out, frozen=True, kw_only=True):
    id: str
    number: int
    version: int
    kind: str
    title: str
    description: str
    state: str
    open: bool
    overdue: bool
    group: str | None
    stage: str | None
    responsible_id: str | None
    creator_id: str | None
    co_executors: tuple[str, ...]
    observers: tuple[str, ...]
    queue: str | None
    lead_id: str | None
    person_id: str | None
    links: tuple[LinkOut, ...]
    phone: str | None
    calls: int
    deadline: datetime | None
    priority: str
    planned_minutes: int | None
    spent_minutes: int
    checklist: tuple[CheckOut, ...]
    files: tuple[FileOut, ...]
    result_required: bool
    acceptance: bool
    result: str | None
    reminders: tuple[ReminderOut, ...]
    """One's own."""
    series_id: str | None
    allowed: tuple[str, ...]
    """Steps that the caller may take now: start, defer, complete, accept, return, cancel, reopen, delegate."""
    created_at: datetime
    closed_at: datetime | None
    closed_by: str | None


def show_task(task: Task, actor: Actor) -> TaskOut:
    own = [each for each in task.reminders if each.user_id == actor.id]
    other: dict[str, Any] = {
        "links": tuple(LinkOut(entity=link.entity, id=link.id) for link in task.links),
        "checklist": tuple(
            CheckOut(id=i.id, text=i.text, done=i.done, done_by=i.done_by, done_at=i.done_at) for i in task.checklist
        ),
        "files": tuple(
            FileOut(id=f.id, name=f.name, type=f.type, size=f.size, url=f"/api/v1/files/{f.id}?item={f.item_id}")
            for f in task.files
        ),
        "reminders": tuple(
            ReminderOut(id=r.id, at=moment_of(task, r), before_minutes=r.before_minutes) for r in own
        ),
        "allowed": allowed_steps(actor, task),
    }  # fmt: skip
    return same(TaskOut, task, **other)


Weekday = Annotated[int, Meta(ge=0, le=6, description="0 — понедельник")]


class RepeatIn(In, frozen=True, kw_only=True):
    """The rule of a recurring task."""

    unit: Unit
    every: Annotated[int, Meta(ge=1, le=1000)] = 1
    weekdays: Annotated[list[Weekday], Meta(max_length=7)] = []
    day: Annotated[int, Meta(ge=-1, le=31, description="День месяца, −1 — последний")] | None = None
    until: date | None = None
    count: Annotated[int, Meta(ge=1, le=20_000)] | None = None
    day_off: DayOff = DayOff.KEEP

    def rule(self) -> Repeat:
        return Repeat(
            unit=self.unit, every=self.every, weekdays=tuple(self.weekdays), day=self.day, until=self.until,
            count=self.count, day_off=self.day_off,
        )  # fmt: skip


class SeriesOut(Out, frozen=True, kw_only=True):
    id: str
    unit: str
    every: int
    weekdays: tuple[int, ...]
    day: int | None
    until: date | None
    count: int | None
    day_off: str
    next_at: datetime | None
    """When the next task comes; null when the series is over."""


def show_series(series: TaskSeries) -> SeriesOut:
    rule = series.rule
    return SeriesOut(
        id=series.id, unit=rule.unit, every=rule.every, weekdays=rule.weekdays, day=rule.day, until=rule.until,
        count=rule.count, day_off=rule.day_off, next_at=series.next_at,
    )  # fmt: skip
