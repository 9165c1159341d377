"""The update file of the production calendar: years that are published after this release, or that differ in a region.

TOML or JSON, one table per year:

    [2028]
    days_off = ["2028-01-10", "2028-11-06"]     # besides the holidays by law, which are always off
    working_days = ["2028-02-19"]               # Saturdays and Sundays that are worked
    short_days = ["2028-02-22", "2028-03-07"]   # left out: by art. 95 of the Labour Code

A year of the file replaces the bundled year as a whole. All mistakes are reported together.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path

from workhours.errors import CalendarError, CalendarErrors
from workhours.parse import check_keys
from workhours.production import SATURDAY, Updates, YearDays, assemble, holidays_of
from workhours.timeline import FIRST_YEAR, LAST_YEAR

LISTS = ("days_off", "working_days", "short_days")


def load_updates(path: Path | str) -> Updates:
    """Read and check an update file; `.json` is JSON, everything else TOML. Raises `CalendarErrors`."""
    path = Path(path)
    errors: list[CalendarError] = []
    years = {}
    for key, value in _read(path).items():
        place = f"{path.name}: {key}"
        number = int(key) if key.isascii() and key.isdigit() else 0
        if not FIRST_YEAR <= number <= LAST_YEAR:
            errors.append(CalendarError(place, f"ожидается год от {FIRST_YEAR} до {LAST_YEAR}, например [2028]"))
        elif not isinstance(value, dict):
            errors.append(CalendarError(place, 'ожидается раздел со списками, например days_off = ["2028-11-06"]'))
        else:
            years[number] = _year(number, value, place, errors)
    if errors:
        raise CalendarErrors(errors)
    return years


def _read(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
        content: object = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise _unreadable(path, f"файл не читается ({error.strerror}): проверьте путь и права") from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"файл не разобран: {error}") from error
    if not isinstance(content, dict):
        raise _unreadable(path, 'ожидается объект по годам: {"2028": {"days_off": […]}}')
    return content


def _unreadable(path: Path, message: str) -> CalendarErrors:
    return CalendarErrors([CalendarError(path.name, message)])


def _year(year: int, table: Mapping[str, object], place: str, errors: list[CalendarError]) -> YearDays:
    check_keys(table, LISTS, place, errors)
    if "days_off" not in table:
        errors.append(CalendarError(f"{place}.days_off", "нет списка выходных; если переносов нет, укажите []"))
    off, working, short = (_dates(year, table.get(name, []), f"{place}.{name}", errors) for name in LISTS)
    errors += _contradictions(year, place, off, working, short)
    days = assemble(year, off, working, short if "short_days" in table else None)
    errors += (
        CalendarError(f"{place}.short_days", f"{day} — выходной; уберите дату или добавьте её в working_days")
        for day in short
        if (day not in working if day.weekday() >= SATURDAY else day in days.off)
    )
    return days


def _contradictions(
    year: int, place: str, off: Iterable[date], working: Iterable[date], short: Iterable[date]
) -> Iterable[CalendarError]:
    holidays, days_off = holidays_of(year), frozenset(off)
    for day in working:
        if day in holidays:
            yield CalendarError(f"{place}.working_days", f"{day} — праздник по закону; уберите дату")
        elif day in days_off:
            yield CalendarError(f"{place}.working_days", f"{day} есть и в days_off; оставьте дату в одном списке")
        elif day.weekday() < SATURDAY:
            yield CalendarError(
                f"{place}.working_days", f"{day} — будний день; здесь только рабочие субботы и воскресенья"
            )


def _dates(year: int, value: object, place: str, errors: list[CalendarError]) -> list[date]:
    if not isinstance(value, list):
        errors.append(CalendarError(place, 'ожидается список дат, например ["2028-11-06"]'))
        return []
    days = []
    for number, item in enumerate(value):
        day = _date(item)
        if day is None:
            errors.append(CalendarError(f"{place}[{number}]", f"«{item}» — не дата; пишите так: {year}-11-06"))
        elif day.year != year:
            errors.append(CalendarError(f"{place}[{number}]", f"{day} — другой год; перенесите в раздел [{day.year}]"))
        elif day in days:
            errors.append(CalendarError(f"{place}[{number}]", f"{day} названо дважды; уберите повтор"))
        else:
            days.append(day)
    return days


def _date(item: object) -> date | None:
    """TOML has dates of its own; in JSON they are text."""
    if isinstance(item, date) and not isinstance(item, datetime):
        return item
    try:
        return date.fromisoformat(item) if isinstance(item, str) else None
    except ValueError:
        return None
