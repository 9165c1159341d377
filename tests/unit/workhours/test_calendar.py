"""What a schedule says of dates and moments: weekly hours, production calendar, exceptions, nights, clock changes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.unit.workhours.builders import BERLIN, calendar, local
from workhours import Calendar, DateOutOfRange, NeverOpens, OpenState, parse_calendar

HOUR = timedelta(hours=1)


def shown(office, day):
    """Intervals of a date as the wall clock shows them."""
    pairs = office.intervals(date.fromisoformat(day))
    return [f"{s.astimezone(office.zone):%d %H:%M}–{e.astimezone(office.zone):%d %H:%M}" for s, e in pairs]


def test_opening_moment_is_open_and_closing_moment_is_not():
    office = calendar()
    assert office.is_open(local("2026-11-23 10:00"))
    assert not office.is_open(local("2026-11-23 09:59:59"))
    assert office.is_open(local("2026-11-23 18:59:59"))
    assert not office.is_open(local("2026-11-23 19:00"))


def test_a_moment_in_another_zone_is_the_same_moment():
    vladivostok = datetime(2026, 11, 23, 17, tzinfo=ZoneInfo("Asia/Vladivostok"))
    assert calendar().is_open(vladivostok)


def test_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        calendar().is_open(datetime.fromisoformat("2026-11-23 12:00"))


def test_a_break_closes_the_office():
    office = calendar(hours="10:00-13:00, 14:00-19:00")
    assert not office.is_open(local("2026-11-23 13:30"))
    assert office.state(local("2026-11-23 12:00")) == OpenState(
        open=True, next_open=local("2026-11-23 14:00"), next_close=local("2026-11-23 13:00")
    )


def test_while_open_the_next_opening_is_the_one_after_the_closing():
    state = calendar().state(local("2026-11-20 12:00"))
    assert state == OpenState(True, local("2026-11-23 10:00"), local("2026-11-20 19:00"))


def test_while_closed_the_next_closing_ends_the_next_opening():
    state = calendar().state(local("2026-11-22 12:00"))
    assert state == OpenState(False, local("2026-11-23 10:00"), local("2026-11-23 19:00"))


def test_next_open_is_the_moment_itself_while_open():
    office = calendar()
    assert office.next_open(local("2026-11-23 12:34")) == local("2026-11-23 12:34")
    assert office.next_open(local("2026-11-23 19:00")) == local("2026-11-24 10:00")


def test_new_year_holidays_are_skipped():
    assert calendar().next_open(local("2026-12-30 19:00")) == local("2027-01-11 10:00")


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2024-04-27", ["27 10:00–27 19:00"]),
        ("2024-12-28", ["28 10:00–28 19:00"]),
        ("2024-11-02", ["02 10:00–02 18:00"]),
        ("2025-11-01", ["01 10:00–01 18:00"]),
        ("2024-04-29", []),
        ("2025-03-08", []),
        ("2026-05-11", []),
        ("2026-11-03", ["03 10:00–03 18:00"]),
        ("2026-11-02", ["02 10:00–02 19:00"]),
        ("2026-11-28", []),
    ],
)
def test_the_production_calendar_decides_the_hours_of_a_date(day, expected):
    assert shown(calendar(), day) == expected
    assert calendar().is_working_day(date.fromisoformat(day)) == bool(expected)


def test_without_a_production_calendar_holidays_are_ordinary_days():
    office = calendar(holidays="none")
    assert shown(office, "2026-01-01") == ["01 10:00–01 19:00"]
    assert shown(office, "2026-11-03") == ["03 10:00–03 19:00"]
    assert shown(office, "2024-04-27") == []


def test_a_weekly_saturday_closes_on_a_holiday_only():
    shop = calendar(days="mon-sat")
    assert shown(shop, "2025-03-08") == []
    assert shown(shop, "2025-03-15") == ["15 10:00–15 19:00"]


def test_a_worked_saturday_takes_the_hours_of_the_day_whose_turn_it_took():
    week = [{"days": "mon", "hours": "09:00-12:00"}, {"days": "tue-fri", "hours": "10:00-19:00"}]
    office = calendar_of_week(week)
    assert shown(office, "2024-04-27") == ["27 09:00–27 12:00"]
    # 2 November 2024 took the turn of a Tuesday and is short.
    assert shown(office, "2024-11-02") == ["02 10:00–02 18:00"]


def test_who_is_off_on_the_moved_weekday_keeps_the_own_saturday():
    assert shown(calendar(days="tue-sat"), "2024-04-27") == ["27 10:00–27 19:00"]
    assert shown(calendar(days="wed-fri"), "2024-04-27") == []


def calendar_of_week(week, **settings):
    return parse_calendar("office", {"week": week, **settings}, "Europe/Moscow")


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ("10:00-19:00", ["03 10:00–03 18:00"]),
        ("10:00-13:00, 14:00-19:00", ["03 10:00–03 13:00", "03 14:00–03 18:00"]),
        ("10:00-18:00, 18:30-19:00", ["03 10:00–03 17:30"]),
        ("10:00-18:00, 18:20-19:20", ["03 10:00–03 18:00"]),
        ("10:00-10:20, 11:00-11:20, 12:00-12:20", []),
        ("10:00-11:00", []),
        ("10:00-10:20, 11:00-11:40", []),
        ("22:00-06:00", ["03 22:00–04 05:00"]),
    ],
)
def test_a_short_day_ends_an_hour_earlier(hours, expected):
    assert shown(calendar(hours=hours), "2026-11-03") == expected
    assert calendar(hours=hours).is_working_day(date(2026, 11, 3)) == bool(expected)


def test_exceptions_win_over_everything():
    office = calendar(
        exceptions={
            "2026-11-03": "10:00-19:00",
            "2027-01-09": "11:00-15:00",
            "2026-11-23": "closed",
            "2024-04-27": "closed",
        }
    )
    assert shown(office, "2026-11-03") == ["03 10:00–03 19:00"]
    assert shown(office, "2027-01-09") == ["09 11:00–09 15:00"]
    assert shown(office, "2026-11-23") == []
    assert shown(office, "2024-04-27") == []


def test_a_night_shift_belongs_to_the_date_it_begins_on():
    night = calendar(days="fri", hours="22:00-06:00", holidays="none")
    assert shown(night, "2026-11-27") == ["27 22:00–28 06:00"]
    assert night.is_open(local("2026-11-28 05:59"))
    assert not night.is_open(local("2026-11-27 05:59"))
    assert not night.is_working_day(date(2026, 11, 28))


def test_closing_a_date_cancels_the_whole_night_that_begins_on_it():
    night = calendar(days="mon-fri", hours="22:00-06:00", exceptions={"2026-11-24": "closed"})
    assert night.is_open(local("2026-11-24 05:00"))
    assert not night.is_open(local("2026-11-25 05:00"))


def test_a_night_that_runs_into_the_next_day_is_not_counted_twice():
    week = [{"days": "mon", "hours": "20:00-10:00"}, {"days": "tue", "hours": "08:00-12:00"}]
    office = calendar_of_week(week, holidays="none")
    assert shown(office, "2026-11-24") == ["24 10:00–24 12:00"]
    assert office.between(local("2026-11-23 00:00"), local("2026-11-25 00:00")) == 16 * HOUR
    assert office.next_close(local("2026-11-23 21:00")) == local("2026-11-24 12:00")


def test_round_the_clock_never_closes():
    always = calendar(days="mon-sun", hours="00:00-24:00", holidays="none")
    at = local("2026-12-31 23:30")
    assert always.state(at) == OpenState(open=True, next_open=None, next_close=None)
    assert always.next_close(at) is None
    assert always.add(at, 1000 * HOUR) == at + 1000 * HOUR
    assert always.between(at, at + 9000 * HOUR) == 9000 * HOUR


def test_round_the_clock_on_weekdays_closes_for_the_weekend():
    weekdays = calendar(hours="00:00-24:00", holidays="none")
    assert weekdays.next_close(local("2026-12-29 10:00")) == local("2027-01-02 00:00")
    assert weekdays.state(local("2027-01-01 02:30")).next_close == local("2027-01-02 00:00")
    assert weekdays.state(local("2027-01-01 02:30")).next_open == local("2027-01-04 00:00")


def closed_for_ever():
    return Calendar("none", calendar().zone, [()] * 7)


@pytest.mark.parametrize(
    "ask",
    [
        lambda c, at: c.next_open(at),
        lambda c, at: c.next_close(at),
        lambda c, at: c.add(at, HOUR),
        lambda c, at: c.add(at, -HOUR),
        lambda c, at: c.add_days(at, 1),
        lambda c, at: c.add_days(at, -1),
    ],
)
def test_a_calendar_that_never_opens_says_so(ask):
    with pytest.raises(NeverOpens):
        ask(closed_for_ever(), local("2026-11-23 12:00"))


def test_the_state_of_a_calendar_that_never_opens_is_closed_without_moments():
    assert closed_for_ever().state(local("2026-11-23 12:00")) == OpenState(False, None, None)
    assert closed_for_ever().between(local("2026-11-23 12:00"), local("2027-11-23 12:00")) == timedelta(0)


def test_an_opening_after_more_than_a_year_is_found():
    once = Calendar("once", calendar().zone, [()] * 7, exceptions={date(2028, 2, 1): ((600, 660),)})
    assert once.next_open(local("2026-11-23 12:00")) == local("2028-02-01 10:00")
    assert once.add(local("2026-11-23 12:00"), HOUR) == local("2028-02-01 11:00")


@pytest.mark.parametrize("year", [1, 1969, 2200, 9999])
def test_a_year_out_of_range_is_refused_at_once(year):
    with pytest.raises(DateOutOfRange):
        calendar().is_open(datetime(year, 6, 1, tzinfo=UTC))


def test_an_endless_deadline_is_refused():
    with pytest.raises(DateOutOfRange):
        calendar(holidays="none").add(local("2026-11-23 12:00"), timedelta(days=100_000))
    with pytest.raises(DateOutOfRange):
        calendar(holidays="none").add_days(local("2026-11-23 12:00"), 1_000_000)


# Clock changes in Berlin: 2026-03-29 02:00 → 03:00, 2026-10-25 03:00 → 02:00.


def test_a_spring_night_is_an_hour_shorter_and_an_autumn_night_an_hour_longer():
    night = calendar(days="mon-sun", hours="22:00-06:00", zone=BERLIN, holidays="none")
    spring, autumn = local("2026-03-28 12:00", BERLIN), local("2026-10-24 12:00", BERLIN)
    assert night.between(spring, spring + 24 * HOUR) == 7 * HOUR
    assert night.between(autumn, autumn + 24 * HOUR) == 9 * HOUR
    assert night.add(local("2026-03-28 22:00", BERLIN), 5 * HOUR) == local("2026-03-29 04:00", BERLIN)


def test_summer_time_moves_the_opening_in_utc():
    office = calendar(zone=BERLIN, holidays="none")
    assert office.next_open(local("2026-03-27 20:00", BERLIN)) == datetime(2026, 3, 30, 8, tzinfo=UTC)
    assert office.next_open(local("2026-10-23 20:00", BERLIN)) == datetime(2026, 10, 26, 9, tzinfo=UTC)


def test_an_opening_in_the_skipped_hour_is_the_change_itself():
    early = calendar(days="sun", hours="02:30-10:00", zone=BERLIN, holidays="none")
    assert early.next_open(local("2026-03-28 12:00", BERLIN)) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_a_closing_in_the_skipped_hour_is_the_change_itself():
    late = calendar(days="sat", hours="20:00-02:30", zone=BERLIN, holidays="none")
    assert late.next_close(local("2026-03-28 21:00", BERLIN)) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_hours_within_the_skipped_hour_do_not_happen():
    brief = calendar(days="sun", hours="02:10-02:50", zone=BERLIN, holidays="none")
    assert brief.intervals(date(2026, 3, 29)) == []
    assert brief.next_open(local("2026-03-28 12:00", BERLIN)) == local("2026-04-05 02:10", BERLIN)


def test_hours_open_at_the_first_reading_and_close_at_the_last_of_the_repeated_hour():
    early = calendar(days="sun", hours="02:30-10:00", zone=BERLIN, holidays="none")
    late = calendar(days="sat", hours="20:00-02:30", zone=BERLIN, holidays="none")
    assert early.next_open(local("2026-10-24 12:00", BERLIN)) == local("2026-10-25 02:30", BERLIN, fold=0)
    assert late.next_close(local("2026-10-24 21:00", BERLIN)) == local("2026-10-25 02:30", BERLIN, fold=1)
    assert late.is_open(local("2026-10-25 02:10", BERLIN, fold=1))


def test_hours_up_to_the_beginning_of_the_repeated_hour_are_not_prolonged():
    late = calendar(days="sat", hours="20:00-02:00", zone=BERLIN, holidays="none")
    assert late.next_close(local("2026-10-24 21:00", BERLIN)) == local("2026-10-25 02:00", BERLIN, fold=0)


def test_a_shift_that_began_two_dates_before_the_new_year_of_utc_is_open_in_it():
    long = calendar(days="wed", hours="22:00-21:00", zone="America/New_York", holidays="none")
    assert long.is_open(datetime(2027, 1, 1, 1, 59, tzinfo=UTC))
    assert not long.is_open(datetime(2027, 1, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "days", "expected"),
    [
        ("2026-11-23 12:00", 3, "2026-11-26 12:00"),
        ("2026-11-20 12:00", 1, "2026-11-23 12:00"),
        ("2026-11-20 08:00", 1, "2026-11-23 10:00"),
        ("2026-11-20 23:00", 1, "2026-11-23 19:00"),
        ("2026-11-22 12:00", 1, "2026-11-23 12:00"),
        ("2026-11-22 12:00", 0, "2026-11-23 12:00"),
        ("2026-11-23 08:00", 0, "2026-11-23 10:00"),
        ("2026-11-23 12:00", -1, "2026-11-20 12:00"),
        ("2026-10-30 18:30", 2, "2026-11-03 18:00"),
        ("2026-12-29 12:00", 3, "2027-01-12 12:00"),
        ("2025-10-31 12:00", 1, "2025-11-01 12:00"),
    ],
)
def test_working_days_later_at_the_same_local_time_within_the_hours(at, days, expected):
    assert calendar().add_days(local(at), days) == local(expected)


def test_a_deadline_in_a_break_waits_for_its_end():
    split = calendar(hours="10:00-13:00, 14:00-19:00", exceptions={"2026-11-23": "10:00-19:00"})
    assert split.add_days(local("2026-11-23 13:20"), 1) == local("2026-11-24 14:00")


def test_a_night_moment_counts_from_the_date_its_shift_began():
    night = calendar(hours="22:00-06:00")
    # 02:00 on Saturday belongs to Friday's shift; the next working day is Monday, whose shift reaches Tuesday.
    assert night.add_days(local("2026-11-28 02:00"), 1) == local("2026-12-01 02:00")


def test_days_keep_the_wall_clock_over_a_clock_change():
    office = calendar(zone=BERLIN, holidays="none")
    assert office.add_days(local("2026-03-27 12:00", BERLIN), 1) == local("2026-03-30 12:00", BERLIN)


def test_a_year_of_office_hours_adds_up_to_the_published_norm():
    # 248 days of nine hours less five short hours.
    year = calendar().between(local("2024-01-01 00:00"), local("2025-01-01 00:00"))
    assert year == (248 * 9 - 5) * HOUR


def test_a_deadline_may_be_the_closing_moment():
    office = calendar()
    assert office.add(local("2026-11-23 18:55"), timedelta(minutes=5)) == local("2026-11-23 19:00")
    assert office.add(local("2026-11-23 18:55"), timedelta(minutes=6)) == local("2026-11-24 10:01")
    assert office.add(local("2026-11-22 18:55"), timedelta(minutes=5)) == local("2026-11-23 10:05")


def test_a_reminder_goes_back_over_the_night():
    assert calendar().add(local("2026-11-23 10:30"), -HOUR) == local("2026-11-20 18:30")
    assert calendar().add(local("2027-01-11 10:30"), -HOUR) == local("2026-12-30 18:30")
