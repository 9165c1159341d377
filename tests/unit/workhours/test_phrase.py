"""How the next opening and a duration are said."""

from datetime import timedelta

import pytest

from tests.unit.workhours.builders import MOSCOW, calendar, local
from workhours import duration_phrase, opening_phrase

ZONE = calendar(zone=MOSCOW).zone


@pytest.mark.parametrize(
    ("opening", "russian", "english"),
    [
        ("2026-11-23 10:00", "сегодня с 10:00", "today from 10:00"),
        ("2026-11-24 09:30", "завтра с 09:30", "tomorrow from 09:30"),
        ("2026-11-25 10:00", "в среду с 10:00", "on Wednesday from 10:00"),
        ("2026-11-26 10:00", "в четверг с 10:00", "on Thursday from 10:00"),
        ("2026-11-27 10:00", "в пятницу с 10:00", "on Friday from 10:00"),
        ("2026-11-28 10:00", "в субботу с 10:00", "on Saturday from 10:00"),
        ("2026-11-29 10:00", "в воскресенье с 10:00", "on Sunday from 10:00"),
        ("2026-11-30 10:00", "30 ноября с 10:00", "on 30 November from 10:00"),
        ("2027-01-12 10:00", "12 января с 10:00", "on 12 January from 10:00"),
    ],
)
def test_an_opening_is_said_as_people_say_it_on_monday(opening, russian, english):
    now = local("2026-11-23 08:00")
    assert opening_phrase(local(opening), now, ZONE) == russian
    assert opening_phrase(local(opening), now, ZONE, "en") == english


def test_on_friday_evening_the_office_opens_on_monday_and_on_sunday_on_tuesday():
    assert opening_phrase(local("2026-11-23 10:00"), local("2026-11-20 20:00"), ZONE) == "в понедельник с 10:00"
    assert opening_phrase(local("2026-11-24 10:00"), local("2026-11-22 20:00"), ZONE) == "во вторник с 10:00"


def test_today_and_tomorrow_are_those_of_the_calendar_not_of_utc():
    # 23:30 UTC on Sunday is Monday already in Moscow.
    assert opening_phrase(local("2026-11-23 10:00"), local("2026-11-23 02:30"), ZONE) == "сегодня с 10:00"


def test_a_month_name_has_its_case():
    assert opening_phrase(local("2027-05-12 10:00"), local("2026-11-23 08:00"), ZONE) == "12 мая с 10:00"


@pytest.mark.parametrize(
    ("length", "russian", "english"),
    [
        (timedelta(0), "0 минут", "0 minutes"),
        (timedelta(seconds=1), "1 секунда", "1 second"),
        (timedelta(seconds=42), "42 секунды", "42 seconds"),
        (timedelta(minutes=1, seconds=59), "1 минута", "1 minute"),
        (timedelta(minutes=2), "2 минуты", "2 minutes"),
        (timedelta(minutes=5), "5 минут", "5 minutes"),
        (timedelta(minutes=11), "11 минут", "11 minutes"),
        (timedelta(minutes=21), "21 минута", "21 minutes"),
        (timedelta(hours=1, minutes=20), "1 час 20 минут", "1 hour 20 minutes"),
        (timedelta(hours=3), "3 часа", "3 hours"),
        (timedelta(hours=12, minutes=54), "12 часов 54 минуты", "12 hours 54 minutes"),
        (timedelta(days=4, hours=15), "111 часов", "111 hours"),
        (timedelta(days=5, hours=1), "121 час", "121 hours"),
        (-timedelta(minutes=5), "5 минут", "5 minutes"),
    ],
)
def test_a_duration_has_the_right_plural(length, russian, english):
    assert duration_phrase(length) == russian
    assert duration_phrase(length, "en") == english
