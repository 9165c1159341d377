"""Writing tables: CSV as Russian Excel opens it by a double click (UTF-8 with a mark, `;`), and XLSX as a stream.

Text of people is never a formula. In XLSX every text is stored as text, whatever it begins with. CSV knows no types, so
a text that begins like a formula gets an apostrophe in front, which reading takes away again; a phone is such a text
too (`'+79161234567`), else Excel would make a number of it. Numbers and moments are written as what they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from tempfile import TemporaryFile
from typing import Protocol
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

Cell = str | int | float | Decimal | date | datetime | None
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Format → content type."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST = 32_767
"""Characters of a cell in Excel."""
LONGEST_SHEET = 1_048_576
"""Rows of a sheet in Excel."""
SHEET = "Данные"
_PIECE = 1 << 20


class Writer(Protocol):
    """Takes rows, gives bytes as soon as it has some."""

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Add rows; what may be sent already."""

    def end(self) -> Iterator[bytes]:
        """The rest, in pieces; nothing can be added afterwards."""


def writer(format: str, zone: ZoneInfo) -> Writer:
    """A writer of `csv` or `xlsx`; moments are written in `zone`."""
    return XlsxWriter(zone) if format == "xlsx" else CsvWriter(zone)


class CsvWriter:
    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._text = io.StringIO("\ufeff", newline="")
        self._text.seek(1)
        self._csv = csv.writer(self._text, delimiter=";", lineterminator="\r\n")

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        self._csv.writerows([self._cell(cell) for cell in row] for row in rows)
        return self._taken()

    def end(self) -> Iterator[bytes]:
        yield self._taken()

    def _taken(self) -> bytes:
        written = self._text.getvalue().encode("utf-8", "replace")
        self._text.seek(0)
        self._text.truncate()
        return written

    def _cell(self, value: Cell) -> str:
        match value:
            case None:
                return ""
            case str():
                return f"'{value}" if value.startswith(_FORMULA) else value
            case datetime():
                return value.astimezone(self._zone).strftime("%d.%m.%Y %H:%M:%S")
            case date():
                return value.strftime("%d.%m.%Y")
            case Decimal():
                return format(value, "f").replace(".", ",")
        return str(value)


class XlsxWriter:
    """The file is whole at the end only: an XLSX is a ZIP. Rows wait on the disk, not in memory, and so does the file.
    What one sheet cannot hold goes to the next one, under the same headings."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._book = Workbook(write_only=True)
        self._sheet = self._book.create_sheet(SHEET)
        self._head: Sequence[Cell] = ()
        self._written = 0

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        for row in rows:
            if self._written == LONGEST_SHEET:
                self._sheet = self._book.create_sheet(f"{SHEET} {len(self._book.sheetnames) + 1}")
                self._written = 0
                self._add(self._head)
            self._head = self._head or row
            self._add(row)
        return b""

    def _add(self, row: Sequence[Cell]) -> None:
        self._sheet.append([self._cell(value) for value in row])
        self._written += 1

    def end(self) -> Iterator[bytes]:
        with TemporaryFile() as whole:
            self._book.save(whole)
            whole.seek(0)
            while piece := whole.read(_PIECE):
                yield piece

    def _cell(self, value: Cell) -> object:
        if isinstance(value, datetime):
            return value.astimezone(self._zone).replace(tzinfo=None, microsecond=0)
        if not isinstance(value, str) or not value:
            return value
        clean = _UNPRINTABLE.sub("", value)[:_LONGEST]
        if not clean.startswith(("=", "#")):
            return clean
        cell = WriteOnlyCell(self._sheet, clean)
        cell.data_type = "s"
        return cell
