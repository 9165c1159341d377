"""`/automations`: robots, what they did, and what they would do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from crm_core import automation_commands as commands
from crm_core.actor import SYSTEM, Actor
from crm_core.automation import RUNS, Automation, Condition, Event, RobotRun, Step, Trigger
from crm_core.company import Company
from crm_core.deals import DEALS
from crm_core.leads import LEADS
from distribution.desk import Desk
from router.robot_messages import previews
from storage import ReadTx, Tx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.deals import show_deal
from web.api.input import Id, Line, ListQuery
from web.api.shapes import show_lead

Words = Annotated[str, Meta(max_length=5000)]


class AutomationOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    title: str
    trigger: Trigger
    conditions: tuple[Condition, ...]
    steps: tuple[Step, ...]
    active: bool
    of_preset: bool
    changed: bool
    """Whether it differs from the preset's, or is an own one."""
    updated_at: datetime | None
    updated_by: str | None


def show(company: Company, automation: Automation) -> AutomationOut:
    names = [name for name in AutomationOut.__struct_fields__ if name not in ("of_preset", "changed")]
    of_preset = automation.id in company.automations
    changed = automation is not company.automations.get(automation.id)
    return AutomationOut(**{name: getattr(automation, name) for name in names}, of_preset=of_preset, changed=changed)


class Automations(Out, frozen=True, kw_only=True):
    items: list[AutomationOut]
    next: None = None


async def list_(call: Call[None, None]) -> Automations:
    found = await call.read(commands.list_automations, call.company)
    return Automations(items=[show(call.company, each) for each in found])


async def read(call: Call[None, None]) -> AutomationOut:
    return show(call.company, await call.read(commands.get_automation, call.company, call.id))


class TriggerIn(In, frozen=True, kw_only=True):
    entity: Literal["deal", "lead"]
    event: Event
    pipeline: Id | None = None
    stage: Id | None = None
    field: Id | None = None
    offset: Annotated[str, Meta(max_length=20)] = "0"
    working: bool = False


class ConditionIn(In, frozen=True, kw_only=True):
    field: Id
    op: Literal["eq", "ne", "filled", "empty", "contains", "gt", "lt"] = "filled"
    value: Line = ""


class StepIn(In, frozen=True, kw_only=True):
    action: Id
    params: Annotated[dict[Annotated[str, Meta(max_length=40)], Words], Meta(max_length=20)] = {}


Conditions = Annotated[list[ConditionIn], Meta(max_length=20)]
Steps = Annotated[list[StepIn], Meta(min_length=1, max_length=20)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]


class NewAutomation(In, frozen=True, kw_only=True):
    title: Title
    trigger: TriggerIn
    conditions: Conditions = []
    steps: Steps
    active: bool = True


class AutomationPatch(In, frozen=True, kw_only=True):
    title: Title | UnsetType = UNSET
    trigger: TriggerIn | UnsetType = UNSET
    conditions: Conditions | UnsetType = UNSET
    steps: Steps | UnsetType = UNSET
    active: bool | UnsetType = UNSET


def _parts(body: NewAutomation | AutomationPatch) -> dict[str, Any]:
    """The given parts as the core's own types."""
    types = {"trigger": Trigger, "conditions": tuple[Condition, ...], "steps": tuple[Step, ...]}
    return {
        name: msgspec.convert(msgspec.to_builtins(value), types[name]) if name in types else value
        for name, value in body.given().items()
    }


async def create(call: Call[None, NewAutomation]) -> AutomationOut:
    new = Automation(id="", **_parts(call.body))
    return show(call.company, await call.write(commands.save_automation, call.company, new))


async def patch(call: Call[None, AutomationPatch]) -> AutomationOut:
    """A robot of the preset is changed too: the change lies over it until it is removed."""
    saved = await call.write(_patch, call.company, call.id, _parts(call.body), call.if_match)
    return show(call.company, saved)


def _patch(
    tx: Tx, actor: Actor, company: Company, automation_id: str, parts: dict[str, Any], version: int | None
) -> Automation:
    former = commands.get_automation(tx, actor, company, automation_id)
    return commands.save_automation(tx, actor, company, msgspec.structs.replace(former, **parts), version)


async def remove(call: Call[None, None]) -> None:
    """An own robot goes; a changed one of the preset is again as the preset has it."""
    await call.write(commands.drop_automation, call.company, call.id)


class Trial(In, frozen=True, kw_only=True):
    record_id: Id


class TrialOut(Out, frozen=True, kw_only=True):
    lines: list[str]


async def trial(call: Call[None, Trial]) -> TrialOut:
    """What it would do with this deal or lead now; nothing is done."""
    return TrialOut(lines=await call.read(trial_lines, call.services.desk, call.id, call.body.record_id))


def trial_lines(tx: ReadTx, actor: Actor, desk: Desk, automation_id: str, record_id: str) -> list[str]:
    """What a robot would do with a record, with the ways by which it would write to the customer."""
    found = commands.get_automation(tx, actor, desk.company, automation_id)
    return commands.try_automation(tx, actor, desk.company, found, record_id, previews(desk))


def record_shown(tx: ReadTx, company: Company, entity: str, record_id: str) -> Out | None:
    """A deal or a lead as this API shows it, for calls to other systems; None when it is gone."""
    if entity == "deal":
        deal = tx.get(DEALS, record_id)
        return show_deal(tx, SYSTEM, company, deal) if deal else None
    lead = tx.get(LEADS, record_id)
    return show_lead(tx, lead) if lead else None


class RunOut(Out, frozen=True, kw_only=True):
    id: str
    at: datetime
    automation_id: str
    title: str
    entity: str
    entity_id: str
    event: str
    outcome: str
    text: str


def show_run(run: RobotRun) -> RunOut:
    return RunOut(**{name: getattr(run, name) for name in RunOut.__struct_fields__})


class RunQuery(ListQuery, frozen=True, kw_only=True):
    automation_id: Id | None = None
    outcome: Literal["done", "skipped", "failed", "stopped"] | None = None


async def runs(call: Call[RunQuery, None]) -> Page[RunOut]:
    return await call.read(_runs, call.query)


def _runs(tx: ReadTx, actor: Actor, query: RunQuery) -> Page[RunOut]:
    rows = commands.runs_of(tx, actor, query.automation_id, query.outcome, query.limit + 1, query.cursor)
    return page_of(tx, RUNS, rows, query.limit, "-at", show_run)


async def deal_runs(call: Call[ListQuery, None]) -> Page[RunOut]:
    return await call.read(_record_runs, "deal", call.id, call.query)


async def lead_runs(call: Call[ListQuery, None]) -> Page[RunOut]:
    return await call.read(_record_runs, "lead", call.id, call.query)


def _record_runs(tx: ReadTx, actor: Actor, entity: str, record_id: str, query: ListQuery) -> Page[RunOut]:
    rows = commands.runs_of_record(tx, actor, entity, record_id, query.limit + 1, query.cursor)
    return page_of(tx, RUNS, rows, query.limit, "-at", show_run)


ROUTES = (
    Route("GET", "/automations", list_, "Роботы", "automation.read"),
    Route("POST", "/automations", create, "Создать робота", "automation.manage", 201),
    Route("GET", "/automations/{id}", read, "Робот", "automation.read"),
    Route("PATCH", "/automations/{id}", patch, "Изменить или выключить робота", "automation.manage"),
    Route("DELETE", "/automations/{id}", remove, "Удалить робота или вернуть его к набору", "automation.manage", 204),
    Route("POST", "/automations/{id}/dry-run", trial, "Что робот сделал бы с записью", "automation.read"),
    Route("GET", "/robot-runs", runs, "Что делали роботы", "automation.read"),
    Route("GET", "/deals/{id}/robot-runs", deal_runs, "Что роботы делали со сделкой", "deal.read"),
    Route("GET", "/leads/{id}/robot-runs", lead_runs, "Что роботы делали с лидом", "lead.read"),
)
