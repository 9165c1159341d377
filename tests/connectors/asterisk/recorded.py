"""The recorded traffic and its ground truth, ready for tests: events of a trace, and a tracker run over them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.asterisk.calls import CallNews, CallTracker
from connectors.asterisk.legs import Event
from connectors.asterisk.settings import AsteriskSettings
from connectors.contract import CallFacts, CallOutcome, CallPhase, CallRequest

TRACES = Path(__file__).parent / "traces"
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads((TRACES / "expected.json").read_text("utf-8"))
SETTINGS = AsteriskSettings.model_validate({"username": "firstline", "secret": "secret"})
REQUEST = CallRequest(id="click2call-1", extension="101", number="+79161234567")

OUTCOMES = {
    "a_answered": (CallOutcome.ANSWERED, None),
    "a2_second_agent": (CallOutcome.ANSWERED, None),
    "b_abandoned": (CallOutcome.MISSED, "abandoned"),
    "b2_hangup_in_greeting": (CallOutcome.MISSED, "greeting"),
    "c_noanswer_voicemail": (CallOutcome.MISSED, "voicemail"),
    "d_out_of_hours": (CallOutcome.MISSED, "out_of_hours"),
    "e_two_simultaneous": (CallOutcome.ANSWERED, None),
    "f_blind_transfer": (CallOutcome.ANSWERED, None),
    "f2_attended_transfer": (CallOutcome.ANSWERED, None),
    "g_anonymous": (CallOutcome.ANSWERED, None),
    "g2_no_number": (CallOutcome.MISSED, "abandoned"),
    "h_click2call_answered": (CallOutcome.ANSWERED, None),
    "h3_click2call_agent_noanswer": (CallOutcome.NO_ANSWER, "agent_no_answer"),
    "i_restart_mid_call": (CallOutcome.ANSWERED, None),
    "i2_crash_mid_call": (CallOutcome.ANSWERED, "crash"),
    "k_hold": (CallOutcome.ANSWERED, None),
    "l_ringgroup_answered": (CallOutcome.ANSWERED, None),
    "o_internal": (CallOutcome.ANSWERED, None),
}
"""The ground truth's prose in the words of the contract."""


def parts(trace: str) -> list[Path]:
    """The files of a trace; more than one when the connection dropped."""
    return sorted(TRACES.glob(f"{trace}.part?.ami")) or [TRACES / f"{trace}.ami"]


def blocks(path: Path) -> list[Event]:
    """Every message of a file as headers, in order. Read without the product's parser on purpose."""
    found = []
    for block in path.read_bytes().split(b"\r\n\r\n"):
        pairs = [line.partition(": ") for line in block.decode().split("\r\n") if ": " in line]
        found.append({name: value for name, _, value in pairs})
    return [one for one in found if "Event" in one]


def without_timestamps(events: Iterable[Event]) -> list[tuple[Event, datetime]]:
    """The events as a default installation sends them, each with the moment of its arrival."""
    arrival, found = datetime(2026, 11, 22, tzinfo=UTC), []
    for event in events:
        if "Timestamp" in event:
            arrival = datetime.fromtimestamp(float(event["Timestamp"]), UTC)
        found.append(({name: value for name, value in event.items() if name != "Timestamp"}, arrival))
    return found


def run(trace: str, *, tracker: CallTracker | None = None) -> list[CallNews]:
    """What the tracker tells of a trace."""
    return play([blocks(path) for path in parts(trace)], tracker or CallTracker(SETTINGS))


def play(connections: Sequence[Sequence[Event]], tracker: CallTracker) -> list[CallNews]:
    """Feed connections one after the other; each later one begins with a reconciliation against an empty exchange."""
    tracker.expect(REQUEST, datetime(2026, 11, 22, tzinfo=UTC))
    news: list[CallNews] = []
    for number, events in enumerate(connections):
        known = tracker.open_calls
        for event in events:
            at = datetime.fromtimestamp(float(event.get("Timestamp", 0)), UTC)
            news += tracker.feed(event, at)
            if number and event["Event"] == "FullyBooted":
                booted = at - timedelta(seconds=int(event["Uptime"]))
                news += tracker.reconcile([], at, known=known, booted_at=booted)
    return news


def ended(news: Iterable[CallNews]) -> list[CallFacts]:
    return [one.facts for one in news if one.facts.phase is CallPhase.ENDED]


def assert_as_expected(trace: str, news: Iterable[CallNews], *, tolerance: float = 0.11) -> None:
    """Compare the ends of the calls with the ground truth; its figures are rounded to 0.1 s."""
    found = sorted(ended(news), key=lambda facts: facts.linkedid)
    wanted = sorted(EXPECTED[trace], key=lambda row: str(row["linkedid"]))
    assert [facts.linkedid for facts in found] == [row["linkedid"] for row in wanted]
    for facts, row in zip(found, wanted, strict=True):
        _assert_call(trace, facts, row, tolerance)


def _assert_call(trace: str, facts: CallFacts, row: dict[str, Any], tolerance: float) -> None:
    withheld = row["number"] in ("anonymous", "<unknown>")
    number = "+79161234567" if trace.startswith("h3") else row["number"]  # never dialled: known from our own request
    assert facts.number == (None if withheld else number)
    assert facts.direction == {"int": "internal"}.get(row["direction"], row["direction"])
    outcome, reason = OUTCOMES[trace]
    assert (facts.outcome, facts.reason) == (outcome, reason)
    for name in ("did", "answered_by", "last_agent", "queue"):
        assert getattr(facts, name) == row[name], name
    assert list(facts.rang) == row["rang"]
    assert facts.voicemail == (trace == "c_noanswer_voicemail")
    assert abs(facts.started_at.timestamp() - row["start"]) < tolerance
    _assert_close(facts.talk_seconds, row["talk_seconds"], tolerance)
    _assert_close(facts.wait_seconds, _wait_of(trace, row), tolerance)
    total = (facts.ended_at - facts.started_at).total_seconds() if facts.ended_at else None
    _assert_close(total, row["total_seconds"], tolerance)


def _wait_of(trace: str, row: dict[str, Any]) -> float | None:
    if row["seconds_to_answer"] is not None:
        return float(row["seconds_to_answer"])
    if trace == "c_noanswer_voicemail":
        return 28.5  # 3.5 s of greeting and 25 s in the queue, then the voicemail began
    return float(row["total_seconds"])


def _assert_close(found: float | None, wanted: float | None, tolerance: float) -> None:
    assert (found is None) == (wanted is None), (found, wanted)
    if found is not None and wanted is not None:
        assert abs(found - wanted) <= tolerance, (found, wanted)
