"""The public doors: dispatch, limits of size and time, the owner look-up, and how fast an empty answer is."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.contract import HttpReply, HttpRequest
from firstline.logs import is_ours
from tests.api.hub import Bench
from web.services import SERVICES


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/in/forms/nobody"),
        ("POST", "/in/forms/closed"),
        ("POST", "/in/forms/chat"),
        ("GET", "/forms/closed"),
        ("POST", "/in/orders/site"),
        ("POST", "/in/hooks/site"),
        ("GET", "/in/hooks/nobody"),
        ("GET", "/in/calls/site/owner?phone=1"),
        ("GET", "/in/calls/nobody/owner?phone=1"),
        ("GET", "/in"),
        ("GET", "/in/"),
        ("POST", "/in/forms/"),
        ("POST", "/in/forms/a%2Fb"),
        ("POST", "/in/forms/%00"),
        ("POST", "/in/forms/%FF"),
    ],
)
async def test_what_is_not_there_is_a_problem_of_404(bench: Bench, method: str, path: str) -> None:
    answer = await bench.stranger(method, path)
    assert answer.status == 404
    if path != "/in":
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.json["status"] == 404


async def test_a_paused_channel_is_closed_until_it_is_resumed(bench: Bench) -> None:
    admin = await bench.token("admin")
    assert (await admin.post("/api/v1/connectors/site/pause")).json["state"] == "paused"
    for method, path in (("POST", "/in/forms/site"), ("GET", "/forms/site")):
        answer = await bench.stranger(method, path)
        assert (answer.status, answer.json["status"]) == (503, 503)
        assert int(answer.headers["Retry-After"]) > 0
    assert (await bench.stranger.post("/in/hooks/site")).status == 404
    await admin.post("/api/v1/connectors/site/resume")
    await bench.form()
    await admin.post("/api/v1/connectors/office-phone/pause")
    paused = await bench.stranger.get("/in/calls/office-phone/owner?phone=+79161234567")
    assert (paused.status, "Retry-After" in paused.headers) == (503, True)


async def test_a_body_that_is_too_large_is_refused_whether_announced_or_not(bench: Bench) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    announced = await bench.stranger.post("/in/forms/site", data=io.BytesIO(b"x" * (1 << 21)))
    assert (announced.status, announced.json["status"]) == (413, 413)
    assert (await bench.stranger.post("/in/forms/site", data=chunks())).status == 413
    await bench.form()


async def test_a_body_that_trickles_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.public.BODY_WITHIN", 0.2)

    async def trickle() -> Any:
        for _ in range(20):
            yield b"x"
            await asyncio.sleep(0.1)

    assert (await bench.stranger.post("/in/forms/site", data=trickle())).status == 408


async def test_a_connector_that_fails_is_one_answer_of_500_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(request: HttpRequest) -> HttpReply:
        raise RuntimeError("boom +79161234567")

    monkeypatch.setattr(bench.chat, "receive", broken)
    answer = await bench.stranger.post("/in/hooks/chat", data=b"1:hello")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert b"boom" not in answer.body
    await bench.form()


async def test_the_connector_sees_lower_case_headers_and_the_visitors_address(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[HttpRequest] = []

    async def keep(request: HttpRequest) -> HttpReply:
        seen.append(request)
        return HttpReply(status=207, body=b"done", content_type="text/x-answer", headers={"X-Own": "1"})

    monkeypatch.setattr(bench.chat, "receive", keep)
    headers = {"X-Secret": "s", "X-Forwarded-For": "203.0.113.9"}
    answer = await bench.stranger.post("/in/hooks/chat?a=1", data=b"body", headers=headers)
    assert (answer.status, answer.body, answer.headers["X-Own"]) == (207, b"done", "1")
    assert answer.headers["Content-Type"] == "text/x-answer"
    (request,) = seen
    assert (request.method, request.path, request.query) == ("POST", "/in/hooks/chat", {"a": "1"})
    assert (request.body, request.remote, request.headers["x-secret"]) == (b"body", "203.0.113.9", "s")


async def test_the_same_key_again_adds_nothing(bench: Bench) -> None:
    body = {"name": "Иван", "phone": "+79161234567"}
    first = await bench.stranger.post("/in/forms/site", body, headers={"Idempotency-Key": "order-1"})
    again = await bench.stranger.post("/in/forms/site", body, headers={"Idempotency-Key": "order-1"})
    assert first.json["id"] == again.json["id"]
    lead = await bench.lead_of(first.json["id"])
    admin = await bench.token("admin")
    forms = [each for each in await admin.items(f"/api/v1/leads/{lead['id']}/timeline") if each["kind"] == "form"]
    assert len(forms) == 1


async def test_the_dialplan_learns_the_callers_seller(bench: Bench) -> None:
    anna = await bench.hire("anna", extension="101")
    browser, admin = await bench.sign_in("anna"), await bench.token("admin")
    lead = await bench.lead_of(await bench.form())
    await browser.post(f"/api/v1/leads/{lead['id']}/take")

    async def ask(phone: str, method: str = "GET") -> str:
        answer = await bench.stranger(method, f"/in/calls/office-phone/owner?phone={phone}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        return answer.body.decode()

    for notation in ("+79161234567", "%2B79161234567", "89161234567", "8 (916) 123-45-67", "9161234567"):
        assert await ask(notation) == "101"
    assert await ask("79161234567", "POST") == "101"
    form = await bench.stranger.post("/in/calls/office-phone/owner", data={"phone": "+79161234567"})
    assert form.body == b"101"
    for odd in ("", "anonymous", "%00", "%FF", "💥", "9" * 500, "+79990000000", "' OR 1=1"):
        assert await ask(odd) == ""
    await admin.post(f"/api/v1/leads/{lead['id']}/move", {"stage": "mistaken"})
    assert await ask("+79161234567") == "101"
    await browser.post("/api/v1/users/me/presence", {"presence": "offline"})
    assert await ask("+79161234567") == ""
    await browser.post("/api/v1/users/me/presence", {"presence": "online"})
    now = bench.clock.now()
    times = {"starts_at": (now - timedelta(days=1)).isoformat(), "ends_at": (now + timedelta(days=1)).isoformat()}
    assert (await admin.post(f"/api/v1/users/{anna.id}/absences", {"kind": "sick"} | times)).status == 201
    assert await ask("+79161234567") == ""


async def test_where_presence_is_not_asked_for_the_caller_finds_his_seller_all_the_same(bench: Bench) -> None:
    anna = await bench.hire("anna", extension="101")
    admin = await bench.token("admin")
    lead = await bench.lead_of(await bench.form())
    await admin.post(f"/api/v1/leads/{lead['id']}/assign", {"user_id": anna.id})

    async def ask() -> bytes:
        return (await bench.stranger.get("/in/calls/office-phone/owner?phone=89161234567")).body

    assert await ask() == b""
    queues = bench.hub.app[SERVICES].desk.queues
    assert isinstance(queues, dict)
    queues["first-line"] = replace(queues["first-line"], presence_required=False)
    assert await ask() == b"101"
    now = bench.clock.now()
    times = {"starts_at": (now - timedelta(days=1)).isoformat(), "ends_at": (now + timedelta(days=1)).isoformat()}
    await admin.post(f"/api/v1/users/{anna.id}/absences", {"kind": "sick"} | times)
    assert await ask() == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_garbage_called_compressed_is_a_problem_of_422_without_noise(
    bench: Bench, encoding: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = await bench.token("admin")
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    doors = ("/in/forms/site", "/in/hooks/chat", "/api/v1/leads", "/api/v1/tasks")
    for path in doors:
        for body in (b"garbage" * 20, b"\x00" * 70_000):
            answer = await admin.post(path, data=body, headers=headers)
            assert (answer.status, set(answer.fields)) == (422, {"body"}), path
    good = json.dumps({"name": "Иван", "phone": "+79161234567"}).encode()
    packed = gzip.compress(good) if encoding == "gzip" else zlib.compress(good)
    assert (await admin.post("/in/forms/site", data=packed, headers=headers)).status == 202
    assert caplog.text == ""
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_garbage_after_a_refusal_is_no_error_of_the_server(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    server = logging.getLogger("aiohttp.server")
    server.addFilter(is_ours)
    head = b"POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 140\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(bench.url.rpartition(":")[2]))
        writer.write(head)
        assert (await reader.readline()).split()[1] == b"401"
        writer.write(b"garbage" * 20)
        async with asyncio.timeout(5):
            await reader.read()  # to the end: the server hangs up
        writer.close()
    finally:
        server.removeFilter(is_ours)
    assert caplog.text == ""


async def test_what_is_no_http_is_refused_without_a_word_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    server = logging.getLogger("aiohttp.server")
    server.addFilter(is_ours)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(bench.url.rpartition(":")[2]))
        writer.write("GET /api/v1/leads?q=Иван HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
    finally:
        server.removeFilter(is_ours)
    assert caplog.text == "", "it would quote what somebody searched for"


async def test_bad_form_posts_get_their_documented_refusals(bench: Bench) -> None:
    post = bench.stranger.post
    huge = io.BytesIO(json.dumps({"name": "И" * 300_000}, ensure_ascii=False).encode())
    assert (await post("/in/forms/site", data=huge, headers={"Content-Type": "application/json"})).status == 422
    assert (await post("/in/forms/site", data=b"\xff\xfe{", headers={"Content-Type": "application/json"})).status == 422
    assert (await post("/in/forms/site", data=b"x", headers={"Content-Type": "image/png"})).status == 415
    assert (await post("/in/forms/site", {f"f{n}": "1" for n in range(10_000)})).status == 422
    assert (await post("/in/forms/site", {"name": {"a": [1]}, "phone": 5})).status == 422
    assert (await bench.stranger("PUT", "/in/forms/site")).status == 405
    await bench.form()
