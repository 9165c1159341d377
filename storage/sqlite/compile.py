"""From query values to SQL. Field names come from declarations only; every value is a bound parameter."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any

import msgspec

from storage.collection import DECIMAL_PLACES, Collection, checked_word, to_column
from storage.errors import QueryError
from storage.fields import Kind
from storage.query import (
    AllOf,
    AnyOf,
    Avg,
    Between,
    Count,
    Filter,
    Gt,
    Gte,
    In,
    Lt,
    Lte,
    Max,
    Measure,
    Min,
    Ne,
    Prefix,
    Sum,
)

Sql = tuple[str, list[Any]]


def column(collection: Collection[Any], field: str) -> str:
    """The quoted column of a declared field."""
    return '"' + collection.require(field) + '"'


def words_table(collection: Collection[Any]) -> str:
    """Where its words are indexed, by row numbers. `QueryError` when it declares none."""
    if collection.words is None:
        raise QueryError(f"{collection.name} declares no words")
    return f"{collection.name}_words"


def words_match(beginnings: Sequence[tuple[str, ...]]) -> str:
    """The full-text query for documents that hold a word for each of these; empty when there can be none."""
    if not all(beginnings):
        return ""
    asked = (" OR ".join(f'"{checked_word(each)}" *' for each in either) for either in beginnings)
    return " AND ".join(f"({each})" for each in asked)


def where_clause(collection: Collection[Any], where: Filter) -> Sql:
    """A condition, `1` when everything matches."""
    if isinstance(where, AnyOf):
        return _joined([where_clause(collection, each) for each in where.filters], " OR ", "0")
    if isinstance(where, AllOf):
        return _joined([where_clause(collection, each) for each in where.filters], " AND ", "1")
    return _joined([_condition(collection, field, wanted) for field, wanted in where.items()], " AND ", "1")


def _condition(collection: Collection[Any], field: str, wanted: Any) -> Sql:
    name = column(collection, field)
    compile_operator = _OPERATORS.get(type(wanted))
    if compile_operator is None:
        value = collection.comparable(field, wanted)
        return _is(name, wanted) if isinstance(wanted, bool) else _equal(name, value)
    return compile_operator(name, wanted, lambda value: collection.comparable(field, value))


def _joined(compiled: list[Sql], word: str, empty: str) -> Sql:
    """Joined by halves: SQLite limits the depth of an expression, not its breadth."""
    if not compiled:
        return empty, []
    if len(compiled) == 1:
        return compiled[0]
    half = len(compiled) // 2
    left, first = _joined(compiled[:half], word, empty)
    right, second = _joined(compiled[half:], word, empty)
    return f"({left}{word}{right})", first + second


def _equal(name: str, value: Any) -> Sql:
    return (f"{name} IS NULL", []) if value is None else (f"{name} = ?", [value])


def _is(name: str, value: bool) -> Sql:
    """Written out, so that SQLite sees without the parameters that a conditional index serves the query."""
    return f"{name} = {int(value)}", []


_Comparable = Callable[[Any], Any]


def _one_of(name: str, wanted: In, comparable: _Comparable) -> Sql:
    """Many values travel as one JSON parameter, because the number of parameters is limited."""
    if not wanted.values:
        return "0", []
    present = [comparable(value) for value in wanted.values if value is not None]
    absent = f" OR {name} IS NULL" if len(present) < len(wanted.values) else ""
    if len(present) <= _MANY:
        return f"({name} IN ({','.join('?' * len(present))}){absent})", present
    many = msgspec.json.encode(present).decode()
    return f"({name} IN (SELECT value FROM json_each(?)){absent})", [many]


_MANY = 500


def _begins(name: str, wanted: Prefix, comparable: _Comparable) -> Sql:
    """A range, so that the index serves it. It ends before the next prefix of the same length."""
    low = comparable(wanted.value)
    if not isinstance(low, str):
        raise QueryError(f"{name} is compared with a prefix that is not text")
    stem = low.rstrip(_LAST)
    if not stem:
        return f"{name} >= ?", [low]
    after = ord(stem[-1]) + 1
    return f"({name} >= ? AND {name} < ?)", [low, stem[:-1] + chr(0xE000 if after == 0xD800 else after)]


_LAST = "\U0010ffff"


def _compare(operator: str) -> Callable[[str, Any, _Comparable], Sql]:
    return lambda name, wanted, comparable: (f"{name} {operator} ?", [comparable(wanted.value)])


def _between(name: str, wanted: Between, comparable: _Comparable) -> Sql:
    return f"({name} >= ? AND {name} < ?)", [comparable(wanted.low), comparable(wanted.high)]


_OPERATORS: dict[type, Callable[[str, Any, _Comparable], Sql]] = {
    Gt: _compare(">"),
    Gte: _compare(">="),
    Lt: _compare("<"),
    Lte: _compare("<="),
    Between: _between,
    Ne: _compare("IS NOT"),
    In: _one_of,
    Prefix: _begins,
}


def order_clause(collection: Collection[Any], sort: str) -> str:
    field, direction = direction_of(sort)
    name = column(collection, field)
    return f"{name} {direction}" if field == "id" else f'{name} {direction}, "id" {direction}'


def direction_of(sort: str) -> tuple[str, str]:
    """Field and SQL direction of a sort."""
    return (sort[1:], "DESC") if sort.startswith("-") else (sort, "ASC")


def encode_cursor(value: Any, id: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([to_column(value), id])).decode().rstrip("=")


def after_clause(collection: Collection[Any], sort: str, cursor: str) -> Sql:
    """The condition that continues behind the cursor. `QueryError` for a cursor that is not ours."""
    field, direction = direction_of(sort)
    name = column(collection, field)
    try:
        value, id = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[Any])
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise QueryError("the cursor is not one of this list") from error
    if not isinstance(id, str) or not isinstance(value, (str, int, float, NoneType)):
        raise QueryError("the cursor is not one of this list")
    value = to_column(value)
    sign = "<" if direction == "DESC" else ">"
    if field == "id":
        return f'"id" {sign} ?', [id]
    nulls = collection.fields[field].optional
    if value is None:
        same = f'{name} IS NULL AND "id" {sign} ?'
        return (same, [id]) if direction == "DESC" else (f"(({same}) OR {name} IS NOT NULL)", [id])
    behind = f'({name}, "id") {sign} (?, ?)'
    return (f"({behind} OR {name} IS NULL)" if direction == "DESC" and nulls else behind), [value, id]


Restore = Callable[[Any], Any]
"""From what SQLite gives back to what the caller declared."""


def group_clause(collection: Collection[Any], field: str) -> tuple[str, Restore]:
    return column(collection, field), _RESTORE.get(collection.fields[field].kind, _as_it_is)


def measure_clause(collection: Collection[Any], measure: Measure) -> tuple[str, Restore]:
    """The expression of a measure. `QueryError` for the sum or average of a text."""
    if isinstance(measure, Count):
        return "COUNT(*)", _as_it_is
    name, restore = group_clause(collection, measure.field)
    kind = collection.fields[measure.field].kind
    if isinstance(measure, (Min, Max)):
        return f"{_FUNCTIONS[type(measure)]}({name})", restore
    if kind is Kind.TEXT:
        raise QueryError(f"{collection.name}.{measure.field} holds text, which does not add up")
    if kind is Kind.DECIMAL and isinstance(measure, Avg):
        return f"SUM({name}) || '/' || COUNT({name})", _quotient
    return f"{_FUNCTIONS[type(measure)]}({name})", restore if kind is Kind.DECIMAL else _as_it_is


_FUNCTIONS: dict[type, str] = {Sum: "SUM", Avg: "AVG", Min: "MIN", Max: "MAX"}


def _as_it_is(value: Any) -> Any:
    return value


def _decimal(units: int | None) -> Decimal | None:
    return None if units is None else Decimal(units).scaleb(-DECIMAL_PLACES)


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _quotient(fraction: str | None) -> Decimal | None:
    """SQLite's own average is a float: the exact sum and the number of values are divided here."""
    if fraction is None:
        return None
    total, number = fraction.split("/")
    return Decimal(total).scaleb(-DECIMAL_PLACES) / int(number)


_RESTORE: dict[Kind, Restore] = {Kind.DECIMAL: _decimal, Kind.FLAG: _flag}
