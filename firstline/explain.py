"""Pydantic's errors in plain Russian, with the mend.

The texts never repeat a value: it may be a password. Only a key or a word that is not known is compared with those
there are, to name the nearest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from firstline.problems import nearest

_NUMBER = ("нужно целое число", "без кавычек и точки: 8080")
_FLOAT = ("нужно число", "без кавычек: 2.5")
_FLAG = ("нужно да или нет", "true или false, без кавычек")
_TEXT = ("нужен текст", "в кавычках")
_LIST = ("нужен список", 'в квадратных скобках: ["…", "…"]')
_TABLE = ("нужна таблица ключей", "вида {{ ключ = значение }} или отдельный раздел")
_DATE = ("нужна дата", "пишите так: 2026-12-31")
_PATTERN = ("значение не того вида", "подходит под образец {pattern}")

TEXTS: Mapping[str, tuple[str, str]] = {
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": _NUMBER,
    "float_type": _FLOAT,
    "float_parsing": _FLOAT,
    "decimal_type": _FLOAT,
    "decimal_parsing": _FLOAT,
    "decimal_max_places": ("в числе слишком много знаков после точки", "можно не больше {decimal_places}"),
    "bool_type": _FLAG,
    "bool_parsing": _FLAG,
    "string_type": _TEXT,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "greater_than": ("число слишком мало", "нужно больше {gt}"),
    "greater_than_equal": ("число слишком мало", "нужно не меньше {ge}"),
    "less_than": ("число слишком велико", "нужно меньше {lt}"),
    "less_than_equal": ("число слишком велико", "нужно не больше {le}"),
    "string_too_short": ("текст слишком короткий", "знаков нужно не меньше {min_length}"),
    "string_too_long": ("текст слишком длинный", "знаков нужно не больше {max_length}"),
    "too_short": ("список слишком короткий", "значений нужно не меньше {min_length}"),
    "string_pattern_mismatch": _PATTERN,
}
"""Pydantic's error type → (message, mend), filled from the error's context."""

Finding = tuple[tuple[str | int, ...], str, str]


def explain(error: ValidationError, model: type[BaseModel], data: object) -> Iterator[Finding]:
    """(place within the table, message, mend) of each mistake, one per place."""
    found: dict[tuple[str | int, ...], list[tuple[str, str]]] = {}
    for details in error.errors(include_url=False):
        place = _place(details, data)
        found.setdefault(place, []).append(_words(details, place, model))
    for place, words in found.items():
        # Several at one place are the members of a union: any of them would do.
        mends = dict.fromkeys(mend for _, mend in words if mend)
        yield place, words[0][0], " или ".join(mends)


def _place(details: ErrorDetails, data: object) -> tuple[str | int, ...]:
    """Where in the data the mistake is: Pydantic adds the tried members of a union, which nobody wrote."""
    place: list[str | int] = []
    value: Any = data
    for part in details["loc"]:
        if not _holds(value, part):
            return (*place, part) if details["type"] == "missing" else tuple(place)
        value = value[part]
        place.append(part)
    return tuple(place)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _words(details: ErrorDetails, place: tuple[str | int, ...], model: type[BaseModel]) -> tuple[str, str]:
    kind, context = details["type"], details.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return "такого ключа нет", nearest(str(place[-1]), _fields(model, place[:-1]))
        case "missing":
            return "не хватает обязательного ключа", f"добавьте {place[-1]} = …"
        case "value_error":
            message, _, mend = str(context["error"]).partition("; ")
            return message, mend
        case "literal_error" | "enum":
            known = re.findall(r"'([^']*)'", str(context["expected"]))
            return "такого значения нет", nearest(str(details["input"]), known)
    message, mend = TEXTS.get(kind, ("значение не подходит", details["msg"]))
    return message, mend.format_map(context) if kind in TEXTS else mend


def _fields(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """Keys of the table at this place inside the model."""
    for part in place:
        field = model.model_fields.get(str(part))
        model = (_model_in(field.annotation) if field else None) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The table type inside `Server`, `Server | None`, `tuple[FormField, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
