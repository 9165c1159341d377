"""The worker of imports: reads on where the cursor stands, hands a piece to the store, then gives way.

The pause after a piece is as long as the piece took, so an import never has more than half of the writer, and what
customers send comes first. Files are read in a thread. A worker that is killed leaves a whole number of pieces; when
it has given no sign for `ABANDONED`, the next one goes on from the cursor. A dry run keeps nothing in the store but its
counts, so it begins again. What cannot be read ends its own import alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import structlog

from crm_core.actor import Actor
from crm_core.errors import CoreError
from crm_core.sheets import jobs, undoing
from crm_core.sheets.jobs import HUB, IMPORTS, WORKING, CellError, Import, ImportRow, State
from crm_core.sheets.kinds import Kinds, kind_of
from crm_core.sheets.reading import Row, data_rows
from crm_core.sheets.work import (
    Parsed,
    Plan,
    Seen,
    Tried,
    fail_import,
    failed_row,
    note_piece,
    refuse_row,
    try_piece,
    work_piece,
)
from distribution.desk import Desk
from storage import In, ReadTx, Store, StoreUnavailable, Tx

log = structlog.get_logger("imports")

PIECE = 25
"""Rows in one transaction: a contact that comes meanwhile waits no longer than these take."""
LONGEST_PAUSE = 1.0
LOOK_EVERY = 2.0
"""Seconds between looks when there is no news."""
ABANDONED = timedelta(seconds=15)
"""A piece takes a part of a second."""
AT_ONCE = 20
"""Imports that one look takes up."""
FAILED_ROW = "Строка не принята из-за внутренней ошибки. Она записана в журнал сервера"
FAILED_JOB = "Внутренняя ошибка: она записана в журнал сервера. Пересохраните таблицу как CSV UTF-8 и загрузите снова"


class ImportWorker:
    """Works off the imports of one store, one after the other. `actor`: on whose behalf; None: their authors'."""

    def __init__(
        self, store: Store, kinds: Kinds, desk: Desk, *, actor: Actor | None = None, gives_way: bool = True
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._desk = desk
        self._actor = actor
        self._gives_way = gives_way
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if "imports" in touched else None)
        try:
            while True:
                self._news.clear()
                try:
                    moved = [await self.work_off(job) for job in await self._store.read(waiting)]
                except StoreUnavailable as error:
                    log.error("store unavailable", error=str(error))
                    moved = []
                if not any(moved):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_EVERY):
                            await self._news.wait()
        finally:
            stop()

    async def work_off(self, job: Import) -> bool:
        """One job to its end, or until it is cancelled. False when somebody else is at it."""
        await self._store.read(self._desk.at)
        try:
            if job.state is State.UNDOING:
                await self._undo(job)
            elif job.state is State.CHECKING:
                anew = await self._store.write(_check_anew, job.id)
                if anew is None:
                    return False
                await self._check(anew)
            elif job.state is State.RUNNING:
                await self._import(job)
        except StoreUnavailable:
            raise
        except CoreError as error:
            await self._give_up(job, str(error))
        except OSError:
            await self._give_up(job, "Файла больше нет: загрузите его заново")
        except Exception:
            log.exception("import failed", id=job.id)
            await self._give_up(job, FAILED_JOB)
        return True

    async def _give_up(self, job: Import, words: str) -> None:
        give_up = undoing.stop_undoing if job.state is State.UNDOING else fail_import
        await self._store.write(give_up, job.id, words)

    async def _import(self, job: Import) -> None:
        rows, plan = self._open(job), Plan.of(kind_of(self._kinds, job.kind), self._desk.latest.company, job)
        cursor, more = job.cursor, True
        while more:
            began = time.monotonic()
            piece, end = await asyncio.to_thread(_read, rows, plan)
            last = piece[-1].number if piece else cursor
            more = await self._write_piece(job.id, cursor, last, piece, end)
            cursor = last
            await self._give_way(began)

    async def _write_piece(self, id: str, cursor: int, last: int, piece: list[Parsed], end: bool) -> bool:
        common = (self._kinds, self._desk.latest.company, self._actor, id)
        try:
            return await self._store.write_background(work_piece, *common, cursor, last, piece, end=end)
        except (StoreUnavailable, CoreError):
            raise
        except Exception:
            log.exception("piece of an import failed", id=id)
        for row in piece:
            try:
                await self._store.write_background(work_piece, *common, cursor, row.number, [row], end=False)
            except (StoreUnavailable, CoreError):
                raise
            except Exception:
                log.exception("row of an import failed", id=id, row=row.number)
                await self._store.write(refuse_row, id, cursor, row, FAILED_ROW)
            cursor = row.number
        return await self._store.write_background(work_piece, *common, cursor, last, [], end=end)

    async def _check(self, job: Import) -> None:
        kind = kind_of(self._kinds, job.kind)
        rows, plan, seen = self._open(job), Plan.of(kind, self._desk.latest.company, job), Seen(kind)
        cursor, more = job.cursor, True
        while more:
            began = time.monotonic()
            piece, end = await asyncio.to_thread(_read, rows, plan)
            found = await self._try(job, piece)
            judged = [seen.judge(job, parsed, row) for parsed, row in zip(piece, found, strict=True)]
            last = piece[-1].number if piece else cursor
            more = await self._store.write(note_piece, job.id, job.run, cursor, last, judged, end=end)
            cursor = last
            await self._give_way(began)

    async def _try(self, job: Import, piece: list[Parsed]) -> list[ImportRow]:
        """What would become of these rows; when one of them breaks the program, each is tried alone."""
        try:
            await self._store.write_background(
                try_piece, self._kinds, self._desk.latest.company, self._actor, job.id, piece
            )
        except Tried as tried:
            return tried.rows
        except (StoreUnavailable, CoreError):
            raise
        except Exception:
            log.exception("row of a dry run failed", id=job.id)
            if len(piece) == 1:
                return [failed_row(job, piece[0], (CellError(message=FAILED_ROW),))]
        return [row for each in piece for row in await self._try(job, [each])]

    async def _undo(self, job: Import) -> None:
        cursor: int | None = job.cursor
        common = (self._kinds, self._desk.latest.company, self._actor, job.id)
        limit = undoing.PIECE
        while cursor is not None:
            began, before = time.monotonic(), cursor
            try:
                cursor = await self._store.write_background(undoing.undo_piece, *common, before, limit)
                limit = undoing.PIECE
            except (StoreUnavailable, CoreError):
                raise
            except Exception:
                log.exception("undo of an import failed", id=job.id)
                if limit == 1:
                    words = "Не отменено из-за внутренней ошибки. Она записана в журнал сервера"
                    cursor = await self._store.write(undoing.pass_over, job.id, before, words)
                limit = 1
            await self._give_way(began)

    def _open(self, job: Import) -> Iterator[Row]:
        return data_rows(Path(self._store.blobs.path(job.blob)), job.layout, job.cursor)

    async def _give_way(self, began: float) -> None:
        if self._gives_way:
            await asyncio.sleep(min(LONGEST_PAUSE, time.monotonic() - began))


def _read(rows: Iterator[Row], plan: Plan) -> tuple[list[Parsed], bool]:
    """The next piece, and whether it is the last one."""
    piece = [plan.parse(row) for row in islice(rows, PIECE)]
    return piece, len(piece) < PIECE


def waiting(tx: ReadTx) -> list[Import]:
    """Imports that are the hub's to work off, and that no other router is at."""
    found = tx.find(IMPORTS, {"worker": HUB, "state": In([str(each) for each in WORKING])}, limit=AT_ONCE)
    return [job for job in found if not _is_taken(tx, job)]


def _is_taken(tx: ReadTx, job: Import) -> bool:
    """Another router is at it."""
    return job.touched_at is not None and tx.now - job.touched_at < ABANDONED


def _check_anew(tx: Tx, import_id: str) -> Import | None:
    """A dry run from the first row, whatever a worker before has counted; None while one is at it."""
    job = tx.require(IMPORTS, import_id)
    if job.state is not State.CHECKING:
        return None
    if not job.done:
        return job
    if _is_taken(tx, job):
        return None
    return tx.update(IMPORTS, job, **jobs.FRESH, run=job.run + 1)
