"""Sending through a real SMTP session, and the copy in Sent on a real Dovecot."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from connectors.contract import Attachment, AuthFailed, HealthState, NotReady, Outbound, SendRejected
from connectors.email.connector import EmailConnector
from connectors.email.settings import EmailSettings
from tests.connectors.email.dovecot import Dovecot, free_port
from tests.connectors.email.hub import Hub, running
from tests.waiting import until

pytestmark = pytest.mark.server


class Post:
    """An SMTP server that keeps what it takes and answers what it is told to."""

    def __init__(self) -> None:
        self.port = free_port()
        self.letters: list[tuple[str, list[str], bytes]] = []
        self.logins: list[tuple[str, str]] = []
        self.answers: dict[str, str] = {}
        """What to answer instead at `rcpt` or `data`."""

    async def handle_RCPT(self, server: Any, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if "rcpt" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("rcpt", "250 OK")

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if "data" not in self.answers:
            content = envelope.content
            assert isinstance(content, bytes)
            self.letters.append((str(envelope.mail_from), list(envelope.rcpt_tos), content))
        return self.answers.get("data", "250 OK")

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"secret", handled=False)

    def protocol(self, **options: Any) -> SMTP:
        return SMTP(self, hostname="localhost", **options)


async def serve(post: Post, **options: Any) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: post.protocol(**options), "127.0.0.1", post.port)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    """A relay in the own network: no login."""
    server = Post()
    async with await serve(server):
        yield server


def connector(dovecot: Dovecot, post: Post, **changes: Any) -> EmailConnector:
    imap = {"host": "127.0.0.1", "port": dovecot.port, "tls": "none", "username": dovecot.user, "password": "secret"}
    smtp = {"host": "127.0.0.1", "port": post.port, "tls": "none"} | changes.pop("smtp", {})
    settings = {"address": "sales@example.ru", "imap": imap, "smtp": smtp, **changes}
    return EmailConnector("sales-mail", EmailSettings.model_validate(settings))


def answer(**changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "id": "out_7",
        "connector": "sales-mail",
        "recipient": "ivan@client.example",
        "text": "Добрый день",
        "subject": "Запрос",
        "in_reply_to": "q@client.example",
        "created_at": datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
    }
    return Outbound(**(values | changes))


async def test_answer_leaves_and_its_copy_lies_in_sent(dovecot: Dovecot, post: Post, hub: Hub) -> None:
    box = connector(dovecot, post)
    blob, size = await hub.blobs.put(b"price list")
    file = Attachment(blob=blob, name="Прайс.pdf", type="application/pdf", size=size)
    async with running(box, hub):
        await until(lambda: hub.is_waiting)
        result = await box.send(answer(attachments=(file,)))
        await until(lambda: dovecot.letters("Sent"))
    sender, recipients, content = post.letters[0]
    assert (sender, recipients) == ("sales@example.ru", ["ivan@client.example"])
    assert result.external_id == "out_7@example.ru"
    assert b"Message-ID: <out_7@example.ru>" in content
    assert b"In-Reply-To: <q@client.example>" in content
    assert dovecot.letters("Sent")[0].replace(b"\r\n", b"\n").strip() == content.replace(b"\r\n", b"\n").strip()
    assert dovecot.flags("Sent") == ["S"]
    assert hub.inbounds == {}, "our own letter is no contact"


async def test_sent_folder_that_refuses_is_reported_and_sends_nothing_again(
    dovecot: Dovecot, post: Post, hub: Hub
) -> None:
    box = connector(dovecot, post, sent_folder="Нет такой")
    async with running(box, hub):
        await until(lambda: hub.is_waiting)
        await box.send(answer())
        await until(lambda: hub.reports[-1][0] is HealthState.DEGRADED)
    assert len(post.letters) == 1
    assert "sent_folder" in str(hub.reports[-1][1])


async def test_copy_can_be_turned_off(dovecot: Dovecot, post: Post, hub: Hub) -> None:
    box = connector(dovecot, post, sent_folder="none")
    async with running(box, hub):
        await until(lambda: hub.is_waiting)
        await box.send(answer())
        await asyncio.sleep(0.3)
    assert len(post.letters) == 1
    assert dovecot.letters("Sent") == []


@pytest.mark.parametrize(
    ("step", "reply", "retryable", "code"),
    [
        ("rcpt", "550 5.1.1 no such user", False, "550"),
        ("rcpt", "450 4.2.0 greylisted", True, "450"),
        ("data", "554 5.7.1 spam", False, "554"),
        ("data", "452 4.3.1 no space", True, "452"),
    ],
)
async def test_refusal_says_whether_trying_again_helps(
    dovecot: Dovecot, post: Post, hub: Hub, step: str, reply: str, retryable: bool, code: str
) -> None:
    post.answers[step] = reply
    box = connector(dovecot, post)
    async with running(box, hub):
        await until(lambda: hub.is_waiting)
        with pytest.raises(SendRejected) as refused:
            await box.send(answer())
        await asyncio.sleep(0.1)
    assert (refused.value.retryable, refused.value.code) == (retryable, code)
    assert "ivan@" not in str(refused.value)
    assert dovecot.letters("Sent") == []


async def test_server_that_is_away_means_later(dovecot: Dovecot, hub: Hub) -> None:
    box = connector(dovecot, Post())
    async with running(box, hub):
        await until(lambda: hub.is_waiting)
        with pytest.raises(NotReady):
            await box.send(answer())


async def test_nothing_is_sent_before_the_connector_runs(dovecot: Dovecot, post: Post) -> None:
    with pytest.raises(NotReady):
        await connector(dovecot, post).send(answer())


async def test_imap_login_serves_for_smtp_over_starttls(dovecot: Dovecot, hub: Hub) -> None:
    post = Post()
    options = starttls(dovecot, post)
    async with await serve(post, **options):
        box = connector(dovecot, post, smtp={"tls": "starttls", "ca_file": str(dovecot.certificate)})
        async with running(box, hub):
            await until(lambda: hub.is_waiting)
            await box.send(answer())
        assert "отправка через 127.0.0.1 работает" in await box.check()
    assert post.logins[0] == (dovecot.user, "secret")
    assert len(post.letters) == 1


async def test_wrong_smtp_password_stops_sending_with_a_hint(dovecot: Dovecot, hub: Hub) -> None:
    post = Post()
    async with await serve(post, **starttls(dovecot, post)):
        smtp = {"tls": "starttls", "username": "sales", "password": "wrong"}
        box = connector(dovecot, post, smtp=smtp)
        async with running(box, hub):
            await until(lambda: hub.is_waiting)
            with pytest.raises(AuthFailed, match=r"smtp\.password"):
                await box.send(answer())


def starttls(dovecot: Dovecot, post: Post) -> dict[str, Any]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(dovecot.certificate, dovecot.root / "key.pem")
    return {"tls_context": context, "require_starttls": True, "authenticator": post.authenticate, "auth_required": True}
