"""The form of a task, in a dialog: a new one, linked to what it was opened from, or a change of one that is open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.rights import Action
from crm_core.task_commands import RULES, create_task, update_task
from crm_core.tasks import Doing, Link, Priority, Task, may_do, task_for
from crm_core.users import User
from distribution.desk import Desk
from storage import ReadTx, Tx
from web.pages.actions import done, toast
from web.pages.i18n import mark
from web.pages.render import Reader, part, reader
from web.pages.typed import moment_of
from web.problems import Problem

PRIORITY_NAMES = {"normal": mark("Обычный"), "high": mark("Высокий"), "low": mark("Низкий")}
QUICK = {"today": mark("Сегодня"), "tomorrow": mark("Завтра"), "": mark("Без срока")}
"""When a task that was put down in one line is due, with what stands in the list."""
EVENING = time(18)
"""The end of a day on which nobody works."""
MAX_HOURS = 100_000


def _minutes(text: str) -> int | None:
    """Hours, as people type them: «1,5»."""
    if not text:
        return None
    try:
        hours = Decimal(text.replace(",", "."))
    except InvalidOperation:
        hours = Decimal(-1)
    if not 0 <= hours <= MAX_HOURS:
        raise Invalid({"planned_minutes": "Нужно число часов, например 1,5"})
    return int(hours * 60)


def _values(who: Reader, form: MultiMapping[Any]) -> dict[str, Any]:
    """What the form says, by fields of a task."""
    return {
        "title": str(form.get("title", "")),
        "description": str(form.get("description", "")).replace("\r\n", "\n").strip(),
        "responsible_id": str(form.get("responsible_id", "")) or None,
        "co_executors": tuple(dict.fromkeys(map(str, form.getall("co_executors", [])))),
        "observers": tuple(dict.fromkeys(map(str, form.getall("observers", [])))),
        "deadline": moment_of(who, text, "deadline") if (text := str(form.get("deadline", "")).strip()) else None,
        "group": str(form.get("group", "")) or None,
        "priority": Priority(priority) if (priority := form.get("priority")) in tuple(Priority) else Priority.NORMAL,
        "planned_minutes": _minutes(str(form.get("planned", "")).strip()),
        "result_required": "result_required" in form,
        "acceptance": "acceptance" in form,
    }


def _links(form: MultiMapping[Any]) -> tuple[Link, ...]:
    """Hidden fields `link`: `deal:id`."""
    found = (str(text).partition(":") for text in form.getall("link", []))
    return tuple(Link(entity, id) for entity, _colon, id in found)


def _staff(tx: ReadTx, desk: Desk) -> list[User]:
    return sorted(desk.roster(tx).users, key=lambda user: user.name)


async def _form(
    request: web.Request, who: Reader, given: Mapping[str, Any], errors: Mapping[str, str], task: Task | None = None
) -> web.Response:
    users = await who.read(_staff, who.services.desk)
    rules = task is None or may_do(who.actor, task, Doing.RULE)
    return part(
        request, who, "tasks/form.html", given=given, errors=errors, task=task, users=users, rules=rules,
        priority_names=PRIORITY_NAMES,
    )  # fmt: skip


def _shown(form: MultiMapping[Any]) -> dict[str, Any]:
    """The form again, as it was sent."""
    many = ("co_executors", "observers", "link")
    return {name: form.get(name) for name in form} | {name: form.getall(name, []) for name in many}


async def new_part(request: web.Request) -> web.Response:
    """`GET /tasks/new`: an empty form; `?link=deal:ID` says what the task is about."""
    who = await reader(request)
    check(who.actor, "task", Action.CREATE)
    given = {"link": [text for text in request.query.getall("link", []) if "\0" not in text]}
    return await _form(request, who, given, {})


async def add(request: web.Request) -> web.Response:
    """`POST /tasks`: a new one, and on to its page."""
    who, form = await reader(request), await request.post()
    try:
        task = await who.write(
            create_task, who.actor, **_values(who, form), links=_links(form), company=who.services.desk.company
        )
    except Invalid as error:
        return await _form(request, who, _shown(form), error.fields)
    return web.Response(status=204, headers={"HX-Redirect": f"/tasks/{task.id}"})


async def add_quickly(request: web.Request) -> web.Response:
    """`POST /tasks/quick`: one line and a day, for oneself; the line comes back empty for the next one."""
    who, form = await reader(request), await request.post()
    day = str(form.get("day", ""))
    deadline = end_of_work(who, day)
    title = str(form.get("title", ""))
    await who.write(create_task, who.actor, title=title, deadline=deadline, company=who.services.desk.company)
    answer = part(request, who, "tasks/quick.html", quick=QUICK, day=day)
    answer.headers.update(done(**{"tasks:changed": {}, "toast": toast(who, "Задача поставлена")}).headers)
    return answer


def end_of_work(who: Reader, day: str) -> datetime | None:
    """When the reader's work ends today or tomorrow: by his calendar, at 18:00 on a day off; later, before midnight."""
    if day not in ("today", "tomorrow"):
        return None
    local = who.look.now.astimezone(who.look.zone)
    wanted: date = local.date() + timedelta(days=day == "tomorrow")
    company = who.services.desk.company
    calendar = company.calendars.get(who.user.calendar or "") or company.calendar()
    runs = calendar.intervals(wanted)
    end = runs[-1][1] if runs else datetime.combine(wanted, EVENING, who.look.zone).astimezone(UTC)
    last = datetime.combine(wanted, time(23, 59), who.look.zone).astimezone(UTC)
    return end if end > who.look.now else last


async def edit_part(request: web.Request) -> web.Response:
    """`GET /tasks/{id}/edit`."""
    who = await reader(request)
    task = await who.read(task_for, who.actor, request.match_info["id"], Doing.EDIT)
    deadline = f"{task.deadline.astimezone(who.look.zone):%Y-%m-%dT%H:%M}" if task.deadline else ""
    planned = f"{Decimal(task.planned_minutes) / 60:.2f}".rstrip("0").rstrip(".") if task.planned_minutes else ""
    given = {name: getattr(task, name) for name in task.__struct_fields__}
    given |= {"deadline": deadline, "planned": planned.replace(".", ","), "priority": task.priority.value, "link": []}
    return await _form(request, who, given, {}, task)


def _edit(tx: Tx, actor: Actor, company: Company, task_id: str, version: int, values: dict[str, Any]) -> Task:
    """What the form left as it was is no change; who may not lay down the rules does not touch them."""
    task = task_for(tx, actor, task_id, Doing.EDIT)
    kept = set() if may_do(actor, task, Doing.RULE) else set(RULES)
    kept |= {"responsible_id"} if values["responsible_id"] is None else set()
    changes = {name: value for name, value in values.items() if name not in kept and value != getattr(task, name)}
    return update_task(tx, actor, task_id, changes, version, company)


async def change(request: web.Request) -> web.Response:
    """`POST /tasks/{id}`: the whole form, and `version`, which the reader saw."""
    who, task_id, form = await reader(request), request.match_info["id"], await request.post()
    version = str(form.get("version", ""))
    if not version.isdecimal() or len(version) > 15:
        raise Problem(422, "Откройте задачу заново", fields={"version": "Нужен номер версии"})
    try:
        values = _values(who, form)
        task = await who.write(_edit, who.actor, who.services.desk.company, task_id, int(version), values)
    except Invalid as error:
        task = await who.read(task_for, who.actor, task_id, Doing.EDIT)
        return await _form(request, who, _shown(form), error.fields, task)
    note = toast(who, "Задача изменена")
    return done(**{"task:changed": {"task": task.id, "lead": task.lead_id}, "close-dialog": {}, "toast": note})
