"""A letter's parts as spans of a file, so that a 50 MB attachment is never in memory.

`index` walks once through the source in blocks and notes where each part begins and ends; `decoded` then yields the
content of one part block by block. Small letters go the same way from memory: one path, tested by every letter.
Broken structure is mended the way mail programs do it (missing closing boundary, missing boundary parameter) and
each mend leaves a plain sentence in `defects`. Depth and number of parts are limited: more is no letter.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from connectors.email.headers import MAX_BLOCK, Headers

BLOCK = 256 * 1024
MAX_DEPTH = 20
MAX_PARTS = 500
LINE_REST = 200
"""Bytes that may follow a boundary on its line: `--` and white space."""
DELIMITER_TAIL = re.compile(rb"(--)?[ \t]{0,100}(?:\r?\n|\Z)")
HEADER_END = re.compile(rb"\n\r?\n|\A\r?\n")
GUESS_BOUNDARY = re.compile(rb"^--([^\s\"<>]{4,70})[ \t]*\r?\nContent-", re.MULTILINE | re.IGNORECASE)
NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


@dataclass(slots=True)
class Node:
    """One part: its header and the span of its still encoded body in the source."""

    headers: Headers
    start: int
    end: int
    type: str
    """MIME type in lower case; what is missing or nonsense is `text/plain` (RFC 2045, 5.2)."""
    children: list[Node] = field(default_factory=list)
    parent: str = ""
    """MIME type of the part around it."""

    def leaves(self) -> Iterator[Node]:
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


@dataclass(slots=True)
class Limits:
    parts: int = 0
    defects: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if text not in self.defects:
            self.defects.append(text)


def index(source: BinaryIO, size: int) -> tuple[Node, list[str]]:
    """The tree of parts of the letter that `source` holds, and what was mended."""
    limits = Limits()
    return _part(source, 0, size, limits, depth=0, parent="", default="text/plain"), limits.defects


def _part(source: BinaryIO, start: int, end: int, limits: Limits, *, depth: int, parent: str, default: str) -> Node:
    headers, body = _head(source, start, end)
    if headers.broken_lines:
        limits.note("в заголовке есть строки, которые не читаются")
    if headers.truncated:
        limits.note("заголовок слишком длинный, прочитано его начало")
    kind = headers.value("content-type")
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind):
        kind = default
    node = Node(headers, body, end, kind, parent=parent)
    limits.parts += 1
    if kind.startswith("multipart/"):
        _split(source, node, limits, depth)
    return node


def _head(source: BinaryIO, start: int, end: int) -> tuple[Headers, int]:
    source.seek(start)
    data = source.read(min(16 * 1024, end - start))
    match = HEADER_END.search(data)
    if match is None and end - start > len(data):
        data += source.read(min(MAX_BLOCK * 4, end - start) - len(data))
        match = HEADER_END.search(data)
    if match is None:
        return Headers(data), end if len(data) == end - start else start + len(data)
    return Headers(data[: match.end()]), start + match.end()


def _split(source: BinaryIO, node: Node, limits: Limits, depth: int) -> None:
    boundary = _boundary(source, node, limits)
    if boundary is None or depth >= MAX_DEPTH:
        limits.note("составное письмо без разделителя частей, показано как текст")
        node.type = "text/plain"
        return
    default = "message/rfc822" if node.type == "multipart/digest" else "text/plain"
    for start, end in _spans(source, node, boundary, limits):
        if limits.parts >= MAX_PARTS:
            limits.note(f"частей больше {MAX_PARTS}, остальные не разобраны")
            break
        node.children.append(
            _part(source, start, end, limits, depth=depth + 1, parent=node.type, default=default),
        )
    if not node.children:
        limits.note("составное письмо без частей, показано как текст")
        node.type = "text/plain"


def _boundary(source: BinaryIO, node: Node, limits: Limits) -> bytes | None:
    declared = node.headers.param("content-type", "boundary")
    source.seek(node.start)
    sample = source.read(min(64 * 1024, node.end - node.start))
    if declared:
        wanted = declared.encode("utf-8", "replace")
        if b"--" + wanted in sample or node.end - node.start > len(sample):
            return wanted
    if (match := GUESS_BOUNDARY.search(sample)) is not None:
        limits.note("разделитель частей письма не указан или неверен, найден по содержимому")
        return match[1]
    return None


def _spans(source: BinaryIO, node: Node, boundary: bytes, limits: Limits) -> Iterator[tuple[int, int]]:
    """Spans between delimiter lines; the line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1)."""
    begin: int | None = None
    for before, after, closing in list(_delimiters(source, node, boundary)):
        if begin is not None:
            yield begin, max(begin, before)
        begin = after
        if closing:
            return
    if begin is not None:
        limits.note("письмо обрывается: нет закрывающего разделителя")
        yield begin, node.end


def _delimiters(source: BinaryIO, node: Node, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
    """(end of what is before, start of what is after, is it the closing one) of each delimiter line."""
    marker = b"--" + boundary
    position, found = node.start, 0
    while position < node.end and found <= MAX_PARTS + 1:
        base = max(node.start, position - 2)
        source.seek(base)
        data = source.read(min(BLOCK, node.end - base))
        last = base + len(data) >= node.end
        at = data.find(marker, position - base)
        if at < 0 and last:
            return
        if at < 0:
            position = base + len(data) - len(marker) + 1
        elif len(data) - at < len(marker) + LINE_REST and not last:
            position = base + at  # across the seam of two blocks: read again from here
        elif (tail := _delimiter_tail(data, at, len(marker), first=base + at == node.start)) is None:
            position = base + at + 1
        else:
            line_end = 2 if data[max(0, at - 2) : at] == b"\r\n" else 1
            yield max(node.start, base + at - line_end), base + tail.end(), tail[1] is not None
            position, found = base + tail.end(), found + 1


def _delimiter_tail(data: bytes, at: int, length: int, *, first: bool) -> re.Match[bytes] | None:
    return DELIMITER_TAIL.match(data, at + length) if first or data[at - 1 : at] == b"\n" else None


def decoded(source: BinaryIO, node: Node) -> Iterator[bytes]:
    """The content of a leaf in blocks, transfer encoding undone."""
    encoding = node.headers.value("content-transfer-encoding")
    return DECODERS.get(encoding, _plain)(_blocks(source, node.start, node.end))


def content(source: BinaryIO, node: Node, limit: int) -> tuple[bytes, bool]:
    """The beginning of a leaf's content, and whether it was longer than `limit` bytes."""
    data = bytearray()
    for block in decoded(source, node):
        data += block
        if len(data) > limit:
            return bytes(data[:limit]), True
    return bytes(data), False


def _blocks(source: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        source.seek(start)
        data = source.read(min(BLOCK, end - start))
        if not data:
            return
        start += len(data)
        yield data


def _plain(blocks: Iterator[bytes]) -> Iterator[bytes]:
    return blocks


def _base64(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        data = rest + block.translate(None, NOT_BASE64)
        whole = len(data) // 4 * 4
        rest = data[whole:]
        yield binascii.a2b_base64(data[:whole])
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _by_lines(decode: Callable[[bytes], bytes]) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """A decoder that needs whole lines; a line longer than a block is cut before its last escape."""

    def run(blocks: Iterator[bytes]) -> Iterator[bytes]:
        rest = b""
        for block in blocks:
            data = rest + block
            cut = data.rfind(b"\n") + 1
            if not cut and len(data) > BLOCK:
                cut = len(data) - 3 if b"=" in data[-3:] else len(data)
            rest = data[cut:]
            yield decode(data[:cut])
        yield decode(rest)

    return run


def _uu_lines(data: bytes) -> bytes:
    out = bytearray()
    for line in data.splitlines():
        if line and not line.startswith((b"begin ", b"end", b"`")):
            try:
                out += binascii.a2b_uu(line)
            except binascii.Error:
                # Encoders that pad wrongly: take as many characters as the length byte asks for.
                out += binascii.a2b_uu(line[: 1 + ((line[0] - 32 & 63) * 4 + 5) // 3] or b" ")
    return bytes(out)


DECODERS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "base64": _base64,
    "quoted-printable": _by_lines(binascii.a2b_qp),
    "x-uuencode": _by_lines(_uu_lines),
    "uuencode": _by_lines(_uu_lines),
}
