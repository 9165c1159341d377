"""Files in and out: what a seller attaches, what a customer sent, and letters shown as they were written.

Nothing that came from outside is ever served as a page of ours: pictures of a few known kinds may be shown, everything
else is downloaded, and a letter's HTML lives in a frame without scripts under a policy of its own.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import escape
from urllib.parse import quote

from aiohttp import BodyPartReader, web

from connectors.contract import Attachment
from crm_core.errors import Missing
from crm_core.timeline import TimelineItem
from crm_core.timeline_rights import check_file
from storage.blobs import Blobs
from web.pages.conversation import item_of
from web.pages.render import Reader, reader
from web.problems import Problem
from web.services import SERVICES

MAX_FILE = 25 * 1024 * 1024
MAX_FILES = 20
MAX_FIELD = 1024 * 1024
SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Types that the browser may show by itself."""
LETTER_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
LETTER_STYLE = (
    "body{margin:0;font:14px/1.5 system-ui,sans-serif;color:#1c2128;background:#fff;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}blockquote{margin:.5em 0;padding-left:.75em;border-left:2px solid #d0d7de;"
    "color:#57606a}table{max-width:100%}pre{white-space:pre-wrap}"
)
_CID = re.compile(r"""(?<=src=["'])cid:([^"']+)""", re.IGNORECASE)


async def read_form(request: web.Request) -> tuple[dict[str, str], tuple[Attachment, ...]]:
    """Text fields and files of a multipart form; the files are stored as they arrive."""
    if request.content_type != "multipart/form-data":
        return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}, ()
    fields: dict[str, str] = {}
    files: list[Attachment] = []
    blobs = _blobs(request)
    async for piece in await request.multipart():
        if not isinstance(piece, BodyPartReader) or piece.name is None:
            continue
        if piece.filename:
            files.append(await _store(blobs, piece))
        elif piece.name:
            fields[piece.name] = (await _limited(piece, MAX_FIELD)).decode("utf-8", "replace")
        if len(files) > MAX_FILES:
            raise Problem(413, f"Не больше {MAX_FILES} файлов в одном сообщении")
    return fields, tuple(files)


def _blobs(request: web.Request) -> Blobs:
    return request.app[SERVICES].store.blobs


async def _limited(piece: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await piece.read_chunk():
        data += chunk
        if len(data) > limit:
            raise Problem(413, "Поле слишком длинное")
    return bytes(data)


async def _store(blobs: Blobs, piece: BodyPartReader) -> Attachment:
    async def chunks() -> AsyncIterator[bytes]:
        size = 0
        while chunk := await piece.read_chunk(65_536):
            size += len(chunk)
            if size > MAX_FILE:
                raise Problem(413, "Файл больше 25 МБ")
            yield bytes(chunk)

    name = re.sub(r"[\x00-\x1f\\/]+", "_", piece.filename or "")[-200:] or "file"
    blob, size = await blobs.put(chunks())
    return Attachment(blob=blob, name=name, type=piece.headers.get("Content-Type", "")[:100], size=size)


async def _item(request: web.Request) -> tuple[Reader, TimelineItem]:
    who = await reader(request)
    item = await who.read(item_of, who.actor, request.match_info["id"], request.match_info["item"])
    return who, item


async def letter(request: web.Request) -> web.Response:
    """`GET /leads/{id}/items/{item}/html`: the letter as its sender laid it out."""
    _who, item = await _item(request)
    if item.html is None:
        raise Missing("У этого письма нет оформления")
    base = f"/leads/{request.match_info['id']}/items/{item.id}/files/"
    inside = {file.content_id: file.id for file in item.attachments if file.content_id}
    html = _CID.sub(lambda found: base + inside.get(found[1], "none"), item.html)
    head = (
        f"<!doctype html><meta charset=utf-8><style>{LETTER_STYLE}</style><title>{escape(item.subject or '')}</title>"
    )
    headers = {"Content-Security-Policy": LETTER_POLICY, "Cache-Control": "private, max-age=3600"}
    headers |= {"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "no-referrer"}
    return web.Response(text=head + html, content_type="text/html", headers=headers)


async def attachment(request: web.Request) -> web.StreamResponse:
    """`GET /leads/{id}/items/{item}/files/{blob}`: a file of a timeline item."""
    who, item = await _item(request)
    await who.read(check_file, who.actor, item)
    file = next((each for each in item.attachments if each.id == request.match_info["blob"]), None)
    if file is None:
        raise Missing("Такого файла нет")
    kind = file.type.partition(";")[0].strip().lower()
    way = "inline" if kind in SHOWN and "download" not in request.query else "attachment"
    return web.FileResponse(
        who.services.store.blobs.path(file.id),
        headers={
            "Content-Type": kind if kind in SHOWN else "application/octet-stream",
            "Content-Disposition": f"{way}; filename*=UTF-8''{quote(file.name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=86400",
        },
    )
