"""`/tasks`: one's own or those of others, by hand or left by a missed call. Steps and parts stand beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from connectors.contract import Attachment
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.companies import get_company
from crm_core.company import Company
from crm_core.contacts import get_person
from crm_core.deals import get_deal
from crm_core.errors import Forbidden, Invalid, Missing
from crm_core.leads import LEADS, get_lead
from crm_core.rights import Action
from crm_core.search import matching
from crm_core.searchable import KINDS
from crm_core.task_commands import comment_task, create_task, update_task
from crm_core.tasks import TASKS, Link, Priority, TaskState, get_task, ids_of_people, list_tasks, of_record
from crm_core.timeline import File
from storage import AllOf, Filter, Gte, Lt, ReadTx, Tx
from storage import In as OneOf
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.conversation import UploadId
from web.api.files import MAX_FILES, attachments_of
from web.api.input import Id, Line, ListQuery, Moment, Text
from web.api.task_shapes import TaskOut, show_task

Part = Literal["responsible", "creator", "co_executor", "observer"]
Entity = Literal["lead", "deal", "contact", "company"]
Title = Annotated[str, Meta(min_length=1, max_length=300)]
Minutes = Annotated[int, Meta(ge=0, le=10_000_000)]
People = Annotated[list[Id], Meta(max_length=50)]


class TaskQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["deadline", "-deadline", "created_at", "-created_at"] = "deadline"
    mine: bool = False
    """Those that one is responsible for."""
    role: Part | None = None
    """Those in which one has this part."""
    open: bool | None = None
    state: TaskState | None = None
    overdue: bool | None = None
    kind: Literal["task", "callback"] | None = None
    group: Id | None = None
    stage: Id | None = None
    """Together with `group`."""
    lead_id: Id | None = None
    person_id: Id | None = None
    responsible_id: Id | None = None
    creator_id: Id | None = None
    deadline_from: Moment | None = None
    deadline_to: Moment | None = None
    """Not included."""
    entity: Entity | None = None
    entity_id: Id | None = None
    """Together with `entity`: tasks of this record."""
    q: Line | None = None


_EQUAL = ("open", "state", "overdue", "kind", "group", "stage", "lead_id", "person_id", "responsible_id", "creator_id")


async def list_(call: Call[TaskQuery, None]) -> Page[TaskOut]:
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: TaskQuery) -> Page[TaskOut]:
    check(actor, "task", Action.READ)
    where = filter_of(tx, actor, query)
    rows = list_tasks(tx, actor, where, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, TASKS, rows, query.limit, query.sort, lambda task: show_task(task, actor))


def filter_of(tx: ReadTx, actor: Actor, query: TaskQuery) -> Filter:
    """What the parameters mean to the store."""
    given: dict[str, Any] = {name: getattr(query, name) for name in _EQUAL if getattr(query, name) is not None}
    filters: list[Filter] = [given]
    if query.mine:
        filters.append({"responsible_id": actor.id})
    if query.role is not None:
        filters.append(_in_part(tx, actor, query.role, query.open))
    if query.deadline_from is not None:
        filters.append({"deadline": Gte(query.deadline_from)})
    if query.deadline_to is not None:
        filters.append({"deadline": Lt(query.deadline_to)})
    if (query.entity is None) != (query.entity_id is None):
        raise Invalid({"entity_id": "entity и entity_id указывают вместе"})
    if query.stage is not None and query.group is None:
        raise Invalid({"group": "Стадии есть у групп: укажите и group"})
    if query.entity is not None and query.entity_id is not None:
        filters.append(of_record(tx, query.entity, query.entity_id))
    if query.q is not None and query.q.strip():
        filters.append(matching(tx, KINDS, actor, "task", query.q))
    return AllOf(tuple(filters))


def _in_part(tx: ReadTx, actor: Actor, part: Part, open: bool | None) -> Filter:
    if part in ("responsible", "creator"):
        return {f"{part}_id": actor.id}
    return {"id": OneOf(ids_of_people(tx, frozenset({actor.id}), open, part))}


class LinkIn(In, frozen=True, kw_only=True):
    entity: Entity
    id: Id


Links = Annotated[list[LinkIn], Meta(max_length=50)]


class NewTask(In, frozen=True, kw_only=True):
    title: Title
    description: Text = ""
    responsible_id: Id | None = None
    """Oneself when absent."""
    co_executors: People = []
    observers: People = []
    deadline: Moment | None = None
    lead_id: Id | None = None
    links: Links = []
    group: Id | None = None
    priority: Priority = Priority.NORMAL
    planned_minutes: Minutes | None = None
    result_required: bool = False
    """It cannot be completed before a result was written."""
    acceptance: bool = False
    """Its creator accepts what was done, or returns it."""
    attachments: Annotated[list[UploadId], Meta(max_length=MAX_FILES)] = []
    """Ids that `POST /files` gave."""


async def create(call: Call[None, NewTask]) -> TaskOut:
    """Files may come along as parts of a multipart form instead."""
    files = await attachments_of(call.store, call.actor, call.body.attachments)
    return await call.write(_create, call.company, call.body, files)


_PLAIN = ("description", "deadline", "group", "priority", "planned_minutes", "result_required", "acceptance")


def _create(tx: Tx, actor: Actor, company: Company, new: NewTask, files: tuple[Attachment, ...]) -> TaskOut:
    if new.lead_id:
        _linked(tx, actor, "lead_id", Link("lead", new.lead_id))
    task = create_task(
        tx,
        actor,
        title=new.title,
        responsible_id=new.responsible_id,
        lead_id=new.lead_id,
        company=company,
        co_executors=tuple(dict.fromkeys(new.co_executors)),
        observers=tuple(dict.fromkeys(new.observers)),
        links=_links(tx, actor, new.links),
        **{name: getattr(new, name) for name in _PLAIN},
    )
    if files:
        comment_task(tx, actor, task.id, "", files=kept(files))
        task = get_task(tx, actor, task.id)
    return show_task(task, actor)


def kept(files: tuple[Attachment, ...]) -> tuple[File, ...]:
    return tuple(File(id=each.blob, name=each.name, type=each.type, size=each.size) for each in files)


def _links(tx: ReadTx, actor: Actor, links: list[LinkIn]) -> tuple[Link, ...]:
    found = tuple(dict.fromkeys(Link(each.entity, each.id) for each in links))
    for number, link in enumerate(found):
        _linked(tx, actor, f"links[{number}]", link)
    return found


def _lead(tx: ReadTx, actor: Actor, lead_id: str) -> None:
    if tx.get(LEADS, lead_id) is None:
        raise Missing("Такого лида нет")
    get_lead(tx, actor, lead_id)


LINKED: Mapping[str, Callable[[ReadTx, Actor, str], object]] = {
    "lead": _lead, "deal": get_deal, "contact": get_person, "company": get_company,
}  # fmt: skip
"""Kind of record → raises when there is none with this id or the actor may not see it. Kinds that the store does not
hold cannot be linked."""


def _linked(tx: ReadTx, actor: Actor, field: str, link: Link) -> None:
    look = LINKED.get(link.entity)
    if look is None:
        raise Invalid({field: f"Записей вида {link.entity} в хабе нет"})
    try:
        look(tx, actor, link.id)
    except Missing as error:
        raise Invalid({field: str(error)}) from error
    except Forbidden:
        raise Forbidden("Связать задачу можно с тем, что вам видно") from None


async def read(call: Call[None, None]) -> TaskOut:
    return show_task(await call.read(get_task, call.id), call.actor)


class TaskPatch(In, frozen=True, kw_only=True):
    title: Title | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    responsible_id: Id | UnsetType = UNSET
    co_executors: People | UnsetType = UNSET
    observers: People | UnsetType = UNSET
    deadline: Moment | UnsetType | None = UNSET
    links: Links | UnsetType = UNSET
    group: Id | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    planned_minutes: Minutes | UnsetType | None = UNSET
    result_required: bool | UnsetType = UNSET
    acceptance: bool | UnsetType = UNSET


async def patch(call: Call[None, TaskPatch]) -> TaskOut:
    """An open task. `If-Match: VERSION` refuses a change of what somebody else has changed meanwhile."""
    return await call.write(_patch, call.company, call.id, call.body.given(), call.if_match)


def _patch(
    tx: Tx, actor: Actor, company: Company, task_id: str, changes: dict[str, Any], version: int | None
) -> TaskOut:
    for name in {"co_executors", "observers"} & changes.keys():
        changes[name] = tuple(dict.fromkeys(changes[name]))
    if "links" in changes:
        had = get_task(tx, actor, task_id).links
        new = [each for each in changes["links"] if Link(each.entity, each.id) not in had]
        _links(tx, actor, new)
        changes["links"] = tuple(dict.fromkeys(Link(each.entity, each.id) for each in changes["links"]))
    return show_task(update_task(tx, actor, task_id, changes, version, company), actor)


class StageOut(Out, frozen=True, kw_only=True):
    key: str
    title: str
    kind: str
    """State of a task that it stands for."""


class GroupOut(Out, frozen=True, kw_only=True):
    key: str
    title: str
    stages: tuple[StageOut, ...]


async def groups(call: Call[None, None]) -> Page[GroupOut]:
    check(call.actor, "task", Action.READ)
    found = [
        GroupOut(
            key=group.key,
            title=group.title,
            stages=tuple(StageOut(key=each.key, title=each.title, kind=each.kind) for each in group.stages),
        )
        for group in call.company.task_groups.values()
    ]
    return Page(items=found, next=None)


ROUTES = (
    Route("GET", "/task-groups", groups, "Группы задач и их стадии", "task.read"),
    Route("GET", "/tasks", list_, "Задачи", "task.read"),
    Route("POST", "/tasks", create, "Поставить задачу", "task.create", 201, upload=True),
    Route("GET", "/tasks/{id}", read, "Задача", "task.read"),
    Route("PATCH", "/tasks/{id}", patch, "Изменить задачу: название, срок, людей, связи и прочее", "task.update"),
)
