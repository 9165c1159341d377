"""A document that goes to the customer as a letter, through the outbox to a real SMTP server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from firstline.settings import load_settings
from firstline.wiring import start_hub
from tests.api.hub import CONFIG, MONDAY_NOON, Bench, Caller, Chat, Exchange, Ticking, until
from tests.api.papers import words_of
from tests.api.test_deals import a_deal
from tests.conftest import free_port
from web.pdf import PROGRAMS

MAILBOX = """
[connectors.mail]
type = "email"
title = "Почта"
address = "sales@firstline.example"
imap = {{ host = "127.0.0.1", port = {imap}, tls = "none", username = "sales", password = "secret" }}
smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "none", username = "", password = "" }}
"""
DOCX = {"format": "docx"}


class Post:
    """A mail server that keeps what it takes, or refuses."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            letter = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
            assert isinstance(letter, EmailMessage)
            self.letters.append(letter)
        return self.answer


@pytest.fixture
def post() -> Post:
    return Post()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The IMAP side holds the line: letters go out all the same."""
    await reader.read()
    writer.close()


@pytest.fixture
async def bench(tmp_path: Path, post: Post) -> AsyncIterator[Bench]:
    """A hub with a mailbox."""
    smtp = Controller(post, hostname="127.0.0.1", port=free_port())
    smtp.start()
    imap = await asyncio.start_server(silent, "127.0.0.1", 0)
    config = tmp_path / "firstline.toml"
    config.write_text(CONFIG + MAILBOX.format(imap=imap.sockets[0].getsockname()[1], smtp=smtp.port), "utf-8")
    clock = Ticking(MONDAY_NOON)
    hub = await start_hub(load_settings(config, {}), tmp_path, clock=clock.now)
    http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    bench = Bench(hub, clock, Chat(), Exchange(), http)
    yield bench
    await bench.close()
    imap.close()
    smtp.stop()


@pytest.fixture
async def admin(bench: Bench) -> Caller:
    return await bench.token("admin")


async def a_paper(admin: Caller, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A deal with a person of a company, and an offer for it."""
    person = await admin.post("/api/v1/contacts", {"name": "Пётр Ильин", "emails": ["petr@client.example"]})
    firm = await admin.post("/api/v1/companies", {"name": "ООО «Ромашка»", "emails": ["office@client.example"]})
    links = {"person_id": person.json["id"], "company_id": firm.json["id"]}
    deal = await a_deal(admin, pipeline="equipment", **links, **values)
    lines = {"lines": [{"name": "Станок", "price": "100"}]}
    assert (await admin("PUT", f"/api/v1/deals/{deal['id']}/products", lines)).status == 200
    made = await admin.post(
        f"/api/v1/deals/{deal['id']}/documents", {"template": "offer-equipment", "leave_blanks": True}
    )
    assert made.status == 201, made.json
    return deal, made.json


async def settled(admin: Caller, id: str, state: str) -> dict[str, Any]:
    """The document, once its last letter has this state."""

    async def look() -> dict[str, Any] | None:
        shown: dict[str, Any] = (await admin.get(f"/api/v1/documents/{id}")).json
        return shown if shown["sendings"] and shown["sendings"][-1]["state"] == state else None

    found: dict[str, Any] = await until(look, within=20)
    return found


def attached(letter: EmailMessage) -> tuple[str, str, bytes]:
    (file,) = letter.iter_attachments()
    return str(file.get_filename()), file.get_content_type(), file.get_content()


async def test_a_document_goes_out_as_a_letter_and_is_sent_when_the_server_took_it(admin: Caller, post: Post) -> None:
    deal, paper = await a_paper(admin)
    path = f"/api/v1/documents/{paper['id']}"
    proposed = (await admin.get(f"{path}/letter")).json
    assert [each["email"] for each in proposed["addresses"]] == ["petr@client.example", "office@client.example"]
    assert [each["name"] for each in proposed["mailboxes"]] == ["mail"]
    assert proposed["subject"] == "Коммерческое предложение на оборудование № КП-2026-0001"
    queued = await admin.post(f"{path}/send", {"to": " Petr@Client.example "} | DOCX)
    assert (queued.status, queued.json["sendings"][0]["to"]) == (201, "petr@client.example")
    shown = await settled(admin, paper["id"], "sent")
    assert (shown["state"], shown["sent_to"], shown["sent_at"] is not None) == ("sent", "petr@client.example", True)
    (letter,) = post.letters
    assert (letter["To"], letter["Subject"]) == ("petr@client.example", proposed["subject"])
    body = letter.get_body(("plain",))
    assert body is not None
    assert "Направляем вам документ «Коммерческое предложение на оборудование»" in body.get_content()
    name, _, content = attached(letter)
    assert name == "Коммерческое предложение на оборудование КП-2026-0001 ООО Ромашка.docx"
    assert "№ КП-2026-0001" in words_of(content)
    items = await admin.items(f"/api/v1/deals/{deal['id']}/timeline")
    (item,) = [each for each in items if each["kind"] == "mail"]
    assert (item["state"], item["direction"], item["attachments"][0]["name"]) == ("sent", "out", name)
    trail = await admin.items(f"/api/v1/audit?entity_id={paper['id']}")
    assert "sending" in {each["action"] for each in trail}


async def test_what_was_changed_in_the_letter_goes_out_as_changed(admin: Caller, post: Post) -> None:
    _, paper = await a_paper(admin)
    body = {"to": "other@client.example", "subject": "Наше предложение", "text": "Добрый день!\nВот оно."}
    await admin.post(f"/api/v1/documents/{paper['id']}/send", body | DOCX | {"connector": "mail"})
    await settled(admin, paper["id"], "sent")
    (letter,) = post.letters
    text = letter.get_body(("plain",))
    assert text is not None
    assert (letter["Subject"], text.get_content().splitlines()[:2]) == (
        "Наше предложение",
        ["Добрый день!", "Вот оно."],
    )


async def test_a_refused_letter_is_shown_and_can_be_sent_again(bench: Bench, admin: Caller, post: Post) -> None:
    _, paper = await a_paper(admin)
    path = f"/api/v1/documents/{paper['id']}"
    post.answer = "550 no such mailbox"
    await admin.post(f"{path}/send", {"to": "typo@client.example"} | DOCX)
    failed = await settled(admin, paper["id"], "failed")
    assert (failed["state"], failed["sent_at"]) == ("ready", None)
    assert "такого ящика нет" in failed["sendings"][0]["error"]
    post.answer = "250 OK"
    outbound = failed["sendings"][0]["outbound_id"]
    assert (await admin.post(f"/api/v1/outbox/{outbound}/retry")).status == 200
    assert (await settled(admin, paper["id"], "sent"))["sent_to"] == "typo@client.example"
    await admin.post(f"{path}/send", {"to": "petr@client.example"} | DOCX)

    async def both() -> bool:
        return len(post.letters) == 2

    await until(both, within=20)
    shown = await settled(admin, paper["id"], "sent")
    assert [each["to"] for each in shown["sendings"]] == ["typo@client.example", "petr@client.example"]


async def test_a_second_press_sends_no_second_letter(bench: Bench, admin: Caller, post: Post) -> None:
    _, paper = await a_paper(admin)
    await bench.hub.supervisor.pause("mail")
    path = f"/api/v1/documents/{paper['id']}/send"
    assert (await admin.post(path, {"to": "petr@client.example"} | DOCX)).status == 201
    again = await admin.post(path, {"to": "petr@client.example"} | DOCX)
    assert (again.status, "уже отправляется" in again.json["detail"]) == (409, True)


async def test_what_is_wrong_with_a_letter_is_named_by_field(admin: Caller, post: Post) -> None:
    _, paper = await a_paper(admin)
    path = f"/api/v1/documents/{paper['id']}"
    wrong = await admin.post(f"{path}/send", {"to": "пётр", "subject": " ", "text": "", "connector": "site"} | DOCX)
    assert wrong.fields.keys() == {"to", "subject", "text", "connector"}
    assert wrong.fields["connector"] == "Через «site» письмо не отправить; можно: mail"
    await admin.post(f"{path}/void", {"reason": "Ошибка"})
    assert (await admin.post(f"{path}/send", {"to": "petr@client.example"} | DOCX)).status == 409
    assert post.letters == []


async def test_a_document_made_anew_counts_as_not_sent(admin: Caller) -> None:
    deal, paper = await a_paper(admin)
    path = f"/api/v1/documents/{paper['id']}"
    await admin.post(f"{path}/send", {"to": "petr@client.example"} | DOCX)
    await settled(admin, paper["id"], "sent")
    await admin("PUT", f"/api/v1/deals/{deal['id']}/products", {"lines": [{"name": "Пресс", "price": "777"}]})
    again = (await admin.post(f"{path}/versions", {})).json
    assert (again["number"], again["versions"], again["state"], again["sent_to"]) == (paper["number"], 2, "ready", None)
    assert "Пресс" in words_of((await admin.get(f"{path}/file")).body)


async def test_the_file_of_a_sent_document_is_for_those_who_may_read_documents(bench: Bench, admin: Caller) -> None:
    deal, paper = await a_paper(admin)
    await admin.post(f"/api/v1/documents/{paper['id']}/send", {"to": "petr@client.example"} | DOCX)
    items = await admin.items(f"/api/v1/deals/{deal['id']}/timeline")
    (item,) = [each for each in items if each["kind"] == "mail"]
    url = item["attachments"][0]["url"]
    assert (await admin.get(url)).status == 200
    first_line = await bench.token("first_line")
    assert item["id"] in {each["id"] for each in await first_line.items(f"/api/v1/deals/{deal['id']}/timeline")}
    assert (await first_line.get(url)).status == 403


async def test_only_who_may_change_a_document_sends_it(bench: Bench, admin: Caller, post: Post) -> None:
    _, paper = await a_paper(admin)
    path = f"/api/v1/documents/{paper['id']}/send"
    for role in ("consultant", "ceo", "first_line"):
        assert (await (await bench.token(role)).post(path, {"to": "petr@client.example"} | DOCX)).status == 403
    assert post.letters == []


async def test_without_libreoffice_a_pdf_is_refused_in_words_and_docx_goes(
    admin: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, paper = await a_paper(admin)
    path = f"/api/v1/documents/{paper['id']}"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await admin.get(f"{path}/letter")).json["format"] == "docx"
    refused = await admin.post(f"{path}/send", {"to": "petr@client.example", "format": "pdf"})
    assert "apt install libreoffice-writer" in refused.fields["format"]
    sent = await admin.post(f"{path}/send", {"to": "petr@client.example"})
    assert sent.json["sendings"][0]["format"] == "docx"


@pytest.mark.skipif(not any(shutil.which(name) for name in PROGRAMS), reason="LibreOffice is not installed (300 MB)")
async def test_with_libreoffice_the_letter_carries_a_pdf(admin: Caller, post: Post) -> None:
    _, paper = await a_paper(admin)
    sent = await admin.post(f"/api/v1/documents/{paper['id']}/send", {"to": "petr@client.example"})
    assert sent.json["sendings"][0]["format"] == "pdf"
    await settled(admin, paper["id"], "sent")
    name, kind, content = attached(post.letters[0])
    assert (name.endswith(".pdf"), kind, content[:5]) == (True, "application/pdf", b"%PDF-")


async def test_without_a_mailbox_it_is_said_what_to_set_up(bench: Bench, admin: Caller) -> None:
    _, paper = await a_paper(admin)
    connectors: Any = bench.hub.desk.company.connectors
    del connectors["mail"]
    refused = await admin.post(f"/api/v1/documents/{paper['id']}/send", {"to": "petr@client.example"} | DOCX)
    assert "Ни один почтовый ящик не подключён" in refused.fields["connector"]
