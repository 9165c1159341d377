"""Robots changed by people: checked as those of a preset are, and kept in the store over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import AUTOMATIONS, RUNS, Automation, Event, RobotRun, active
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.deal_fields import BUILT_IN
from crm_core.deals import Deal, get_deal
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.leads import get_lead
from crm_core.rights import Action
from crm_core.robot_actions import PARAMS, PLACEHOLDER, VALUES
from crm_core.robots import dry_run, offset_of, record_of
from storage import ReadTx, Tx
from workhours import parse_duration

MOMENTS = frozenset({"created_at", "updated_at", "stage_since", "next_step_at", "expected_close"})


def problems(company: Company, automation: Automation) -> dict[str, str]:
    """Everything that is wrong with a robot, by field."""
    wrong: dict[str, str] = {}
    trigger = automation.trigger
    if not automation.title.strip():
        wrong["title"] = "Назовите робота"
    if trigger.pipeline and trigger.pipeline not in company.pipelines:
        wrong["trigger.pipeline"] = f"Такого направления нет; есть {', '.join(company.pipelines)}"
    elif trigger.stage and trigger.stage not in (stages := _stages(company, automation)):
        wrong["trigger.stage"] = f"Такой стадии нет; есть {', '.join(stages)}"
    if trigger.event in (Event.TIME, Event.STUCK):
        try:
            offset_of(trigger.offset)
        except ValueError as error:
            wrong["trigger.offset"] = str(error)
    fields = _fields(company, automation)
    if trigger.event is Event.TIME and trigger.field not in MOMENTS | fields:
        wrong["trigger.field"] = f"Нужно поле с датой; есть {', '.join(sorted(MOMENTS | fields))}"
    for number, condition in enumerate(automation.conditions):
        path = condition.field.removeprefix("fields.")
        if path not in fields | VALUES | {"person", "owner"}:
            wrong[f"conditions[{number}].field"] = "Такого поля нет"
    if not automation.steps:
        wrong["steps"] = "Назовите, что робот делает"
    for number in range(len(automation.steps)):
        wrong |= {f"steps[{number}].{name}": text for name, text in _step_problems(company, automation, number).items()}
    return wrong


def _stages(company: Company, automation: Automation, *, live: bool = False) -> list[str]:
    """Keys of the stages that the robot's records go through; `live`: only those that may be entered."""
    trigger = automation.trigger
    if trigger.entity == "lead":
        return [stage.key for stage in company.stages if not (live and stage.archived)]
    ways = [company.pipelines[trigger.pipeline]] if trigger.pipeline else list(company.pipelines.values())
    return [stage.key for way in ways for stage in way.stages if not (live and stage.archived)]


def _fields(company: Company, automation: Automation) -> frozenset[str]:
    rules = company.deal_fields if automation.trigger.entity == "deal" else company.fields
    return frozenset(rule.key for rule in rules)


def _step_problems(company: Company, automation: Automation, number: int) -> dict[str, str]:
    step = automation.steps[number]
    if step.action not in PARAMS:
        return {"action": f"Такого действия нет; есть {', '.join(PARAMS)}"}
    needed, allowed = PARAMS[step.action]
    wrong = {name: "Не хватает этого параметра" for name in needed if not step.params.get(name, "").strip()}
    wrong |= dict.fromkeys(step.params.keys() - needed - allowed, "Такого параметра у действия нет")
    for name in ("responsible", "to"):
        if (who := step.params.get(name)) and (mend := _who_wrong(company, who)):
            wrong[name] = mend
    if step.action == "move" and step.params.get("stage") not in (stages := _stages(company, automation, live=True)):
        wrong["stage"] = f"Такой стадии нет; есть {', '.join(stages)}"
    settable = _fields(company, automation) | {"title", "comment", "amount"}
    if step.action == "set_field" and step.params.get("field") not in settable:
        wrong["field"] = f"Такого поля нет; есть {', '.join(sorted(settable))}"
    if (group := step.params.get("group")) and group not in company.task_groups:
        wrong["group"] = f"Такой группы нет; есть {', '.join(company.task_groups)}"
    if mend := _deadline_wrong(step.params.get("deadline", ""), _fields(company, automation)):
        wrong["deadline"] = mend
    return wrong | _placeholders_wrong(step.params.items(), _fields(company, automation))


def _who_wrong(company: Company, who: str) -> str | None:
    kind, _, key = who.partition(":")
    if kind == "role" and key not in company.roles:
        return f"Такой роли нет; есть {', '.join(company.roles)}"
    if who != "owner" and (kind not in ("role", "head", "user") or not key):
        return "Пишите owner, role:КЛЮЧ, head:ОТДЕЛ или user:ID"
    return None


def _deadline_wrong(text: str, fields: frozenset[str]) -> str | None:
    if not text:
        return None
    if text.startswith("field:"):
        return None if text[6:] in fields | set(BUILT_IN) else "Такого поля нет"
    if text.endswith("wd"):
        return None if text[:-2].isdigit() and int(text[:-2]) <= 365 else "Пишите так: 3wd"
    try:
        parse_duration(text)
    except ValueError as error:
        return str(error)
    return None


def _placeholders_wrong(params: Iterable[tuple[str, str]], fields: frozenset[str]) -> dict[str, str]:
    known = VALUES | {"person", "owner"} | {f"fields.{key}" for key in fields}
    return {
        name: f"Подстановки {{{unknown}}} нет"
        for name, text in params
        for unknown in PLACEHOLDER.findall(text)
        if unknown not in known
    }


def list_automations(tx: ReadTx, actor: Actor, company: Company) -> list[Automation]:
    """Every robot, in the order of the preset, own ones after them."""
    check(actor, "automation", Action.READ)
    return list(active(tx, company.automations).values())


def get_automation(tx: ReadTx, actor: Actor, company: Company, automation_id: str) -> Automation:
    check(actor, "automation", Action.READ)
    found = active(tx, company.automations).get(automation_id)
    if found is None:
        raise Missing("Такого робота нет")
    return found


def save_automation(
    tx: Tx, actor: Actor, company: Company, automation: Automation, version: int | None = None
) -> Automation:
    """Add a robot (empty id) or change one; a changed robot of the preset is kept over it."""
    check(actor, "automation", Action.MANAGE)
    if wrong := problems(company, automation):
        raise Invalid(wrong)
    stored = tx.get(AUTOMATIONS, automation.id) if automation.id else None
    former = stored or company.automations.get(automation.id)
    if automation.id and former is None:
        raise Missing("Такого робота нет")
    if version is not None and version != (former.version if former else 1):
        raise Conflict("Робот уже изменён кем-то другим. Откройте его заново")
    changes = {"updated_at": tx.now, "updated_by": actor.id}
    if stored is not None:
        saved = tx.replace(AUTOMATIONS, msgspec.structs.replace(automation, version=stored.version, **changes))
    else:
        new_id = automation.id or tx.new_id("rob_")
        saved = tx.insert(AUTOMATIONS, msgspec.structs.replace(automation, id=new_id, version=1, **changes))
    pairs = {name: (getattr(former, name, None), getattr(saved, name)) for name in KEPT}
    record(
        tx, actor, "automation", saved.id, "saved", {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    )
    tell(tx, "automation", saved.id, "saved")
    return saved


KEPT = ("title", "trigger", "conditions", "steps", "active")


def drop_automation(tx: Tx, actor: Actor, company: Company, automation_id: str) -> None:
    """Remove an own robot; a changed one of the preset is again as the preset has it."""
    check(actor, "automation", Action.MANAGE)
    stored = tx.get(AUTOMATIONS, automation_id)
    if stored is None:
        if automation_id in company.automations:
            raise Conflict("Робот из набора не удаляется: выключите его")
        raise Missing("Такого робота нет")
    tx.delete(AUTOMATIONS, stored)
    record(tx, actor, "automation", automation_id, "removed", {"title": (stored.title, None)})
    tell(tx, "automation", automation_id, "removed")


def try_automation(tx: ReadTx, actor: Actor, company: Company, automation: Automation, record_id: str) -> list[str]:
    """What the robot would do with a record now, line by line; nothing is done."""
    check(actor, "automation", Action.READ)
    if wrong := problems(company, automation):
        raise Invalid(wrong)
    found = record_of(tx, automation.trigger.entity, record_id)
    if found is None:
        raise Invalid({"record_id": "Такой записи нет"})
    if isinstance(found, Deal):
        get_deal(tx, actor, record_id)
    else:
        get_lead(tx, actor, record_id)
    return list(dry_run(tx, company, automation, found))


def runs_of_record(
    tx: ReadTx, actor: Actor, entity: str, record_id: str, limit: int, after: str | None
) -> list[RobotRun]:
    """What robots did with a deal or a lead, newest first; for whoever may read it."""
    if entity == "deal":
        get_deal(tx, actor, record_id)
    else:
        get_lead(tx, actor, record_id)
    return tx.find(RUNS, {"entity_id": record_id}, sort="-at", limit=limit, after=after)


def runs_of(
    tx: ReadTx, actor: Actor, automation_id: str | None, outcome: str | None, limit: int, after: str | None
) -> list[RobotRun]:
    """The log of one robot or of all."""
    check(actor, "automation", Action.READ)
    where: dict[str, Any] = {"automation_id": automation_id} if automation_id else {}
    if outcome:
        where["outcome"] = outcome
    return tx.find(RUNS, where, sort="-at", limit=limit, after=after)
