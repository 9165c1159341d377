"""Robots changed by people: checked as those of a preset are, and kept in the store over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from crm_core.access import check, may
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import ABOUT_LEADS, AUTOMATIONS, RUNS, Automation, RobotRun, active
from crm_core.automation_check import Known, problems
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.deals import Deal, get_deal
from crm_core.documents.library import MAX_OWN, TEMPLATES
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.leads import get_lead
from crm_core.rights import Action
from crm_core.robot_moments import forget_planned, plan_changed
from crm_core.robots import Preview, dry_run, record_of
from storage import ReadTx, Tx

MAX_ROBOTS = 500


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
    stored = tx.get(AUTOMATIONS, automation.id) if automation.id else None
    former = stored or company.automations.get(automation.id)
    wrong = problems(company, automation, known_to(tx, company))
    if wrong and not _only_switches_off(former, automation):
        raise Invalid(wrong)
    if automation.id and former is None:
        raise Missing("Такого робота нет")
    if version is not None and version != (former.version if former else 1):
        raise Conflict("Робот уже изменён кем-то другим. Откройте его заново")
    changes = {"updated_at": tx.now, "updated_by": actor.id}
    if stored is not None:
        saved = tx.replace(AUTOMATIONS, msgspec.structs.replace(automation, version=stored.version, **changes))
    else:
        if tx.count(AUTOMATIONS, limit=MAX_ROBOTS) >= MAX_ROBOTS:
            raise Conflict(f"Роботов уже {MAX_ROBOTS}: удалите лишние")
        new_id = automation.id or tx.new_id("rob_")
        saved = tx.insert(AUTOMATIONS, msgspec.structs.replace(automation, id=new_id, version=1, **changes))
    pairs = {name: (getattr(former, name, None), getattr(saved, name)) for name in KEPT}
    record(
        tx, actor, "automation", saved.id, "saved", {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    )
    tell(tx, "automation", saved.id, "saved")
    _take_effect(tx, company, saved)
    return saved


def _only_switches_off(former: Automation | None, automation: Automation) -> bool:
    """Whatever the configuration has become meanwhile, a robot can be stopped."""
    if former is None or automation.active:
        return False
    return all(getattr(former, name) == getattr(automation, name) for name in KEPT if name != "active")


def _take_effect(tx: Tx, company: Company, saved: Automation) -> None:
    if saved.trigger.entity == "lead":
        tx.next_number(ABOUT_LEADS)
    plan_changed(tx, company)


def known_to(tx: ReadTx, company: Company) -> Known:
    """What a robot may name besides what the configuration holds."""
    robots = {each.id: each.trigger.entity for each in active(tx, company.automations).values()}
    return Known(robots, frozenset(each.id for each in tx.find(TEMPLATES, limit=MAX_OWN)))


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
    forget_planned(tx, automation_id)
    record(tx, actor, "automation", automation_id, "removed", {"title": (stored.title, None)})
    tell(tx, "automation", automation_id, "removed")
    plan_changed(tx, company)


def try_automation(
    tx: ReadTx, actor: Actor, company: Company, automation: Automation, record_id: str, previews: Mapping[str, Preview]
) -> list[str]:
    """What the robot would do with a record now, line by line; nothing is done. `previews`: of actions that are not at
    home in this room."""
    check(actor, "automation", Action.READ)
    if wrong := problems(company, automation, known_to(tx, company)):
        raise Invalid(wrong)
    found = record_of(tx, automation.trigger.entity, record_id)
    if found is None:
        raise Invalid({"record_id": "Такой записи нет"})
    if isinstance(found, Deal):
        get_deal(tx, actor, record_id)
    else:
        get_lead(tx, actor, record_id)
    may_see = may(actor, "contact", Action.READ)
    return list(dry_run(tx, company, automation, found, previews if may_see else {}))


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
