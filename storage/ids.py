"""Ids that sort by creation: 48 bits of milliseconds, 20 bits of sequence, 32 bits of chance, in hexadecimal.

The order makes index pages fill from left to right however large the store grows. Both sources are handed in, so that
a simulated day repeats exactly.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime

BLOCK = 4096
"""Bytes of chance drawn from the system at once."""


class Chance:
    """Random bits of the system, drawn in blocks: a system call for each id would give the interpreter away each time,
    and its thread would have to wait for it again. For one thread at a time."""

    def __init__(self) -> None:
        self._block = b""
        self._used = 0

    def __call__(self, bits: int) -> int:
        size = (bits + 7) // 8
        if self._used + size > len(self._block):
            self._block, self._used = os.urandom(max(BLOCK, size)), 0
        self._used += size
        return int.from_bytes(self._block[self._used - size : self._used], "big") >> (size * 8 - bits)


class IdSource:
    """Makes ids; safe to use from several threads."""

    def __init__(self, chance: Callable[[int], int] | None = None) -> None:
        self._chance = chance or Chance()
        self._last = (0, 0)
        self._lock = threading.Lock()

    def new(self, now: datetime) -> str:
        """25 characters; sorts after every id that this source made before, even when the clock steps back."""
        with self._lock:
            moment = max(int(now.timestamp() * 1000), self._last[0])
            sequence = self._last[1] + 1 if moment == self._last[0] else 0
            if sequence >= 1 << 20:
                moment, sequence = moment + 1, 0
            self._last = (moment, sequence)
        return f"{(moment << 52) | (sequence << 32) | self._chance(32):025x}"
