"""What kind of value an indexed field holds, read once from the declaration of its entity.

Engines keep moments as microseconds and decimals as 1/10000 units, so that they sort and add up exactly. The kind tells
how a wanted value is compared, how an aggregate is given back, and whether a field may be absent.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec.inspect as declared

from storage.errors import QueryError


class Kind(enum.Enum):
    """The comparable kinds; values of one kind sort among themselves."""

    TEXT = "text"
    NUMBER = "number"
    DECIMAL = "decimal"
    MOMENT = "moment"
    FLAG = "flag"
    ANY = "any"
    """Several kinds in one field, or one that cannot be told: nothing is checked."""


@dataclass(frozen=True, slots=True)
class Field:
    """One indexed field."""

    kind: Kind
    optional: bool
    """May be absent (None)."""


_KINDS: dict[type, Kind] = {
    declared.StrType: Kind.TEXT,
    declared.IntType: Kind.NUMBER,
    declared.FloatType: Kind.NUMBER,
    declared.DecimalType: Kind.DECIMAL,
    declared.DateTimeType: Kind.MOMENT,
    declared.BoolType: Kind.FLAG,
}

ACCEPTED: dict[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str,),
    Kind.NUMBER: (int, float),
    Kind.DECIMAL: (Decimal, int),
    Kind.MOMENT: (datetime,),
    Kind.FLAG: (bool, int),
    Kind.ANY: (object,),
}
"""What a field of this kind may be compared with."""


def describe(type: type, path: str) -> Field:
    """The field at a dotted path; `QueryError` when the entity has no such field."""
    found = [declared.type_info(type)]
    for part in path.split("."):
        found = [leaf for each in _alternatives(found) for leaf in _step(each, part)]
    leaves = _alternatives(found)
    kinds = {_kind(each) for each in leaves if not isinstance(each, declared.NoneType)}
    if not kinds:
        raise QueryError(f"{type.__name__} has no field {path}")
    optional = any(isinstance(each, (declared.NoneType, declared.AnyType)) for each in leaves)
    return Field(kinds.pop() if len(kinds) == 1 else Kind.ANY, optional)


def _alternatives(types: Iterable[declared.Type]) -> list[declared.Type]:
    flat: list[declared.Type] = []
    for each in types:
        if isinstance(each, declared.Metadata):
            each = each.type
        flat.extend(_alternatives(each.types) if isinstance(each, declared.UnionType) else [each])
    return flat


def _step(type: declared.Type, name: str) -> list[declared.Type]:
    """The possible types one step down the path: a field of a struct, a key of a dict, nothing of nothing."""
    if isinstance(type, declared.NoneType):
        return [type]
    if isinstance(type, declared.StructType):
        return [field.type for field in type.fields if field.name == name]
    if isinstance(type, declared.DictType):
        return [type.value_type, declared.NoneType()]
    return []


def _kind(type: declared.Type) -> Kind:
    members: list[Any] = []
    if isinstance(type, declared.EnumType):
        members = list(type.cls)
    elif isinstance(type, declared.LiteralType):
        members = list(type.values)
    if members:
        return Kind.TEXT if all(isinstance(each, str) for each in members) else Kind.ANY
    return _KINDS.get(type.__class__, Kind.ANY)
