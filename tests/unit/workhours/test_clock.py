"""Clocks that are handed to domain code."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.workhours.builders import local
from workhours import ManualClock, SystemClock


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock(local("2026-11-23 10:00"))
    assert clock.now() == clock.now() == datetime(2026, 11, 23, 7, tzinfo=UTC)
    clock.advance(timedelta(minutes=5))
    assert clock.now() == datetime(2026, 11, 23, 7, 5, tzinfo=UTC)
    clock.set(local("2027-01-01 00:00"))
    assert clock.now() == datetime(2026, 12, 31, 21, tzinfo=UTC)


def test_a_manual_clock_answers_in_utc_whatever_it_was_set_to():
    clock = ManualClock(datetime.fromisoformat("2026-11-23T10:00:00+03:00"))
    assert clock.now().tzinfo is UTC


def test_a_moment_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(datetime.fromisoformat("2026-11-23T10:00:00"))


def test_the_system_clock_is_the_machine_s_in_utc():
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)
