"""What the columns of a table mean: where its headings are, and which field each heading stands for.

Headings are compared without letter case, ё, punctuation and numbering. The same words win, then a heading that holds
the words of a field, then likeness of spelling. Each suggestion says why, so that a person can judge it at a glance.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from crm_core.errors import Invalid
from crm_core.sheets.kinds import Field
from crm_core.sheets.reading import Layout, Row, read_rows

LOOK_FOR_HEADINGS = 10
"""Rows."""
LIKE_ENOUGH = 0.82
_NOISE = re.compile(r"[^0-9a-zа-я]+")


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed for one column."""

    heading: str
    field: str | None = None
    """Key of a field, None: the column is passed over."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    score: float
    field: Field
    reason: str


def plain(text: str) -> str:
    """«Тел. №1 (моб.)» → «тел 1 моб»."""
    return _NOISE.sub(" ", text.casefold().replace("ё", "е")).strip()


def match(heading: str, fields: Sequence[Field]) -> Match | None:
    """The field that a heading stands for."""
    words = plain(heading)
    bare = re.sub(r"\s*\d+$", "", words)
    if not bare:
        return None
    found = [
        each for field in fields for name in _names(field) if (each := _compare(heading, words, bare, field, name))
    ]
    return max(found, key=lambda each: each.score, default=None)


def _names(field: Field) -> tuple[str, ...]:
    return (field.title, field.key.replace("_", " "), *field.aliases)


def _compare(heading: str, words: str, bare: str, field: Field, name: str) -> Match | None:
    known = plain(name)
    if known in (words, bare):
        return Match(1.0, field, f"Заголовок «{heading}» — это «{field.title}»")
    if len(known) > 2 and f" {known} " in f" {bare} ":
        return Match(0.9 + len(known) / 1000, field, f"В заголовке «{heading}» есть «{name}»")
    likeness = difflib.SequenceMatcher(None, bare, known).ratio()
    if likeness >= LIKE_ENOUGH and min(len(bare), len(known)) > 3:
        return Match(likeness * 0.9, field, f"Заголовок «{heading}» похож на «{name}»")
    return None


def suggest(headings: Sequence[str], fields: Sequence[Field]) -> tuple[Suggestion, ...]:
    """One suggestion per column. A field that takes one value goes to the column that fits it best."""
    found = [match(heading, fields) for heading in headings]
    best: dict[str, int] = {}
    for column, each in enumerate(found):
        if each is not None and not each.field.many:
            before = best.get(each.field.key)
            if before is None or each.score > (found[before] or each).score:
                best[each.field.key] = column
    made = []
    for column, (heading, each) in enumerate(zip(headings, found, strict=True)):
        if each is None:
            made.append(Suggestion(heading=heading, reason="Подходящего поля нет"))
        elif not each.field.many and best[each.field.key] != column:
            reason = f"«{each.field.title}» уже берётся из столбца «{headings[best[each.field.key]]}»"
            made.append(Suggestion(heading=heading, reason=reason))
        else:
            made.append(Suggestion(heading=heading, field=each.field.key, reason=each.reason))
    return tuple(made)


def find_headings(path: Path, layout: Layout, fields: Sequence[Field]) -> tuple[Layout, tuple[str, ...]]:
    """The layout with the row of headings: of the first rows the one with the most known ones, so that a title above
    the table does no harm."""
    rows = list(islice(read_rows(path, layout), LOOK_FOR_HEADINGS))
    if not rows:
        raise Invalid({"file": "В таблице нет ни одной строки"})
    best = max(rows, key=lambda row: (_known(row, fields), -row[0]))
    if not _known(best, fields):
        best = next((row for row in rows if sum(map(bool, row[1])) > 1), rows[0])
    found = msgspec.structs.replace(layout, header_row=best[0])
    return found, headings_of(path, found)


def _known(row: Row, fields: Sequence[Field]) -> int:
    return sum(found is not None and found.score >= 1 for found in (match(cell, fields) for cell in row[1] if cell))


def headings_of(path: Path, layout: Layout) -> tuple[str, ...]:
    """The headings, one per column. Under a merged heading the cell above is taken where the row itself has none."""
    rows = list(islice(read_rows(path, layout), LOOK_FOR_HEADINGS))
    above: list[str] = []
    for number, cells in rows:
        if number == layout.header_row:
            width = max((len(each) for _, each in rows), default=len(cells))
            filled = [cell or (above[n] if n < len(above) else "") for n, cell in enumerate(cells)]
            names = [*filled, *[""] * (width - len(filled))]
            while names and not names[-1]:
                names.pop()
            return tuple(name or f"Столбец {n}" for n, name in enumerate(names, 1))
        above = cells if number == layout.header_row - 1 else []
    raise Invalid({"header_row": f"В строке {layout.header_row} нет заголовков"})
