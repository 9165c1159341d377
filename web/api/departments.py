"""`/departments`: the tree of departments, changed while the hub runs."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from crm_core import departments as core
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.rights import Action
from crm_core.users import DEPARTMENTS, Department
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Id, ListQuery

Name = Annotated[str, Meta(min_length=1, max_length=core.MAX_NAME)]


class DepartmentOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    name: str
    parent_id: str | None
    head_id: str | None


def show(department: Department) -> DepartmentOut:
    return DepartmentOut(**{name: getattr(department, name) for name in DepartmentOut.__struct_fields__})


async def list_(call: Call[ListQuery, None]) -> Page[DepartmentOut]:
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: ListQuery) -> Page[DepartmentOut]:
    check(actor, "department", Action.READ)
    rows = tx.find(DEPARTMENTS, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, DEPARTMENTS, rows, query.limit, "id", show)


class NewDepartment(In, frozen=True, kw_only=True):
    name: Name
    parent_id: Id | None = None
    head_id: Id | None = None


class DepartmentPatch(In, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET
    parent_id: Id | UnsetType | None = UNSET
    head_id: Id | UnsetType | None = UNSET


async def create(call: Call[None, NewDepartment]) -> DepartmentOut:
    return show(await call.write(core.create_department, call.body.given()))


async def read(call: Call[None, None]) -> DepartmentOut:
    return show(await call.read(core.get_department, call.id))


async def patch(call: Call[None, DepartmentPatch]) -> DepartmentOut:
    return show(await call.write(core.change_department, call.id, call.body.given(), call.if_match))


async def remove(call: Call[None, None]) -> None:
    """Only an empty one that neither a queue nor a robot names."""
    queues = call.services.desk.queues.values()
    named = {each for queue in queues for each in (*queue.members, *queue.heads)}
    await call.write(core.remove_department, call.company, call.id, named)


ROUTES = (
    Route("GET", "/departments", list_, "Отделы", "department.read"),
    Route("POST", "/departments", create, "Создать отдел", "department.manage", 201),
    Route("GET", "/departments/{id}", read, "Отдел", "department.read"),
    Route("PATCH", "/departments/{id}", patch, "Изменить отдел, его место и руководителя", "department.manage"),
    Route("DELETE", "/departments/{id}", remove, "Удалить пустой отдел", "department.manage", 204),
)
