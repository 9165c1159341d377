"""The main job, whole: a form, a letter and a call of one customer through real servers to one lead, and the answer.

The hub is `firstline serve` in its own process; Dovecot is real, the exchange replays its own recording, and letters go
out to an SMTP server that keeps them.
"""

from __future__ import annotations

import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession

from tests.conftest import free_port, require_server
from tests.connectors.asterisk.ami_server import AmiServer
from tests.connectors.email.dovecot import Dovecot, find_dovecot
from tests.scenario.process import HubProcess
from tests.waiting import until

TRACES = Path(__file__).parent.parent / "connectors" / "asterisk" / "traces"

CONFIG = """
[company]
preset = "equipment"
[workhours.office]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"
[queues.first-line]
members = ["role:first_line"]
presence = "ignore"
[connectors.site]
type = "form"
rate_limit = "off"
[connectors.mail]
type = "email"
address = "sales@firstline.example"
imap = {{ host = "127.0.0.1", port = {imap}, tls = "none", username = "sales", password = "secret" }}
smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none" }}
[connectors.phone]
type = "asterisk"
host = "127.0.0.1"
port = {ami}
username = "firstline"
secret = "secret"
"""

LETTER = """\
From: =?utf-8?b?0JjQstCw0L0g0J/QtdGC0YDQvtCy?= <ivan@client.example>
To: sales@firstline.example
Subject: =?koi8-r?B?7tXWxc4gzsHTz9M=?=
Message-ID: <first@client.example>
Date: Mon, 23 Nov 2026 10:00:00 +0300
Content-Type: text/plain; charset=utf-8

Здравствуйте! Нужен насос, мой телефон указан на сайте.
"""


class Postman:
    """Keeps what the hub sends."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 OK"


class Api:
    """The public API, with a token."""

    def __init__(self, client: aiohttp.ClientSession, url: str, token: str) -> None:
        self.client = client
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, **query: str) -> Any:
        async with self.client.get(f"{self.url}/api/v1{path}", params=query, headers=self.headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.client.post(f"{self.url}/api/v1{path}", json=body, headers=self.headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(path, **query))["items"]
        return found


@asynccontextmanager
async def company(folder: Path) -> AsyncIterator[tuple[Api, AmiServer, Dovecot, Postman]]:
    require_server("dovecot", find_dovecot())
    postman = Postman()
    smtp = Controller(postman, hostname="127.0.0.1", port=free_port())
    smtp.start()
    try:
        with Dovecot() as dovecot:
            async with AmiServer() as ami, aiohttp.ClientSession() as client:
                config = folder / "firstline.toml"
                config.write_text(CONFIG.format(imap=dovecot.port, smtp=smtp.port, ami=ami.port))
                hub = HubProcess(folder / "data", config)
                await hub.start()
                add = ("user", "add", "anna@firstline.example", "--name", "Анна Иванова")
                await hub.run(*add, "--role", "first_line", "--extension", "101")
                api = Api(client, hub.url, await hub.run("token", "create", "test"))
                try:
                    yield api, ami, dovecot, postman
                finally:
                    assert await hub.stop() == 0
    finally:
        smtp.stop()


FORM = {
    "name": "Иван Петров",
    "phone": "8 (916) 123-45-67",
    "email": "ivan@client.example",
    "equipment": "large",
    "utm_source": "yandex",
    "page": "https://shop.example/pumps",
}


@pytest.mark.server
@pytest.mark.timeout(90)
async def test_form_letter_and_call_become_one_lead_and_the_answer_returns_in_the_thread(tmp_path: Path) -> None:
    async with company(tmp_path) as (api, ami, dovecot, postman):
        await until(lambda: _all_up(api))
        async with api.client.post(f"{api.url}/in/forms/site", json=FORM) as answer:
            assert answer.status == 202
        (lead,) = await until(lambda: api.items("/leads"))
        assert (lead["source"]["channel"], lead["source"]["utm"]) == ("form", {"source": "yandex"})
        assert lead["person"]["phones"] == ["+79161234567"]

        dovecot.deliver(LETTER.encode())
        (letter,) = await until(lambda: _letters(api, lead["id"]))
        assert letter["direction"] == "in"
        assert "Нужен насос" in letter["text"]

        await ami.play(TRACES / "a_answered.ami")
        (call,) = await until(lambda: api.items("/calls", number="+79161234567", outcome="answered"))
        assert (call["lead_id"], call["answered_by"], call["direction"]) == (lead["id"], "101", "in")
        (only,) = await api.items("/leads")
        (anna,) = [user for user in await api.items("/users") if user["extension"] == "101"]
        assert only["owner_id"] == anna["id"], "she answered the phone first"
        assert only["stage"] == "qualification"

        await api.post(f"/leads/{lead['id']}/messages", {"text": "Здравствуйте, Иван! Насос есть."})
        sent = await until(lambda: _first(postman))
        assert (sent["To"], sent["Subject"]) == ("ivan@client.example", "Re: Нужен насос")
        assert sent["In-Reply-To"] == "<first@client.example>"
        assert "Насос есть" in sent.get_body(("plain",)).get_content()
        await until(lambda: _letters(api, lead["id"], "sent"))


async def _all_up(api: Api) -> bool:
    return all(each["state"] == "up" for each in await api.items("/connectors"))


async def _letters(api: Api, lead_id: str, state: str | None = None) -> list[dict[str, Any]]:
    items = await api.items(f"/leads/{lead_id}/timeline")
    return [item for item in items if item["kind"] == "mail" and state in (None, item["state"])]


async def _first(postman: Postman) -> EmailMessage | None:
    return postman.letters[0] if postman.letters else None


@pytest.mark.server
@pytest.mark.timeout(90)
async def test_every_recorded_call_ends_as_it_really_did(tmp_path: Path) -> None:
    async with company(tmp_path) as (api, ami, _, _):
        await until(lambda: _up(api, "phone"))
        for trace, outcome, task in (
            ("b_abandoned", "missed", True),
            ("d_out_of_hours", "missed", True),
            ("l_ringgroup_answered", "answered", False),
        ):
            before = len(await api.items("/calls"))
            await ami.play(TRACES / f"{trace}.ami")

            async def ended(before: int = before) -> list[dict[str, Any]]:
                calls = await api.items("/calls")
                return calls if len(calls) > before and calls[0]["ended_at"] else []

            call = (await until(ended))[0]
            assert call["outcome"] == outcome, trace
            tasks = [each for each in await api.items("/tasks") if each["lead_id"] == call["lead_id"]]
            assert any(each["state"] == "open" for each in tasks) == task, trace


async def _up(api: Api, name: str) -> bool:
    return any(each["name"] == name and each["state"] == "up" for each in await api.items("/connectors"))
