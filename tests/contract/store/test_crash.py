"""`kill -9` at any moment: what was acknowledged is there, and nothing is there by halves."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from storage import ReadTx
from tests.contract.store.conftest import Engine
from tests.contract.store.models import ITEMS, SEATS

PROJECT = Path(__file__).parents[3]


async def acknowledged_until_killed(url: str, folder: Path, count: int) -> list[int]:
    """Numbers that the writer printed before and while it was killed."""
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.store.crash_writer", url, str(folder)),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(count)]
    writer.kill()
    lines += (await writer.stdout.read()).splitlines(keepends=True)
    await writer.wait()
    return [int(line) for line in lines if line.endswith(b"\n")]


async def test_everything_acknowledged_survives_and_nothing_is_half_written(engine: Engine) -> None:
    def look(tx: ReadTx) -> tuple[list[int], set[str], list[str]]:
        items = tx.find(ITEMS, sort="order")
        return [item.order for item in items], {seat.id for seat in tx.find(SEATS)}, [item.payload for item in items]

    seen: set[int] = set()
    for round in range(5):
        fresh = await acknowledged_until_killed(engine.url, engine.folder, 100 + 61 * round)
        assert len(fresh) >= 100
        assert not seen & set(fresh)
        seen |= set(fresh)
        store = engine.open()
        numbers, seats, blobs = await store.read(look)
        assert seen <= set(numbers)
        assert numbers == list(range(1, len(numbers) + 1))
        assert seats == {f"s{number}" for number in numbers}
        for blob in blobs:
            assert await store.blobs.get(blob)
        await store.close()
