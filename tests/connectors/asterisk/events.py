"""Builders of AMI events for calls that no recording holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectors.asterisk.calls import CallNews, CallTracker
from connectors.asterisk.legs import Event
from connectors.asterisk.settings import AsteriskSettings
from connectors.contract import CallFacts
from tests.connectors.asterisk.recorded import SETTINGS, ended

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


def channel(name: str, uid: str, root: str = "1.0", *, state: int = 6, caller: str = "", at: str = "day,s") -> Event:
    """Channel headers; `at` is context and extension."""
    context, exten = at.split(",")
    ids = {"Channel": name, "Uniqueid": uid, "Linkedid": root, "ChannelState": str(state)}
    return {**ids, "CallerIDNum": caller or "<unknown>", "Context": context, "Exten": exten}


def dest(headers: Event) -> Event:
    return {f"Dest{name}": value for name, value in headers.items()}


def event(name: str, headers: Event, called: Event | None = None, **more: str) -> Event:
    return {"Event": name, **headers, **(dest(called) if called else {}), **more}


def tell(*events: Event, settings: AsteriskSettings = SETTINGS, tracker: CallTracker | None = None) -> list[CallNews]:
    """One event a second."""
    tracker = tracker or CallTracker(settings)
    found = []
    for second, one in enumerate(events):
        found += tracker.feed(one, AT + timedelta(seconds=second))
    return found


def with_settings(**more: object) -> AsteriskSettings:
    return AsteriskSettings.model_validate({"username": "u", "secret": "s", **more})


def end_of(news: list[CallNews]) -> CallFacts:
    (facts,) = ended(news)
    return facts
