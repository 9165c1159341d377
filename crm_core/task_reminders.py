"""Before and at the deadline: reminders that people set, one by itself, and what happens when it passes.

A reminder by itself comes to who does the work, `REMIND_BEFORE` of working time ahead of the deadline by the calendar
of the responsible, else of the company; it is left out when the deadline is nearer than that. One's own reminders are
moments or minutes ahead of the deadline. Handlers look again: a task that was closed, moved or handed on keeps silent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from crm_core import timers
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.notifications import notify
from crm_core.tasks import DUE, TASKS, Reminder, Task, TaskState, announce, get_task, save
from crm_core.users import USERS
from storage import ReadTx, Tx
from workhours import Calendar, DateOutOfRange, NeverOpens

SOON = "task_soon"
"""Kind of the timer that reminds by itself."""
REMIND = "task_remind"
"""Kind of the timers of people's own reminders; the key is `task:reminder`."""
REMIND_BEFORE = timedelta(hours=1)
MAX_REMINDERS = 50
MAX_MINUTES = 366 * 24 * 60


def plan(tx: Tx, company: Company | None, task: Task) -> None:
    """Set every timer of an open task anew, after its deadline, responsible or state changed. Without the company
    nothing reminds by itself."""
    forget(tx, task)
    if not task.open:
        return
    if task.deadline is not None and not task.overdue and task.state is not TaskState.ACCEPTANCE:
        timers.schedule(tx, DUE, task.id, task.deadline)
        soon = _soon(tx, company, task) if company else None
        if soon is not None and soon > tx.now:
            timers.schedule(tx, SOON, task.id, soon)
    for reminder in task.reminders:
        at = moment_of(task, reminder)
        if at is not None and at > tx.now:
            timers.schedule(tx, REMIND, f"{task.id}:{reminder.id}", at)


def forget(tx: Tx, task: Task) -> None:
    """No timer of this task fires any more."""
    timers.cancel(tx, DUE, task.id)
    timers.cancel(tx, SOON, task.id)
    for reminder in task.reminders:
        timers.cancel(tx, REMIND, f"{task.id}:{reminder.id}")


def moment_of(task: Task, reminder: Reminder) -> datetime | None:
    """When it comes, as of now; None while the deadline that it counts from is missing."""
    if reminder.at is not None:
        return reminder.at
    if task.deadline is None or reminder.before_minutes is None:
        return None
    return task.deadline - timedelta(minutes=reminder.before_minutes)


def _soon(tx: ReadTx, company: Company, task: Task) -> datetime | None:
    """Working time ahead of the deadline; by plain time when there is no such working time."""
    if task.deadline is None:
        return None
    try:
        return _calendar(tx, company, task).add(task.deadline, -REMIND_BEFORE)
    except (NeverOpens, DateOutOfRange):
        return task.deadline - REMIND_BEFORE


def _calendar(tx: ReadTx, company: Company, task: Task) -> Calendar:
    responsible = tx.get(USERS, task.responsible_id) if task.responsible_id else None
    own = company.calendars.get(responsible.calendar or "") if responsible else None
    return own or company.calendar()


def add_reminder(
    tx: Tx, actor: Actor, task_id: str, *, at: datetime | None = None, before_minutes: int | None = None
) -> Task:
    """Remind me, at a moment or so many minutes before the deadline. `Invalid` when neither or both are given or the
    moment is past, `Conflict` when the task is closed or has no deadline to count from."""
    task = get_task(tx, actor, task_id)
    if actor.id is None:
        raise Forbidden("Напоминание ставит себе сотрудник, а не токен")
    if (at is None) == (before_minutes is None):
        raise Invalid({"at": "Укажите либо время, либо за сколько минут до срока"})
    if before_minutes is not None and not 0 <= before_minutes <= MAX_MINUTES:
        raise Invalid({"before_minutes": f"От 0 до {MAX_MINUTES} минут"})
    if not task.open:
        raise Conflict("Задача уже закрыта")
    if before_minutes is not None and task.deadline is None:
        raise Invalid({"before_minutes": "У задачи нет срока: укажите время напоминания в at"})
    if len(task.reminders) >= MAX_REMINDERS:
        raise Conflict(f"У задачи уже {MAX_REMINDERS} напоминаний: удалите лишние")
    reminder = Reminder(id=tx.new_id("rem_"), user_id=actor.id, at=at, before_minutes=before_minutes)
    due = moment_of(task, reminder)
    if due is None or due <= tx.now:
        raise Invalid({"at" if at else "before_minutes": "Это время уже прошло"})
    timers.schedule(tx, REMIND, f"{task.id}:{reminder.id}", due)
    return save(tx, task, reminders=(*task.reminders, reminder))


def remove_reminder(tx: Tx, actor: Actor, task_id: str, reminder_id: str) -> Task:
    """Forget one's own reminder. `Missing` for somebody else's."""
    task = get_task(tx, actor, task_id)
    found = next((each for each in task.reminders if each.id == reminder_id and each.user_id == actor.id), None)
    if found is None:
        raise Missing("Такого напоминания нет")
    timers.cancel(tx, REMIND, f"{task.id}:{found.id}")
    return save(tx, task, reminders=tuple(each for each in task.reminders if each is not found))


def on_due(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: an open task is now overdue; its responsible and its creator are told."""
    task = tx.get(TASKS, timer.key)
    if task is None or not task.open or task.overdue or task.state is TaskState.ACCEPTANCE:
        return
    overdue = save(tx, task, overdue=True)
    for user_id in dict.fromkeys((task.responsible_id, task.creator_id)):
        if user_id:
            _remind(tx, task, user_id, "task_overdue", f"Просрочено: {task.title}")
    announce(tx, overdue, "overdue")


def on_soon(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: the deadline is near, whoever does the work is told."""
    task = tx.get(TASKS, timer.key)
    if task is None or not task.open or task.overdue or task.state is TaskState.ACCEPTANCE:
        return
    for user_id in dict.fromkeys((task.responsible_id, *task.co_executors)):
        if user_id:
            _remind(tx, task, user_id, "task_soon", f"Скоро срок: {task.title}")


def on_remind(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: somebody's own reminder; it is used up."""
    task_id, _, reminder_id = timer.key.partition(":")
    task = tx.get(TASKS, task_id)
    reminder = next((each for each in task.reminders if each.id == reminder_id), None) if task else None
    if task is None or reminder is None or not task.open:
        return
    _remind(tx, task, reminder.user_id, "task_reminder", f"Напоминание: {task.title}")
    save(tx, task, reminders=tuple(each for each in task.reminders if each is not reminder))


def _remind(tx: Tx, task: Task, user_id: str, kind: str, text: str) -> None:
    notify(tx, user_id, kind, text, lead_id=task.lead_id, task_id=task.id)


def carried(reminder: Reminder, id: str) -> Reminder:
    """The same reminder for the next task of a series."""
    return replace(reminder, id=id)
