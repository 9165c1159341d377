"""Bad input at every call of the registry: the documented refusal, by field, and never a 500."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.hub import Answer, Bench, Caller
from web.api.call import Route
from web.api.routes import ROUTES
from web.pages.routes import ROUTES as PAGE_ROUTES

FORM = "application/x-www-form-urlencoded"
JSON = {"Content-Type": "application/json"}
NASTY_TEXT = (
    "\0",
    "a\0b",
    "я" * 1000,
    "💥",
    "-1",
    "1e999",
    "null",
    "9" * 30,
    "' OR 1=1 --",
    "\u202e",
    " ",
    "../..",
)
NASTY_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5, 1e308, [], {}, [None], {"a": {"b": [{}]}}, "", "\0", "x" * 200_000,
    ["\0"], {"\0": "x"},
    [[[[[[[[[[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]]]]]]]]]],
)  # fmt: skip
NASTY_IDS = ("%00", "%FF%FE", "x" * 3000, "%F0%9F%92%A5", "-1", "a%2Fb", "%0d%0aX:1", "nobody", "__proto__")
PLAIN = [route for route in ROUTES if route.accepts == "application/json"]
WITH_QUERY = [route for route in ROUTES if route.query]
WITH_BODY = [route for route in PLAIN if route.body]
PAGES = [each for each in PAGE_ROUTES if isinstance(each, web.RouteDef) and each.path not in ("/login", "/logout")]
IS_STATEFUL = ("/pause", "/resume", "/test")
"""Commands on connectors are tried with unknown names only: other tests of this table need them running."""


@pytest.fixture
async def root(bench: Bench) -> Caller:
    await bench.hire("root", "admin", extension="100")
    return await bench.sign_in("root")


def expect(route: Route, answer: Answer, what: object) -> None:
    """The documented outcome: success, or a problem document with one of the documented statuses."""
    shown = str(what)[:200]
    if answer.status < 300:
        assert answer.status == route.status, shown
        return
    assert answer.status in route.refusals, (
        f"{route.method} {route.path} {shown} → {answer.status} {answer.body[:300]!r}"
    )
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    if answer.status == 422:
        assert answer.json.get("fields") or answer.json.get("missing"), shown


def path_of(route: Route, id: str = "nobody", **others: str) -> str:
    """The address; other variable parts than the first are like it unless given by name."""
    return "/api/v1" + re.sub(r"{(\w+)}", lambda name: others.get(name[1], id), route.path)


async def test_every_query_parameter_survives_everything(root: Caller) -> None:
    for route in WITH_QUERY:
        for each in msgspec.structs.fields(route.query):  # type: ignore[arg-type]
            for text in NASTY_TEXT:
                answer = await root(route.method, f"{path_of(route)}?{each.encode_name}={quote(text)}")
                expect(route, answer, (each.name, text))


RIGHT: dict[str, dict[str, Any]] = {
    "/leads": {"phone": "+79161234567"},
    "/leads/{id}/assign": {"queue": "first-line"},
    "/leads/{id}/decline": {"reason": "Занят"},
    "/leads/{id}/messages": {"text": "Добрый день"},
    "/leads/{id}/notes": {"text": "Заметка"},
    "/leads/{id}/convert": {"pipeline": "equipment"},
    "/deals": {"title": "Станок", "amount": "1000.50"},
    "/automations": {
        "title": "Робот", "trigger": {"entity": "deal", "event": "stage"},
        "steps": [{"action": "notify", "params": {"text": "Да"}}],
    },
    "/automations/{id}/dry-run": {"record_id": "nobody"},
    "/deals/{id}/products": {"lines": [{"name": "Станок", "price": "100"}]},
    "/deals/{id}/documents": {"template": "offer-equipment"},
    "/deals/{id}/move": {"stage": "interest"},
    "/deals/{id}/ask": {"role": "head_equipment", "text": "Скидка 10 %"},
    "/deals/{id}/approve": {"role": "admin"},
    "/deals/{id}/refuse": {"role": "admin", "text": "Нет денег"},
    "/deals/{id}/notes": {"text": "Ждёт бюджета"},
    "/deals/{id}/withdraw": {"role": "admin"},
    "/contacts": {"name": "Пётр"},
    "/departments": {"name": "Склад"},
    "/calculate/lines": {"lines": [{"price": "1 250,50", "quantity": "2"}]},
    "/product-categories": {"name": "Станки"},
    "/products": {"name": "Станок", "prices": {"retail": {"amount": "1250000.50"}}},
    "/products/{id}/prices": {"price_type": "retail", "price": {"amount": "1250000.50"}},
    "/documents/{id}/send": {"to": "ivan@example.ru"},
    "/documents/{id}/void": {"reason": "Ошибка в цене"},
    "/contacts/{id}/duplicates/dismiss": {"other_id": "nobody"},
    "/contacts/{id}/merge": {"into": "nobody"},
    "/companies": {"name": "Ромашка"},
    "/companies/{id}/duplicates/dismiss": {"other_id": "nobody"},
    "/companies/{id}/merge": {"into": "nobody"},
    "/segments": {"name": "Лучшие", "entity": "contact", "filter": [{"field": "abc", "op": "eq", "value": "A"}]},
    "/settings/{table}": {"order": ["price"]},
    "/settings/{table}/{key}": {"value": {"title": "Поле"}},
    "/contacts/{id}/consents": {"purpose": "Рассылка"},
    "/contacts/{id}/erase": {"ground": "Заявление"},
    "/tasks": {"title": "Позвонить", "group": "installation"},
    "/tasks/{id}/checklist": {"text": "Пункт"},
    "/tasks/{id}/comments": {"text": "Готово"},
    "/tasks/{id}/delegate": {"user_id": "nobody"},
    "/tasks/{id}/move": {"stage": "new"},
    "/tasks/{id}/reminders": {"at": "2099-11-24T00:00:00Z"},
    "/tasks/{id}/repeat": {"unit": "day"},
    "/tasks/{id}/return": {"reason": "Не всё"},
    "/tasks/{id}/time": {"minutes": 1},
    "/templates": {
        "key": "act", "title": "Акт", "numbering": "А-{year}-{number}", "attachments": ["нет такого"],
    },
    "/users": {"email": "new@firstline.example", "name": "Новый", "roles": ["ops"]},
    "/users/{id}/absences": {
        "kind": "vacation", "starts_at": "2026-11-23T00:00:00Z", "ends_at": "2026-11-24T00:00:00Z",
    },
}  # fmt: skip
"""Bodies that are right but for the one field under test, so that bad values reach as deep as they can."""


LAST = ("/complete", "/cancel", "/convert", "/erase", "/merge", "/void")
"""Calls after which a record takes no others."""


async def records(bench: Bench, root: Caller) -> dict[str, str]:
    """A record of every kind that calls change, by the first word of their path."""
    lead = await bench.lead_of(await bench.form())
    made = {"users": (await bench.hire("anna")).id, "leads": lead["id"], "contacts": lead["person"]["id"]}
    made |= {"templates": "offer-service", "queues": "first-line", "settings": "fields"}
    for kind in (
        "tasks", "deals", "products", "product-categories", "companies", "segments", "automations",
    ):  # fmt: skip
        answer = await root.post(f"/api/v1/{kind}", RIGHT[f"/{kind}"])
        assert answer.status == 201, (kind, answer.body)
        made[kind] = answer.json["id"]
    checked = await root.post(f"/api/v1/tasks/{made['tasks']}/checklist", RIGHT["/tasks/{id}/checklist"])
    made["item"] = checked.json["checklist"][0]["id"]
    customer = {"company_id": made["companies"]}
    assert (await root("PATCH", f"/api/v1/deals/{made['deals']}", customer)).status == 200
    lines = RIGHT["/deals/{id}/products"]
    assert (await root("PUT", f"/api/v1/deals/{made['deals']}/products", lines)).status == 200
    document = await root.post(f"/api/v1/deals/{made['deals']}/documents", RIGHT["/deals/{id}/documents"])
    assert document.status == 201, document.body
    made["documents"] = document.json["id"]
    sheet = aiohttp.FormData({"kind": "contacts"}, default_to_multipart=True)
    sheet.add_field("file", "Имя\nИван".encode(), filename="contacts.csv", content_type="text/csv")
    upload = await root.post("/api/v1/imports", data=sheet)
    assert upload.status == 201, upload.body
    return made | {"imports": upload.json["id"]}


async def test_every_body_field_survives_everything_on_real_records(bench: Bench, root: Caller) -> None:
    ids = await records(bench, root)
    for route in sorted(WITH_BODY, key=lambda route: route.path.endswith(LAST)):
        path = path_of(route, ids.get(route.path.split("/")[1], "nobody"), item=ids["item"])
        for each in msgspec.structs.fields(route.body):  # type: ignore[arg-type]
            for value in (*NASTY_VALUES, *NASTY_TEXT):
                answer = await root(route.method, path, RIGHT.get(route.path, {}) | {each.encode_name: value})
                expect(route, answer, (each.name, value))
    assert (await root.get(f"/api/v1/leads/{ids['leads']}")).status == 200
    assert (await root.get("/api/v1/leads")).status == 200
    assert (await root.get("/api/v1/users")).status == 200
    assert (await bench.stranger.get("/readyz")).status == 200


WHOLE: tuple[tuple[bytes, int], ...] = (
    (b"{", 422),
    (b"[]", 422),
    (b'"text"', 422),
    (b'{"a": "\xff\xfe"}', 422),
    (b'{"a": "\\ud800"}', 422),
    (b"[" * 100_000, 422),
    (b'{"a":' * 5000 + b"1" + b"}" * 5000, 422),
    (json.dumps({f"field{n}": n for n in range(10_000)}).encode(), 422),
    (b'{"text": "' + b"x" * (1 << 20) + b'"}', 413),
)


async def test_every_body_as_a_whole_survives_everything(root: Caller) -> None:
    for route in WITH_BODY:
        for raw, status in WHOLE:
            answer = await root(route.method, path_of(route), data=io.BytesIO(raw), headers=JSON)
            expect(route, answer, raw[:50])
            assert answer.status == status, raw[:50]
        for type in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "x" * 300):
            answer = await root(route.method, path_of(route), data=b'{"a": 1}', headers={"Content-Type": type})
            assert answer.status == 415, (route.path, type)


BY_PATH = [route for route in ROUTES if "{" in route.path]


async def test_what_cannot_be_an_id_is_not_there(root: Caller) -> None:
    for route in BY_PATH:
        for id in NASTY_IDS:
            answer = await root(route.method, path_of(route, id), {} if route.body else None)
            expect(route, answer, id)
            assert answer.status in (404, 415, 422), (route.path, id, answer.status)


async def test_each_wrong_field_is_named_in_russian(root: Caller) -> None:
    answer = await root.post(
        "/api/v1/leads", {"phone": 5, "fields": {"ok": "x", "a": [], "b": 5}, "colour": "red", "utm": []}
    )
    assert answer.fields == {
        "colour": "Такого поля нет",
        "phone": "Нужен текст",
        "fields.a": "Нужен текст",
        "fields.b": "Нужен текст",
        "utm": "Нужен объект",
    }
    answer = await root.get("/api/v1/leads?limit=abc&created_from=вчера&created_to=2026-11-22T10:00:00&sort=colour&x=1")
    assert answer.fields == {
        "x": "Такого поля нет",
        "limit": "Нужно целое число",
        "sort": "Такого значения нет",
        "created_from": "Нужны дата и время с часовым поясом: 2026-11-22T10:00:00Z",
        "created_to": "Нужны дата и время с часовым поясом: 2026-11-22T10:00:00Z",
    }
    assert (await root.get("/api/v1/leads?limit=201")).fields == {"limit": "Не больше 200"}
    for cursor in ("garbage", "WzEsMV0", "W10", "%00"):
        assert set((await root.get(f"/api/v1/leads?cursor={cursor}")).fields) == {"cursor"}


def json_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    )


@st.composite
def requests(draw: st.DrawFn) -> tuple[Route, dict[str, Any], dict[str, str]]:
    route = draw(st.sampled_from([each for each in PLAIN if not each.path.endswith(IS_STATEFUL)]))
    fields = [each.encode_name for each in msgspec.structs.fields(route.body)] if route.body else []
    body = draw(st.dictionaries(st.sampled_from(fields) if fields else st.text(), json_values(), max_size=5))
    parameters = [each.encode_name for each in msgspec.structs.fields(route.query)] if route.query else []
    query = draw(st.dictionaries(st.sampled_from(parameters), st.text(min_size=1), max_size=3)) if parameters else {}
    return route, body, query


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(request=requests())
async def test_anything_at_all_gets_a_documented_answer(
    root: Caller, request: tuple[Route, dict[str, Any], dict[str, str]]
) -> None:
    route, body, query = request
    raw = json.dumps(body).encode("utf-8", "surrogatepass")
    asked = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in query.items())
    content = {"data": raw, "headers": JSON} if route.body else {}
    expect(route, await root(route.method, f"{path_of(route)}?{asked}", **content), request)


def drip(chunks: Iterator[bytes]) -> Any:
    async def body() -> Any:
        for chunk in chunks:
            yield chunk
            await asyncio.sleep(0.2)

    return body()


async def test_a_body_that_never_ends_is_given_up(root: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.api.input.BODY_WITHIN", 0.3)
    monkeypatch.setattr("web.api.input.read_bytes.__defaults__", (0.3,))
    answer = await root.post("/api/v1/leads", data=drip(b" " for _ in range(50)), headers=JSON)
    assert answer.status == 408


async def test_unknown_addresses_and_methods_are_problems_too(root: Caller) -> None:
    missing = await root.get("/api/v1/nothing")
    assert (missing.status, missing.headers["Content-Type"]) == (404, "application/problem+json")
    wrong = await root("DELETE", "/api/v1/leads")
    assert wrong.status == 405
    assert "GET" in wrong.headers["Allow"]


@pytest.mark.parametrize(
    "body", [b"", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", b"junk"]
)
async def test_a_broken_multipart_form_is_refused(root: Caller, body: bytes) -> None:
    for path in ("/api/v1/files", "/api/v1/leads/nobody/messages"):
        answer = await root.post(path, data=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status in (404, 422), answer.body
    answer = await root.post("/api/v1/files", data=body, headers={"Content-Type": "multipart/form-data"})
    assert answer.status == 422


async def test_a_page_does_not_wait_for_a_form_for_ever_nor_read_one_without_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.app.FORM_WITHIN", 0.3)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    slow = await bench.stranger.post("/login", data=drip(b"email=a&" for _ in range(50)), headers=form)
    assert slow.status == 408
    large = await bench.stranger.post("/login", data=io.BytesIO(b"email=" + b"x" * (3 << 20)), headers=form)
    assert large.status == 413
    many = await bench.stranger.post("/login", data=b"&".join(b"f%d=1" % n for n in range(10_000)), headers=form)
    assert many.status in (401, 413)
    broken = await bench.stranger.post("/login", data=b"email=%FF%00&password=\xff\xfe", headers=form)
    assert broken.status == 422
    odd = {"Content-Type": "application/x-www-form-urlencoded; charset=nobody"}
    assert (await bench.stranger.post("/login", data=b"email=a", headers=odd)).status == 415
    nul = await bench.stranger.post("/login", data=b"email=%00a&password=%00", headers=form)
    assert nul.status == 401


async def test_pages_survive_bad_forms_and_bad_addresses(bench: Bench, root: Caller) -> None:
    lead = await bench.lead_of(await bench.form())
    multipart = "multipart/form-data; boundary=x"
    bodies = (
        (b"", FORM),
        (b"text=%00&value=%00&name=x&stage=%00&user_id=%00&reason=%00&result=%00&email=%00&roles=%00&theme=x", FORM),
        (b"\xff\xfe=1", FORM),
        (b"junk", multipart),
        (b"x", "multipart/form-data"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", multipart),
        (b"{}", "application/json"),
    )
    queries = ("", "?q=%00&cursor=zz&limit=-1&stage=%00&before=x&sort=x&next=//e", "?q=%FF&cursor=%00&after=x&from=x")
    for route in PAGES:
        for id in (lead["id"], "nobody", "%00", "%FF"):
            path = re.sub("{[^}]+}", id, route.path)
            if route.method == "GET":
                statuses = {query: (await root.get(path + query)).status for query in queries}
            else:
                statuses = {
                    str(each): (await root.post(path, data=each[0], headers={"Content-Type": each[1]})).status
                    for each in bodies
                }
            assert not [what for what, status in statuses.items() if status >= 500], (route.path, id, statuses)
