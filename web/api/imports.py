"""`/imports`: a table is uploaded, its columns are assigned, it is tried, started, watched, undone."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.rights import Action
from crm_core.sheets import jobs
from crm_core.sheets.jobs import IMPORTS, CellError, Import, OnDuplicate, Rule
from crm_core.sheets.kinds import EXTERNAL_FIELD, Kinds, all_fields, kind_of
from crm_core.sheets.mapping import Suggestion
from crm_core.sheets.reading import Layout
from crm_core.sheets.survey import ErrorTable, PreviewRow, preview, survey, survey_again
from router.sheets.registry import import_kinds
from storage import ReadTx, Store
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.files import attachments_of, read_multipart
from web.api.input import Id, Line, ListQuery
from web.downloads import Pages, sent
from web.problems import Problem, invalid

READING = ("sheet", "separator", "encoding", "header_row")
SHOWN_ERRORS = 100


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


def kinds_of(call: Call[Any, Any]) -> Kinds:
    return import_kinds(call.services.desk.queues)


def show_import(job: Import, now: datetime) -> ImportOut:
    return ImportOut(**_shown(job, now))


def _shown(job: Import, now: datetime) -> dict[str, Any]:
    own = ("per_second", "eta_seconds", "state")
    shown = {name: getattr(job, name) for name in ImportOut.__struct_fields__ if name not in own}
    seconds = ((job.finished_at or now) - job.started_at).total_seconds() if job.started_at else 0.0
    rate = job.done / seconds if seconds > 0 and job.done and job.state is not jobs.State.UNDOING else None
    going = job.state in (jobs.State.CHECKING, jobs.State.RUNNING)
    eta = round((job.total - job.done) / rate, 1) if rate and going else None
    return {**shown, "state": str(job.state), "per_second": round(rate, 1) if rate else None, "eta_seconds": eta}


async def upload(call: Call[None, None]) -> ImportDetails:
    """Takes a form with `kind` (`leads`, `contacts`, `companies`, `deals`, `products`) and one file, CSV or XLSX.
    Answers with what the columns probably mean and how the first rows would be read."""
    if call.request.content_type != "multipart/form-data":
        raise Problem(415, "Нужна форма с файлом: multipart/form-data")
    kinds = kinds_of(call)
    jobs.may_import(call.actor, kinds)
    form = await read_multipart(call.request, call.store, call.actor)
    kind = kind_of(kinds, str(form.get("kind", ""))[:100])
    check(call.actor, kind.entity, Action.IMPORT)
    files = await attachments_of(call.store, call.actor, form.get("attachments", []))
    if len(files) != 1:
        raise invalid(file="Приложите один файл")
    path = Path(call.store.blobs.path(files[0].blob))
    found = await asyncio.to_thread(survey, path, files[0].name, kind, call.company)
    job = await call.write(
        jobs.create_import,
        kind,
        name=files[0].name,
        blob=files[0].blob,
        size=files[0].size,
        layout=found.layout,
        columns=found.columns,
        total=found.total,
    )
    return await _details(call, job)


async def _details(call: Call[Any, Any], job: Import) -> ImportDetails:
    kind = kind_of(kinds_of(call), job.kind)
    path = Path(call.store.blobs.path(job.blob))
    fields = [
        FieldOut(key=each.key, title=each.title, required=each.required, many=each.many, example=each.example)
        for each in all_fields(kind, call.company)
    ]
    shown: list[PreviewRow] = []
    if job.state in jobs.PREPARING and await asyncio.to_thread(path.is_file):
        shown = await asyncio.to_thread(preview, path, job, kind, call.company)
    errors, kept = await call.store.read(_troubles, job)
    return ImportDetails(
        **_shown(job, call.services.clock()),
        fields=fields,
        duplicates={EXTERNAL_FIELD.key: EXTERNAL_FIELD.title, **kind.duplicates},
        preview=shown,
        errors=errors,
        kept_rows=kept,
    )


def _troubles(tx: ReadTx, job: Import) -> tuple[list[RowErrorOut], list[RowErrorOut]]:
    failed = [RowErrorOut(row=each.row, errors=each.errors) for each in jobs.error_rows(tx, job, limit=SHOWN_ERRORS)]
    kept = jobs.kept_rows(tx, job, SHOWN_ERRORS) if job.kept else []
    return failed, [RowErrorOut(row=each.row, errors=(CellError(message=each.note),)) for each in kept]


async def read(call: Call[None, None]) -> ImportDetails:
    return await _details(call, await call.read(jobs.get_import, kinds_of(call), call.id))


class ImportQuery(ListQuery, frozen=True, kw_only=True):
    pass


async def list_(call: Call[ImportQuery, None]) -> Page[ImportOut]:
    return await call.read(_list, kinds_of(call), call.query)


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
    kinds, given = kinds_of(call), call.body.given()
    job = await call.read(jobs.get_import, kinds, call.id)
    changes: dict[str, Any] = {}
    reading = {name: value for name, value in given.items() if name in READING}
    if reading:
        path = Path(call.store.blobs.path(job.blob))
        kind = kind_of(kinds, job.kind)
        found = await asyncio.to_thread(survey_again, path, job, reading, kind, call.company)
        changes = {"layout": found.layout, "columns": found.columns, "total": found.total}
        changes["mapping"] = tuple(each.field for each in found.columns)
    if "mapping" in given:
        changes["mapping"] = tuple(given["mapping"])
    if "rule" in given:
        changes["rule"] = Rule(on_duplicate=given["rule"].on_duplicate, by=tuple(given["rule"].by))
    return await _details(call, await call.write(jobs.configure, kinds, call.company, call.id, changes, call.if_match))


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
    job: Import = await call.write(command, kinds=kinds_of(call), import_id=call.id)
    return show_import(job, call.services.clock())


class ErrorQuery(In, frozen=True, kw_only=True):
    format: Literal["csv", "xlsx"] | None = None
    """As the file was, when left out."""


async def errors(call: Call[ErrorQuery, None]) -> web.StreamResponse:
    """The refused rows as they were, with a column «Ошибка»."""
    job = await call.read(jobs.get_import, kinds_of(call), call.id)
    name = f"{job.name.rpartition('.')[0]}-ошибки"
    format = call.query.format or job.layout.format
    return await sent(call.request, call.services, format, name, _error_pages(call.store, job))


async def _error_pages(store: Store, job: Import) -> Pages:
    """The headings, then refused rows page by page: no file of errors is ever whole in memory."""
    table = ErrorTable(Path(store.blobs.path(job.blob)), job)
    yield [await asyncio.to_thread(table.head)]
    row = 0
    while failed := await store.read(jobs.error_rows, job, row):
        row = failed[-1].row
        yield await asyncio.to_thread(table.page, failed)


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
