"""A process that writes as fast as it can and prints the number of each acknowledged write, until it is killed."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from storage import IdSource, Store, Tx, open_store
from tests.contract.store.models import SCHEMA, SEATS, Seat, add_item


def pair(tx: Tx, blob: str) -> int:
    number = tx.next_number("pair")
    add_item(tx, f"i{number}", order=number, payload=blob)
    tx.insert(SEATS, Seat(id=f"s{number}"))
    return number


async def write_for_ever(store: Store) -> None:
    while True:
        blob, _ = await store.blobs.put(datetime.now(UTC).isoformat().encode())
        print(await store.write(pair, blob), flush=True)


async def main(url: str, folder: str) -> None:
    store = open_store(url, Path(folder), SCHEMA, clock=lambda: datetime.now(UTC), ids=IdSource())
    await asyncio.gather(*(write_for_ever(store) for _ in range(16)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
