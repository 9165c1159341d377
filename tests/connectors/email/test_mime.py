"""The streaming splitter against the standard library's own letters, with blocks so small that every seam is met."""

from __future__ import annotations

import io
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.email import charset, headers, mime, utf7
from connectors.email.parse import read

LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)


@given(
    files=st.lists(st.binary(max_size=2000), max_size=4),
    text=st.text(st.sampled_from("абв xyz=-.\n"), max_size=400),
    block=st.sampled_from([512, 1000, 4096]),
    wire=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_file_comes_out_as_it_went_in(files: list[bytes], text: str, block: int, wire: bool) -> None:
    message = EmailMessage(policy=SMTP if wire else default)
    message["Subject"] = "x"
    message.set_content(text)
    for number, data in enumerate(files):
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=f"{number}.bin")
    raw = message.as_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mime, "BLOCK", block)
        source = io.BytesIO(raw)
        letter = read(source, len(raw))
        found = [b"".join(mime.decoded(source, node)) for node in letter.files]
    assert found == files
    assert letter.defects == []


@given(st.binary(max_size=3000))
@settings(max_examples=150, deadline=None)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" + data
    for sample in (data, raw, data + raw):
        read(io.BytesIO(sample), len(sample))


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_no_header_breaks_the_reader(value: str) -> None:
    block = headers.Headers(
        f"From: {value}\nSubject: {value}\nDate: {value}\nReferences: {value}\n".encode("utf-8", "replace")
    )
    block.text("subject")
    block.addresses("from")
    block.date("date")
    block.ids("references")
    block.param("from", "charset")


@pytest.mark.parametrize("codec", ["cp1251", "koi8-r", "utf-8"])
@pytest.mark.parametrize(
    "text",
    [
        "Привет",
        "цена?",
        "Добрый день! Нужен станок.",
        "СРОЧНО НУЖНА ЦЕНА НА СТАНОК",
        "Иванов Пётр",
        "счёт",
        "ООО «Вектор» — заявка № 5",
        "Прошу выставить счёт на ТОКАРНЫЙ СТАНОК 16К20",
        "Юрий Эдуардович Щукин",
        "ЗАО Факел",
        "да",
        "Цех",
    ],
)
def test_undeclared_russian_is_read_even_when_short(text: str, codec: str) -> None:
    data = text.encode(codec, "ignore")
    assert charset.guess(data) == data.decode(codec)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_folder_names_survive_the_way_there_and_back(name: str) -> None:
    assert utf7.decode(utf7.encode(name)) == name
    assert utf7.encode(name).isascii()
