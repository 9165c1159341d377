"""All that can be wrong with a post: each gets its documented answer that names the field, and nothing is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import HttpRequest
from connectors.form.connector import FormConnector
from connectors.form.settings import FormSettings
from storage.errors import StoreUnavailable
from tests.connectors.form.harness import (
    BROWSER,
    CONTACT,
    FORM,
    Hub,
    assert_problem,
    form_post,
    json_post,
    multipart,
    request,
)


def with_field(name: str, value: object) -> HttpRequest:
    return json_post({**CONTACT, name: value})


def raw_json(extra: bytes) -> HttpRequest:
    """A post with JSON that no JSON writer would produce."""
    return request(b'{"name": "Ivan", "phone": "89161234567", ' + extra + b"}")


def plain(body: bytes, content_type: str = FORM) -> HttpRequest:
    return request(body, content_type, accept="application/json")


def many(count: int) -> dict[str, str]:
    return CONTACT | {f"q{number}": "x" for number in range(count)}


BAD: dict[str, tuple[HttpRequest, set[str]]] = {
    "nothing at all": (request(b"", ""), {"name", "phone"}),
    "empty JSON body": (request(b""), {"name", "phone"}),
    "empty object": (json_post({}), {"name", "phone"}),
    "empty form": (plain(b""), {"name", "phone"}),
    "every wrong field at once": (
        json_post({"name": "", "phone": "abc", "email": "x@", "equipment": "medium", "consent": "maybe", "q": [1]}),
        {"name", "phone", "email", "equipment", "consent", "q"},
    ),
    "null contact": (json_post({"name": None, "phone": None}), {"name", "phone"}),
    "blank contact": (json_post({"name": "  ", "phone": "\t"}), {"name", "phone"}),
    "number for name": (with_field("name", 5), {"name"}),
    "true for phone": (with_field("phone", True), {"phone"}),
    "fraction for phone": (with_field("phone", 8916123.5), {"phone"}),
    "list for phone": (with_field("phone", ["+79161234567"]), {"phone"}),
    "object for email": (with_field("email", {"a": "b"}), {"email"}),
    "number for equipment": (with_field("equipment", 1.5), {"equipment"}),
    "list for consent": (with_field("consent", [True]), {"consent"}),
    "nested list in a further field": (with_field("rooms", [1, 2]), {"rooms"}),
    "nested object in a further field": (with_field("address", {"city": "Тула"}), {"address"}),
    "short phone": (with_field("phone", "12345"), {"phone"}),
    "endless phone": (with_field("phone", "9" * 300), {"phone"}),
    "phone of words": (with_field("phone", "позвоните мне"), {"phone"}),
    "email without domain": (with_field("email", "ivan"), {"email"}),
    "email with a header in it": (with_field("email", "a@b.ru\r\nBcc: x@y.ru"), {"email"}),
    "unknown equipment": (with_field("equipment", "среднее"), {"equipment"}),
    "name too long": (with_field("name", "я" * 201), {"name"}),
    "comment of 1 MB": (with_field("comment", "я" * 500_000), {"comment"}),
    "name of 1 MB": (with_field("name", "a" * 1_000_000), {"name"}),
    "further field too long": (with_field("city", "a" * 2001), {"city"}),
    "page too long": (with_field("page", "https://shop.example/" + "a" * 2000), {"page"}),
    "field name too long": (with_field("f" * 65, "x"), {"f" * 64}),
    "field without a name": (with_field("", "x"), {""}),
    "submission_id too long": (with_field("submission_id", "x" * 201), {"submission_id"}),
    "Idempotency-Key too long": (json_post(CONTACT, idempotency_key="x" * 201), {"Idempotency-Key"}),
    "65 fields": (json_post(many(63)), {"q62"}),
    "ten thousand fields": (json_post(many(10_000)), {"q62"}),
    "ten thousand fields of a form": (
        form_post(many(10_000), accept="application/json"),
        {"q62"},
    ),
    "ten thousand parts": (
        plain(*multipart(*((f"q{number}", None, b"x") for number in range(10_000)))),
        {"q64", "name", "phone"},
    ),
    "NUL in the name": (with_field("name", "Ив\0ан"), {"name"}),
    "NUL in a further field": (with_field("city", "\0"), {"city"}),
    "NUL in a field's name": (with_field("ci\0ty", "x"), {"ci\ufffdty"}),
    "NUL in a form": (plain(b"name=%00&phone=89161234567"), {"name"}),
    "lone surrogate": (raw_json(rb'"comment": "\ud800"'), {"comment"}),
    "lone surrogate in a field's name": (raw_json(rb'"x\udfff": "y"'), {"x\ufffd"}),
    "broken UTF-8 in JSON": (raw_json(b'"comment": "\xff\xfe"'), {"comment"}),
    "broken UTF-8 in a form": (plain(b"name=%FF%FE&phone=89161234567"), {"name"}),
    "cut UTF-8 in a form": (plain(b"name=\xd0\x98\xd0&phone=89161234567"), {"name"}),
    "broken UTF-8 in a part": (plain(*multipart(("name", None, b"\xff"), ("phone", None, b"89161234567"))), {"name"}),
    "NaN": (raw_json(b'"area": NaN'), {"area"}),
    "Infinity": (raw_json(b'"area": -Infinity'), {"area"}),
    "1e999": (raw_json(b'"area": 1e999'), {"area"}),
    "number of 5000 digits": (raw_json(b'"area": ' + b"9" * 5000), {"body"}),
    "number of 100 digits": (raw_json(b'"area": ' + b"9" * 100), {"area"}),
    "deep nesting": (raw_json(b'"a": ' + b"[" * 100_000), {"body"}),
    "deep nesting, closed": (raw_json(b'"a": ' + b"[" * 50_000 + b"]" * 50_000), {"body"}),
    "JSON list": (json_post([CONTACT]), {"body"}),
    "JSON string": (json_post("name=Ivan"), {"body"}),
    "JSON null": (json_post(None), {"body"}),
    "cut JSON": (request(b'{"name": "Ivan", "pho'), {"body"}),
    "a form called JSON": (request(b"name=Ivan&phone=89161234567"), {"body"}),
    "JSON called a form": (plain(b"{'name': 1}"), {"name", "phone"}),
    "UTF-16 JSON": (request(json.dumps(CONTACT).encode("utf-16")), {"body"}),
    "JSON list called text": (request(b"[1]", "text/plain"), {"body"}),
    "multipart without boundary": (plain(b"--x\r\n", "multipart/form-data"), {"body"}),
    "multipart with another boundary": (plain(multipart(("name", None, b"x"))[0], "multipart/form-data; boundary=zz"),
                                        {"body"}),
    "multipart part without a head": (plain(b"--b\r\nhello\r\n--b--", "multipart/form-data; boundary=b"), {"body"}),
    "endless boundary": (plain(b"x", "multipart/form-data; boundary=" + "b" * 71), {"body"}),
}  # fmt: skip


@pytest.mark.parametrize("label", BAD)
async def test_a_bad_post_is_refused_by_field_and_nothing_is_kept(label: str, form: FormConnector, hub: Hub) -> None:
    post, fields = BAD[label]
    problem = assert_problem(await form.receive(post), 422)
    assert set(problem["fields"]) == fields
    assert all(sentence.strip() for sentence in problem["fields"].values())
    assert not hub.journal


@pytest.mark.parametrize(
    "content_type",
    [
        "application/xml", "text/html", "application/octet-stream", "image/png", "nonsense", "",
        "application/json; charset=rot13", f"{FORM}; charset=utf-16", f"{FORM}; charset=idna", "multipart/mixed",
    ],
)  # fmt: skip
async def test_a_foreign_content_type_is_refused(content_type: str, form: FormConnector, hub: Hub) -> None:
    assert_problem(await form.receive(request(b"name=Ivan&phone=89161234567", content_type)), 415)
    assert not hub.journal


async def test_a_foreign_charset_field_is_refused(form: FormConnector) -> None:
    assert_problem(await form.receive(plain(b"_charset_=utf-7&name=Ivan&phone=89161234567")), 415)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "GET", "HEAD", "BREW"])
async def test_another_method_is_refused_with_the_right_ones(method: str, form: FormConnector) -> None:
    reply = await form.receive(request(method=method))
    assert_problem(reply, 405)
    assert reply.headers["Allow"] == "POST, OPTIONS"


async def test_errors_are_russian_sentences(form: FormConnector) -> None:
    problem = assert_problem(await form.receive(json_post({"name": "Иван"})), 422)
    assert problem["fields"] == {"phone": "Заполните это поле."}
    assert problem["title"] == "Заявка заполнена неверно"


async def test_a_full_disk_asks_to_come_again_and_recovers_by_itself(form: FormConnector, hub: Hub) -> None:
    hub.full = True
    reply = await form.receive(json_post(CONTACT))
    assert_problem(reply, 503)
    assert reply.headers["Retry-After"] == "5"
    hub.full = False
    assert (await form.receive(json_post(CONTACT))).status == 202
    assert len(hub.journal) == 1


async def test_a_full_disk_under_the_files_asks_to_come_again(
    form: FormConnector, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(data: object) -> tuple[str, int]:
        raise StoreUnavailable("blob folder: No space left on device")

    monkeypatch.setattr(hub.blobs, "put", full)
    parts = [(name, None, value.encode()) for name, value in CONTACT.items()]
    assert_problem(await form.receive(request(*multipart(*parts, ("plan", "a.pdf", b"x")))), 503)
    assert not hub.journal


async def test_a_form_that_does_not_run_yet_asks_to_come_again() -> None:
    reply = await FormConnector("site", FormSettings()).receive(json_post(CONTACT))
    assert_problem(reply, 503)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["name", "phone", "email", "consent", "equipment", "page", "utm_source", "_token", "_redirect"])
BODIES = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(NAMES | st.text(max_size=10), JSON_VALUES, max_size=6).map(
        lambda value: json.dumps(value).encode()
    ),
    st.lists(st.tuples(NAMES | st.text(max_size=5), st.binary(max_size=20)), max_size=5).map(
        lambda pairs: b"&".join(name.encode("utf-8", "replace") + b"=" + value for name, value in pairs)
    ),
    st.lists(st.tuples(NAMES, st.none() | st.just("a.pdf"), st.binary(max_size=20)), max_size=5).map(
        lambda parts: multipart(*parts, boundary="b")[0]
    ),
)
TYPES = st.sampled_from(["application/json", FORM, "multipart/form-data; boundary=b", "text/plain", ""]) | st.text()
HEADERS = st.sampled_from(
    [{}, BROWSER, {"referer": "https://shop.example/a"}, {"referer": "http://["}, {"user-agent": "\udcff"},
     {"idempotency-key": "\udcff"}, {"origin": "https://shop.example"}, {"accept-language": "en;q=x,*"}]
)  # fmt: skip


@pytest.mark.parametrize("body", [b"hello", bytes(range(256)), b"name=Ivan&phone=89161234567", b'{"name": "Iv'])
async def test_text_that_is_no_json_is_a_foreign_kind_of_content(form: FormConnector, hub: Hub, body: bytes) -> None:
    assert_problem(await form.receive(request(body, "text/plain;charset=UTF-8")), 415)
    assert hub.journal == {}


@given(body=BODIES, content_type=TYPES, headers=HEADERS)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_comes_gets_a_documented_answer(
    body: bytes, content_type: str, headers: dict[str, Any], form: FormConnector, hub: Hub
) -> None:
    kept = len(hub.journal)
    reply = await form.receive(
        request(body, content_type, **{name.replace("-", "_"): value for name, value in headers.items()})
    )
    if reply.status == 303:
        assert reply.headers["Location"].startswith(("https://shop.example/", "/"))
    elif reply.status == 202:
        assert json.loads(reply.body)["id"] in hub.journal
    elif reply.content_type.startswith("text/html"):
        assert headers == BROWSER
        assert reply.status in (200, 415, 422)
    else:
        assert_problem(reply, reply.status)
        assert reply.status in (415, 422)
        assert len(hub.journal) == kept
