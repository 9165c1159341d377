"""The store on one SQLite file: writer thread, reader pool, lock, backup.

WAL with `synchronous=FULL`: readers never wait for the writer, and a commit is on the disk when it returns. One process
serves the file (an advisory lock says so in words); command-line tools may open it beside a running hub as guests,
which SQLite allows, each commit taking its turn.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import structlog

from storage.blobs import Blobs
from storage.errors import StorageError, StoreLocked, StoreUnavailable
from storage.ids import IdSource
from storage.port import Listener
from storage.schema import Schema
from storage.sqlite.schema import is_current, prepare
from storage.sqlite.tx import SqliteReadTx
from storage.sqlite.writer import BUSY, LONG_LOG, Lane, Writer, raisable

T = TypeVar("T")
READERS = 3

log = structlog.get_logger("storage")


class SqliteStore:
    """See `storage.port.Store`."""

    def __init__(
        self, path: Path, schema: Schema, clock: Callable[[], datetime], ids: IdSource, *, guest: bool = False
    ) -> None:
        self._path = path
        self._clock = clock
        self._listeners: list[Listener] = []
        self._local = threading.local()
        self._connections: list[apsw.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="firstline-reader")
        self._closing = threading.Lock()
        self._lock: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open(schema, guest=guest)
            self.blobs = Blobs(path.parent / "blobs", clock)
        except BaseException as error:
            self._release()
            if isinstance(error, apsw.BusyError):
                raise StoreLocked(f"{path} is kept busy by another process") from error
            if isinstance(error, (apsw.Error, OSError)):
                raise StoreUnavailable(f"{path}: {error}") from error
            raise
        self._writer = Writer(self._db, clock, ids, self._committed)

    def _open(self, schema: Schema, *, guest: bool) -> None:
        """Own the file and bring it up to date. A guest beside a running hub changes nothing in its tables."""
        owner = _take_lock(self._path)
        if isinstance(owner, int):
            self._lock = owner
        elif not guest:
            raise StoreLocked(f"{self._path} is in use by process {owner}")
        self._db = self._connect()
        if self._lock is not None:
            prepare(self._db, schema)
        elif not is_current(self._db, schema):
            raise StoreLocked(f"{self._path} is in use by process {owner}, which is of another version: stop it first")
        if guest:
            self._unlock()

    async def write(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        job = (lambda tx: fn(tx, *args, **kwargs)) if args or kwargs else fn
        result: T = await self._writer.submit(job)
        return result

    async def write_background(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        result: T = await self._writer.submit(lambda tx: fn(tx, *args, **kwargs), Lane.BACKGROUND)
        return result

    async def read(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        job = partial(self._read_now, fn, args, kwargs)
        try:
            future = asyncio.get_running_loop().run_in_executor(self._readers, job)
        except RuntimeError as error:  # the pool is shut down
            raise StoreUnavailable("the store is closed") from error
        return await future

    def _read_now(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        try:
            db = self._reader()
            db.execute("BEGIN")
            tx = SqliteReadTx(db, self._clock())
            try:
                return fn(tx, *args, **kwargs)
            finally:
                tx.over = True
                if db.in_transaction:
                    db.execute("ROLLBACK")
        except BaseException as error:
            failure = raisable(error)
            if failure is error:
                raise
            raise failure from error

    def _reader(self) -> apsw.Connection:
        """The connection of this thread of the pool."""
        db: apsw.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = self._connect()
            db.execute("PRAGMA query_only = 1")
        return db

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def _committed(self, touched: frozenset[str]) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(touched)
            except Exception:
                log.exception("a listener failed")

    async def backup(self, folder: Path) -> None:
        await asyncio.to_thread(self._backup_now, folder)

    def _backup_now(self, folder: Path) -> None:
        """Documents first, blobs afterwards: a document is written after its blobs, and none is removed meanwhile, so
        none is missing."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise StorageError(f"{folder}: not empty")
            with self.blobs.held():
                self._copy_documents(folder / self._path.name)
                self.blobs.copy_to(folder / "blobs")
        except (apsw.Error, OSError) as error:
            raise StoreUnavailable(f"{folder}: {error}") from error

    def _copy_documents(self, target: Path) -> None:
        """All pages in one step, over a reader's view: the writer goes on meanwhile. The copy is one plain file."""
        source = self._connect()
        copy = _create(target)
        try:
            with copy.backup("main", source, "main") as backup:
                backup.step(-1)
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            copy.close()
            source.close()

    def size(self) -> int:
        files = [self._path, self._path.with_name(self._path.name + "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    async def close(self) -> None:
        await asyncio.to_thread(self._close_now)

    def _close_now(self) -> None:
        with self._closing:
            self._writer.close()
            self._release()

    def _release(self) -> None:
        self._readers.shutdown()
        for db in self._connections:
            db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _connect(self) -> apsw.Connection:
        db = _create(self._path)
        self._connections.append(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA cache_size = -16000")
        db.execute(f"PRAGMA journal_size_limit = {LONG_LOG * 4096}")
        return db


def _create(path: Path) -> apsw.Connection:
    """Open the file; a new one is for its owner alone, and SQLite gives its log the same rights."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = apsw.Connection(str(path), statementcachesize=400)
    db.set_busy_timeout(BUSY)
    # Otherwise a cached statement is compiled anew whenever its parameters change, which costs more than to run it.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return db


def _take_lock(path: Path) -> int | str:
    """Own the store: the lock's file descriptor, or the number of the process that owns it, as text."""
    file = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(file, 32).decode(errors="replace").strip() or "?"
        os.close(file)
        return owner
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    return file
