"""Settings become calendars: `[workhours.<name>]` of `firstline.toml`, and durations such as "5m".

    days = "mon-fri"
    hours = "10:00-13:00, 14:00-19:00"
    holidays = "RU"                                 # or "none"; left out: "RU"
    timezone = "Asia/Yekaterinburg"                 # left out: the company's
    exceptions = { "2026-12-31" = "closed", "2027-01-09" = "11:00-15:00" }

Different days have lines of their own instead of `days` and `hours`:

    week = [{ days = "mon-thu", hours = "10:00-19:00" }, { days = "fri", hours = "10:00-18:00" }]

An interval that ends before it begins goes over midnight: "22:00-06:00". Every mistake is collected with its key and
its mend, so that a file is corrected in one go.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from workhours.calendar import CLOSED, Calendar, Hours
from workhours.errors import CalendarError, CalendarErrors
from workhours.production import NO_UPDATES, Updates

T = TypeVar("T")

KEYS = ("days", "hours", "week", "holidays", "exceptions", "timezone")
LINE_KEYS = ("days", "hours")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
INTERVAL = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–—]\s*([0-9]{1,2}):([0-9]{2})")
DURATION = re.compile(r"(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?")


def parse_calendar(name: str, data: Mapping[str, object], timezone: str, updates: Updates = NO_UPDATES) -> Calendar:
    """The calendar that `[workhours.name]` describes. `timezone` is the company's IANA zone, used when the section has
    none of its own; `updates` come from `load_updates`. Raises `CalendarErrors`, keys like `workhours.office.hours`."""
    errors: list[CalendarError] = []
    place = f"workhours.{name}"
    check_keys(data, KEYS, place, errors)
    zone = _take(f"{place}.timezone", parse_zone, data.get("timezone", timezone), errors)
    week = _week(data, place, errors)
    follows_production = _take(f"{place}.holidays", _parse_holidays, data.get("holidays", "RU"), errors)
    exceptions = _exceptions(data.get("exceptions", {}), f"{place}.exceptions", errors)
    if errors or zone is None:
        raise CalendarErrors(errors)
    return Calendar(name, zone, week, production=updates if follows_production else None, exceptions=exceptions)


def parse_duration(text: str) -> timedelta:
    """A length of time: "15s", "5m", "2h", "1h30m", "0". Days are refused, because a day of working time is not 24
    hours. Raises `ValueError` with a Russian text."""
    text = text.strip()
    if text == "0":
        return timedelta(0)
    match = DURATION.fullmatch(text)
    if not text or match is None:
        mend = "дни здесь не годятся, укажите часы" if "d" in text else "пишите так: 15s, 5m, 2h, 1h30m или 0"
        raise ValueError(f"«{text}» — не длительность; {mend}")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def parse_days(text: str) -> list[int]:
    """Weekdays (Monday is 0) in the order named: "mon-fri", "sat,sun", "mon,wed-fri", "fri-mon". Raises
    `ValueError`."""
    if not text.strip():
        raise ValueError("нет дней недели; укажите, например, mon-fri")
    days: list[int] = []
    for part in text.lower().split(","):
        first, dash, last = (piece.strip() for piece in re.sub("[–—]", "-", part).partition("-"))
        start, end = _weekday(first), _weekday(last if dash else first)
        days += [(start + step) % 7 for step in range((end - start) % 7 + 1)]
    repeated = {WEEKDAYS[day] for day in days if days.count(day) > 1}
    if repeated:
        raise ValueError(f"день назван дважды: {', '.join(sorted(repeated))}; уберите повтор")
    return days


def parse_hours(text: str) -> Hours:
    """Intervals of a day: "10:00-19:00", "10:00-13:00, 14:00-19:00", "00:00-24:00", "22:00-06:00". Raises
    `ValueError`."""
    if not text.strip():
        raise ValueError("нет часов; укажите, например, 10:00-19:00")
    hours = sorted(_interval(part.strip()) for part in text.split(","))
    for (_, end), (start, _) in pairwise(hours):
        if start < end:
            raise ValueError(f"интервалы «{text}» пересекаются; разведите их или объедините в один")
    return tuple(hours)


def parse_zone(text: str) -> ZoneInfo:
    """An IANA time zone. Raises `ValueError`."""
    try:
        return ZoneInfo(text)
    # Besides its own error, ZoneInfo lets through what the file system says of an odd name.
    except (LookupError, ValueError, OSError) as error:
        mend = nearest(text, available_timezones()) or "; укажите имя IANA, например Europe/Moscow"
        raise ValueError(f"нет часового пояса «{text}»{mend}") from error


def nearest(word: str, known: Iterable[str]) -> str:
    """The mend for a misspelt word: «; возможно, hours»; empty when nothing is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; возможно, {close[0]}" if close else ""


def check_keys(data: Mapping[str, object], known: tuple[str, ...], place: str, errors: list[CalendarError]) -> None:
    """Report the keys of a table that nobody knows, each with the nearest right one."""
    for key in data:
        if key not in known:
            mend = nearest(key, known) or f"; можно: {', '.join(known)}"
            errors.append(CalendarError(f"{place}.{key}", f"неизвестный ключ{mend}"))


def _take(key: str, parse: Callable[[str], T], value: object, errors: list[CalendarError]) -> T | None:
    """Parse a text; a mistake goes to `errors` under its key."""
    if not isinstance(value, str):
        errors.append(CalendarError(key, f"ожидается текст в кавычках, а не {value!r}"))
        return None
    try:
        return parse(value)
    except ValueError as error:
        errors.append(CalendarError(key, str(error)))
        return None


def _week(data: Mapping[str, object], place: str, errors: list[CalendarError]) -> list[Hours]:
    """Hours of Monday to Sunday; days that no line names are closed."""
    week: list[Hours | None] = [None] * 7
    for line, line_place in _lines(data, place, errors):
        days = _take(f"{line_place}.days", parse_days, line.get("days", ""), errors)
        hours = _take(f"{line_place}.hours", parse_hours, line.get("hours", ""), errors)
        for day in days or ():
            if week[day] is not None:
                mend = "перечислите все часы дня в одной строке через запятую"
                errors.append(CalendarError(f"{line_place}.days", f"день {WEEKDAYS[day]} уже задан; {mend}"))
            week[day] = hours or CLOSED
    return [hours or CLOSED for hours in week]


def _lines(
    data: Mapping[str, object], place: str, errors: list[CalendarError]
) -> Iterable[tuple[Mapping[str, object], str]]:
    """The lines of a schedule with their places: the section itself, or the elements of `week`."""
    if "week" not in data:
        return [(data, place)]
    errors += (
        CalendarError(f"{place}.{key}", "задайте либо days и hours, либо week") for key in LINE_KEYS if key in data
    )
    week = data["week"]
    if not isinstance(week, list) or not week or not all(isinstance(line, dict) for line in week):
        mend = 'ожидается список строк, например [{days = "mon-fri", hours = "10:00-19:00"}]'
        errors.append(CalendarError(f"{place}.week", mend))
        return []
    lines = [(line, f"{place}.week[{number}]") for number, line in enumerate(week)]
    for line, line_place in lines:
        check_keys(line, LINE_KEYS, line_place, errors)
    return lines


def _exceptions(value: object, place: str, errors: list[CalendarError]) -> dict[date, Hours]:
    if not isinstance(value, Mapping):
        errors.append(CalendarError(place, 'ожидается таблица, например { "2026-12-31" = "closed" }'))
        return {}
    exceptions = {}
    for key, text in value.items():
        day = _take(f"{place}.{key}", _parse_date, str(key), errors)
        hours = _take(f"{place}.{key}", _parse_exception, text, errors)
        if day is not None and hours is not None:
            exceptions[day] = hours
    return exceptions


def _parse_holidays(text: str) -> bool:
    known = {"ru": True, "none": False}
    if text.strip().lower() not in known:
        raise ValueError(f"нет календаря праздников «{text}»; укажите RU или none")
    return known[text.strip().lower()]


def _parse_exception(text: str) -> Hours:
    if text.strip().lower() == "closed":
        return CLOSED
    try:
        return parse_hours(text)
    except ValueError as error:
        raise ValueError(f'{error}; выходной пишется "closed"') from error


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"«{text}» — не дата; пишите так: 2026-12-31") from error


def _weekday(name: str) -> int:
    if name not in WEEKDAYS:
        mend = nearest(name, WEEKDAYS) or f"; дни пишутся так: {', '.join(WEEKDAYS)}"
        raise ValueError(f"нет дня недели «{name}»{mend}")
    return WEEKDAYS.index(name)


def _interval(text: str) -> tuple[int, int]:
    match = INTERVAL.fullmatch(text)
    if match is None:
        raise ValueError(f"«{text}» — не интервал; пишите так: 10:00-19:00")
    from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if max(from_minute, to_minute) >= 60 or start >= DAY_MINUTES or end > DAY_MINUTES:
        raise ValueError(f"«{text}»: нет такого времени; часы от 00:00 до 24:00")
    if start == end:
        raise ValueError(f"«{text}» — пустой интервал; круглые сутки пишутся 00:00-24:00")
    return start, end if end > start else end + DAY_MINUTES
