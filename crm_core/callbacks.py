"""Callback tasks: what missed calls and wishes to be called leave behind.

A callback closes by itself when the customer is reached: any answered call with that person, or a reply to him. It
follows its lead: to a new owner, into the end, and back.
"""

from __future__ import annotations

from datetime import datetime

from crm_core import timers
from crm_core.tasks import CALLBACK, DUE, TASKS, Task, TaskState, announce, close, save
from storage import Tx


def open_callback(
    tx: Tx,
    *,
    person_id: str | None,
    lead_id: str,
    phone: str,
    deadline: datetime,
    title: str,
    queue: str,
    responsible_id: str | None,
) -> Task:
    """The callback task of this lead: the open one grows by a call and keeps its earlier deadline, else a new one."""
    existing = tx.first(TASKS, {"lead_id": lead_id, "open": True, "kind": CALLBACK})
    if existing is not None:
        grown = tx.update(TASKS, existing, calls=existing.calls + 1, phone=phone)
        announce(tx, grown, "updated")
        return grown
    task = Task(
        id=tx.new_id("tsk_"),
        number=tx.next_number("task"),
        kind=CALLBACK,
        title=title,
        phone=phone,
        deadline=deadline,
        queue=queue,
        responsible_id=responsible_id,
        lead_id=lead_id,
        person_id=person_id,
        created_at=tx.now,
    )
    tx.insert(TASKS, task)
    timers.schedule(tx, DUE, task.id, deadline)
    announce(tx, task, "created")
    return task


def close_callbacks(tx: Tx, lead_id: str, result: str, user_id: str | None) -> int:
    """The customer was reached: his callback tasks are done. Returns how many."""
    found = [task for task in tx.find(TASKS, {"lead_id": lead_id, "open": True}) if task.kind == CALLBACK]
    for task in found:
        close(tx, task, result, user_id, "Первая линия")
    return len(found)


def cancel_callbacks(tx: Tx, lead_id: str, reason: str) -> None:
    """The lead is finished: nobody is to be called any more."""
    for task in tx.find(TASKS, {"lead_id": lead_id, "open": True, "kind": CALLBACK}):
        timers.cancel(tx, DUE, task.id)
        changes = {"state": TaskState.CANCELLED, "open": False, "result": reason, "closed_at": tx.now}
        announce(tx, save(tx, task, **changes), "cancelled")


def revive_callbacks(tx: Tx, lead_id: str, closed_at: datetime) -> None:
    """The lead that was finished at this moment is open again, and so are the callbacks that ended with it."""
    for task in tx.find(TASKS, {"lead_id": lead_id, "open": False, "kind": CALLBACK}):
        if task.state is not TaskState.CANCELLED or task.closed_at != closed_at:
            continue
        task = save(tx, task, state=TaskState.OPEN, open=True, result=None, closed_at=None)
        if task.deadline is not None and not task.overdue:
            timers.schedule(tx, DUE, task.id, task.deadline)
        announce(tx, task, "created")


def hand_over(tx: Tx, lead_id: str, user_id: str | None) -> None:
    """Open callback tasks follow their lead's owner."""
    for task in tx.find(TASKS, {"lead_id": lead_id, "open": True}):
        if task.kind == CALLBACK and task.responsible_id != user_id:
            announce(tx, tx.update(TASKS, task, responsible_id=user_id), "assigned")
