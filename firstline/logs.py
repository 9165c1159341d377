"""Structured logs: one event a line on standard error, JSON unless a person is watching.

Every event about a contact carries the id of its inbound, from the native event to the lead. Personal data and secrets
are kept out by whoever logs: ids, rules and counts only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, cast

import msgspec
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

LEVEL = "FIRSTLINE_LOG_LEVEL"
"""Environment variable: `debug`, `info` (the default), `warning`, `error`."""


def is_ours(record: logging.LogRecord) -> bool:
    """Whether an error of the HTTP server says anything of us. A request that is no HTTP, or a body that cannot be read
    (garbage called gzip), is the sender's mistake, was answered as such, and may quote what no log shall hold."""
    return not (record.exc_info and isinstance(record.exc_info[1], (web.RequestPayloadError, HttpProcessingError)))


def configure_logs() -> None:
    """Set up the logs of this process, those of the libraries included."""
    logging.getLogger("aiohttp.server").addFilter(is_ours)
    level = logging.getLevelNamesMapping().get(os.environ.get(LEVEL, "info").upper(), logging.INFO)
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(),
        ],
        logger_factory=_factory(),
        cache_logger_on_first_use=True,
    )


def _rendering() -> list[structlog.typing.Processor]:
    if sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _factory() -> Callable[..., structlog.typing.WrappedLogger]:
    if sys.stderr.isatty():
        return structlog.PrintLoggerFactory(sys.stderr)
    return structlog.BytesLoggerFactory(cast(BinaryIO, Stream(sys.stderr.buffer)))


def _json(event: object, **options: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)


class Stream:
    """A stream whose failures stay its own: a full disk under the log must not stop the work that is being logged. What
    is logged in one turn of the event loop is written in one piece at its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._lock = threading.Lock()
        self._is_due = False

    def write(self, text: bytes) -> int:
        with self._lock:
            self._lines.append(text)
        return len(text)

    def flush(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_out()
            return
        if not self._is_due:
            self._is_due = True
            loop.call_soon(self._write_out)

    def _write_out(self) -> None:
        with self._lock:
            self._is_due = False
            text, self._lines = b"".join(self._lines), []
            with contextlib.suppress(OSError):
                self._stream.write(text)
                self._stream.flush()
