"""Robots, floods, and the settings that hold them off."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.form.connector import FormConnector
from connectors.form.guard import DoubleClicks, RateLimit, TimeToken, visitor_of
from connectors.form.settings import FormSettings
from tests.connectors.form.conftest import OpenForm
from tests.connectors.form.harness import CONTACT, Hub, assert_problem, content, json_post, multipart, request


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"homepage_url": "http://spam.example"}, "honeypot"),
        ({"comment": "http://a.example https://b.example www.c.example http://d.example"}, "links"),
        ({"name": "Выигрыш http://a.example"}, "links"),
    ],
)
async def test_a_robot_is_answered_like_anybody_and_handed_in_with_the_reason(
    fields: dict[str, str], reason: str, form: FormConnector, hub: Hub
) -> None:
    reply = await form.receive(json_post(CONTACT | fields))
    assert reply.status == 202
    assert content(reply)["message"].startswith("Спасибо!")
    assert hub.only.fields == {"_robot": reason}
    assert hub.counted == ["robot"]


async def test_people_are_no_robots(form: FormConnector, hub: Hub) -> None:
    await form.receive(json_post(CONTACT | {"homepage_url": "", "comment": "Как тут https://shop.example/lathe"}))
    assert hub.only.fields == {}


async def test_files_of_robots_are_not_kept(form: FormConnector, hub: Hub) -> None:
    parts = [(name, None, value.encode()) for name, value in CONTACT.items()]
    await form.receive(request(*multipart(*parts, ("homepage_url", None, b"x"), ("plan", "a.exe", b"MZ"))))
    assert hub.only.fields == {"_robot": "honeypot"}
    assert not hub.blobs.kept


async def test_a_flood_is_refused_until_its_time_has_passed(open_form: OpenForm, hub: Hub) -> None:
    form = await open_form(rate_limit="3/min", double_click_seconds=0)
    for _ in range(3):
        assert (await form.receive(json_post(CONTACT))).status == 202
    reply = await form.receive(json_post(CONTACT))
    assert_problem(reply, 429)
    assert reply.headers["Retry-After"] == "20"
    assert (await form.receive(json_post(CONTACT, remote="198.51.100.1"))).status == 202
    hub.passes(19)
    assert_problem(await form.receive(json_post(CONTACT)), 429)
    hub.passes(1)
    assert (await form.receive(json_post(CONTACT))).status == 202
    assert hub.counted == ["rate_limited", "rate_limited"]
    assert len(hub.journal) == 5


async def test_the_rate_may_be_off(open_form: OpenForm, hub: Hub) -> None:
    form = await open_form(rate_limit="off", double_click_seconds=0)
    replies = [await form.receive(json_post(CONTACT)) for _ in range(100)]
    assert {reply.status for reply in replies} == {202}
    assert len(hub.journal) == 100


def test_an_ipv6_visitor_is_his_network() -> None:
    assert visitor_of("2001:db8:1:2::1") == visitor_of("2001:db8:1:2:ffff::9") != visitor_of("2001:db8:1:3::1")
    assert visitor_of("::ffff:203.0.113.7") == visitor_of("203.0.113.7")
    assert visitor_of("::ffff:203.0.113.7") != visitor_of("::ffff:203.0.113.8")
    assert visitor_of("no:address") == "no:address"


def test_the_limit_forgets_visitors_who_are_long_gone() -> None:
    limit = RateLimit(1, 60)
    for number in range(25_000):
        assert limit.wait(f"visitor {number}", number) == 0
    assert len(limit._due) <= 10_001


def test_double_clicks_are_forgotten_when_their_time_is_over() -> None:
    clicks = DoubleClicks(10)
    ids = {clicks.external_id(number.to_bytes(2, "big"), number) for number in range(5_000)}
    assert len(ids) == 5_000
    assert len(clicks._first) <= 12


def test_an_old_click_counts_no_more_even_while_it_is_remembered() -> None:
    clicks = DoubleClicks(10)
    first, second, third = (clicks.external_id(digest, 0) for digest in (b"1", b"2", b"3"))
    assert len({first, second, third}) == 3
    assert clicks.external_id(b"3", 9.9) == third
    assert clicks.external_id(b"3", 10.1) not in (first, second, third)


def test_a_time_token_is_ours_only_with_our_signature() -> None:
    token = TimeToken(b"a" * 16).issue(1000.0)
    assert TimeToken(b"a" * 16).age(token, 1003.5) == 3.5
    assert TimeToken(b"b" * 16).age(token, 1003.5) is None
    moment, _, signature = token.partition(".")
    assert TimeToken(b"a" * 16).age(f"{int(moment, 16) - 5000:x}.{signature}", 1003.5) is None
    assert TimeToken(b"a" * 16).age("", 1003.5) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rate_limit", "30"), ("rate_limit", "0/min"), ("rate_limit", "5/day"), ("origins", ["shop.example"]),
        ("origins", ["https://shop.example/"]), ("origins", ["ftp://shop.example"]), ("redirect", "/thanks"),
        ("redirect", "javascript:alert(1)"), ("timezone", "Mars/Olympus"), ("timezone", "../etc"),
        ("consent", "maybe"), ("honeypot", ""), ("privacy_url", "javascript:alert(1)"), ("origin", ["https://shop.example"]),
        ("secret", "short"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_an_error_that_names_it(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        FormSettings(**{key: value})
    assert caught.value.errors()[0]["loc"][0] == key


def test_origins_are_compared_as_browsers_write_them() -> None:
    settings = FormSettings(origins=("https://Shop.Example:443", "https://пример.рф", "http://127.0.0.1:8000"))
    assert settings.origins == ("https://shop.example", "https://xn--e1afmkfd.xn--p1ai", "http://127.0.0.1:8000")
