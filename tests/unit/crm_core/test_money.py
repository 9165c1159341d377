"""What people type becomes exact money, or a sentence that says how to write it."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.money import (
    MAX_AMOUNT,
    AmountError,
    Money,
    check_money,
    parse_amount,
    parse_money,
    parse_percent,
    parse_quantity,
    share,
    show_money,
    show_number,
    times,
    to_kopecks,
)

AMOUNTS = st.decimals(min_value=0, max_value=MAX_AMOUNT, places=2)


@pytest.mark.parametrize(
    ("typed", "amount", "currency"),
    [
        ("1 250 000,50 ₽", "1250000.50", "RUB"),
        ("1\u00a0250\u202f000,50\u00a0₽", "1250000.50", "RUB"),
        ("1,250.00", "1250.00", "RUB"),
        ("1.250.000,5", "1250000.50", "RUB"),
        ("1,250,000", "1250000.00", "RUB"),
        ("1'250'000", "1250000.00", "RUB"),
        ("12500", "12500.00", "RUB"),
        ("12500.5", "12500.50", "RUB"),
        ("12500,500", "12500.50", "RUB"),
        ("  0 ", "0.00", "RUB"),
        ("5.", "5.00", "RUB"),
        ("100 руб.", "100.00", "RUB"),
        ("100р", "100.00", "RUB"),
        ("$99", "99.00", "USD"),
        ("99,90 EUR", "99.90", "EUR"),
        ("¥7", "7.00", "CNY"),
    ],
)
def test_a_sum_is_read_however_people_write_it(typed: str, amount: str, currency: str) -> None:
    money = parse_money(typed)
    assert (str(money.amount), money.currency) == (amount, currency)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("12 тыс", "Напишите сумму цифрами целиком"),
        ("1,5 млн ₽", "Напишите сумму цифрами целиком"),
        ("12k", "Напишите сумму цифрами целиком"),
        ("12к", "Напишите сумму цифрами целиком"),
        ("1,250", "тысячи это или доли"),
        ("1.250 ₽", "тысячи это или доли"),
        ("12,345", "тысячи это или доли"),
        ("10,125 50", "Не понимаю число"),
        ("1234,567", "не больше 2 знаков"),
        ("12 50", "Не понимаю число"),
        ("1 2500 000", "Не понимаю число"),
        ("1,25,000", "Не понимаю число"),
        ("-5", "не может быть отрицательным"),
        ("−5", "не может быть отрицательным"),
        ("", "Укажите сумму"),
        (" \u00a0", "Укажите сумму"),
        ("сто рублей", "нет числа"),
        ("100 попугаев", "Кроме числа и валюты"),
        ("1e5", "Кроме числа и валюты"),
        ("$100 ₽", "Кроме числа и валюты"),
        ("100 руб 50 коп", "Кроме числа и валюты"),
        ("1 000 000 000 000", "меньше триллиона"),
        ("9" * 100, "Слишком длинно"),
        ("٣٤", "нет числа"),
        ("NaN", "нет числа"),
    ],
)
def test_what_is_not_clear_is_refused_with_a_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(AmountError, match=sentence):
        parse_money(typed)


def test_a_sum_of_rubles_takes_no_other_currency() -> None:
    assert parse_amount("7 ₽") == 7
    with pytest.raises(AmountError, match="в рублях"):
        parse_amount("7 $")


@given(st.text(max_size=80))
def test_anything_typed_is_read_or_refused_in_words(typed: str) -> None:
    for parse in (parse_money, parse_quantity, parse_percent):
        with contextlib.suppress(AmountError):
            parse(typed)


@given(AMOUNTS)
def test_what_is_shown_is_read_back_the_same(amount: Decimal) -> None:
    assert parse_money(show_money(amount)) == Money(amount)
    assert parse_money(str(amount)) == Money(amount)


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0.005", "0.01"), ("0.004999", "0.00"), ("1.115", "1.12"), ("2.675", "2.68"), ("10", "10.00")],
)
def test_halves_of_a_kopeck_go_up(exact: str, rounded: str) -> None:
    assert str(to_kopecks(Decimal(exact))) == rounded


def test_the_largest_numbers_are_not_rounded_on_the_way() -> None:
    assert times(Decimal("999999999999.99"), Decimal("999999999.999")) == Decimal("999999999998990000000.00")
    assert share(MAX_AMOUNT, Decimal(22), Decimal(122)) == Decimal("180327868852.46")


@pytest.mark.parametrize(("typed", "value"), [("3", "3"), ("1,250", "1.25"), ("1 000.5", "1000.5"), ("0,001", "0.001")])
def test_a_quantity_has_up_to_three_places_and_no_groups_by_comma(typed: str, value: str) -> None:
    assert parse_quantity(typed) == Decimal(value)


@pytest.mark.parametrize("typed", ["0", "0,0001", "-1", "шт", "1 00", "1000000000"])
def test_a_quantity_is_above_zero_and_below_a_billion(typed: str) -> None:
    with pytest.raises(AmountError):
        parse_quantity(typed)


def test_a_percent_is_at_most_a_hundred() -> None:
    assert (parse_percent("7,5 %"), parse_percent("100")) == (Decimal("7.5"), 100)
    with pytest.raises(AmountError, match="больше 100"):
        parse_percent("100,01")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-0.01", "0.001", "1000000000000", "1E-999"])
def test_money_that_is_none_is_refused(amount: str) -> None:
    with pytest.raises(AmountError):
        check_money(Money(Decimal(amount)))
    with pytest.raises(AmountError, match="валюты нет"):
        check_money(Money(Decimal(1), "XXX"))


def test_sums_are_shown_the_russian_way() -> None:
    assert show_money(Decimal("1250000.5")) == "1\u00a0250\u00a0000,50\u00a0₽"
    assert show_money(Decimal(12), "USD") == "12\u00a0$"
    assert show_money(Decimal("0.995"), "EUR", always_kopecks=True) == "1,00\u00a0€"
    assert show_money(Decimal(1_250_000), "BYN", always_kopecks=True) == "1\u00a0250\u00a0000,00\u00a0Br"
    assert (show_number(Decimal("2.500")), show_number(Decimal("100"))) == ("2,5", "100")
