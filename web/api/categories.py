"""`/product-categories`: the tree that products hang in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from crm_core.actor import Actor
from crm_core.categories import (
    CATEGORIES,
    Category,
    archive_category,
    create_category,
    edit_category,
    get_category,
    list_categories,
    restore_category,
)
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Id, ListQuery
from web.api.shapes import same

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class CategoryOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    name: str
    parent_id: str | None
    active: bool
    external_ids: dict[str, str]
    created_at: datetime
    updated_at: datetime


def show_category(category: Category) -> CategoryOut:
    return same(CategoryOut, category)


class CategoryQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["name", "-name"] = "name"
    active: bool = True
    parent_id: Id | None = None


async def list_(call: Call[CategoryQuery, None]) -> Page[CategoryOut]:
    """By name; the tree is in `parent_id`."""
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: CategoryQuery) -> Page[CategoryOut]:
    sort = f"{query.sort}_key"
    where: dict[str, Any] = {"active": query.active}
    if query.parent_id is not None:
        where["parent_id"] = query.parent_id
    rows = list_categories(tx, actor, where, sort=sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, CATEGORIES, rows, query.limit, sort, show_category)


class NewCategory(In, frozen=True, kw_only=True):
    name: Name
    parent_id: Id | None = None


async def create(call: Call[None, NewCategory]) -> CategoryOut:
    return show_category(await call.write(create_category, call.body.name, call.body.parent_id))


async def read(call: Call[None, None]) -> CategoryOut:
    return show_category(await call.read(get_category, call.id))


class CategoryPatch(In, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET
    parent_id: Id | UnsetType | None = UNSET


async def patch(call: Call[None, CategoryPatch]) -> CategoryOut:
    """`If-Match: VERSION` refuses a change of what somebody else has changed meanwhile."""
    return show_category(await call.write(edit_category, call.id, call.body.given(), call.if_match))


async def archive(call: Call[None, None]) -> CategoryOut:
    """`409` while there are categories in it; its products stay."""
    return show_category(await call.write(archive_category, call.id))


async def restore(call: Call[None, None]) -> CategoryOut:
    return show_category(await call.write(restore_category, call.id))


ROUTES = (
    Route("GET", "/product-categories", list_, "Категории товаров", "product.read"),
    Route("POST", "/product-categories", create, "Добавить категорию", "product.create", 201),
    Route("GET", "/product-categories/{id}", read, "Категория", "product.read"),
    Route("PATCH", "/product-categories/{id}", patch, "Переименовать или перенести категорию", "product.update"),
    Route("POST", "/product-categories/{id}/archive", archive, "Убрать категорию в архив", "product.update"),
    Route("POST", "/product-categories/{id}/restore", restore, "Вернуть категорию из архива", "product.update"),
)
