"""From the bytes of a post to pairs of field name and value, whatever the browser or script wrote.

Three forms are read: JSON (also as `text/plain`, which `navigator.sendBeacon` and simple CORS requests use), an
ordinary HTML form, and `multipart/form-data` (RFC 7578). Nothing is judged here: undecodable bytes come through as lone
surrogates (`surrogateescape`), so that `parse.py` can name the field that holds them. Only what has no fields at all is
refused.

JSON goes through msgspec. It stops at the first oddity, so whatever it refuses is read again, tolerantly, by the
standard library: only then is known which field is wrong. Reading a form stops soon after the permitted number of
fields: ten thousand fields cost no more than the limit.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote_to_bytes

import msgspec

from connectors.form.refusal import Refusal, wrong_body
from connectors.form.texts import Message

CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8",
    "windows-1251": "cp1251", "cp1251": "cp1251", "win-1251": "cp1251", "koi8-r": "koi8-r",
    "cp866": "cp866", "ibm866": "cp866", "iso-8859-5": "iso8859-5", "iso-8859-1": "iso8859-1",
}  # fmt: skip
"""Charsets that browsers post Russian forms in. A closed list: Python's registry also holds codecs such as `idna`."""

_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json|text/json")
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')
_DISPOSITION = re.compile(rb"content-disposition\s*:\s*form-data([^\r\n]*)", re.IGNORECASE)
_PART_TYPE = re.compile(rb"content-type\s*:\s*([^\r\n]+)", re.IGNORECASE)
_PART_PARAMETER = re.compile(rb';\s*(name|filename)\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_decode = msgspec.json.Decoder().decode

Pairs = list[tuple[str, object]]


class UploadedFile(msgspec.Struct, frozen=True):
    """A file of a multipart post, still in memory."""

    field: str
    name: str
    type: str
    data: bytes


class Body(msgspec.Struct, frozen=True):
    pairs: Pairs
    files: list[UploadedFile] = []
    is_form: bool = False
    """Sent the way an HTML form without scripts sends."""


def read_body(content_type: str, body: bytes, max_fields: int) -> Body:
    """The fields of a post, at most one more than `max_fields`. Raises `Refusal` 415 for a foreign content type or
    charset, 422 for a body that is not what its type says."""
    if content_type == "application/json":
        return Body(_json(body))
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    options = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(";" + parameters)}
    charset = _charset(options.get("charset", "utf-8"))
    if kind == "application/x-www-form-urlencoded":
        return Body(_urlencoded(body, charset, max_fields), is_form=True)
    if kind == "multipart/form-data":
        return _multipart(body, options.get("boundary", ""), charset, max_fields)
    if kind == "text/plain":
        # The only name under which a browser lets a script send JSON without asking first; other text is foreign to us.
        return Body(_json(_in_utf8(body, charset), Refusal(415, "media_type")))
    if _JSON.fullmatch(kind):
        return Body(_json(_in_utf8(body, charset)))
    if not kind and not body:
        return Body([])
    raise Refusal(415, "media_type")


def is_form_type(content_type: str) -> bool:
    """Whether an HTML form without scripts may have been sent so."""
    return content_type.lower().startswith(("application/x-www-form-urlencoded", "multipart/form-data"))


def _charset(label: str) -> str:
    try:
        return CHARSETS[label.strip().lower()]
    except KeyError:
        raise Refusal(415, "media_type") from None


def _in_utf8(body: bytes, charset: str) -> bytes:
    return body if charset == "utf-8" else body.decode(charset, "replace").encode()


def _json(body: bytes, no_json: Refusal | None = None) -> Pairs:
    """The members of an object. `no_json` is raised for what is no JSON at all, in the place of the usual refusal."""
    if not body.strip():
        return []
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _json_tolerantly(body, no_json or wrong_body(Message("body_json")))
    if not isinstance(value, dict):
        raise wrong_body(Message("body_object"))
    return list(value.items())


def _json_tolerantly(body: bytes, no_json: Refusal) -> object:
    try:
        return json.loads(body.decode("utf-8", "surrogateescape").removeprefix("\ufeff"), strict=False)
    except (ValueError, RecursionError):
        raise no_json from None


def _urlencoded(body: bytes, charset: str, max_fields: int) -> Pairs:
    if b"_charset_=" in body:
        declared = re.search(rb"(?:^|&)_charset_=([\w.:-]{1,40})(?:&|$)", body)
        charset = _charset(declared[1].decode("ascii")) if declared else charset
    pairs: Pairs = []
    for piece in body.removeprefix(b"\xef\xbb\xbf").split(b"&", max_fields + 2)[: max_fields + 2]:
        name, _, value = piece.replace(b"+", b" ").partition(b"=")
        if piece.strip():
            pairs.append((_text(unquote_to_bytes(name), charset), _text(unquote_to_bytes(value), charset)))
    return pairs


def _text(data: bytes, charset: str) -> str:
    return data.decode(charset, "surrogateescape")


def _multipart(body: bytes, boundary: str, charset: str, max_fields: int) -> Body:
    if not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise wrong_body(Message("body_multipart"))
    delimiter = b"\r\n--" + boundary.encode("ascii")
    # The first delimiter may open the body, so it lacks its line break; what precedes it is a preamble.
    pieces = (b"\r\n" + body).split(delimiter, max_fields + 3)[1 : max_fields + 3]
    if not pieces and body.strip():
        raise wrong_body(Message("body_multipart"))
    parts = [_part(piece) for piece in pieces if not piece.startswith(b"--")]
    for field, filename, _, data in parts:
        if field == b"_charset_" and filename is None:
            charset = _charset(data.decode("latin-1")[:40])
    pairs: Pairs = [(_text(field, charset), _text(data, charset)) for field, name, _, data in parts if name is None]
    files = [
        UploadedFile(_text(field, charset), _text(name, charset), type_, data)
        for field, name, type_, data in parts
        if name is not None and (name or data)
    ]
    return Body(pairs, files, is_form=True)


def _part(piece: bytes) -> tuple[bytes, bytes | None, str, bytes]:
    """Field name, file name (None for a plain field), MIME type and content of one part."""
    head, found, data = piece.partition(b"\r\n\r\n")
    disposition = _DISPOSITION.search(head)
    if not found or disposition is None:
        raise wrong_body(Message("body_multipart"))
    options = {name.lower(): quoted or bare for name, quoted, bare in _PART_PARAMETER.findall(disposition[1])}
    has_file = b"filename" in options
    type_ = _PART_TYPE.search(head)
    mime = type_[1].decode("latin-1").strip()[:100] if type_ else "application/octet-stream"
    # Browsers write a quote and line breaks in names as %22, %0D and %0A (WHATWG HTML, multipart/form-data).
    name = options.get(b"filename", b"").replace(b"%22", b'"') if has_file else None
    return options.get(b"name", b"").replace(b"%22", b'"'), name, mime, data
