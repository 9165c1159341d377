"""One fixture, every engine: a second engine adds a parameter and its harness, nothing else.

What an engine needs done from outside (reopen, run out of space) goes through its `Engine`; the tests know the port
only.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from storage import IdSource, Schema, Store, open_store
from tests.contract.store.models import NOW, SCHEMA


class Engine(Protocol):
    """What the tests do to a store from outside."""

    folder: Path
    url: str
    """For a process of its own that opens the same store."""

    def open(self, schema: Schema = SCHEMA, *, folder: Path | None = None, guest: bool = False) -> Store: ...

    async def reopen(self, store: Store, schema: Schema = SCHEMA) -> Store: ...

    async def close(self) -> None: ...

    async def fill_disk(self, store: Store) -> None:
        """From now on nothing that needs more space can be written."""

    async def free_disk(self, store: Store) -> None: ...


class SqliteEngine:
    """The limit of pages gives a real SQLITE_FULL."""

    url = "sqlite:store.db"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: list[Store] = []

    def open(self, schema: Schema = SCHEMA, *, folder: Path | None = None, guest: bool = False) -> Store:
        store = open_store(self.url, folder or self.folder, schema, clock=self._now, ids=IdSource(), guest=guest)
        self._opened.append(store)
        return store

    @staticmethod
    def _now() -> datetime:
        return NOW

    async def reopen(self, store: Store, schema: Schema = SCHEMA) -> Store:
        await store.close()
        return self.open(schema)

    async def close(self) -> None:
        for store in self._opened:
            await store.close()

    async def fill_disk(self, store: Store) -> None:
        await store.write(_limit_pages, 1)

    async def free_disk(self, store: Store) -> None:
        await store.write(_limit_pages, 1_000_000)


def _limit_pages(tx: Any, pages: int) -> None:
    """A limit below what is used means: not one page more."""
    tx._db.execute(f"PRAGMA max_page_count = {pages}").fetchall()


@pytest.fixture(params=[SqliteEngine])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    made: Engine = request.param(tmp_path / "data")
    yield made
    await made.close()


@pytest.fixture
async def store(engine: Engine) -> Store:
    return engine.open()


class Gate:
    """A function of a transaction that stays inside until it is let go; never for longer than ten seconds."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._leave = threading.Event()

    def __call__(self, tx: Any) -> None:
        self._entered.set()
        assert self._leave.wait(10), "nobody opened the gate"

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, 10), "nobody entered the gate"

    def open(self) -> None:
        self._leave.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()
