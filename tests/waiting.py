"""Waiting for what comes by itself: until it is so, never for a while; and the moment at which most tests begin."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

MONDAY_NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""12:00 in Moscow."""


async def until(ask: Callable[[], Any], within: float = 20.0) -> Any:
    """The first answer that is true, of a function or a coroutine function; an error when none comes in time."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)
