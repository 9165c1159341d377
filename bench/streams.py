"""The sellers' live streams, read as raw as the load is sent: reading ten of them must not cost more than the hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from bench.company import Seller

OnEvent = Callable[[str, bytes, float], None]
"""(seller's id, one server-sent event, moment by `time.perf_counter()`)."""


class Stream(asyncio.Protocol):
    """One open `GET /api/v1/events`; an event is handed on when it is complete."""

    def __init__(self, seller: Seller, on_event: OnEvent) -> None:
        self._seller = seller
        self._on_event = on_event
        self._buffer = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        cookie = f"firstline_session={self._seller.secret}"
        transport.write(f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self.opened.done() and not self._open():
            return
        while (chunk := self._chunk()) is not None:
            for event in chunk.split(b"\n\n"):
                if event.startswith(b"id:"):
                    self._on_event(self._seller.id, event, now)

    def _open(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        if head[9:12] != b"200":
            self.opened.set_exception(RuntimeError(f"the stream was refused: {head[:200]!r}"))
            return False
        self._buffer = rest
        self.opened.set_result(None)
        return True

    def _chunk(self) -> bytes | None:
        """The next complete chunk (RFC 9112, 7.1); the hub writes whole events into each."""
        size, end, rest = self._buffer.partition(b"\r\n")
        if not end or len(rest) < (length := int(size, 16)) + 2:
            return None
        self._buffer = rest[length + 2 :]
        return rest[:length]


async def open_streams(port: int, sellers: Sequence[Seller], on_event: OnEvent) -> list[Stream]:
    """A stream for each seller; returns when all are open."""
    loop = asyncio.get_running_loop()
    streams: list[Stream] = []
    for seller in sellers:
        _, stream = await loop.create_connection(lambda seller=seller: Stream(seller, on_event), "127.0.0.1", port)  # type: ignore[misc]
        streams.append(stream)
    async with asyncio.timeout(10):
        await asyncio.gather(*(stream.opened for stream in streams))
    return streams


def close_streams(streams: Sequence[Stream]) -> None:
    for stream in streams:
        if stream.transport is not None:
            stream.transport.abort()
