"""A real hub with an exchange, and a 1C that speaks the protocol to its public door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.connectors.onec.base import Base, open_base


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Base]:
    base = await open_base(tmp_path)
    yield base
    await base.close()
