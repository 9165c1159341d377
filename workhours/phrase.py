"""How a person says when we open and how long something takes, in Russian and English.

«ответим в понедельник с 10:00» is the honest automatic answer of closed hours; the part from «в понедельник» on is made
here. Pure text: no calendars, the zone and the present moment are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from workhours.clock import utc

Language = Literal["ru", "en"]

NEAR = ({"ru": "сегодня", "en": "today"}, {"ru": "завтра", "en": "tomorrow"})
ON_WEEKDAY = {
    "ru": (
        "в понедельник",
        "во вторник",
        "в среду",
        "в четверг",
        "в пятницу",
        "в субботу",
        "в воскресенье",
    ),
    "en": ("on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on Saturday", "on Sunday"),
}
MONTHS = {
    "ru": (
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ),
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}
ON_DATE = {"ru": "{day} {month}", "en": "on {day} {month}"}
FROM = {"ru": "с", "en": "from"}
UNITS: dict[Language, dict[str, tuple[str, ...]]] = {
    "ru": {"h": ("час", "часа", "часов"), "m": ("минута", "минуты", "минут"), "s": ("секунда", "секунды", "секунд")},
    "en": {"h": ("hour", "hours"), "m": ("minute", "minutes"), "s": ("second", "seconds")},
}
WEEK = 7


def opening_phrase(opening: datetime, now: datetime, zone: ZoneInfo, language: Language = "ru") -> str:
    """When we open, as seen from `now` in `zone`: «сегодня с 10:00», «завтра с 10:00», «в понедельник с 10:00», and
    from the same weekday of the next week on «12 января с 10:00»."""
    local = utc(opening).astimezone(zone)
    days = (local.date() - utc(now).astimezone(zone).date()).days
    if 0 <= days < len(NEAR):
        when = NEAR[days][language]
    elif 0 < days < WEEK:
        when = ON_WEEKDAY[language][local.weekday()]
    else:
        when = ON_DATE[language].format(day=local.day, month=MONTHS[language][local.month - 1])
    return f"{when} {FROM[language]} {local:%H:%M}"


def duration_phrase(length: timedelta, language: Language = "ru") -> str:
    """A length in hours and whole minutes («1 час 20 минут»), below a minute in seconds, without its sign: who is
    late and who is early the sentence around it says."""
    seconds = int(abs(length).total_seconds())
    hours, minutes = divmod(seconds // 60, 60)
    parts = [(hours, "h"), (minutes, "m")] if seconds >= 60 or not seconds else [(seconds, "s")]
    said = [_count(number, unit, language) for number, unit in parts if number]
    return " ".join(said) or _count(0, "m", language)


def _count(number: int, unit: str, language: Language) -> str:
    return f"{number} {UNITS[language][unit][PLURAL[language](number)]}"


def _russian_plural(number: int) -> int:
    """Form for 1, 21, 31…; for 2–4, 22–24…; for all others (CLDR: one, few, many)."""
    if number % 100 in range(11, 15):
        return 2
    return {1: 0, 2: 1, 3: 1, 4: 1}.get(number % 10, 2)


def _english_plural(number: int) -> int:
    return int(number != 1)


PLURAL: dict[Language, Callable[[int], int]] = {"ru": _russian_plural, "en": _english_plural}
