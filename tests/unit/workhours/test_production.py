"""The production calendar of Russia against the published tables and against an independent library."""

import subprocess
import sys
from datetime import date, timedelta

import pytest
from holidays import country_holidays

from workhours.production import is_published, is_short_day, is_working_day, year_days

WEEKEND = (5, 6)
JANUARY = [f"01-{day:02}" for day in range(1, 9)]

# From the calendars published for a five-day week: all days off that are not plain weekends (and holidays on weekends),
# worked Saturdays, short days, working days, hours of a 40-hour week.
PUBLISHED = {
    2024: (
        [*JANUARY, "02-23", "03-08", "04-29", "04-30", "05-01", "05-09", "05-10", "06-12", "11-04", "12-30", "12-31"],
        ["04-27", "11-02", "12-28"],
        ["02-22", "03-07", "05-08", "06-11", "11-02"],
        248,
        1979,
    ),
    2025: (
        [*JANUARY, "02-23", "03-08", "05-01", "05-02", "05-08", "05-09", "06-12", "06-13", "11-03", "11-04", "12-31"],
        ["11-01"],
        ["03-07", "04-30", "06-11", "11-01"],
        247,
        1972,
    ),
    2026: (
        [*JANUARY, "01-09", "02-23", "03-08", "03-09", "05-01", "05-09", "05-11", "06-12", "11-04", "12-31"],
        [],
        ["04-30", "05-08", "06-11", "11-03"],
        247,
        1972,
    ),
}


def dates(year):
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]


def days(year, texts):
    return {date.fromisoformat(f"{year}-{text}") for text in texts}


@pytest.mark.parametrize("year", PUBLISHED)
def test_every_date_is_worked_or_not_as_published(year):
    off, saturdays, *_ = PUBLISHED[year]
    expected = {d for d in dates(year) if d.weekday() not in WEEKEND and d not in days(year, off)} | days(
        year, saturdays
    )
    assert {d for d in dates(year) if is_working_day(d)} == expected


@pytest.mark.parametrize("year", PUBLISHED)
def test_short_days_are_those_published(year):
    assert {d for d in dates(year) if is_short_day(d)} == days(year, PUBLISHED[year][2])


@pytest.mark.parametrize("year", PUBLISHED)
def test_yearly_norms_of_days_and_hours_are_those_published(year):
    *_, working_days, hours = PUBLISHED[year]
    worked = [d for d in dates(year) if is_working_day(d)]
    assert len(worked) == working_days
    assert sum(8 - is_short_day(d) for d in worked) == hours


@pytest.mark.parametrize("year", range(2013, 2028))
def test_every_date_agrees_with_the_library(year):
    library = country_holidays("RU", years=year)
    assert {d for d in dates(year) if is_working_day(d)} == {d for d in dates(year) if library.is_working_day(d)}


@pytest.mark.parametrize(
    ("year", "short"),
    [
        (2018, ["02-22", "03-07", "04-28", "05-08", "06-09", "12-29"]),
        (2020, ["04-30", "05-08", "06-11", "11-03", "12-31"]),
        (2021, ["02-20", "04-30", "06-11", "11-03"]),
        (2022, ["02-22", "03-05", "11-03"]),
        (2023, ["02-22", "03-07", "11-03"]),
    ],
)
def test_short_days_of_earlier_years_follow_from_the_labour_code(year, short):
    assert {d for d in dates(year) if is_short_day(d)} == days(year, short)


def test_a_short_day_is_always_a_working_day():
    assert all(is_working_day(d) for year in range(2013, 2035) for d in year_days(year).short)


@pytest.mark.parametrize("year", [2013, 2024, 2025, 2026, 2027])
def test_years_with_a_decree_are_published(year):
    assert is_published(year)


@pytest.mark.parametrize("year", [2040, 2100])
def test_years_without_a_decree_are_not_published(year):
    assert not is_published(year)


def test_without_a_decree_a_holiday_on_a_weekend_moves_to_the_next_working_day():
    # 2040: 8 March is a Thursday, 12 June a Tuesday, 4 November a Sunday, 1 January a Sunday.
    assert not is_working_day(date(2040, 11, 5))
    assert is_working_day(date(2040, 11, 6))
    assert is_working_day(date(2040, 1, 9))
    # 2045: 4 November is a Saturday.
    assert not is_working_day(date(2045, 11, 6))
    assert is_short_day(date(2040, 3, 7))
    assert is_short_day(date(2040, 12, 31))


def test_bundled_years_do_not_load_the_heavy_library():
    program = (
        "import sys; from datetime import UTC, datetime; import workhours as w;"
        "c = w.parse_calendar('o', {'days': 'mon-fri', 'hours': '10:00-19:00'}, 'Europe/Moscow');"
        "c.state(datetime(2026, 12, 30, 20, tzinfo=UTC)); sys.exit('holidays' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
