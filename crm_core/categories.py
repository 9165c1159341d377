"""Categories of products: a tree that is never a circle and at most `MAX_DEPTH` deep.

Another system (1C, a file) names a category by an id of its own; the name `category:1c:GUID` is the id of an external
reference, so the store itself keeps it unique.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.external import check_names, link, linked
from crm_core.rights import Action
from storage import Collection, Entity, Index, ReadTx, Tx

MAX_DEPTH = 10
MAX_NAME = 200
FIELDS = frozenset({"name", "parent_id"})


class Category(Entity, frozen=True, kw_only=True):
    """A folder of the catalogue."""

    name: str
    name_key: str
    """For sorting: small letters."""
    parent_id: str | None = None
    active: bool = True
    external_ids: dict[str, str] = {}
    """Origin → how it calls this category."""
    created_at: datetime
    updated_at: datetime


CATEGORIES = Collection("product_categories", Category, [Index("parent_id", "name_key"), Index("active", "name_key")])


def get_category(tx: ReadTx, actor: Actor, category_id: str) -> Category:
    check(actor, "product", Action.READ)
    found = tx.get(CATEGORIES, category_id)
    if found is None:
        raise Missing("Такой категории товаров нет")
    return found


def list_categories(
    tx: ReadTx,
    actor: Actor,
    where: Mapping[str, Any] | None = None,
    *,
    sort: str = "name_key",
    limit: int | None = None,
    after: str | None = None,
) -> list[Category]:
    """By name; `where` asks for `active` or `parent_id`."""
    check(actor, "product", Action.READ)
    return tx.find(CATEGORIES, where or {}, sort=sort, limit=limit, after=after)


def path_to(tx: ReadTx, category_id: str | None) -> list[Category]:
    """The category after all those above it."""
    chain: list[Category] = []
    while category_id is not None and (found := tx.get(CATEGORIES, category_id)) is not None:
        chain.append(found)
        category_id = found.parent_id
    return chain[::-1]


def with_all_below(tx: ReadTx, category_id: str) -> list[str]:
    """Ids of the category and of everything under it."""
    return [each for level in _levels(tx, category_id) for each in level]


def _levels(tx: ReadTx, category_id: str) -> list[list[str]]:
    levels = [[category_id]]
    while found := [child.id for id in levels[-1] for child in tx.find(CATEGORIES, {"parent_id": id})]:
        levels.append(found)
    return levels


def create_category(tx: Tx, actor: Actor, name: str, parent_id: str | None = None) -> Category:
    """A new category. `Invalid` for an empty name, an unknown parent, a tree that would be too deep."""
    check(actor, "product", Action.CREATE)
    changes = _checked(tx, None, {"name": name, "parent_id": parent_id})
    category = Category(id=tx.new_id("pc_"), **changes, created_at=tx.now, updated_at=tx.now)
    category = tx.insert(CATEGORIES, category)
    record(tx, actor, "product_category", category.id, "created", {"name": (None, category.name)})
    tell(tx, "product", category.id, "category_created")
    return category


def edit_category(
    tx: Tx, actor: Actor, category_id: str, changes: Mapping[str, Any], version: int | None = None
) -> Category:
    """Change `name` or `parent_id`; moving takes everything below along. `Invalid` when it would end in itself."""
    category = _for_change(tx, actor, category_id, version)
    if unknown := changes.keys() - FIELDS:
        raise Invalid(dict.fromkeys(sorted(unknown), "Такого поля нет или его меняют другой командой"))
    return _changed(tx, actor, category, _checked(tx, category, changes), "updated")


def archive_category(tx: Tx, actor: Actor, category_id: str) -> Category:
    """Out of the lists. `Conflict` while there are live categories below; its products stay as they are."""
    category = _for_change(tx, actor, category_id)
    if any(child.active for child in tx.find(CATEGORIES, {"parent_id": category.id})):
        raise Conflict("В категории есть другие категории: сначала перенесите их или уберите в архив")
    return _changed(tx, actor, category, {"active": False}, "archived")


def restore_category(tx: Tx, actor: Actor, category_id: str) -> Category:
    """Back into the lists; `Conflict` while the category above is in the archive."""
    category = _for_change(tx, actor, category_id)
    above = tx.get(CATEGORIES, category.parent_id) if category.parent_id else None
    if above is not None and not above.active:
        raise Conflict(f"Категория «{above.name}», в которой она лежит, в архиве: сначала верните её")
    return _changed(tx, actor, category, {"active": True}, "restored")


def upsert_category(
    tx: Tx, actor: Actor, origin: str, external_id: str, *, name: str, parent_external_id: str | None = None
) -> Category:
    """The category that another system names so, made or brought up to date; the same call again changes nothing.

    `parent_external_id` is of the same origin; `Invalid` when it is not known yet (send parents first).
    """
    check_names(origin, external_id)
    parent_id = None
    if parent_external_id is not None:
        parent_id = linked(tx, "category", origin, parent_external_id)
        if parent_id is None:
            raise Invalid({"parent_external_id": "Категории с таким внешним идентификатором нет: передайте её раньше"})
    known = linked(tx, "category", origin, external_id)
    if known is not None:
        category = edit_category(tx, actor, known, {"name": name, "parent_id": parent_id})
        return category if category.active else restore_category(tx, actor, known)
    category = create_category(tx, actor, name, parent_id)
    link(tx, "category", origin, external_id, category.id)
    return tx.update(CATEGORIES, category, external_ids={origin: external_id})


def _for_change(tx: ReadTx, actor: Actor, category_id: str, version: int | None = None) -> Category:
    category = get_category(tx, actor, category_id)
    check(actor, "product", Action.UPDATE)
    if version is not None and version != category.version:
        raise Conflict("Категория уже изменена кем-то другим. Обновите страницу")
    return category


def _checked(tx: ReadTx, category: Category | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as they are stored."""
    wrong, found = {}, dict(changes)
    if "name" in changes:
        name = " ".join(str(changes["name"]).split())
        if not name or len(name) > MAX_NAME:
            wrong["name"] = f"Укажите название не длиннее {MAX_NAME} знаков"
        found |= {"name": name, "name_key": name.lower()}
    if changes.get("parent_id") is not None:
        wrong |= _wrong_parent(tx, category, str(changes["parent_id"]))
    if wrong:
        raise Invalid(wrong)
    return found


def _wrong_parent(tx: ReadTx, category: Category | None, parent_id: str) -> dict[str, str]:
    if category is not None and parent_id == category.parent_id:
        return {}
    above = path_to(tx, parent_id)
    if not above:
        return {"parent_id": "Такой категории нет"}
    if not above[-1].active:
        return {"parent_id": f"Категория «{above[-1].name}» в архиве: верните её или выберите другую"}
    if category is not None and category.id in (each.id for each in above):
        return {"parent_id": "Категория не может лежать в самой себе: выберите другую"}
    below = len(_levels(tx, category.id)) if category is not None else 1
    if len(above) + below > MAX_DEPTH:
        return {"parent_id": f"Вложенность больше {MAX_DEPTH} уровней: выберите категорию повыше"}
    return {}


def _changed(tx: Tx, actor: Actor, category: Category, changes: Mapping[str, Any], event: str) -> Category:
    before = {name: getattr(category, name) for name in changes if getattr(category, name) != changes[name]}
    if not before:
        return category
    changed = tx.update(CATEGORIES, category, **changes, updated_at=tx.now)
    shown = {name: (value, changes[name]) for name, value in before.items() if name != "name_key"}
    record(tx, actor, "product_category", category.id, event, shown)
    tell(tx, "product", category.id, f"category_{event}")
    return changed
