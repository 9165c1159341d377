"""Common working time of several calendars: a member is on shift when both the own schedule and the queue are open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache, reduce

from workhours.timeline import Run, WorkTime, Year


class Combined(WorkTime):
    """Open exactly when all of its calendars are. Speaks in the zone of the first one."""

    def __init__(self, first: WorkTime, *others: WorkTime) -> None:
        super().__init__()
        self.calendars = (first, *others)
        self.zone = first.zone

    def runs(self, year: int) -> Iterable[Run]:
        return reduce(_common, (_runs_of(calendar.year(year)) for calendar in self.calendars))


@lru_cache(maxsize=1024)
def open_for(*calendars: WorkTime) -> WorkTime:
    """The common time of one or more calendars; remembered, so that asking for each contact costs nothing."""
    if len(calendars) == 1:
        return calendars[0]
    return Combined(*calendars)


def _runs_of(year: Year) -> list[Run]:
    return list(zip(year.starts, year.ends, strict=True))


def _common(left: list[Run], right: list[Run]) -> list[Run]:
    return list(_intersection(left, right))


def _intersection(left: list[Run], right: list[Run]) -> Iterator[Run]:
    one = other = 0
    while one < len(left) and other < len(right):
        start = max(left[one][0], right[other][0])
        end = min(left[one][1], right[other][1])
        if start < end:
            yield start, end
        if left[one][1] <= right[other][1]:
            one += 1
        else:
            other += 1
