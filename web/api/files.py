"""Files: taken in as a stream, served so that nothing in them can run.

An uploaded file belongs to nothing yet, so its id is a signed note of what it is and who brought it: only he can attach
it. A file on the timeline is served to whoever may read that item, as a download; pictures whose first bytes prove them
to be harmless ones, and PDFs under a sandbox, may be shown. The type that a sender declared is never believed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from connectors import cursors
from connectors.contract import Attachment
from crm_core.actor import Actor
from crm_core.errors import Missing
from crm_core.timeline import TIMELINE, File
from crm_core.timeline_rights import check_file
from storage import ReadTx, Store, Tx
from web.api.call import Call, In, Route
from web.api.input import Id
from web.api.shapes import FileOut
from web.problems import Problem, invalid

MAX_FILE = 50 << 20
MAX_FILES = 10
MAX_FIELD = 400_000
"""Bytes of a text field of a multipart form."""
UPLOAD_WITHIN = 600.0
"""Seconds for a whole upload."""
_KEY = ("web", "file-key")

PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; object-src 'self'"


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What an upload id says."""

    blob: str
    name: str
    type: str
    size: int
    owner: str


def _owner(actor: Actor) -> str:
    return actor.id or f"token:{actor.name}"


async def _key(store: Store) -> bytes:
    """The secret that signs upload ids; made once and kept in the store, so that every process has the same."""
    found = await store.read(cursors.load, *_KEY)
    return bytes.fromhex(found or await store.write(_make_key, secrets.token_hex(32)))


def _make_key(tx: Tx, fresh: str) -> str:
    existing = cursors.load(tx, *_KEY)
    if existing is None:
        cursors.save(tx, *_KEY, fresh)
    return str(existing or fresh)


def _sign(key: bytes, body: str) -> str:
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()[:32]


def seal(key: bytes, ticket: Ticket) -> str:
    body = base64.urlsafe_b64encode(msgspec.json.encode(ticket)).decode().rstrip("=")
    return f"{body}.{_sign(key, body)}"


def unseal(key: bytes, text: str, owner: str) -> Attachment | None:
    """The file behind an upload id, when it is ours and this actor's."""
    body, _, signature = text.rpartition(".")
    if not text.isascii() or not hmac.compare_digest(signature, _sign(key, body)):
        return None
    try:
        ticket = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Ticket)
    except (binascii.Error, msgspec.MsgspecError):
        return None
    if ticket.owner != owner:
        return None
    return Attachment(blob=ticket.blob, name=ticket.name, type=ticket.type, size=ticket.size)


async def attachments_of(store: Store, actor: Actor, ids: list[str]) -> tuple[Attachment, ...]:
    """The files that were uploaded under these ids. `422` names the one that is not."""
    if not ids:
        return ()
    key = await _key(store)
    found = [unseal(key, each, _owner(actor)) for each in ids]
    found = [each if each and await store.blobs.touch(each.blob) else None for each in found]
    wrong = {f"attachments[{n}]": "Такого файла нет: загрузите его заново" for n, each in enumerate(found) if not each}
    if wrong:
        raise Problem(422, "Файл не найден", fields=wrong)
    return tuple(each for each in found if each)


async def store_file(store: Store, actor: Actor, name: str, type: str, chunks: AsyncIterator[bytes]) -> FileOut:
    """Keep a file and give it an id that this actor can attach. `413` when it is too large."""
    blob, size = await store.blobs.put(_limited(chunks))
    ticket = Ticket(blob, clean_name(name), _clean_type(type), size, _owner(actor))
    return FileOut(id=seal(await _key(store), ticket), name=ticket.name, type=ticket.type, size=size, url=None)


async def _limited(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_FILE:
            raise Problem(413, f"Файл больше {MAX_FILE >> 20} МБ")
        yield chunk


def clean_name(name: str) -> str:
    """A file name for people: no path, no control characters, not longer than file systems allow."""
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(c for c in last if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF).strip(" .")
    stem, dot, ending = clean.rpartition(".")
    return (f"{stem[:100]}{dot}{ending[:20]}" if dot else clean[:100]) or "file"


def _clean_type(type: str) -> str:
    return type[:100] if type.isascii() and type.isprintable() and "/" in type else "application/octet-stream"


async def read_multipart(request: web.Request, store: Store, actor: Actor) -> dict[str, Any]:
    """Fields of a multipart form; its files are stored, and their ids become `attachments`."""
    fields: dict[str, Any] = {}
    files: list[str] = []
    try:
        async with asyncio.timeout(UPLOAD_WITHIN):
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or part.name is None:
                    raise invalid(body="Форма составлена неверно")
                if part.filename is None:
                    fields[part.name] = await _text(part)
                elif len(files) >= MAX_FILES:
                    raise invalid(attachments=f"Можно приложить не больше {MAX_FILES} файлов")
                else:
                    type = part.headers.get("Content-Type", "")
                    files.append((await store_file(store, actor, part.filename, type, _chunks(part))).id)
    except TimeoutError:
        raise Problem(408, "Файл загружался слишком долго", headers={"Connection": "close"}) from None
    except (ValueError, AssertionError, LookupError, HttpProcessingError):
        raise invalid(body="Форма составлена неверно") from None
    return fields | ({"attachments": files} if files else {})


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(1 << 16):
        yield chunk


async def _text(part: BodyPartReader) -> str:
    whole = bytearray()
    async for chunk in _chunks(part):
        whole += chunk
        if len(whole) > MAX_FIELD:
            raise Problem(413, "Слишком длинное поле формы")
    return whole.decode("utf-8", "surrogateescape")


async def upload(call: Call[None, None]) -> FileOut:
    """Takes a form with one file in the field `file`."""
    if call.request.content_type != "multipart/form-data":
        raise Problem(415, "Нужна форма с файлом: multipart/form-data")
    form = await read_multipart(call.request, call.store, call.actor)
    ids: list[str] = form.get("attachments", [])
    if len(ids) != 1:
        raise invalid(file="Приложите один файл")
    file = (await attachments_of(call.store, call.actor, ids))[0]
    return FileOut(id=ids[0], name=file.name, type=file.type, size=file.size, url=None)


class FileQuery(In, frozen=True, kw_only=True):
    item: Id
    """The timeline item that the file belongs to."""


async def download(call: Call[FileQuery, None]) -> web.StreamResponse:
    """The content, for whoever may read the item of the timeline: by the right to the lead, deal or task that it is of,
    else to contacts. A document that was sent needs the right to documents besides."""
    file = await call.read(_readable, call.id, call.query.item)
    path = Path(call.store.blobs.path(file.id))
    head = await asyncio.to_thread(head_of, path)
    return web.FileResponse(path, headers=serving_headers(file.name, head))


def head_of(path: Path) -> bytes:
    """The first bytes of a stored file; `404` when it is gone."""
    try:
        with path.open("rb") as content:
            return content.read(16)
    except OSError:
        raise Problem(404, "Файла больше нет") from None


def _readable(tx: ReadTx, actor: Actor, blob: str, item_id: str) -> File:
    item = tx.get(TIMELINE, item_id)
    file = next((each for each in item.attachments if each.id == blob), None) if item else None
    if item is None or file is None:
        raise Missing("Такого файла нет")
    check_file(tx, actor, item)
    return file


def serving_headers(name: str, head: bytes) -> dict[str, str]:
    """A download, unless the first bytes prove a picture or a PDF that may be shown."""
    shown = next((type for magic, type in PICTURES if head.startswith(magic)), None)
    if shown is None and head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        shown = "image/webp"
    if shown is None and head.startswith(b"%PDF-"):
        shown = "application/pdf"
    plain = "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "_" for c in name)
    return {
        "Content-Type": shown or "application/octet-stream",
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; "
        f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": SANDBOX,
        "Cache-Control": "private, max-age=31536000, immutable",
    }


FILE_READERS = "lead.read, deal.read, task.read или contact.read"
ROUTES = (
    Route(
        "POST",
        "/files",
        upload,
        "Загрузить файл, чтобы приложить его к сообщению",
        "—",
        201,
        accepts="multipart/form-data",
    ),
    Route("GET", "/files/{id}", download, "Содержимое файла из ленты", FILE_READERS, media="application/octet-stream"),
)
