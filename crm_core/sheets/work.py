"""Working off the rows of an import: a few hundred per transaction, the cursor in the same one.

A refusal of the core is an error of its row. Anything else that a row raises undoes its piece, and the worker gives the
rows one by one (`router/sheets/worker.py`), so that the bad one is found and the others are kept. A dry run does the
very same and then raises `Tried`, which undoes it: what it says is what will happen, but for records that earlier
pieces would have made; those are known by their keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import CoreError, Forbidden, Invalid
from crm_core.rights import Action
from crm_core.sheets.jobs import (
    IMPORT_ROWS,
    IMPORTS,
    CellError,
    Import,
    ImportRow,
    OnDuplicate,
    Outcome,
    State,
    announce,
)
from crm_core.sheets.kinds import (
    EXTERNAL_FIELD,
    EXTERNAL_KEY,
    Field,
    ImportKind,
    Kinds,
    Unreadable,
    all_fields,
    external_of,
    kind_of,
    remember_external,
)
from crm_core.sheets.reading import Row
from crm_core.users import USERS, actor_for
from storage import ReadTx, Tx

LONGEST_VALUE = 100
"""Characters of a wrong cell that are repeated."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One row, read: values by key of field, or what is wrong."""

    number: int
    values: Mapping[str, Any]
    cells: Mapping[str, tuple[str, str]]
    """Key of field → heading, text."""
    errors: tuple[CellError, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is needed to read rows of one import."""

    fields: Mapping[str, Field]
    headings: Sequence[str]
    mapping: Sequence[str | None]
    company: Company

    @classmethod
    def of(cls, kind: ImportKind, company: Company, job: Import) -> Plan:
        fields = {each.key: each for each in all_fields(kind, company)}
        return cls(fields, [each.heading for each in job.columns], job.mapping, company)

    def parse(self, row: Row) -> Parsed:
        """Every cell as its field takes it."""
        values: dict[str, Any] = {}
        cells: dict[str, tuple[str, str]] = {}
        errors: list[CellError] = []
        for heading, key, text in zip(self.headings, self.mapping, row[1], strict=False):
            if key is None or not text:
                continue
            wanted = self.fields[key]
            cells.setdefault(key, (heading, text))
            try:
                value = wanted.parse(text, self.company)
            except Unreadable as error:
                errors.append(_cell_error(heading, text, str(error)))
                continue
            values[key] = tuple(dict.fromkeys((*values.get(key, ()), *value))) if wanted.many else value
        wrong = {each.column for each in errors}
        for key, wanted in self.fields.items():
            if wanted.required and key not in values and not ({cells[key][0]} & wrong if key in cells else False):
                heading = cells[key][0] if key in cells else wanted.title
                errors.append(CellError(column=heading, message=f"Не заполнено обязательное поле «{wanted.title}»"))
        return Parsed(row[0], values, cells, tuple(errors))


def _cell_error(heading: str, text: str, message: str) -> CellError:
    return CellError(column=heading, value=text[:LONGEST_VALUE], message=message)


def author_of(tx: ReadTx, company: Company, job: Import) -> Actor:
    """Whoever began the import, with the rights of today. `Forbidden` when he may not import any more."""
    if job.author_id is None:
        return Actor(id=None, name=job.author, roles=frozenset(job.roles), rights=company.rights)
    user = tx.get(USERS, job.author_id)
    if user is None or not user.active:
        raise Forbidden("Сотрудник, который начал загрузку, больше не работает")
    return actor_for(tx, user, company.rights)


class Tried(Exception):
    """The end of a piece of a dry run: undoes it and brings what would have become of the rows."""

    def __init__(self, rows: list[ImportRow]) -> None:
        super().__init__()
        self.rows = rows


@dataclass(slots=True)
class Seen:
    """What a dry run would have made so far: key of a record → number of its row."""

    keys: dict[tuple[str, Any], int] = field(default_factory=dict)

    def judge(self, job: Import, parsed: Parsed, row: ImportRow) -> ImportRow:
        """The row as it would have been with the records of earlier pieces there."""
        if row.outcome is not Outcome.CREATED:
            return row
        found = [(key, value) for key in job.rule.by for value in _values_of(parsed, key)]
        before = next((self.keys[key] for key in found if key in self.keys), None)
        for key in found:
            self.keys.setdefault(key, row.row)
        if before is None or job.rule.on_duplicate is OnDuplicate.CREATE:
            return row
        outcome = Outcome.SKIPPED if job.rule.on_duplicate is OnDuplicate.SKIP else Outcome.UPDATED
        return msgspec.structs.replace(row, outcome=outcome, note=f"То же, что в строке {before}")


def _values_of(parsed: Parsed, key: str) -> tuple[Any, ...]:
    value = parsed.values.get(key)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def try_piece(
    tx: Tx, kinds: Kinds, company: Company, actor: Actor | None, import_id: str, rows: Sequence[Parsed]
) -> None:
    """A piece of a dry run. Always raises: `Tried`."""
    job = tx.require(IMPORTS, import_id)
    actor = actor or author_of(tx, company, job)
    raise Tried([apply_row(tx, kind_of(kinds, job.kind), company, actor, job, row) for row in rows])


def note_piece(tx: Tx, import_id: str, run: int, cursor: int, rows: Sequence[ImportRow], *, end: bool) -> bool:
    """Keep what a piece of a dry run found: the counts, and the rows with errors. False when it was cancelled."""
    job = tx.get(IMPORTS, import_id)
    if job is None or job.state is not State.CHECKING or job.run != run:
        return False
    for row in rows:
        if row.outcome is Outcome.FAILED:
            tx.insert(IMPORT_ROWS, row)
    _advance(tx, job, cursor, rows, State.CHECKED if end else None)
    return not end


def work_piece(
    tx: Tx,
    kinds: Kinds,
    company: Company,
    actor: Actor | None,
    import_id: str,
    before: int,
    cursor: int,
    rows: Sequence[Parsed],
    *,
    end: bool,
) -> bool:
    """Do the rows between two cursors and move the cursor. False when there is nothing more to do: done, cancelled, or
    somebody else went on meanwhile. `actor` None: the author as he is now."""
    job = tx.get(IMPORTS, import_id)
    if job is None or job.state is not State.RUNNING or job.cursor != before:
        return False
    kind = kind_of(kinds, job.kind)
    actor = actor or author_of(tx, company, job)
    check(actor, kind.entity, Action.IMPORT)
    made = [apply_row(tx, kind, company, actor, job, row) for row in rows]
    for row in made:
        tx.insert(IMPORT_ROWS, row)
    _advance(tx, job, cursor, made, State.DONE if end else None)
    return not end


def refuse_row(tx: Tx, import_id: str, before: int, row: Parsed, message: str) -> None:
    """A row at which the program itself failed: it is noted and passed over."""
    job = tx.get(IMPORTS, import_id)
    if job is None or job.state is not State.RUNNING or job.cursor != before:
        return
    made = tx.insert(IMPORT_ROWS, failed_row(job, row, (CellError(message=message),)))
    _advance(tx, job, row.number, [made], None)


def fail_import(tx: Tx, import_id: str, problem: str) -> None:
    """The file cannot be read further, or the author may not go on: what was done stays."""
    job = tx.get(IMPORTS, import_id)
    if job is not None and job.state in (State.CHECKING, State.RUNNING):
        announce(tx, tx.update(IMPORTS, job, state=State.FAILED, problem=problem, finished_at=tx.now), "failed")


def _advance(tx: Tx, job: Import, cursor: int, rows: Sequence[ImportRow], state: State | None) -> None:
    count = {each: sum(row.outcome is each for row in rows) for each in Outcome}
    changes: dict[str, Any] = {
        "cursor": max(cursor, job.cursor),
        "done": job.done + len(rows),
        "created": job.created + count[Outcome.CREATED],
        "updated": job.updated + count[Outcome.UPDATED],
        "skipped": job.skipped + count[Outcome.SKIPPED],
        "failed": job.failed + count[Outcome.FAILED],
    }
    if state is not None:
        changes |= {"state": state, "finished_at": tx.now}
    announce(tx, tx.update(IMPORTS, job, **changes), "progress" if state is None else str(state))


def apply_row(tx: Tx, kind: ImportKind, company: Company, actor: Actor, job: Import, row: Parsed) -> ImportRow:
    """Create, update or pass over the record of one row; a refusal becomes an error of the row."""
    if row.errors:
        return failed_row(job, row, row.errors)
    try:
        return _apply(tx, kind, company, actor, job, row)
    except Invalid as error:
        return failed_row(job, row, tuple(_in_table(row, key, text) for key, text in error.fields.items()))
    except CoreError as error:
        return failed_row(job, row, (CellError(message=str(error)),))


def _in_table(row: Parsed, key: str, message: str) -> CellError:
    """An error of a field, told by the column that it came from."""
    heading, text = row.cells.get(key, ("", ""))
    return _cell_error(heading, text, message)


def _apply(tx: Tx, kind: ImportKind, company: Company, actor: Actor, job: Import, row: Parsed) -> ImportRow:
    values = {key: value for key, value in row.values.items() if key != EXTERNAL_KEY}
    external = row.values.get(EXTERNAL_KEY)
    found = _duplicate(tx, kind, job, values, external)
    if external and found is None and external_of(tx, kind, external):
        raise Invalid(
            {EXTERNAL_KEY: f"«{EXTERNAL_FIELD.title}» уже у другой записи: уберите его или обновляйте по нему"}
        )
    if found is not None and job.rule.on_duplicate is OnDuplicate.SKIP:
        return _row(job, row, Outcome.SKIPPED, record_id=found, note="Такая запись уже есть")
    if found is None:
        made = kind.create(tx, actor, company, values)
        if external:
            remember_external(tx, kind, external, made.id)
        after = msgspec.to_builtins(dict(made.after))
        return _row(job, row, Outcome.CREATED, record_id=made.id, after=after, external=bool(external))
    done = kind.update(tx, actor, company, found, values)
    if external:
        remember_external(tx, kind, external, found)
    if not done.after:
        return _row(job, row, Outcome.SKIPPED, record_id=found, note="Менять нечего: всё уже так")
    before, after = msgspec.to_builtins(dict(done.before)), msgspec.to_builtins(dict(done.after))
    return _row(job, row, Outcome.UPDATED, record_id=found, before=before, after=after)


def _duplicate(
    tx: ReadTx, kind: ImportKind, job: Import, values: Mapping[str, Any], external: str | None
) -> str | None:
    if job.rule.on_duplicate is OnDuplicate.CREATE:
        return None
    if external and EXTERNAL_KEY in job.rule.by and (found := external_of(tx, kind, external)):
        return found
    return kind.find_duplicate(tx, values, [key for key in job.rule.by if key != EXTERNAL_KEY])


def failed_row(job: Import, row: Parsed, errors: tuple[CellError, ...]) -> ImportRow:
    return _row(job, row, Outcome.FAILED, errors=errors)


def _row(job: Import, row: Parsed, outcome: Outcome, **more: Any) -> ImportRow:
    id = f"{job.id}:{job.run}:{row.number}"
    return ImportRow(id=id, import_id=job.id, run=job.run, row=row.number, outcome=outcome, **more)
