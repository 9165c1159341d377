"""Numbers, sums and dates in Russian words, held against num2words where that is right."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from crm_core.documents.words import (
    LIMIT,
    Gender,
    date_text,
    date_words,
    integer_words,
    money_words,
    number_text,
    plural,
)
from crm_core.money import CURRENCIES, SPOKEN


@given(st.integers(-LIMIT + 1, LIMIT - 1))
def test_integers_are_written_as_num2words_writes_them(number: int) -> None:
    assert integer_words(number) == num2words(number, lang="ru")


@given(st.integers(0, 999_999))
def test_feminine_integers_agree_below_a_million(number: int) -> None:
    assert integer_words(number, Gender.FEMININE) == num2words(number, lang="ru", gender="f")


def test_only_the_counted_noun_decides_the_last_word() -> None:
    assert integer_words(1_002_002, Gender.FEMININE) == "один миллион две тысячи две"
    assert integer_words(21, Gender.NEUTER) == "двадцать одно"
    with pytest.raises(ValueError, match="слишком велико"):
        integer_words(LIMIT)


@given(st.decimals(0, 10**14, places=2))
def test_sums_in_words_are_those_of_num2words(amount: Decimal) -> None:
    theirs = num2words(amount, lang="ru", to="currency", currency="RUB").replace(",", "")
    assert money_words(amount, minor_in_words=True) == theirs


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("0", "RUB", "ноль рублей 00 копеек"),
        ("1.01", "RUB", "один рубль 01 копейка"),
        ("2.02", "RUB", "два рубля 02 копейки"),
        ("11.11", "RUB", "одиннадцать рублей 11 копеек"),
        ("1000", "RUB", "одна тысяча рублей 00 копеек"),
        ("1250000.5", "₽", "один миллион двести пятьдесят тысяч рублей 50 копеек"),
        ("0.005", "RUB", "ноль рублей 01 копейка"),
        ("-3", "RUB", "минус три рубля 00 копеек"),
        ("-0.001", "RUB", "ноль рублей 00 копеек"),
        ("22.22", "$", "двадцать два доллара США 22 цента"),
        ("5", "EUR", "пять евро 00 центов"),
        ("101.03", "¥", "сто один юань 03 фэня"),
        ("2.01", "BYN", "два белорусских рубля 01 копейка"),
        ("5.02", "Br", "пять белорусских рублей 02 копейки"),
        ("1000.05", "KZT", "одна тысяча тенге 05 тиынов"),
    ],
)
def test_sums_in_words(amount: str, currency: str, words: str) -> None:
    assert money_words(Decimal(amount), currency) == words


def test_an_unknown_currency_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="«XXX» нет; есть RUB, USD"):
        money_words(Decimal(1), "XXX")


def test_every_currency_of_the_deals_can_be_said_in_words() -> None:
    assert SPOKEN.keys() == CURRENCIES.keys()
    assert all(money_words(Decimal(1), code) and money_words(Decimal(1), sign) for code, sign in CURRENCIES.items())


def test_figures_are_grouped_by_spaces_that_do_not_break() -> None:
    assert number_text(Decimal("1E+3")) == "1\u00a0000"
    assert number_text(Decimal("2.500")) == "2,5"


@pytest.mark.parametrize(
    ("number", "form"), [(1, "день"), (2, "дня"), (5, "дней"), (11, "дней"), (21, "день"), (114, "дней"), (0, "дней")]
)
def test_the_form_goes_with_the_number(number: int, form: str) -> None:
    assert plural(number, "день", "дня", "дней") == form
    assert plural(Decimal("1.5"), "день", "дня", "дней") == "дня"


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 22), "двадцать второе ноября две тысячи двадцать шестого года"),
        (date(2000, 1, 3), "третье января двухтысячного года"),
        (date(2013, 8, 30), "тридцатое августа две тысячи тринадцатого года"),
        (date(1900, 5, 12), "двенадцатое мая тысяча девятисотого года"),
        (date(2040, 2, 1), "первое февраля две тысячи сорокового года"),
    ],
)
def test_dates_in_words(day: date, words: str) -> None:
    assert date_words(day) == words


@given(st.dates(date(1900, 1, 1), date(2999, 12, 31)))
def test_dates_use_the_ordinals_of_num2words(day: date) -> None:
    def stem(number: int) -> str:
        return num2words(number, lang="ru", to="ordinal")[:-2].removeprefix("одна ")

    assert date_words(day).startswith(stem(day.day))
    assert f" {stem(day.year)}" in date_words(day)


def test_a_date_is_written_with_its_month() -> None:
    assert date_text(date(2026, 11, 22)).replace("\u00a0", " ") == "22 ноября 2026 г."
    assert date_text(date(2026, 1, 1) + timedelta(days=31)).startswith("1\u00a0февраля")
