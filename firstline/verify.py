"""Reading a whole store: every document of every collection must be there and make sense to this program.

It goes through the storage port alone, so it means the same on every engine: a damaged file shows as an error of the
store, a document of another shape as one that cannot be decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from storage import Collection, ReadTx, StorageError, Store

PAGE = 1000


async def verify(store: Store, collections: Sequence[Collection[Any]]) -> tuple[int, list[str]]:
    """How many documents were read, and one sentence per collection that is damaged."""
    total, damages = 0, []
    for collection in collections:
        try:
            total += await store.read(_read_all, collection)
        except (StorageError, msgspec.DecodeError, msgspec.ValidationError) as error:
            damages.append(f"{collection.name}: записи не читаются ({error})")
    return total, damages


def _read_all(tx: ReadTx, collection: Collection[Any]) -> int:
    count, cursor = 0, None
    while page := tx.find(collection, limit=PAGE, after=cursor):
        count += len(page)
        cursor = tx.cursor_after(collection, page[-1])
    return count
