"""`/contacts/{id}/consents, /personal-data, /erase`: what the law on personal data (152-ФЗ) lets a person ask for."""

from __future__ import annotations

import asyncio
import contextlib
import html
import io
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec
from aiohttp import web

from crm_core.actor import Actor
from crm_core.errors import Missing
from crm_core.known_data import Known, known_about, note_export
from crm_core.personal_data import (
    ERASURES,
    PURPOSE,
    Consent,
    Erasure,
    list_consents,
    person_for,
    withdraw_consents,
    write_consent,
)
from crm_core.rights import Action
from router.erasure import begin_erasure
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route
from web.api.files import clean_name
from web.api.input import Line, Text
from web.problems import invalid

CHUNK = 1 << 18
MOST_BYTES = 200 << 20
"""Of files in one export; those beyond are named without their content."""


class ConsentOut(Out, frozen=True, kw_only=True):
    id: str
    given_at: datetime
    purpose: str
    channel: str | None
    connector: str | None
    page: str | None
    written_by: str | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None


class ErasureOut(Out, frozen=True, kw_only=True):
    ground: str
    by: str
    begun_at: datetime
    finished_at: datetime | None
    step: str
    """`reach`: leads, deals, tasks and talks; `walk`: journals and everything else; `done`."""
    kept_documents: int
    """Contracts, invoices and acts, which the law on accounting wants kept."""
    failure: str | None
    """Why it has not come further."""
    retry_at: datetime | None


def show_consent(consent: Consent) -> ConsentOut:
    return ConsentOut(**{name: getattr(consent, name) for name in ConsentOut.__struct_fields__})


def show_erasure(erasure: Erasure) -> ErasureOut:
    shown = {name: getattr(erasure, name) for name in ErasureOut.__struct_fields__}
    return ErasureOut(**shown | {"kept_documents": len(erasure.kept_documents)})


async def consents(call: Call[None, None]) -> Page[ConsentOut]:
    """Newest first, withdrawn ones included."""
    return _page(await call.read(list_consents, call.id))


def _page(found: list[Consent]) -> Page[ConsentOut]:
    return Page(items=[show_consent(each) for each in found], next=None)


class ConsentChange(In, frozen=True, kw_only=True):
    purpose: Line = PURPOSE
    """What the person agreed to by word or on paper, with the version of the text."""
    withdraw: bool = False
    """He takes back all that he agreed to."""


async def change_consents(call: Call[None, ConsentChange]) -> Page[ConsentOut]:
    """Note a consent, or the withdrawal of all; the answer is what there is then."""
    if call.body.withdraw:
        return _page(await call.write(withdraw_consents, call.id))
    await call.write(write_consent, call.id, call.body.purpose)
    return _page(await call.read(list_consents, call.id))


class Ground(In, frozen=True, kw_only=True):
    ground: Text
    """Why: his demand, a withdrawn consent, the end of the term."""


async def erase(call: Call[None, Ground]) -> ErasureOut:
    """His identities go at once, everything else within minutes; `GET` tells when it is finished. Not to be undone."""
    if not call.body.ground.strip():
        raise invalid(ground="Укажите основание удаления")
    return show_erasure(await call.write(begin_erasure, call.id, call.body.ground))


async def erasure(call: Call[None, None]) -> ErasureOut:
    return show_erasure(await call.read(_erasure, call.id))


def _erasure(tx: ReadTx, actor: Actor, person_id: str) -> Erasure:
    found = tx.get(ERASURES, person_for(tx, actor, person_id, Action.READ).id)
    if found is None:
        raise Missing("Данные этого контакта не удаляли")
    return found


async def export(call: Call[None, None]) -> web.StreamResponse:
    """Everything that is known about the person: `data.json`, the same readable in `index.html`, and his files."""
    known = await call.read(known_about, call.id)
    await call.write(note_export, call.id)
    with tempfile.TemporaryFile() as file:
        await asyncio.to_thread(_pack, file, known, call.store.blobs.path)
        headers = {
            "Content-Type": "application/zip",
            "Content-Disposition": 'attachment; filename="personal-data.zip"',
            "Content-Length": str(file.tell()),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        file.seek(0)
        response = web.StreamResponse(headers=headers)
        await response.prepare(call.request)
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            await response.write(chunk)
        await response.write_eof()
    return response


def _pack(target: IO[bytes], known: Known, path_of: Callable[[str], str]) -> None:
    data = msgspec.to_builtins(known, str_keys=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", msgspec.json.format(msgspec.json.encode(data), indent=2))
        archive.writestr("index.html", _readable(data))
        room = MOST_BYTES
        for name, blob in _files(known).items():
            with contextlib.suppress(FileNotFoundError):
                size = Path(path_of(blob)).stat().st_size
                if size <= room:
                    archive.write(path_of(blob), f"files/{name}")
                    room -= size
    target.seek(0, io.SEEK_END)


def _files(known: Known) -> dict[str, str]:
    """Name in the archive → blob."""
    files = {file.id: file.name for item in known.timeline for file in item.attachments}
    files |= {file.id: file.name for task in known.tasks for file in task.files}
    files |= {file.blob: f"{document.name}.docx" for document in known.documents for file in document.files}
    return {f"{blob[:12]}-{clean_name(name)}": blob for blob, name in files.items()}


_TITLES = {
    "person": "Контакт", "identities": "По чему опознаётся", "consents": "Согласия", "leads": "Обращения",
    "deals": "Сделки", "documents": "Документы", "timeline": "Переписка и события", "calls": "Звонки",
    "tasks": "Задачи", "audit": "Изменения",
}  # fmt: skip


def _readable(data: dict[str, Any]) -> str:
    parts = [f"<section><h2>{title}</h2>{_value(data[name])}</section>" for name, title in _TITLES.items()]
    style = "body{font:15px sans-serif;max-width:60em;margin:2em auto}dt{font-weight:bold}dd{margin:0 0 .3em 1.5em}"
    head = f'<!doctype html><html lang="ru"><meta charset="utf-8"><title>Персональные данные</title><style>{style}'
    return f"{head}</style><h1>Все данные о человеке</h1>{''.join(parts)}</html>"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        rows = (f"<dt>{html.escape(str(k))}</dt><dd>{_value(v)}</dd>" for k, v in value.items() if v not in (None, ""))
        return f"<dl>{''.join(rows)}</dl>"
    if isinstance(value, list | tuple):
        return "".join(f"<div>{_value(each)}</div><hr>" for each in value) or "—"
    return html.escape(str(value))


ROUTES = (
    Route("GET", "/contacts/{id}/consents", consents, "Согласия на обработку данных", "contact.read"),
    Route("POST", "/contacts/{id}/consents", change_consents, "Записать согласие или его отзыв", "contact.update"),
    Route(
        "GET",
        "/contacts/{id}/personal-data",
        export,
        "Все данные о человеке, zip",
        "contact.delete",
        media="application/zip",
    ),
    Route("POST", "/contacts/{id}/erase", erase, "Удалить данные человека", "contact.delete", 202),
    Route("GET", "/contacts/{id}/erasure", erasure, "Как идёт удаление данных", "contact.read"),
)
