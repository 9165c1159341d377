"""Names of IMAP folders: modified UTF-7 (RFC 3501, 5.1.3), because Cyrillic folders travel no other way."""

from __future__ import annotations

import binascii
import re


def encode(name: str) -> str:
    """«Отправленные» → `&BB4EQgQ,...-`."""
    return re.sub(r"&|[^\x20-\x7e]+", _pack, name)


def decode(name: str) -> str:
    """The name as people see it; a name that is no modified UTF-7 stays as it is."""
    try:
        return re.sub(r"&([A-Za-z0-9+,]*)-", _unpack, name)
    except (binascii.Error, UnicodeError):
        return name


def _pack(match: re.Match[str]) -> str:
    if match[0] == "&":
        return "&-"
    packed = binascii.b2a_base64(match[0].encode("utf-16-be"), newline=False).rstrip(b"=")
    return "&" + packed.decode("ascii").replace("/", ",") + "-"


def _unpack(match: re.Match[str]) -> str:
    if not match[1]:
        return "&"
    packed = match[1].replace(",", "/")
    return binascii.a2b_base64(packed + "=" * (-len(packed) % 4)).decode("utf-16-be")
