"""Working time: calendars, the Russian production calendar, arithmetic over working hours, the clock.

All deadlines and response times of the system are counted here. The room knows nothing of leads and imports nothing of
the project.
"""

from workhours.calendar import Calendar
from workhours.clock import Clock, ManualClock, SystemClock
from workhours.combined import Combined, open_for
from workhours.errors import CalendarError, CalendarErrors, DateOutOfRange, NeverOpens
from workhours.parse import parse_calendar, parse_duration
from workhours.phrase import duration_phrase, opening_phrase
from workhours.production import Updates, is_published
from workhours.timeline import OpenState, WorkTime
from workhours.updates import load_updates

__all__ = [
    "Calendar",
    "CalendarError",
    "CalendarErrors",
    "Clock",
    "Combined",
    "DateOutOfRange",
    "ManualClock",
    "NeverOpens",
    "OpenState",
    "SystemClock",
    "Updates",
    "WorkTime",
    "duration_phrase",
    "is_published",
    "load_updates",
    "open_for",
    "opening_phrase",
    "parse_calendar",
    "parse_duration",
]
