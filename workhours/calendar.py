"""A schedule: weekly hours in a time zone, the production calendar, and exceptions by date.

Hours belong to the date on which they begin, so a night shift of Friday (22:00-06:00) ends on Saturday and disappears
when Friday is closed. What a date works is decided in this order: its exception; a day off of the production calendar
(closed); a worked Saturday (the hours of the day whose turn it took); the weekday's hours, an hour less on a short day.

Local times become moments by one rule for both clock changes: whoever looks at the wall clock and sees a time within
the hours finds us open. A time skipped in spring counts as the moment of the change; of a time that comes twice in
autumn, hours begin at the first reading and end at the last that the clock approaches from before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from workhours.clock import utc
from workhours.errors import DateOutOfRange, NeverOpens
from workhours.production import SATURDAY, Updates, is_holiday, year_days
from workhours.timeline import FIRST_YEAR, LAST_YEAR, Run, WorkTime

Hours = tuple[tuple[int, int], ...]
"""Intervals of a date in minutes from its midnight: sorted, disjoint; an end above 1440 is on the next date."""

CLOSED: Hours = ()
HOUR = 60
SHORT_BY = HOUR
"""Art. 95 of the Labour Code: the eve of a holiday is an hour shorter."""
DAY = timedelta(days=1)
IDLE_DAYS = 740
"""So many dates without hours in a row mean that the calendar never opens."""
NO_EXCEPTIONS: Mapping[date, Hours] = MappingProxyType({})


class Calendar(WorkTime):
    """One named schedule."""

    def __init__(
        self,
        name: str,
        zone: ZoneInfo,
        week: Sequence[Hours],
        *,
        production: Updates | None = None,
        exceptions: Mapping[date, Hours] = NO_EXCEPTIONS,
    ) -> None:
        """`week` holds the hours of Monday to Sunday. `production` is the update years on top of the bundled
        production calendar of Russia (empty: bundled only), None for a schedule that knows no holidays."""
        super().__init__()
        if len(week) != 7:
            raise ValueError("a week has seven days")
        self.name = name
        self.zone = zone
        self._week = tuple(week)
        self._production = production
        self._exceptions = dict(exceptions)
        common = Counter(hours for hours in self._week[:SATURDAY] if hours).most_common(1)
        self._common = common[0][0] if common else CLOSED

    def hours(self, day: date) -> Hours:
        """What this date works, in minutes of local time."""
        exception = self._exceptions.get(day)
        if exception is not None:
            return exception
        if self._production is None:
            return self._week[day.weekday()]
        if is_holiday(day):
            return CLOSED
        year = year_days(day.year, self._production)
        if day in year.working:
            hours = self._hours_of_worked_weekend(day, year.working[day])
        else:
            hours = CLOSED if day in year.off else self._week[day.weekday()]
        return shorten(hours) if day in year.short else hours

    def is_working_day(self, day: date) -> bool:
        """Whether any working time begins on this local date."""
        return bool(self.hours(day))

    def intervals(self, day: date) -> list[Run]:
        """Working time that begins on this local date, in UTC, sorted and disjoint, over consecutive dates too: what a
        night shift of the day before covers is not repeated."""
        before = max((end for _, end in self._spans(day - DAY)), default=None)
        cut = ((max(start, before) if before else start, end) for start, end in self._spans(day))
        return list(_merge(run for run in cut if run[0] < run[1]))

    def add_days(self, at: datetime, days: int) -> datetime:
        """The moment `days` working days later (negative: earlier) at the same local time, moved into the hours of that
        day: up to the opening or the end of a break, or back to the closing. The date of `at` itself is not counted, as
        in art. 191 of the Civil Code: Friday plus one is Monday, Sunday plus one is Monday. Zero on a day off means
        the next working day. A moment in a night shift belongs to the date on which the shift began.
        Raises `NeverOpens`, `DateOutOfRange`."""
        at = utc(at)
        local = at.astimezone(self.zone)
        today = local.date()
        overnight = any(start <= at < end for start, end in self._spans(today - DAY))
        base = today - DAY if overnight else today
        target = self._working_date(base, days)
        wall = local.replace(tzinfo=None, fold=0) + (target - base)
        return _clamp(to_utc(wall, self.zone, last=False), self.intervals(target))

    def runs(self, year: int) -> Iterable[Run]:
        # Hours of a date lie within 14 hours before its midnight and 12 hours after the next date's end, UTC.
        first, last = date(year - 1, 12, 30), date(year + 1, 1, 1)
        begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
        dates = (first + DAY * number for number in range((last - first).days + 1))
        for run_start, run_end in _merge(run for day in dates for run in self._spans(day)):
            start, stop = max(run_start, begin), min(run_end, end)
            if start < stop:
                yield start, stop

    def _hours_of_worked_weekend(self, day: date, instead_of: date | None) -> Hours:
        """By art. 112 the day works like the one whose turn it took. Who is off on that weekday anyway keeps the own
        hours of the weekend day; when the day is unknown, the most common hours of Monday to Friday serve."""
        hours = self._common if instead_of is None else self._week[instead_of.weekday()]
        return hours or self._week[day.weekday()]

    def _spans(self, day: date) -> Iterator[Run]:
        midnight = datetime.combine(day, time())
        for start, end in self.hours(day):
            opening = to_utc(midnight + timedelta(minutes=start), self.zone, last=False)
            closing = to_utc(midnight + timedelta(minutes=end), self.zone, last=True)
            if opening < closing:
                yield opening, closing

    def _working_date(self, day: date, days: int) -> date:
        if days == 0 and self.is_working_day(day):
            return day
        step = -DAY if days < 0 else DAY
        left, idle = max(abs(days), 1), 0
        while left:
            day += step
            if not FIRST_YEAR <= day.year <= LAST_YEAR:
                raise DateOutOfRange(f"Рабочие дни считаются для {FIRST_YEAR}–{LAST_YEAR} годов")
            works = self.is_working_day(day)
            left, idle = left - works, 0 if works else idle + 1
            if idle > IDLE_DAYS:
                raise NeverOpens(f"no working day around {day.isoformat()}")
        return day


def shorten(hours: Hours) -> Hours:
    """The hours of a short day: the last interval ends an hour earlier; one shorter than that goes, and the rest of the
    hour is taken from the interval before."""
    left, kept = SHORT_BY, list(hours)
    while left and kept:
        start, end = kept.pop()
        if end - start > left:
            return (*kept, (start, end - left))
        left -= end - start
    return tuple(kept)


def to_utc(local: datetime, zone: ZoneInfo, *, last: bool) -> datetime:
    """The moment of a naive local time by the rule of this module; `last` chooses among two readings."""
    before = _offset(local.replace(tzinfo=zone))
    after = _offset(local.replace(tzinfo=zone, fold=1))
    if before == after or (before > after and not last):
        return (local - before).replace(tzinfo=UTC)
    if before > after:
        again = (local - after).replace(tzinfo=UTC)
        # Right at the change the clock falls back onto this time without having shown an earlier one again.
        fell_back = _offset((again - timedelta.resolution).astimezone(zone)) == before
        return again - (before - after) if fell_back else again
    # The time was skipped; PEP 495 gives the offsets on both sides, and the change lies between their readings.
    early = (local - after).replace(tzinfo=UTC)
    seconds = range(int((after - before).total_seconds()) + 1)
    change = bisect_left(
        seconds, True, key=lambda second: _offset((early + timedelta(seconds=second)).astimezone(zone)) == after
    )
    return early + timedelta(seconds=change)


def _offset(moment: datetime) -> timedelta:
    offset = moment.utcoffset()
    assert offset is not None, "the zone of a calendar knows its offset"
    return offset


def _merge(runs: Iterable[Run]) -> Iterator[Run]:
    """Join runs that overlap or touch; they come sorted by their beginning."""
    current: Run | None = None
    for start, end in runs:
        if current is None:
            current = start, end
        elif start <= current[1]:
            current = current[0], max(current[1], end)
        else:
            yield current
            current = start, end
    if current is not None:
        yield current


def _clamp(moment: datetime, intervals: Sequence[Run]) -> datetime:
    for start, end in intervals:
        if moment <= end:
            return max(moment, start)
    return intervals[-1][1] if intervals else moment
