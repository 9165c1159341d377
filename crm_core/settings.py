"""Settings changed at run time: what people changed lies over the tables of the files, entry by entry.

A table of a preset (`pipelines`, `deal_fields`, …) has entries by key. A changed or added entry is kept whole in the
store, and so is the order of a table; whatever nobody changed stays as the files have it. `applied` lays the one over
the other, and a `Blueprint` makes the company of the result by the very rules that the files are checked by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from crm_core.automation import AUTOMATIONS
from crm_core.company import Company
from crm_core.documents.library import TEMPLATES
from crm_core.errors import Missing
from storage import Collection, Entity, Index, ReadTx

NUMBER = "settings"
"""Name of the counter that every change moves on: whoever holds a company knows by it whether it is the newest."""
WHOLE = "rules"
"""Key of the only entry of a table that is one list."""
ORDER = ""
"""Key under which the order of a table is kept."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that may be changed at run time."""

    title: str
    key: str | None = None
    """Of a list of tables: the field that names an entry."""
    is_whole: bool = False
    """A list whose entries have no names: it is one entry, `WHOLE`."""


TABLES: Mapping[str, Table] = {
    "pipelines": Table("Направления сделок"),
    "deal_fields": Table("Поля сделки", "key"),
    "fields": Table("Поля лида", "key"),
    "stages": Table("Стадии лида", "key"),
    "conversion": Table("Конвертация лида"),
    "task_groups": Table("Группы задач"),
    "sources": Table("Источники", is_whole=True),
    "routing": Table("Правила разбора обращений", is_whole=True),
    "roles": Table("Роли"),
    "rights": Table("Права"),
    "texts": Table("Тексты для клиентов"),
    "firm": Table("Реквизиты"),
    "vat": Table("Ставки НДС"),
    "units": Table("Единицы измерения", "code"),
    "price_types": Table("Виды цен", "key"),
}


class Setting(Entity, frozen=True, kw_only=True):
    """An entry that differs from the files, or the order of a table; `id` is `table/key`."""

    table: str
    key: str
    value: Any
    """As the files would have it."""
    number: int
    """Of the change that made it so."""
    changed_at: datetime
    changed_by: str


class SettingChange(Entity, frozen=True, kw_only=True):
    """One step of the history."""

    number: int
    at: datetime
    actor_id: str | None
    actor: str
    table: str
    key: str
    before: Any = None
    """None: there was no such entry."""
    after: Any = None
    """None: there is none any more."""
    comment: str = ""
    moves: dict[str, str] = {}
    """Stages that went → where their records were taken."""
    undoes: str | None = None
    """The change that this one took back."""


SETTINGS = Collection("settings", Setting)
SETTING_CHANGES = Collection("setting_changes", SettingChange, [Index("table", "key", "number"), Index("number")])


class Blueprint(Protocol):
    """Makes companies; the same rules check files and changes."""

    tables: Mapping[str, Any]
    """The tables as the files have them, in plain values."""
    company: Company
    """What they make."""

    def build(self, tables: Mapping[str, Any], changed_robots: frozenset[str]) -> Company:
        """The company of these tables. `Invalid` names every mistake by its place, as
        `pipelines.service.stages[2].title`. What the files say of robots that people changed does not count."""


def table_of(name: str) -> Table:
    """Which table is meant, or `Missing`."""
    if name not in TABLES:
        raise Missing(f"Такого раздела настроек нет; есть {', '.join(TABLES)}")
    return TABLES[name]


def entries(name: str, tables: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a table by key, in their order."""
    table = TABLES[name]
    if table.is_whole:
        return {WHOLE: tables.get(name, [])}
    if table.key is None:
        return dict(tables.get(name, {}))
    return {row[table.key]: row for row in tables.get(name, [])}


def applied(base: Mapping[str, Any], changed: Iterable[Setting]) -> dict[str, Any]:
    """The tables with the changed entries in them; own ones come last unless an order says otherwise."""
    by_table: dict[str, dict[str, Any]] = {}
    for each in changed:
        by_table.setdefault(each.table, {})[each.key] = each.value
    tables = dict(base)
    for name, values in by_table.items():
        if name not in TABLES:  # of a newer program; it will be there again
            continue
        order = values.pop(ORDER, [])
        found = entries(name, base) | values
        rank = {key: number for number, key in enumerate(order)}
        keys = sorted(found, key=lambda key: rank.get(key, len(rank)))
        tables[name] = _table({key: found[key] for key in keys}, TABLES[name])
    return tables


def _table(found: dict[str, Any], table: Table) -> Any:
    if table.is_whole:
        return found[WHOLE]
    return found if table.key is None else list(found.values())


def stored(tx: ReadTx) -> list[Setting]:
    """Everything that was changed; a company has some hundreds of entries at most."""
    return tx.find(SETTINGS)


def tables_now(tx: ReadTx, blueprint: Blueprint) -> dict[str, Any]:
    """The tables as they are in force."""
    return applied(blueprint.tables, stored(tx))


def company_now(tx: ReadTx, blueprint: Blueprint) -> Company:
    """The company as it is in force. `Invalid` when the files do not fit what was changed any more."""
    return built(tx, blueprint, tables_now(tx, blueprint)) if tx.last_number(NUMBER) else blueprint.company


def built(tx: ReadTx, blueprint: Blueprint, tables: Mapping[str, Any]) -> Company:
    """The company of these tables; templates that people uploaded count as there."""
    known = {each["key"] for each in tables.get("documents", [])}
    own = [{"key": each.id} for each in tx.find(TEMPLATES) if each.id not in known]
    documents = [*tables.get("documents", []), *own]
    return blueprint.build({**tables, "documents": documents}, frozenset(each.id for each in tx.find(AUTOMATIONS)))
