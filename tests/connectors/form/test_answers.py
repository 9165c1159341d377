"""What a visitor, his browser or the site's script gets back: acknowledgements, ways back, CORS, the next opening."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.contract import Connector, HealthState, OpenState, Receives
from connectors.form.connector import FormConnector
from connectors.form.texts import TEXTS, choose_language
from tests.connectors.form.conftest import OpenForm
from tests.connectors.form.harness import (
    BROWSER,
    CONTACT,
    MONDAY_NOON,
    Hub,
    assert_problem,
    content,
    form_post,
    json_post,
    request,
)

SHOP = "https://shop.example"


async def test_a_running_form_is_up_and_cannot_reply(form: FormConnector, hub: Hub) -> None:
    assert hub.health == [HealthState.UP]
    assert not form.capabilities.can_reply
    assert isinstance(form, Connector)
    assert isinstance(form, Receives)


async def test_the_same_key_answers_the_same_id_and_adds_nothing(form: FormConnector, hub: Hub) -> None:
    first = await form.receive(json_post(CONTACT, idempotency_key="k1"))
    hub.passes(86_400)
    again = await form.receive(json_post(CONTACT | {"comment": "ещё раз"}, idempotency_key="k1", remote="198.51.100.1"))
    by_field = await form.receive(json_post(CONTACT | {"submission_id": "k1"}))
    other = await form.receive(json_post(CONTACT, idempotency_key="k2"))
    assert content(first)["id"] == content(again)["id"] == content(by_field)["id"] != content(other)["id"]
    assert len(hub.journal) == 2


async def test_a_double_click_is_one_application(form: FormConnector, hub: Hub) -> None:
    first, second = await asyncio.gather(form.receive(json_post(CONTACT)), form.receive(json_post(CONTACT)))
    hub.passes(9)
    third = await form.receive(json_post(CONTACT))
    assert content(first)["id"] == content(second)["id"] == content(third)["id"]
    assert len(hub.journal) == 1


@pytest.mark.parametrize(
    "second",
    [
        pytest.param((CONTACT | {"comment": "и ещё"}, {}), id="other words"),
        pytest.param((CONTACT, {"remote": "198.51.100.1"}), id="another visitor"),
        pytest.param((CONTACT, {"user_agent": "other"}), id="another browser behind the same address"),
        pytest.param((CONTACT, {"later": 11}), id="later"),
    ],
)
async def test_a_repeat_with_a_reason_is_kept(
    second: tuple[dict[str, str], dict[str, Any]], form: FormConnector, hub: Hub
) -> None:
    await form.receive(json_post(CONTACT))
    fields, options = second
    hub.passes(options.pop("later", 0) if "later" in options else 0)
    await form.receive(json_post(fields, **options))
    assert len(hub.journal) == 2


@pytest.mark.parametrize("origin", [SHOP, "https://hub.example", "http://hub.example", None])
async def test_allowed_pages_and_servers_may_post(origin: str | None, form: FormConnector) -> None:
    headers = {"origin": origin} if origin else {}
    reply = await form.receive(json_post(CONTACT, **headers))
    assert reply.status == 202
    assert reply.headers["Vary"] == "Origin"
    assert reply.headers.get("Access-Control-Allow-Origin") == origin
    assert "Access-Control-Allow-Credentials" not in reply.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://shop.example", "https://shop.example:8443", "https://shop.example.evil.example",
     "https://sub.shop.example", "null", ""],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
async def test_a_foreign_page_is_refused(method: str, origin: str, form: FormConnector, hub: Hub) -> None:
    reply = await form.receive(json_post(CONTACT, origin=origin, method=method))
    assert_problem(reply, 403)
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert not hub.journal


async def test_without_origins_only_the_hubs_own_pages_may_post(open_form: OpenForm) -> None:
    form = await open_form()
    assert (await form.receive(json_post(CONTACT, origin="https://hub.example"))).status == 202
    assert_problem(await form.receive(json_post(CONTACT, origin=SHOP)), 403)


async def test_a_star_lets_every_page_post(open_form: OpenForm) -> None:
    form = await open_form(origins=["*"])
    reply = await form.receive(json_post(CONTACT, origin="https://any.example"))
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (202, "*")


async def test_a_preflight_allows_json_with_a_key(form: FormConnector) -> None:
    reply = await form.receive(
        request(method="OPTIONS", origin=SHOP, access_control_request_method="POST", content_type="")
    )
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert {"Content-Type", "Idempotency-Key"} <= set(reply.headers["Access-Control-Allow-Headers"].split(", "))
    assert reply.headers["Vary"] == "Origin"


async def test_the_page_can_read_what_is_wrong(form: FormConnector) -> None:
    reply = await form.receive(json_post({}, origin=SHOP))
    assert_problem(reply, 422)
    assert reply.headers["Access-Control-Allow-Origin"] == SHOP


BACK: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "to the referring page": ({}, {"referer": f"{SHOP}/a?b=1"}, f"{SHOP}/a?b=1&firstline=ok"),
    "marked once": ({}, {"referer": f"{SHOP}/a?firstline=ok"}, f"{SHOP}/a?firstline=ok"),
    "to the page that the form names": ({"page": f"{SHOP}/станки"}, {"referer": f"{SHOP}/"},
        f"{SHOP}/%D1%81%D1%82%D0%B0%D0%BD%D0%BA%D0%B8?firstline=ok"),
    "to the wished page": ({"_redirect": f"{SHOP}/thanks#top"}, {"referer": f"{SHOP}/a"},
        f"{SHOP}/thanks?firstline=ok#top"),
    "to the hub's own page": ({"_redirect": "/forms/site"}, {}, "/forms/site?firstline=ok"),
    "without the name in the address": ({"_redirect": "https://user:pw@shop.example/a"}, {},
        f"{SHOP}/a?firstline=ok"),
}  # fmt: skip


@pytest.mark.parametrize("label", BACK)
async def test_a_plain_form_goes_back(label: str, form: FormConnector, hub: Hub) -> None:
    fields, headers, location = BACK[label]
    reply = await form.receive(form_post(CONTACT | fields, **headers))
    assert (reply.status, reply.headers["Location"]) == (303, location)
    assert len(hub.journal) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/", "//evil.example/", "/\\evil.example", "https://shop.example@evil.example/",
        "\\\\evil.example",
        "https://evil.example\\@shop.example/", "javascript:alert(1)", "https://shop.example.evil.example/",
        "https://shop.example/\r\nSet-Cookie: a=b", "http://[", "///evil.example", "shop.example",
    ],
)  # fmt: skip
async def test_nobody_is_sent_to_a_foreign_page(target: str, form: FormConnector) -> None:
    reply = await form.receive(form_post(CONTACT | {"_redirect": target, "page": target}))
    assert reply.status == 200
    assert "Location" not in reply.headers
    assert "Спасибо!" in reply.body.decode()


async def test_a_star_sends_each_visitor_only_where_he_came_from(open_form: OpenForm) -> None:
    form = await open_form(origins=["*"])
    other = form_post(CONTACT | {"_redirect": "https://evil.example/"}, origin=SHOP, referer=f"{SHOP}/a")
    assert (await form.receive(other)).headers["Location"] == f"{SHOP}/a?firstline=ok"


async def test_the_settings_may_name_the_page_of_thanks(open_form: OpenForm) -> None:
    form = await open_form(origins=[SHOP], redirect="https://thanks.example/ok")
    reply = await form.receive(form_post(CONTACT, referer=f"{SHOP}/a"))
    assert reply.headers["Location"] == "https://thanks.example/ok?firstline=ok"


@pytest.mark.parametrize(
    "headers",
    [{"sec_fetch_mode": "cors"}, {"x_requested_with": "XMLHttpRequest"}, {"accept": "application/json"}],
)
async def test_a_script_that_sends_a_form_gets_json(headers: dict[str, str], form: FormConnector) -> None:
    reply = await form.receive(form_post(CONTACT, referer=f"{SHOP}/a", **headers))
    assert (reply.status, reply.content_type) == (202, "application/json; charset=utf-8")


async def test_a_plain_form_with_mistakes_gets_a_page_that_lists_them(form: FormConnector, hub: Hub) -> None:
    fields = {"name": "", "phone": "<script>", "q" * 70: "x"}
    reply = await form.receive(form_post(fields, referer=f"{SHOP}/a"))
    page = reply.body.decode()
    assert (reply.status, reply.content_type) == (422, "text/html; charset=utf-8")
    assert "Заполните это поле." in page
    assert "Проверьте номер телефона" in page
    assert f'href="{SHOP}/a"' in page
    assert "<script" not in page
    assert not hub.journal


OPENINGS = [
    ("2026-11-23T06:00", "2026-11-23T07:00", "ответим сегодня с\u00a010:00."),
    ("2026-11-23T17:00", "2026-11-24T07:00", "ответим завтра с\u00a010:00."),
    ("2026-11-20T20:00", "2026-11-23T07:00", "ответим в понедельник, 23\u00a0ноября, с\u00a010:00."),
    ("2026-12-31T12:00", "2027-01-12T07:30", "ответим во вторник, 12\u00a0января, с\u00a010:30."),
    ("2026-11-22T21:30", "2026-11-23T07:00", "ответим сегодня с\u00a010:00."),  # Monday has begun in Moscow
]


@pytest.mark.parametrize(("now", "opening", "sentence"), OPENINGS)
async def test_a_closed_company_names_its_next_opening(
    now: str, opening: str, sentence: str, form: FormConnector, hub: Hub
) -> None:
    hub.moment = datetime.fromisoformat(now + "+00:00")
    hub.state = OpenState(open=False, next_open=datetime.fromisoformat(opening + "+00:00"), next_close=None)
    message = content(await form.receive(json_post(CONTACT)))["message"]
    assert message.startswith("Спасибо! Мы получили вашу заявку. Сейчас нерабочее время: ")
    assert message.endswith(sentence)


async def test_an_english_visitor_is_answered_in_english(form: FormConnector, hub: Hub) -> None:
    hub.state = OpenState(open=False, next_open=MONDAY_NOON + timedelta(days=3), next_close=None)
    reply = await form.receive(json_post(CONTACT, accept_language="en-US,en;q=0.9,ru;q=0.1"))
    assert content(reply)["message"].endswith("will answer on Thursday, 26\u00a0November, from\u00a012:00.")


async def test_the_calendar_is_asked_again_when_it_changes(form: FormConnector, hub: Hub) -> None:
    closing = MONDAY_NOON + timedelta(seconds=4)
    hub.state = OpenState(open=True, next_open=None, next_close=closing)
    open_answer = content(await form.receive(json_post(CONTACT)))["message"]
    await form.receive(json_post(CONTACT))
    assert hub.calendar_asked == 1
    hub.passes(4)
    hub.state = OpenState(open=False, next_open=MONDAY_NOON + timedelta(days=1), next_close=None)
    assert content(await form.receive(json_post(CONTACT)))["message"] != open_answer


async def test_a_broken_calendar_does_not_lose_the_answer(form: FormConnector, hub: Hub) -> None:
    hub.state = RuntimeError("no calendar")
    reply = await form.receive(json_post(CONTACT))
    assert reply.status == 202
    assert content(reply)["message"] == "Спасибо! Мы получили вашу заявку и ответим в ближайшее время."


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "ru"), ("en", "en"), ("en-GB,ru;q=0.5", "en"), ("ru,en", "ru"), ("de,fr", "ru"), ("de, en;q=0.3", "en"),
     ("en;q=nonsense", "ru"), ("*", "ru")],
)  # fmt: skip
def test_the_language_is_the_browsers(header: str, language: str) -> None:
    assert choose_language(header) == language


def test_every_sentence_is_there_in_both_languages() -> None:
    assert TEXTS["ru"].keys() == TEXTS["en"].keys()
    assert all(TEXTS["ru"][code].count("{value}") == TEXTS["en"][code].count("{value}") for code in TEXTS["ru"])


async def test_a_browser_gets_pages_for_other_refusals_too(open_form: OpenForm) -> None:
    form = await open_form(rate_limit="1/min")
    await form.receive(form_post(CONTACT))
    reply = await form.receive(form_post(CONTACT))
    assert (reply.status, reply.headers["Retry-After"]) == (429, "60")
    assert "Слишком много заявок" in reply.body.decode()
    assert BROWSER["accept"].startswith("text/html")
