"""A member is on shift when both the own schedule and the queue are open."""

from datetime import timedelta

import pytest

from tests.unit.workhours.builders import calendar, local
from workhours import NeverOpens, OpenState, open_for

AT = "2026-11-23 12:00"


def test_shift_and_queue_give_their_common_hours():
    shift = open_for(calendar(hours="12:00-21:00"), calendar(hours="10:00-19:00"))
    assert not shift.is_open(local("2026-11-23 11:59"))
    assert shift.is_open(local("2026-11-23 12:00"))
    assert shift.state(local("2026-11-23 13:00")) == OpenState(
        open=True, next_open=local("2026-11-24 12:00"), next_close=local("2026-11-23 19:00")
    )
    assert shift.next_open(local("2026-11-20 19:00")) == local("2026-11-23 12:00")
    assert shift.between(local("2026-11-23 00:00"), local("2026-11-24 00:00")) == timedelta(hours=7)


def test_a_member_in_another_zone_shares_the_queue_for_part_of_the_day():
    yekaterinburg = calendar(zone="Asia/Yekaterinburg")
    shift = open_for(yekaterinburg, calendar())
    assert shift.zone == yekaterinburg.zone
    assert shift.next_open(local("2026-11-23 00:00")) == local("2026-11-23 10:00")
    assert shift.next_close(local("2026-11-23 12:00")) == local("2026-11-23 17:00")


def test_one_calendar_is_its_own_common_time():
    office = calendar()
    assert open_for(office) is office


def test_the_common_time_of_the_same_calendars_is_computed_once():
    one, other = calendar(), calendar(hours="12:00-15:00")
    assert open_for(one, other) is open_for(one, other)


def test_three_calendars_and_a_year_border():
    always = calendar(days="mon-sun", hours="00:00-24:00", holidays="none")
    night = calendar(days="mon-sun", hours="22:00-06:00", holidays="none")
    shift = open_for(always, night, always)
    assert shift.next_close(local("2026-12-31 23:00")) == local("2027-01-01 06:00")


def test_schedules_that_never_meet_never_open():
    shift = open_for(calendar(days="mon"), calendar(days="tue"))
    with pytest.raises(NeverOpens):
        shift.next_open(local(AT))
    with pytest.raises(NeverOpens):
        shift.add(local(AT), timedelta(minutes=1))
    assert shift.state(local(AT)) == OpenState(open=False, next_open=None, next_close=None)
