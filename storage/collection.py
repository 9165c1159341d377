"""How entities are declared: once, with their indexes, beside the type.

An entity is a frozen `msgspec.Struct` with `id` and `version`. A field that is searched, sorted or grouped by appears
in an index; engines keep those as real columns. Paths may be dotted (`source.channel`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import cached_property
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from storage.errors import InvalidValue, QueryError
from storage.fields import ACCEPTED, Field, Kind, describe

_encode = msgspec.json.Encoder().encode


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that a collection holds."""

    id: str
    version: int = 1
    """Grows by one with each replace; set by the store."""


E = TypeVar("E", bound=Entity)


class Index:
    """An index over these fields in this order. A `sparse` one leaves out the documents without its first field: it
    costs them nothing, and serves the queries that name a value of that field."""

    unique = False

    def __init__(self, *fields: str, where: Mapping[str, Any] | None = None, sparse: bool = False) -> None:
        self.fields = fields
        self.where = dict(where or {})
        self.sparse = sparse

    @property
    def name(self) -> str:
        """Stable name, made of its fields and condition."""
        condition = "".join(f"_if_{field}_{value}" for field, value in self.where.items()) + "_sparse" * self.sparse
        return ("u_" if self.unique else "i_") + "_".join(self.fields).replace(".", "__") + condition.lower()


class Unique(Index):
    """No two documents (that match `where`) agree in all these fields. An absent field (None) agrees with nothing."""

    unique = True


class Collection(Generic[E]):
    """A named set of entities of one type."""

    def __init__(
        self, name: str, type: type[E], indexes: list[Index] | None = None, *, words: str | None = None
    ) -> None:
        self.name = name
        self.type = type
        self.indexes = indexes or []
        self.words = words
        """Field, a tuple of texts, whose beginnings `ReadTx.find_words` looks up."""
        self._decoder = msgspec.json.Decoder(type)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every field that some index mentions."""
        seen: dict[str, None] = {}
        for index in self.indexes:
            seen.update(dict.fromkeys((*index.fields, *index.where)))
        return tuple(field for field in seen if field not in ("id", "version"))

    @cached_property
    def getters(self) -> tuple[Callable[[E], Any], ...]:
        """One function per column, from entity to its indexed value."""
        return tuple(_getter(path) for path in self.columns)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """What each column holds. `QueryError` when an index names a field that the entity does not have."""
        return {path: describe(self.type, path) for path in (*self.columns, "id", "version")}

    def decode(self, document: bytes | str) -> E:
        return self._decoder.decode(document)

    def encode(self, entity: E) -> tuple[E, str, list[Any]]:
        """The entity as it will be read back, its document, its column values. `InvalidValue` when it could not be read
        back, so that one bad write never spoils a list for its readers."""
        try:
            document = _encode(entity)
            stored = self._decoder.decode(document)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
            reason = "text is not valid Unicode" if isinstance(error, UnicodeError) else str(error)
            raise InvalidValue(f"{self.name}: {reason}") from error
        for get in self._numbers:
            if get(stored) is None and get(entity) is not None:  # JSON knows no infinity: it became null
                raise InvalidValue(f"{self.name}: an indexed number must be finite")
        if self.words is not None:
            self.words_of(stored)
        values = [get(stored) for get in self.getters]
        return stored, document.decode(), [v if v is None or type(v) is str else to_column(v) for v in values]

    def words_of(self, entity: E) -> tuple[str, ...]:
        """What the entity is found by, each word once. `InvalidValue` for what is no word."""
        words: tuple[str, ...] = getattr(entity, self.words) if self.words else ()
        return tuple(dict.fromkeys(map(checked_word, words)))

    @cached_property
    def _numbers(self) -> tuple[Callable[[E], Any], ...]:
        kinds = (self.fields[path].kind for path in self.columns)
        return tuple(get for get, kind in zip(self.getters, kinds, strict=True) if kind in (Kind.NUMBER, Kind.ANY))

    def comparable(self, field: str, value: Any) -> Any:
        """The sortable form of a value that is compared with this field. `QueryError` when their kinds differ."""
        if value is None:
            return None
        kind = self.fields[self.require(field)].kind
        if not isinstance(value, ACCEPTED[kind]):
            raise QueryError(f"{self.name}.{field} holds {kind.value}, not {type(value).__name__}")
        return to_column(Decimal(value) if kind is Kind.DECIMAL and isinstance(value, int) else value)

    def require(self, field: str) -> str:
        """The field itself, or `QueryError` when it is not indexed."""
        if field in self.columns or field in ("id", "version"):
            return field
        raise QueryError(f"{self.name}: field {field!r} is not indexed; indexed are {', '.join(self.columns)}")


def _getter(path: str) -> Callable[[Any], Any]:
    parts = path.split(".")
    if len(parts) == 1:
        return attrgetter(path)

    def get(entity: Any) -> Any:
        value = entity
        for part in parts:
            if value is None:
                return None
            value = value.get(part) if isinstance(value, dict) else getattr(value, part)
        return value

    return get


def checked_word(word: str) -> str:
    """A word is letters and digits in lower case, so that every engine compares it alike, sign by sign. `InvalidValue`
    for anything else."""
    if not word.isalnum() or word != word.lower():
        raise InvalidValue("a word holds letters and digits in lower case, nothing else")
    return word


DECIMAL_PLACES = 4
_LONGEST = 1 << 63
_EXACT = Context(prec=100)


def to_column(value: Any) -> Any:
    """The sortable form of an indexed value: datetimes as microseconds since 1970 UTC, decimals as 1/10000 units.
    `InvalidValue` when it has none."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, datetime):
        return to_microseconds(value)
    if isinstance(value, Decimal):
        value = _units(value)
    if isinstance(value, int):
        if not -_LONGEST <= value < _LONGEST:
            raise InvalidValue("an indexed number must fit into 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidValue("an indexed number must be finite")
        return value
    raise InvalidValue(f"a {type(value).__name__} cannot be indexed")


def _units(value: Decimal) -> int:
    if not value.is_finite():
        raise InvalidValue("an indexed number must be finite")
    exponent = value.as_tuple().exponent
    if value.adjusted() > 18 or not isinstance(exponent, int) or exponent < -64:
        raise InvalidValue("an indexed number must fit into 64 bits")
    scaled = value.scaleb(DECIMAL_PLACES, _EXACT)
    units = int(scaled)
    if units != scaled:
        raise InvalidValue(f"more than {DECIMAL_PLACES} decimal places")
    return units


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC; `InvalidValue` for a naive datetime."""
    if moment.tzinfo is None:
        raise InvalidValue("a moment needs its time zone")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
