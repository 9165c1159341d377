"""Presets: from the name or path in `[company] preset` to tables.

A preset is a folder of TOML files or one file with the same tables; each table is written in one of them. What the
configuration says lies over the preset: single keys of the company, its texts and its queues, whole calendars.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crm_core.presets import FOLDER, bundled
from firstline.draft import Draft
from firstline.problems import nearest
from firstline.sources import CONFIG_TABLES, read_toml

PRESET_TABLES = (
    "company", "roles", "rights", "stages", "sources", "fields", "queues", "workhours", "departments", "demo", "texts",
    "routing", "pipelines", "deal_fields", "conversion", "task_groups", "automations", "vat", "units", "price_types",
    "firm", "documents", "customers", "retention",
)  # fmt: skip
OVERLAY_DEPTH = {"queues": 2, "workhours": 1, "connectors": 1, "firm": 0}
"""How many levels of a table are merged before the configuration's value replaces the preset's; else 1. The firm is
replaced as a whole: a contract must never bear the bank account of the example."""


def find_preset(name: str, folder: Path, draft: Draft) -> Path | None:
    """The file or folder of a preset: a bundled name, or a path from the folder of the configuration."""
    if name in bundled():
        return FOLDER / name
    path = folder / name
    if path.is_file() or path.is_dir():
        return path
    mend = nearest(name, bundled())
    draft.report(("company", "preset"), "такого набора нет", f"{mend}; или укажите путь к своему файлу или папке")
    return None


def read_preset(path: Path, draft: Draft) -> None:
    """Put the tables of a preset into the draft."""
    draft.preset = path if path.is_dir() else path.parent
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        draft.report(("company", "preset"), f"в папке {path} нет файлов .toml", "возьмите за образец набор equipment")
    for file in files:
        label = f"{path.name}/{file.name}" if path.is_dir() else file.name
        for table, value in read_toml(file, draft, label).items():
            _take(draft, table, value, label)


def _take(draft: Draft, table: str, value: Any, label: str) -> None:
    if table not in PRESET_TABLES:
        draft.report((f"{label}: {table}",), "такого раздела в наборе нет", nearest(table, PRESET_TABLES))
    elif table in draft.tables:
        draft.report((f"{label}: {table}",), f"раздел уже есть в {draft.labels[table,]}", "оставьте его в одном файле")
    else:
        draft.tables[table] = value
        draft.labels[table,] = label


def overlay(draft: Draft, config: Mapping[str, Any]) -> None:
    """Lay the configuration's tables over those of the preset; unknown ones were reported by `check_tables`."""
    for table in config.keys() & set(CONFIG_TABLES):
        depth = OVERLAY_DEPTH.get(table, 1)
        draft.tables[table] = _merged(draft, (table,), draft.tables.get(table), config[table], depth)


def check_tables(draft: Draft, config: Mapping[str, Any]) -> None:
    """Report tables that do not belong into a configuration."""
    for table in config.keys() - set(CONFIG_TABLES):
        draft.report((table,), "такого раздела нет", _mend(table))


def _mend(table: str) -> str:
    if table in PRESET_TABLES:
        return f"{table} задаётся в наборе: скопируйте его и укажите путь в company.preset"
    return nearest(table, CONFIG_TABLES)


def _merged(draft: Draft, place: tuple[str, ...], base: Any, over: Any, depth: int) -> Any:
    if depth == 0 or not isinstance(base, dict) or not isinstance(over, dict):
        draft.labels[place] = ""
        return over
    return base | {key: _merged(draft, (*place, key), base.get(key), value, depth - 1) for key, value in over.items()}
