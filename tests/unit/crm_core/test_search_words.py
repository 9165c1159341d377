"""How questions are read: layouts, «ё», phones, transliteration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.search_words import TO_LATIN, indexed, readings, words

RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"


def fits(question: str, *texts: str, phones: tuple[str, ...] = ()) -> bool:
    held = indexed(texts, phones)
    return any(all(any(word.startswith(each) for word in held) for each in reading) for reading in readings(question))


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("иванов", "Иванов Пётр"),
        ("ИВАН", "Пётр Иванов"),
        ("петр", "Пётр Иванов"),
        ("пётр", "Петр Иванов"),
        ("иванов петр", "Пётр Иванов"),
        ("bdfyjd", "Иванов Пётр"),
        ("BDFYJD", "Иванов Пётр"),
        ("[fhbnjy", "Харитон"),
        ("Ctv`yjd", "Семёнов"),
        ("ьфкшф", "Maria Rossi"),
        ("ivanov", "Иванов"),
        ("Shchukin", "Щукин"),
        ("водкин", "Петров-Водкин Кузьма"),
        ("петров-вод", "Петров-Водкин Кузьма"),
        ("anna@mail", "anna@mail.ru"),
        ("mail.ru", "anna@mail.ru"),
        ("karenina", "anna.karenina@mail.ru"),
        ("7707083893", "ООО «Ромашка», ИНН 7707083893"),
        ("ромашка", "ООО «Ромашка», ИНН 7707083893"),
        ("насос 40", "Насос для скважины 40 метров"),
        ("7", "Лист 7"),
    ],
)
def test_a_question_fits_a_text(question: str, text: str) -> None:
    assert fits(question, text)


@pytest.mark.parametrize(
    "question",
    [
        "+7 (916) 123-45-67", "8 (916) 123-45-67", "89161234567", "9161234567", "916 123", "8916123", "4567", "45-67",
        "123-45", "7 916",
    ],
)  # fmt: skip
def test_a_phone_is_found_in_any_notation_and_by_any_of_its_digits(question: str) -> None:
    assert fits(question, "Иванов", phones=("+79161234567",))


@pytest.mark.parametrize("question", ["", " ", "и", "№7", "-", "()", "4568", "12", "«»", "иванов 4568"])
def test_what_is_too_short_or_different_finds_nothing(question: str) -> None:
    assert not fits(question, "Иванов", phones=("+79161234567",))


def test_a_name_and_digits_of_the_phone_are_found_together() -> None:
    assert fits("иванов 4567", "Иванов", phones=("+79161234567",))


names = st.text(RUSSIAN + RUSSIAN.upper() + " -", min_size=3, max_size=60)


@given(names, st.data())
def test_every_word_is_found_by_its_beginnings_of_three_letters_in_both_layouts(name: str, data: st.DataObject) -> None:
    raw = [word for word in name.replace("-", " ").split() if len(word) >= 3]
    if not raw:
        return
    word = data.draw(st.sampled_from(raw))
    beginning = word[: data.draw(st.integers(3, len(word)))]
    assert fits(beginning, name)
    assert fits(beginning.translate(TO_LATIN), name)


@given(st.text(max_size=300))
def test_whatever_is_typed_can_be_asked(text: str) -> None:
    for reading in readings(text):
        assert all(each.isalnum() and each == each.lower() for word in reading for each in word), reading
    assert all(word.isalnum() and word == word.lower() for word in indexed((text,), (text,)))
    assert words(text) == words(text.upper().lower()) or text
