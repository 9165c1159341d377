"""Files by content: whole or not at all, once, and typed errors."""

from __future__ import annotations

import asyncio
import hashlib
import resource
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import NotFound, Store, StoreUnavailable
from storage.blobs import Blobs
from tests.contract.store.conftest import Engine


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def files(engine: Engine) -> list[Path]:
    return [path for path in (engine.folder / "blobs").rglob("*") if path.is_file()]


async def test_what_was_put_is_got_and_lies_at_its_path(store: Store) -> None:
    data = bytes(range(256)) * 1000
    address, size = await store.blobs.put(data)
    assert (address, size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert await store.blobs.get(address) == data
    assert Path(store.blobs.path(address)).read_bytes() == data


async def test_a_stream_and_the_same_bytes_are_one_file(engine: Engine, store: Store) -> None:
    whole = await store.blobs.put(b"one two three")
    streamed = await store.blobs.put(pieces(b"one ", b"", b"two ", b"three"))
    again = await asyncio.gather(*(store.blobs.put(b"one two three") for _ in range(20)))
    assert {whole, streamed, *again} == {whole}
    assert len(files(engine)) == 1


async def test_an_empty_file_is_a_file(store: Store) -> None:
    address, size = await store.blobs.put(pieces())
    assert (size, await store.blobs.get(address)) == (0, b"")


async def test_blobs_outlive_reopening(engine: Engine, store: Store) -> None:
    address, _ = await store.blobs.put(b"kept")
    store = await engine.reopen(store)
    assert await store.blobs.get(address) == b"kept"


@pytest.mark.parametrize("address", ["", "0" * 64, "0" * 63, "../store.db", "A" * 64, "0" * 64 + "\n"])
async def test_an_unknown_address_is_not_found(store: Store, address: str) -> None:
    with pytest.raises(NotFound):
        await store.blobs.get(address)


async def test_a_source_that_breaks_leaves_nothing_and_its_error_is_its_own(engine: Engine, store: Store) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError("the sender went away")

    with pytest.raises(ConnectionResetError):
        await store.blobs.put(breaks())
    assert files(engine) == []


async def test_a_cancelled_stream_leaves_nothing(engine: Engine, store: Store) -> None:
    begun = asyncio.Event()

    async def hangs() -> AsyncIterator[bytes]:
        yield b"half"
        begun.set()
        await asyncio.sleep(60)

    putting = asyncio.create_task(store.blobs.put(hangs()))
    await begun.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert files(engine) == []


@pytest.fixture
def no_room() -> Iterator[None]:
    """The system refuses to let any file of this process grow beyond 100 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("no_room")
async def test_no_room_for_a_blob_is_said_and_leaves_nothing(engine: Engine, store: Store) -> None:
    for data in (b"x" * 200_000, pieces(*[b"y" * 50_000] * 4)):
        with pytest.raises(StoreUnavailable):
            await store.blobs.put(data)
    assert files(engine) == []
    address, _ = await store.blobs.put(b"small")
    assert await store.blobs.get(address) == b"small"


async def test_what_was_put_again_outlives_whoever_looked_before(tmp_path: Path) -> None:
    now = [datetime(2026, 11, 23, tzinfo=UTC)]
    blobs = Blobs(tmp_path, lambda: now[0])

    def later() -> datetime:
        now[0] += timedelta(minutes=5)
        return now[0]

    blob, _ = await blobs.put(b"price list")
    for again in (b"price list", pieces(b"price ", b"list")):
        looked_at = later()
        later()
        assert (await blobs.put(again))[0] == blob
        assert not await blobs.remove(blob, looked_at)
    looked_at = later()
    later()
    assert await blobs.touch(blob)
    assert not await blobs.remove(blob, looked_at)
    assert await blobs.get(blob) == b"price list"
    assert await blobs.remove(blob, later())
    assert not await blobs.touch(blob)
    with pytest.raises(NotFound):
        await blobs.get(blob)


async def test_nothing_is_removed_while_a_backup_holds_the_folder(store: Store) -> None:
    blob, _ = await store.blobs.put(b"kept")
    with store.blobs.held():
        removing = asyncio.create_task(store.blobs.remove(blob))
        done, _ = await asyncio.wait([removing], timeout=0.2)
        assert not done
        assert store.blobs.is_held()
        assert await store.blobs.get(blob) == b"kept"
    assert await removing
    assert not store.blobs.is_held()
    assert not await store.blobs.touch(blob)
