"""Records of a stage that goes are carried to another, piece by piece, each piece in a transaction of its own.

Gates are not asked: the company itself has changed its way. Everything else is as when a person moves them: timeline,
time in each stage, robots of the new stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_core import timers
from crm_core.actor import SYSTEM
from crm_core.company import Company
from crm_core.deal_stages import set_stage as set_deal_stage
from crm_core.deals import DEALS
from crm_core.errors import Invalid
from crm_core.leads import LEADS
from crm_core.leads import set_stage as set_lead_stage
from crm_core.stages import Stage
from crm_core.tasks import TASKS, announce
from storage import Tx

MOVE = "setting_move"
"""Kind of the timer that moves one piece; its key is `table:key:stage`."""
PIECE = 20
"""Records in one transaction: a new lead never waits long behind one."""


def stages_of(company: Company, table: str, key: str) -> dict[str, Stage]:
    """Stages that an entry of the settings tells about; empty when it tells about none."""
    if table == "stages":
        return {stage.key: stage for stage in company.stages}
    ways: Mapping[str, Any] = {"pipelines": company.pipelines, "task_groups": company.task_groups}.get(table, {})
    return {stage.key: stage for stage in ways[key].stages} if key in ways else {}


def check_moves(old: Company, new: Company, table: str, key: str, moves: Mapping[str, str]) -> None:
    """`Invalid` unless each of these stages goes, and its records go to one of the same kind that stays."""
    was, now = stages_of(old, table, key), stages_of(new, table, key)
    wrong = {}
    for left, target in moves.items():
        if left not in was:
            wrong[f"moves.{left}"] = f"Такой стадии нет; есть {', '.join(was) or 'ни одной'}"
        elif left in now and not now[left].archived:
            wrong[f"moves.{left}"] = "Эта стадия остаётся: уберите её из списка или отправьте в архив"
        elif target not in now or now[target].archived:
            wrong[f"moves.{left}"] = f"Некуда: стадии «{target}» нет или она в архиве"
        elif now[target].kind != was[left].kind:
            wrong[f"moves.{left}"] = f"Нужна стадия того же вида: kind = {was[left].kind}"
    if wrong:
        raise Invalid(wrong)


def begin_moves(tx: Tx, table: str, key: str, moves: Mapping[str, str]) -> None:
    """Plan the moves; they begin after the commit."""
    for left, target in moves.items():
        entry = left if table == "stages" else key
        payload = {"table": table, "key": entry, "from": left, "to": target}
        timers.schedule(tx, MOVE, f"{table}:{entry}:{left}", tx.now, payload)


def on_move(tx: Tx, company: Company, timer: timers.Timer) -> None:
    """One piece, and the next one planned while there may be more. Ends when the target has gone meanwhile, and when
    the stage is back in use."""
    table, key, left = timer.payload["table"], timer.payload["key"], timer.payload["from"]
    stages = stages_of(company, table, key)
    target = stages.get(timer.payload["to"])
    stays = left in stages and not stages[left].archived
    if target is not None and not stays and MOVERS[table](tx, company, key, left, target) == PIECE:
        timers.schedule(tx, MOVE, timer.key, tx.now, timer.payload)


def _move_deals(tx: Tx, company: Company, key: str, left: str, target: Any) -> int:
    deals = tx.find(DEALS, {"pipeline": key, "stage": left}, limit=PIECE)
    for deal in deals:
        set_deal_stage(tx, SYSTEM, company, deal, target)
    return len(deals)


def _move_leads(tx: Tx, company: Company, key: str, left: str, target: Stage) -> int:
    leads = tx.find(LEADS, {"stage": left}, limit=PIECE)
    for lead in leads:
        set_lead_stage(tx, SYSTEM, company, lead, target.key)
    return len(leads)


def _move_tasks(tx: Tx, company: Company, key: str, left: str, target: Stage) -> int:
    tasks = tx.find(TASKS, {"group": key, "stage": left}, limit=PIECE)
    for task in tasks:
        announce(tx, tx.update(TASKS, task, stage=target.key), "updated")
    return len(tasks)


MOVERS: Mapping[str, Callable[[Tx, Company, str, str, Any], int]] = {
    "pipelines": _move_deals,
    "stages": _move_leads,
    "task_groups": _move_tasks,
}
"""Table of the settings → what moves the records of its stages."""
