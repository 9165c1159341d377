"""The load: prebuilt requests over keep-alive connections, as raw as asyncio allows.

An HTTP client library costs more per request than the hub's intake does, and would measure itself. Two forms:

`as_fast_as_it_goes`  each connection sends the next request when the last is answered: how many a second?
`at_rate`             requests have a moment each, whatever became of the earlier ones: how long do they take? Latency
                      counts from that moment, so a server that stalls is charged for everybody who waited.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.report import percentile

TICK = 0.001
"""Seconds between looks at the timetable."""
PATIENCE = 20.0
"""Seconds to wait for the last answers."""
LENGTH = b"content-length: "


@dataclass
class Result:
    """Answers to a load. Moments are `time.perf_counter()`."""

    started: float = 0.0
    ended: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds."""
    statuses: Counter[bytes] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Accepted (202) per second."""
        return self.statuses[b"202"] / (self.ended - self.started)

    def p(self, part: float) -> float:
        """Percentile of the latency, milliseconds."""
        return percentile(self.latencies, part) * 1000

    def require_accepted(self) -> None:
        """A figure made of refusals would be a lie."""
        if set(self.statuses) != {b"202"}:
            raise RuntimeError(f"the server did not accept everything: {dict(self.statuses)}")


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, answered: Callable[[Connection, bytes], None]) -> None:
        self._answered = answered
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, since: float) -> None:
        assert self._transport is not None
        self.since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        end = data.find(b"\r\n\r\n") + 4
        if end >= 4:
            head = data[:end].lower()
            start = head.index(LENGTH) + len(LENGTH)
            if len(data) >= end + int(head[start : head.index(b"\r\n", start)]):
                self._buffer = b""
                self._answered(self, data[9:12])
                return
        self._buffer = data

    def connection_lost(self, exc: Exception | None) -> None:
        self._answered(self, b"lost")

    def close(self) -> None:
        self._answered = lambda connection, status: None
        if self._transport is not None:
            self._transport.close()


class Load:
    """Connections to one server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: list[Connection] = []
        self._answered: Callable[[Connection, bytes], None] = lambda connection, status: None

    async def connect(self, number: int) -> Load:
        loop = asyncio.get_running_loop()
        for _ in range(number):
            _, connection = await loop.create_connection(
                lambda: Connection(lambda one, status: self._answered(one, status)), "127.0.0.1", self._port
            )
            self._connections.append(connection)
        return self

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    async def as_fast_as_it_goes(self, requests: Iterator[bytes], seconds: float) -> Result:
        """Keep every connection busy; `requests` must not run out."""
        result, ended = Result(started=time.perf_counter()), asyncio.Event()
        busy = len(self._connections)

        def answered(connection: Connection, status: bytes) -> None:
            nonlocal busy
            now = time.perf_counter()
            result.latencies.append(now - connection.since)
            result.statuses[status] += 1
            if now < result.started + seconds and status != b"lost":
                connection.send(next(requests), now)
                return
            busy -= 1
            if not busy:
                result.ended = now
                ended.set()

        self._answered = answered
        with _no_pauses():
            for connection in self._connections:
                connection.send(next(requests), time.perf_counter())
            await asyncio.wait_for(ended.wait(), seconds + PATIENCE)
        return result

    async def at_rate(self, requests: Sequence[bytes], rate: float) -> Result:
        """Send request `i` at `started + i / rate`; over when all are answered."""
        result, ended = Result(started=time.perf_counter() + 0.05), asyncio.Event()
        idle = deque(self._connections)
        next_one = answers = 0

        def answered(connection: Connection, status: bytes) -> None:
            nonlocal answers
            now = time.perf_counter()
            result.latencies.append(now - connection.since)
            result.statuses[status] += 1
            answers += 1
            idle.append(connection)
            if answers == len(requests):
                result.ended = now
                ended.set()
            send_due(now)

        def send_due(now: float) -> None:
            nonlocal next_one
            while idle and next_one < len(requests) and (due := result.started + next_one / rate) <= now:
                idle.popleft().send(requests[next_one], due)
                next_one += 1

        self._answered = answered
        deadline = result.started + len(requests) / rate + PATIENCE
        with _no_pauses():
            while not ended.is_set():
                send_due(time.perf_counter())
                await asyncio.sleep(TICK)
                if time.perf_counter() > deadline:
                    raise RuntimeError(f"{len(requests) - answers} of {len(requests)} requests were not answered")
        return result


@contextmanager
def _no_pauses() -> Iterator[None]:
    """The load's own garbage collector would show as the server's latency."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def post(path: str, body: dict[str, Any]) -> bytes:
    """A JSON post, ready for the wire."""
    data = msgspec.json.encode(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    )
    return head.encode() + b"\r\n" + data


_customers = itertools.count(1)


def phone() -> str:
    """A mobile number that nobody of this run has had, in no order: indexes get no favours."""
    return f"+7916{next(_customers) * 1_234_567 % 10**7:07d}"


def form(number: int, tag: str) -> bytes:
    """An application as a site sends it; each from another person, because equal ones are taken for double clicks."""
    return post(
        "/in/forms/site",
        {
            "name": f"Клиент {tag}-{number}",
            "phone": phone(),
            "email": f"{tag}-{number}@client.example",
            "comment": "Нужен насос для скважины 40 метров, перезвоните после обеда",
            "equipment": "large" if number % 2 else "small",
            "page": "https://shop.example/pumps/deep?utm_source=yandex",
            "utm_source": "yandex",
            "utm_campaign": "pumps",
        },
    )


def forms(tag: str, count: int) -> list[bytes]:
    """Built before the load begins."""
    return [form(number, tag) for number in range(count)]
