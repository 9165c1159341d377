"""Changing the settings of a running hub: checked as files are, safe for what is there, with a way back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.rights import Action
from crm_core.robot_moments import plan_changed
from crm_core.setting_guards import objections
from crm_core.setting_moves import begin_moves, check_moves
from crm_core.settings import (
    NUMBER,
    ORDER,
    SETTING_CHANGES,
    SETTINGS,
    TABLES,
    Blueprint,
    Setting,
    SettingChange,
    applied,
    built,
    company_now,
    entries,
    stored,
    table_of,
    tables_now,
)
from storage import ReadTx, Tx

MAX_ENTRIES = 500
"""Of one table."""
MAX_VALUE = 200_000
"""Bytes of an entry as JSON."""
MAX_COMMENT = 500
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is in force."""

    table: str
    key: str
    value: Any
    version: int
    """Number of its last change; 0 while it is as it came."""
    in_files: bool
    own: Setting | None = None
    """What is stored; None while it is as the files have it."""

    @property
    def changed_at(self) -> datetime | None:
        return self.own.changed_at if self.own else None


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table as it is in force."""

    name: str
    title: str
    entries: Sequence[Entry]
    version: int
    """Of the order."""
    changed: int
    """How many entries differ from the files."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be changed, and why."""

    table: str
    key: str
    version: int | None = None
    """What the changer saw; None: he did not say."""
    comment: str = ""
    moves: Mapping[str, str] = field(default_factory=dict)
    """Stage that goes → the one that takes its records over."""


def list_tables(tx: ReadTx, actor: Actor, blueprint: Blueprint) -> list[Shelf]:
    """Every table that may be changed."""
    check(actor, "setting", Action.READ)
    return [_shelf(tx, blueprint, name) for name in TABLES]


def read_table(tx: ReadTx, actor: Actor, blueprint: Blueprint, name: str) -> Shelf:
    """One table with its entries in order, or `Missing`."""
    check(actor, "setting", Action.READ)
    table_of(name)
    return _shelf(tx, blueprint, name)


def read_entry(tx: ReadTx, actor: Actor, blueprint: Blueprint, name: str, key: str) -> Entry:
    """One entry, or `Missing`."""
    found = next((each for each in read_table(tx, actor, blueprint, name).entries if each.key == key), None)
    if found is None:
        raise Missing("Такой записи в этом разделе настроек нет")
    return found


def _shelf(tx: ReadTx, blueprint: Blueprint, name: str) -> Shelf:
    own = {each.key: each for each in stored(tx) if each.table == name}
    of_files = entries(name, blueprint.tables)
    found = entries(name, applied(blueprint.tables, own.values()))
    rows = [Entry(name, key, found[key], _version(tx, name, key), key in of_files, own.get(key)) for key in found]
    return Shelf(name, TABLES[name].title, rows, _version(tx, name, ORDER), len(own.keys() - {ORDER}))


def _version(tx: ReadTx, table: str, key: str) -> int:
    last = _last(tx, table, key)
    return last.number if last else 0


def _last(tx: ReadTx, table: str, key: str) -> SettingChange | None:
    return tx.first(SETTING_CHANGES, {"table": table, "key": key}, sort="-number")


def history(
    tx: ReadTx, actor: Actor, table: str | None = None, key: str | None = None, *, limit: int, after: str | None = None
) -> list[SettingChange]:
    """Changes, newest first; of one table with its `key` only."""
    check(actor, "setting", Action.READ)
    where: dict[str, Any] = {"table": table} if table else {}
    if table and key is not None:
        where["key"] = key
    return tx.find(SETTING_CHANGES, where, sort="-number", limit=limit, after=after)


def save_entry(tx: Tx, actor: Actor, blueprint: Blueprint, edit: Edit, value: Any) -> Entry:
    """Add an entry or put another in its place. `Invalid` names what is wrong as `firstline check` would, and what
    stands in the way among the records."""
    check(actor, "setting", Action.MANAGE)
    value = _named(edit, value)
    if len(msgspec.json.encode(value)) > MAX_VALUE:
        raise Invalid({"value": f"Слишком много: не больше {MAX_VALUE // 1000} КБ"})
    _put(tx, actor, blueprint, edit, value)
    return read_entry(tx, actor, blueprint, edit.table, edit.key)


def change_entry(tx: Tx, actor: Actor, blueprint: Blueprint, edit: Edit, parts: Mapping[str, Any]) -> Entry:
    """Change some members of an entry; null takes a member away."""
    check(actor, "setting", Action.MANAGE)
    former = read_entry(tx, actor, blueprint, edit.table, edit.key).value
    if not isinstance(former, dict):
        raise Invalid({"value": "У этой записи нет частей: замените её целиком"})
    merged = {key: value for key, value in {**former, **parts}.items() if value is not None}
    return save_entry(tx, actor, blueprint, edit, merged)


def reset_entry(tx: Tx, actor: Actor, blueprint: Blueprint, edit: Edit) -> None:
    """Remove an own entry; a changed one of the files is again as they have it."""
    check(actor, "setting", Action.MANAGE)
    found = read_entry(tx, actor, blueprint, edit.table, edit.key)
    if found.own is None:
        raise Conflict("Запись из файлов набора не удаляется: скройте её (hidden) или отправьте в архив (archived)")
    _put(tx, actor, blueprint, edit, None)


def order_table(tx: Tx, actor: Actor, blueprint: Blueprint, edit: Edit, order: Sequence[str]) -> Shelf:
    """Set the order of a table's entries; those not named come last, as they stood."""
    check(actor, "setting", Action.MANAGE)
    if table_of(edit.table).is_whole:
        raise Invalid({"order": "Порядок этого раздела меняют вместе с ним самим"})
    known = entries(edit.table, tables_now(tx, blueprint))
    wrong = {f"order[{at}]": f"Такой записи нет; есть {', '.join(known)}" for at, key in enumerate(order)
             if key not in known}  # fmt: skip
    wrong |= {f"order[{at}]": "Уже названа" for at, key in enumerate(order) if key in order[:at]}
    if wrong:
        raise Invalid(wrong)
    _put(tx, actor, blueprint, edit, list(order))
    return _shelf(tx, blueprint, edit.table)


def undo_change(tx: Tx, actor: Actor, blueprint: Blueprint, change_id: str, comment: str = "") -> SettingChange | None:
    """Take back the last change of an entry: it is again what it was before. `Conflict` when it was changed since."""
    check(actor, "setting", Action.MANAGE)
    change = tx.get(SETTING_CHANGES, change_id)
    if change is None:
        raise Missing("Такого изменения настроек нет")
    last = _last(tx, change.table, change.key)
    if last is not None and last.id != change.id:
        raise Conflict(f"После этого были другие изменения: отмените сначала изменение № {last.number}")
    edit = Edit(change.table, change.key, None, comment or f"Отмена изменения № {change.number}")
    return _put(tx, actor, blueprint, edit, change.before, undoes=change.id)


def _named(edit: Edit, value: Any) -> Any:
    """The value with its key in it, where the table keeps it there. A key is for ever: titles are for people."""
    table = table_of(edit.table)
    if table.is_whole and edit.key not in entries(edit.table, {}):
        raise Missing("Такой записи в этом разделе настроек нет")
    if not KEY.fullmatch(edit.key):
        raise Invalid({"key": "Ключ: латинские буквы, цифры, дефис и подчёркивание, не длиннее 63 знаков"})
    if value is None:
        raise Invalid({"value": "Нужно значение; вернуть запись к набору — DELETE"})
    if table.key is None:
        return value
    if not isinstance(value, dict):
        raise Invalid({"value": "Нужен объект"})
    if value.get(table.key, edit.key) != edit.key:
        raise Invalid({f"value.{table.key}": "Ключ не меняется: измените название"})
    return {table.key: edit.key, **value}


def _put(
    tx: Tx, actor: Actor, blueprint: Blueprint, edit: Edit, value: Any, undoes: str | None = None
) -> SettingChange | None:  # fmt: skip
    """Put the value in force and write it down; None takes an own entry away. What changes nothing leaves no trace."""
    if edit.version is not None and edit.version != _version(tx, edit.table, edit.key):
        raise Conflict("Эту настройку уже изменил кто-то другой. Прочитайте её заново")
    if len(edit.comment) > MAX_COMMENT:
        raise Invalid({"comment": f"Не длиннее {MAX_COMMENT} знаков"})
    rows = stored(tx)
    before = _value(blueprint, rows, edit)
    value = _with_leaving(edit, before, value)
    if value == before and not edit.moves:
        return None
    number = tx.next_number(NUMBER)
    row = _row(tx, actor, blueprint, edit, value, number)
    after = [each for each in rows if (each.table, each.key) != (edit.table, edit.key)] + ([row] if row else [])
    _check_all(tx, actor, blueprint, edit, rows, after)
    if (own := tx.get(SETTINGS, f"{edit.table}/{edit.key}")) is not None:
        tx.delete(SETTINGS, own)
    if row is not None:
        tx.insert(SETTINGS, row)
    change = _note(tx, actor, edit, number, before, _value(blueprint, after, edit), undoes)
    begin_moves(tx, edit.table, edit.key, edit.moves)
    plan_changed(tx, company_now(tx, blueprint))
    return change


def _row(tx: Tx, actor: Actor, blueprint: Blueprint, edit: Edit, value: Any, number: int) -> Setting | None:
    """What is to be stored; None when the entry is as the files have it."""
    if value is None or value == _value(blueprint, (), edit):
        return None
    return Setting(
        id=f"{edit.table}/{edit.key}", table=edit.table, key=edit.key, value=value, number=number, changed_at=tx.now,
        changed_by=actor.name,
    )  # fmt: skip


def _value(blueprint: Blueprint, rows: Iterable[Setting], edit: Edit) -> Any:
    """The entry that is meant, or the order, as these rows make it; None when there is none."""
    tables = applied(blueprint.tables, rows)
    found = entries(edit.table, tables)
    return list(found) if edit.key == ORDER else found.get(edit.key)


def _with_leaving(edit: Edit, before: Any, value: Any) -> Any:
    """Stages of a pipeline whose records move away stay in the archive: deals remember where they were."""
    if edit.table != "pipelines" or not edit.moves or not isinstance(before, dict) or not isinstance(value, dict):
        return value
    if not isinstance(rows := value.get("stages"), list):
        return value
    kept = {each.get("key") for each in rows if isinstance(each, dict)}
    leaving = [
        {**each, "archived": True} for each in before["stages"] if each["key"] in edit.moves and each["key"] not in kept
    ]
    return {**value, "stages": [*rows, *leaving]}


def _check_all(
    tx: Tx, actor: Actor, blueprint: Blueprint, edit: Edit, rows: Sequence[Setting], after: Sequence[Setting]
) -> None:
    """`Invalid` unless the company of these rows makes sense, and what is there can live with it."""
    former, wanted = applied(blueprint.tables, rows), applied(blueprint.tables, after)
    if len(entries(edit.table, wanted)) > MAX_ENTRIES:
        raise Invalid({"key": f"В этом разделе уже {MAX_ENTRIES} записей: больше не бывает"})
    _check_type(tx, edit, former, wanted)
    old = built(tx, blueprint, former)
    try:
        new = built(tx, blueprint, wanted)
    except Invalid as error:
        raise Invalid(_seen_from(edit, wanted, error.fields)) from error
    check_moves(old, new, edit.table, edit.key, edit.moves)
    if wrong := objections(tx, actor, old, new, edit.moves):
        raise Invalid(wrong)


def _seen_from(edit: Edit, tables: Mapping[str, Any], wrong: Mapping[str, str]) -> dict[str, str]:
    """The mistakes with their places seen from the entry: `value.stages[2].title`. Those elsewhere keep theirs."""
    table = TABLES[edit.table]
    if table.is_whole:
        place = edit.table
    elif table.key is None:
        place = f"{edit.table}.{edit.key}"
    else:
        keys = list(entries(edit.table, tables))
        place = f"{edit.table}[{keys.index(edit.key)}]" if edit.key in keys else edit.table
    return {
        f"value{name[len(place) :]}" if name == place or name.startswith((f"{place}.", f"{place}[")) else name: text
        for name, text in wrong.items()
    }


def _check_type(tx: ReadTx, edit: Edit, former: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """A field that comes back must be of the type that the values of old records have."""
    if edit.table not in ("fields", "deal_fields") or edit.key in entries(edit.table, former):
        return
    last = tx.first(SETTING_CHANGES, {"table": edit.table, "key": edit.key}, sort="-number")
    if last is None or not isinstance(last.before, dict):
        return
    was, now = last.before.get("type", "text"), entries(edit.table, wanted)[edit.key].get("type", "text")
    if was != now:
        raise Invalid({"value.type": f"Под этим ключом уже было поле вида {was}: выберите другой ключ"})


def _note(
    tx: Tx, actor: Actor, edit: Edit, number: int, before: Any, after: Any, undoes: str | None
) -> SettingChange:  # fmt: skip
    change = SettingChange(
        id=tx.new_id("set_"), number=number, at=tx.now, actor_id=actor.id, actor=actor.name, table=edit.table,
        key=edit.key, before=before, after=after, comment=edit.comment.strip(),
        moves=dict(edit.moves), undoes=undoes,
    )  # fmt: skip
    tx.insert(SETTING_CHANGES, change)
    name = f"{edit.table}/{edit.key}"
    record(tx, actor, "setting", name, "undone" if undoes else "changed", {"value": (before, after)})
    tell(tx, "setting", name, "changed", data={"table": edit.table, "key": edit.key})
    return change
