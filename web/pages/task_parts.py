"""What stands beside a task on its page: reminders, the rule by which it comes again, and the time that it took."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from crm_core.errors import Invalid
from crm_core.task_commands import log_time
from crm_core.task_reminders import add_reminder, remove_reminder
from crm_core.task_repeat import DayOff, Repeat, Unit, repeat_task, stop_repeat
from web.pages.actions import done, form_of, toast
from web.pages.i18n import mark
from web.pages.render import Reader, reader
from web.pages.typed import day_of, moment_of

BEFORES = {15: mark("за 15 минут"), 60: mark("за час"), 1440: mark("за день")}
"""Minutes ahead of the deadline."""
UNITS = {"day": mark("дн."), "week": mark("нед."), "month": mark("мес."), "year": mark("г.")}
DAYS_OFF = {
    "keep": mark("в тот же день"), "move": mark("на следующий рабочий"), "skip": mark("пропустить"),
}  # fmt: skip
MAX_EVERY = 1000
E = TypeVar("E", bound=StrEnum)


def _changed(who: Reader, task_id: str, text: str) -> web.Response:
    return done(**{"task:changed": {"task": task_id}, "toast": toast(who, text)})


async def remind(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/reminders`: `before` minutes ahead of the deadline, or at a moment."""
    who, task_id, form = await reader(request), request.match_info["id"], await form_of(request)
    before = form.get("before", "")
    if before and before not in map(str, BEFORES):
        raise Invalid({"before": "Выберите, за сколько напомнить"})
    at = None if before else moment_of(who, form.get("at", ""), "at")
    minutes = int(before) if before else None
    await who.write(add_reminder, who.actor, task_id, at=at, before_minutes=minutes)
    return _changed(who, task_id, mark("Напомним"))


async def forget(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/reminders/{reminder}/remove`: one's own."""
    who, task_id = await reader(request), request.match_info["id"]
    await who.write(remove_reminder, who.actor, task_id, request.match_info["reminder"])
    return _changed(who, task_id, mark("Напоминание убрано"))


async def repeat(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/repeat`: a rule in place of the former one."""
    who, task_id, form = await reader(request), request.match_info["id"], await form_of(request)
    rule = Repeat(
        unit=_one_of(form.get("unit", ""), Unit, "unit"),
        every=_every(form.get("every", "1")),
        until=day_of(text, "until") if (text := form.get("until", "")) else None,
        day_off=_one_of(form.get("day_off", ""), DayOff, "day_off"),
    )
    await who.write(repeat_task, who.actor, task_id, rule, company=who.services.desk.company)
    return _changed(who, task_id, mark("Задача будет повторяться"))


def _one_of(text: str, kind: type[E], field: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise Invalid({field: "Выберите из списка"}) from None


def _every(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= MAX_EVERY:
        raise Invalid({"every": f"Целое число от 1 до {MAX_EVERY}"})
    return int(text)


async def stop(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/repeat/stop`."""
    who, task_id = await reader(request), request.match_info["id"]
    await who.write(stop_repeat, who.actor, task_id)
    return _changed(who, task_id, mark("Задача больше не повторяется"))


async def spend(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/time`: hours that it took, «1,5»; negative ones take back."""
    who, task_id, form = await reader(request), request.match_info["id"], await form_of(request)
    try:
        hours = Decimal(form.get("hours", "").strip().replace(",", "."))
    except InvalidOperation:
        hours = Decimal("NaN")
    if not hours.is_finite() or not hours or abs(hours) > MAX_EVERY:
        raise Invalid({"hours": "Нужно число часов, например 1,5"})
    await who.write(log_time, who.actor, task_id, int(hours * 60))
    return _changed(who, task_id, mark("Время записано"))
