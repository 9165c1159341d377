"""What can be wrong with working time: a setting, a question outside the calendar, a calendar that never opens.

Settings are checked all at once, so that a person mends a file in one go: every mistake is a `CalendarError` and they
arrive together in `CalendarErrors`. Texts are Russian because ops read them at start.
"""

from __future__ import annotations

from collections.abc import Iterable


class CalendarError(ValueError):
    """One mistake in a setting: `key` says where it is, `message` what is wrong and how to mend it (Russian)."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key
        self.message = message


class CalendarErrors(ValueError):
    """All mistakes that were found in one calendar or one update file."""

    def __init__(self, errors: Iterable[CalendarError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


class NeverOpens(Exception):
    """The calendar has no working time within the searched horizon (at least two years)."""


class DateOutOfRange(ValueError):
    """The question leads outside the years that calendars cover."""
