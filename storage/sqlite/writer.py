"""The one writer thread: functions of many callers, one commit.

    BEGIN IMMEDIATE; for each waiting function: SAVEPOINT, run, RELEASE (or ROLLBACK TO when it raised); COMMIT

A power cut loses nothing that was answered, because nobody is answered before the commit; and the cost of flushing the
disk is shared by all who wait. Functions run in the order of their arrival, those of the background behind the others.
A batch stops taking them after `SLICE` seconds, so that the first of a crowd is answered before the last has run. When
the commit fails, every function of the batch fails with `StoreUnavailable`.

The log (WAL) is written back after the answers are out, never inside a commit. Readers that overlap without a gap keep
the log from starting over; when it has grown too long the writer waits a moment for them to leave it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import IntEnum
from typing import Any

import apsw
import structlog

from storage.errors import StoreUnavailable
from storage.ids import IdSource
from storage.sqlite.errors import translate
from storage.sqlite.tx import SqliteTx

SLICE = 0.02
MAX_BATCH = 256
CHECKPOINT = 4_000
"""Pages of the log between two checkpoints."""
LONG_LOG = 16_000
"""Pages of the log from which the writer insists on starting it over."""
PATIENCE = 200
"""Milliseconds that it waits for readers then."""
BUSY = 10_000
"""Milliseconds that a commit waits for another process (a guest) to finish its own."""

log = structlog.get_logger("storage")


class Lane(IntEnum):
    """Who goes before whom."""

    FRONT = 0
    BACKGROUND = 1
    END = 2


class Job:
    """A function on its way through the writer."""

    __slots__ = ("error", "fn", "future", "loop", "result")

    def __init__(self, fn: Callable[[SqliteTx], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.fn = fn
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


Committed = Callable[[frozenset[str]], None]


class Writer:
    """Owns the writing connection; started at once, stopped by `close`."""

    def __init__(self, db: apsw.Connection, clock: Callable[[], datetime], ids: IdSource, committed: Committed) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._committed = committed
        self._jobs: queue.PriorityQueue[tuple[Lane, int, Job | None]] = queue.PriorityQueue()
        self._arrivals = itertools.count()
        self._thread = threading.Thread(target=self._run, name="firstline-writer", daemon=True)
        self._closed = False
        self._ended = False
        self._failing = False
        self._door = threading.Lock()
        self._log_pages = 0
        self._checkpoint_due = CHECKPOINT
        db.set_wal_hook(self._note_log)
        self._thread.start()

    def submit(self, fn: Callable[[SqliteTx], Any], lane: Lane = Lane.FRONT) -> asyncio.Future[Any]:
        job = Job(fn, asyncio.get_running_loop())
        with self._door:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._jobs.put((lane, next(self._arrivals), job))
        return job.future

    def close(self) -> None:
        """Finish what was handed in, then end the thread."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._jobs.put((Lane.END, 0, None))
        self._thread.join()

    def _run(self) -> None:
        while not self._ended and (job := self._jobs.get()[2]) is not None:
            self._serve(job)

    def _serve(self, first: Job) -> None:
        """Commit a batch, then answer it."""
        batch: list[Job] = []
        touched: set[str] = set()
        try:
            self._commit(first, batch, touched)
        except BaseException as error:  # whatever it is: who waits for this thread would wait for ever
            self._note_failure(error)
            touched.clear()
            for job in batch or [first]:
                job.error = _unavailable(error)
        else:
            self._note_failure(None)
        self._deliver(batch or [first], frozenset(touched))
        self._checkpoint()

    def _note_failure(self, error: BaseException | None) -> None:
        """Log the first failure and the recovery: a full disk fails hundreds of commits in a second."""
        if error is not None and not self._failing:
            log.error("commits fail", error=str(error))
        elif error is None and self._failing:
            log.info("commits succeed again")
        self._failing = error is not None

    def _commit(self, first: Job, batch: list[Job], touched: set[str]) -> None:
        """Run a batch in one transaction; fills in who took part and which collections changed."""
        db = self._db
        job: Job | None = first
        numbers: dict[str, int] = {}
        moved: set[str] = set()
        db.execute("BEGIN IMMEDIATE")
        try:
            deadline = time.monotonic() + SLICE
            while job is not None:
                batch.append(job)
                moved.update(self._run_one(job, touched, numbers))
                job = self._next() if len(batch) < MAX_BATCH and time.monotonic() < deadline else None
            for name in moved:
                db.execute("INSERT OR REPLACE INTO _counters VALUES (?, ?)", (name, numbers[name]))
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(apsw.Error):  # some errors have rolled back already
                db.execute("ROLLBACK")
            raise

    def _next(self) -> Job | None:
        """Who waits now, if anybody does."""
        try:
            job = self._jobs.get_nowait()[2]
        except queue.Empty:
            return None
        self._ended = job is None
        return job

    def _run_one(self, job: Job, touched: set[str], numbers: dict[str, int]) -> Iterable[str]:
        """Run one function inside its savepoint; the counters that it moved. Raises only what breaks the batch."""
        if job.future.cancelled():
            return ()
        db = self._db
        db.execute("SAVEPOINT job")
        tx = SqliteTx(db, self._clock(), self._ids, numbers)
        try:
            job.result = job.fn(tx)
            tx.finish()
        except BaseException as error:  # also SystemExit: a function ends itself, never the writer
            job.error = raisable(error)
        tx.over = True
        if tx.failure is not None:
            raise tx.failure
        if job.error is None:
            touched |= tx.touched
            numbers |= tx.numbers
        else:
            db.execute("ROLLBACK TO job")
        db.execute("RELEASE job")
        return tx.numbers if job.error is None else ()

    def _note_log(self, db: apsw.Connection, name: str, pages: int) -> int:
        """SQLite tells the length of the log after each commit; a shorter one means that it has started over."""
        if pages < self._log_pages:
            self._checkpoint_due = CHECKPOINT
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Write the log back when it is time; readers and a full disk may put that off."""
        if self._log_pages < self._checkpoint_due:
            return
        self._checkpoint_due = self._log_pages + CHECKPOINT
        insist = self._log_pages >= LONG_LOG
        self._db.set_busy_timeout(PATIENCE)
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART if insist else apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            log.warning("checkpoint put off", error=str(error), pages=self._log_pages)
        finally:
            self._db.set_busy_timeout(BUSY)

    def _deliver(self, batch: list[Job], touched: frozenset[str]) -> None:
        loops = {job.loop for job in batch}
        for loop in loops:
            jobs = batch if len(loops) == 1 else [job for job in batch if job.loop is loop]
            try:
                loop.call_soon_threadsafe(self._resolve, jobs, touched)
            except RuntimeError:
                log.debug("caller is gone", jobs=len(jobs))

    def _resolve(self, jobs: list[Job], touched: frozenset[str]) -> None:
        for job in jobs:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
        if touched:
            self._committed(touched)


def raisable(error: BaseException) -> Exception:
    """What the caller of a function gets when it raised: an end of the process or of an iteration would end other
    things on its way through futures, so it travels as the cause of a `RuntimeError`."""
    if isinstance(error, apsw.Error):
        return translate(error)
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"the function raised {type(error).__name__}")
    wrapped.__cause__ = error
    return wrapped


def _unavailable(error: BaseException) -> StoreUnavailable:
    """An error of its own for each caller: a shared one would collect the tracebacks of all of them."""
    found = translate(error)
    failure = found if isinstance(found, StoreUnavailable) else StoreUnavailable(f"the commit failed: {found}")
    failure.__cause__ = error
    return failure
