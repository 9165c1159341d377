"""`/segments`: saved filters of contacts and companies, used as `?segment=ID` in their lists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from crm_core.actor import Actor
from crm_core.segments import (
    MAX_CONDITIONS,
    SEGMENTS,
    Condition,
    Segment,
    create_segment,
    delete_segment,
    edit_segment,
    get_segment,
    list_segments,
)
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Id, Line, ListQuery

Given = Annotated[str, Meta(max_length=300)]
Number = Annotated[int, Meta(ge=-(10**9), le=10**9)]


class ConditionIn(In, frozen=True, kw_only=True):
    field: Id
    """`name`, `owner_id`, `rfm`, `abc`, `won_count`, `won_sum`, `last_won_at`, `created_at`, `last_activity_at`; of
    contacts `company_id`, of companies `inn`."""
    op: Id
    """`eq`, `ne`, `in`, `gt`, `gte`, `lt`, `lte`, `prefix`, `empty`, `filled`, `within_days`, `before_days`."""
    value: Given | Number | Annotated[list[Given], Meta(max_length=200)] | None = None


Conditions = Annotated[list[ConditionIn], Meta(min_length=1, max_length=MAX_CONDITIONS)]


class SegmentOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    name: str
    entity: str
    filter: tuple[Condition, ...]
    owner_id: str | None
    shared: bool
    created_at: datetime
    updated_at: datetime


def show_segment(segment: Segment) -> SegmentOut:
    return SegmentOut(**{name: getattr(segment, name) for name in SegmentOut.__struct_fields__})


class SegmentQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["name", "-name"] = "name"
    entity: Literal["contact", "company"] | None = None


async def list_(call: Call[SegmentQuery, None]) -> Page[SegmentOut]:
    """One's own and the shared ones."""
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: SegmentQuery) -> Page[SegmentOut]:
    rows = list_segments(tx, actor, query.entity, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, SEGMENTS, rows, query.limit, query.sort, show_segment)


class NewSegment(In, frozen=True, kw_only=True):
    name: Line
    entity: Literal["contact", "company"]
    filter: Conditions
    """All conditions must hold."""
    shared: bool = False


def _conditions(filter: list[ConditionIn]) -> tuple[Condition, ...]:
    return tuple(Condition(field=each.field, op=each.op, value=each.value) for each in filter)


async def create(call: Call[None, NewSegment]) -> SegmentOut:
    """A field that is not indexed is refused, with the list of those that can be used."""
    given = call.body.given() | {"filter": _conditions(call.body.filter)}
    return show_segment(await call.write(create_segment, given))


async def read(call: Call[None, None]) -> SegmentOut:
    return show_segment(await call.read(get_segment, call.id))


class SegmentPatch(In, frozen=True, kw_only=True):
    name: Line | UnsetType = UNSET
    filter: Conditions | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


async def patch(call: Call[None, SegmentPatch]) -> SegmentOut:
    """One's own."""
    given = call.body.given()
    if "filter" in given:
        given["filter"] = _conditions(given["filter"])
    return show_segment(await call.write(edit_segment, call.id, given, call.if_match))


async def delete(call: Call[None, None]) -> None:
    """One's own."""
    await call.write(delete_segment, call.id, call.if_match)


ROUTES = (
    Route("GET", "/segments", list_, "Сегменты: сохранённые отборы", "contact.read или company.read"),
    Route("POST", "/segments", create, "Сохранить сегмент", "contact.read или company.read", 201),
    Route("GET", "/segments/{id}", read, "Сегмент", "contact.read или company.read"),
    Route("PATCH", "/segments/{id}", patch, "Изменить свой сегмент", "contact.read или company.read"),
    Route("DELETE", "/segments/{id}", delete, "Удалить свой сегмент", "contact.read или company.read", 204),
)
