"""A running company for browser tests: the real hub, a mail server that takes letters, and sellers at real browsers.

The mail server's IMAP side accepts and then says nothing, like a box that is slow today: letters still go out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from playwright.async_api import Browser, Page

from connectors.contract import (
    CallDirection,
    CallFacts,
    CallOutcome,
    CallPhase,
    Inbound,
    InboundKind,
    MailFacts,
    Sender,
    SourceHints,
)
from crm_core.actor import SYSTEM
from crm_core.users import User, create_user
from firstline.settings import load_settings
from firstline.wiring import Hub, start_hub
from web.passwords import hash_password

T = TypeVar("T")
PASSWORD = "проверка-рабочего-места"
DESKTOP, PHONE, SMALL_PHONE = (1440, 900), (390, 844), (360, 740)
CONFIG = """
[server]
port = 0
[company]
preset = "equipment"
[workhours.office]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"
[connectors.site]
type = "form"
queue = "first-line"
title = "Форма на сайте"
rate_limit = "off"
[connectors.mail]
type = "email"
title = "Почта"
address = "sales@firstline.example"
imap = {{ host = "127.0.0.1", port = {imap}, tls = "none", username = "sales", password = "secret" }}
smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none", username = "", password = "" }}
"""


@dataclass
class Sink:
    """What the mail server took."""

    letters: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.letters.append(message_from_bytes(envelope.content or b"", policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"


class Office:
    """The hub with its doors."""

    def __init__(self, hub: Hub, sink: Sink) -> None:
        self.hub = hub
        self.letters = sink.letters
        self._calls = 0
        self._hired = 0
        self._mails = 0

    async def hire(self, name: str, *roles: str, extension: str | None = None) -> User:
        digest = await hash_password(PASSWORD)
        self._hired += 1
        email = f"employee-{self._hired}@firstline.example"
        return await self.hub.store.write(
            create_user, SYSTEM, email=email, name=name, roles=roles or ("first_line",), password_hash=digest,
            extension=extension,
        )  # fmt: skip

    async def read(self, fn: Callable[..., T], *args: Any) -> T:
        return await self.hub.store.read(fn, *args)

    async def write(self, fn: Callable[..., T], *args: Any) -> T:
        return await self.hub.store.write(fn, *args)

    async def form(self, **fields: str) -> None:
        """A visitor presses «Отправить» on the site."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.hub.url}/in/forms/site", json={"consent": True} | fields) as answer,
        ):
            assert answer.status == 202, await answer.text()

    async def mail(self, name: str, address: str, subject: str, text: str, html: str | None = None) -> None:
        """A letter, as the mail connector hands it over."""
        self._mails += 1
        native = f"letter-{self._mails}"
        await self.hub.intake.accept(
            Inbound(
                connector="mail", channel="email", external_id=native, kind=InboundKind.MAIL,
                occurred_at=datetime.now(UTC), sender=Sender(name=name, emails=(address,)), subject=subject, text=text,
                mail=MailFacts(message_id=f"{native}@customer.example", html=html),
            )
        )  # fmt: skip

    async def call(self, phase: CallPhase, number: str | None, extension: str) -> None:
        """One phase of the only call, as the telephony connector hands it over."""
        self._calls += 1
        now = datetime.now(UTC)
        ended = phase is CallPhase.ENDED
        facts = CallFacts(
            call_id="call-1", linkedid="call-1", phase=phase, direction=CallDirection.IN, number=number,
            did="+74951234567", started_at=now, ringing=() if ended else (extension,), rang=(extension,),
            outcome=CallOutcome.MISSED if ended else None, ended_at=now if ended else None,
        )  # fmt: skip
        await self.hub.intake.accept(
            Inbound(
                connector="phone", channel="phone", external_id=f"phase-{self._calls}", kind=InboundKind.CALL,
                occurred_at=now, sender=Sender(phones=(number,) if number else ()),
                source=SourceHints(did="+74951234567"), call=facts,
            )
        )  # fmt: skip


class Seat:
    """An employee at a browser; notes whatever the browser complains of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    async def go(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wide: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide


async def sit_down(browser: Browser, office: Office, user: User, size: tuple[int, int] = DESKTOP) -> Seat:
    """Sign in at the page and wait until the live stream runs."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="ru-RU", timezone_id="Europe/Moscow"
    )
    context.set_default_timeout(8000)
    seat = Seat(await context.new_page(), office.hub.url)
    await seat.go("/login")
    await seat.page.fill("input[type=email]", user.email)
    await seat.page.fill("input[type=password]", PASSWORD)
    await seat.page.click("button.primary")
    await seat.page.wait_for_selector("body[data-live=on]")
    return seat


async def open_office(folder: Path, imap: int, smtp: int, sink: Sink) -> Office:
    config = folder / "firstline.toml"
    config.write_text(CONFIG.format(imap=imap, smtp=smtp), "utf-8")
    return Office(await start_hub(load_settings(config, {}), folder), sink)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The IMAP side: holds the line until the other side gives up."""
    await reader.read()
    writer.close()


def mail_sink(sink: Sink, port: int) -> Controller:
    return Controller(sink, hostname="127.0.0.1", port=port)
