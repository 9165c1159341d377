"""Departments changed at run time. Those of the preset are put into the store at the first start and live there.

A department's id never changes: queues name it as `department:ID`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import active
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.rights import Action
from crm_core.users import DEPARTMENTS, USERS, Department
from storage import ReadTx, Tx

MAX_DEPARTMENTS = 500
MAX_NAME = 200
EDITABLE = frozenset({"name", "parent_id", "head_id"})


def get_department(tx: ReadTx, actor: Actor, department_id: str) -> Department:
    """One of them, or `Missing`."""
    check(actor, "department", Action.READ)
    found = tx.get(DEPARTMENTS, department_id)
    if found is None:
        raise Missing("Такого отдела нет")
    return found


def create_department(tx: Tx, actor: Actor, values: Mapping[str, Any]) -> Department:
    """A new one; `parent_id` and `head_id` may be absent. `Invalid` by field."""
    check(actor, "department", Action.MANAGE)
    _check(tx, None, values)
    if tx.count(DEPARTMENTS, limit=MAX_DEPARTMENTS) >= MAX_DEPARTMENTS:
        raise Conflict(f"Отделов уже {MAX_DEPARTMENTS}: больше не бывает")
    new = Department(id=tx.new_id("dep_"), **{**values, "name": values.get("name", "").strip()})
    created = tx.insert(DEPARTMENTS, new)
    _note(tx, actor, created.id, "created", {"name": (None, created.name)})
    return created


def change_department(
    tx: Tx, actor: Actor, department_id: str, changes: Mapping[str, Any], version: int | None = None
) -> Department:
    """Rename, put under another one, give another head. `Invalid` by field, also when the tree would have a circle."""
    former = get_department(tx, actor, department_id)
    check(actor, "department", Action.MANAGE)
    if version is not None and version != former.version:
        raise Conflict("Отдел уже изменён кем-то другим. Прочитайте его заново")
    values = {name: value.strip() if name == "name" else value for name, value in changes.items()}
    _check(tx, department_id, values)
    changed = tx.update(DEPARTMENTS, former, **values)
    pairs = {name: (getattr(former, name), getattr(changed, name)) for name in values}
    if changed != former:
        _note(tx, actor, department_id, "updated", pairs)
    return changed


def remove_department(tx: Tx, actor: Actor, company: Company, department_id: str, selectors: Collection[str]) -> None:
    """Take an empty one away. `Conflict` while people or departments are in it, a queue names it in `selectors`, or a
    robot gives its head something to do."""
    found = get_department(tx, actor, department_id)
    check(actor, "department", Action.MANAGE)
    if tx.count(USERS, {"department_id": department_id}, limit=1):
        raise Conflict(f"В отделе «{found.name}» есть сотрудники: сначала переведите их")
    if tx.count(DEPARTMENTS, {"parent_id": department_id}, limit=1):
        raise Conflict(f"Под отделом «{found.name}» есть другие: сначала подчините их иначе")
    if f"department:{department_id}" in selectors:
        raise Conflict(f"Отдел «{found.name}» назван в очереди: сначала измените её в файле настроек")
    for robot in active(tx, company.automations).values():
        if any(f"head:{department_id}" in step.params.values() for step in robot.steps):
            raise Conflict(
                f"Руководителя отдела «{found.name}» называет робот «{robot.title}»: сначала измените робота"
            )
    tx.delete(DEPARTMENTS, found)
    _note(tx, actor, department_id, "removed", {"name": (found.name, None)})


def _check(tx: ReadTx, department_id: str | None, values: Mapping[str, Any]) -> None:
    wrong = dict.fromkeys(sorted(values.keys() - EDITABLE), "Такого поля нет или его нельзя менять")
    if (department_id is None or "name" in values) and not 0 < len(values.get("name", "").strip()) <= MAX_NAME:
        wrong["name"] = f"Укажите название, не длиннее {MAX_NAME} знаков"
    parent, head = values.get("parent_id"), values.get("head_id")
    if parent is not None and tx.get(DEPARTMENTS, parent) is None:
        wrong["parent_id"] = "Такого отдела нет"
    elif parent is not None and department_id in _chain(tx, parent):
        wrong["parent_id"] = "Отдел не может подчиняться себе: выберите другой"
    if head is not None and ((user := tx.get(USERS, head)) is None or not user.active):
        wrong["head_id"] = "Такого сотрудника нет, или он отключён"
    if wrong:
        raise Invalid(wrong)


def _chain(tx: ReadTx, department_id: str | None) -> list[str]:
    """The department and all those above it."""
    found: list[str] = []
    while department_id is not None and department_id not in found:
        found.append(department_id)
        above = tx.get(DEPARTMENTS, department_id)
        department_id = above.parent_id if above else None
    return found


def _note(tx: Tx, actor: Actor, department_id: str, event: str, pairs: Mapping[str, tuple[Any, Any]]) -> None:
    """Who belongs to whom is asked at every request: that is how a change counts at once. Open streams end by it."""
    record(tx, actor, "department", department_id, event, msgspec.to_builtins(dict(pairs)))
    tx.next_number("roster")
    tell(tx, "department", department_id, event)
