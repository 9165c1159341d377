"""Robots: which there are and whether they work, what they did, and what one would do with a record."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from aiohttp import web

from crm_core import automation_commands as commands
from crm_core.access import may
from crm_core.actor import Actor
from crm_core.automation import RUNS, Automation, Event, RobotRun, Trigger
from crm_core.company import Company
from crm_core.deal_fields import BUILT_IN
from crm_core.deals import DEALS
from crm_core.errors import CoreError
from crm_core.leads import LEADS
from crm_core.rights import Action
from crm_core.robot_actions import ACTION_TITLES
from crm_core.robot_moments import offset_of
from distribution.desk import Desk
from storage import ReadTx, Tx
from web.api.automations import trial_lines
from web.pages.actions import form_of
from web.pages.format import span
from web.pages.i18n import _, mark
from web.pages.look import seen_by
from web.pages.render import Reader, page, reader

SHOWN = 50
MAX_NUMBER = 12
"""Digits of a number of a deal or lead."""
EVENTS = {
    Event.CREATED: mark("Появление"),
    Event.STAGE: mark("Вход в стадию"),
    Event.FIELD: mark("Изменение поля"),
    Event.INBOUND: mark("Обращение клиента"),
    Event.TIME: mark("Момент в поле"),
    Event.STUCK: mark("Нет движения"),
    Event.START: mark("Запуск другим роботом"),
}
OUTCOMES = {
    "done": (mark("Сделано"), "green"),
    "skipped": (mark("Пропущено"), "gray"),
    "failed": (mark("Не вышло"), "red"),
    "stopped": (mark("Остановлен"), "amber"),
}
ACTIONS = {name: mark(title) for name, title in ACTION_TITLES.items()}


@dataclass(frozen=True, slots=True)
class Shown:
    """A robot as the list tells it."""

    robot: Automation
    when: str
    what: list[str]
    own: bool
    """Not of the preset, or changed."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A line of the log."""

    run: RobotRun
    href: str
    record: str


async def robots_page(request: web.Request) -> web.Response:
    """`GET /admin/robots`; `?robot=` one of them, `&number=` of a record to try it on, `&outcome=`, `&after=`."""
    who = await reader(request)
    return await _page(request, who)


async def _page(request: web.Request, who: Reader) -> web.Response:
    desk, query = who.services.desk, request.query
    chosen, outcome = query.get("robot") or None, query.get("outcome") or None
    outcome = outcome if outcome in OUTCOMES else None
    found = await who.read(commands.list_automations, who.actor, desk.company)
    robot = await who.read(commands.get_automation, who.actor, desk.company, chosen) if chosen else None
    rows, following = await who.read(_log, who.actor, chosen, outcome, query.get("after") or None)
    number = query.get("number", "").strip().lstrip("№ ")
    with seen_by(who.look):
        shown = [_shown(desk.company, each) for each in found]
        lines = await _try(who, desk, robot, number) if robot and number else []
    return await page(
        request, who, "settings/robots.html", "robots", robots=shown, chosen=robot, rows=rows, following=following,
        outcome=outcome, outcomes=OUTCOMES, events=EVENTS, number=number, lines=lines,
        manages=may(who.actor, "automation", Action.MANAGE),
    )  # fmt: skip


def _shown(company: Company, robot: Automation) -> Shown:
    what = [_(ACTIONS.get(step.action, step.action)) for step in robot.steps]
    return Shown(robot, _when(company, robot.trigger), what, company.automations.get(robot.id) is not robot)


def _when(company: Company, trigger: Trigger) -> str:
    """«Сделка · Оборудование · Вход в стадию «Поставка»»."""
    parts = [_("Лид") if trigger.entity == "lead" else _("Сделка")]
    way = company.pipelines.get(trigger.pipeline or "")
    if way is not None:
        parts.append(way.title)
    parts.append(_(EVENTS[trigger.event]))
    if trigger.stage:
        lead_stages = {stage.key: stage.title for stage in company.stages}
        title = way.title_of(trigger.stage) if way else lead_stages.get(trigger.stage, trigger.stage)
        parts.append(f"«{title}»")
    if trigger.field:
        rules = company.deal_fields if trigger.entity == "deal" else company.fields
        titles = BUILT_IN | {"next_step_at": _("Следующий шаг"), "next_step": _("Следующий шаг")}
        titles |= {rule.key: rule.title for rule in rules}
        parts.append(titles.get(trigger.field, trigger.field))
    if trigger.offset != "0":
        length = span(abs(offset_of(trigger.offset)))
        words = _("%(span)s рабочего времени") % {"span": length} if trigger.working else length
        if trigger.event is Event.TIME:
            said = _("за %(span)s") if trigger.offset.startswith("-") else _("спустя %(span)s")
            words = said % {"span": words}
        parts.append(words)
    return " · ".join(parts)


def _log(
    tx: ReadTx, actor: Actor, robot: str | None, outcome: str | None, after: str | None
) -> tuple[list[Trace], str | None]:
    """A page of the log, newest first, and the cursor of the next one."""
    found = commands.runs_of(tx, actor, robot, outcome, SHOWN + 1, after)
    following = tx.cursor_after(RUNS, found[SHOWN - 1], "-at") if len(found) > SHOWN else None
    return [_trace(tx, run) for run in found[:SHOWN]], following


def _trace(tx: ReadTx, run: RobotRun) -> Trace:
    record = tx.get(DEALS, run.entity_id) if run.entity == "deal" else tx.get(LEADS, run.entity_id)
    return Trace(run, f"/{run.entity}s/{run.entity_id}", f"№ {record.number}" if record else "—")


async def _try(who: Reader, desk: Desk, robot: Automation, number: str) -> list[str]:
    """What the robot would do with the record of this number; a refusal in its words."""
    record_id = await who.read(_numbered, robot.trigger.entity, number)
    if record_id is None:
        return [_("Записи с таким номером нет")]
    try:
        return await who.read(trial_lines, who.actor, desk, robot.id, record_id)
    except CoreError as error:
        return [str(error)]


def _numbered(tx: ReadTx, entity: str, number: str) -> str | None:
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_NUMBER):
        return None
    where = {"number": int(number)}
    found = tx.first(DEALS, where) if entity == "deal" else tx.first(LEADS, where)
    return found.id if found else None


async def switch(request: web.Request) -> web.Response:
    """`POST /admin/robots/{id}`: `active` is `yes` or `no`."""
    who, robot_id, form = await reader(request), request.match_info["id"], await form_of(request)
    await who.write(_switch, who.actor, who.services.desk.company, robot_id, form.get("active") == "yes")
    raise web.HTTPSeeOther("/admin/robots")


def _switch(tx: Tx, actor: Actor, company: Company, robot_id: str, active: bool) -> Automation:
    robot = commands.get_automation(tx, actor, company, robot_id)
    return commands.save_automation(tx, actor, company, msgspec.structs.replace(robot, active=active))
