"""Our answers as letters: in the thread, safe, and marked when a machine wrote them."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from connectors.contract import Attachment, Outbound, SendRejected
from connectors.email.headers import Headers
from connectors.email.parse import Box, parse
from connectors.email.render import MAX_REFERENCES, render
from connectors.email.robots import Facts, judge
from connectors.email.settings import EmailSettings
from tests.connectors.email.hub import Blobs

SETTINGS = EmailSettings.model_validate(
    {
        "address": "sales@example.ru",
        "sender_name": "ООО «Станки»",
        "signature": "Отдел продаж\n+7 495 000-00-00",
        "imap": {"host": "127.0.0.1", "username": "u", "password": "p"},
        "smtp": {"host": "127.0.0.1"},
    }
)


def outbound(**changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "id": "out_1",
        "connector": "sales-mail",
        "recipient": "ivan@client.example",
        "text": "Добрый день!\nЦена <100> ₽.",
        "subject": "Запрос цены",
        "author": "Пётр Ильин",
        "created_at": datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
    }
    return Outbound(**(values | changes))


def sent(**changes: Any) -> EmailMessage:
    """The letter as the other side reads it."""
    raw = render(outbound(**changes), SETTINGS, "sales-mail").as_bytes()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    return email.message_from_bytes(raw, policy=default)


def body(letter: EmailMessage, kind: str) -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_answer_stands_in_the_thread() -> None:
    letter = sent(in_reply_to="second@client.example", references=("first@client.example",))
    assert letter["Subject"] == "Re: Запрос цены"
    assert letter["In-Reply-To"] == "<second@client.example>"
    assert letter["References"] == "<first@client.example> <second@client.example>"
    assert letter["Message-ID"] == "<out_1@example.ru>"
    assert str(letter["From"]) == '"Пётр Ильин, ООО «Станки»" <sales@example.ru>'
    assert letter["Date"].datetime == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("subject", ["Re: Запрос", "RE: Запрос", "Ответ: Запрос", "Re[2]: Запрос"])
def test_re_is_not_repeated(subject: str) -> None:
    assert sent(subject=subject, in_reply_to="a@b.example")["Subject"] == subject


def test_first_letter_of_a_thread_has_no_re() -> None:
    letter = sent()
    assert letter["Subject"] == "Запрос цены"
    assert letter["In-Reply-To"] is None


def test_retry_is_the_same_letter() -> None:
    assert sent()["Message-ID"] == sent()["Message-ID"]


def test_text_and_html_say_the_same_with_signature_and_quote() -> None:
    letter = sent(quote="Сколько стоит?\nИван")
    assert body(letter, "plain") == (
        "Добрый день!\nЦена <100> ₽.\n\n-- \nПётр Ильин\nОтдел продаж\n+7 495 000-00-00\n\n> Сколько стоит?\n> Иван\n"
    )
    html = body(letter, "html")
    assert "Добрый день!<br>\nЦена &lt;100&gt; ₽." in html
    assert "Сколько стоит?<br>\nИван</blockquote>" in html


def test_automatic_answer_is_marked_and_a_persons_is_not() -> None:
    assert sent(automatic=True)["Auto-Submitted"] == "auto-replied"
    assert sent(automatic=True)["X-Auto-Response-Suppress"] == "All"
    assert sent()["Auto-Submitted"] is None


def test_another_hub_takes_our_automatic_answer_for_what_it_is() -> None:
    raw = render(outbound(automatic=True), SETTINGS, "sales-mail").as_bytes()
    other = Facts(
        Headers(raw.split(b"\r\n\r\n")[0]), "multipart/alternative", "sales@example.ru", {"shop@other.example"}
    )
    assert judge(other) == ("auto_reply", "Auto-Submitted: автоматическое письмо (RFC 3834)")


async def test_our_own_letter_that_returns_is_known(blobs: Blobs) -> None:
    raw = render(outbound(), SETTINGS, "sales-mail").as_bytes()
    box = Box("sales-mail", "sales@example.ru", frozenset({"sales@example.ru"}))
    inbound = await parse(raw, box, datetime(2026, 11, 22, 13, 0, tzinfo=UTC), blobs)
    assert inbound.mail is not None
    assert inbound.mail.robot == "own"


EVIL = "x\r\nBcc: victim@other.example\r\n\r\nevil"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": EVIL},
        {"author": EVIL},
        {"in_reply_to": EVIL},
        {"references": (EVIL, "a> <b@c")},
        {"id": EVIL},
    ],
    ids=["subject", "author", "in_reply_to", "references", "id"],
)
def test_no_value_can_add_a_header_or_a_recipient(changes: dict[str, Any]) -> None:
    letter = sent(**changes)
    assert letter["Bcc"] is None
    assert [address.addr_spec for address in letter["To"].addresses] == ["ivan@client.example"]
    assert set(letter.keys()) <= {*sent(in_reply_to="a@b.example").keys()}
    assert letter["Message-ID"].endswith("@example.ru>")


TWO = ("ivan@client.example\r\nBcc: victim@other.example", "ivan@client.example, victim@other.example")


@pytest.mark.parametrize("recipient", ["", "nobody", "@x", "a b@c.example", "+79161234567", *TWO])
def test_wrong_address_is_refused_for_good(recipient: str) -> None:
    with pytest.raises(SendRejected) as refused:
        sent(recipient=recipient)
    assert not refused.value.retryable


def test_cyrillic_domain_is_written_in_ascii() -> None:
    address = str(sent(recipient="zakaz@станки.рф")["To"])
    assert address.isascii()
    assert address.removeprefix("zakaz@").encode().decode("idna") == "станки.рф"


def test_ids_longer_than_a_line_stay_whole_and_long_threads_are_cut() -> None:
    ids = tuple(f"{'x' * 120}{number}@client.example" for number in range(60))
    letter = sent(references=ids)
    found = str(letter["References"]).split()
    assert found[0] == f"<{ids[0]}>"
    assert found[-1] == f"<{ids[-1]}>"
    assert len(found) == MAX_REFERENCES


def test_files_travel_with_their_names() -> None:
    attachment = Attachment(blob="0" * 64, name="Счёт № 12/а.pdf", type="application/pdf", size=3)
    message = Attachment(blob="0" * 64, name="old.eml", type="message/rfc822", size=3)
    raw = render(outbound(), SETTINGS, "sales-mail", [(attachment, b"pdf"), (message, b"eml")]).as_bytes()
    letter = email.message_from_bytes(raw, policy=default)
    files = list(letter.iter_attachments())
    assert [(part.get_filename(), part.get_content_type()) for part in files] == [
        ("Счёт № 12_а.pdf", "application/pdf"),
        ("old.eml", "application/octet-stream"),
    ]
    assert [part.get_content() for part in files] == [b"pdf", b"eml"]
