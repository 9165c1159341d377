"""What SQLite says, as errors of the port. `FATAL` are those that break the transaction, not one statement of it."""

from __future__ import annotations

import apsw

from storage.errors import InvalidValue, StorageError, StoreUnavailable

FATAL = (
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.ReadOnlyError,
    apsw.BusyError,
    apsw.NoMemError,
    apsw.CantOpenError,
    apsw.NotADBError,
)
_INVALID = (OverflowError, UnicodeError, TypeError, apsw.TooBigError)


def translate(error: BaseException) -> StorageError:
    """A new error of the port for what went wrong below it; never contains a stored value."""
    if isinstance(error, UnicodeError):
        return InvalidValue("text is not valid Unicode")
    if isinstance(error, _INVALID):
        return InvalidValue(str(error))
    if isinstance(error, apsw.BusyError):
        return StoreUnavailable("another process keeps the store busy")
    if isinstance(error, FATAL):
        return StoreUnavailable(f"the store cannot work: {error}")
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(str(error))
    return StorageError(str(error))
