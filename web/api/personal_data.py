"""`/contacts/{id}/consents, /personal-data, /erase`: what the law on personal data (152-ФЗ) lets a person ask for."""

from __future__ import annotations

import asyncio
import html
import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from crm_core.actor import Actor
from crm_core.errors import Missing
from crm_core.personal_data import (
    ERASURES,
    PURPOSE,
    Consent,
    Erasure,
    Known,
    known_about,
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


def show_consent(consent: Consent) -> ConsentOut:
    return ConsentOut(**{name: getattr(consent, name) for name in ConsentOut.__struct_fields__})


def show_erasure(erasure: Erasure) -> ErasureOut:
    return ErasureOut(**{name: getattr(erasure, name) for name in ErasureOut.__struct_fields__})


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
    person_for(tx, actor, person_id, Action.READ)
    found = tx.get(ERASURES, person_id)
    if found is None:
        raise Missing("Данные этого контакта не удаляли")
    return found


async def export(call: Call[None, None]) -> web.StreamResponse:
    """Everything that is known about the person: `data.json`, the same readable in `index.html`, and his files."""
    known = await call.write(known_about, call.id)
    packed = await asyncio.to_thread(_packed, known, call.store.blobs.path)
    headers = {"Content-Disposition": 'attachment; filename="personal-data.zip"', "Cache-Control": "no-store"}
    return web.Response(body=packed, content_type="application/zip", headers=headers)


def _packed(known: Known, path_of: Any) -> bytes:
    data = msgspec.to_builtins(known, str_keys=True)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", msgspec.json.format(msgspec.json.encode(data), indent=2))
        archive.writestr("index.html", _readable(data))
        room = MOST_BYTES
        files = {file.id: file for item in known.timeline for file in item.attachments}
        for file in files.values():
            path = Path(path_of(file.id))
            if file.size <= room and path.exists():
                archive.write(path, f"files/{file.id[:12]}-{clean_name(file.name)}")
                room -= file.size
    return target.getvalue()


_TITLES = {
    "person": "Контакт", "identities": "По чему опознаётся", "consents": "Согласия", "leads": "Обращения",
    "timeline": "Переписка и события", "calls": "Звонки", "tasks": "Задачи", "audit": "Изменения",
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
