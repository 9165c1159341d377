"""The generated form: read as a browser reads it, filled in, and sent back through the connector."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from connectors.contract import HttpReply, HttpRequest, OpenState
from connectors.form.connector import FormConnector
from tests.connectors.form.conftest import OpenForm
from tests.connectors.form.harness import BROWSER, FORM, MONDAY_NOON, Hub, assert_problem, request


class Page(HTMLParser):
    """Fields with their values, labels, and what else a test asks about a page."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__()
        self.text = reply.body.decode()
        self.form: dict[str, str] = {}
        self.fields: dict[str, dict[str, str]] = {}
        self.values: dict[str, str] = {}
        self.labelled: set[str] = set()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self._select = ""
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag == "form":
            self.form = attributes
        elif tag == "label":
            self.labelled.add(attributes["for"])
        elif tag in ("input", "select", "textarea"):
            self.fields[attributes["name"]] = attributes
            if attributes.get("type") != "checkbox" or "checked" in attributes:
                self.values[attributes["name"]] = attributes.get("value", "")
            self._select = attributes["name"] if tag == "select" else ""
        elif tag == "option" and "selected" in attributes:
            self.values[self._select] = attributes["value"]

    def filled(self, **values: str) -> HttpRequest:
        """What a browser sends when the visitor presses the button."""
        assert self.form["method"] == "post"
        return request(urlencode(self.values | values).encode(), FORM, path=self.form["action"], **headers())


def headers(**more: str) -> dict[str, str]:
    browser = {name.replace("-", "_"): value for name, value in BROWSER.items()}
    return browser | {"origin": "https://hub.example", "referer": "https://hub.example/forms/site"} | more


async def open_page(form: FormConnector, query: dict[str, str] | None = None, **more: str) -> HttpReply:
    more = {name.replace("-", "_"): value for name, value in BROWSER.items()} | more
    return await form.receive(request(method="GET", path="/forms/site", content_type="", query=query, **more))


VISITOR = {
    "name": "Анна",
    "phone": "8 495 123-45-67",
    "equipment": "small",
    "comment": "Жду звонка",
    "consent": "true",
}


async def test_the_generated_form_posted_back_is_accepted(form: FormConnector, hub: Hub) -> None:
    query = {"page": "https://shop.example/lathe", "utm_source": "yandex", "utm_term": "станок", "evil": "x"}
    page = Page(await open_page(form, query))
    hub.passes(5)
    reply = await form.receive(page.filled(**VISITOR))
    assert (reply.status, reply.headers["Location"]) == (303, "/forms/site?firstline=ok")
    inbound = hub.only
    assert (inbound.sender.name, inbound.sender.phones) == ("Анна", ("8 495 123-45-67",))
    assert inbound.fields == {"equipment": "small", "consent": "true"}
    assert inbound.source.page == "https://shop.example/lathe"
    assert inbound.source.utm == {"source": "yandex", "term": "станок"}


async def test_after_the_post_the_page_says_thanks_and_the_next_opening(form: FormConnector, hub: Hub) -> None:
    hub.state = OpenState(open=False, next_open=MONDAY_NOON.replace(day=24, hour=7), next_close=None)
    reply = await open_page(form, {"firstline": "ok"})
    assert reply.status == 200
    assert "ответим завтра с\u00a010:00." in reply.body.decode()


async def test_a_form_sent_faster_than_a_hand_can_is_a_robots(form: FormConnector, hub: Hub) -> None:
    page = Page(await open_page(form))
    hub.passes(0.5)
    assert (await form.receive(page.filled(**VISITOR))).status == 303
    assert hub.only.fields["_robot"] == "too_fast"


async def test_a_form_of_another_process_is_taken_without_the_timing(open_form: OpenForm, hub: Hub) -> None:
    one, other = await open_form(), await open_form()
    await other.receive(Page(await open_page(one)).filled(**VISITOR))
    assert "_robot" not in hub.only.fields


async def test_processes_with_one_secret_know_each_others_forms(open_form: OpenForm, hub: Hub) -> None:
    one, other = await open_form(secret="s" * 16), await open_form(secret="s" * 16)
    await other.receive(Page(await open_page(one)).filled(**VISITOR))
    assert hub.only.fields["_robot"] == "too_fast"


async def test_mistakes_come_back_in_the_form_with_what_was_typed(form: FormConnector, hub: Hub) -> None:
    page = Page(await open_page(form, {"utm_source": "yandex"}))
    hub.passes(5)
    reply = await form.receive(page.filled(**VISITOR | {"phone": '"><b>12', "comment": "</textarea><script>"}))
    again = Page(reply)
    assert reply.status == 422
    assert again.fields["phone"]["aria-invalid"] == "true"
    assert again.fields["phone"]["aria-describedby"] in again.ids
    assert "Проверьте номер телефона" in again.text
    assert again.values["phone"] == '"><b>12'
    assert (again.values["name"], again.values["equipment"], again.values["consent"]) == ("Анна", "small", "true")
    assert "script" not in again.tags
    assert "&lt;/textarea&gt;" in again.text
    assert (await form.receive(again.filled(phone="+7 495 123-45-67", comment="Жду"))).status == 303
    assert hub.only.source.utm == {"source": "yandex"}


async def test_the_page_works_without_scripts_and_for_everybody(form: FormConnector) -> None:
    reply = await open_page(form)
    page = Page(reply)
    visible = {name: field for name, field in page.fields.items() if field.get("type") != "hidden"}
    assert set(visible) == {"name", "phone", "email", "equipment", "comment", "consent", "homepage_url"}
    assert all(field["id"] in page.labelled for field in visible.values())
    assert len(page.ids) == len(set(page.ids))
    assert {name for name, field in visible.items() if "required" in field} == {"name", "phone"}
    assert visible["phone"]["type"] == "tel"
    assert visible["homepage_url"]["tabindex"] == "-1"
    assert "script" not in page.tags
    assert '<html lang="ru">' in page.text


async def test_the_policy_lets_in_our_style_and_the_companys_frames_only(open_form: OpenForm) -> None:
    form = await open_form(origins=["https://shop.example"], redirect="https://thanks.example/ok")
    reply = await open_page(form)
    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
    style = re.search(r"<style>(.*?)</style>", reply.body.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'self' https://thanks.example",
        "frame-ancestors": "'self' https://shop.example",
    }
    assert Page(reply).form["target"] == "_top"


async def test_an_english_visitor_reads_english(form: FormConnector) -> None:
    page = Page(await open_page(form, accept_language="en-US"))
    assert '<html lang="en">' in page.text
    assert "Equipment type" in page.text
    assert not re.search("[а-яё]", page.text.replace("Иван", ""), re.IGNORECASE)


async def test_the_company_chooses_fields_and_words(open_form: OpenForm, hub: Hub) -> None:
    form = await open_form(
        consent="required",
        privacy_url="https://shop.example/privacy",
        equipment={"cnc": ["Станки с ЧПУ"]},
        texts={"title": "Заявка на станок", "submit": "Жду звонка", "thanks": "Перезвоним за час."},
        fields=[
            {"name": "email", "hide": True},
            {"name": "comment", "label": "Что нужно?"},
            {"name": "city", "label": "Город", "type": "select", "options": ["Тула", "Орёл"], "required": True},
            {"name": "plan", "label": "План цеха", "type": "file"},
        ],
    )
    page = Page(await open_page(form))
    assert {"city", "plan", "comment"} <= set(page.fields)
    assert "email" not in page.fields
    assert page.form["enctype"] == "multipart/form-data"
    assert all(words in page.text for words in ("Заявка на станок", "Жду звонка", "Что нужно?", "Станки с ЧПУ"))
    assert 'href="https://shop.example/privacy"' in page.text
    hub.passes(5)
    assert (await form.receive(page.filled(name="Анна", phone="84951234567"))).status == 422
    sent = page.filled(name="Анна", phone="84951234567", city="Орёл", consent="true", equipment="cnc")
    assert (await form.receive(sent)).status == 303
    assert "Перезвоним за час." in (await open_page(form, {"firstline": "ok"})).body.decode()


@pytest.mark.parametrize("query", [{"page": "x" * 5000}, {"utm_source": '"><script>'}, {"page": "\udcff"}])
async def test_the_address_of_the_frame_cannot_break_the_page(query: dict[str, str], form: FormConnector) -> None:
    page = Page(await open_page(form, query))
    assert "script" not in page.tags
    assert "_token" in page.values


async def test_a_framing_page_is_the_source_when_nothing_names_it(form: FormConnector) -> None:
    page = Page(await open_page(form, referer="https://shop.example/lathe"))
    assert page.values["page"] == "https://shop.example/lathe"


async def test_a_foreign_site_cannot_post_with_the_generated_forms_name(form: FormConnector, hub: Hub) -> None:
    sent = request(urlencode(VISITOR).encode(), FORM, origin="https://evil.example", accept="application/json")
    assert_problem(await form.receive(sent), 403)
    assert not hub.journal
