"""Settings of a calendar and durations: what is accepted, and what is said about mistakes."""

from datetime import date, timedelta

import pytest

from tests.unit.workhours.builders import local
from workhours import CalendarErrors, parse_calendar, parse_duration

GOOD = {"days": "mon-fri", "hours": "10:00-19:00"}


def mistakes(data, zone="Europe/Moscow"):
    with pytest.raises(CalendarErrors) as caught:
        parse_calendar("office", data, zone)
    return {error.key.removeprefix("workhours.office."): error.message for error in caught.value.errors}


def test_the_section_of_the_contract_is_understood():
    office = parse_calendar(
        "office",
        {
            "days": "mon-fri",
            "hours": "10:00-13:00, 14:00-19:00",
            "holidays": "RU",
            "exceptions": {"2026-12-31": "closed", "2027-01-09": "11:00-15:00"},
        },
        "Europe/Moscow",
    )
    assert office.name == "office"
    assert office.is_open(local("2026-11-23 12:59"))
    assert not office.is_open(local("2026-11-23 13:00"))
    assert not office.is_working_day(date(2026, 11, 4))
    assert office.is_open(local("2027-01-09 14:59"))


@pytest.mark.parametrize(
    ("days", "open_weekdays"),
    [
        ("mon-fri", [0, 1, 2, 3, 4]),
        ("mon-sun", [0, 1, 2, 3, 4, 5, 6]),
        ("sat,sun", [5, 6]),
        ("mon, wed-fri", [0, 2, 3, 4]),
        ("fri-mon", [0, 4, 5, 6]),
        ("Tue", [1]),
    ],
)
def test_days_are_named_singly_and_by_range(days, open_weekdays):
    office = parse_calendar("office", {**GOOD, "days": days, "holidays": "none"}, "Europe/Moscow")
    assert [n for n in range(7) if office.is_working_day(date(2026, 11, 23 + n))] == open_weekdays


def test_different_days_have_lines_of_their_own():
    week = [{"days": "mon-thu", "hours": "10:00-19:00"}, {"days": "fri", "hours": "10:00-18:00"}]
    office = parse_calendar("office", {"week": week}, "Europe/Moscow")
    assert office.is_open(local("2026-11-26 18:30"))
    assert not office.is_open(local("2026-11-27 18:30"))


def test_a_section_may_have_its_own_zone():
    office = parse_calendar("office", {**GOOD, "timezone": "Asia/Vladivostok"}, "Europe/Moscow")
    assert office.is_open(local("2026-11-23 03:00"))


def test_intervals_may_come_in_any_order_and_touch():
    office = parse_calendar("office", {**GOOD, "hours": "14:00-19:00,9:00–14:00"}, "Europe/Moscow")
    assert office.next_close(local("2026-11-23 10:00")) == local("2026-11-23 19:00")


@pytest.mark.parametrize(
    ("changed", "key", "mend"),
    [
        ({"hour": "10:00-19:00"}, "hour", "возможно, hours"),
        ({"colour": "red"}, "colour", "можно: days"),
        ({"days": "mon-fry"}, "days", "возможно, fri"),
        ({"days": "пн-пт"}, "days", "mon, tue"),
        ({"days": "mon-wed,tue"}, "days", "уберите повтор"),
        ({"days": ""}, "days", "mon-fri"),
        ({"days": 5}, "days", "кавычках"),
        ({"hours": ""}, "hours", "10:00-19:00"),
        ({"hours": "10-19"}, "hours", "пишите так: 10:00-19:00"),
        ({"hours": "10:00-25:00"}, "hours", "до 24:00"),
        ({"hours": "10:75-19:00"}, "hours", "до 24:00"),
        ({"hours": "24:00-06:00"}, "hours", "до 24:00"),
        ({"hours": "10:00-10:00"}, "hours", "00:00-24:00"),
        ({"hours": "10:00-14:00, 13:00-19:00"}, "hours", "пересекаются"),
        ({"hours": "22:00-06:00, 23:00-23:30"}, "hours", "пересекаются"),
        ({"holidays": "DE"}, "holidays", "RU или none"),
        ({"holidays": True}, "holidays", "кавычках"),
        ({"timezone": "Europe/Moskow"}, "timezone", "возможно, Europe/Moscow"),
        ({"timezone": ""}, "timezone", "Europe/Moscow"),
        ({"timezone": "../../etc/passwd"}, "timezone", "нет часового пояса"),
        ({"timezone": "Europe"}, "timezone", "нет часового пояса"),
        ({"exceptions": "2026-12-31"}, "exceptions", "таблица"),
        ({"exceptions": {"31.12.2026": "closed"}}, "exceptions.31.12.2026", "2026-12-31"),
        ({"exceptions": {"2026-12-31": "close"}}, "exceptions.2026-12-31", '"closed"'),
        ({"exceptions": {"2026-12-31": 0}}, "exceptions.2026-12-31", "кавычках"),
    ],
)
def test_a_mistake_names_its_key_and_its_mend(changed, key, mend):
    found = mistakes({**GOOD, **changed})
    assert list(found) == [key]
    assert mend in found[key]


@pytest.mark.parametrize(
    ("week", "key", "mend"),
    [
        ([{"days": "mon-fri"}], "week[0].hours", "10:00-19:00"),
        ([{"hours": "10:00-19:00"}], "week[0].days", "mon-fri"),
        ([GOOD, {"days": "fri", "hours": "09:00-10:00"}], "week[1].days", "fri уже задан"),
        ([{**GOOD, "day": "sat"}], "week[0].day", "возможно, days"),
        ([], "week", "список строк"),
        (["mon-fri"], "week", "список строк"),
        ("mon-fri", "week", "список строк"),
    ],
)
def test_a_mistake_in_a_line_names_the_line(week, key, mend):
    found = mistakes({"week": week})
    assert list(found) == [key]
    assert mend in found[key]


def test_lines_and_plain_days_exclude_each_other():
    assert set(mistakes({"week": [GOOD], "days": "sat"})) == {"days"}


def test_all_mistakes_are_told_at_once():
    data = {"days": "mon-fry", "hours": "x", "holidays": "DE", "exceptions": {"y": "z"}, "zone": "UTC"}
    assert set(mistakes(data, "Mars/Base")) == {"days", "hours", "holidays", "exceptions.y", "zone", "timezone"}


def test_an_empty_section_asks_for_days_and_hours():
    assert set(mistakes({})) == {"days", "hours"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("15s", 15), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("1h0m5s", 3605), (" 90m ", 5400), ("0m", 0)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "5", "m", "5 m", "-5m", "5m1h", "1.5h", "3d", "5М", "٥m", "9999999999h"])
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(ValueError, match="не длительность"):
        parse_duration(text)


def test_days_of_working_time_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="укажите часы"):
        parse_duration("3d")
