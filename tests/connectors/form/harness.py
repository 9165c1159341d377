"""A hub for the form connector to talk to: it keeps what it accepts, knows duplicates, and its clock stands still."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from connectors.contract import (
    HealthState,
    HttpReply,
    HttpRequest,
    Inbound,
    NotReady,
    OpenState,
    Receipt,
)
from tests.waiting import MONDAY_NOON as MONDAY_NOON

FORM = "application/x-www-form-urlencoded"
BROWSER = {
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "accept-language": "ru-RU,ru;q=0.9,en;q=0.8",
    "sec-fetch-mode": "navigate",
}
CONTACT = {"name": "Иван Петров", "phone": "8 (916) 123-45-67"}


class MemoryBlobs:
    """Blobs in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def put(self, data: bytes | AsyncIterable[bytes]) -> tuple[str, int]:
        content = data if isinstance(data, bytes) else b"".join([chunk async for chunk in data])
        address = hashlib.sha256(content).hexdigest()
        self.kept[address] = content
        return address, len(content)

    async def get(self, blob: str) -> bytes:
        return self.kept[blob]

    def path(self, blob: str) -> str:
        raise NotImplementedError(blob)


class Hub:
    """The context of a running connector."""

    def __init__(self) -> None:
        self.blobs = MemoryBlobs()
        self.moment = MONDAY_NOON
        self.journal: dict[str, Inbound] = {}
        self.full = False
        self.health: list[HealthState] = []
        self.counted: list[str] = []
        self.state: OpenState | Exception = OpenState(
            open=True, next_open=None, next_close=MONDAY_NOON + timedelta(hours=7)
        )
        self.calendar_asked = 0

    def now(self) -> datetime:
        return self.moment

    def passes(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    async def accept(self, *inbounds: Inbound, cursor: tuple[str, Any] | None = None) -> Sequence[Receipt]:
        assert cursor is None
        if self.full:
            raise NotReady("Диск заполнен")
        receipts = [Receipt(id=inbound.id, duplicate=inbound.id in self.journal) for inbound in inbounds]
        for inbound in inbounds:
            msgspec.json.encode(inbound)  # as the journal stores it: refuses lone surrogates
            self.journal.setdefault(inbound.id, inbound)
        return receipts

    async def load_cursor(self, key: str) -> Any:
        return None

    async def save_cursor(self, key: str, value: Any) -> None:
        raise NotImplementedError(key)

    def report(self, state: HealthState, error: str | None = None, *, detail: str | None = None) -> None:
        self.health.append(state)

    def count(self, event: str) -> None:
        self.counted.append(event)

    async def calendar(self) -> OpenState:
        self.calendar_asked += 1
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    @property
    def only(self) -> Inbound:
        """The one inbound that was handed in."""
        (inbound,) = self.journal.values()
        return inbound


def request(
    body: bytes = b"",
    content_type: str = "application/json",
    *,
    method: str = "POST",
    path: str = "/in/forms/site",
    remote: str = "203.0.113.7",
    query: Mapping[str, str] | None = None,
    **headers: str,
) -> HttpRequest:
    """A request as the web room hands it over; keyword `idempotency_key` is the header `idempotency-key`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type:
        named["content-type"] = content_type
    return HttpRequest(
        method=method,
        path=path,
        query=query or {},
        headers={"host": "hub.example"} | named,
        body=body,
        remote=remote,
    )


def json_post(content: object, **options: Any) -> HttpRequest:
    return request(json.dumps(content).encode(), **options)


def form_post(content: Mapping[str, str] | Sequence[tuple[str, str]], **options: Any) -> HttpRequest:
    """A plain form sent by a browser, unless `options` say otherwise."""
    return request(urlencode(content).encode(), FORM, **{**_named(BROWSER), **options})


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


def multipart(*parts: tuple[str, str | None, bytes], boundary: str = "----firstline7MA4") -> tuple[bytes, str]:
    """Body and content type of a multipart post as browsers write it: (field, file name or None, content)."""
    lines = []
    for field, filename, content in parts:
        disposition = f'form-data; name="{field}"' + (f'; filename="{filename}"' if filename is not None else "")
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
        head += "Content-Type: application/pdf\r\n" if filename is not None else ""
        lines.append(head.encode() + b"\r\n" + content + b"\r\n")
    return b"".join(lines) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def content(reply: HttpReply) -> dict[str, Any]:
    """The JSON of an answer."""
    parsed: dict[str, Any] = json.loads(reply.body)
    return parsed


def assert_problem(reply: HttpReply, status: int) -> dict[str, Any]:
    """A refusal as RFC 9457 demands; its members."""
    assert reply.status == status, reply.body
    assert reply.content_type.startswith("application/problem+json")
    members = content(reply)
    assert members["status"] == status
    assert all(isinstance(members[key], str) and members[key] for key in ("type", "title", "detail"))
    return members
