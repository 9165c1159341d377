"""Imports as pages and API do them: a file is taken in and looked at, how it is read is changed, and what there is to
see of an import is put together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.rights import Action
from crm_core.sheets import jobs
from crm_core.sheets.jobs import Import, ImportRow, State
from crm_core.sheets.kinds import EXTERNAL_FIELD, Field, ImportKind, Kinds, all_fields, kind_of
from crm_core.sheets.survey import ErrorTable, PreviewRow, preview, survey, survey_again
from router.sheets.registry import import_kinds
from storage import ReadTx, Store
from web.api.files import attachments_of, read_multipart
from web.downloads import Pages
from web.problems import Problem, invalid
from web.services import Services

READING = ("sheet", "separator", "encoding", "header_row")
"""What a person may say of how a file is read."""
SHOWN_ERRORS = 100


@dataclass(frozen=True, slots=True)
class Opened:
    """All that there is to see of an import."""

    job: Import
    kind: ImportKind
    fields: Sequence[Field]
    """What columns can be assigned to."""
    duplicates: Mapping[str, str]
    """By what a record can be recognised."""
    preview: Sequence[PreviewRow]
    """The first rows as they would be read; while the import is prepared."""
    errors: Sequence[ImportRow]
    """The first rows that were refused."""
    kept: Sequence[ImportRow]
    """The first rows that could not be undone."""


def kinds_of(services: Services) -> Kinds:
    return import_kinds(services.desk.queues)


def file_of(store: Store, job: Import) -> Path:
    return Path(store.blobs.path(job.blob))


async def take_in(request: web.Request, services: Services, actor: Actor) -> Import:
    """A draft out of a form with `kind` and one file. `Invalid` says what is wrong with the table."""
    if request.content_type != "multipart/form-data":
        raise Problem(415, "Нужна форма с файлом: multipart/form-data")
    kinds, store = kinds_of(services), services.store
    jobs.may_import(actor, kinds)
    form = await read_multipart(request, store, actor)
    kind = kind_of(kinds, str(form.get("kind", ""))[:100])
    check(actor, kind.entity, Action.IMPORT)
    files = await attachments_of(store, actor, form.get("attachments", []))
    if len(files) != 1:
        raise invalid(file="Приложите один файл")
    file = files[0]
    found = await asyncio.to_thread(
        survey, Path(store.blobs.path(file.blob)), file.name, kind, services.desk.company
    )  # fmt: skip
    return await store.write(
        jobs.create_import,
        actor,
        kind,
        name=file.name,
        blob=file.blob,
        size=file.size,
        layout=found.layout,
        columns=found.columns,
        total=found.total,
    )


async def opened(services: Services, job: Import) -> Opened:
    """Everything to see of an import that its reader may see."""
    kind, company = kind_of(kinds_of(services), job.kind), services.desk.company
    path = file_of(services.store, job)
    shown: list[PreviewRow] = []
    if job.state in jobs.PREPARING and await asyncio.to_thread(path.is_file):
        shown = await asyncio.to_thread(preview, path, job, kind, company)
    errors, kept = await services.store.read(_troubles, job)
    duplicates = {EXTERNAL_FIELD.key: EXTERNAL_FIELD.title, **kind.duplicates}
    return Opened(job, kind, all_fields(kind, company), duplicates, shown, errors, kept)


def _troubles(tx: ReadTx, job: Import) -> tuple[list[ImportRow], list[ImportRow]]:
    kept = jobs.kept_rows(tx, job, SHOWN_ERRORS) if job.kept else []
    return jobs.error_rows(tx, job, limit=SHOWN_ERRORS) if job.failed else [], kept


async def reconfigured(
    services: Services, actor: Actor, import_id: str, reading: Mapping[str, Any], changes: Mapping[str, Any],
    version: int | None,
) -> Import:  # fmt: skip
    """A change of how the file is read brings new suggestions, unless `changes` have a `mapping` of their own."""
    kinds, company = kinds_of(services), services.desk.company
    wanted = dict(changes)
    if reading:
        job = await services.store.read(jobs.get_import, actor, kinds, import_id)
        path = file_of(services.store, job)
        found = await asyncio.to_thread(survey_again, path, job, reading, kind_of(kinds, job.kind), company)
        again = {"layout": found.layout, "columns": found.columns, "total": found.total}
        wanted = again | {"mapping": tuple(each.field for each in found.columns)} | wanted
    return await services.store.write(jobs.configure, actor, kinds, company, import_id, wanted, version)


async def error_pages(store: Store, job: Import) -> Pages:
    """The headings, then refused rows page by page: no file of errors is ever whole in memory."""
    table = ErrorTable(file_of(store, job), job)
    yield [await asyncio.to_thread(table.head)]
    row = 0
    while failed := await store.read(jobs.error_rows, job, row):
        row = failed[-1].row
        yield await asyncio.to_thread(table.page, failed)


def pace(job: Import, now: datetime) -> tuple[float | None, float | None]:
    """Rows per second since it was begun, and the seconds that are left; None where nothing can be said."""
    seconds = ((job.finished_at or now) - job.started_at).total_seconds() if job.started_at else 0.0
    rate = job.done / seconds if seconds > 0 and job.done and job.state is not State.UNDOING else None
    going = job.state in (State.CHECKING, State.RUNNING)
    left = round((job.total - job.done) / rate, 1) if rate and going else None
    return round(rate, 1) if rate else None, left
