"""Numbers of documents: a pattern such as «КП-{year}-{number:04}», counted per template and year without gaps."""

from __future__ import annotations

import re
import string

_WIDTH = re.compile(r"0?[1-9]?")
MAX_PATTERN = 60


class PatternError(ValueError):
    """The pattern cannot be used; the text says what is right."""


def check_pattern(pattern: str) -> None:
    """Raises `PatternError`. The year must be there, because the counting begins anew with each."""
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise PatternError("фигурные скобки не закрыты") from error
    named = {name: (spec, conversion) for _, name, spec, conversion in parts if name is not None}
    if set(named) != {"year", "number"} or named["year"] != ("", None):
        raise PatternError("нужны {year} и {number} или {number:04}, и ничего другого в фигурных скобках")
    spec, conversion = named["number"]
    if conversion is not None or not _WIDTH.fullmatch(spec or ""):
        raise PatternError("ширина номера пишется так: {number:04}")
    if len(pattern) > MAX_PATTERN or not pattern.isprintable():
        raise PatternError(f"образец не длиннее {MAX_PATTERN} знаков, в одну строку")


def number_of(pattern: str, year: int, serial: int) -> str:
    """«КП-{year}-{number:04}» → «КП-2026-0007»."""
    return pattern.format(year=year, number=serial)


def counter(template: str, year: int) -> str:
    """Name of the counter for `Tx.next_number`."""
    return f"document:{template}:{year}"
