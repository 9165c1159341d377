"""A transaction over one SQLite connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import apsw
import msgspec

from storage.collection import Collection, Entity
from storage.errors import NotFound, QueryError, StorageError, StoreUnavailable, UniqueViolation, VersionConflict
from storage.ids import IdSource
from storage.query import Filter, Measure
from storage.sqlite.compile import (
    after_clause,
    direction_of,
    encode_cursor,
    group_clause,
    measure_clause,
    order_clause,
    where_clause,
    words_match,
    words_table,
)
from storage.sqlite.errors import FATAL, translate

E = TypeVar("E", bound=Entity)
R = TypeVar("R")

MOST_ROWS = 32
"""Documents in one statement."""


class SqliteReadTx:
    """Reads; see `storage.port.ReadTx`."""

    __slots__ = ("_db", "failure", "now", "over")

    def __init__(self, db: apsw.Connection, now: datetime) -> None:
        self._db = db
        self.now = now
        self.failure: StorageError | None = None
        """What broke the whole transaction: it must not be committed, even when the function went on."""
        self.over = False
        """The function has ended: its transaction is not its own any more."""

    def _require_usable(self) -> None:
        if self.over:
            raise StorageError("the transaction is over: use it only inside the function")
        if not self._db.in_transaction and self.failure is None:
            self.failure = StoreUnavailable("SQLite has rolled the transaction back")
        if self.failure is not None:
            raise self.failure

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Run one statement to its end. What SQLite says comes out as an error of the port."""
        self._require_usable()
        try:
            return self._db.execute(sql, values).fetchall()
        except apsw.ConstraintError:
            raise
        except Exception as error:
            failure = translate(error)
            if isinstance(error, FATAL):
                self.failure = failure
            raise failure from error

    def _settle(self, collection: Collection[Any]) -> None:
        """Before a look at the collection, and before a change of it."""

    def get(self, collection: Collection[E], id: str) -> E | None:
        self._settle(collection)
        rows = self._rows(f'SELECT _doc FROM "{collection.name}" WHERE id = ?', (id,))
        return collection.decode(rows[0][0]) if rows else None

    def require(self, collection: Collection[E], id: str) -> E:
        found = self.get(collection, id)
        if found is None:
            raise NotFound(collection.name, id)
        return found

    def find(
        self,
        collection: Collection[E],
        where: Filter = {},  # noqa: B006 - never changed
        *,
        sort: str = "id",
        limit: int | None = None,
        after: str | None = None,
    ) -> list[E]:
        self._settle(collection)
        sql, values = where_clause(collection, where)
        if after is not None:
            behind, more = after_clause(collection, sort, after)
            sql, values = f"({sql}) AND {behind}", values + more
        query = f'SELECT _doc FROM "{collection.name}" WHERE {sql} ORDER BY {order_clause(collection, sort)}'
        if limit is not None:
            query += " LIMIT ?"
            values.append(_checked(limit))
        decode = collection.decode
        return [decode(row[0]) for row in self._rows(query, values)]

    def first(self, collection: Collection[E], where: Filter = {}, *, sort: str = "id") -> E | None:  # noqa: B006
        found = self.find(collection, where, sort=sort, limit=1)
        return found[0] if found else None

    def cursor_after(self, collection: Collection[E], last: E, sort: str = "id") -> str:
        field, _ = direction_of(sort)
        if field in ("id", "version"):
            return encode_cursor(getattr(last, field), last.id)
        getter = collection.getters[collection.columns.index(collection.require(field))]
        return encode_cursor(getter(last), last.id)

    def find_words(
        self,
        collection: Collection[E],
        beginnings: Sequence[tuple[str, ...]],
        *,
        limit: int,
        after: E | None = None,
    ) -> list[E]:
        self._settle(collection)
        table, match = words_table(collection), words_match(beginnings)
        if not match:
            return []
        behind, values = "", [match]
        if after is not None:
            behind, values = f'AND rowid < (SELECT rowid FROM "{collection.name}" WHERE id = ?)', [match, after.id]
        rows = self._rows(
            f'SELECT _doc FROM (SELECT rowid AS place FROM "{table}" WHERE "{table}" MATCH ? {behind} '
            f'ORDER BY rowid DESC LIMIT ?) CROSS JOIN "{collection.name}" AS d ON d.rowid = place',
            [*values, _checked(limit)],
        )
        return [collection.decode(row[0]) for row in rows]

    def count(self, collection: Collection[E], where: Filter = {}, *, limit: int | None = None) -> int:  # noqa: B006
        self._settle(collection)
        sql, values = where_clause(collection, where)
        query = f'SELECT COUNT(*) FROM "{collection.name}" WHERE {sql}'
        if limit is not None:
            query = f'SELECT COUNT(*) FROM (SELECT 1 FROM "{collection.name}" WHERE {sql} LIMIT ?)'
            values.append(_checked(limit))
        return int(self._rows(query, values)[0][0])

    def aggregate(
        self,
        collection: Collection[E],
        *,
        by: Sequence[str],
        measures: Sequence[Measure],
        where: Filter = {},  # noqa: B006
    ) -> list[tuple[Any, ...]]:
        if not by and not measures:
            raise QueryError("an aggregate needs something to group by or to measure")
        self._settle(collection)
        condition, values = where_clause(collection, where)
        groups = [group_clause(collection, field) for field in by]
        selected = groups + [measure_clause(collection, measure) for measure in measures]
        query = f'SELECT {", ".join(sql for sql, _ in selected)} FROM "{collection.name}" WHERE {condition}'
        if groups:
            names = ", ".join(sql for sql, _ in groups)
            query += f" GROUP BY {names} ORDER BY {names}"
        restore = [each for _, each in selected]
        return [
            tuple(back(value) for back, value in zip(restore, row, strict=True)) for row in self._rows(query, values)
        ]

    def last_number(self, name: str) -> int:
        rows = self._rows("SELECT value FROM _counters WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0


class SqliteTx(SqliteReadTx):
    """Reads and writes; see `storage.port.Tx`. Lives inside a savepoint of the writer thread."""

    __slots__ = ("_appended", "_ids", "_shared", "numbers", "touched")

    def __init__(self, db: apsw.Connection, now: datetime, ids: IdSource, shared: dict[str, int]) -> None:
        super().__init__(db, now)
        self._ids = ids
        self._shared = shared
        """Counters as the functions before this one left them: one commit reads each once, and writes it once."""
        self.numbers: dict[str, int] = {}
        """Counters that this function moved; nobody sees them when it fails."""
        self.touched: set[str] = set()
        self._appended: dict[Collection[Any], list[list[Any]]] = {}
        """Rows that are not in their tables yet."""

    def new_id(self, prefix: str = "") -> str:
        return prefix + self._ids.new(self.now)

    def append(self, collection: Collection[E], entity: E) -> E:
        if collection.words:
            return self.insert(collection, entity)
        self._require_usable()
        stored, document, columns = collection.encode(entity)
        self._appended.setdefault(collection, []).append([stored.id, stored.version, document, *columns])
        self.touched.add(collection.name)
        return stored

    def finish(self) -> None:
        """The function has ended well: write what it has appended."""
        for collection in tuple(self._appended):
            self._settle(collection)

    def _settle(self, collection: Collection[Any]) -> None:
        if not self._appended or (rows := self._appended.pop(collection, None)) is None:
            return
        for piece in pieces(rows):
            sql = _insert_sql(collection.name, collection.columns, len(piece))
            try:
                self._rows(sql, [value for row in piece for value in row])
            except apsw.ConstraintError as error:
                raise violation(collection, error) from error

    def insert(self, collection: Collection[E], entity: E) -> E:
        self._settle(collection)
        stored, document, columns = collection.encode(entity)
        values = [stored.id, stored.version, document, *columns]
        try:
            self._rows(_insert_sql(collection.name, collection.columns), values)
        except apsw.ConstraintError as error:
            raise violation(collection, error) from error
        self._index_words(collection, stored)
        self.touched.add(collection.name)
        return stored

    def insert_unknown(self, collection: Collection[E], entities: Sequence[E]) -> list[bool]:
        self._settle(collection)
        added: set[str] = set()
        for piece in pieces(entities):
            values: list[Any] = []
            for entity in piece:
                stored, document, columns = collection.encode(entity)
                values += (stored.id, stored.version, document, *columns)
            try:
                rows = self._rows(_insert_unknown_sql(collection.name, collection.columns, len(piece)), values)
            except apsw.ConstraintError as error:
                raise violation(collection, error) from error
            added.update(row[0] for row in rows)
            if collection.words:
                fresh = {row[0] for row in rows}
                for entity in reversed(piece):  # of equal ids the first wins
                    if entity.id in fresh:
                        self._index_words(collection, entity)
        if added:
            self.touched.add(collection.name)
        is_new = []
        for entity in entities:
            is_new.append(entity.id in added)
            added.discard(entity.id)  # a second one with this id was not added
        return is_new

    def replace(self, collection: Collection[E], entity: E) -> E:
        return self._write(collection, entity, tuple(range(len(collection.columns))))

    def _write(self, collection: Collection[E], entity: E, places: tuple[int, ...]) -> E:
        """The document, and the columns at these places."""
        self._settle(collection)
        stored, document, columns = collection.encode(msgspec.structs.replace(entity, version=entity.version + 1))
        values = [stored.version, document, *(columns[place] for place in places), entity.id, entity.version]
        try:
            self._rows(_replace_sql(collection.name, tuple(collection.columns[place] for place in places)), values)
        except apsw.ConstraintError as error:
            raise violation(collection, error) from error
        if not self._db.changes():
            raise self._lost(collection, entity)
        self._index_words(collection, stored)
        self.touched.add(collection.name)
        return stored

    def _index_words(self, collection: Collection[E], entity: E) -> None:
        if collection.words:
            table, words = words_table(collection), " ".join(collection.words_of(entity))
            sql = (
                f'INSERT OR REPLACE INTO "{table}" (rowid, words) SELECT rowid, ? FROM "{collection.name}" WHERE id = ?'
            )
            self._rows(sql, (words, entity.id))

    def update(self, collection: Collection[E], entity: E, **changes: Any) -> E:
        """An index that holds none of the changed fields is not touched: most changes concern few of them."""
        if all(getattr(entity, field) == value for field, value in changes.items()):
            return entity
        changed = msgspec.structs.replace(entity, **changes)
        return self._write(collection, changed, _columns_of(collection.columns, _differing(entity, changed, changes)))

    def delete(self, collection: Collection[E], entity: E) -> None:
        self._settle(collection)
        if collection.words:
            rows = f'SELECT rowid FROM "{collection.name}" WHERE id = ? AND version = ?'
            sql = f'DELETE FROM "{words_table(collection)}" WHERE rowid IN ({rows})'
            self._rows(sql, (entity.id, entity.version))
        self._rows(f'DELETE FROM "{collection.name}" WHERE id = ? AND version = ?', (entity.id, entity.version))
        if not self._db.changes():
            raise self._lost(collection, entity)
        self.touched.add(collection.name)

    def next_number(self, name: str) -> int:
        number = self.numbers[name] = self.last_number(name) + 1
        return number

    def last_number(self, name: str) -> int:
        self._require_usable()
        known = self.numbers.get(name)
        if known is None and (known := self._shared.get(name)) is None:
            known = self._shared[name] = super().last_number(name)
        return known

    def _lost(self, collection: Collection[E], entity: E) -> StorageError:
        if self.get(collection, entity.id) is None:
            return NotFound(collection.name, entity.id)
        return VersionConflict(collection.name, entity.id, entity.version)


def _checked(limit: int) -> int:
    if limit < 0:
        raise QueryError("a limit is not negative")
    return limit


def pieces(rows: Sequence[R]) -> Iterator[Sequence[R]]:
    """As few as possible of 32, 16, 8, 4, 2 and 1: so few statements are prepared once and used for ever."""
    start, size = 0, MOST_ROWS
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=256)
def _insert_sql(table: str, columns: tuple[str, ...], rows: int = 1) -> str:
    names = "".join(f', "{name}"' for name in columns)
    row = f"(?, ?, ?{', ?' * len(columns)})"
    return f'INSERT INTO "{table}" (id, version, _doc{names}) VALUES {", ".join([row] * rows)}'


@lru_cache(maxsize=256)
def _insert_unknown_sql(table: str, columns: tuple[str, ...], rows: int) -> str:
    return f"{_insert_sql(table, columns, rows)} ON CONFLICT (id) DO NOTHING RETURNING id"


def _differing(before: Entity, after: Entity, changes: Mapping[str, Any]) -> frozenset[str]:
    """The changed fields, and those that an entity with a `__post_init__` derives from them."""
    if not hasattr(after, "__post_init__"):
        return frozenset(changes)
    return frozenset(name for name in after.__struct_fields__ if getattr(before, name) != getattr(after, name))


@lru_cache(maxsize=1024)
def _columns_of(columns: tuple[str, ...], fields: frozenset[str]) -> tuple[int, ...]:
    """Places of the columns that are made of these fields."""
    return tuple(place for place, path in enumerate(columns) if path.partition(".")[0] in fields)


@lru_cache(maxsize=1024)
def _replace_sql(table: str, columns: tuple[str, ...]) -> str:
    names = "".join(f', "{name}" = ?' for name in columns)
    return f'UPDATE "{table}" SET version = ?, _doc = ?{names} WHERE id = ? AND version = ?'


def violation(collection: Collection[Any], error: apsw.ConstraintError) -> UniqueViolation:
    """SQLite names the columns: «UNIQUE constraint failed: leads.person_id»."""
    fields = str(error).rpartition(": ")[2].replace(f"{collection.name}.", "")
    return UniqueViolation(collection.name, fields)
