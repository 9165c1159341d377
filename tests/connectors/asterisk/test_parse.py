"""A phase becomes one inbound, and what callers put into names and numbers stays harmless."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.asterisk.book import known_name
from connectors.asterisk.calls import CallTracker
from connectors.asterisk.handlers import is_wanted
from connectors.asterisk.parse import plain, to_inbound
from connectors.asterisk.settings import AsteriskSettings
from connectors.asterisk.tables import channel_name, known_number
from connectors.contract import InboundKind
from tests.connectors.asterisk.recorded import SETTINGS, run
from tests.connectors.asterisk.synthetic import IncomingCall

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_incoming_call_becomes_an_inbound_of_the_phone_channel() -> None:
    inbound = to_inbound("office-phone", run("a_answered")[0])

    assert (inbound.channel, inbound.kind, inbound.external_id) == ("phone", InboundKind.CALL, "1795344615.0:started")
    assert (inbound.sender.phones, inbound.source.did) == (("+79161234567",), "74952280001")
    assert inbound.occurred_at.timestamp() == pytest.approx(1795344615.834, abs=0.01)


def test_external_ids_are_the_same_for_whoever_listens() -> None:
    first = [to_inbound("p", one).id for one in run("f_blind_transfer")]

    assert first == [to_inbound("p", one).id for one in run("f_blind_transfer")]
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("trace", ["g_anonymous", "g2_no_number"])
def test_withheld_number_is_no_number(trace: str) -> None:
    assert {to_inbound("p", one).sender.phones for one in run(trace)} == {()}


@pytest.mark.parametrize(
    "value",
    ["", " ", "anonymous", "Anonymous", "<unknown>", "unknown", "Restricted", "PRIVATE", "unavailable", "s", None],
)
def test_words_for_a_withheld_number(value: str | None) -> None:
    assert known_number(value) is None


def test_internal_call_has_no_sender() -> None:
    sender = to_inbound("p", run("o_internal")[0]).sender

    assert (sender.name, sender.phones) == (None, ())


def test_name_is_cleaned_and_short() -> None:
    name = "Иван\x00\x1b[31m\u202e Петров" + "х" * 500
    news = CallTracker(SETTINGS).feed(IncomingCall(1, "+79161234567", name=name).arrive()[0], AT)

    sent = to_inbound("p", news[0]).sender.name

    assert sent is not None
    assert sent.startswith("Иван [31m Петровх")
    assert len(sent) == 120


@pytest.mark.parametrize("value", ["+79161234567", "<unknown>", "Anonymous", "", "12-34"])
def test_number_in_place_of_a_name_is_no_name(value: str) -> None:
    assert known_name(value) is None


def test_plain_squeezes_blanks_and_drops_controls() -> None:
    assert plain(" a\r\n\tb\u200b ", 10) == "a b"


@pytest.mark.parametrize(
    "name", ["FIRSTLINE_REASON", "__FIRSTLINE_REQUEST", "__FROM_DID", "MIXMONITOR_FILENAME", "VMSTATUS"]
)
def test_variables_of_calls_are_parsed(name: str) -> None:
    assert is_wanted(f"Event: VarSet\r\nChannel: PJSIP/1\r\nVariable: {name}\r\nValue: x".encode())


def test_rest_of_the_traffic_is_dropped_unparsed() -> None:
    for raw in (b"Event: VarSet\r\nVariable: RTPAUDIOQOS\r\nValue: FROM_DID", b"Event: RTCPSent\r\nChannel: PJSIP/1"):
        assert not is_wanted(raw)


@pytest.mark.parametrize(
    ("name", "tech", "peer", "half"),
    [
        ("PJSIP/101-0000001a", "PJSIP", "101", None),
        ("Local/102@from-queue-0000000b;2", "Local", "102", "2"),
        ("PJSIP/office-101-0000001a", "PJSIP", "office-101", None),
        ("PJSIP/101", "PJSIP", "101", None),
        ("IAX2/branch-12345", "IAX2", "branch", None),
        ("none", "", "none", None),
    ],
)
def test_channel_names(name: str, tech: str, peer: str, half: str | None) -> None:
    found = channel_name(name)

    assert (found.tech, found.peer, found.half) == (tech, peer, half)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("originate_channel", "PJSIP/{phone}"),
        ("originate_number", "{number"),
        ("recording_url", "https://x/{secret}"),
        ("extension_pattern", "("),
        ("originate_context", "a\r\nb"),
        ("publish_hours", "a b"),
        ("ping_interval", 60),
        ("unknown_key", 1),
    ],
)
def test_wrong_setting_is_refused_at_the_start(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        AsteriskSettings.model_validate({"username": "u", "secret": "s", key: value})


def test_secret_is_not_shown() -> None:
    settings = AsteriskSettings.model_validate({"username": "u", "secret": "hunter2"})

    assert "hunter2" not in repr(settings)
