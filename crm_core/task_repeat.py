"""Recurring tasks: a rule of dates, and a series that makes the next task when its date comes.

**The rule** is plain date arithmetic over the company's local dates, laid out by `dateutil.rrule`. A month or year
without the wanted day takes its last one (the 31st in April is the 30th). `count` counts the dates of the rule, the
first one included, whether or not a day off then swallowed one.

**The series** keeps the content that each next task begins with; the latest task that somebody asks to repeat sets it.
Its timer comes at the local time of day at which the first task was made; the deadline keeps its distance in days. A
hub that stood still for weeks makes the one task that is due and goes on from today, instead of a heap of old ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import dropwhile, islice
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule
from msgspec import Struct
from msgspec.structs import replace

from crm_core import timers
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid
from crm_core.notifications import notify
from crm_core.task_reminders import carried, plan
from crm_core.tasks import Doing, Reminder, Task, TaskState, announce, insert, save, task_for
from crm_core.users import USERS
from storage import Collection, Entity, Index, Tx
from workhours import Calendar, DateOutOfRange

REPEAT = "task_repeat"
"""Kind of the timer that makes the next task of a series; its key is the series' id."""
FAR = 20_000
"""So many dates of a rule are looked through for the next one."""
LAST_YEAR = 2190
MAX_SKIPPED = 366
"""So many days off in a row mean that no working day comes."""


class Unit(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class DayOff(StrEnum):
    KEEP = "keep"
    SKIP = "skip"
    MOVE = "move"
    """To the next working day."""


class Repeat(Struct, frozen=True, kw_only=True):
    """Every `every` days, weeks, months or years."""

    unit: Unit
    every: int = 1
    weekdays: tuple[int, ...] = ()
    """Of weeks: 0 is Monday, 6 is Sunday; none: that of the first date."""
    day: int | None = None
    """Of months and years: 1–31, or -1 for the last; None: that of the first date."""
    until: date | None = None
    """The last date on which a task may come."""
    count: int | None = None
    day_off: DayOff = DayOff.KEEP


def check_rule(rule: Repeat) -> None:
    """`Invalid` naming what makes no sense."""
    wrong = {}
    if not 1 <= rule.every <= 1000:
        wrong["every"] = "От 1 до 1000"
    if rule.weekdays and rule.unit is not Unit.WEEK:
        wrong["weekdays"] = "Дни недели указывают только при повторе по неделям"
    elif any(not 0 <= day <= 6 for day in rule.weekdays):
        wrong["weekdays"] = "Дни недели: от 0 — понедельник до 6 — воскресенье"
    if rule.day is not None and rule.unit not in (Unit.MONTH, Unit.YEAR):
        wrong["day"] = "День месяца указывают только при повторе по месяцам и годам"
    elif rule.day is not None and rule.day != -1 and not 1 <= rule.day <= 31:
        wrong["day"] = "День месяца: от 1 до 31, или −1 — последний"
    if rule.count is not None and not 1 <= rule.count <= FAR:
        wrong["count"] = f"От 1 до {FAR}"
    if wrong:
        raise Invalid(wrong)


_FREQUENCY = {Unit.DAY: DAILY, Unit.WEEK: WEEKLY, Unit.MONTH: MONTHLY, Unit.YEAR: YEARLY}


def dates(rule: Repeat, first: date) -> Iterator[date]:
    """The rule's dates from `first` on, days off not looked at; `first` itself only when the rule names it."""
    until = min(rule.until or date(LAST_YEAR, 12, 31), date(LAST_YEAR, 12, 31))
    parts: dict[str, Any] = {"interval": rule.every, "until": datetime(until.year, until.month, until.day)}  # noqa: DTZ001
    if rule.unit is Unit.WEEK:
        parts["byweekday"] = sorted(set(rule.weekdays)) or [first.weekday()]
    if rule.unit in (Unit.MONTH, Unit.YEAR):
        day = rule.day or first.day
        parts |= {"bymonthday": -1} if day == -1 else {"bymonthday": range(min(day, 28), day + 1), "bysetpos": -1}
    if rule.unit is Unit.YEAR:
        parts["bymonth"] = first.month
    start = datetime(first.year, first.month, first.day)  # noqa: DTZ001 — dates only, no moments
    found = (each.date() for each in rrule(_FREQUENCY[rule.unit], dtstart=start, **parts))
    return islice(found, rule.count or FAR)


def next_date(rule: Repeat, first: date, after: date, calendar: Calendar | None = None) -> date | None:
    """The earliest date later than `after` on which a task comes; None at the end of the series. With a calendar days
    off are skipped or moved as the rule says; a date that moved beyond `until` still comes."""
    for each in dates(rule, first):
        day = _worked(rule, each, calendar)
        if day is not None and day > after:
            return day
    return None


def _worked(rule: Repeat, day: date, calendar: Calendar | None) -> date | None:
    if calendar is None or rule.day_off is DayOff.KEEP or calendar.is_working_day(day):
        return day
    if rule.day_off is DayOff.SKIP:
        return None
    later = (day + timedelta(days=n) for n in range(1, MAX_SKIPPED))
    return next(dropwhile(lambda each: not calendar.is_working_day(each), later), None)


class TaskSeries(Entity, frozen=True, kw_only=True):
    """A recurring task."""

    rule: Repeat
    first: date
    """Local date from which the rule counts."""
    latest: date
    """Local date of the newest task."""
    minute: int
    """Of the local day, at which tasks are made."""
    deadline_days: int | None
    """Local days from the making to the deadline; None: no deadline."""
    deadline_minute: int = 0
    """Of the local day of the deadline."""
    task: Task
    """What the next one begins with."""
    next_at: datetime | None
    """None: the series is over."""


TASK_SERIES = Collection("task_series", TaskSeries, [Index("next_at")])


def repeat_task(tx: Tx, actor: Actor, task_id: str, rule: Repeat, *, company: Company) -> Task:
    """From now on, tasks like this one come by this rule, counted from the day on which it was made. A new rule takes
    the place of the former one. `Invalid` when the rule makes no sense or has no date to come."""
    task = task_for(tx, actor, task_id, Doing.EDIT)
    check_rule(rule)
    if task.kind != "task":
        raise Conflict("Обратный звонок не повторяют")
    zone = ZoneInfo(company.timezone)
    made = task.created_at.astimezone(zone)
    first = made.date()
    series = TaskSeries(
        id=task.series_id or tx.new_id("ser_"),
        rule=rule,
        first=first,
        latest=first,
        minute=made.hour * 60 + made.minute,
        task=_template(task, task.series_id or ""),
        next_at=None,
        **_deadline(task, zone),
    )
    series = _follow(tx, company, series)
    if series.next_at is None:
        raise Invalid({"until": "По такому правилу не придёт ни одной задачи: измените окончание или дни"})
    former = tx.get(TASK_SERIES, series.id)
    if former is None:
        tx.insert(TASK_SERIES, series)
    else:
        tx.replace(TASK_SERIES, replace(series, version=former.version))
    timers.schedule(tx, REPEAT, series.id, series.next_at)
    changed = save(tx, task, series_id=series.id)
    record(tx, actor, "task", task.id, "repeat_set", {"next_at": (former and former.next_at, series.next_at)})
    announce(tx, changed, "updated")
    return changed


def stop_repeat(tx: Tx, actor: Actor, task_id: str) -> Task:
    """No more tasks of this series come; those there are stay."""
    task = task_for(tx, actor, task_id, Doing.EDIT)
    series = tx.get(TASK_SERIES, task.series_id) if task.series_id else None
    if series is None or series.next_at is None:
        raise Conflict("Эта задача не повторяется")
    timers.cancel(tx, REPEAT, series.id)
    tx.update(TASK_SERIES, series, next_at=None)
    record(tx, actor, "task", task.id, "repeat_stopped", {"next_at": (series.next_at, None)})
    announce(tx, task, "updated")
    return task


def on_repeat(tx: Tx, company: Company, timer: timers.Timer) -> None:
    """Timer handler: make the task whose day has come, and set the timer of the next."""
    series = tx.get(TASK_SERIES, timer.key)
    if series is None or series.next_at is None or series.next_at > tx.now:
        return
    today = tx.now.astimezone(ZoneInfo(company.timezone)).date()
    task = _make(tx, company, series, today)
    series = tx.update(TASK_SERIES, series, latest=today)
    following = _follow(tx, company, series)
    tx.update(TASK_SERIES, series, next_at=following.next_at)
    if following.next_at is not None:
        timers.schedule(tx, REPEAT, series.id, following.next_at)
    insert(tx, task)
    plan(tx, company, task)
    if task.responsible_id:
        text = f"Вам поручена задача: {task.title}"
        notify(tx, task.responsible_id, "task_assigned", text, lead_id=task.lead_id, task_id=task.id)
    announce(tx, task, "created")


def _follow(tx: Tx, company: Company, series: TaskSeries) -> TaskSeries:
    """The series with the moment of its next task."""
    zone = ZoneInfo(company.timezone)
    latest = max(series.latest, tx.now.astimezone(zone).date())
    try:
        day = next_date(series.rule, series.first, latest, company.calendar())
    except DateOutOfRange:
        day = None
    return replace(series, next_at=_at(day, series.minute, zone) if day else None)


def _at(day: date, minute: int, zone: ZoneInfo) -> datetime:
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
    return local.astimezone(UTC)


def _deadline(task: Task, zone: ZoneInfo) -> dict[str, Any]:
    if task.deadline is None:
        return {"deadline_days": None}
    local, made = task.deadline.astimezone(zone), task.created_at.astimezone(zone)
    return {"deadline_days": (local.date() - made.date()).days, "deadline_minute": local.hour * 60 + local.minute}


def _template(task: Task, series_id: str) -> Task:
    """What repeats of a task: nothing of how the work went."""
    return replace(
        task, state=TaskState.OPEN, open=True, overdue=False, spent_minutes=0, files=(), result=None, version=1,
        checklist=tuple(replace(item, done=False, done_by=None, done_at=None) for item in task.checklist),
        series_id=series_id or None, closed_at=None, closed_by=None,
    )  # fmt: skip


def _make(tx: Tx, company: Company, series: TaskSeries, today: date) -> Task:
    zone = ZoneInfo(company.timezone)
    group = company.task_groups.get(series.task.group or "")
    first = group.first if group else None
    deadline = None
    if series.deadline_days is not None:
        deadline = _at(today + timedelta(days=series.deadline_days), series.deadline_minute, zone)
    former = tx.get(USERS, series.task.responsible_id) if series.task.responsible_id else None
    return replace(
        series.task,
        id=tx.new_id("tsk_"),
        responsible_id=former.id if former and former.active else series.task.creator_id,
        number=tx.next_number("task"),
        stage=first.key if first else None,
        state=TaskState(first.kind) if first else TaskState.OPEN,
        deadline=deadline,
        reminders=tuple(_reminders(tx, series.task)),
        series_id=series.id,
        created_at=tx.now,
    )


def _reminders(tx: Tx, task: Task) -> Iterator[Reminder]:
    """Those that count from the deadline come with each task again."""
    for reminder in task.reminders:
        if reminder.before_minutes is not None:
            yield carried(reminder, tx.new_id("rem_"))
