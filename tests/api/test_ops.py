"""For machines and for whoever is on duty: health, metrics, connectors, journal, quarantine, files, calls, OpenAPI."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.contract import Inbound, InboundKind, Sender
from router.journal import JOURNAL, accept, quarantine
from storage import StoreUnavailable, Tx
from tests.api.hub import Bench, Caller, until
from web import ops
from web.api import routes
from web.api.routes import ROUTES

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


async def test_it_lives_and_is_ready(bench: Bench) -> None:
    assert (await bench.stranger.get("/healthz")).json["status"] == "ok"
    assert (await bench.stranger.get("/readyz")).json == {"status": "ready"}


async def test_a_store_that_cannot_write_is_not_ready_and_recovers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "PROBE_EVERY", 0.0)

    async def full(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.hub.store, "write", full)
        answer = await bench.stranger.get("/readyz")
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert "Retry-After" in answer.headers
        form = await bench.stranger.post("/in/forms/site", {"name": "Иван", "phone": "+79161234567"})
        assert (form.status, "Retry-After" in form.headers) == (503, True)
        admin = Caller(bench.stranger.http, bench.url, {"Authorization": "Bearer x"})
        assert (await admin.get("/api/v1/leads")).status == 401
    assert (await bench.stranger.get("/readyz")).status == 200
    await bench.form()


async def test_metrics_tell_how_it_goes_without_personal_data(bench: Bench) -> None:
    await bench.lead_of(await bench.form(name="Очень Личное Имя"))
    await bench.stranger.get("/in/forms/nobody")
    text = (await bench.stranger.get("/metrics")).body.decode()
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["firstline_inbounds_total", "site", "accepted"] == 1
    assert values["firstline_journal_pending",] == 0
    assert values["firstline_leads_waiting", "first-line"] == 1
    assert values["firstline_connector_state", "site", "up"] == 1
    assert values["firstline_connector_state", "closed", "disabled"] == 1
    assert values["firstline_http_requests_total", "2xx", "in"] == 1
    assert values["firstline_http_requests_total", "4xx", "in"] == 1
    assert values["firstline_outbox", "failed"] == 0
    assert values["firstline_store_bytes",] > 0
    assert values["process_resident_memory_bytes",] > 0
    assert not re.search(r"Личное|79161234567|@", text)


async def test_whoever_is_on_duty_sees_pauses_and_tests_connectors(bench: Bench) -> None:
    duty = await bench.token("ops")
    by_name = {each["name"]: each for each in await duty.items("/api/v1/connectors")}
    assert {name: each["state"] for name, each in by_name.items()} == {
        "site": "up", "closed": "disabled", "chat": "up", "office-phone": "up",
    }  # fmt: skip
    assert (await duty.post("/api/v1/connectors/chat/pause")).json["state"] == "paused"
    assert (await duty.get("/api/v1/connectors/chat")).json["state"] == "paused"
    assert (await duty.post("/api/v1/connectors/chat/resume")).status == 200
    assert (await duty.post("/api/v1/connectors/site/test")).json["ok"] is True
    assert (await duty.post("/api/v1/connectors/nobody/test")).status == 404


async def test_the_journal_tells_what_became_of_a_form_and_not_what_it_said(bench: Bench) -> None:
    lead = await bench.lead_of(inbound := await bench.form(comment="Тайна"))
    duty = await bench.token("ops")
    answer = await duty.get(f"/api/v1/journal/{inbound}")
    assert (answer.json["state"], answer.json["rule"], answer.json["lead_id"]) == ("done", "new_lead", lead["id"])
    assert "Тайна" not in answer.body.decode()
    assert [each["id"] for each in await duty.items("/api/v1/journal?state=done&connector=site")] == [inbound]
    assert await duty.items("/api/v1/journal?state=pending") == []


async def test_the_quarantine_is_replayed_or_discarded(bench: Bench) -> None:
    duty = await bench.token("ops")

    def spoil(tx: Tx, number: str) -> str:
        inbound = Inbound(
            connector="site", channel="form", external_id=number, kind=InboundKind.FORM, occurred_at=tx.now,
            sender=Sender(phones=(number,)),
        )  # fmt: skip
        accept(tx, [inbound])
        quarantine(tx, tx.require(JOURNAL, inbound.id), "сломано")
        return inbound.id

    inbound = await bench.hub.store.write(spoil, "+79161234567")
    (row,) = await duty.items("/api/v1/quarantine")
    assert (row["id"], row["error"]) == (inbound, "сломано")
    assert (await duty.post(f"/api/v1/quarantine/{inbound}/replay")).json["state"] == "pending"

    async def done() -> bool:
        return bool((await duty.get(f"/api/v1/journal/{inbound}")).json["state"] == "done")

    await until(done)
    assert (await duty.post(f"/api/v1/quarantine/{inbound}/discard")).status == 409
    assert await duty.items("/api/v1/quarantine") == []
    other = await bench.hub.store.write(spoil, "+79161234568")
    assert (await duty.post(f"/api/v1/quarantine/{other}/discard")).json["state"] == "discarded"


def form_with(*files: tuple[str, bytes], **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(fields, quote_fields=False)
    for name, content in files:
        form.add_field("file", io.BytesIO(content), filename=name, content_type="text/html")
    return form


async def chat_lead(bench: Bench, seller: Caller) -> str:
    await bench.stranger.post("/in/hooks/chat", data="77:Здравствуйте")
    found: str = (await until(lambda: seller.items("/api/v1/leads?channel=chat")))[0]["id"]
    return found


async def test_an_uploaded_file_goes_to_the_customer_and_is_served_safely(bench: Bench) -> None:
    await bench.hire("anna")
    await bench.hire("boris")
    anna, boris = await bench.sign_in("anna"), await bench.sign_in("boris")
    lead = await chat_lead(bench, anna)
    file = await anna.post("/api/v1/files", data=form_with(("..\\<смета>.html", b"<script>alert(1)</script>")))
    assert (file.status, file.json["size"]) == (201, 25)
    assert "\\" not in file.json["name"]
    body = {"text": "Смета", "attachments": [file.json["id"]]}
    assert set((await boris.post(f"/api/v1/leads/{lead}/messages", body)).fields) == {"attachments[0]"}
    forged = body | {"attachments": [file.json["id"][:-1] + "0"]}
    assert (await anna.post(f"/api/v1/leads/{lead}/messages", forged)).status in (201, 422)
    item = (await anna.post(f"/api/v1/leads/{lead}/messages", body)).json
    served = await anna.get(item["attachments"][0]["url"])
    assert served.body == b"<script>alert(1)</script>"
    assert served.headers["Content-Type"] == "application/octet-stream"
    assert served.headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in served.headers["Content-Security-Policy"]
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    blob = item["attachments"][0]["id"]
    assert (await (await bench.token("ops")).get(item["attachments"][0]["url"])).status == 403
    assert (await anna.get(f"/api/v1/files/{blob}?item=nobody")).status == 404
    assert (await anna.get(f"/api/v1/files/{blob}")).status == 422
    assert (await bench.stranger.get(item["attachments"][0]["url"])).status == 401


async def test_files_may_come_with_the_message_itself(bench: Bench) -> None:
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    lead = await chat_lead(bench, anna)
    form = form_with(("фото.png", PNG), ("план.bin", b"1" * 200_000), text="Вот")
    item = (await anna.post(f"/api/v1/leads/{lead}/messages", data=form)).json
    assert [(each["name"], each["size"]) for each in item["attachments"]] == [("фото.png", 28), ("план.bin", 200_000)]
    picture = await anna.get(item["attachments"][0]["url"])
    assert (picture.headers["Content-Type"], picture.body) == ("image/png", PNG)
    assert picture.headers["Content-Disposition"].startswith("inline;")

    async def sent() -> bool:
        return bool(bench.chat.sent)

    await until(sent)
    assert [each.name for each in bench.chat.sent[0].attachments] == ["фото.png", "план.bin"]


async def test_a_file_that_is_too_large_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.api.files.MAX_FILE", 100_000)
    admin = await bench.token("admin")
    assert (await admin.post("/api/v1/files", data=form_with(("big.bin", b"x" * 300_000)))).status == 413
    assert (await admin.post("/api/v1/files", data=form_with(("a", b"1"), ("b", b"2")))).status == 422
    assert (await admin.post("/api/v1/files", {"a": 1})).status == 415


async def test_click_to_call_rings_the_sellers_own_phone_first(bench: Bench) -> None:
    await bench.hire("anna", extension="101")
    await bench.hire("boris")
    anna, boris = await bench.sign_in("anna"), await bench.sign_in("boris")
    lead = await bench.lead_of(await bench.form())
    answer = await anna.post("/api/v1/calls", {"lead_id": lead["id"]})
    assert answer.status == 202
    (request,) = bench.exchange.asked
    assert (request.extension, request.number, request.id) == ("101", "+79161234567", answer.json["request_id"])
    assert (await anna.post("/api/v1/calls", {"number": "8 (495) 123-45-67"})).status == 202
    assert bench.exchange.asked[1].number == "+74951234567"
    assert (await boris.post("/api/v1/calls", {"lead_id": lead["id"]})).status == 409
    assert set((await anna.post("/api/v1/calls", {"number": "abc"})).fields) == {"number"}
    bench.exchange.away = True
    away = await anna.post("/api/v1/calls", {"lead_id": lead["id"]})
    assert (away.status, "АТС" in away.json["detail"]) == (503, True)
    await bench.hub.supervisor.pause("office-phone")
    assert (await anna.post("/api/v1/calls", {"lead_id": lead["id"]})).status == 503


async def test_working_hours_answer_for_any_moment(bench: Bench) -> None:
    admin = await bench.token("admin")
    assert (await admin.get("/api/v1/workhours/office")).json["open"] is True
    assert (await admin.get("/api/v1/workhours/office?at=2026-11-22T10:00:00%2B03:00")).status == 200
    assert (await admin.get("/api/v1/workhours/nowhere")).status == 404
    for at in ("1800-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00%2B14:00", "2026-13-01T00:00:00Z"):
        assert set((await admin.get(f"/api/v1/workhours/office?at={at}")).fields) == {"at"}, at


def test_every_list_tells_whether_there_is_more() -> None:
    for route in ROUTES:
        if members := getattr(route.answer, "__struct_fields__", ()):
            assert "items" not in members or "next" in members, route.path


async def test_every_call_that_reads_a_version_says_so(bench: Bench) -> None:
    document = (await bench.stranger.get("/api/openapi.json")).json
    told = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in document["paths"].items()
        for method, each in methods.items()
        if any(parameter["name"] == "If-Match" for parameter in each["parameters"])
    }
    assert told == {(route.method, route.path) for route in ROUTES if route.reads_version}
    assert {("PATCH", "/deals/{id}"), ("POST", "/deals/{id}/move"), ("DELETE", "/companies/{id}")} <= told
    handlers = {(route.handler.__module__, route.handler.__name__) for route in ROUTES}  # type: ignore[attr-defined]
    for path in Path(routes.__file__).parent.glob("*.py"):
        functions = [each for each in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(each, FUNCTIONS)]
        for each in functions:
            reads = any(isinstance(node, ast.Attribute) and node.attr == "if_match" for node in ast.walk(each))
            assert not reads or (f"web.api.{path.stem}", each.name) in handlers, f"{each.name} reads it out of sight"
    problem = document["components"]["schemas"]["Problem"]["properties"]["missing"]
    assert problem["items"] == {"$ref": "#/components/schemas/Lack"}
    assert set(document["components"]["schemas"]["Lack"]["properties"]) == {"kind", "key", "title", "stage"}


async def test_the_description_is_whole(bench: Bench) -> None:
    document = (await bench.stranger.get("/api/openapi.json")).json
    assert document["openapi"] == "3.1.0"
    names = set(document["components"]["schemas"])
    for reference in re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', str(document).replace("'", '"')):
        assert reference in names
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    ids = [each["operationId"] for each in operations if "operationId" in each]
    assert len(ids) == len(set(ids)) > 50
    for path, methods in document["paths"].items():
        for each in methods.values():
            named = {parameter["name"] for parameter in each["parameters"] if parameter["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert all(len(status) == 3 and answer["description"] for status, answer in each["responses"].items())
    doors = {path: set(methods) for path, methods in document["paths"].items() if path.startswith("/in/")}
    assert doors == {
        "/in/forms/{connector}": {"post"},
        "/in/hooks/{connector}": {"get", "post"},
        "/in/calls/{connector}/owner": {"get", "post"},
    }
    page = (await bench.stranger.get("/api/docs")).body.decode()
    assert all(path in page for path in document["paths"])
    assert "<script" not in page
