"""Everything that robots do, after everything that sets them off, with real servers at the other end."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from crm_core.automation import ROBOT_TIME
from crm_core.automation_check import DEALS_ONLY
from crm_core.robot_actions import PARAMS
from crm_core.timers import TIMERS
from firstline.settings import load_settings
from firstline.wiring import start_hub
from storage import ReadTx
from tests.api.hub import CONFIG, MONDAY_NOON, Bench, Caller, Chat, Exchange, Ticking, until
from tests.api.test_deals import a_deal
from tests.api.test_robots import robot, runs, step

SECRET = "a secret of sixteen or more"
MORE = """
[webhooks]
secret = "{secret}"
networks = ["127.0.0.0/8"]

[connectors.mail]
type = "email"
address = "sales@example.ru"
imap = {{ host = "127.0.0.1", port = {imap}, tls = "none", username = "sales", password = "secret" }}
smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none" }}
"""
ADDRESS = "ivan@client.example"


@dataclass
class Outside:
    """A mail server and a system that is called: what came to them."""

    letters: list[bytes] = field(default_factory=list)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """What the called system answers, one after another; then 200."""

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.letters.append(envelope.content)
        return "250 OK"

    async def say_nothing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A mailbox that never greets: letters go out meanwhile."""
        await reader.read()
        writer.close()

    async def called(self, request: web.Request) -> web.Response:
        self.calls.append((dict(request.headers), await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@dataclass
class World:
    """A hub between them."""

    bench: Bench
    admin: Caller
    outside: Outside
    url: str

    async def customer(self) -> str:
        body = {"name": "Иван Петров", "phones": ["+79161234567"], "emails": [ADDRESS]}
        answer = await self.admin.post("/api/v1/contacts", body)
        assert answer.status == 201, answer.json
        found: str = answer.json["id"]
        return found

    async def keep(self, body: dict[str, Any]) -> str:
        answer = await self.admin.post("/api/v1/automations", body)
        assert answer.status == 201, answer.json
        found: str = answer.json["id"]
        return found

    async def dealt(self, deal: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.admin.get(f"/api/v1/deals/{deal['id']}")).json
        return found

    async def texts(self, record: dict[str, Any], kind: str = "deals") -> list[str]:
        found = await self.admin.items(f"/api/v1/{kind}/{record['id']}/robot-runs?limit=200")
        return [f"{run['outcome']}: {run['text']}" for run in found]

    async def said(self, record: dict[str, Any], words: str, kind: str = "deals") -> str:
        """The line of the log with these words, once it is there."""

        async def look() -> str | None:
            return next((text for text in await self.texts(record, kind) if words in text), None)

        try:
            found: str = await until(look, 5)
        except AssertionError:
            raise AssertionError(f"{words}: {await self.texts(record, kind)}") from None
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        outside, app = Outside(), web.Application()
        post = await asyncio.get_running_loop().create_server(lambda: SMTP(outside, hostname="mx"), "127.0.0.1", 0)
        box = await asyncio.start_server(outside.say_nothing, "127.0.0.1", 0)
        for server in (post, box):
            stack.callback(server.close)
        app.router.add_post("/hook", outside.called)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        config = tmp_path / "firstline.toml"
        smtp, imap = (server.sockets[0].getsockname()[1] for server in (post, box))
        more = MORE.format(secret=SECRET, smtp=smtp, imap=imap)
        config.write_text(CONFIG + more, encoding="utf-8")
        clock = Ticking(MONDAY_NOON)
        hub = await start_hub(load_settings(config, {}), tmp_path, clock=clock.now)
        http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        bench = Bench(hub, clock, Chat(), Exchange(), http)
        stack.push_async_callback(bench.close)
        yield World(bench, await bench.token("admin"), outside, f"http://127.0.0.1:{runner.addresses[0][1]}/hook")


def every_action(world: World, stage: str, started: str) -> dict[str, dict[str, Any]]:
    return {
        "create_task": step("create_task", title="Задача {number}", responsible="role:service_seller"),
        "set_field": step("set_field", field="comment", value="Робот был здесь"),
        "move": step("move", stage=stage),
        "assign": step("assign", to="role:service_seller"),
        "notify": step("notify", text="Смотри {number}", to="role:service_seller"),
        "send_message": step("send_message", subject="О ремонте", text="Здравствуйте, {person}!", connector="mail"),
        "make_document": step("make_document", template="offer-service", leave_blanks="yes"),
        "call_webhook": step("call_webhook", url=world.url),
        "start": step("start", automation=started),
    }


async def set_off(world: World, event: str, deal: dict[str, Any]) -> None:
    """Do what the trigger is about; a new deal has been one already."""
    at = f"/api/v1/deals/{deal['id']}"
    match event:
        case "stage":
            await world.admin.post(f"{at}/move", {"stage": "offer"})
        case "field":
            await world.admin("PATCH", at, {"title": "Другой ремонт"})
        case "inbound":
            await world.bench.form(email=ADDRESS)
        case "time" | "stuck":
            await until(lambda: world.bench.hub.store.read(_are_planned, len(PARAMS)))
            world.bench.clock.push(timedelta(hours=30))
            await a_deal(world.admin, pipeline="equipment")  # wakes the clock


def _are_planned(tx: ReadTx, number: int) -> bool:
    return len([timer for timer in tx.find(TIMERS) if timer.kind == ROBOT_TIME]) >= number


TRIGGERS: dict[str, dict[str, str]] = {
    "created": {},
    "stage": {"stage": "offer"},
    "field": {"field": "title"},
    "inbound": {},
    "time": {"field": "next_step_at", "offset": "-1h"},
    "stuck": {"offset": "24h"},
    "start": {},
}


WORDS = ("поставлена задача", "поле «comment»", "переведено на", "уведомление для", "клиенту написано", "принят: 200",
         "запущен робот")  # fmt: skip


@pytest.mark.parametrize("event", TRIGGERS)
async def test_every_trigger_sets_every_action_off(world: World, event: str) -> None:
    seller = await world.bench.hire("seller", "service_seller")
    person = await world.customer()
    started = await world.keep(robot("start", step("set_field", field="variants", value="Запущен")))
    actions = every_action(world, "new" if event == "stage" else "offer", started)
    assert actions.keys() == PARAMS.keys()
    trigger = {"pipeline": "service", **TRIGGERS[event]}
    ids = [await world.keep(robot(event, each, **trigger) | {"title": name}) for name, each in actions.items()]
    if event == "start":
        each_of_them = [step("start", automation=each) for each in ids]
        await world.keep(robot("created", *each_of_them, pipeline="service"))
    at = (world.bench.clock.now() + timedelta(hours=20)).isoformat()
    values = {"person_id": person, "amount": "1000.50", "next_step": {"text": "Звонок", "at": at}}
    deal = await a_deal(world.admin, pipeline="service", **values)
    await set_off(world, event, deal)
    for words in (*WORDS, "ответственный Seller", "создан документ", "поле «variants»"):
        assert (await world.said(deal, words)).startswith("done"), words
    now = await world.dealt(deal)
    assert (now["comment"], now["fields"]["variants"], now["owner_id"]) == ("Робот был здесь", "Запущен", seller.id)
    assert [task["title"] for task in await world.admin.items("/api/v1/tasks")] == [f"Задача {deal['number']}"]
    assert len(await world.admin.items(f"/api/v1/deals/{deal['id']}/documents")) == 1
    await until(lambda: _arrived(world))
    check_call(world, deal, event)
    assert b"To: ivan@client.example" in world.outside.letters[0]


async def _arrived(world: World) -> bool:
    return bool(world.outside.letters)


def check_call(world: World, deal: dict[str, Any], event: str) -> None:
    ((headers, body),) = world.outside.calls
    signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Firstline-Signature"] == f"sha256={signed}"
    told = json.loads(body)
    assert (told["event"], headers["X-Firstline-Event"]) == (event, f"deal.{event}")
    assert (told["deal"]["id"], told["deal"]["amount"]) == (deal["id"], "1000.50")


OF_LEADS = TRIGGERS | {"stage": {"stage": "qualification"}, "time": {"field": "created_at", "offset": "2h"}}


@pytest.mark.parametrize("event", OF_LEADS)
async def test_every_trigger_of_leads_sets_every_action_of_leads_off(world: World, event: str) -> None:
    await world.bench.hire("seller", "service_seller")
    started = await world.keep(of_leads(robot("start", step("set_field", field="probable_equipment", value="Запущен"))))
    actions = every_action(world, "not_our_range", started)
    ids = [
        await world.keep(of_leads(robot(event, each, **OF_LEADS[event])) | {"title": name})
        for name, each in actions.items()
        if name not in DEALS_ONLY
    ]
    if event == "start":
        await world.keep(of_leads(robot("created", *(step("start", automation=each) for each in ids))))
    lead = await world.bench.lead_of(await world.bench.form(email=ADDRESS))
    at = f"/api/v1/leads/{lead['id']}"
    match event:
        case "stage":
            assert (await world.admin.post(f"{at}/move", {"stage": "qualification"})).status == 200
        case "field":
            assert (await world.admin("PATCH", at, {"title": "Другой ремонт"})).status == 200
        case "inbound":
            await world.bench.form(email=ADDRESS, comment="Ещё вопрос")
        case "time" | "stuck":
            await until(lambda: world.bench.hub.store.read(_are_planned, len(ids)))
            world.bench.clock.push(timedelta(hours=30))
            await a_deal(world.admin, pipeline="equipment")  # wakes the clock
    for words in WORDS:
        assert (await world.said(lead, words, "leads")).startswith("done"), words
    await until(lambda: _arrived(world))
    assert json.loads(world.outside.calls[0][1])["lead"]["id"] == lead["id"]


def of_leads(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"trigger": body["trigger"] | {"entity": "lead"}}


async def test_steps_behind_a_document_wait_for_it(world: World) -> None:
    document = step("make_document", template="offer-service", leave_blanks="yes")
    await world.keep(robot("created", document, step("move", stage="contract"), pipeline="service"))
    fields = {"pipeline": "service", "title": "Ремонт", "amount": "10"}
    deal = await a_deal(world.admin, **fields)
    assert (await world.said(deal, "переведено")).startswith("done")
    assert (await world.dealt(deal))["stage"] == "contract"


async def test_a_document_that_lacks_something_ends_the_run_with_its_names(world: World) -> None:
    document = step("make_document", template="offer-service")
    await world.keep(robot("created", document, step("set_field", field="comment", value="Рано"), pipeline="service"))
    deal = await a_deal(world.admin, pipeline="service")
    assert "Заполните" in await world.said(deal, "failed")
    assert (await world.dealt(deal))["comment"] == ""


async def test_a_call_is_tried_again_until_it_is_taken_and_bears_one_id(world: World) -> None:
    world.outside.answers = [503, 429]
    await world.keep(robot("created", step("call_webhook", url=world.url), pipeline="service"))
    deal = await a_deal(world.admin, pipeline="service")

    async def later() -> bool:
        world.bench.clock.push(timedelta(minutes=1))
        return len(world.outside.calls) == 3

    await until(later, 30)
    assert (await world.said(deal, "принят")).startswith("done")
    assert len({headers["X-Firstline-Delivery"] for headers, _ in world.outside.calls}) == 1


@pytest.mark.parametrize(("status", "words"), [(404, "ответил 404"), (302, "ответил 302")])
async def test_a_call_that_is_refused_is_not_repeated(world: World, status: int, words: str) -> None:
    world.outside.answers = [status]
    await world.keep(robot("created", step("call_webhook", url=world.url + "?token=secret"), pipeline="service"))
    deal = await a_deal(world.admin, pipeline="service")
    text = await world.said(deal, words)
    assert text.startswith("failed")
    assert "secret" not in text
    assert len(world.outside.calls) == 1


async def test_a_dry_run_of_every_action_says_all_and_does_nothing(world: World) -> None:
    await world.bench.hire("seller", "service_seller")
    person = await world.customer()
    started = await world.keep(robot("start", step("set_field", field="variants", value="Запущен")))
    steps = every_action(world, "offer", started).values()
    tried = await world.keep(robot("field", *steps, pipeline="service", field="title"))
    deal = await a_deal(world.admin, pipeline="service", person_id=person)
    before = await world.bench.hub.store.read(lambda tx: tx.last_number("change"))
    answer = await world.admin.post(f"/api/v1/automations/{tried}/dry-run", {"record_id": deal["id"]})
    lines = "\n".join(answer.json["lines"])
    for words in ("Написать клиенту", f"через «mail» на {ADDRESS}", "Создать документ", "Вызвать вебхук", world.url):
        assert words in lines
    assert await world.texts(deal) == []
    assert (world.outside.calls, world.outside.letters) == ([], [])
    assert await world.bench.hub.store.read(lambda tx: tx.last_number("change")) == before


async def test_nobody_is_called_where_the_configuration_says_nothing_of_webhooks(bench: Bench) -> None:
    admin = await bench.token("admin")
    answer = await admin.post("/api/v1/automations", robot("created", step("call_webhook", url="https://example.ru/")))
    assert "[webhooks]" in answer.fields["steps[0].url"]
    assert await runs(admin, await a_deal(admin, pipeline="service"), 0) == []
