"""Changes of the settings in words: where, and what is different now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from crm_core.settings import ORDER, TABLES, WHOLE, SettingChange
from web.pages.i18n import _, mark

LABELS = {
    "title": mark("Название"),
    "label": mark("Название"),
    "key": mark("Ключ"),
    "kind": mark("Вид"),
    "type": mark("Вид поля"),
    "color": mark("Цвет"),
    "choices": mark("Значения"),
    "hidden": mark("Скрыто"),
    "archived": mark("В архиве"),
    "probability": mark("Вероятность"),
    "demands": mark("Требования"),
    "stages": mark("Стадии"),
    "requires": mark("Нужно для конвертации"),
}
"""Members of an entry, as people call them."""
SHORT = 60


def label(place: str) -> str:
    """`value.stages[2].title` → «Название»; empty when nobody would understand the name."""
    for part in reversed(place.replace("[", ".[").split(".")):
        if part in LABELS:
            return _(LABELS[part])
    return ""


def name_of(change: SettingChange) -> str:
    """What was changed: «Поля сделки: Гарантия»."""
    section = TABLES[change.table].title if change.table in TABLES else change.table
    if change.key == ORDER:
        return f"{section}: {_('порядок')}"
    entry = change.after if change.after is not None else change.before
    title = entry.get("title") or entry.get("label") if isinstance(entry, Mapping) else None
    known = _(LABELS[change.key]) if change.key in LABELS else change.key
    return section if change.key == WHOLE else f"{section}: {title or known}"


def brief(before: Any, after: Any) -> list[str]:
    """What is different, a line each."""
    if before is None or after is None:
        return [_("Добавлено") if before is None else _("Убрано")]
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return list(_members(before, after))
    if _keyed(before) and _keyed(after):
        return list(_rows(before, after))
    if isinstance(before, list) and isinstance(after, list) and sorted(map(str, before)) == sorted(map(str, after)):
        return [_("Порядок изменён")]
    return [f"{_short(before)} → {_short(after)}"]


def _members(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        if _keyed(was) and _keyed(now):
            yield from _rows(was, now)
            continue
        yield f"{_(LABELS[key]) if key in LABELS else key}: {_short(was)} → {_short(now)}"


def _keyed(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether it is a list of tables that have keys, such as stages."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "key" in each for each in value)


def _rows(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    was, now = ({row["key"]: row for row in rows} for rows in (before, after))
    for key in now.keys() - was.keys():
        yield f"{_('Добавлено')}: {_title(now[key])}"
    for key in was.keys() - now.keys():
        yield f"{_('Убрано')}: {_title(was[key])}"
    for key, row in now.items():
        if key in was and was[key] != row:
            yield f"{_title(row)}: {', '.join(_members(was[key], row))}"
    if was.keys() == now.keys() and list(was) != list(now):
        yield _("Порядок изменён")


def _title(row: Mapping[str, Any]) -> str:
    return f"«{row.get('title', row['key'])}»"


def _short(value: Any) -> str:
    if value is None or value == []:
        return "—"
    if isinstance(value, bool):
        return _("да") if value else _("нет")
    if isinstance(value, list):
        value = ", ".join(_short(each) for each in value)
    if isinstance(value, Mapping):
        value = ", ".join(str(each) if not isinstance(each, bool) else key for key, each in value.items())
    text = str(value)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
