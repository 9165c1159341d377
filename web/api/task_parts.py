"""What belongs to one task: comments, checklist, reminders, time, repetition."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from connectors.contract import Attachment
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Missing
from crm_core.task_checklist import add_check, change_check, remove_check, reorder_checks
from crm_core.task_commands import comment_task, log_time
from crm_core.task_reminders import add_reminder, remove_reminder
from crm_core.task_repeat import TASK_SERIES, Repeat, TaskSeries, repeat_task, stop_repeat
from crm_core.tasks import get_task
from crm_core.timeline import TIMELINE
from storage import ReadTx, Tx
from web.api.call import Call, In, Page, Route, page_of
from web.api.conversation import UploadId
from web.api.files import MAX_FILES, attachments_of
from web.api.input import Id, ListQuery, Moment
from web.api.shapes import TimelineOut, show_item
from web.api.task_shapes import RepeatIn, SeriesOut, TaskOut, show_series, show_task
from web.api.tasks import kept


class NewComment(In, frozen=True, kw_only=True):
    text: Annotated[str, Meta(max_length=10_000)] = ""
    mentions: Annotated[list[Id], Meta(max_length=50)] = []
    """Ids of employees: they are told, and observe the task from now on."""
    result: bool = False
    """This is what came out of the task."""
    attachments: Annotated[list[UploadId], Meta(max_length=MAX_FILES)] = []


async def comment(call: Call[None, NewComment]) -> TimelineOut:
    """Files may come along as parts of a multipart form instead."""
    files = await attachments_of(call.store, call.actor, call.body.attachments)
    return await call.write(_comment, call.id, call.body, files)


def _comment(tx: Tx, actor: Actor, task_id: str, new: NewComment, files: tuple[Attachment, ...]) -> TimelineOut:
    mentions = tuple(dict.fromkeys(new.mentions))
    item = comment_task(tx, actor, task_id, new.text, mentions=mentions, result=new.result, files=kept(files))
    return show_item(item)


class CommentQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["at", "-at"] = "at"


async def comments(call: Call[CommentQuery, None]) -> Page[TimelineOut]:
    """Its completion is there too, as an item of kind `task`."""
    return await call.read(_comments, call.id, call.query)


def _comments(tx: ReadTx, actor: Actor, task_id: str, query: CommentQuery) -> Page[TimelineOut]:
    get_task(tx, actor, task_id)
    rows = tx.find(TIMELINE, {"task_id": task_id}, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, TIMELINE, rows, query.limit, query.sort, show_item)


Point = Annotated[str, Meta(min_length=1, max_length=1000)]


class NewCheck(In, frozen=True, kw_only=True):
    text: Point


async def check_add(call: Call[None, NewCheck]) -> TaskOut:
    return show_task(await call.write(add_check, call.id, call.body.text), call.actor)


class CheckPatch(In, frozen=True, kw_only=True):
    text: Point | UnsetType = UNSET
    done: bool | UnsetType = UNSET


async def check_patch(call: Call[None, CheckPatch]) -> TaskOut:
    """Other words, ticked or unticked. `If-Match: VERSION` is the version of the task."""
    changes, version = call.body.given(), call.if_match
    task = await call.write(change_check, call.id, call.ids["item"], **changes, version=version)
    return show_task(task, call.actor)


async def check_remove(call: Call[None, None]) -> TaskOut:
    return show_task(await call.write(remove_check, call.id, call.ids["item"]), call.actor)


class Order(In, frozen=True, kw_only=True):
    order: Annotated[list[Id], Meta(max_length=200)]
    """Every point of the list, once."""


async def check_order(call: Call[None, Order]) -> TaskOut:
    return show_task(await call.write(reorder_checks, call.id, call.body.order), call.actor)


class NewReminder(In, frozen=True, kw_only=True):
    at: Moment | None = None
    before_minutes: Annotated[int, Meta(ge=0, le=527_040)] | None = None
    """Ahead of the deadline, moving with it; either this or `at`."""


async def reminder_add(call: Call[None, NewReminder]) -> TaskOut:
    """For oneself."""
    body = call.body
    task = await call.write(add_reminder, call.id, at=body.at, before_minutes=body.before_minutes)
    return show_task(task, call.actor)


async def reminder_remove(call: Call[None, None]) -> TaskOut:
    return show_task(await call.write(remove_reminder, call.id, call.ids["reminder"]), call.actor)


class Spent(In, frozen=True, kw_only=True):
    minutes: Annotated[int, Meta(ge=-10_000_000, le=10_000_000)]
    """Negative takes back."""


async def time(call: Call[None, Spent]) -> TaskOut:
    return show_task(await call.write(log_time, call.id, call.body.minutes), call.actor)


async def series(call: Call[None, None]) -> SeriesOut:
    return await call.read(_series, call.id)


def _series(tx: ReadTx, actor: Actor, task_id: str) -> SeriesOut:
    task = get_task(tx, actor, task_id)
    found: TaskSeries | None = tx.get(TASK_SERIES, task.series_id) if task.series_id else None
    if found is None:
        raise Missing("Эта задача не повторяется")
    return show_series(found)


async def repeat(call: Call[None, RepeatIn]) -> SeriesOut:
    """Takes the place of a former rule."""
    return await call.write(_repeat, call.company, call.id, call.body.rule())


def _repeat(tx: Tx, actor: Actor, company: Company, task_id: str, rule: Repeat) -> SeriesOut:
    repeat_task(tx, actor, task_id, rule, company=company)
    return _series(tx, actor, task_id)


async def repeat_stop(call: Call[None, None]) -> SeriesOut:
    return await call.write(_stop, call.id)


def _stop(tx: Tx, actor: Actor, task_id: str) -> SeriesOut:
    stop_repeat(tx, actor, task_id)
    return _series(tx, actor, task_id)


ITEM, REMINDER = "/tasks/{id}/checklist/{item}", "/tasks/{id}/reminders/{reminder}"
ROUTES = (
    Route("GET", "/tasks/{id}/comments", comments, "Комментарии к задаче", "task.read"),
    Route("POST", "/tasks/{id}/comments", comment, "Добавить комментарий или результат", "task.read", 201, upload=True),
    Route("POST", "/tasks/{id}/checklist", check_add, "Добавить пункт списка", "task.update", 201),
    Route("PUT", "/tasks/{id}/checklist", check_order, "Порядок пунктов списка", "task.update"),
    Route("PATCH", ITEM, check_patch, "Отметить или изменить пункт списка", "task.update"),
    Route("DELETE", ITEM, check_remove, "Убрать пункт списка", "task.update"),
    Route("POST", "/tasks/{id}/reminders", reminder_add, "Напомнить мне", "task.read", 201),
    Route("DELETE", REMINDER, reminder_remove, "Убрать своё напоминание", "task.read"),
    Route("POST", "/tasks/{id}/time", time, "Записать затраченное время", "task.update"),
    Route("GET", "/tasks/{id}/repeat", series, "Как повторяется задача", "task.read"),
    Route("PUT", "/tasks/{id}/repeat", repeat, "Повторять задачу по правилу", "task.update"),
    Route("DELETE", "/tasks/{id}/repeat", repeat_stop, "Больше не повторять", "task.update"),
)
