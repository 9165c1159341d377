"""What a good post becomes: the contact, the source, the further fields, files."""

from __future__ import annotations

import json
from urllib.parse import quote_plus, urlencode

import pytest

from connectors.contract import HttpRequest, InboundKind, Sender
from connectors.form.connector import FormConnector
from connectors.form.parse import is_phone
from tests.connectors.form.conftest import OpenForm
from tests.connectors.form.harness import (
    CONTACT,
    FORM,
    MONDAY_NOON,
    Hub,
    assert_problem,
    content,
    form_post,
    json_post,
    multipart,
    request,
)

CYRILLIC = {"name": "Пётр", "phone": "+7 916 123-45-67", "comment": "Нужен станок №5 — «большой»"}


async def test_a_full_post_becomes_an_inbound_with_everything_said(form: FormConnector, hub: Hub) -> None:
    reply = await form.receive(
        json_post(
            CONTACT
            | {
                "email": "ivan@example.ru",
                "equipment": "large",
                "comment": "Нужен станок\nсрочно",
                "consent": True,
                "page": "https://shop.example/lathe",
                "referrer": "https://ya.ru/",
                "utm_source": "yandex",
                "utm_medium": "cpc",
                "city": "Тула",
                "rooms": 3,
                "area": 12.5,
                "urgent": False,
                "note": None,
            }
        )
    )
    assert reply.status == 202
    inbound = hub.only
    assert content(reply)["id"] == inbound.id
    assert (inbound.connector, inbound.channel, inbound.kind) == ("site", "form", InboundKind.FORM)
    assert inbound.occurred_at == MONDAY_NOON
    assert inbound.sender == Sender(name="Иван Петров", phones=("8 (916) 123-45-67",), emails=("ivan@example.ru",))
    assert inbound.text == "Нужен станок\nсрочно"
    assert (inbound.source.page, inbound.source.referrer) == ("https://shop.example/lathe", "https://ya.ru/")
    assert inbound.source.utm == {"source": "yandex", "medium": "cpc"}
    assert inbound.fields == {
        "equipment": "large", "consent": "true", "city": "Тула",
        "rooms": "3", "area": "12.5", "urgent": "false", "note": "",
    }  # fmt: skip


def in_charset(charset: str, declared: str) -> HttpRequest:
    body = urlencode(CYRILLIC, encoding=charset)
    return request(body.encode(), f"{FORM}; charset={declared}" if declared else FORM)


SAME_CONTACT: dict[str, HttpRequest] = {
    "JSON": json_post(CYRILLIC),
    "JSON with BOM": request(b"\xef\xbb\xbf" + json.dumps(CYRILLIC).encode()),
    "JSON with a charset": json_post(CYRILLIC, content_type="application/json; charset=UTF-8"),
    "JSON in cp1251": request(json.dumps(CYRILLIC, ensure_ascii=False).encode("cp1251"),
                              "application/json; charset=windows-1251"),
    "JSON of a vendor": json_post(CYRILLIC, content_type="application/vnd.api+json"),
    "JSON by sendBeacon": json_post(CYRILLIC, content_type="text/plain;charset=UTF-8"),
    "JSON in upper-case names": json_post({"Name": "Пётр", "PHONE": "+7 916 123-45-67",
                                           "Comment": CYRILLIC["comment"]}),
    "JSON with the same key twice": request(b'{"name": "A", ' + json.dumps(CYRILLIC).encode()[1:]),
    "form": in_charset("utf-8", ""),
    "form not percent-encoded": request("&".join(f"{k}={quote_plus(v, safe='№«»— ПётрНуженстанокбольшой')}"
                                                 for k, v in CYRILLIC.items()).encode(), FORM),
    "form in cp1251": in_charset("cp1251", "windows-1251"),
    "form that tells its charset in a field": request(
        b"_charset_=windows-1251&" + urlencode(CYRILLIC, encoding="cp1251").encode(), FORM),
    "multipart": request(*multipart(*((name, None, value.encode()) for name, value in CYRILLIC.items()))),
    "multipart in cp1251": request(*multipart(("_charset_", None, b"windows-1251"),
                                              *((name, None, value.encode("cp1251"))
                                                for name, value in CYRILLIC.items()))),
}  # fmt: skip


@pytest.mark.parametrize("label", SAME_CONTACT)
async def test_every_way_of_sending_gives_the_same_contact(label: str, form: FormConnector, hub: Hub) -> None:
    assert (await form.receive(SAME_CONTACT[label])).status == 202
    assert hub.only.sender == Sender(name="Пётр", phones=("+7 916 123-45-67",))
    assert hub.only.text == CYRILLIC["comment"]
    assert hub.only.fields == {}


@pytest.mark.parametrize(
    "phone",
    [
        "8 (916) 123-45-67", "+7 916 123-45-67", "9161234567", "8-495-123-45-67", "+7(495)1234567", "8 800 555 35 35",
        "8 916 123 45 67 доб. 12", "+375 29 123-45-67", "+1 650 253 0000", "8 770 123 45 67",
        "+7\u00a0916\u00a0123\u201145\u201167",
    ],
)  # fmt: skip
def test_phones_as_people_write_them_are_possible(phone: str) -> None:
    assert is_phone(phone)


@pytest.mark.parametrize("phone", ["1", "112", "12345", "+7", "0000000000000000000", "ivan@example.ru", "—", "++7"])
def test_what_cannot_be_a_phone_is_not(phone: str) -> None:
    assert not is_phone(phone)


async def test_a_phone_may_be_a_json_number(form: FormConnector, hub: Hub) -> None:
    assert (await form.receive(json_post({"name": "Иван", "phone": 79161234567}))).status == 202
    assert hub.only.sender.phones == ("79161234567",)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("large", "large"), ("Крупное", "large"), ("МЕЛКОЕ", "small"), ("крупное оборудование", "large")],
)
async def test_equipment_is_understood_in_russian(given: str, kept: str, form: FormConnector, hub: Hub) -> None:
    assert (await form.receive(json_post({**CONTACT, "equipment": given}))).status == 202
    assert hub.only.fields["equipment"] == kept


@pytest.mark.parametrize(
    ("given", "kept"), [("on", "true"), (True, "true"), (1, "true"), ("Да", "true"), (False, "false"), ("", "false")]
)
async def test_consent_is_kept_as_given(given: object, kept: str, form: FormConnector, hub: Hub) -> None:
    assert (await form.receive(json_post({**CONTACT, "consent": given}))).status == 202
    assert hub.only.fields["consent"] == kept


@pytest.mark.parametrize("given", [{}, {"consent": False}, {"consent": "нет"}])
async def test_without_the_demanded_consent_nothing_is_kept(given: dict[str, object], open_form: OpenForm) -> None:
    form = await open_form(consent="required")
    problem = assert_problem(await form.receive(json_post(CONTACT | given)), 422)
    assert set(problem["fields"]) == {"consent"}


async def test_phone_or_email_is_enough_where_the_phone_is_not_demanded(open_form: OpenForm, hub: Hub) -> None:
    form = await open_form(phone_required=False)
    assert set(assert_problem(await form.receive(json_post({"name": "Иван"})), 422)["fields"]) == {"phone"}
    assert (await form.receive(json_post({"name": "Иван", "email": "ivan@пример.рф"}))).status == 202
    assert hub.only.sender.emails == ("ivan@пример.рф",)


async def test_the_fields_that_the_company_demands_are_demanded(open_form: OpenForm) -> None:
    form = await open_form(fields=[{"name": "city", "required": True}, {"name": "comment", "required": True}])
    problem = assert_problem(await form.receive(json_post(CONTACT)), 422)
    assert set(problem["fields"]) == {"city", "comment"}
    assert (await form.receive(json_post({**CONTACT, "city": "Тула", "comment": "Да"}))).status == 202


async def test_boxes_of_one_name_are_kept_together(form: FormConnector, hub: Hub) -> None:
    pairs = [*CONTACT.items(), ("work", "монтаж"), ("work", "наладка"), ("consent", "0"), ("consent", "1")]
    await form.receive(form_post(pairs))
    assert hub.only.fields == {"work": "монтаж, наладка", "consent": "true"}


async def test_control_characters_of_pasted_text_are_dropped(form: FormConnector, hub: Hub) -> None:
    await form.receive(json_post(CONTACT | {"name": "Иван\nПетров", "comment": "один\x0bдва\x1f"}))
    assert (hub.only.sender.name, hub.only.text) == ("Иван Петров", "один два")


async def test_the_page_and_its_utm_are_known_by_the_browsers_word(form: FormConnector, hub: Hub) -> None:
    await form.receive(
        json_post(CONTACT, referer="https://shop.example/a?utm_source=ya&utm_campaign=%D0%BB%D0%B5%D1%82%D0%BE#x")
    )
    assert hub.only.source.page == "https://shop.example/a?utm_source=ya&utm_campaign=%D0%BB%D0%B5%D1%82%D0%BE#x"
    assert hub.only.source.utm == {"source": "ya", "campaign": "лето"}


@pytest.mark.parametrize("page", ["javascript:alert(1)", "data:text/html,x", "/lathe", "https://a b"])
async def test_a_page_that_is_no_web_address_is_not_kept(page: str, form: FormConnector, hub: Hub) -> None:
    assert (await form.receive(json_post({**CONTACT, "page": page, "referrer": page}))).status == 202
    assert (hub.only.source.page, hub.only.source.referrer) == (None, None)


async def test_a_visitor_cannot_mark_himself_as_a_robot(form: FormConnector, hub: Hub) -> None:
    await form.receive(json_post({**CONTACT, "_robot": "honeypot", "_ym_uid": "17"}))
    assert hub.only.fields == {"_ym_uid": "17"}


async def test_files_are_stored_with_the_application(form: FormConnector, hub: Hub) -> None:
    pdf = b"%PDF\r\n--not-the-boundary\r\n\x00\xff"
    parts = [(name, None, value.encode()) for name, value in CONTACT.items()]
    reply = await form.receive(
        request(*multipart(*parts, ("plan", "C:\\docs\\план\t%22цеха%22.pdf", pdf), ("photo", "", b"")))
    )
    assert reply.status == 202
    (attachment,) = hub.only.attachments
    assert hub.blobs.kept[attachment.blob] == pdf
    assert (attachment.name, attachment.type, attachment.size) == ('план_"цеха".pdf', "application/pdf", len(pdf))


async def test_files_over_the_limits_are_refused_by_field(open_form: OpenForm, hub: Hub) -> None:
    form = await open_form(max_files=1, max_file_mb=1)
    parts = [(name, None, value.encode()) for name, value in CONTACT.items()]
    big = request(*multipart(*parts, ("plan", "a.pdf", b"x" * (1 << 20) + b"x")))
    assert set(assert_problem(await form.receive(big), 422)["fields"]) == {"plan"}
    two = request(*multipart(*parts, ("plan", "a.pdf", b"x"), ("photo", "b.png", b"y")))
    assert set(assert_problem(await form.receive(two), 422)["fields"]) == {"photo"}
    assert not hub.blobs.kept
