"""The first start on an empty store: departments of the preset, and in the demo its employees and its catalogue.

A company with a configuration of its own gets no employees with known passwords; it is told how to add the first.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from crm_core.actor import SYSTEM
from crm_core.categories import CATEGORIES, create_category
from crm_core.company import Company
from crm_core.money import parse_money
from crm_core.products import PRODUCTS, create_product
from crm_core.users import DEPARTMENTS, USERS, create_user
from crm_core.users import Department as DepartmentRecord
from firstline.settings import Demo, Settings
from storage import ReadTx, Store, Tx
from web.passwords import hash_password

NO_USERS = (
    "В хранилище ещё нет сотрудников. Добавьте администратора:\n"
    '  firstline user add admin@example.ru --name "Имя Фамилия" --role admin'
)


async def prepare(store: Store, settings: Settings) -> None:
    """Make an empty store usable; does nothing on any later start, but for the hint while there is no employee."""
    has_users, has_departments = await store.read(_present)
    if has_users and has_departments:
        return
    demo = None if has_users else settings.demo
    password_hash = await hash_password(demo.password) if demo else ""
    await store.write(_fill, settings, demo, password_hash)
    if not has_users and demo is None:
        print(NO_USERS, file=sys.stderr, flush=True)


def _present(tx: ReadTx) -> tuple[bool, bool]:
    return tx.count(USERS, limit=1) > 0, tx.count(DEPARTMENTS, limit=1) > 0


def _fill(tx: Tx, settings: Settings, demo: Demo | None, password_hash: str) -> None:
    heads = _add_users(tx, demo, password_hash) if demo and not tx.count(USERS, limit=1) else {}
    if demo:
        _add_catalogue(tx, settings.company, demo)
    for each in () if tx.count(DEPARTMENTS, limit=1) else settings.departments:
        record = DepartmentRecord(id=each.key, name=each.title, parent_id=each.parent, head_id=heads.get(each.key))
        tx.insert(DEPARTMENTS, record)


def _add_users(tx: Tx, demo: Demo, password_hash: str) -> Mapping[str, str]:
    """Insert the demo's employees; gives department → id of its head."""
    heads: dict[str, str] = {}
    for person in demo.users:
        user = create_user(
            tx,
            SYSTEM,
            email=person.email,
            name=person.name,
            roles=person.roles,
            password_hash=password_hash,
            extension=person.extension,
            department_id=person.department,
        )
        heads |= dict.fromkeys(person.heads, user.id)
    return heads


def _add_catalogue(tx: Tx, company: Company, demo: Demo) -> None:
    """Insert the demo's categories and products, unless there are some."""
    if tx.count(PRODUCTS, limit=1) or tx.count(CATEGORIES, limit=1):
        return
    ids: dict[str, str] = {}
    for category in demo.categories:
        ids[category.key] = create_category(
            tx, SYSTEM, category.name, ids[category.parent] if category.parent else None
        ).id
    for product in demo.products:
        values: dict[str, Any] = {"sku": product.sku, "name": product.name, "category_id": ids[product.category]}
        values |= {"vat": product.vat, "description": product.description, "fields": product.fields}
        values |= {"unit": product.unit or company.trade.units[0].code}
        values |= {"prices": {key: parse_money(text) for key, text in product.prices.items()}}
        create_product(tx, SYSTEM, company, values)
