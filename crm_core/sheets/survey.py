"""A first look at a table: how it is read, what its columns probably mean, how its rows will be taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.sheets.jobs import CellError, Import, ImportRow
from crm_core.sheets.kinds import ImportKind, all_fields
from crm_core.sheets.mapping import Suggestion, find_headings, headings_of, suggest
from crm_core.sheets.reading import SEPARATORS, Layout, data_rows, inspect, read_rows
from crm_core.sheets.work import Plan
from crm_core.sheets.writing import Cell

PREVIEW = 20
"""Rows."""
ERROR_HEADING = "Ошибка"


@dataclass(frozen=True, slots=True)
class Survey:
    """What `create_import` and `configure` need to know of a file."""

    layout: Layout
    columns: tuple[Suggestion, ...]
    total: int


def survey(path: Path, name: str, kind: ImportKind, company: Company) -> Survey:
    """Look at a new file. `Invalid` says what is wrong with it. Blocking: for a thread."""
    fields = all_fields(kind, company)
    layout, headings = find_headings(path, inspect(path, name), fields)
    return Survey(layout, suggest(headings, fields), _count(path, layout))


def survey_again(path: Path, job: Import, changes: Mapping[str, Any], kind: ImportKind, company: Company) -> Survey:
    """Look at the file as a person says that it is to be read: `sheet`, `separator`, `encoding`, `header_row`."""
    if changes.get("separator", ";") not in SEPARATORS:
        raise Invalid({"separator": "Такого разделителя нет; есть ; , | и табуляция"})
    fields = all_fields(kind, company)
    layout = msgspec.structs.replace(job.layout, **changes)
    if "header_row" in changes:
        headings = headings_of(path, layout)
    else:
        layout, headings = find_headings(path, layout, fields)
    return Survey(layout, suggest(headings, fields), _count(path, layout))


def _count(path: Path, layout: Layout) -> int:
    """All rows are read once, so whatever cannot be read is told before anything is begun."""
    total = sum(1 for _ in data_rows(path, layout))
    if not total:
        raise Invalid({"file": "Под заголовками нет ни одной строки"})
    return total


class PreviewRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it would be read: texts by key of field, and what is wrong."""

    row: int
    cells: list[str]
    values: dict[str, Any]
    errors: list[CellError]


def preview(path: Path, job: Import, kind: ImportKind, company: Company) -> list[PreviewRow]:
    """The first rows. Blocking: for a thread."""
    plan = Plan.of(kind, company, job)
    shown = []
    for row in islice(data_rows(path, job.layout), PREVIEW):
        parsed = plan.parse(row)
        cells = [*row[1], *[""] * len(job.columns)][: len(job.columns)]
        shown.append(PreviewRow(row=row[0], cells=cells, values=dict(parsed.values), errors=list(parsed.errors)))
    return shown


def in_words(errors: Sequence[CellError]) -> str:
    """«Телефон «123»: не похоже на номер; …»."""
    parts = []
    for each in errors:
        place = f"{each.column} «{each.value}»: " if each.column and each.value else f"{each.column}: "
        parts.append(f"{place if each.column else ''}{each.message}")
    return "; ".join(parts)


class ErrorTable:
    """The original rows that were refused, with a column that says why. The file is read once, along with the pages of
    refused rows. Blocking: for a thread."""

    def __init__(self, path: Path, job: Import) -> None:
        self._path = path
        self._job = job
        self._rows = data_rows(path, job.layout)

    def head(self) -> list[Cell]:
        """The headings as they are in the file."""
        layout, width = self._job.layout, len(self._job.columns)
        head = next((cells for number, cells in read_rows(self._path, layout) if number == layout.header_row), [])
        cells = zip([*head, *[""] * width], self._job.columns, strict=False)
        return [*(cell or column.heading for cell, column in cells), ERROR_HEADING]

    def page(self, failed: Iterable[ImportRow]) -> list[list[Cell]]:
        """The next of them; `failed` in the order of the file, behind those of the page before."""
        width = len(self._job.columns)
        shown: list[list[Cell]] = []
        for each in failed:
            cells = next((cells for number, cells in self._rows if number == each.row), [])
            shown.append([*[*cells, *[""] * width][:width], in_words(each.errors)])
        return shown
