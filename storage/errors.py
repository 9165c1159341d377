"""What can go wrong in a store. Each error says what the caller may do about it."""

from __future__ import annotations


class StorageError(Exception):
    """Base of every error of this room."""


class NotFound(StorageError):
    """No document with this id."""

    def __init__(self, collection: str, id: str) -> None:
        super().__init__(f"{collection}: no document {id}")
        self.collection = collection
        self.id = id


class UniqueViolation(StorageError):
    """Another document holds this unique key; nothing was written by the failing call."""

    def __init__(self, collection: str, index: str) -> None:
        super().__init__(f"{collection}: unique key {index} is taken")
        self.collection = collection
        self.index = index


class VersionConflict(StorageError):
    """The document was changed since it was read: read it again."""

    def __init__(self, collection: str, id: str, version: int) -> None:
        super().__init__(f"{collection}: {id} is no longer at version {version}")
        self.collection = collection
        self.id = id
        self.version = version


class QueryError(StorageError):
    """The query names a field that the collection does not index, or compares values of the wrong type."""


class InvalidValue(QueryError):
    """No store can hold or compare this value: half of a surrogate pair, an integer beyond 64 bits in an indexed field,
    a number that is none, a moment without time zone, a document that its own type cannot read back. The text names the
    place, never the value."""


class StoreUnavailable(StorageError):
    """The store cannot write now (disk full, read-only, server away). Nothing was committed; try again later."""


class StoreLocked(StorageError):
    """Another process owns this store."""


class StoreTooNew(StorageError):
    """The store was written by a newer program that this one cannot read."""
