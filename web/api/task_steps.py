"""`/tasks/{id}/start`, `/complete`, `/accept` and the other steps of a task."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crm_core.task_commands import delegate_task
from crm_core.task_steps import (
    accept_task,
    cancel_task,
    complete_task,
    defer_task,
    move_task,
    reopen_task,
    return_task,
    start_task,
)
from web.api.call import Call, In, Route
from web.api.input import Id
from web.api.task_shapes import TaskOut, show_task

Said = Annotated[str, Meta(max_length=10_000)]


async def start(call: Call[None, None]) -> TaskOut:
    return show_task(await call.write(start_task, call.id, company=call.company), call.actor)


async def defer(call: Call[None, None]) -> TaskOut:
    return show_task(await call.write(defer_task, call.id, company=call.company), call.actor)


class Completion(In, frozen=True, kw_only=True):
    result: Said = ""


async def complete(call: Call[None, Completion]) -> TaskOut:
    """Done, with what came out of it; or done and to be accepted (`state` is `acceptance`)."""
    return show_task(await call.write(complete_task, call.id, call.body.result, company=call.company), call.actor)


async def accept(call: Call[None, None]) -> TaskOut:
    return show_task(await call.write(accept_task, call.id, company=call.company), call.actor)


class Return(In, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(min_length=1, max_length=10_000)]
    """What is still to be mended; it becomes a comment."""


async def return_(call: Call[None, Return]) -> TaskOut:
    return show_task(await call.write(return_task, call.id, call.body.reason, company=call.company), call.actor)


class Cancellation(In, frozen=True, kw_only=True):
    reason: Said = ""


async def cancel(call: Call[None, Cancellation]) -> TaskOut:
    return show_task(await call.write(cancel_task, call.id, call.body.reason, company=call.company), call.actor)


async def reopen(call: Call[None, None]) -> TaskOut:
    return show_task(await call.write(reopen_task, call.id, company=call.company), call.actor)


class Delegation(In, frozen=True, kw_only=True):
    user_id: Id


async def delegate(call: Call[None, Delegation]) -> TaskOut:
    """The former responsible stays as an observer; who gave the task away may not see it any more otherwise."""
    return show_task(await call.write(delegate_task, call.id, call.body.user_id, call.company), call.actor)


class TaskMove(In, frozen=True, kw_only=True):
    stage: Id
    reason: Said = ""
    """What is still to be mended, when this takes the task back from acceptance."""


async def move(call: Call[None, TaskMove]) -> TaskOut:
    """To a stage of its group, with the step that the stage stands for."""
    return show_task(
        await call.write(move_task, call.id, call.body.stage, call.body.reason, company=call.company), call.actor
    )


ROUTES = (
    Route("POST", "/tasks/{id}/start", start, "Начать задачу", "task.update"),
    Route("POST", "/tasks/{id}/defer", defer, "Отложить задачу", "task.update"),
    Route("POST", "/tasks/{id}/complete", complete, "Выполнить, с результатом", "task.update"),
    Route("POST", "/tasks/{id}/accept", accept, "Принять выполненную задачу", "task.update"),
    Route("POST", "/tasks/{id}/return", return_, "Вернуть на доработку", "task.update"),
    Route("POST", "/tasks/{id}/cancel", cancel, "Отменить задачу", "task.update"),
    Route("POST", "/tasks/{id}/reopen", reopen, "Открыть закрытую задачу снова", "task.update"),
    Route("POST", "/tasks/{id}/delegate", delegate, "Передать задачу другому", "task.update"),
    Route("POST", "/tasks/{id}/move", move, "Перевести на стадию группы", "task.update"),
)
