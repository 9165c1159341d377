"""Queries as values, so that each engine compiles them in its own way.

A filter is a mapping from field name to a value or an operator: `{"stage": "new", "created_at": Gte(day)}`; its
entries must all hold. `AnyOf` and `AllOf` combine filters. Only declared fields can be asked for: what a collection
does not index cannot be searched by accident. An absent field is neither greater nor less than anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gt:
    value: Any


@dataclass(frozen=True, slots=True)
class Gte:
    value: Any


@dataclass(frozen=True, slots=True)
class Lt:
    value: Any


@dataclass(frozen=True, slots=True)
class Lte:
    value: Any


@dataclass(frozen=True, slots=True)
class Between:
    """`low <= field < high`."""

    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class Ne:
    """Different from the value; an absent field is different from every value."""

    value: Any


@dataclass(frozen=True, slots=True)
class In:
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Prefix:
    """A text field that begins with this, letter case included."""

    value: str


@dataclass(frozen=True, slots=True)
class AllOf:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    filters: tuple[Filter, ...]


Filter = Mapping[str, Any] | AllOf | AnyOf
"""An empty mapping matches everything, `AnyOf(())` nothing."""


@dataclass(frozen=True, slots=True)
class Count:
    """Number of documents."""


@dataclass(frozen=True, slots=True)
class Sum:
    field: str


@dataclass(frozen=True, slots=True)
class Avg:
    field: str


@dataclass(frozen=True, slots=True)
class Min:
    field: str


@dataclass(frozen=True, slots=True)
class Max:
    field: str


Measure = Count | Sum | Avg | Min | Max
