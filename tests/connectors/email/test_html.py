"""HTML as text, and letters made to hurt: each is read in the time of an ordinary one."""

from __future__ import annotations

import io
import time

import pytest

from connectors.email import html
from connectors.email.headers import Headers
from connectors.email.parse import read
from connectors.email.quotes import without_history

MEGABYTE = 1024 * 1024
HTML = {
    "deep divs": "<div>" * 200_000,
    "deep divs with false ends": "<div></x>" * 100_000,
    "deep quotes": "<blockquote>" * 80_000,
    "deep lists": "<ul><li>" * 100_000,
    "ampersands": "&" * MEGABYTE,
    "entities": "&amp;" * 200_000,
    "open heads": "<head" * 200_000,
    "open comments": "<!--" * 250_000,
    "open tags": "<a " * 300_000,
    "fonts": "".join(f"<font size={n}>" for n in range(5000)) + "<p>x" * 20_000,
    "bold paragraphs": "<b><p>" * 100_000,
    "attributes": "<a " + "x=1 " * 200_000 + ">",
}
VALUES = {
    "brackets": "(" * 16_000,
    "words": "=?*" + "*" * 16_000,
    "word starts": "=?" * 8_000,
    "no at": "a" * 16_000,
    "angles": "<" * 16_000,
    "commas": "," * 16_000,
    "quotes": '"' * 16_000,
    "dates": "1 Jan " * 3_000,
}
LINES = {
    "dashes": "-" * MEGABYTE,
    "angles": "<" * MEGABYTE,
    "spaces": " " * MEGABYTE,
    "quotes": ">\n" * (MEGABYTE // 2),
    "attributions": "Иван <a@b.example> пишет:\nx\n" * 20_000,
}


def seconds(begin: float) -> float:
    return time.process_time() - begin


@pytest.mark.parametrize("case", HTML)
def test_tangled_html_takes_no_minutes(case: str) -> None:
    raw = b"Content-Type: text/html; charset=utf-8\n\nHello " + HTML[case].encode()
    begin = time.process_time()
    letter = read(io.BytesIO(raw), len(raw))
    assert seconds(begin) < 3
    assert letter.text.startswith("Hello")


@pytest.mark.parametrize("case", VALUES)
def test_hostile_header_values_take_no_minutes(case: str) -> None:
    headers = Headers(
        "".join(f"{name}: {VALUES[case]}\n" for name in ("From", "Subject", "Date", "References")).encode()
    )
    begin = time.process_time()
    headers.addresses("from")
    headers.text("subject")
    headers.date("date")
    headers.ids("references")
    headers.param("subject", "name")
    assert seconds(begin) < 1


@pytest.mark.parametrize("case", LINES)
def test_hostile_text_takes_no_minutes(case: str) -> None:
    begin = time.process_time()
    without_history("start\n" + LINES[case] + "\nend")
    assert seconds(begin) < 2


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<div>one</div>\n<div>two</div>", "one\ntwo"),
        ("<div>one<br></div><div><br></div><div>two</div>", "one\n\ntwo"),
        ("<p>one</p> <p>two</p>", "one\n\ntwo"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("no<blockquote>old<br>words</blockquote>yes", "no\n\n> old\n> words\n\nyes"),
        (
            '<a href="https://a.example">a.example</a> <a href="https://b.example/">https://b.example</a>',
            "a.example (https://a.example) https://b.example",
        ),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
    ],
)
def test_html_reads_as_a_person_reads_it(source: str, text: str) -> None:
    assert html.to_text(html.safe(source)) == text


def test_ordinary_newsletter_is_not_taken_for_tangled() -> None:
    row = "<table><tr><td><div><p>Цена&nbsp;<b>100</b><br></div></td></tr></table>"
    assert not html.is_tangled(f"<html><body>{row * 2000}</body></html>")
    assert html.is_tangled("<div>" * 1000)
