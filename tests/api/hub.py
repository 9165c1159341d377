"""A real hub on a free port, and callers who speak HTTP to it: what the API tests are played on.

The only doubles are two channels at the contract's own seam: a chat that can be written to, and a telephone exchange.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from connectors.contract import (
    CallRequest,
    Capabilities,
    ConnectorContext,
    HealthState,
    HttpReply,
    HttpRequest,
    Inbound,
    InboundKind,
    Messenger,
    NotReady,
    Outbound,
    Sender,
    SendResult,
)
from crm_core.accounts import create_token
from crm_core.actor import SYSTEM
from crm_core.company import ConnectorInfo
from crm_core.users import User, create_user
from firstline.settings import Settings, load_settings
from firstline.wiring import Hub, start_hub
from tests.waiting import MONDAY_NOON as MONDAY_NOON
from tests.waiting import until as until
from web.passwords import hash_password

PASSWORD = "Очень длинный пароль"
CONFIG = """
[server]
port = 0
public_url = "http://127.0.0.1"

[company]
preset = "equipment"

[workhours.office]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"

[queues.first-line]
members = ["role:first_line"]

[connectors.site]
type = "form"
queue = "first-line"
rate_limit = "off"
origins = ["*"]

[connectors.closed]
type = "form"
queue = "first-line"
enabled = false
"""
ROLES = (
    "admin", "ceo", "deputy", "head_equipment", "head_service", "first_line", "consultant", "service_seller",
    "procurement", "service_admin", "ops",
)  # fmt: skip


class Chat:
    """A messenger that is driven by webhooks and keeps what was sent."""

    name, type, channel = "chat", "chat", "chat"
    capabilities = Capabilities(can_reply=True)

    def __init__(self) -> None:
        self.sent: list[Outbound] = []
        self.context: ConnectorContext | None = None

    async def run(self, context: ConnectorContext) -> None:
        self.context = context
        context.report(HealthState.UP)
        await asyncio.Event().wait()

    async def send(self, outbound: Outbound) -> SendResult:
        self.sent.append(outbound)
        return SendResult(external_id=f"sent-{len(self.sent)}")

    async def receive(self, request: HttpRequest) -> HttpReply:
        assert self.context is not None
        text = request.body.decode("utf-8", "replace")
        number, _, said = text.partition(":")
        await self.context.accept(
            Inbound(
                connector=self.name,
                channel=self.channel,
                external_id=text,
                kind=InboundKind.MESSAGE,
                occurred_at=self.context.now(),
                sender=Sender(name="Пётр", messengers=(Messenger(network="chat", id=number),)),
                conversation=number,
                text=said,
            )
        )
        return HttpReply(body=b"ok", content_type="text/plain")


class Exchange:
    """A telephone exchange that notes what it is asked to call, or is away."""

    name, type, channel = "office-phone", "asterisk", "phone"
    capabilities = Capabilities(can_call=True)

    def __init__(self) -> None:
        self.asked: list[CallRequest] = []
        self.away = False

    async def run(self, context: ConnectorContext) -> None:
        context.report(HealthState.UP)
        await asyncio.Event().wait()

    async def originate(self, request: CallRequest) -> None:
        if self.away:
            raise NotReady("АТС не отвечает")
        self.asked.append(request)


class Ticking:
    """A clock that starts at a given moment and then runs like any other; it can be pushed ahead."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._began = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def push(self, step: timedelta) -> None:
        self._start += step


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any

    @property
    def fields(self) -> dict[str, str]:
        found: dict[str, str] = self.json["fields"]
        return found


@dataclass
class Caller:
    """Somebody who asks: by token, by cookie, or a stranger."""

    http: aiohttp.ClientSession
    url: str
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> Answer:
        headers = {**self.headers, **more.pop("headers", {})}
        async with self.http.request(
            method, self.url + path, json=json, headers=headers, allow_redirects=False, **more
        ) as answer:
            body = await answer.read()
            parsed = await answer.json(content_type=None) if "json" in answer.content_type else None
            return Answer(answer.status, answer.headers, body, parsed)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self("GET", path, **more)

    async def post(self, path: str, json: Any = None, **more: Any) -> Answer:
        return await self("POST", path, json, **more)

    async def items(self, path: str) -> list[Any]:
        answer = await self.get(path)
        assert answer.status == 200, answer.body
        found: list[Any] = answer.json["items"]
        return found


class Bench:
    """The hub under test, with what tests reach for."""

    def __init__(self, hub: Hub, clock: Ticking, chat: Chat, exchange: Exchange, http: aiohttp.ClientSession) -> None:
        self.hub = hub
        self.clock = clock
        self.chat = chat
        self.exchange = exchange
        self._http = http
        self._sessions: list[aiohttp.ClientSession] = []
        self._hash = ""
        self._tokens: dict[str, Caller] = {}

    @property
    def url(self) -> str:
        return self.hub.url

    @property
    def stranger(self) -> Caller:
        return Caller(self._http, self.url)

    async def hire(self, name: str, *roles: str, extension: str | None = None, department: str | None = None) -> User:
        self._hash = self._hash or await hash_password(PASSWORD)
        return await self.hub.store.write(
            create_user,
            SYSTEM,
            email=f"{name}@firstline.example",
            name=name.title(),
            roles=roles or ("first_line",),
            password_hash=self._hash,
            extension=extension,
            department_id=department,
        )

    async def token(self, role: str) -> Caller:
        """A program with the rights of this role."""
        if role not in self._tokens:
            secret = f"token-of-{role}"
            await self.hub.store.write(create_token, SYSTEM, f"program {role}", role, secret)
            self._tokens[role] = Caller(self._http, self.url, {"Authorization": f"Bearer {secret}"})
        return self._tokens[role]

    async def sign_in(self, name: str) -> Caller:
        """An employee at his browser, with the token that his pages carry."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._sessions.append(http)
        caller = Caller(http, self.url)
        form = {"email": f"{name}@firstline.example", "password": PASSWORD}
        answer = await caller.post("/login", data=form)
        assert answer.status == 303, answer.body
        me = await caller.get("/api/v1/users/me")
        caller.headers["X-CSRF-Token"] = me.json["csrf"]
        return caller

    async def form(self, **fields: Any) -> str:
        """A site form's post; the id that it is answered with."""
        answer = await self.stranger.post("/in/forms/site", {"name": "Иван Петров", "phone": "+79161234567"} | fields)
        assert answer.status == 202, answer.body
        found: str = answer.json["id"]
        return found

    async def lead_of(self, inbound_id: str) -> dict[str, Any]:
        """The lead that this inbound became."""
        admin = await self.token("admin")

        async def routed() -> str | None:
            row = (await admin.get(f"/api/v1/journal/{inbound_id}")).json
            found: str | None = row["lead_id"]
            return found

        lead_id = await until(routed)
        lead: dict[str, Any] = (await admin.get(f"/api/v1/leads/{lead_id}")).json
        return lead

    async def close(self) -> None:
        for session in (*self._sessions, self._http):
            await session.close()
        await self.hub.stop()


def settings(folder: Path) -> Settings:
    """The preset company with one form, and room for the two doubles."""
    config = folder / "firstline.toml"
    config.write_text(CONFIG, encoding="utf-8")
    loaded = load_settings(config, {})
    doubles = {
        "chat": ConnectorInfo("chat", "chat", "chat", "Чат", "first-line", "office", can_reply=True),
        "office-phone": ConnectorInfo(
            "office-phone", "asterisk", "phone", "Телефон", "first-line", "office", can_call=True
        ),
    }
    return replace(loaded, company=replace(loaded.company, connectors={**loaded.company.connectors, **doubles}))


async def open_bench(folder: Path) -> Bench:
    """A running hub; the caller closes it."""
    clock = Ticking(MONDAY_NOON)
    hub = await start_hub(settings(folder), folder, clock=clock.now)
    chat, exchange = Chat(), Exchange()
    for double, title in ((chat, "Чат"), (exchange, "Телефон")):
        hub.supervisor.add(double, title)
        await hub.supervisor.resume(double.name)
    return Bench(hub, clock, chat, exchange, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
