"""`import` and `export`: tables from the command line, beside a running hub or without it.

The command does the work itself, as a guest of the store, with the same pieces as the hub's worker; the hub sees what
comes in and distributes leads. An interrupted import is done again with the same file: what is there is passed over.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from crm_core.errors import Invalid
from crm_core.sheets import jobs
from crm_core.sheets.exporting import begin_export, export_page, header
from crm_core.sheets.jobs import IMPORTS, Import, OnDuplicate, Rule, State
from crm_core.sheets.kinds import ImportKind, Kinds
from crm_core.sheets.reading import MAX_FILE, format_of
from crm_core.sheets.survey import in_words, survey
from crm_core.sheets.writing import writer
from distribution.desk import Desk
from firstline.commands.common import FAILED, Failure, Target, Wrong, blocking, options
from firstline.opening import console, in_force, opened
from firstline.problems import nearest
from firstline.settings import Settings
from router.sheets.registry import import_kinds
from router.sheets.worker import ImportWorker
from storage import ReadTx, Store

WORKER = "console"
LOOK_EVERY = 0.2
SHOWN = 20
"""Errors told one by one."""


def _kind(kinds: Kinds, key: str) -> ImportKind:
    if key not in kinds:
        raise Wrong(f"вида «{key}» нет; {nearest(key, kinds)}")
    return kinds[key]


def _needs_data(hub: Target) -> None:
    if not hub.data.is_dir():
        raise Failure(f"папки данных {hub.data} нет; укажите её через --data")


def _format(file: Path) -> str:
    try:
        return format_of(file.name)
    except Invalid:
        raise Wrong(f"{file.name}: имя файла должно кончаться на .csv или .xlsx") from None


def _check_source(file: Path) -> None:
    if not file.is_file():
        raise Failure(f"файла {file} нет; проверьте путь")
    if file.stat().st_size > MAX_FILE:
        raise Failure(f"файл больше {MAX_FILE >> 20} МБ; разделите его на части")


def _check_target(file: Path, *, force: bool) -> None:
    if not file.absolute().parent.is_dir():
        raise Failure(f"папки {file.parent} нет; создайте её или укажите другой путь вместо {file}")
    if file.exists() and not force:
        raise Failure(f"файл {file} уже есть; укажите другое имя или добавьте --force, чтобы записать поверх него")


@click.command("import", short_help="загрузить таблицу CSV или XLSX")
@click.argument("kind", metavar="KIND")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="только проверить, ничего не записывая")
@click.option(
    "--duplicates",
    type=click.Choice([each.value for each in OnDuplicate]),
    default="skip",
    help="что делать с повторами (skip)",
)
@options
@blocking
async def import_(hub: Target, kind: str, file: Path, dry_run: bool, duplicates: str) -> int:
    """Загружает записи вида KIND (leads, contacts, companies, deals, products) из FILE.

    Столбцы узнаются по заголовкам."""
    settings = hub.settings()
    kinds = import_kinds(settings.queues)
    chosen = _kind(kinds, kind)
    _format(file)
    _check_source(file)
    _needs_data(hub)
    async with opened(settings, hub.data) as store:
        settings = await in_force(store, settings)
        job = await _prepare(store, settings, chosen, kinds, file, OnDuplicate(duplicates))
        job = await _run(store, settings, kinds, job, dry=dry_run)
        return await _report(store, job, dry=dry_run)


async def _prepare(
    store: Store, settings: Settings, kind: ImportKind, kinds: Kinds, file: Path, duplicates: OnDuplicate
) -> Import:
    """The draft, and the words about which column is taken for what."""
    actor, company = console(settings.company), settings.company
    found = await asyncio.to_thread(survey, file, file.name, kind, company)
    blob, size = await store.blobs.put(await asyncio.to_thread(file.read_bytes))
    job = await store.write(
        jobs.create_import,
        actor,
        kind,
        name=file.name,
        blob=blob,
        size=size,
        layout=found.layout,
        columns=found.columns,
        total=found.total,
    )
    for column in found.columns:
        click.echo(f"  {column.heading} → {column.field or 'не загружается'}. {column.reason}")
    rule = Rule(on_duplicate=duplicates, by=job.rule.by)
    return await store.write(jobs.configure, actor, kinds, company, job.id, {"rule": rule})


async def _run(store: Store, settings: Settings, kinds: Kinds, job: Import, *, dry: bool) -> Import:
    """Work the job off and show how far it is; an interrupted one is left cancelled, so that it can be undone."""
    actor, company = console(settings.company), settings.company
    job = await store.write(jobs.dry_run if dry else jobs.start, actor, kinds, company, job.id, worker=WORKER)
    worker = ImportWorker(store, kinds, Desk(company, settings.queues), actor=actor)
    work = asyncio.create_task(worker.work_off(job))
    try:
        with click.progressbar(length=job.total, label="Проверка" if dry else "Загрузка") as bar:
            while not work.done():
                await asyncio.wait([work], timeout=LOOK_EVERY)
                seen = await store.read(lambda tx: tx.require(IMPORTS, job.id))
                bar.update(seen.done - bar.pos)
        await work
    finally:
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await store.write(jobs.cancel, actor, kinds, job.id)
    return await store.read(lambda tx: tx.require(IMPORTS, job.id))


async def _report(store: Store, job: Import, *, dry: bool) -> int:
    """What was done, and what was not, row by row."""
    if job.state is State.FAILED:
        raise Failure(
            f"остановлено на строке {job.cursor}: {job.problem}; создано {job.created}, обновлено {job.updated}"
        )
    would = "Будет: " if dry else ""
    numbers = f"создано {job.created}, обновлено {job.updated}, пропущено {job.skipped}, с ошибками {job.failed}"
    click.echo(f"{would}{numbers}." if dry else f"Строк {job.done}: {numbers}.")
    for row in await store.read(jobs.error_rows, job, 0, SHOWN):
        click.echo(f"  строка {row.row}: {in_words(row.errors)}", err=True)
    if job.failed > SHOWN:
        click.echo(f"  и ещё {job.failed - SHOWN}", err=True)
    return FAILED if job.failed else 0


@click.command(short_help="выгрузить записи в CSV или XLSX")
@click.argument("kind", metavar="KIND")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="записать поверх файла, который уже есть")
@options
@blocking
async def export(hub: Target, kind: str, file: Path, force: bool) -> None:
    """Выгружает все записи вида KIND (leads, contacts, companies, deals, products) в FILE."""
    settings = hub.settings()
    chosen, format = _kind(import_kinds(settings.queues), kind), _format(file)
    _needs_data(hub)
    _check_target(file, force=force)
    part = file.with_name(f".{file.name}.part")
    try:
        async with opened(settings, hub.data) as store:
            count = await _write(store, await in_force(store, settings), chosen, part, format)
        os.replace(part, file)
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise
    click.echo(f"Выгружено в {file}: {count}.")


async def _write(store: Store, settings: Settings, kind: ImportKind, part: Path, format: str) -> int:
    """Page by page, each in a short transaction; the number of records."""
    actor, company = console(settings.company), settings.company
    made, cursor, count = writer(format, ZoneInfo(company.timezone)), None, 0
    await store.write(begin_export, actor, kind, format)
    total = await store.read(_count, kind)
    with part.open("xb") as file, click.progressbar(length=total, label="Выгрузка") as bar:
        os.chmod(part, 0o600)
        file.write(made.rows([header(kind, company)]))
        while True:
            rows, cursor = await store.read(export_page, actor, kind, company, {}, cursor)
            file.write(made.rows(rows))
            count += len(rows)
            bar.update(len(rows))
            if cursor is None:
                break
        file.writelines(made.end())
    return count


def _count(tx: ReadTx, kind: ImportKind) -> int:
    return tx.count(kind.collection)
