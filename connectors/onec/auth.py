"""Who may exchange: HTTP Basic at the beginning, the session's cookie afterwards, and a brake for guessers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict

from connectors.onec.settings import OnecSettings

COOKIE = "firstline_1c"
TRIES, WITHIN = 10, 300.0
"""Wrong passwords from one address in so many seconds; then nothing is compared any more."""
ADDRESSES = 10_000
"""Remembered at most."""
_VALUE = re.compile(rf"(?:^|;)\s*{COOKIE}\s*=\s*\"?([A-Za-z0-9_-]{{20,100}})\"?\s*(?:;|$)")


def knows_password(header: str, settings: OnecSettings) -> bool:
    """Whether the `Authorization` header names this user and his password; 1C writes either encoding."""
    kind, _, encoded = header.strip().partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    wanted = f"{settings.username}:{settings.password}"
    spellings = [wanted.encode("utf-8"), wanted.encode("cp1251", "replace")]
    return any(hmac.compare_digest(given, each) for each in spellings)


def token_of(header: str) -> str | None:
    """Digest of the session secret in the `Cookie` header."""
    found = _VALUE.search(header)
    return digest(found[1]) if found else None


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Guesses:
    """Wrong passwords by address."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def are_too_many(self, remote: str, now: float) -> bool:
        return len([at for at in self._wrong.get(remote, []) if at > now - WITHIN]) >= TRIES

    def note(self, remote: str, now: float) -> None:
        recent = [at for at in self._wrong.pop(remote, []) if at > now - WITHIN]
        self._wrong[remote] = [*recent[-TRIES:], now]
        while len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)
