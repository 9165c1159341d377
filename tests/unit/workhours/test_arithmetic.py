"""Working-time arithmetic against a reference that steps minute by minute, and the laws that it must obey.

The reference knows nothing of runs, years or bisection. A minute is open when, for some interval of some date, the wall
clock has reached its beginning by this minute and has not left it for good (a wall clock goes back in autumn).
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workhours import Calendar, NeverOpens, open_for

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LENGTH = 6 * 24 * 60

WINDOWS = {
    "spring in Berlin": ("Europe/Berlin", date(2026, 3, 26)),
    "autumn in Berlin": ("Europe/Berlin", date(2026, 10, 22)),
    "new year in Moscow": ("Europe/Moscow", date(2026, 12, 29)),
    "half an hour in Lord Howe": ("Australia/Lord_Howe", date(2026, 4, 2)),
    "change at midnight in Beirut": ("Asia/Beirut", date(2026, 3, 26)),
}
# Hypothesis stays fast and repeatable: the suite runs on two cores beside all the others.
modest = settings(max_examples=40, deadline=None, derandomize=True)


def paired(minutes):
    return tuple(zip(minutes[::2], minutes[1::2], strict=False))


@st.composite
def hours(draw):
    """Up to three intervals of a date, on the quarter of an hour, sometimes over midnight, sometimes none."""
    marks = sorted(draw(st.sets(st.integers(0, 96), max_size=6)))
    day = paired([mark * 15 for mark in marks])
    if day and draw(st.booleans()):
        begin = day[-1][0]
        longest = min(1440 + day[0][0], begin + 1440)
        day = (*day[:-1], (begin, draw(st.integers(begin + 1, longest))))
    return tuple((start, end) for start, end in day if start < 1440)


@st.composite
def schedules(draw, window=None):
    zone, first = WINDOWS[window or draw(st.sampled_from(sorted(WINDOWS)))]
    week = draw(st.lists(hours(), min_size=7, max_size=7).filter(any))
    near = st.integers(0, 5).map(lambda n: first + DAY * n)
    exceptions = draw(st.dictionaries(near, hours(), max_size=2))
    return first, Calendar("any", ZoneInfo(zone), week, exceptions=exceptions), week, exceptions


def minutes_open(first, zone, week, exceptions):
    """For each minute from `first` 00:00 UTC whether it is open."""
    begin = datetime.combine(first, time(), UTC)
    # A margin on both sides, so that the wall clock's past and future are known.
    grid = [begin + MINUTE * n for n in range(-1440, LENGTH + 1440)]
    wall = [at.astimezone(zone).replace(tzinfo=None, fold=0) for at in grid]
    reached = list(accumulate(wall, max))
    left = list(accumulate(reversed(wall), min))[::-1]
    is_open = [False] * len(grid)
    for number in range(-3, LENGTH // 1440 + 3):
        day = first + DAY * number
        midnight = datetime.combine(day, time())
        for start, end in exceptions.get(day, week[day.weekday()]):
            since, until = midnight + MINUTE * start, midnight + MINUTE * end
            for n in range(len(grid)):
                if reached[n] >= since and left[n] < until:
                    is_open[n] = True
                elif left[n] >= until:
                    break
    return begin, is_open[1440:-1440]


@modest
@given(schedules(), st.data())
def test_every_answer_is_that_of_the_minute_by_minute_reference(schedule, data):
    first, office, week, exceptions = schedule
    begin, is_open = minutes_open(first, office.zone, week, exceptions)
    moments = [begin + MINUTE * n for n in range(LENGTH)]
    assert [office.is_open(at) for at in moments] == is_open

    passed = [0, *accumulate(is_open)]
    one, other = sorted(data.draw(st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)), label="minutes"))
    at, to = begin + MINUTE * one, begin + MINUTE * other
    worked = passed[other] - passed[one]
    assert office.between(at, to) == MINUTE * worked
    assert office.between(to, at) == -MINUTE * worked

    opens = next((n for n in range(one, LENGTH) if is_open[n]), None)
    if opens is not None:
        assert office.next_open(at) == begin + MINUTE * opens
        closes = next((n for n in range(opens, LENGTH) if not is_open[n]), None)
        if closes is not None:
            assert office.next_close(at) == begin + MINUTE * closes
            reopens = next((n for n in range(closes, LENGTH) if is_open[n]), None)
            if reopens is not None:
                assert office.state(at).next_open == begin + MINUTE * (opens if opens > one else reopens)
    if worked:
        # The earliest minute from `at` with so much behind it; the latest minute from which so much leads to `to`.
        assert office.add(at, MINUTE * worked) == begin + MINUTE * bisect_left(passed, passed[one] + worked)
        latest = max(n for n in range(other + 1) if passed[other] - passed[n] == worked)
        assert office.add(to, -MINUTE * worked) == begin + MINUTE * latest


moments = st.datetimes(datetime(2023, 6, 1), datetime(2028, 6, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
lengths = st.timedeltas(timedelta(0), timedelta(hours=900))


@st.composite
def calendars(draw):
    """Any week in a zone, with or without the Russian production calendar."""
    week = draw(st.lists(hours(), min_size=7, max_size=7).filter(lambda week: any(week[:5])))
    zone = ZoneInfo(draw(st.sampled_from(["Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])))
    return Calendar("any", zone, week, production=draw(st.sampled_from([None, {}])))


def add(office, at, length):
    """`add`, or None where a calendar of a few minutes a week would need centuries."""
    try:
        return office.add(at, length)
    except ValueError:
        return None


@modest
@given(calendars(), moments, lengths)
def test_between_is_the_inverse_of_add(office, at, length):
    later, earlier = add(office, at, length), add(office, at, -length)
    assert later is None or office.between(at, later) == length
    assert earlier is None or office.between(earlier, at) == length


@modest
@given(calendars(), moments, lengths, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_later_start_or_a_longer_time_is_never_due_earlier(office, at, length, more):
    due, longer, later = add(office, at, length), add(office, at, length + more), add(office, at + more, length)
    assert due is None or longer is None or due <= longer
    assert due is None or later is None or due <= later


@modest
@given(calendars(), moments, lengths, lengths)
def test_time_added_in_two_parts_is_time_added_at_once(office, at, one, other):
    half, whole = add(office, at, one), add(office, at, one + other)
    if half is not None and whole is not None:
        assert add(office, half, other) == whole


@modest
@given(calendars(), moments, moments, moments)
def test_working_time_is_additive(office, a, b, c):
    assert office.between(a, b) + office.between(b, c) == office.between(a, c)


@modest
@given(calendars(), moments)
def test_nothing_is_open_before_the_next_opening_and_everything_until_the_closing(office, at):
    opens, closes = office.next_open(at), office.next_close(at)
    assert office.is_open(opens)
    assert office.between(at, opens) == timedelta(0)
    if closes is not None:
        assert not office.is_open(closes)
        assert office.between(opens, closes) == closes - opens


@modest
@given(calendars(), st.dates(date(2024, 1, 1), date(2027, 12, 1)))
def test_intervals_of_consecutive_dates_are_sorted_disjoint_and_complete(office, first):
    runs = [run for n in range(20) for run in office.intervals(first + DAY * n)]
    assert all(start < end for start, end in runs)
    assert all(end <= start for (_, end), (start, _) in pairwise(runs))
    tail = max((end for _, end in office.intervals(first - DAY)), default=None)
    if runs and (tail is None or tail <= runs[0][0]):
        assert sum((end - start for start, end in runs), timedelta(0)) == office.between(runs[0][0], runs[-1][1])


@modest
@given(calendars(), moments, st.integers(1, 30))
def test_working_days_lead_to_a_working_moment_that_many_working_dates_later(office, at, days):
    due = office.add_days(at, days)
    # The due moment is open or the closing of that day, never in the night between.
    assert office.is_open(due) or office.is_open(due - timedelta(microseconds=1))
    assert due > at
    assert office.add_days(at, days + 1) >= due


@modest
@given(calendars(), calendars(), st.lists(moments, min_size=20, max_size=20))
def test_common_time_is_open_exactly_when_all_are(one, other, several):
    both = open_for(one, other)
    assert [both.is_open(at) for at in several] == [one.is_open(at) and other.is_open(at) for at in several]
    for at in several:
        try:
            opens = both.next_open(at)
        except NeverOpens:
            assert not both.state(at).open
            continue
        assert one.is_open(opens)
        assert other.is_open(opens)
        assert both.between(at, opens) == timedelta(0)


def test_the_reference_itself_sees_the_repeated_hour():
    week = [((150, 180),)] * 7
    begin, is_open = minutes_open(date(2026, 10, 25), ZoneInfo("Europe/Berlin"), week, {})
    opened = [begin + MINUTE * n for n in range(24 * 60) if is_open[n]]
    assert (opened[0].hour, opened[0].minute, len(opened)) == (0, 30, 90)


@pytest.mark.parametrize("window", WINDOWS)
def test_each_window_of_the_reference_holds_open_and_closed_minutes(window):
    zone, first = WINDOWS[window]
    _, is_open = minutes_open(first, ZoneInfo(zone), [((600, 1140),)] * 7, {})
    assert 0 < sum(is_open) < LENGTH
