"""Protection of the form from robots, floods and double clicks.

A robot is never told that it was recognised: its post is answered like any other and handed in with the reason, so that
the router files it without a lead and a mistake of these rules can be found and mended. Only a flood is refused. The
memory here is of this process and small; what it forgets at a restart costs a second look, never an application.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import re

import msgspec

from connectors.form.body import UploadedFile
from connectors.form.parse import Application, Technical
from connectors.form.settings import FormSettings

_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
_TOKEN = re.compile(r"([0-9a-f]{1,12})\.([0-9a-f]{32})")


class TimeToken:
    """The moment at which a form was made, signed: `MILLISECONDS.HMAC`, both in hex."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, now: float) -> str:
        """A token of this moment (seconds since 1970)."""
        moment = f"{int(now * 1000):x}"
        return f"{moment}.{self._sign(moment)}"

    def age(self, token: str, now: float) -> float | None:
        """Seconds since the form was made; None when the token is not ours (another process, an own form without)."""
        match = _TOKEN.fullmatch(token)
        if match is None or not hmac.compare_digest(self._sign(match[1]), match[2]):
            return None
        return now - int(match[1], 16) / 1000

    def _sign(self, moment: str) -> str:
        return hmac.digest(self._secret, moment.encode(), "sha256").hex()[:32]


def robot_reason(
    application: Application, technical: Technical, settings: FormSettings, age: float | None
) -> str | None:
    """Why a machine seems to have sent this: `honeypot`, `too_fast`, `links`; None for people."""
    if technical.honeypot:
        return "honeypot"
    if age is not None and age < settings.min_fill_seconds:
        return "too_fast"
    too_many = _links(application.comment) > settings.max_links
    return "links" if too_many or _links(application.name) else None


def _links(text: str) -> int:
    """How many there are; the quick question first, because people hardly ever send one."""
    return len(_LINK.findall(text)) if "://" in text or "www." in text.lower() else 0


class RateLimit:
    """So many posts in so many seconds for each visitor: a full allowance at once, then one more as each share of the
    time passes (GCRA). One number per visitor; visitors whose allowance is full again are forgotten."""

    def __init__(self, posts: int, seconds: float) -> None:
        self._share = seconds / posts
        self._burst = seconds - self._share
        self._due: dict[str, float] = {}
        self._sweep_at = 10_000

    def wait(self, remote: str, now: float) -> int:
        """0 when this post may pass; else whole seconds until one may. `now` in seconds, of any epoch."""
        visitor = visitor_of(remote)
        due = max(self._due.get(visitor, now), now)
        if due - now > self._burst + 1e-9:
            return max(1, math.ceil(due - now - self._burst))
        self._due[visitor] = due + self._share
        if len(self._due) > self._sweep_at:
            self._due = {visitor: due for visitor, due in self._due.items() if due > now}
            self._sweep_at = max(10_000, 2 * len(self._due))
        return 0


def visitor_of(remote: str) -> str:
    """An IPv6 visitor owns a whole /64, so this is what is counted; IPv4 and names as they are."""
    if ":" not in remote:
        return remote
    try:
        address = ipaddress.IPv6Address(remote.partition("%")[0])
    except ValueError:
        return remote
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


class DoubleClicks:
    """The same content from the same visitor within some seconds is one application with one id.

    The second click gets the external id of the first, so the store itself answers «duplicate» and both clicks get the
    same answer, even when they are handled at once. The time runs from the first click and is not prolonged: who sends
    the same words again later has a reason, and the router continues his lead anyway."""

    def __init__(self, seconds: float) -> None:
        self._within = int(seconds * 1_000_000)
        self._first: dict[bytes, int] = {}
        """When the content came first. Plain keys and values: the garbage collector has no work with them."""
        self._last = 0

    def external_id(self, digest: bytes, now: float) -> str:
        """The id of this content: that of the first click when it was a moment ago. `now` in seconds since 1970."""
        moment = int(now * 1_000_000)
        self._forget(moment)
        first = self._first.get(digest)
        if first is None or not self._within or moment - first >= self._within:
            self._last = max(moment, self._last + 1)  # never the same twice, so ids are not either
            self._first.pop(digest, None)
            self._first[digest] = first = self._last
        return f"{digest.hex()}-{first:x}"

    def _forget(self, moment: int) -> None:
        # Insertion order is time order: only the oldest need a look, at most two for each that is added.
        for _ in range(2):
            oldest = next(iter(self._first), None)
            if oldest is None or moment - self._first[oldest] < self._within:
                return
            del self._first[oldest]


def content_digest(remote: str, agent: str, application: Application, files: list[UploadedFile]) -> bytes:
    """Tells whether two posts say the same and come from the same browser."""
    # Headers may hold bytes that are no text.
    visitor = f"{remote}\0{agent}".encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(msgspec.msgpack.encode((visitor, application)), digest_size=16)
    for file in files:
        digest.update(hashlib.blake2b(file.data, digest_size=16).digest())
    return digest.digest()
