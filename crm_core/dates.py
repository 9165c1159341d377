"""Dates and moments as people and pages write them: «24.11.2026», «24.11.2026 15:00», `2026-11-24T15:00`."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo

YEARS = range(1971, 2199)
"""What every part of the hub can count with: working time, with a year to spare on both sides."""
DAY_MEND = "Нужна дата: 24.11.2026"
MOMENT_MEND = "Нужны дата и время: 24.11.2026 15:00"
_DAYS = ("%d.%m.%Y",)
_MOMENTS = ("%d.%m.%Y %H:%M", "%d.%m.%Y, %H:%M", "%d.%m.%Y %H:%M:%S")


class DateError(ValueError):
    """What was typed is no date; the text is a Russian sentence with the mend."""


def parse_day(text: str) -> date:
    """The day, whichever way it is written; of a moment the day that stands in it. Raises `DateError`."""
    found = _read(text, (*_DAYS, *_MOMENTS))
    if found is None or found.year not in YEARS:
        raise DateError(DAY_MEND)
    return found.date()


def parse_moment(text: str, zone: tzinfo) -> datetime:
    """The moment in UTC; `zone` is the clock of whoever wrote it, unless an offset is written as well. A day alone is
    no moment. Raises `DateError`."""
    found = _read(text, _MOMENTS)
    if found is None or found.year not in YEARS or len(text.strip()) <= len("24.11.2026"):
        raise DateError(MOMENT_MEND)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _read(text: str, forms: tuple[str, ...]) -> datetime | None:
    text = " ".join(text.split())
    for form in forms:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the caller's
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
