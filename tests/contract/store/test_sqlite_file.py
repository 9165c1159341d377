"""What is special about a store in one file: its lock, its guests, its rights, its log, and files that are no store."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from structlog.testing import capture_logs

from storage import Collection, Schema, StorageError, Store, StoreLocked, StoreUnavailable, open_store
from tests.contract.store.conftest import SqliteEngine
from tests.contract.store.models import ITEMS, SCHEMA, SEATS, Item, add_item, add_items

PROJECT = Path(__file__).parents[3]
OTHER = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from storage import IdSource, StoreLocked, open_store
from tests.contract.store.models import SCHEMA
try:
    open_store("sqlite:store.db", Path(sys.argv[1]), SCHEMA, clock=lambda: datetime.now(UTC), ids=IdSource())
except StoreLocked as error:
    print(error)
"""


@pytest.fixture
async def engine(tmp_path: Path) -> Any:
    made = SqliteEngine(tmp_path / "data")
    yield made
    await made.close()


def db_of(engine: SqliteEngine, suffix: str = "") -> Path:
    return engine.folder / f"store.db{suffix}"


async def test_a_second_process_is_refused_with_the_number_of_the_first(engine: SqliteEngine, store: Store) -> None:
    said = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", OTHER, str(engine.folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"process {os.getpid()}" in said.stdout


async def test_the_file_is_free_after_closing_and_after_a_failed_start(engine: SqliteEngine, store: Store) -> None:
    with pytest.raises(StoreLocked):
        engine.open()
    await store.close()
    with pytest.raises(StorageError):
        engine.open(Schema([Collection("items", Item)], version=-1))
    assert await engine.open().read(lambda tx: tx.count(ITEMS)) == 0


async def test_a_guest_writes_beside_a_busy_hub(engine: SqliteEngine, store: Store) -> None:
    stop = asyncio.Event()

    async def busy(name: int) -> None:
        while not stop.is_set():
            await store.write(add_item)

    hub = [asyncio.create_task(busy(name)) for name in range(8)]
    await asyncio.sleep(0.02)
    guest = await asyncio.to_thread(engine.open, guest=True)
    for number in range(10):
        await guest.write(add_item, f"guest{number}")
        assert await store.read(lambda tx, id: tx.get(ITEMS, id), f"guest{number}") is not None
    await guest.close()
    stop.set()
    await asyncio.gather(*hub)
    assert await store.write(lambda tx: tx.count(ITEMS)) > 10


async def test_a_guest_alone_opens_a_new_store_and_leaves_it_free(engine: SqliteEngine) -> None:
    guest = engine.open(guest=True)
    await guest.write(add_item, "first")
    hub = engine.open()
    assert await hub.read(lambda tx: tx.get(ITEMS, "first")) is not None


async def test_a_guest_of_another_version_does_not_touch_a_running_hub(engine: SqliteEngine, store: Store) -> None:
    for other in (Schema([ITEMS, SEATS], version=2), Schema([Collection("items", Item)])):
        with pytest.raises(StoreLocked, match="another version"):
            engine.open(other, guest=True)
    await store.write(add_item, number=1)


async def test_only_the_owner_may_read_the_files(engine: SqliteEngine, store: Store, tmp_path: Path) -> None:
    await store.write(add_item)
    await store.blobs.put(b"letter")
    await store.backup(tmp_path / "copy")
    files = [path for folder in (engine.folder, tmp_path / "copy") for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 8
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


@pytest.mark.parametrize(
    "content", [b"Dear Sirs, this is not a database. " * 200, b"SQLite format 3\0" + b"\xff" * 5000]
)
async def test_a_file_that_is_no_database_is_said_and_left_alone(engine: SqliteEngine, content: bytes) -> None:
    engine.folder.mkdir()
    db_of(engine).write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"store\.db"):
        engine.open()
    assert db_of(engine).read_bytes() == content


async def test_what_a_crashed_writer_left_is_swept_after_a_day(engine: SqliteEngine, store: Store) -> None:
    left, growing = (engine.folder / "blobs" / name for name in ("new-left", "new-growing"))
    left.write_bytes(b"half")
    growing.write_bytes(b"half")
    os.utime(left, (0, 0))
    await engine.reopen(store)
    assert (left.exists(), growing.exists()) == (False, True)


async def test_a_lasting_failure_is_logged_once_and_so_is_its_end(engine: SqliteEngine, store: Store) -> None:
    await engine.fill_disk(store)
    with capture_logs() as said:
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                await store.write(add_items, 3, 200_000)
        await engine.free_disk(store)
    assert [entry["event"] for entry in said] == ["commits fail", "commits succeed again"]


async def test_a_folder_in_the_place_of_the_file_is_said(engine: SqliteEngine) -> None:
    db_of(engine).mkdir(parents=True)
    with pytest.raises(StoreUnavailable):
        engine.open()


@pytest.mark.parametrize("url", ["", "sqlite:", "oracle:x", "firstline.db"])
def test_an_unknown_url_is_said(tmp_path: Path, url: str) -> None:
    with pytest.raises(StorageError, match=r"storage\.url"):
        open_store(url, tmp_path, SCHEMA, clock=lambda: pytest.fail("not needed"), ids=None)  # type: ignore[arg-type]


async def test_a_reader_cannot_write_even_by_force(store: Store) -> None:
    with pytest.raises(StorageError):
        await store.read(lambda tx: tx._db.execute("DELETE FROM items"))


async def test_a_transaction_that_sqlite_has_rolled_back_is_not_continued(store: Store) -> None:
    """What SQLite does by itself on some errors is done by hand here: nothing may be committed piece by piece."""

    def rolled_back(tx: Any) -> None:
        add_item(tx, "before")
        tx._db.execute("ROLLBACK")
        add_item(tx, "after")

    with pytest.raises(StorageError):
        await store.write(rolled_back)
    await store.write(add_item, "next")
    assert [item.id for item in await store.read(lambda tx: tx.find(ITEMS))] == ["next"]


async def test_a_log_that_cannot_grow_is_a_full_disk(engine: SqliteEngine, store: Store) -> None:
    """The error comes out of the commit here, not out of a statement."""
    await store.write(add_item, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (db_of(engine, "-wal").stat().st_size + 20_000, hard))
    try:
        with pytest.raises(StoreUnavailable):
            await store.write(add_items, 1, 300_000)
        assert await store.read(lambda tx: tx.count(ITEMS)) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.write(add_items, 1, 300_000)
    assert await store.read(lambda tx: tx.count(ITEMS)) == 2


async def test_readers_without_a_gap_do_not_let_the_log_grow_for_ever(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sqlite.writer.CHECKPOINT", 100)
    monkeypatch.setattr("storage.sqlite.writer.LONG_LOG", 400)
    store = engine.open()
    stop = asyncio.Event()

    def slow(tx: Any) -> None:
        tx.count(ITEMS)
        time.sleep(0.01)

    async def reader(delay: float) -> None:
        await asyncio.sleep(delay)
        while not stop.is_set():
            await store.read(slow)

    readers = [asyncio.create_task(reader(delay)) for delay in (0, 0.004, 0.008)]
    for _ in range(150):
        await store.write(add_items, 10, 4000)
    stop.set()
    await asyncio.gather(*readers)
    assert db_of(engine, "-wal").stat().st_size < 1500 * 4096


async def test_a_closed_store_is_one_file_without_a_log(engine: SqliteEngine, store: Store) -> None:
    await store.write(add_item)
    await store.close()
    assert not db_of(engine, "-wal").exists()
    db = apsw.Connection(str(db_of(engine)), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


async def test_every_declared_index_is_used_by_its_query(store: Store) -> None:
    """The cost of a lead must not grow with the store: no search and no page may scan or sort a table."""

    def plans(tx: Any) -> list[str]:
        queries = [
            'SELECT _doc FROM items WHERE "text" = \'x\' ORDER BY "text" ASC, "id" ASC LIMIT 5',
            'SELECT _doc FROM items WHERE ("order", "id") < (5, \'x\') ORDER BY "order" DESC, "id" DESC LIMIT 5',
            'SELECT _doc FROM items WHERE "number" >= 5 AND "number" < 9 ORDER BY "number" ASC, "id" ASC',
            'SELECT _doc FROM items WHERE "number" = 5 ORDER BY "number" ASC, "id" ASC LIMIT 5',
            'SELECT _doc FROM items WHERE "origin.channel" IN (SELECT value FROM json_each(\'["a"]\'))',
            'SELECT _doc FROM items WHERE ("id" IN (SELECT value FROM json_each(\'["a"]\')))',
            'SELECT _doc FROM seats WHERE "person" = \'p\' AND "room" = \'r\' AND "open" = 1',
        ]
        return [row[3] for sql in queries for row in tx._db.execute("EXPLAIN QUERY PLAN " + sql)]

    plan = await store.read(plans)
    assert len(plan) >= 5
    assert not [step for step in plan if step.startswith("SCAN items") or "TEMP B-TREE" in step]
