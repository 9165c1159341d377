"""`/imports`: a table is uploaded, its columns are assigned, it is tried, started, watched, undone."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from crm_core.actor import Actor
from crm_core.sheets import jobs
from crm_core.sheets.jobs import IMPORTS, CellError, Import, OnDuplicate, Rule
from crm_core.sheets.kinds import Kinds
from crm_core.sheets.mapping import Suggestion
from crm_core.sheets.reading import Layout
from crm_core.sheets.survey import PreviewRow
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Id, Line, ListQuery
from web.downloads import sent
from web.imports import READING, error_pages, kinds_of, opened, pace, reconfigured, take_in


class FieldOut(Out, frozen=True, kw_only=True):
    key: str
    title: str
    required: bool
    many: bool
    example: str


class RowErrorOut(Out, frozen=True, kw_only=True):
    row: int
    errors: tuple[CellError, ...]


class ImportOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    kind: str
    name: str
    size: int
    state: str
    layout: Layout
    columns: tuple[Suggestion, ...]
    mapping: tuple[str | None, ...]
    rule: Rule
    total: int
    done: int
    created: int
    updated: int
    skipped: int
    failed: int
    undone: int
    kept: int
    per_second: float | None
    """Rows, since it was begun."""
    eta_seconds: float | None
    problem: str | None
    author_id: str | None
    author: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ImportDetails(ImportOut, frozen=True, kw_only=True):
    fields: list[FieldOut]
    """What columns can be assigned to."""
    duplicates: dict[str, str]
    """By what a record can be recognised: for `rule.by`."""
    preview: list[PreviewRow]
    """The first rows as they would be read; while the import is prepared."""
    errors: list[RowErrorOut]
    """The first rows that were refused; all of them: `/imports/{id}/errors`."""
    kept_rows: list[RowErrorOut]
    """The first rows that could not be undone, and why."""


def show_import(job: Import, now: datetime) -> ImportOut:
    return ImportOut(**_shown(job, now))


def _shown(job: Import, now: datetime) -> dict[str, Any]:
    own = ("per_second", "eta_seconds", "state")
    shown = {name: getattr(job, name) for name in ImportOut.__struct_fields__ if name not in own}
    rate, left = pace(job, now)
    return {**shown, "state": str(job.state), "per_second": rate, "eta_seconds": left}


async def upload(call: Call[None, None]) -> ImportDetails:
    """Takes a form with `kind` (`leads`, `contacts`, `companies`, `deals`, `products`) and one file, CSV or XLSX.
    Answers with what the columns probably mean and how the first rows would be read."""
    return await _details(call, await take_in(call.request, call.services, call.actor))


async def _details(call: Call[Any, Any], job: Import) -> ImportDetails:
    seen = await opened(call.services, job)
    return ImportDetails(
        **_shown(job, call.services.clock()),
        fields=[
            FieldOut(key=each.key, title=each.title, required=each.required, many=each.many, example=each.example)
            for each in seen.fields
        ],
        duplicates=dict(seen.duplicates),
        preview=list(seen.preview),
        errors=[RowErrorOut(row=each.row, errors=each.errors) for each in seen.errors],
        kept_rows=[RowErrorOut(row=each.row, errors=(CellError(message=each.note),)) for each in seen.kept],
    )


async def read(call: Call[None, None]) -> ImportDetails:
    return await _details(call, await call.read(jobs.get_import, kinds_of(call.services), call.id))


class ImportQuery(ListQuery, frozen=True, kw_only=True):
    pass


async def list_(call: Call[ImportQuery, None]) -> Page[ImportOut]:
    return await call.read(_list, kinds_of(call.services), call.query)


def _list(tx: ReadTx, actor: Actor, kinds: Kinds, query: ImportQuery) -> Page[ImportOut]:
    rows = jobs.list_imports(tx, actor, kinds, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, IMPORTS, rows, query.limit, "-created_at", lambda job: show_import(job, tx.now))


class RuleIn(In, frozen=True, kw_only=True):
    on_duplicate: OnDuplicate = OnDuplicate.SKIP
    by: Annotated[list[Id], Meta(max_length=20)] = []


class ImportPatch(In, frozen=True, kw_only=True):
    mapping: Annotated[list[Id | None], Meta(max_length=200)] | UnsetType = UNSET
    """Key of a field per column, in the order of the columns; null: the column is passed over."""
    rule: RuleIn | UnsetType = UNSET
    sheet: Line | UnsetType = UNSET
    separator: Annotated[str, Meta(min_length=1, max_length=1)] | UnsetType = UNSET
    encoding: Line | UnsetType = UNSET
    header_row: Annotated[int, Meta(ge=1, le=10)] | UnsetType = UNSET
    """Number of the row with the headings."""


async def patch(call: Call[None, ImportPatch]) -> ImportDetails:
    """A change of how the file is read brings new suggestions, unless a mapping comes with it."""
    given = call.body.given()
    changes: dict[str, Any] = {}
    if "mapping" in given:
        changes["mapping"] = tuple(given["mapping"])
    if "rule" in given:
        changes["rule"] = Rule(on_duplicate=given["rule"].on_duplicate, by=tuple(given["rule"].by))
    reading = {name: value for name, value in given.items() if name in READING}
    job = await reconfigured(call.services, call.actor, call.id, reading, changes, call.if_match)
    return await _details(call, job)


async def dry_run(call: Call[None, None]) -> ImportOut:
    """Tries every row and keeps nothing; progress and result: `GET /imports/{id}`."""
    return await _stepped(call, partial(jobs.dry_run, company=call.company))


async def start(call: Call[None, None]) -> ImportOut:
    return await _stepped(call, partial(jobs.start, company=call.company))


async def cancel(call: Call[None, None]) -> ImportOut:
    """What was written stays, and can be undone."""
    return await _stepped(call, jobs.cancel)


async def undo(call: Call[None, None]) -> ImportOut:
    """Removes what it made and gives back what it changed, as far as nobody has touched it since."""
    return await _stepped(call, jobs.undo)


async def _stepped(call: Call[None, None], command: Any) -> ImportOut:
    job: Import = await call.write(command, kinds=kinds_of(call.services), import_id=call.id)
    return show_import(job, call.services.clock())


class ErrorQuery(In, frozen=True, kw_only=True):
    format: Literal["csv", "xlsx"] | None = None
    """As the file was, when left out."""


async def errors(call: Call[ErrorQuery, None]) -> web.StreamResponse:
    """The refused rows as they were, with a column «Ошибка»."""
    job = await call.read(jobs.get_import, kinds_of(call.services), call.id)
    name = f"{job.name.rpartition('.')[0]}-ошибки"
    format = call.query.format or job.layout.format
    return await sent(call.request, call.services, format, name, error_pages(call.store, job))


ANY = "import хотя бы для одного вида записей"
ROUTES = (
    Route("GET", "/imports", list_, "Загрузки", ANY),
    Route("POST", "/imports", upload, "Загрузить таблицу", ANY, 201, accepts="multipart/form-data"),
    Route("GET", "/imports/{id}", read, "Загрузка: столбцы, ход, ошибки", ANY),
    Route("PATCH", "/imports/{id}", patch, "Назначить столбцы, правило дублей и чтение файла", ANY),
    Route("POST", "/imports/{id}/dry-run", dry_run, "Проверить, ничего не записывая", ANY),
    Route("POST", "/imports/{id}/start", start, "Начать запись", ANY),
    Route("POST", "/imports/{id}/cancel", cancel, "Остановить", ANY),
    Route("POST", "/imports/{id}/undo", undo, "Отменить загрузку", ANY),
    Route("GET", "/imports/{id}/errors", errors, "Строки с ошибками файлом", ANY, media="text/csv"),
)
