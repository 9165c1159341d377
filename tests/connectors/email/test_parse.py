"""Recorded letters and what they must become. Each case is one file in `letters/` and the fields that matter."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Inbound, InboundKind, RobotKind
from connectors.email.parse import MAX_TEXT, Box, parse
from tests.connectors.email.hub import Blobs

LETTERS = Path(__file__).parent / "letters"
BOX = Box("sales-mail", "sales@example.ru", frozenset({"sales@example.ru", "info@example.ru"}))
ARRIVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WRITTEN = datetime(2026, 11, 20, 11, 5, tzinfo=UTC)
RU = "Здравствуйте! Нужен токарный станок с ЧПУ, два штуки, доставка в Пермь. Сколько стоит и когда привезёте?"

CASES: dict[str, dict[str, Any]] = {
    "charset__koi8r_declared": {
        "name": "Пётр Ильин",
        "emails": ("petr@client.example",),
        "subject": "Станок для цеха",
        "text": RU,
        "occurred_at": WRITTEN,
        "conversation": "koi8@client.example",
        "to": ("sales@example.ru",),
        "robot": None,
        "defects": (),
    },
    "charset__cp1251_undeclared": {"name": "Анна Котова", "subject": "Запрос цены", "text": RU},
    "charset__koi8r_undeclared": {"name": "Анна Котова", "subject": "Запрос цены", "text": RU},
    "charset__utf8_undeclared_no_mime": {"name": "Анна Котова", "subject": "Запрос цены", "text": RU},
    "charset__raw_header_in_declared_charset": {"name": "Юлия", "subject": "да", "text": RU},
    "charset__unknown_name": {
        "subject": "Запрос цены",
        "text": RU,
        "defects": ("неизвестная кодировка «x-mac-russian-custom»",),
    },
    "charset__lies_about_utf8": {"text": RU},
    "charset__declared_ascii_is_koi8r": {"text": RU},
    "charset__cp866": {"text": RU},
    "words__letter_split_between_words": {"name": "Иван", "subject": "Запрос на поставку оборудования"},
    "words__inside_quotes": {
        "name": "ООО «Ромашка», отдел закупок",
        "emails": ("zakupki@client.example",),
        "subject": "Счёт № 12 (FW)",
    },
    "words__three_charsets": {"subject": "Один два три"},
    "names__rfc2231_pieces": {
        "text": "См. вложение",
        "files": [("Техническое zadanie.pdf", "application/pdf", b"PDF data")],
    },
    "names__encoded_word": {"files": [("Реквизиты.docx", "application/octet-stream", b"doc")]},
    "names__climbs_out": {"text": "x", "files": [("passwd", "text/plain", b"evil")]},
    "mime__no_boundary_parameter": {
        "text": "Текст есть",
        "files": [("a.png", "image/png", b"png")],
        "defects": ("разделитель частей письма не указан или неверен, найден по содержимому",),
    },
    "mime__boundary_never_used": {
        "text": "Просто текст без частей",
        "files": [],
        "defects": ("составное письмо без разделителя частей, показано как текст",),
    },
    "mime__cut_off": {
        "text": "Начало",
        "files": [("big.zip", "application/zip", b"012345678")],
        "defects": ("письмо обрывается: нет закрывающего разделителя",),
    },
    "mime__nonsense_type": {"text": "Всё равно текст"},
    "mime__header_only": {"text": "", "subject": "only header", "defects": ()},
    "mime__garbage_in_header": {
        "subject": "still here",
        "emails": ("ivan@client.example",),
        "text": "body",
        "defects": ("в заголовке есть строки, которые не читаются",),
    },
    "mime__base64_with_garbage": {"text": "Целый текст"},
    "mime__nul_and_controls": {"name": "Ivan", "subject": "Hello[31m exe.pdf", "text": "abc[0m\nline\ttab"},
    "mime__uuencode_part": {"text": "see file", "files": [("a.txt", "application/octet-stream", b"hello")]},
    "mime__winmail": {
        "text": "Из Outlook",
        "files": [("winmail.dat", "application/ms-tnef", b"\x78\x9f\x3e\x22tnef")],
    },
    "mime__letter_inside": {
        "text": "Пересылаю",
        "file_names": ["Старое письмо важно.eml"],
        "message_id": "in@client.example",
    },
    "mime__calendar": {"text": "Приглашение на встречу", "file_names": ["вложение-1.ics"]},
    "html__only_with_tricks": {
        "text": "Добрый день!\nЦена — 100 000\n\nx товар (https://shop.example/p)\n\n• раз\n• два",
        "file_names": ["logo.png"],
    },
    "html__alternative": {"text": "Простой текст", "html": "<p>Богатый текст</p>", "files": []},
    "quote__yandex": {
        "text": "Да, подходит, выставляйте счёт.",
        "conversation": "first@client.example",
        "in_reply_to": "second@example.ru",
        "references": ("first@client.example", "second@example.ru"),
        "html_has": "Предлагаем станок за 100 000.",
    },
    "quote__outlook": {
        "text": "Согласны.\n\nИван",
        "conversation": "second@example.ru",
        "html_has": "Предлагаем станок",
    },
    "quote__gmail": {"text": "Ок!", "html_has": "Старое"},
    "quote__answers_between": {"text": "> Сколько штук?\nДве.\n> Куда везти?\nВ Пермь.", "html": None},
    "quote__forward_stays": {
        "text": "Посмотрите\n\n-------- Пересылаемое сообщение --------\n"
        "20.11.2026, Клиент <k@client.example> пишет:\n\nНужен станок",
    },
    "robot__bounce_postfix": {"robot": RobotKind.BOUNCE, "bounced": "out_42@example.ru", "files": []},
    "robot__bounce_headers_only": {"robot": RobotKind.BOUNCE, "bounced": "out_43@example.ru"},
    "robot__bounce_exim_text": {"robot": RobotKind.BOUNCE, "bounced": "out_44@example.ru"},
    "robot__out_of_office": {"robot": RobotKind.AUTO_REPLY, "bounced": None},
    "robot__mailing_list": {"robot": RobotKind.MAILING_LIST},
    "robot__customer_crm_answers_us": {"robot": None, "text": "Берём."},
    "sender__site_form_from_own_address": {
        "name": "Мария",
        "emails": ("maria@client.example",),
        "reply_to": "maria@client.example",
        "phones": (),
        "robot": None,
    },
    "sender__noreply_with_reply_to": {"emails": ("maria@client.example",), "robot": None},
    "sender__reply_to_elsewhere": {
        "name": "Maria",
        "emails": ("maria@client.example",),
        "reply_to": "office@client.example",
        "cc": ("a@x.example", "b@x.example"),
    },
    "date__nonsense": {
        "occurred_at": ARRIVED,
        "defects": ("дата письма не читается, взято время получения",),
    },
    "date__future": {"occurred_at": ARRIVED, "defects": ("дата письма в будущем, взято время получения",)},
    "date__without_zone": {"occurred_at": datetime(2026, 11, 20, 14, 5, tzinfo=UTC)},
    "header__no_message_id": {"message_id": None, "text": "x"},
    "header__nothing_at_all": {"message_id": None, "text": "", "subject": None, "emails": ()},
    "header__message_id_without_brackets": {"message_id": "bare@client.example"},
}


def facts(inbound: Inbound, blobs: Blobs) -> dict[str, Any]:
    """One flat view of an inbound for the table."""
    mail = inbound.mail
    assert mail is not None
    return {
        "name": inbound.sender.name,
        "emails": inbound.sender.emails,
        "phones": inbound.sender.phones,
        "subject": inbound.subject,
        "text": inbound.text,
        "occurred_at": inbound.occurred_at,
        "conversation": inbound.conversation,
        "files": [(file.name, file.type, blobs.bytes(file.blob)) for file in inbound.attachments],
        "file_names": [file.name for file in inbound.attachments],
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": mail.references,
        "to": mail.to,
        "cc": mail.cc,
        "reply_to": mail.reply_to,
        "html": mail.html,
        "robot": mail.robot,
        "bounced": mail.bounced_message_id,
        "defects": mail.defects,
    }


def test_every_recorded_letter_has_its_case() -> None:
    assert {path.stem for path in LETTERS.glob("*.eml")} == set(CASES)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["unix", "wire"])
@pytest.mark.parametrize("case", CASES)
async def test_recorded_letter_becomes(case: str, newline: bytes, blobs: Blobs) -> None:
    raw = (LETTERS / f"{case}.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", newline)
    inbound = await parse(raw, BOX, ARRIVED, blobs)
    found = facts(inbound, blobs)
    expected = dict(CASES[case])
    wanted_html = expected.pop("html_has", None)
    if wanted_html:
        assert wanted_html in (found["html"] or "")
    assert {key: found[key] for key in expected} == expected
    assert inbound.kind is InboundKind.MAIL
    assert inbound.channel == "email"
    assert inbound.source.mailbox == "sales@example.ru"
    assert inbound.raw is not None
    assert blobs.bytes(inbound.raw) == raw


@pytest.mark.parametrize("case", CASES)
async def test_nothing_invisible_gets_through(case: str, blobs: Blobs) -> None:
    inbound = await parse((LETTERS / f"{case}.eml").read_bytes(), BOX, ARRIVED, blobs)
    mail = inbound.mail
    assert mail is not None
    names = [file.name for file in inbound.attachments]
    for value in (inbound.text, inbound.subject, inbound.sender.name, mail.html, *names, *inbound.sender.emails):
        assert not set(value or "") & set(map(chr, [*range(9), 11, 12, *range(14, 32), 127, 0x202E, 0xFFFD]))
        (value or "").encode("utf-8")


async def test_html_of_strangers_is_safe_and_fetches_nothing(blobs: Blobs) -> None:
    raw = (LETTERS / "html__only_with_tricks.eml").read_bytes()
    inbound = await parse(raw, BOX, ARRIVED, blobs)
    assert inbound.mail is not None
    html = inbound.mail.html or ""
    for danger in ("<script", "onload", "javascript:", "position", "url(", "<form", "<input", "<style", ' src="http'):
        assert danger not in html
    assert 'data-src="http://track.example/pixel.gif?id=1"' in html
    assert 'src="cid:logo@1"' in html
    assert 'style="color:red"' in html
    assert inbound.attachments[0].content_id == "logo@1"


async def test_same_letter_under_new_uids_keeps_its_identity(blobs: Blobs) -> None:
    raw = (LETTERS / "quote__yandex.eml").read_bytes()
    first = await parse(raw, BOX, ARRIVED, blobs)
    again = await parse(b"X-Moved-By: admin\n" + raw, BOX, datetime(2027, 1, 1, tzinfo=UTC), blobs)
    assert first.id == again.id


async def test_two_letters_with_one_message_id_are_two(blobs: Blobs) -> None:
    letters = [f"From: a@b.example\nMessage-ID: <1@bad>\nSubject: {n}\n\nx".encode() for n in range(2)]
    one, two = [await parse(raw, BOX, ARRIVED, blobs) for raw in letters]
    assert one.id != two.id


async def test_letters_without_message_id_differ_by_content(blobs: Blobs) -> None:
    one, two, again = [await parse(b"From: a@b.example\n\n" + body, BOX, ARRIVED, blobs) for body in (b"1", b"2", b"1")]
    assert one.id != two.id
    assert one.id == again.id


async def test_huge_header_is_read_up_to_a_limit(blobs: Blobs) -> None:
    to = ", ".join(f"someone{n}@client.example" for n in range(100_000))
    raw = f"From: ivan@client.example\nSubject: {'x' * 300_000}\nTo: {to}\n\nbody".encode()
    inbound = await parse(raw, BOX, ARRIVED, blobs)
    assert inbound.mail is not None
    assert inbound.sender.emails == ("ivan@client.example",)
    assert len(inbound.subject or "") == 1000
    assert len(inbound.mail.to) <= 100
    assert "заголовок слишком длинный, прочитано его начало" in inbound.mail.defects


async def test_text_longer_than_the_limit_is_shown_from_its_start_and_kept_whole(blobs: Blobs) -> None:
    body = ("строка текста\n" * 120_000).encode()
    head = b"From: a@b.example\nSubject: log\nContent-Type: text/plain; charset=utf-8\n\n"
    inbound = await parse(head + body, BOX, ARRIVED, blobs)
    assert len(inbound.text.encode()) <= MAX_TEXT
    assert inbound.text.startswith("строка текста\nстрока")
    assert [blobs.bytes(file.blob) for file in inbound.attachments] == [body]


async def test_hundred_nested_parts_do_no_harm(blobs: Blobs) -> None:
    raw = b"From: a@b.example\nSubject: deep\n"
    for level in range(100):
        raw += f"Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n".encode()
    inbound = await parse(raw + b"\n\nbottom", BOX, ARRIVED, blobs)
    assert inbound.subject == "deep"


async def test_ten_thousand_parts_are_cut_with_a_note(blobs: Blobs) -> None:
    parts = b"".join(b"--q\nContent-Type: text/plain\n\nx\n" for _ in range(10_000))
    raw = b"From: a@b.example\nContent-Type: multipart/mixed; boundary=q\n\n" + parts + b"--q--\n"
    inbound = await parse(raw, BOX, ARRIVED, blobs)
    assert inbound.mail is not None
    assert inbound.mail.defects == ("частей больше 500, остальные не разобраны",)


async def test_letter_that_defeats_the_parser_still_arrives(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("connectors.email.mime.index", broken)
    monkeypatch.setattr("connectors.email.parse.KEEP_RAW", 10)
    raw = (LETTERS / "charset__koi8r_declared.eml").read_bytes()
    inbound = await parse(raw, BOX, ARRIVED, blobs)
    assert inbound.mail is not None
    assert inbound.subject == "Станок для цеха"
    assert inbound.sender.emails == ("petr@client.example",)
    assert inbound.mail.defects == ("письмо не разобрано: RecursionError",)
    assert inbound.raw is not None
    assert blobs.bytes(inbound.raw) == raw
