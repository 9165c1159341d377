"""The table of machines: each header alone, and the letters of people that only look like machines."""

from __future__ import annotations

import pytest

from connectors.contract import RobotKind
from connectors.email.headers import Headers
from connectors.email.robots import Facts, judge

OWN = {"sales@example.ru", "info@example.ru"}

MACHINES = [
    ("Auto-Submitted: auto-replied", RobotKind.AUTO_REPLY),
    ("Auto-Submitted: auto-generated; owner=x", RobotKind.AUTO_REPLY),
    ("X-Autoreply: yes", RobotKind.AUTO_REPLY),
    ("X-Autoresponder: 1", RobotKind.AUTO_REPLY),
    ("X-Auto-Response-Suppress: DR, OOF, AutoReply", RobotKind.AUTO_REPLY),
    ("Precedence: auto_reply", RobotKind.AUTO_REPLY),
    ("Precedence: junk", RobotKind.AUTO_REPLY),
    ("Precedence: bulk", RobotKind.AUTO_REPLY),
    ("Precedence: list", RobotKind.MAILING_LIST),
    ("Return-Path: <>", RobotKind.AUTO_REPLY),
    ("Subject: Автоматический ответ: счёт\nX-MS-Exchange-Organization-AuthAs: Internal", RobotKind.AUTO_REPLY),
    ("List-Id: <news.client.example>", RobotKind.MAILING_LIST),
    ("List-Post: <mailto:list@client.example>", RobotKind.MAILING_LIST),
    ("List-Unsubscribe: <https://client.example/u>", RobotKind.MAILING_LIST),
    ("X-Spam-Flag: YES", RobotKind.SPAM),
    ("X-Spam-Status: Yes, score=9.1", RobotKind.SPAM),
    ("X-Yandex-Spam: 4", RobotKind.SPAM),
    ("From: MAILER-DAEMON@client.example", RobotKind.BOUNCE),
    ("X-Failed-Recipients: a@b.example", RobotKind.BOUNCE),
    ("Content-Type: multipart/report; report-type=delivery-status; boundary=x", RobotKind.BOUNCE),
    ("Content-Type: multipart/report; report-type=disposition-notification; boundary=x", RobotKind.AUTO_REPLY),
    ("From: Sales <SALES@example.ru>", RobotKind.OWN),
    ("X-Firstline-Connector: sales-mail; sales@example.ru", RobotKind.OWN),
]
PEOPLE = [
    "Auto-Submitted: no",
    "X-Spam-Flag: NO",
    "X-Spam-Status: No, score=-1",
    "X-Yandex-Spam: 1",
    "Return-Path: <ivan@client.example>",
    "Subject: Автоматический ответ: что это значит?",
    "Subject: Out of office chairs",
    "X-MS-Exchange-Organization-AuthAs: Internal",
    "Precedence: first-class",
    "List-Post: NO",
    "X-Firstline-Connector: sales; sales@another-company.example",
    "List-Unsubscribe: <https://crm.example/u>\nPrecedence: bulk\nIn-Reply-To: <out_1@example.ru>",
    "List-Id: crm\nReferences: <a@b.example> <out_1@example.ru>",
]


def facts(text: str) -> Facts:
    headers = Headers(text.encode())
    authors = headers.addresses("from")
    sender = authors[0][1].lower() if authors else "ivan@client.example"
    return Facts(headers, headers.value("content-type") or "text/plain", sender, OWN)


@pytest.mark.parametrize(("header", "kind"), MACHINES, ids=[header for header, _ in MACHINES])
def test_machine_is_recognised_with_a_reason(header: str, kind: RobotKind) -> None:
    verdict = judge(facts(header))
    assert verdict is not None
    assert verdict[0] is kind
    assert verdict[1]


@pytest.mark.parametrize("header", PEOPLE)
def test_letter_of_a_person_stays_one(header: str) -> None:
    assert judge(facts(header)) is None


def test_site_form_sent_from_our_own_address_is_no_letter_of_ours() -> None:
    plain = facts("From: sales@example.ru")
    form = Facts(plain.headers, plain.type, plain.sender, OWN, is_form=True)
    assert judge(plain) == (RobotKind.OWN, "From: один из наших адресов")
    assert judge(form) is None
