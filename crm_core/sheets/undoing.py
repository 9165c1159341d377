"""Taking an import back, last row first: what it made is removed, what it changed gets its former values.

What somebody has touched since stays as it is, and the row says so.
"""

from __future__ import annotations

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import CoreError
from crm_core.sheets.jobs import IMPORT_ROWS, IMPORTS, Import, ImportRow, Outcome, State, announce
from crm_core.sheets.kinds import ImportKind, Kinds, RecordRef, forget_external, kind_of
from crm_core.sheets.work import actor_behind
from storage import Lt, Tx

PIECE = 100
"""Rows looked at in one transaction."""


def undo_piece(
    tx: Tx, kinds: Kinds, company: Company, actor: Actor | None, import_id: str, before: int, limit: int = PIECE
) -> int | None:
    """Take back the rows before a cursor, last one first, and move the cursor; it is returned, None when there is
    nothing more to do."""
    job = tx.get(IMPORTS, import_id)
    if job is None or job.state is not State.UNDOING or job.cursor != before:
        return None
    where = {"import_id": job.id, "run": job.run, "row": Lt(job.cursor)}
    rows = tx.find(IMPORT_ROWS, where, sort="-row", limit=limit)
    if not rows:
        announce(tx, tx.update(IMPORTS, job, state=State.UNDONE, finished_at=tx.now), "undone")
        return None
    kind = kind_of(kinds, job.kind)
    actor = actor or actor_behind(tx, company, job)
    notes = [_undo_row(tx, kind, company, actor, row) for row in rows if row.outcome in _WRITTEN]
    kept = sum(note is not None for note in notes)
    _move(tx, job, rows[-1].row, len(notes) - kept, kept)
    return rows[-1].row


_WRITTEN = (Outcome.CREATED, Outcome.UPDATED)


def pass_over(tx: Tx, import_id: str, before: int, message: str) -> int | None:
    """The row before the cursor cannot be undone because the program fails at it: note that and go on."""
    job = tx.get(IMPORTS, import_id)
    if job is None or job.state is not State.UNDOING or job.cursor != before:
        return None
    where = {"import_id": job.id, "run": job.run, "row": Lt(job.cursor)}
    row = tx.first(IMPORT_ROWS, where, sort="-row")
    if row is None:
        return None
    tx.update(IMPORT_ROWS, row, note=message, kept=True)
    _move(tx, job, row.row, 0, 1)
    return row.row


def stop_undoing(tx: Tx, import_id: str, problem: str) -> None:
    """It cannot go on; it may be begun again."""
    job = tx.get(IMPORTS, import_id)
    if job is not None and job.state is State.UNDOING:
        changes = {"state": State.FAILED, "problem": problem, "finished_at": tx.now}
        announce(tx, tx.update(IMPORTS, job, **changes), "failed")


def _undo_row(tx: Tx, kind: ImportKind, company: Company, actor: Actor, row: ImportRow) -> str | None:
    record = RecordRef(row.record_id or "", row.outcome is Outcome.CREATED, row.before, row.after)
    try:
        note = kind.undo(tx, actor, company, record)
    except CoreError as error:
        note = str(error)
    if note is None and record.created:
        forget_external(tx, record.id)
    if note is not None:
        tx.update(IMPORT_ROWS, row, note=note, kept=True)
    return note


def _move(tx: Tx, job: Import, cursor: int, undone: int, kept: int) -> None:
    counts = {"undone": job.undone + undone, "kept": job.kept + kept}
    changed = tx.update(IMPORTS, job, cursor=cursor, touched_at=tx.now, **counts)
    announce(tx, changed, "progress")
