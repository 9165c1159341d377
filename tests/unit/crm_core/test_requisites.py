"""Requisites: right ones pass, and of a wrong one the error says what is wrong with it."""

from __future__ import annotations

import pytest

from crm_core.requisites import check_requisites, clean, corr_account_error

BANK = {
    "inn": "7707083893",
    "kpp": "773601001",
    "ogrn": "1027700132195",
    "bik": "044525225",
    "corr_account": "30101810400000000225",
}
"""Of a well-known bank, as it publishes them."""
ACCOUNT = {"bik": "049805746", "account": "40602810700000000025"}
"""The example of the order of the Bank of Russia of 08.09.1997 № 515."""


@pytest.mark.parametrize(
    "values",
    [BANK, ACCOUNT, {"inn": "500100732259", "ogrn": "304500116000157"}, {}, {"inn": None}, {"inn": "7707083893"}],
)
def test_right_requisites_pass(values: dict[str, str | None]) -> None:
    assert check_requisites(values) == {}


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"inn": "7707083894"}, "inn", "контрольная цифра"),
        ({"inn": "500100732258"}, "inn", "контрольная цифра"),
        ({"inn": "500100732269"}, "inn", "контрольная цифра"),
        ({"inn": "0000000000"}, "inn", "контрольная цифра"),
        ({"inn": "77070838"}, "inn", "10 цифр"),
        ({"inn": "٧٧٠٧٠٨٣٨٩٣"}, "inn", "10 цифр"),
        ({"inn": "7707083893", "kpp": "77360100"}, "kpp", "9 знаков"),
        ({"kpp": "773601001"}, "kpp", "КПП без ИНН"),
        ({"inn": "500100732259", "kpp": "773601001"}, "kpp", "предпринимателя"),
        ({"ogrn": "1027700132196"}, "ogrn", "контрольная цифра"),
        ({"ogrn": "304500116000158"}, "ogrn", "контрольная цифра"),
        ({"ogrn": "12345"}, "ogrn", "13 цифр"),
        ({"inn": "7707083893", "ogrn": "304500116000157"}, "ogrn", "не подходит к ИНН"),
        ({"bik": "04452522"}, "bik", "9 цифр"),
        ({"account": "4060281070000000002"}, "account", "20 цифр"),
        (ACCOUNT | {"account": "40602810800000000025"}, "account", "не подходит к БИК"),
        (BANK | {"corr_account": "30101810500000000225"}, "corr_account", "не подходит к БИК"),
        (BANK | {"corr_account": "30101810800000000746"}, "corr_account", "не подходит к БИК"),
    ],
)
def test_each_wrong_requisite_is_named_with_its_reason(values: dict[str, str], field: str, words: str) -> None:
    wrong = check_requisites(values)
    assert set(wrong) == {field}
    assert words in wrong[field]


def test_the_order_s_own_example_of_a_correspondent_account_has_the_key_8() -> None:
    right = [key for key in range(10) if corr_account_error(f"30101810{key}00000000746", "049805746") is None]
    assert right == [8]


def test_accounts_of_the_treasury_follow_other_rules_and_are_taken_as_they_are() -> None:
    assert check_requisites({"bik": "017003983", "account": "03100643000000017300"}) == {}


def test_spaces_between_groups_do_not_matter() -> None:
    assert clean(" 7707 083 893 ") == "7707083893"
    assert clean("  ") is None
