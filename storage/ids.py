"""Ids that sort by creation: 48 bits of milliseconds, 20 bits of sequence, 32 bits of chance, in hexadecimal.

The order makes index pages fill from left to right however large the store grows. Both sources are handed in, so that
a simulated day repeats exactly.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import datetime


class IdSource:
    """Makes ids; safe to use from several threads."""

    def __init__(self, chance: Callable[[int], int] = secrets.randbits) -> None:
        self._chance = chance
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
