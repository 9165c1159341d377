"""Words of the pages without a browser: Russian forms, phones, dates, quotations, and catalogs that are complete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg

from web.pages import format, words
from web.pages.i18n import FOLDER, catalog, ngettext
from web.pages.look import Look, seen_by

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RU, EN = (Look(locale, ZoneInfo("Europe/Moscow"), NOW) for locale in ("ru", "en"))
ROOT = FOLDER.parent.parent


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+79161234567", "+7 916 123-45-67"),
        ("+74951234567;ext=12", "+7 495 123-45-67 доб. 12"),
        ("+442071838750", "+44 20 7183 8750"),
        ("101", "101"),
        (None, ""),
    ],
)
def test_phone_is_written_the_russian_way(number: str | None, shown: str) -> None:
    with seen_by(RU):
        assert format.phone(number).replace("\u00a0", " ").replace("\u2011", "-") == shown


@pytest.mark.parametrize(
    ("days", "shown"),
    [(0, "15:00"), (1, "вчера, 15:00"), (3, "19 ноября, 15:00"), (365, "22 ноября 2025, 15:00")],
)
def test_moment_is_as_short_as_the_reader_needs(days: int, shown: str) -> None:
    with seen_by(RU):
        assert format.moment(NOW - timedelta(days=days)).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(1, "1 попытка"), (3, "3 попытки"), (5, "5 попыток"), (11, "11 попыток")]
)
def test_russian_counts_have_three_forms(number: int, shown: str) -> None:
    with seen_by(RU):
        assert ngettext("%(num)s попытка", "%(num)s попытки", number) % {"num": number} == shown
    with seen_by(EN):
        assert ngettext("%(num)s попытка", "%(num)s попытки", 1) % {"num": 1} == "1 attempt"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 с"), (45, "45 с"), (720, "12 мин"), (3900, "1 ч 5 мин"), (7200, "2 ч"), (260_000, "3 дня")],
)
def test_length_has_at_most_two_units(seconds: int, shown: str) -> None:
    with seen_by(RU):
        assert format.span(seconds).replace("\u00a0", " ") == shown


def test_size_has_a_russian_comma() -> None:
    with seen_by(RU):
        assert format.size(2_516_582).replace("\u00a0", " ") == "2,4 МБ"
    with seen_by(EN):
        assert format.size(2_516_582).replace("\u00a0", " ") == "2.4 MB"


def test_thousands_stand_apart() -> None:
    with seen_by(RU):
        assert format.thousands(1_250_000).replace("\u00a0", " ") == "1 250 000"
    with seen_by(EN):
        assert format.thousands(1_250_000) == "1,250,000"


@pytest.mark.parametrize(
    ("text", "own", "folded"),
    [
        ("Да, беру.\n> Вам нужен станок?\n> Есть два.", "Да, беру.", "> Вам нужен станок?\n> Есть два."),
        ("Добрый день!\n\n-- \nАнна", "Добрый день!", "-- \nАнна"),
        ("> только цитата", "> только цитата", ""),
        ("> вопрос\nответ между строк", "> вопрос\nответ между строк", ""),
    ],
)
def test_quotation_at_the_end_is_folded(text: str, own: str, folded: str) -> None:
    assert words.unquoted(text) == (own, folded)


def test_every_text_of_the_pages_has_its_english() -> None:
    with (ROOT / "babel.cfg").open(encoding="utf-8") as rules:
        methods, options = parse_mapping_cfg(rules)
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "mark": None, "toast": (2,)}
    english = catalog("en")
    missing = set()
    for _path, _line, message, _comments, _context in extract_from_dir(
        ROOT / "web", methods, options, keywords=keywords
    ):
        first = message[0] if isinstance(message, tuple) else message
        has_words = any("а" <= letter.lower() <= "я" for letter in first)
        if has_words and english.ngettext(first, "", 1) == first and english.gettext(first) == first:
            missing.add(first)
    assert missing == set()


def test_catalogs_are_read_from_their_sources() -> None:
    assert {path.parent.parent.name for path in Path(FOLDER).glob("*/LC_MESSAGES/messages.po")} == {"ru", "en"}
