"""Small builders: calendars from settings, moments from local time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from workhours import Calendar, Updates, parse_calendar

MOSCOW = "Europe/Moscow"
BERLIN = "Europe/Berlin"


def calendar(days="mon-fri", hours="10:00-19:00", zone=MOSCOW, updates: Updates | None = None, **settings) -> Calendar:
    return parse_calendar("office", {"days": days, "hours": hours, **settings}, zone, updates or {})


def local(text: str, zone: str = MOSCOW, fold: int = 0) -> datetime:
    """The moment of "2026-11-23 10:00" on the wall clock of a zone, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)
