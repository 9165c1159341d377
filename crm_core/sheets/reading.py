"""Reading a table row by row: CSV of any separator and encoding, or a sheet of an XLSX file.

Every cell comes out as text, as a person sees it: a phone that Excel keeps as a number gives its digits, a date
`2026-11-22`. Rows are read one after the other, so a table of 100,000 rows costs no more memory than the parser's own
(CSV: none, XLSX: the packed cells of one sheet). Rows are numbered as in the file, from 1, empty ones included.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from crm_core.errors import Invalid
from crm_core.sheets.encoding import Encoding, chosen, detect

MAX_FILE = 50 << 20
"""Bytes."""
MAX_UNPACKED = 400 << 20
"""Bytes of an XLSX file when unpacked."""
MAX_ROWS = 200_000
MAX_COLUMNS = 200
SEPARATORS = {";": "точка с запятой", ",": "запятая", "\t": "табуляция", "|": "вертикальная черта"}
_SAMPLE_ROWS = 30
_SAMPLE = 1 << 16
_GUARDED = ("'=", "'+", "'-", "'@")
"""How cells look that were made harmless for Excel, see `writing`; the apostrophe belongs to nobody."""

Row = tuple[int, list[str]]
"""Number in the file, cells."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is to be read. For CSV `encoding` and `separator` count, for XLSX `sheet`."""

    format: str
    """`csv` or `xlsx`."""
    encoding: str = "utf-8"
    encoding_reason: str = ""
    separator: str = ";"
    sheets: tuple[str, ...] = ()
    sheet: str | None = None
    header_row: int = 1
    """Number of the row with the headings."""


def format_of(name: str) -> str:
    """`csv` or `xlsx` by the ending of a file name. `Invalid` for any other."""
    ending = name.rpartition(".")[2].lower()
    if ending in ("csv", "txt", "tsv"):
        return "csv"
    if ending in ("xlsx", "xlsm"):
        return "xlsx"
    raise Invalid({"file": "Нужен файл CSV или XLSX; другой сохраните в одном из этих форматов"})


def inspect(path: Path, name: str) -> Layout:
    """Find out how a file is to be read; the heading row is left to `mapping`. `Invalid` says what is wrong with it."""
    if path.stat().st_size > MAX_FILE:
        raise Invalid({"file": f"Файл больше {MAX_FILE >> 20} МБ: разделите его на части"})
    if path.stat().st_size == 0:
        raise Invalid({"file": "Файл пустой"})
    if format_of(name) == "xlsx":
        sheets = tuple(_workbook(path).sheet_names)
        return Layout(format="xlsx", sheets=sheets, sheet=sheets[0] if sheets else None)
    encoding = detect(path)
    found = Layout(format="csv", encoding=encoding.name, encoding_reason=encoding.reason)
    return msgspec.structs.replace(found, separator=_separator(path, encoding))


def read_rows(path: Path, layout: Layout) -> Iterator[Row]:
    """Every row that is not empty, from the first one of the file on. `Invalid` when it cannot be read further."""
    rows = _xlsx_rows(path, layout) if layout.format == "xlsx" else _csv_rows(path, layout)
    for number, cells in rows:
        if number > MAX_ROWS + layout.header_row:
            raise Invalid({"file": f"В таблице больше {MAX_ROWS} строк: разделите её на части"})
        if len(cells) > MAX_COLUMNS:
            raise Invalid({"file": f"В строке {number} больше {MAX_COLUMNS} столбцов: удалите лишние"})
        if any(cells):
            yield number, cells


def data_rows(path: Path, layout: Layout, after: int = 0) -> Iterator[Row]:
    """The rows below the headings, those after row number `after` only."""
    first = max(layout.header_row, after)
    return (row for row in read_rows(path, layout) if row[0] > first)


def _csv_rows(path: Path, layout: Layout) -> Iterator[Row]:
    encoding = chosen(path, layout.encoding)
    number = 0
    with path.open("rb") as raw:
        raw.seek(encoding.mark)
        text = io.TextIOWrapper(raw, encoding=encoding.name, newline="")
        rows = csv.reader(text, delimiter=layout.separator)
        try:
            for number, cells in enumerate(rows, 1):
                yield number, [] if _is_hint(number, cells) else [_clean(cell) for cell in cells]
        except UnicodeDecodeError as error:
            words = f"Файл не читается в этой кодировке после строки {number}: выберите другую"
            raise Invalid({"encoding": words}) from error
        except csv.Error as error:
            words = f"После строки {number} таблица не читается: проверьте, все ли кавычки закрыты"
            raise Invalid({"file": words}) from error


def _is_hint(number: int, cells: list[str]) -> bool:
    """Excel's own first line `sep=;`."""
    return number == 1 and bool(cells) and cells[0].lower().startswith("sep=") and not any(cells[1:])


def _separator(path: Path, encoding: Encoding) -> str:
    """The separator that cuts the first rows into the most columns of equal number; `;` when none cuts them."""
    with path.open("rb") as raw:
        raw.seek(encoding.mark)
        sample = raw.read(_SAMPLE).decode(encoding.name, "ignore")
    first = sample.partition("\n")[0].strip().lower()
    if first.startswith("sep=") and first[4:] in SEPARATORS:
        return first[4:]
    return max(SEPARATORS, key=lambda each: _evenness(sample, each))


def _evenness(sample: str, separator: str) -> tuple[int, int]:
    """(rows with the usual number of cells, that number); nothing when the separator does not occur."""
    try:
        widths = [len(row) for row in islice(csv.reader(io.StringIO(sample), delimiter=separator), _SAMPLE_ROWS)]
    except csv.Error:
        return 0, 0
    several = [width for width in widths if width > 1]
    usual = max(several, key=several.count, default=0)
    return several.count(usual), usual


def _workbook(path: Path) -> CalamineWorkbook:
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(each.file_size for each in packed.infolist()) > MAX_UNPACKED:
                raise Invalid({"file": "Таблица слишком большая: разделите её на части или сохраните как CSV"})
        return CalamineWorkbook.from_path(str(path))
    except PasswordError as error:
        raise Invalid({"file": "Файл защищён паролем: снимите защиту и загрузите снова"}) from error
    except (CalamineError, zipfile.BadZipFile) as error:
        raise Invalid({"file": "Файл не читается как XLSX: откройте его в Excel и сохраните заново"}) from error


def _xlsx_rows(path: Path, layout: Layout) -> Iterator[Row]:
    workbook = _workbook(path)
    if layout.sheet not in workbook.sheet_names:
        raise Invalid({"sheet": f"Такого листа нет; есть {', '.join(workbook.sheet_names)}"})
    try:
        sheet = workbook.get_sheet_by_name(layout.sheet)
    except CalamineError as error:
        raise Invalid({"sheet": "Этот лист не читается: откройте файл в Excel и сохраните заново"}) from error
    if sheet.start is None:
        return
    for number, cells in enumerate(sheet.iter_rows(), 1):
        yield number, [_clean(shown(cell)) for cell in cells]


def shown(value: Any) -> str:
    """A cell's value as a person reads it."""
    match value:
        case str():
            return value
        case bool():
            return "да" if value else "нет"
        case float() if value.is_integer():
            return str(int(value))
        case float():
            return format(Decimal(repr(value)), "f")
        case datetime():
            midnight = value.time() == time()
            return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
    return "" if value is None else str(value)


def _clean(cell: str) -> str:
    cell = cell.replace("\0", "").replace("\u00a0", " ").strip()
    return cell[1:] if cell.startswith(_GUARDED) else cell
