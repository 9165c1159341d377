"""From state to state: start, put off, complete, accept, return, cancel, reopen; and the same by moving on a board.

`STEPS` is the whole rule: from which states a step leads to which one, and who may take it. Completing leads to
`acceptance` instead of `done` when the creator wants to accept the work (unless he completes it himself) or when the
task's group has a stage for that («Выполнено», then «Принято клиентом»).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid
from crm_core.notifications import notify
from crm_core.task_commands import comment_task
from crm_core.task_groups import TaskGroup, group_of
from crm_core.task_reminders import forget, plan
from crm_core.tasks import Doing, Task, TaskState, announce, close, get_task, may_do, save, task_for
from storage import ReadTx, Tx

OPEN, IN_WORK, WAITING, ACCEPTANCE = TaskState.OPEN, TaskState.IN_WORK, TaskState.WAITING, TaskState.ACCEPTANCE
DONE, CANCELLED = TaskState.DONE, TaskState.CANCELLED
MAX_REASON = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    before: frozenset[TaskState]
    after: TaskState
    doing: Doing
    refusal: str
    """Why not, for a task in another state."""


_WORKED_ON = frozenset({OPEN, IN_WORK, WAITING})
_CLOSED = "Задача уже закрыта"
_UNACCEPTED = "Задача не ждёт приёмки"
STEPS: Mapping[str, Step] = {
    "start": Step(frozenset({OPEN, WAITING}), IN_WORK, Doing.WORK, "Начать можно новую или отложенную задачу"),
    "defer": Step(frozenset({OPEN, IN_WORK}), WAITING, Doing.WORK, "Отложить можно новую задачу или задачу в работе"),
    "complete": Step(_WORKED_ON, DONE, Doing.WORK, _CLOSED),
    "accept": Step(frozenset({ACCEPTANCE}), DONE, Doing.JUDGE, _UNACCEPTED),
    "return": Step(frozenset({ACCEPTANCE}), IN_WORK, Doing.JUDGE, _UNACCEPTED),
    "cancel": Step(_WORKED_ON | {ACCEPTANCE}, CANCELLED, Doing.EDIT, _CLOSED),
    "reopen": Step(frozenset({DONE, CANCELLED}), OPEN, Doing.EDIT, "Задача не закрыта"),
}


def allowed_steps(actor: Actor, task: Task) -> tuple[str, ...]:
    """The steps that this actor may take with this task now, `delegate` among them."""
    steps = [name for name, step in STEPS.items() if task.state in step.before and may_do(actor, task, step.doing)]
    if task.open and may_do(actor, task, Doing.EDIT):
        steps.append("delegate")
    return tuple(steps)


def _begin(tx: ReadTx, actor: Actor, task_id: str, name: str) -> Task:
    """The task, when this step may be taken with it now by this actor."""
    step = STEPS[name]
    task = task_for(tx, actor, task_id, step.doing)
    if task.state not in step.before:
        waits = task.state is ACCEPTANCE and name != "reopen"
        raise Conflict("Задача ждёт приёмки: её принимают или возвращают" if waits else step.refusal)
    return task


def start_task(tx: Tx, actor: Actor, task_id: str, *, company: Company) -> Task:
    """Begin, or go on with what was put off."""
    return _go(tx, actor, company, _begin(tx, actor, task_id, "start"), IN_WORK, "started")


def defer_task(tx: Tx, actor: Actor, task_id: str, *, company: Company) -> Task:
    """Put off: something is waited for."""
    return _go(tx, actor, company, _begin(tx, actor, task_id, "defer"), WAITING, "deferred")


def complete_task(tx: Tx, actor: Actor, task_id: str, result: str = "", *, company: Company) -> Task:
    """Done, with what came out of it; or done and to be accepted. `Invalid` when the task asks for a result and has
    none: neither here nor in a comment marked as the result."""
    task = _begin(tx, actor, task_id, "complete")
    result = result.strip()
    if task.result_required and not (result or task.result):
        raise Invalid({"result": "Без результата не завершить: напишите его или отметьте комментарий как результат"})
    if task.result_required and result:
        comment_task(tx, actor, task.id, result, result=True)
        task = get_task(tx, actor, task.id)
    group = _group(company, task)
    judged = task.acceptance and actor.id != task.creator_id
    if judged or (group is not None and group.has(ACCEPTANCE)):
        if result and result != task.result:
            task = save(tx, task, result=result)
        handed = _go(tx, actor, company, task, ACCEPTANCE, "to_accept")
        _tell(tx, actor, handed.creator_id, handed, f"Примите задачу: {handed.title}")
        return handed
    return _finish(tx, actor, company, task, DONE, "completed", result)


def accept_task(tx: Tx, actor: Actor, task_id: str, *, company: Company) -> Task:
    """The work is accepted, and the task done."""
    task = _begin(tx, actor, task_id, "accept")
    done = _finish(tx, actor, company, task, DONE, "accepted", task.result or "")
    _tell(tx, actor, done.responsible_id, done, f"Задача принята: {done.title}")
    return done


def return_task(tx: Tx, actor: Actor, task_id: str, reason: str, *, company: Company) -> Task:
    """Back to work, with what is still to be mended. `Invalid` without a reason."""
    task = _begin(tx, actor, task_id, "return")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Invalid({"reason": f"Напишите, что нужно доработать, не длиннее {MAX_REASON} знаков"})
    comment_task(tx, actor, task.id, reason)
    back = _go(tx, actor, company, get_task(tx, actor, task.id), IN_WORK, "returned", result=None)
    _tell(tx, actor, back.responsible_id, back, f"Задача возвращена на доработку: {back.title}")
    return back


def cancel_task(tx: Tx, actor: Actor, task_id: str, reason: str = "", *, company: Company) -> Task:
    """Not needed any more."""
    task = _begin(tx, actor, task_id, "cancel")
    if len(reason) > MAX_REASON:
        raise Invalid({"reason": f"Не длиннее {MAX_REASON} знаков"})
    gone = _finish(tx, actor, company, task, CANCELLED, "cancelled", reason.strip())
    _tell(tx, actor, gone.responsible_id, gone, f"Задача отменена: {gone.title}")
    return gone


def reopen_task(tx: Tx, actor: Actor, task_id: str, *, company: Company) -> Task:
    """Open again what was done or cancelled."""
    task = _begin(tx, actor, task_id, "reopen")
    again = {"open": True, "closed_at": None, "closed_by": None, "result": None, "overdue": False}
    return _go(tx, actor, company, task, OPEN, "reopened", **again)


def move_task(tx: Tx, actor: Actor, task_id: str, stage: str, reason: str = "", *, company: Company) -> Task:
    """To a stage of its group, with the step that the stage stands for; every rule of that step holds: what waits for
    acceptance goes back to work with a `reason` only."""
    task = get_task(tx, actor, task_id)
    if task.group is None:
        raise Conflict("У задачи нет группы, а значит и стадий")
    wanted = group_of(company.task_groups, task.group).stage(stage)
    state = TaskState(wanted.kind)
    if state is task.state:
        task = task_for(tx, actor, task_id, Doing.WORK)
        if not task.open:
            raise Conflict(_CLOSED)
    elif not task.open:
        task = reopen_task(tx, actor, task_id, company=company)
    if state is not task.state:
        task = _step_to(tx, actor, company, task, state, reason)
    if task.state is not state:
        raise Conflict("Задачу сначала должен принять постановщик")
    if task.stage == stage:
        return task
    moved = save(tx, task, stage=stage)
    record(tx, actor, "task", task.id, "moved", {"stage": (task.stage, stage)})
    announce(tx, moved, "moved")
    return moved


def _step_to(tx: Tx, actor: Actor, company: Company, task: Task, state: TaskState, reason: str) -> Task:
    if state is DONE and task.state is ACCEPTANCE:
        return accept_task(tx, actor, task.id, company=company)
    if state is DONE:
        task = complete_task(tx, actor, task.id, company=company)
        may_accept = task.state is ACCEPTANCE and may_do(actor, task, Doing.JUDGE)
        return accept_task(tx, actor, task.id, company=company) if may_accept else task
    if state is ACCEPTANCE:
        return complete_task(tx, actor, task.id, company=company)
    if task.state is ACCEPTANCE:
        task = return_task(tx, actor, task.id, reason, company=company)
    if task.state is state:
        return task
    return _go(tx, actor, company, task_for(tx, actor, task.id, Doing.WORK), state, "moved")


def _group(company: Company, task: Task) -> TaskGroup | None:
    """None too when the group is gone from the configuration: the task goes on without stages."""
    return company.task_groups.get(task.group) if task.group else None


def _stage(company: Company, task: Task, state: TaskState) -> str | None:
    group = _group(company, task)
    return group.stage_for(state.value, task.stage) if group else task.stage


def _go(
    tx: Tx, actor: Actor, company: Company, task: Task, state: TaskState, event: str, **changes: Any
) -> Task:  # fmt: skip
    changed = save(tx, task, state=state, stage=_stage(company, task, state), **changes)
    record(tx, actor, "task", task.id, event, {"state": (task.state, state), "stage": (task.stage, changed.stage)})
    plan(tx, company, changed)
    announce(tx, changed, event)
    return changed


def _finish(
    tx: Tx, actor: Actor, company: Company, task: Task, state: TaskState, event: str, result: str
) -> Task:  # fmt: skip
    forget(tx, task)
    stage = _stage(company, task, state)
    done = close(tx, task, result, actor.id, actor.name, state=state, stage=stage)
    record(tx, actor, "task", task.id, event, {"state": (task.state, state)})
    return done


def _tell(tx: Tx, actor: Actor, user_id: str | None, task: Task, text: str) -> None:
    if user_id and user_id != actor.id:
        notify(tx, user_id, "task_step", text, lead_id=task.lead_id, task_id=task.id)
