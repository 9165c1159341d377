"""Dates of recurring tasks: rules that hold for every date, and the ones that people know by heart."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.errors import Invalid
from crm_core.task_repeat import DayOff, Repeat, Unit, check_rule, dates, next_date
from workhours import Calendar

DAYS = st.dates(date(2020, 1, 1), date(2060, 12, 31))
EVERY = st.integers(1, 12)
OFFICE = Calendar("office", ZoneInfo("Europe/Moscow"), [((600, 1140),)] * 5 + [(), ()], production={})


def first_of(rule: Repeat, first: date, number: int) -> list[date]:
    return list(islice(dates(rule, first), number))


@st.composite
def rules(draw: st.DrawFn) -> Repeat:
    unit = draw(st.sampled_from(list(Unit)))
    return Repeat(
        unit=unit,
        every=draw(st.integers(1, 4)),
        weekdays=tuple(draw(st.sets(st.integers(0, 6)))) if unit is Unit.WEEK else (),
        day=draw(st.none() | st.just(-1) | st.integers(1, 31)) if unit in (Unit.MONTH, Unit.YEAR) else None,
        count=draw(st.none() | st.integers(1, 30)),
        day_off=draw(st.sampled_from(list(DayOff))),
    )


@given(rules(), DAYS)
def test_dates_only_go_forward_and_begin_with_the_first_day(rule: Repeat, first: date) -> None:
    check_rule(rule)
    found = first_of(rule, first, 30)
    assert found
    assert found[0] >= first
    assert all(before < after for before, after in pairwise(found))
    assert rule.count is None or len(found) == min(rule.count, 30)


@given(rules(), DAYS, st.integers(0, 400))
def test_the_next_date_is_later_and_no_earlier_one_was_passed_over(rule: Repeat, first: date, days: int) -> None:
    after = first + timedelta(days=days)
    found = next_date(rule, first, after)
    assert found == next((each for each in dates(rule, first) if each > after), None)


@given(EVERY, DAYS)
def test_every_so_many_days_means_that_many_days(every: int, first: date) -> None:
    found = first_of(Repeat(unit=Unit.DAY, every=every), first, 10)
    assert found == [first + timedelta(days=every * n) for n in range(10)]


@given(EVERY, st.sets(st.integers(0, 6), min_size=1), DAYS)
def test_weeks_keep_to_their_days_and_their_distance(every: int, weekdays: set[int], first: date) -> None:
    found = first_of(Repeat(unit=Unit.WEEK, every=every, weekdays=tuple(weekdays)), first, 20)
    assert {each.weekday() for each in found} <= weekdays
    monday = first - timedelta(days=first.weekday())
    assert all((each - monday).days // 7 % every == 0 for each in found)


@given(EVERY, st.integers(1, 31), DAYS)
def test_months_take_their_day_or_the_last_one_there_is(every: int, day: int, first: date) -> None:
    found = first_of(Repeat(unit=Unit.MONTH, every=every, day=day), first, 20)
    for each in found:
        assert each.day == day or (each.day < day and (each + timedelta(days=1)).day == 1)
        assert (each.year * 12 + each.month - first.year * 12 - first.month) % every == 0


@given(rules(), DAYS, st.integers(0, 60))
def test_with_a_calendar_a_task_comes_on_a_working_day_unless_days_off_are_kept(
    rule: Repeat, first: date, days: int
) -> None:
    after = first + timedelta(days=days)
    found = next_date(rule, first, after, OFFICE)
    if found is not None:
        assert found > after
        assert rule.day_off is DayOff.KEEP or OFFICE.is_working_day(found)
        assert rule.day_off is DayOff.MOVE or found in set(islice(dates(rule, first), 2000))


@pytest.mark.parametrize(
    ("rule", "first", "wanted"),
    [
        (Repeat(unit=Unit.MONTH, day=-1), date(2027, 1, 31), ["2027-01-31", "2027-02-28", "2027-03-31"]),
        (Repeat(unit=Unit.MONTH), date(2028, 1, 31), ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
        (Repeat(unit=Unit.YEAR), date(2028, 2, 29), ["2028-02-29", "2029-02-28", "2030-02-28"]),
        (Repeat(unit=Unit.WEEK, weekdays=(0, 3)), date(2026, 11, 25), ["2026-11-26", "2026-11-30", "2026-12-03"]),
        (Repeat(unit=Unit.DAY, until=date(2026, 11, 24)), date(2026, 11, 23), ["2026-11-23", "2026-11-24"]),
        (Repeat(unit=Unit.DAY, count=2), date(2026, 11, 23), ["2026-11-23", "2026-11-24"]),
    ],
)
def test_dates_that_people_expect(rule: Repeat, first: date, wanted: list[str]) -> None:
    assert [each.isoformat() for each in first_of(rule, first, len(wanted))] == wanted
    if rule.until or rule.count:
        assert next_date(rule, first, date.fromisoformat(wanted[-1])) is None


def test_days_off_are_skipped_moved_or_kept() -> None:
    friday, rule = date(2026, 12, 25), Repeat(unit=Unit.DAY)
    wanted = {DayOff.KEEP: date(2026, 12, 26), DayOff.SKIP: date(2026, 12, 28), DayOff.MOVE: date(2026, 12, 28)}
    for day_off, day in wanted.items():
        assert next_date(Repeat(unit=rule.unit, day_off=day_off), friday, friday, OFFICE) == day
    monthly = Repeat(unit=Unit.MONTH, day=1, day_off=DayOff.MOVE)
    assert next_date(monthly, date(2026, 12, 1), date(2026, 12, 1), OFFICE) == date(2027, 1, 11)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Repeat(unit=Unit.DAY, every=0), "every"),
        (Repeat(unit=Unit.DAY, weekdays=(1,)), "weekdays"),
        (Repeat(unit=Unit.WEEK, weekdays=(7,)), "weekdays"),
        (Repeat(unit=Unit.WEEK, day=1), "day"),
        (Repeat(unit=Unit.MONTH, day=0), "day"),
        (Repeat(unit=Unit.MONTH, count=0), "count"),
    ],
)
def test_a_rule_without_sense_is_refused_by_field(rule: Repeat, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_rule(rule)
    assert set(refused.value.fields) == {field}
