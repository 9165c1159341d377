"""«Импорт»: a table is uploaded, its columns are assigned, it is tried, written, watched and, if need be, taken back.

One part shows an import in whatever state it is; while the hub works at it, the part asks for itself every second.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web
from multidict import MultiDictProxy

from crm_core.errors import CoreError, Invalid
from crm_core.sheets import jobs
from crm_core.sheets.encoding import ENCODINGS
from crm_core.sheets.jobs import IMPORTS, Import, OnDuplicate, Rule, State
from crm_core.sheets.kinds import all_fields, kind_of
from crm_core.sheets.mapping import LOOK_FOR_HEADINGS
from crm_core.sheets.reading import SEPARATORS
from crm_core.sheets.survey import in_words
from crm_core.sheets.writing import FORMATS, writer
from web.api.call import MAX_VERSION_DIGITS
from web.imports import READING, kinds_of, opened, pace, reconfigured, take_in
from web.pages.i18n import mark
from web.pages.render import Reader, page, part, reader, wants_part

PAGE = 50
TROUBLES = 20
"""Refused rows told on the page; all of them are in the file."""
STATES = {
    State.DRAFT: (mark("Черновик"), "gray"),
    State.CHECKING: (mark("Проверяется"), "blue"),
    State.CHECKED: (mark("Проверено"), "blue"),
    State.RUNNING: (mark("Загружается"), "blue"),
    State.DONE: (mark("Загружено"), "green"),
    State.CANCELLED: (mark("Остановлено"), "amber"),
    State.FAILED: (mark("Прервано"), "red"),
    State.UNDOING: (mark("Отменяется"), "blue"),
    State.UNDONE: (mark("Отменено"), "gray"),
}
"""Words and tone."""
ON_DUPLICATE = {
    OnDuplicate.SKIP: mark("Пропустить строку"),
    OnDuplicate.UPDATE: mark("Обновить запись"),
    OnDuplicate.CREATE: mark("Создать ещё одну"),
}
STEPS = (mark("Столбцы"), mark("Проверка"), mark("Загрузка"), mark("Итог"))
_AT = {State.DRAFT: 0, State.CHECKING: 1, State.CHECKED: 1, State.RUNNING: 2, State.UNDOING: 3}
"""State → the step that it is at; else the last one."""


async def imports_page(request: web.Request) -> web.Response:
    """`GET /imports`: a form for a new one, and those there have been."""
    return await _list(request, await reader(request))


async def _list(request: web.Request, who: Reader, error: str = "") -> web.Response:
    kinds, after = kinds_of(who.services), request.query.get("after") or None
    chosen = request.query.get("kind", "")
    rows = await who.read(jobs.list_imports, who.actor, kinds, limit=PAGE + 1, after=after)
    cursor = None
    if len(rows) > PAGE:
        cursor = await who.read(lambda tx: tx.cursor_after(IMPORTS, rows[PAGE - 1], "-created_at"))
    context = {
        "jobs": rows[:PAGE],
        "next": cursor,
        "kinds": jobs.may_import(who.actor, kinds),
        "titles": {key: kind.title for key, kind in kinds.items()},
        "states": STATES,
        "chosen": chosen,
        "error": error,
    }
    if wants_part(request):
        return part(request, who, "imports/rows.html" if after else "imports/upload.html", **context)
    return await page(request, who, "imports/page.html", "imports", **context)


async def upload(request: web.Request) -> web.Response:
    """`POST /imports`: the file, and on to its page; the form again with a sentence when it cannot be read."""
    who = await reader(request)
    try:
        job = await take_in(request, who.services, who.actor)
    except Invalid as error:
        return await _list(request, who, "; ".join(error.fields.values()))
    return web.Response(status=204, headers={"HX-Redirect": f"/imports/{job.id}"})


async def import_page(request: web.Request) -> web.Response:
    """`GET /imports/{id}`."""
    who = await reader(request)
    return await _show(request, who, await _job(request, who))


async def _job(request: web.Request, who: Reader) -> Import:
    return await who.read(jobs.get_import, who.actor, kinds_of(who.services), request.match_info["id"])


async def _show(request: web.Request, who: Reader, job: Import, error: str = "") -> web.Response:
    seen = await opened(who.services, job)
    rate, left = pace(job, who.look.now)
    context = {
        "seen": seen,
        "job": job,
        "error": error,
        "states": STATES,
        "steps": STEPS,
        "at": _AT.get(job.state, len(STEPS) - 1),
        "working": job.state in jobs.WORKING,
        "preparing": job.state in jobs.PREPARING,
        "undoable": job.state in jobs.UNDOABLE and job.created + job.updated > 0,
        "samples": [_samples(seen.preview, n) for n in range(len(job.columns))],
        "wrong": {row.row: {each.column for each in row.errors} for row in seen.preview},
        "troubles": [(row.row, in_words(row.errors)) for row in seen.errors[:TROUBLES]],
        "on_duplicate": ON_DUPLICATE,
        "encodings": ENCODINGS,
        "separators": SEPARATORS,
        "rate": rate,
        "left": left,
    }
    if wants_part(request):
        return part(request, who, "imports/import.html", **context)
    return await page(request, who, "imports/one.html", "imports", **context)


def _samples(rows: Any, column: int) -> list[str]:
    """The first two texts that there are in a column."""
    return [row.cells[column] for row in rows if row.cells[column]][:2]


async def configure(request: web.Request) -> web.Response:
    """`POST /imports/{id}`: the whole form; with `step` also the next step, `check` or `start`."""
    who, form = await reader(request), await request.post()
    job = await _job(request, who)
    try:
        if _text(form, "part") == "reading":
            job = await reconfigured(who.services, who.actor, job.id, _reading(form, job), {}, _version(form))
        else:
            job = await reconfigured(who.services, who.actor, job.id, {}, _assigned(form), _version(form))
            job = await _step(who, job, _text(form, "step"))
    except CoreError as error:
        words = "; ".join(error.fields.values()) if isinstance(error, Invalid) else str(error)
        return await _show(request, who, await _job(request, who), words)
    return await _show(request, who, job)


async def _step(who: Reader, job: Import, step: str) -> Import:
    command = {"check": jobs.dry_run, "start": jobs.start}.get(step)
    if command is None:
        return job
    return await who.write(command, who.actor, kinds_of(who.services), who.services.desk.company, job.id)


def _text(form: MultiDictProxy[Any], name: str) -> str:
    return str(form.get(name, ""))


def _version(form: MultiDictProxy[Any]) -> int | None:
    seen = _text(form, "version")
    return int(seen) if seen.isascii() and seen.isdecimal() and len(seen) <= MAX_VERSION_DIGITS else None


def _reading(form: MultiDictProxy[Any], job: Import) -> dict[str, Any]:
    """What of the reading is chosen otherwise than it is."""
    given: dict[str, Any] = {name: _text(form, name) for name in READING if name in form}
    if "header_row" in given:
        row = given.pop("header_row")
        if not row.isascii() or not row.isdecimal() or not 1 <= int(row[:9]) <= LOOK_FOR_HEADINGS:
            raise Invalid({"header_row": f"Строка заголовков — число от 1 до {LOOK_FOR_HEADINGS}"})
        given["header_row"] = int(row)
    present: Mapping[str, Any] = {name: getattr(job.layout, name) for name in READING}
    return {name: value for name, value in given.items() if value != present[name]}


def _assigned(form: MultiDictProxy[Any]) -> dict[str, Any]:
    """Mapping and rule."""
    choice = _text(form, "on_duplicate")
    chosen = OnDuplicate(choice) if choice in set(OnDuplicate) else OnDuplicate.SKIP
    mapping = tuple(str(each) or None for each in form.getall("field", []))
    return {"mapping": mapping, "rule": Rule(on_duplicate=chosen, by=tuple(str(by) for by in form.getall("by", [])))}


async def command(request: web.Request) -> web.Response:
    """`POST /imports/{id}/{command}`: `cancel` or `undo`."""
    who = await reader(request)
    step = {"cancel": jobs.cancel, "undo": jobs.undo}[request.match_info["command"]]
    job = await who.write(partial(step), who.actor, kinds_of(who.services), request.match_info["id"])
    return await _show(request, who, job)


async def sample(request: web.Request) -> web.Response:
    """`GET /imports/samples/{kind}`: a table with every column that can be taken in, and a row to see how."""
    who = await reader(request)
    jobs.may_import(who.actor, kinds_of(who.services))
    kind = kind_of(kinds_of(who.services), request.match_info["kind"])
    fields = all_fields(kind, who.services.desk.company)
    made = writer("csv", who.look.zone)
    table = made.rows([[each.title for each in fields], [each.example for each in fields]]) + b"".join(made.end())
    headers = {"Content-Disposition": f'attachment; filename="{kind.key}.csv"', "X-Content-Type-Options": "nosniff"}
    return web.Response(body=table, headers={"Content-Type": FORMATS["csv"], **headers})
