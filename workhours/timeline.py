"""Questions about working time, answered over runs of open time.

A run is a stretch from an opening to the next closing. Runs are computed once per UTC year, merged, cut at the year's
borders and kept sorted together with the working time that passed before each of them. Every question is then a
bisection within a year and, for long distances, one step per year: adding three working months costs as much as adding
five minutes. What the runs are is the business of the two subclasses: `Calendar` (one schedule) and `Combined` (the
common time of several).

Working time is real elapsed time: an interval over a change to summer time is an hour shorter.
All moments may come in any zone and are answered in UTC; a naive one raises `ValueError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from workhours.clock import utc
from workhours.errors import DateOutOfRange, NeverOpens

ZERO = timedelta(0)
FIRST_YEAR, LAST_YEAR = 1970, 2199
HORIZON = 2
"""A search for an opening or closing looks at the moment's year and so many years after it."""

Run = tuple[datetime, datetime]
"""Opening (inclusive) and closing (exclusive), UTC."""


class OpenState(msgspec.Struct, frozen=True):
    """A calendar at a moment."""

    open: bool
    next_open: datetime | None
    """The next opening, strictly in the future: while open, the one after the coming closing. None: no opening within
    the horizon (round the clock, or never)."""
    next_close: datetime | None
    """The next closing; while closed, the end of the time that opens next. None: does not close within the horizon."""


class Year:
    """Runs of one UTC year and the working time before each."""

    __slots__ = ("before", "ends", "starts", "total")

    def __init__(self, runs: Iterable[Run]) -> None:
        self.starts: list[datetime] = []
        self.ends: list[datetime] = []
        self.before: list[timedelta] = []
        self.total = ZERO
        for start, end in runs:
            self.starts.append(start)
            self.ends.append(end)
            self.before.append(self.total)
            self.total += end - start

    def worked(self, at: datetime) -> timedelta:
        """Working time from the year's beginning to `at`."""
        index = bisect_right(self.starts, at) - 1
        if index < 0:
            return ZERO
        return self.before[index] + (min(at, self.ends[index]) - self.starts[index])

    def earliest(self, worked: timedelta) -> datetime:
        """The first moment with so much behind it; `worked` is above zero and at most the total."""
        index = bisect_left(self.before, worked) - 1
        return self.starts[index] + (worked - self.before[index])

    def latest(self, worked: timedelta) -> datetime:
        """The last moment with so much behind it; `worked` is at least zero and below the total."""
        index = bisect_right(self.before, worked) - 1
        return self.starts[index] + (worked - self.before[index])


class WorkTime(ABC):
    """Anything that is open at some times and closed at others. Immutable; safe to ask from several threads."""

    zone: ZoneInfo
    """The zone in which people speak of its hours."""

    def __init__(self) -> None:
        self._years: dict[int, Year] = {}

    @abstractmethod
    def runs(self, year: int) -> Iterable[Run]:
        """Runs within a UTC year: sorted, not touching each other, cut at the year's borders. Computed anew."""

    def year(self, number: int) -> Year:
        """A computed year. Raises `DateOutOfRange` outside 1970–2199."""
        known = self._years.get(number)
        if known is None:
            if not FIRST_YEAR <= number <= LAST_YEAR:
                raise DateOutOfRange(f"Рабочее время считается для {FIRST_YEAR}–{LAST_YEAR} годов, а не для {number}")
            known = self._years[number] = Year(self.runs(number))
        return known

    def is_open(self, at: datetime) -> bool:
        """Whether `at` is working time. The opening moment is, the closing moment is not."""
        at = utc(at)
        year = self.year(at.year)
        index = bisect_right(year.starts, at) - 1
        return index >= 0 and at < year.ends[index]

    def next_open(self, at: datetime) -> datetime:
        """The first open moment at or after `at`: `at` itself while open, else the next opening. Raises
        `NeverOpens`."""
        at = utc(at)
        for start, _ in self._runs_from(at):
            return max(start, at)
        raise NeverOpens(f"no working time from {at.isoformat()}")

    def next_close(self, at: datetime) -> datetime | None:
        """The first closing after `at`; while closed, that of the time which opens next. None when it stays open
        beyond the horizon (round the clock). Raises `NeverOpens`."""
        at = utc(at)
        close: datetime | None = None
        for start, end in self._runs_from(at):
            # A run that begins where the last one ended was only cut by the end of the year.
            if close is not None and start > close:
                return close
            close = end
        if close is None:
            raise NeverOpens(f"no working time from {at.isoformat()}")
        return close if close < datetime(self._last_year(at) + 1, 1, 1, tzinfo=UTC) else None

    def state(self, at: datetime) -> OpenState:
        """Open or not, and when that changes. A calendar that never opens has neither moment; nothing is raised."""
        at = utc(at)
        try:
            close = self.next_close(at)
        except NeverOpens:
            return OpenState(open=False, next_open=None, next_close=None)
        return OpenState(open=self.is_open(at), next_open=self._next_opening(at), next_close=close)

    def add(self, at: datetime, working: timedelta) -> datetime:
        """The earliest moment from `at` on by which so much working time has passed: a deadline. It may be a closing
        moment; zero gives `at` itself. Negative: the latest moment from which so much working time leads to `at`.
        Raises `NeverOpens`, `DateOutOfRange`."""
        at = utc(at)
        if not working:
            return at
        if working < ZERO:
            return self._subtract(at, -working)
        number = at.year
        year = self.year(number)
        target = year.worked(at) + working
        idle = 0
        while target > year.total:
            idle = self._count_idle(year, idle, at)
            target -= year.total
            number += 1
            year = self.year(number)
        return year.earliest(target)

    def between(self, a: datetime, b: datetime) -> timedelta:
        """Working time from `a` to `b`; negative when `b` is earlier."""
        a, b = utc(a), utc(b)
        if b < a:
            return -self.between(b, a)
        whole = sum((self.year(number).total for number in range(a.year, b.year)), ZERO)
        return whole + self.year(b.year).worked(b) - self.year(a.year).worked(a)

    def _subtract(self, at: datetime, working: timedelta) -> datetime:
        number = at.year
        year = self.year(number)
        target = year.worked(at) - working
        idle = 0
        while target < ZERO:
            idle = self._count_idle(year, idle, at)
            number -= 1
            year = self.year(number)
            target += year.total
        return year.latest(target)

    def _count_idle(self, year: Year, idle: int, at: datetime) -> int:
        """Years without working time in a row; more than the horizon means that it never opens."""
        idle = 0 if year.total else idle + 1
        if idle > HORIZON:
            raise NeverOpens(f"no working time around {at.isoformat()}")
        return idle

    def _last_year(self, at: datetime) -> int:
        return min(at.year + HORIZON, LAST_YEAR)

    def _runs_from(self, at: datetime) -> Iterator[Run]:
        """Runs that end after `at`, in order, up to the horizon."""
        first = bisect_right(self.year(at.year).ends, at)
        for number in range(at.year, self._last_year(at) + 1):
            year = self.year(number)
            for index in range(first, len(year.starts)):
                yield year.starts[index], year.ends[index]
            first = 0

    def _next_opening(self, at: datetime) -> datetime | None:
        passed = at
        for start, end in self._runs_from(at):
            if start > passed:
                return start
            passed = end
        return None
