"""A copy of a working store: consistent, whole, with every file that its documents name."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from storage import ReadTx, StorageError, Store, Tx
from tests.contract.store.conftest import Engine
from tests.contract.store.models import ITEMS, SEATS, Seat, add_item


async def test_a_backup_during_writes_is_consistent_and_has_every_file(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    stop = asyncio.Event()

    def pair(tx: Tx, blob: str) -> None:
        number = tx.next_number("pair")
        add_item(tx, order=number, payload=blob)
        tx.insert(SEATS, Seat(id=f"s{number}"))

    async def writer() -> None:
        while not stop.is_set():
            blob, _ = await store.blobs.put(os.urandom(500))
            await store.write(pair, blob)

    writers = [asyncio.create_task(writer()) for _ in range(4)]
    counts = []
    for number in range(3):
        while await store.read(lambda tx: tx.count(SEATS)) <= (counts[-1] if counts else 0):
            await asyncio.sleep(0.01)
        await store.backup(tmp_path / f"copy{number}")
        counts.append(await check(engine, tmp_path / f"copy{number}"))
    stop.set()
    await asyncio.gather(*writers)
    assert 0 < counts[0] < counts[1] < counts[2]


async def check(engine: Engine, folder: Path) -> int:
    """The number of pairs in a copy in which nothing is missing."""

    def look(tx: ReadTx) -> tuple[list[int], int, list[str]]:
        items = tx.find(ITEMS, sort="order")
        return [item.order for item in items], tx.count(SEATS), [item.payload for item in items]

    copy = engine.open(folder=folder)
    numbers, seats, blobs = await copy.read(look)
    assert numbers == list(range(1, len(numbers) + 1))
    assert seats == len(numbers)
    for blob in blobs:
        assert len(await copy.blobs.get(blob)) == 500
    assert await copy.write(lambda tx: tx.next_number("pair")) == len(numbers) + 1
    return len(numbers)


async def test_a_backup_needs_an_empty_folder(store: Store, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("not ours")
    with pytest.raises(StorageError, match="not empty"):
        await store.backup(tmp_path)


async def test_size_grows_with_what_is_stored(store: Store) -> None:
    before = store.size()
    await store.write(lambda tx: [add_item(tx, payload="x" * 10_000) for _ in range(100)])
    assert store.size() > before + 900_000


async def test_a_backup_goes_on_when_a_file_vanishes_while_it_copies(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, _ = await store.blobs.put(b"kept")
    gone, _ = await store.blobs.put(b"gone")
    listed = Path.glob

    def late(folder: Path, pattern: str) -> list[Path]:
        found = list(listed(folder, pattern))
        Path(store.blobs.path(gone)).unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "glob", late)
    await store.backup(tmp_path / "copy")
    files = {path.parent.name + path.name for path in listed(tmp_path / "copy" / "blobs", "??/*")}
    assert files == {kept}


async def test_a_file_that_is_removed_during_a_backup_is_in_it(store: Store, tmp_path: Path) -> None:
    """The documents were copied while they named it."""
    blob, _ = await store.blobs.put(b"his letter")
    saving = asyncio.create_task(store.backup(tmp_path / "copy"))
    while not store.blobs.is_held() and not saving.done():
        await asyncio.sleep(0)
    assert await store.blobs.remove(blob)
    await saving
    assert (tmp_path / "copy" / "blobs" / blob[:2] / blob[2:]).read_bytes() == b"his letter"
