"""Tables and indexes follow the declarations: what is missing is added and filled when the store is opened.

Each collection is one table: id, version, the document as JSON text (`_doc`), and a column for each indexed field. A
changed declaration adds its columns and recomputes them from the documents, and so does a migration. Indexes no longer
declared are dropped. Everything happens in one transaction, or not at all.

Versions: the store remembers `schema` (the program that wrote it) and `oldest` (the oldest program that can read it). A
program older than `oldest` refuses to open; migrations bring an older store up step by step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from storage.collection import Collection, Index, to_column
from storage.errors import StorageError, StoreTooNew
from storage.schema import Migration, Schema
from storage.sqlite.compile import words_table
from storage.sqlite.tx import violation

_PAGE = 1000


def prepare(db: apsw.Connection, schema: Schema) -> None:
    """Create or bring up to date everything that the schema declares. Raises `StoreTooNew`, `UniqueViolation` when
    old data breaks a new unique key, `StorageError` when a document cannot be read."""
    db.execute("BEGIN IMMEDIATE")
    try:
        _prepare(db, schema)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def is_current(db: apsw.Connection, schema: Schema) -> bool:
    """Whether the store was last prepared by a program with exactly these declarations. Raises `StoreTooNew`."""
    if not db.table_exists("main", "_meta"):
        return False
    _check_version(db, schema)
    same = _meta(db, "schema", "") == str(schema.version)
    return same and all(_meta(db, f"declared:{each.name}", "") == _declaration(each) for each in schema.collections)


def _prepare(db: apsw.Connection, schema: Schema) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS _meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    db.execute("CREATE TABLE IF NOT EXISTS _counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID")
    _check_version(db, schema)
    before = int(_meta(db, "schema", str(schema.version)))
    changed: set[str] = set()
    for migration in sorted(schema.migrations, key=lambda each: each.version):
        if before < migration.version <= schema.version:
            _migrate(db, migration)
            changed.add(migration.collection)
    for collection in schema.collections:
        _prepare_collection(db, collection, stale=collection.name in changed)
    _set_meta(db, "schema", str(max(before, schema.version)))
    _set_meta(db, "oldest", str(max(int(_meta(db, "oldest", "1")), schema.oldest_compatible)))


def _check_version(db: apsw.Connection, schema: Schema) -> None:
    oldest = int(_meta(db, "oldest", "1"))
    if oldest > schema.version:
        found = _meta(db, "schema", "?")
        raise StoreTooNew(
            f"the store has schema {found} and needs a program of schema {oldest} or later, not {schema.version}"
        )


def _migrate(db: apsw.Connection, migration: Migration) -> None:
    table = f'"{migration.collection}"'
    if not db.table_exists("main", migration.collection):
        return
    for rowid, document in _documents(db, migration.collection):
        changed = migration.change(msgspec.json.decode(document))
        db.execute(f"UPDATE {table} SET _doc = ? WHERE rowid = ?", (msgspec.json.encode(changed).decode(), rowid))


def _prepare_collection(db: apsw.Connection, collection: Collection[Any], *, stale: bool) -> None:
    table = f'"{collection.name}"'
    # A named row number survives VACUUM, so that the index of words may refer to it.
    row = "_row INTEGER PRIMARY KEY, " if collection.words else ""
    columns = f"{row}id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, _doc TEXT NOT NULL"
    db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
    declared = _declaration(collection)
    if not stale and _meta(db, f"declared:{collection.name}", "") == declared:
        return
    _drop_indexes(db, collection)
    present = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    for name in collection.columns:
        if name not in present:
            db.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
    _fill_columns(db, collection)
    if collection.words:
        _fill_words(db, collection)
    for index in collection.indexes:
        try:
            db.execute(_create_index(collection, index))
        except apsw.ConstraintError as error:
            raise violation(collection, error) from error
    _set_meta(db, f"declared:{collection.name}", declared)


def _declaration(collection: Collection[Any]) -> str:
    """All that the table is made of: a change of it means to build columns and indexes anew."""
    columns = (f"{name} {collection.fields[name].kind.value}" for name in sorted(collection.columns))
    words = [f"words {collection.words} {WORDS}"] if collection.words else []
    return "\n".join([*columns, *sorted(_create_index(collection, index) for index in collection.indexes), *words])


def _fill_columns(db: apsw.Connection, collection: Collection[Any]) -> None:
    if not collection.columns:
        return
    assignments = ", ".join(f'"{name}" = ?' for name in collection.columns)
    update = f'UPDATE "{collection.name}" SET {assignments} WHERE rowid = ?'
    for rowid, document in _documents(db, collection.name):
        try:
            entity = collection.decode(document)
        except msgspec.MsgspecError as error:
            raise StorageError(f"{collection.name}: a document does not fit its type any more: {error}") from error
        db.execute(update, (*(to_column(get(entity)) for get in collection.getters), rowid))


WORDS = "content='', contentless_delete=1, detail=none, tokenize='ascii', prefix='2 3 4'"
"""The words are split already and compared sign by sign; where they stand in the document does not matter. Two to four
signs have an index of their own: they begin so many words that joining those would take long."""


def _fill_words(db: apsw.Connection, collection: Collection[Any]) -> None:
    table = words_table(collection)
    db.execute(f'DROP TABLE IF EXISTS "{table}"')
    db.execute(f'CREATE VIRTUAL TABLE "{table}" USING fts5(words, {WORDS})')
    for rowid, document in _documents(db, collection.name):
        words = " ".join(collection.words_of(collection.decode(document)))
        db.execute(f'INSERT INTO "{table}" (rowid, words) VALUES (?, ?)', (rowid, words))


def _documents(db: apsw.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Row numbers and documents, page by page, so that they may be changed on the way and a large store fits."""
    last: Any = 0
    query = f'SELECT rowid, _doc FROM "{table}" WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE}'
    while page := db.execute(query, (last,)).fetchall():
        yield from page
        last = page[-1][0]


def _drop_indexes(db: apsw.Connection, collection: Collection[Any]) -> None:
    rows = db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?", (collection.name,))
    for (name,) in rows.fetchall():
        if not str(name).startswith("sqlite_autoindex"):
            db.execute(f'DROP INDEX "{name}"')


def _create_index(collection: Collection[Any], index: Index) -> str:
    fields = [f'"{field}"' for field in index.fields]
    if not index.unique and "id" not in index.fields:
        fields.append('"id"')
    conditions = [f'"{field}" {_literal(value)}' for field, value in index.where.items()]
    if index.sparse:
        conditions.append(f'"{index.fields[0]}" IS NOT NULL')
    kind = "UNIQUE INDEX" if index.unique else "INDEX"
    sql = f'CREATE {kind} "{collection.name}_{index.name}" ON "{collection.name}" ({", ".join(fields)})'
    return f"{sql} WHERE {' AND '.join(conditions)}" if conditions else sql


def _literal(value: Any) -> str:
    bound = to_column(value)
    if bound is None:
        return "IS NULL"
    return f"= {bound!r}" if isinstance(bound, (int, float)) else "= '" + bound.replace("'", "''") + "'"


def _meta(db: apsw.Connection, key: str, default: str) -> str:
    row = db.execute("SELECT value FROM _meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else default


def _set_meta(db: apsw.Connection, key: str, value: str) -> None:
    db.execute("INSERT INTO _meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))
