"""An import as a job: what a person prepared, what has been done, how far it is.

    draft ─dry-run─▶ checking ─▶ checked ─start─▶ running ─▶ done ─undo─▶ undoing ─▶ undone
                                                     └─cancel─▶ cancelled ─undo─▶ …

A draft may be started without a dry run. The commands here only move the job on; the rows are worked off by `work` and
`undo`, piece by piece. `cursor` is the number of the last row that is done, written in the transaction that did it, so
whoever continues after a crash does nothing twice. An import whose file or author is gone is `failed`, and can be
undone as far as it came. It is undone in the name of whoever asks for that, whether the author still works here or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from crm_core.access import Facts, check, may, visible
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.rights import Action
from crm_core.sheets.kinds import EXTERNAL_FIELD, ImportKind, Kinds, all_fields, kind_of
from crm_core.sheets.mapping import Suggestion
from crm_core.sheets.reading import Layout
from storage import AllOf, AnyOf, Collection, Entity, Filter, Gt, Index, ReadTx, Tx

HUB = "hub"
"""`worker` of what the hub's own worker does."""


class State(StrEnum):
    DRAFT = "draft"
    CHECKING = "checking"
    CHECKED = "checked"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


WORKING = (State.CHECKING, State.RUNNING, State.UNDOING)
PREPARING = (State.DRAFT, State.CHECKED)
UNDOABLE = (State.DONE, State.CANCELLED, State.FAILED)


class OnDuplicate(StrEnum):
    SKIP = "skip"
    UPDATE = "update"
    CREATE = "create"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a row whose record is there already, and by what it is recognised."""

    on_duplicate: OnDuplicate = OnDuplicate.SKIP
    by: tuple[str, ...] = ()
    """Keys of fields, best first."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for a step that the worker does later."""

    id: str | None
    """Of the employee; None: the console, or a token that is nobody's."""
    name: str
    roles: tuple[str, ...]


def signature(actor: Actor) -> Signature:
    return Signature(id=actor.id, name=actor.name, roles=tuple(sorted(actor.roles)))


class Import(Entity, frozen=True, kw_only=True):
    kind: str
    name: str
    """Of the file."""
    blob: str
    size: int
    layout: Layout
    columns: tuple[Suggestion, ...]
    """What was proposed, one per column."""
    mapping: tuple[str | None, ...]
    """Key of a field per column; None: passed over."""
    rule: Rule
    state: State = State.DRAFT
    worker: str = HUB
    """Who works it off: whoever began the step that it is at."""
    run: int = 0
    """Grows with each dry run and start; rows belong to a run."""
    cursor: int = 0
    """Number of the last row that is done; while undoing, of the last one that is taken back."""
    total: int = 0
    """Rows below the headings."""
    done: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    undone: int = 0
    kept: int = 0
    """Rows that could not be undone, or not wholly."""
    problem: str | None = None
    """Why it failed."""
    author_id: str | None = None
    author: str
    roles: tuple[str, ...]
    created_at: datetime
    undo_by: Signature | None = None
    started_at: datetime | None = None
    touched_at: datetime | None = None
    """Of the last piece."""
    finished_at: datetime | None = None

    @property
    def asked_by(self) -> Signature:
        """In whose name the step that it is at is done."""
        author = Signature(id=self.author_id, name=self.author, roles=self.roles)
        return self.undo_by or author if self.state is State.UNDOING else author


class CellError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong in a row: heading of the column (empty: the row as a whole), its text, the sentence with the
    mend."""

    column: str = ""
    value: str = ""
    message: str


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    SKIPPED = "skipped"
    FAILED = "failed"


class ImportRow(Entity, frozen=True, kw_only=True):
    """What became of one row; `id` is `import:run:row`."""

    import_id: str
    run: int
    row: int
    outcome: Outcome
    record_id: str | None = None
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    external: bool = False
    """The external id was tied to the record by this row."""
    errors: tuple[CellError, ...] = ()
    note: str = ""
    """Why it was skipped, or what could not be undone."""
    kept: bool = False
    """It could not be undone, or not wholly."""


IMPORTS = Collection(
    "imports",
    Import,
    [Index("kind", "created_at"), Index("author_id", "created_at"), Index("created_at"), Index("worker", "state")],
)
IMPORT_ROWS = Collection(
    "import_rows",
    ImportRow,
    [
        Index("import_id", "run", "row"),
        Index("import_id", "run", "outcome", "row"),
        Index("import_id", "row", where={"kept": True}),
    ],
)


def get_import(tx: ReadTx, actor: Actor, kinds: Kinds, import_id: str) -> Import:
    """The import. `Missing`, `Forbidden`."""
    job = tx.get(IMPORTS, import_id)
    if job is None:
        raise Missing("Такой загрузки нет")
    check(actor, kind_of(kinds, job.kind).entity, Action.IMPORT, _facts(job))
    return job


def list_imports(tx: ReadTx, actor: Actor, kinds: Kinds, *, limit: int, after: str | None) -> list[Import]:
    """The imports that the actor may see, newest first. `Forbidden` for whoever may import nothing."""
    scopes: list[Filter] = []
    for key, kind in kinds.items():
        scope = visible(actor, kind.entity, owner_fields=("author_id",), action=Action.IMPORT)
        if scope is not None:
            scopes.append(AllOf(({"kind": key}, scope)))
    may_import(actor, kinds)
    return tx.find(IMPORTS, AnyOf(tuple(scopes)), sort="-created_at", limit=limit, after=after)


def may_import(actor: Actor, kinds: Kinds) -> list[ImportKind]:
    """The kinds of which the actor may import something. `Forbidden` when there is none."""
    found = [kind for kind in kinds.values() if may(actor, kind.entity, Action.IMPORT)]
    if not found:
        raise Forbidden("Недостаточно прав: загружать таблицы вам нельзя")
    return found


def create_import(
    tx: Tx,
    actor: Actor,
    kind: ImportKind,
    *,
    name: str,
    blob: str,
    size: int,
    layout: Layout,
    columns: Sequence[Suggestion],
    total: int,
) -> Import:
    """A draft with the proposed mapping; duplicates are recognised by all that the kind knows, and skipped."""
    check(actor, kind.entity, Action.IMPORT)
    mapping = tuple(each.field for each in columns)
    job = Import(
        id=tx.new_id("imp_"),
        kind=kind.key,
        name=name,
        blob=blob,
        size=size,
        layout=layout,
        columns=tuple(columns),
        mapping=mapping,
        rule=Rule(by=(EXTERNAL_FIELD.key, *kind.duplicates)),
        total=total,
        author_id=actor.id,
        author=actor.name,
        roles=tuple(sorted(actor.roles)),
        created_at=tx.now,
    )
    tx.insert(IMPORTS, job)
    record(tx, actor, "import", job.id, "created", {"kind": (None, kind.key), "rows": (None, total)})
    return job


def configure(
    tx: Tx,
    actor: Actor,
    kinds: Kinds,
    company: Company,
    import_id: str,
    changes: Mapping[str, Any],
    version: int | None = None,
) -> Import:
    """Change `mapping`, `rule`, and what a new look at the file gave: `layout`, `columns`, `total`."""
    job = _for_step(tx, actor, kinds, import_id, PREPARING, "Настроить можно только загрузку, которая ещё не начата")
    if version is not None and version != job.version:
        raise Conflict("Загрузка уже изменена кем-то другим. Прочитайте её заново")
    kind = kind_of(kinds, job.kind)
    wanted = msgspec.structs.replace(job, **changes)
    check_mapping(kind, company, wanted)
    return tx.update(IMPORTS, job, **changes, state=State.DRAFT)


def check_mapping(kind: ImportKind, company: Company, job: Import) -> None:
    """`Invalid` for a mapping or a rule that makes no sense."""
    fields = {field.key: field for field in all_fields(kind, company)}
    wrong: dict[str, str] = {}
    if len(job.mapping) != len(job.columns):
        wrong["mapping"] = f"В таблице столбцов: {len(job.columns)}, а назначено: {len(job.mapping)}"
    for n, key in enumerate(job.mapping):
        if key is not None and key not in fields:
            wrong[f"mapping[{n}]"] = f"Такого поля нет; есть {', '.join(fields)}"
        elif key is not None and not fields[key].many and key in job.mapping[:n]:
            wrong[f"mapping[{n}]"] = f"Поле «{fields[key].title}» уже берётся из другого столбца"
    known = (EXTERNAL_FIELD.key, *kind.duplicates)
    if unknown := [key for key in job.rule.by if key not in known]:
        wrong["rule.by"] = f"По «{unknown[0]}» дубли не ищутся; можно по {', '.join(known)}"
    if wrong:
        raise Invalid(wrong)


def _ready(kind: ImportKind, company: Company, job: Import) -> None:
    check_mapping(kind, company, job)
    lacking = [each.title for each in kind.fields(company) if each.required and each.key not in job.mapping]
    if lacking:
        raise Invalid({"mapping": f"Назначьте столбец для обязательного поля: {', '.join(lacking)}"})
    if not any(job.mapping):
        raise Invalid({"mapping": "Назначьте хотя бы один столбец"})


FRESH = {"cursor": 0, "done": 0, "created": 0, "updated": 0, "skipped": 0, "failed": 0, "problem": None,
         "touched_at": None}  # fmt: skip


def dry_run(tx: Tx, actor: Actor, kinds: Kinds, company: Company, import_id: str, *, worker: str = HUB) -> Import:
    """Try every row without keeping anything."""
    job = _for_step(tx, actor, kinds, import_id, PREPARING, "Проверить можно только загрузку, которая ещё не начата")
    _ready(kind_of(kinds, job.kind), company, job)
    return _begin(tx, actor, job, State.CHECKING, "dry_run", worker)


def start(tx: Tx, actor: Actor, kinds: Kinds, company: Company, import_id: str, *, worker: str = HUB) -> Import:
    """Begin to write. `Conflict` when it has begun already."""
    job = _for_step(tx, actor, kinds, import_id, PREPARING, "Загрузка уже начата или закончена")
    _ready(kind_of(kinds, job.kind), company, job)
    return _begin(tx, actor, job, State.RUNNING, "started", worker)


def _begin(tx: Tx, actor: Actor, job: Import, state: State, event: str, worker: str) -> Import:
    begun = {"state": state, "worker": worker, "run": job.run + 1, "started_at": tx.now, "finished_at": None}
    changed = tx.update(IMPORTS, job, **FRESH, **begun)
    record(tx, actor, "import", job.id, event, {"state": (job.state, state)})
    announce(tx, changed, event)
    return changed


def cancel(tx: Tx, actor: Actor, kinds: Kinds, import_id: str) -> Import:
    """Stop after the piece in hand; what was written stays and can be undone. A dry run goes back to the draft."""
    states = (State.CHECKING, State.RUNNING)
    job = _for_step(tx, actor, kinds, import_id, states, "Остановить можно только загрузку, которая идёт")
    state = State.DRAFT if job.state is State.CHECKING else State.CANCELLED
    changed = tx.update(IMPORTS, job, state=state, finished_at=tx.now)
    record(tx, actor, "import", job.id, "cancelled", {"state": (job.state, state)})
    announce(tx, changed, "cancelled")
    return changed


def undo(tx: Tx, actor: Actor, kinds: Kinds, import_id: str) -> Import:
    """Begin to take back what it did, last row first, in the name of the actor. The hub does it, whoever imported."""
    job = _for_step(tx, actor, kinds, import_id, UNDOABLE, "Отменить можно только загрузку, которая закончена")
    cursor = job.cursor if job.undone or job.kept else job.cursor + 1  # an undo that broke off goes on
    begun = {"state": State.UNDOING, "worker": HUB, "undo_by": signature(actor), "problem": None, "touched_at": None}
    changed = tx.update(IMPORTS, job, **begun, cursor=cursor, started_at=tx.now, finished_at=None)
    record(tx, actor, "import", job.id, "undo", {"state": (job.state, State.UNDOING)})
    announce(tx, changed, "undo")
    return changed


def error_rows(tx: ReadTx, job: Import, after: int = 0, limit: int = 500) -> list[ImportRow]:
    """Rows of the last run that were refused, in the order of the file."""
    where = {"import_id": job.id, "run": job.run, "outcome": Outcome.FAILED, "row": Gt(after)}
    return tx.find(IMPORT_ROWS, where, sort="row", limit=limit)


def kept_rows(tx: ReadTx, job: Import, limit: int) -> list[ImportRow]:
    """The first rows that could not be undone, or not wholly, in the order of the file."""
    return tx.find(IMPORT_ROWS, {"import_id": job.id, "kept": True}, sort="row", limit=limit)


def announce(tx: Tx, job: Import, event: str) -> None:
    """News for the page of whoever began it."""
    shown = {"state": job.state, "done": job.done, "total": job.total}
    tell(tx, "import", job.id, event, to=(job.author_id,) if job.author_id else (), data=shown)


def _facts(job: Import) -> Facts:
    return Facts(owners=frozenset({job.author_id}))


def _for_step(tx: ReadTx, actor: Actor, kinds: Kinds, import_id: str, states: Sequence[State], refusal: str) -> Import:
    job = get_import(tx, actor, kinds, import_id)
    if job.state not in states:
        raise Conflict(refusal)
    return job
