"""Raw letter → `Inbound`.

`read` is synchronous and does no I/O but reading the letter's own bytes, so it runs in a worker thread; `to_inbound`
then stores attachments and the raw letter through the blob writer handed in. A letter that defeats `read` becomes an
`Inbound` all the same (`unreadable`): one bad letter never stops the box, and a person can still open the raw one.

**Identity.** `UIDVALIDITY:UID` names a place in a mailbox, not a letter: after a rebuild of the box every letter has a
new place, and would become a second lead. So `external_id` is a hash of Message-ID, From, Date and Subject as written
(Message-ID alone is not enough: broken senders repeat it); a letter without Message-ID is named by the hash of its raw
bytes. **Conversation** is the root of the thread: the first of References, else In-Reply-To, else the letter itself.

Phones in a signature are not taken as identity: they may be anybody's.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import mimetypes
import re
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO

import msgspec

from connectors.contract import Attachment, BlobWriter, Inbound, InboundKind, MailFacts, RobotKind, Sender, SourceHints
from connectors.email import html as html_text
from connectors.email import mime
from connectors.email.charset import clean, clean_line, decode, known
from connectors.email.headers import MESSAGE_ID, Headers, parse_date
from connectors.email.quotes import without_history
from connectors.email.robots import NOREPLY, Facts, judge

MAX_TEXT = 1024 * 1024
"""Bytes of one text part that are shown; a longer part is kept whole as an attachment."""
KEEP_RAW = 1024 * 1024
"""Raw letters up to here are kept for replay. Larger ones are nearly all attachments, which are kept anyway."""
MAX_NAME = 180
FUTURE = timedelta(minutes=15)
REPORT_PARTS = ("message/delivery-status", "message/disposition-notification", "text/rfc822-headers", "message/rfc822")
REPORT_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Box:
    """Whose mailbox the letter lies in."""

    connector: str
    address: str
    own: frozenset[str]


@dataclass(slots=True)
class Letter:
    """A letter that was read: everything but the files that have to be stored."""

    headers: Headers
    text: str
    html: str | None
    files: list[mime.Node]
    defects: list[str]
    bounced_id: str | None = None
    type: str = "text/plain"
    keep_raw: bool = False
    """Nothing but the raw bytes can help here, so they are kept whatever their size."""


def read(source: BinaryIO, size: int) -> Letter:
    """Take a letter apart. May raise anything on input nobody has thought of; callers fall back to `unreadable`."""
    root, defects = mime.index(source, size)
    bodies, files = _sort(root)
    plain: list[str] = []
    rich: list[str] = []
    for node in bodies:
        text, too_long = _text_of(source, node, defects)
        if too_long:
            files.append(node)
            defects.append("текст письма слишком длинный, показано начало")
        (rich if node.type == "text/html" else plain).append(text)
    text, html = _body("\n\n".join(t for t in plain if t.strip()), "<hr>".join(t for t in rich if t.strip()), defects)
    letter = Letter(root.headers, text, html, files, defects, type=root.type)
    if root.type == "multipart/report":
        letter.files = [node for node in files if node.type not in REPORT_PARTS]
    letter.bounced_id = _bounced_id(source, files, letter.text)
    return letter


def _sort(root: mime.Node) -> tuple[list[mime.Node], list[mime.Node]]:
    """Parts to read as text, and parts to keep as files."""
    bodies: list[mime.Node] = []
    files: list[mime.Node] = []
    for node in root.leaves():
        is_text = node.type in ("text/plain", "text/html", "text/enriched") or (
            node is root and node.type[:5] == "text/"
        )
        (bodies if is_text and not _is_file(node) else files).append(node)
    return bodies, files


def _is_file(node: mime.Node) -> bool:
    if node.headers.value("content-disposition") == "attachment":
        return True
    return file_name(node.headers) is not None and node.parent != "multipart/alternative"


def _text_of(source: BinaryIO, node: mime.Node, defects: list[str]) -> tuple[str, bool]:
    data, too_long = mime.content(source, node, MAX_TEXT)
    charset = node.headers.param("content-type", "charset")
    if charset and known(charset) is None and (note := f"неизвестная кодировка «{charset[:40]}»") not in defects:
        defects.append(note)
    if too_long:
        data = data[: data.rfind(b"\n") + 1] or data
    return clean(decode(data, charset or _meta_charset(node, data))), too_long


def _meta_charset(node: mime.Node, data: bytes) -> str | None:
    match = re.search(rb"<meta[^>]+charset=[\"']?([\w-]+)", data[:2048], re.IGNORECASE)
    return match[1].decode("ascii") if match and node.type == "text/html" else None


def _body(plain: str, rich: str, defects: list[str]) -> tuple[str, str | None]:
    """Text for the timeline without quoted history, and HTML that keeps the whole letter."""
    tangled = html_text.is_tangled(rich)
    if tangled:
        defects.append("оформление письма слишком запутано, показан только текст")
    safe = html_text.safe(rich) if rich and not tangled else None
    full = plain.strip() or (html_text.bare_text(rich) if tangled else html_text.to_text(safe or ""))
    text = without_history(full)
    if safe is None and text != full:
        safe = html_text.from_text(full)
    return text, safe


def _bounced_id(source: BinaryIO, files: list[mime.Node], text: str) -> str | None:
    """Message-ID of the letter that a report is about: from the returned copy, else from the report's text."""
    for node in files:
        if node.type in ("message/rfc822", "text/rfc822-headers"):
            returned = Headers(mime.content(source, node, REPORT_HEAD)[0].split(b"\r\n\r\n")[0].split(b"\n\n")[0])
            if found := returned.id("message-id"):
                return found
    match = re.search(r"(?im)^[> ]*message-id:\s*(<[^<>\s]+>)", text)
    return MESSAGE_ID.findall(match[1])[0] if match else None


def file_name(headers: Headers) -> str | None:
    """The file name that a part declares, without folders and control characters."""
    name = headers.param("content-disposition", "filename") or headers.param("content-type", "name")
    name = clean_line(re.split(r"[\\/]", name)[-1]).strip(". ") if name else ""
    if len(name) <= MAX_NAME:
        return name or None
    stem, dot, suffix = name.rpartition(".")
    return (stem[: MAX_NAME - len(suffix) - 1] + dot + suffix) if stem and len(suffix) < 12 else name[:MAX_NAME]


def _default_name(source: BinaryIO, node: mime.Node, number: int) -> str:
    if node.type == "message/rfc822":
        inner = Headers(mime.content(source, node, REPORT_HEAD)[0].replace(b"\r\n", b"\n").split(b"\n\n")[0])
        subject = re.sub(r'[\\/:*?"<>|]', " ", inner.text("subject", 100) or "")
        return f"{' '.join(subject.split()) or 'письмо'}.eml"
    fixed = {"text/calendar": ".ics", "text/plain": ".txt", "text/html": ".html", "image/jpeg": ".jpg"}
    return f"вложение-{number}{fixed.get(node.type) or mimetypes.guess_extension(node.type) or '.bin'}"


def external_id(headers: Headers, raw_digest: str) -> str:
    """See «Identity» above. `raw_digest` is the SHA-256 of the raw letter."""
    if headers.id("message-id") is None:
        return f"raw:{raw_digest}"
    stable = "\0".join(headers.get(name) or "" for name in ("message-id", "from", "date", "subject"))
    return "mail:" + hashlib.sha256(stable.encode("utf-8", "replace")).hexdigest()


def _sender(headers: Headers, own: Collection[str]) -> tuple[Sender, str | None, bool]:
    """Who wrote, the Reply-To address if it differs, and whether our own site wrote in a visitor's name.

    Site scripts send forms from a robot's or our own address and put the visitor into Reply-To: then that is the
    person, or all visitors would melt into one.
    """
    authors = headers.addresses("from") or headers.addresses("sender")
    name, address = authors[0] if authors else (headers.text("from", 200), "")
    replies = [pair for pair in headers.addresses("reply-to") if pair[1].lower() != address.lower()]
    outside = [pair for pair in replies if pair[1].lower() not in own]
    reply_to = replies[0][1] if replies else None
    is_ours = address.lower() in own
    if outside and (is_ours or NOREPLY.match(address)):
        name, address = outside[0][0] or (None if is_ours else name), outside[0][1]
    return Sender(name=name, emails=(address,) if address else ()), reply_to, is_ours and bool(outside)


def _moment(headers: Headers, received_at: datetime, defects: list[str]) -> datetime:
    """When it was written: Date, unless it is absent, nonsense or in the future; then when it arrived."""
    written = headers.date("date")
    if written is None:
        if headers.get("date") is not None:
            defects.append("дата письма не читается, взято время получения")
        stamps = headers.all("received")
        hop = parse_date(stamps[0].rpartition(";")[2]) if stamps else None
        return min(hop, received_at) if hop else received_at
    if written > received_at + FUTURE:
        defects.append("дата письма в будущем, взято время получения")
        return received_at
    return written


def compose(letter: Letter, box: Box, received_at: datetime, digest: str) -> Inbound:
    """The `Inbound` without its files.

    `received_at` is the server's INTERNALDATE in UTC, `digest` the SHA-256 of the raw letter.
    """
    headers, defects = letter.headers, list(letter.defects)
    sender, reply_to, is_form = _sender(headers, box.own)
    authors = headers.addresses("from")
    facts = Facts(headers, letter.type, authors[0][1].lower() if authors else "", box.own, is_form)
    robot = judge(facts)
    message_id = headers.id("message-id")
    references, in_reply_to = headers.ids("references"), headers.id("in-reply-to")
    identity = external_id(headers, digest)
    return Inbound(
        connector=box.connector,
        channel="email",
        external_id=identity,
        kind=InboundKind.MAIL,
        occurred_at=_moment(headers, received_at, defects),
        sender=sender,
        conversation=next(iter((*references, in_reply_to or message_id or identity))),
        text=letter.text,
        subject=headers.text("subject"),
        source=SourceHints(mailbox=box.address),
        mail=MailFacts(
            message_id=message_id,
            in_reply_to=in_reply_to,
            references=references,
            to=_emails(headers, "to"),
            cc=_emails(headers, "cc"),
            reply_to=reply_to,
            html=letter.html,
            robot=robot[0] if robot else None,
            robot_reason=robot[1] if robot else None,
            bounced_message_id=_bounced(letter, robot[0] if robot else None),
            defects=tuple(dict.fromkeys(defects)),
        ),
    )


def _bounced(letter: Letter, robot: RobotKind | None) -> str | None:
    if robot is not RobotKind.BOUNCE:
        return None
    thread = (letter.headers.id("in-reply-to"), *reversed(letter.headers.ids("references")))
    return letter.bounced_id or next(filter(None, thread), None)


def _emails(headers: Headers, name: str) -> tuple[str, ...]:
    return tuple(address for _, address in headers.addresses(name))[:100]


async def to_inbound(source: BinaryIO, letter: Letter, inbound: Inbound, blobs: BlobWriter, size: int) -> Inbound:
    """`inbound` with its attachments, and the raw letter if it is small, stored as blobs."""
    files = [await _store(source, node, number, blobs) for number, node in enumerate(letter.files, start=1)]
    raw = await _store_raw(source, size, blobs) if size <= KEEP_RAW or letter.keep_raw else None
    return msgspec.structs.replace(inbound, attachments=tuple(files), raw=raw)


async def _store(source: BinaryIO, node: mime.Node, number: int, blobs: BlobWriter) -> Attachment:
    blocks = mime.decoded(source, node)
    small = node.end - node.start <= mime.BLOCK
    blob, size = await blobs.put(b"".join(blocks) if small else _gently(blocks))
    content_id = clean_line(node.headers.get("content-id") or "").strip("<> ")
    name = file_name(node.headers) or _default_name(source, node, number)
    return Attachment(blob=blob, name=name, type=node.type, size=size, content_id=content_id or None)


async def _store_raw(source: BinaryIO, size: int, blobs: BlobWriter) -> str:
    source.seek(0)
    return (await blobs.put(source.read(size) if size <= KEEP_RAW else _gently(_file_blocks(source, size))))[0]


def _file_blocks(source: BinaryIO, size: int) -> Iterator[bytes]:
    for offset in range(0, size, mime.BLOCK):
        source.seek(offset)
        yield source.read(min(mime.BLOCK, size - offset))


async def _gently(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Decode a block (about 1 ms), let the others work, decode the next."""
    for block in blocks:
        yield block
        await asyncio.sleep(0)


def raw_digest(source: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    for block in _file_blocks(source, size):
        digest.update(block)
    return digest.hexdigest()


def draft(source: BinaryIO, size: int, box: Box, received_at: datetime) -> tuple[Letter, Inbound]:
    """Read and compose in one go; never raises but `MemoryError`. Blocking: large letters belong into a thread."""
    digest = raw_digest(source, size)
    try:
        letter = read(source, size)
        return letter, compose(letter, box, received_at, digest)
    except Exception as error:  # a letter nobody has thought of must not stop the box
        return unreadable(source, size, box, received_at, digest, f"письмо не разобрано: {type(error).__name__}")


def unreadable(
    source: BinaryIO, size: int, box: Box, received_at: datetime, digest: str, why: str
) -> tuple[Letter, Inbound]:
    """What can be said of a letter that cannot be read (or was not fetched): its header, and why."""
    source.seek(0)
    head = source.read(min(size, REPORT_HEAD)).replace(b"\r\n", b"\n").split(b"\n\n")[0]
    letter = Letter(Headers(head), f"[{why}]", None, [], [why], keep_raw=True)
    try:
        return letter, compose(letter, box, received_at, digest)
    except Exception:  # not even the header; the raw bytes remain
        bare = Inbound(
            connector=box.connector,
            channel="email",
            external_id=f"raw:{digest}",
            kind=InboundKind.MAIL,
            occurred_at=received_at,
            text=letter.text,
            source=SourceHints(mailbox=box.address),
            mail=MailFacts(defects=(why,)),
        )
        return letter, bare


async def parse(source: BinaryIO | bytes, box: Box, received_at: datetime, blobs: BlobWriter) -> Inbound:
    """Raw letter → `Inbound` with stored attachments; what replay after a parser fix calls."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    size = stream.seek(0, io.SEEK_END)
    letter, inbound = await asyncio.to_thread(draft, stream, size, box, received_at)
    return await to_inbound(stream, letter, inbound, blobs, size)
