"""The hub that API tests talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.hub import Bench, open_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A real hub in this process, on a free port, over a store of its own."""
    bench = await open_bench(tmp_path)
    yield bench
    await bench.close()
