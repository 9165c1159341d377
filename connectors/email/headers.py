"""The header block of a letter or of one of its parts, read tolerantly.

The standard parser stops at the first broken line, decodes every encoded word by itself (so a Cyrillic letter that a
mailer split between two words is lost), leaves encoded words inside quotes alone and fails on unknown charsets. Real
customers send all of that, so lines, encoded words and 8-bit bytes are read here; addresses, dates and the RFC 2231
parameters are left to the standard library. Nothing here raises.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from email.utils import collapse_rfc2231_value, getaddresses, parsedate_to_datetime

from connectors.email.charset import clean, clean_line, decode, guess, known

MAX_BLOCK = 256 * 1024
MAX_VALUE = 16 * 1024

FIELD = re.compile(r"([!-9;-~]{1,120})[ \t]*:(.*)", re.DOTALL)
DECLARED = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_-]{2,40})", re.IGNORECASE)
WORD = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,20})?\?([bqBQ])\?([^?]*)\?=")
BETWEEN_WORDS = re.compile(r"(=\?[^?\s]+\?[bqBQ]\?[^?]*\?=)\s+(?==\?[^?\s]+\?[bqBQ]\?[^?]*\?=)")
MESSAGE_ID = re.compile(r"<\s*([^<>\s]{1,900})\s*>")
ADDRESS = re.compile(r"[^\s<>\"(),:;@\[\]\\]{1,64}@[^\s<>\"(),:;@\[\]\\]{1,255}")


class Headers:
    """Fields in their order, names in lower case."""

    def __init__(self, raw: bytes) -> None:
        self.fields: list[tuple[str, str]] = []
        self.broken_lines = 0
        self.truncated = len(raw) > MAX_BLOCK
        # Mailers that write raw 8-bit headers use the charset that they declare for the text.
        declared = DECLARED.search(raw, 0, MAX_BLOCK)
        prefer = known(declared[1].decode("ascii")) if declared else None
        self._read(guess(raw[:MAX_BLOCK], prefer))

    def _read(self, text: str) -> None:
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            if line[:1] in (" ", "\t") and self.fields:
                name, value = self.fields[-1]
                if len(value) < MAX_VALUE:
                    self.fields[-1] = (name, value + line)
            elif (match := FIELD.fullmatch(line)) is not None:
                self.fields.append((match[1].lower(), match[2].strip()))
            elif line.strip() and not line.startswith(("From ", ">From ")):
                self.broken_lines += 1

    def all(self, name: str) -> list[str]:
        return [value[:MAX_VALUE].strip() for key, value in self.fields if key == name]

    def get(self, name: str) -> str | None:
        """The first such field as written, None without one."""
        return next(iter(self.all(name)), None)

    def has_prefix(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name, _ in self.fields)

    def text(self, name: str, limit: int = 1000) -> str | None:
        """A field for people: encoded words decoded, one line, None when empty."""
        value = self.get(name)
        return (clean_line(decode_words(value))[:limit] or None) if value else None

    def ids(self, name: str) -> tuple[str, ...]:
        """Message ids without angle brackets, each once, in order."""
        found = [clean_line(item) for value in self.all(name) for item in MESSAGE_ID.findall(value)]
        return tuple(dict.fromkeys(item for item in found if item))

    def id(self, name: str) -> str | None:
        """One message id; some mailers forget the brackets."""
        if ids := self.ids(name):
            return ids[0]
        bare = clean_line(self.get(name) or "").strip("<> ")
        return bare if "@" in bare and " " not in bare else None

    def addresses(self, name: str) -> tuple[tuple[str | None, str], ...]:
        """(name or None, address in the sender's spelling) of every mailbox named."""
        return tuple(dict.fromkeys(pair for value in self.all(name) for pair in _addresses(value)))

    def date(self, name: str) -> datetime | None:
        """UTC; None without a date that means something."""
        return parse_date(self.get(name))

    def param(self, field: str, name: str) -> str | None:
        """A parameter such as `charset` or `filename`: RFC 2231 pieces joined, encoded words decoded."""
        if (value := self.get(field)) is None:
            return None
        message = Message()
        message[field] = value.replace("\n", " ")
        try:
            found = message.get_param(name, header=field)
            plain = collapse_rfc2231_value(found) if found is not None else None
        except (ValueError, LookupError, TypeError):
            return None
        return clean_line(decode_words(plain)) if plain else None

    def value(self, name: str) -> str:
        """The word before the parameters, in lower case: `text/html`, `attachment`, `base64`."""
        return clean_line((self.get(name) or "").partition(";")[0]).lower()


def decode_words(value: str) -> str:
    """RFC 2047, forgiving: neighbours of one charset are joined as bytes before decoding."""
    joined = BETWEEN_WORDS.sub(r"\1", value)
    pieces: list[tuple[str | None, bytes | str]] = []
    for charset, data in _pieces(joined):
        if charset is not None and pieces and pieces[-1][0] == charset:
            pieces[-1] = (charset, bytes(pieces[-1][1]) + bytes(data))  # type: ignore[arg-type]
        elif data:
            pieces.append((charset, data))
    return "".join(data if isinstance(data, str) else decode(data, charset) for charset, data in pieces)


def _pieces(value: str) -> Iterator[tuple[str | None, bytes | str]]:
    end = 0
    for match in WORD.finditer(value):
        yield None, value[end : match.start()]
        yield known(match[1]) or match[1].lower(), _word_bytes(match[2], match[3])
        end = match.end()
    yield None, value[end:]


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    packed = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    packed = packed[:-1] if len(packed) % 4 == 1 else packed
    return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))


def _addresses(value: str) -> Iterator[tuple[str | None, str]]:
    try:
        pairs = getaddresses([value])
    except (ValueError, IndexError, TypeError, RecursionError):
        pairs = []
    pairs = [(name, address) for name, address in pairs if ADDRESS.fullmatch(address.strip())]
    if not pairs:
        pairs = [(value.partition("<")[0], found) for found in ADDRESS.findall(value)]
    for name, address in pairs:
        shown = clean_line(decode_words(name)).strip("\"' ")
        yield (shown[:200] or None) if shown.lower() != address.lower() else None, clean_line(address)[:320]


def parse_date(value: str | None) -> datetime | None:
    """A mail date in UTC; a zone that is missing is taken as UTC (RFC 5322, 3.3: `-0000`)."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(clean(value))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.year >= 1990 else None
