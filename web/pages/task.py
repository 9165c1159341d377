"""One task on a page of its own: what it is about, its checklist, what was said, the steps that its reader may take.

Its view is loaded anew when the live stream tells of a change; the comment that is being written stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.contacts import readable_person
from crm_core.errors import Forbidden, Missing
from crm_core.leads import Lead, get_lead
from crm_core.people import Person
from crm_core.task_checklist import add_check, change_check
from crm_core.task_commands import comment_task, delegate_task
from crm_core.task_groups import TaskGroup
from crm_core.task_reminders import moment_of
from crm_core.task_repeat import TASK_SERIES, TaskSeries
from crm_core.task_steps import (
    accept_task,
    allowed_steps,
    cancel_task,
    defer_task,
    move_task,
    reopen_task,
    return_task,
    start_task,
)
from crm_core.tasks import Doing, Task, get_task, may_do
from crm_core.timeline import TIMELINE, TimelineItem
from crm_core.users import User
from distribution.desk import Desk
from storage import ReadTx
from web.api.tasks import kept
from web.pages.actions import done, form_of, toast
from web.pages.i18n import mark
from web.pages.records import KINDS, Linked, address, linked
from web.pages.render import Reader, page, part, reader, wants_part
from web.pages.task_parts import BEFORES, DAYS_OFF, UNITS
from web.pages.uploads import read_form

COMMENTS = 200
"""The newest that the page shows."""
STATES = {
    "open": mark("Новая"),
    "in_work": mark("В работе"),
    "waiting": mark("Отложена"),
    "acceptance": mark("Ждёт приёмки"),
    "done": mark("Выполнена"),
    "cancelled": mark("Отменена"),
}
TONES = {"in_work": "blue", "acceptance": "amber", "done": "green"}
PRIORITIES = {"high": mark("Высокий приоритет"), "low": mark("Низкий приоритет")}
PLAIN_STEPS = {
    "start": (start_task, mark("Начать")),
    "defer": (defer_task, mark("Отложить")),
    "accept": (accept_task, mark("Принять")),
    "reopen": (reopen_task, mark("Открыть снова")),
}
"""Steps that need no words, with what stands on their buttons."""
TOLD_STEPS = {"return": return_task, "cancel": cancel_task}


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What the page shows."""

    task: Task
    allowed: tuple[str, ...]
    works: bool
    """The reader may tick and write results."""
    group: TaskGroup | None
    lead: Lead | None
    person: Person | None
    comments: list[TimelineItem]
    names: Mapping[str, str]
    users: list[User]
    """Whom it can be given to."""
    links: list[Linked]
    """What it is about, as far as the reader may open that; its lead and its customer stand above."""
    edits: bool
    series: TaskSeries | None
    """The rule by which it comes again."""


def task_card(tx: ReadTx, actor: Actor, desk: Desk, task_id: str) -> TaskCard:
    """`Missing` or `Forbidden` as the core says."""
    task = get_task(tx, actor, task_id)
    roster = desk.roster(tx).users
    newest = tx.find(TIMELINE, {"task_id": task.id}, sort="-at", limit=COMMENTS)
    return TaskCard(
        task=task,
        allowed=allowed_steps(actor, task),
        works=task.open and may_do(actor, task, Doing.WORK),
        group=desk.company.task_groups.get(task.group or ""),
        lead=_lead(tx, actor, task.lead_id),
        person=readable_person(tx, actor, task.person_id),
        comments=newest[::-1],
        names={user.id: user.name for user in roster},
        users=sorted(roster, key=lambda user: user.name),
        links=[each for each in linked(tx, actor, task) if each.id not in (task.lead_id, task.person_id)],
        edits=task.open and may_do(actor, task, Doing.EDIT),
        series=tx.get(TASK_SERIES, task.series_id) if task.series_id else None,
    )


def _lead(tx: ReadTx, actor: Actor, lead_id: str | None) -> Lead | None:
    if lead_id is None:
        return None
    try:
        return get_lead(tx, actor, lead_id)
    except (Forbidden, Missing):
        return None


async def task_page(request: web.Request) -> web.Response:
    """`GET /tasks/{id}`."""
    who = await reader(request)
    return await show(request, who, request.match_info["id"])


async def show(request: web.Request, who: Reader, task_id: str) -> web.Response:
    """The card, as a page or as the part that a script asked for."""
    card = await who.read(task_card, who.actor, who.services.desk, task_id)
    context: dict[str, Any] = {
        "card": card,
        "states": STATES,
        "tones": TONES,
        "priorities": PRIORITIES,
        "steps": PLAIN_STEPS,
        "words": KINDS,
        "address": lambda kind, id: address(request, kind, id),
        "moment_of": moment_of,
        "befores": BEFORES,
        "units": UNITS,
        "days_off": DAYS_OFF,
    }
    if wants_part(request):
        return part(request, who, "tasks/card.html", **context)
    return await page(request, who, "tasks/page.html", "tasks", **context)


def _company(who: Reader) -> Company:
    return who.services.desk.company


def _changed(who: Reader, task: Task, text: str) -> web.Response:
    news = {"task:changed": {"task": task.id, "lead": task.lead_id}, "toast": toast(who, text)}
    return done(**{"close-dialog": {}}, **news)


async def take_step(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/{step}`, with words where the step wants some."""
    who, task_id, step = await reader(request), request.match_info["id"], request.match_info["step"]
    if step in PLAIN_STEPS:
        task = await who.write(PLAIN_STEPS[step][0], who.actor, task_id, company=_company(who))
    else:
        reason = (await form_of(request)).get("reason", "")
        task = await who.write(TOLD_STEPS[step], who.actor, task_id, reason, company=_company(who))
    return _changed(who, task, mark("Задача обновлена"))


async def change_stage(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/stage`, with a `reason` when it takes the task back from acceptance."""
    who, task_id, form = await reader(request), request.match_info["id"], await form_of(request)
    stage, reason = form.get("stage", ""), form.get("reason", "")
    task = await who.write(move_task, who.actor, task_id, stage, reason, company=_company(who))
    return _changed(who, task, mark("Задача обновлена"))


async def delegate(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/delegate`."""
    who, task_id = await reader(request), request.match_info["id"]
    user_id = (await form_of(request)).get("user_id", "")
    task = await who.write(delegate_task, who.actor, task_id, user_id, _company(who))
    return _changed(who, task, mark("Задача передана"))


async def add_point(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/checklist`: one more point; the card comes back with it."""
    who, task_id = await reader(request), request.match_info["id"]
    await who.write(add_check, who.actor, task_id, (await form_of(request)).get("text", ""))
    return await show(request, who, task_id)


async def tick_point(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/checklist/{item}`: ticked when the box is."""
    who, task_id, item = await reader(request), request.match_info["id"], request.match_info["item"]
    ticked = "done" in await form_of(request)
    await who.write(change_check, who.actor, task_id, item, done=ticked)
    return await show(request, who, task_id)


async def add_comment(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/comments`, with files; the card comes back with it and an empty form."""
    who, task_id = await reader(request), request.match_info["id"]
    form, files = await read_form(request)
    mentions = (form["mention"],) if form.get("mention") else ()
    await who.write(
        comment_task, who.actor, task_id, form.get("text", ""), mentions=mentions, result="result" in form,
        files=kept(files),
    )  # fmt: skip
    return await show(request, who, task_id)
