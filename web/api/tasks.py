"""`/tasks`: one's own or those of others, by hand or left by a missed call."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.errors import Invalid
from crm_core.leads import LEADS, get_lead
from crm_core.rights import Action
from crm_core.search import matching
from crm_core.searchable import KINDS
from crm_core.tasks import TASKS, TaskState, comment_task, complete_task, create_task, get_task, list_tasks, update_task
from crm_core.timeline import TIMELINE
from crm_core.users import USERS
from storage import AllOf, ReadTx, Tx
from web.api.call import Call, In, Page, Route, page_of
from web.api.input import Id, Line, ListQuery, Moment, Text
from web.api.shapes import TaskOut, TimelineOut, show_item, show_task


class TaskQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["deadline", "-deadline", "created_at", "-created_at"] = "deadline"
    mine: bool = False
    open: bool | None = None
    state: TaskState | None = None
    overdue: bool | None = None
    kind: Literal["task", "callback"] | None = None
    lead_id: Id | None = None
    person_id: Id | None = None
    responsible_id: Id | None = None
    q: Line | None = None


async def list_(call: Call[TaskQuery, None]) -> Page[TaskOut]:
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: TaskQuery) -> Page[TaskOut]:
    check(actor, "task", Action.READ)
    names = ("open", "state", "overdue", "kind", "lead_id", "person_id", "responsible_id")
    where: dict[str, Any] = {name: getattr(query, name) for name in names if getattr(query, name) is not None}
    if query.mine:
        where["responsible_id"] = actor.id
    found = matching(tx, KINDS, actor, "task", query.q) if query.q and query.q.strip() else {}
    rows = list_tasks(tx, actor, AllOf((where, found)), sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, TASKS, rows, query.limit, query.sort, show_task)


class NewTask(In, frozen=True, kw_only=True):
    title: Annotated[str, Meta(min_length=1, max_length=300)]
    description: Text = ""
    responsible_id: Id | None = None
    """Oneself when absent."""
    deadline: Moment | None = None
    lead_id: Id | None = None


async def create(call: Call[None, NewTask]) -> TaskOut:
    return await call.write(_create, call.body)


def _create(tx: Tx, actor: Actor, new: NewTask) -> TaskOut:
    responsible = tx.get(USERS, new.responsible_id) if new.responsible_id else None
    if new.responsible_id and (responsible is None or not responsible.active):
        raise Invalid({"responsible_id": "Такого сотрудника нет, или он отключён"})
    if new.lead_id:
        if tx.get(LEADS, new.lead_id) is None:
            raise Invalid({"lead_id": "Такого лида нет"})
        get_lead(tx, actor, new.lead_id)
    task = create_task(
        tx,
        actor,
        title=new.title,
        description=new.description,
        responsible_id=new.responsible_id,
        deadline=new.deadline,
        lead_id=new.lead_id,
    )
    return show_task(task)


async def read(call: Call[None, None]) -> TaskOut:
    return show_task(await call.read(get_task, call.id))


class TaskPatch(In, frozen=True, kw_only=True):
    title: Annotated[str, Meta(min_length=1, max_length=300)] | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    responsible_id: Id | UnsetType = UNSET
    deadline: Moment | UnsetType | None = UNSET


async def patch(call: Call[None, TaskPatch]) -> TaskOut:
    """An open task. `If-Match: VERSION` refuses a change of what somebody else has changed meanwhile."""
    changes = call.body.given()
    return show_task(await call.write(update_task, call.id, changes, call.if_match))


class Completion(In, frozen=True, kw_only=True):
    result: Annotated[str, Meta(max_length=10_000)] = ""


async def complete(call: Call[None, Completion]) -> TaskOut:
    """Done, with what came out of it."""
    return show_task(await call.write(complete_task, call.id, call.body.result))


class NewComment(In, frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


async def comment(call: Call[None, NewComment]) -> TimelineOut:
    return show_item(await call.write(comment_task, call.id, call.body.text))


class CommentQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["at", "-at"] = "at"


async def comments(call: Call[CommentQuery, None]) -> Page[TimelineOut]:
    """Its completion is there too, as an item of kind `task`."""
    return await call.read(_comments, call.id, call.query)


def _comments(tx: ReadTx, actor: Actor, task_id: str, query: CommentQuery) -> Page[TimelineOut]:
    get_task(tx, actor, task_id)
    rows = tx.find(TIMELINE, {"task_id": task_id}, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, TIMELINE, rows, query.limit, query.sort, show_item)


ROUTES = (
    Route("GET", "/tasks", list_, "Задачи", "task.read"),
    Route("POST", "/tasks", create, "Поставить задачу", "task.create", 201),
    Route("GET", "/tasks/{id}", read, "Задача", "task.read"),
    Route("PATCH", "/tasks/{id}", patch, "Изменить задачу: название, описание, срок, ответственного", "task.update"),
    Route("POST", "/tasks/{id}/complete", complete, "Выполнить, с результатом", "task.update"),
    Route("GET", "/tasks/{id}/comments", comments, "Комментарии к задаче", "task.read"),
    Route("POST", "/tasks/{id}/comments", comment, "Добавить комментарий", "task.read", 201),
)
