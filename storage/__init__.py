"""A small document store with interchangeable engines. It knows nothing of leads.

`port.py` is the specification; `open_store` the way in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from storage.collection import Collection, Entity, Index, Unique
from storage.errors import (
    InvalidValue,
    NotFound,
    QueryError,
    StorageError,
    StoreLocked,
    StoreTooNew,
    StoreUnavailable,
    UniqueViolation,
    VersionConflict,
)
from storage.ids import IdSource
from storage.port import ReadTx, Store, Tx
from storage.query import AllOf, AnyOf, Avg, Between, Count, Filter, Gt, Gte, In, Lt, Lte, Max, Min, Ne, Prefix, Sum
from storage.schema import Migration, Schema
from storage.sqlite.store import SqliteStore

__all__ = [
    "AllOf",
    "AnyOf",
    "Avg",
    "Between",
    "Collection",
    "Count",
    "Entity",
    "Filter",
    "Gt",
    "Gte",
    "IdSource",
    "In",
    "Index",
    "InvalidValue",
    "Lt",
    "Lte",
    "Max",
    "Migration",
    "Min",
    "Ne",
    "NotFound",
    "Prefix",
    "QueryError",
    "ReadTx",
    "Schema",
    "StorageError",
    "Store",
    "StoreLocked",
    "StoreTooNew",
    "StoreUnavailable",
    "Sum",
    "Tx",
    "Unique",
    "UniqueViolation",
    "VersionConflict",
    "open_store",
]


def open_store(
    url: str, data: Path, schema: Schema, *, clock: Callable[[], datetime], ids: IdSource, guest: bool = False
) -> Store:
    """Open the store that `url` names; a relative SQLite path is taken from the data folder.

    `guest` opens it beside a running hub, for short command-line work. Raises `StoreLocked`, `StoreTooNew`,
    `StoreUnavailable`, and `StorageError` for a url that no engine knows.
    """
    kind, _, rest = url.partition(":")
    if kind != "sqlite" or not rest:
        raise StorageError(f'storage.url: «{url}» is not supported; use "sqlite:firstline.db"')
    return SqliteStore(data / rest, schema, clock, ids, guest=guest)
