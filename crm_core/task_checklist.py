"""The checklist of a task: what is to be done in it, by whom and when each point was ticked, in its order."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.tasks import CheckItem, Doing, Task, announce, save, task_for
from storage import ReadTx, Tx

MAX_ITEMS = 200
MAX_TEXT = 1000


def add_check(tx: Tx, actor: Actor, task_id: str, text: str) -> Task:
    """A new point at the end."""
    task = _open(tx, actor, task_id)
    if len(task.checklist) >= MAX_ITEMS:
        raise Conflict(f"В списке уже {MAX_ITEMS} пунктов")
    item = CheckItem(id=tx.new_id("chk_"), text=_text(text))
    return _keep(tx, actor, task, (*task.checklist, item), "check_added", (None, item.text))


def change_check(
    tx: Tx, actor: Actor, task_id: str, item_id: str, *, text: str | None = None, done: bool | None = None,
    version: int | None = None,
) -> Task:  # fmt: skip
    """Other words, or ticked and unticked. `Conflict` when `version` is given and not that of the task."""
    task = _open(tx, actor, task_id)
    if version is not None and version != task.version:
        raise Conflict("Задача уже изменена кем-то другим. Прочитайте её заново")
    item = _item(task, item_id)
    changed = item if text is None else replace(item, text=_text(text))
    if done is not None and done != item.done:
        changed = replace(changed, done=done, done_by=actor.id if done else None, done_at=tx.now if done else None)
    if changed == item:
        return task
    items = tuple(changed if each is item else each for each in task.checklist)
    return _keep(tx, actor, task, items, "check_changed", (_shown(item), _shown(changed)))


def remove_check(tx: Tx, actor: Actor, task_id: str, item_id: str) -> Task:
    task = _open(tx, actor, task_id)
    item = _item(task, item_id)
    items = tuple(each for each in task.checklist if each is not item)
    return _keep(tx, actor, task, items, "check_removed", (_shown(item), None))


def reorder_checks(tx: Tx, actor: Actor, task_id: str, order: Sequence[str]) -> Task:
    """All its points in this order. `Invalid` when one is missing, doubled or unknown."""
    task = _open(tx, actor, task_id)
    items = {item.id: item for item in task.checklist}
    if sorted(order) != sorted(items):
        raise Invalid({"order": "Перечислите все пункты списка, каждый один раз"})
    ordered = tuple(items[id] for id in order)
    if ordered == task.checklist:
        return task
    return _keep(tx, actor, task, ordered, "check_ordered", (None, None))


def _open(tx: ReadTx, actor: Actor, task_id: str) -> Task:
    task = task_for(tx, actor, task_id, Doing.WORK)
    if not task.open:
        raise Conflict("Задача уже закрыта")
    return task


def _item(task: Task, item_id: str) -> CheckItem:
    for item in task.checklist:
        if item.id == item_id:
            return item
    raise Missing("Такого пункта в списке нет")


def _text(text: str) -> str:
    if not 0 < len(text.strip()) <= MAX_TEXT:
        raise Invalid({"text": f"Напишите, что сделать, не длиннее {MAX_TEXT} знаков"})
    return text.strip()


def _shown(item: CheckItem) -> str:
    return f"[{'x' if item.done else ' '}] {item.text}"


def _keep(
    tx: Tx, actor: Actor, task: Task, items: tuple[CheckItem, ...], event: str, change: tuple[str | None, str | None]
) -> Task:
    changed = save(tx, task, checklist=items)
    record(tx, actor, "task", task.id, event, {"checklist": change})
    announce(tx, changed, "updated")
    return changed
