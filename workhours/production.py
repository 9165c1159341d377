"""The Russian production calendar: which dates are days off, which weekend days are worked, which days are short.

A year's answer comes from the first place that knows it: the updates of the company (see `workhours.updates`), the
years bundled here, the `holidays` library, and at last the bare rule of the Labour Code. The library costs 16 MB and
a tenth of a second, so it is loaded only for a year that is not bundled; a test compares the bundled years with it day
by day. Years answered by the rule alone lack the transfers that the government decrees each autumn and are flagged
by `is_published`.

Sources: Labour Code (ТК РФ) art. 95 (the day before a holiday is an hour shorter), art. 112 (holidays, transfers);
government decrees on transfers No. 1314 of 2023-08-10 (2024), No. 1335 of 2024-10-04 (2025), No. 1466 of 2025-09-24
(2026), and the production calendars published from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType

import msgspec

DAY = timedelta(days=1)
SATURDAY = 5

HOLIDAYS = frozenset(
    [*((1, day) for day in range(1, 9)), (2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)],
)
"""Non-working holidays of art. 112 as (month, day), in force since 2013."""
FIRST_YEAR = 2013
"""Before it art. 112 was different; the rule of today is only an approximation there."""


class YearDays(msgspec.Struct, frozen=True):
    """What makes a year differ from plain Monday to Friday."""

    off: frozenset[date]
    """Holidays (on weekends too) and days off transferred to working days."""
    working: Mapping[date, date | None]
    """Weekend days that are worked, each with the day whose turn it took, as far as that is known."""
    short: frozenset[date]
    """Working days that end an hour earlier."""
    published: bool
    """The government's transfers for this year are known."""


Updates = Mapping[int, YearDays]
NO_UPDATES: Updates = MappingProxyType({})


def holidays_of(year: int) -> frozenset[date]:
    """The non-working holidays of art. 112."""
    return frozenset(date(year, month, day) for month, day in HOLIDAYS)


def is_holiday(day: date) -> bool:
    """Whether the date is a non-working holiday by law; needs no table of its year."""
    return (day.month, day.day) in HOLIDAYS


def is_working_day(day: date, updates: Updates = NO_UPDATES) -> bool:
    """Whether a five-day week works on this date."""
    year = year_days(day.year, updates)
    return _is_worked(day, year.off, year.working)


def is_short_day(day: date, updates: Updates = NO_UPDATES) -> bool:
    """Whether this working day is an hour shorter (art. 95)."""
    return day in year_days(day.year, updates).short


def is_published(year: int, updates: Updates = NO_UPDATES) -> bool:
    """False when the year is answered by the rule alone, because its transfers are not known yet."""
    return year_days(year, updates).published


def year_days(year: int, updates: Updates = NO_UPDATES) -> YearDays:
    """The year from the best source there is: updates, bundled, library, rule."""
    return updates.get(year) or _without_updates(year)


@lru_cache(maxsize=64)
def _without_updates(year: int) -> YearDays:
    return BUNDLED.get(year) or (_from_library(year) if year >= FIRST_YEAR else None) or _by_rule(year)


def assemble(
    year: int,
    off: Iterable[date],
    working: Mapping[date, date | None] | Iterable[date] = (),
    short: Iterable[date] | None = None,
    *,
    published: bool = True,
) -> YearDays:
    """Complete what a source says of a year: the holidays by law are always off; without a list of short days they
    follow from art. 95; a worked weekend day gets the day whose turn it took, where the dates tell."""
    days_off = holidays_of(year) | frozenset(off)
    worked = dict(working) if isinstance(working, Mapping) else {day: _moved_to(day, days_off) for day in working}
    short_days = _eves(year, days_off, worked) if short is None else frozenset(short)
    return YearDays(off=days_off, working=MappingProxyType(worked), short=short_days, published=published)


def _is_worked(day: date, off: frozenset[date], working: Mapping[date, date | None]) -> bool:
    return day in working if day.weekday() >= SATURDAY else day not in off


def _moved_to(worked: date, off: frozenset[date]) -> date | None:
    """The transferred day off that follows a worked Saturday: the usual bridge («суббота вместо понедельника»)."""
    after = (worked + DAY * step for step in range(1, 5))
    return next((day for day in after if day.weekday() < SATURDAY and day in off and not is_holiday(day)), None)


def _eves(year: int, off: frozenset[date], working: Mapping[date, date | None]) -> frozenset[date]:
    """Short days by art. 95: the working day right before a holiday; when the turn of that eve was moved to a
    Saturday, that Saturday."""
    eves = {day - DAY for day in (*holidays_of(year), date(year + 1, 1, 1)) if not is_holiday(day - DAY)}
    moved = {day for day, instead_of in working.items() if instead_of in eves}
    return frozenset(moved.union(day for day in eves if day.year == year and _is_worked(day, off, working)))


def _by_rule(year: int) -> YearDays:
    """Holidays plus art. 112: a holiday on a weekend, except the January ones, moves to the next working day."""
    off = set(holidays_of(year))
    for holiday in sorted(off):
        if holiday.month == 1 or holiday.weekday() < SATURDAY:
            continue
        instead = holiday + DAY
        while instead.weekday() >= SATURDAY or instead in off:
            instead += DAY
        off.add(instead)
    return assemble(year, off, published=False)


def _from_library(year: int) -> YearDays | None:
    """The year as the library knows it; None when it holds no transfers for it. Two weekend days of the January
    holidays are moved every year, so a table without a single transfer means that the decree is not known yet."""
    from holidays import country_holidays

    table = country_holidays("RU", years=year)
    off = {day for day in table if day.year == year}
    if off <= holidays_of(year):
        return None
    weekend = (day for day in _dates(year) if day.weekday() >= SATURDAY)
    return assemble(year, off, [day for day in weekend if table.is_working_day(day)])


def _dates(year: int) -> Iterable[date]:
    first = date(year, 1, 1)
    return (first + DAY * number for number in range((date(year + 1, 1, 1) - first).days))


def _bundle(
    year: int, off: str, working: Mapping[str, str] = MappingProxyType({}), short: str | None = None
) -> YearDays:
    def day(text: str) -> date:
        return date.fromisoformat(f"{year}-{text}")

    return assemble(
        year,
        map(day, off.split()),
        {day(saturday): day(instead_of) for saturday, instead_of in working.items()},
        None if short is None else map(day, short.split()),
    )


BUNDLED: Updates = {
    2024: _bundle(
        2024,
        off="04-29 04-30 05-10 12-30 12-31",
        working={"04-27": "04-29", "11-02": "04-30", "12-28": "12-30"},
        short="02-22 03-07 05-08 06-11 11-02",
    ),
    2025: _bundle(
        2025,
        off="05-02 05-08 06-13 11-03 12-31",
        working={"11-01": "11-03"},
        short="03-07 04-30 06-11 11-01",
    ),
    2026: _bundle(2026, off="01-09 03-09 05-11 12-31", short="04-30 05-08 06-11 11-03"),
    # Short days of 2027 follow from the rule; the transfers are those of the decree.
    2027: _bundle(2027, off="02-22 05-03 05-10 06-14 11-05 12-31", working={"02-20": "02-22"}),
}
"""Days off besides the holidays, worked Saturdays with the day whose turn they took, short days."""
