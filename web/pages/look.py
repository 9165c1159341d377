"""How one reader sees the world: language, time zone, and the moment at which the page is made.

Formatting and translation need these three everywhere, deep inside templates. They are set once per rendering, which is
synchronous, so a context variable carries them without being handed from macro to macro.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

LOCALES = {"ru": "Русский", "en": "English"}


_MOSCOW = ZoneInfo("Europe/Moscow")


@dataclass(frozen=True, slots=True)
class Look:
    """Read by every filter and by the translation of every text."""

    locale: str = "ru"
    zone: ZoneInfo = _MOSCOW
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)


_NOBODY = Look()
_LOOK: ContextVar[Look] = ContextVar("look")


def look() -> Look:
    """That of the page being made."""
    return _LOOK.get(_NOBODY)


@contextmanager
def seen_by(seer: Look) -> Iterator[None]:
    """Everything inside is formatted and translated for this reader."""
    token = _LOOK.set(seer)
    try:
        yield
    finally:
        _LOOK.reset(token)
