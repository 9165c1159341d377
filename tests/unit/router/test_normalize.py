"""Phones, emails and names as people and exchanges really write them."""

from __future__ import annotations

import pytest

from connectors.contract import Messenger, Sender
from crm_core.people import IdentityKind
from router import normalize

MOBILE, CITY = "+79161234567", "+74951234567"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+79161234567", MOBILE),
        ("89161234567", MOBILE),
        ("79161234567", MOBILE),
        ("9161234567", MOBILE),
        ("8 (916) 123-45-67", MOBILE),
        ("8-916-123-45-67", MOBILE),
        ("7 916 123 45 67", MOBILE),
        ("916 123 45 67", MOBILE),
        ("(916) 123-45-67", MOBILE),
        ("+7(916)123-45-67", MOBILE),
        ("+7 916 123–45–67", MOBILE),
        ("+7 916 123—45—67", MOBILE),
        ("8\u00a0916\u00a0123\u00a045\u00a067", MOBILE),
        ("8 916 123\u201145\u201167", MOBILE),
        ("+7.916.123.45.67", MOBILE),
        ("  +7 916 1234567\n", MOBILE),
        ("+8 916 123-45-67", MOBILE),
        ("00 7 916 123 45 67", MOBILE),
        ("810 7 916 123 45 67", MOBILE),
        ("тел. 8 916 123-45-67", MOBILE),
        ("tel:+79161234567", MOBILE),
        ("8 916 123-45-67 Иван", MOBILE),
        ("Иван Петров 89161234567", MOBILE),
        ("8 916 123-45-67, звонить после 12", MOBILE),
        ("89161234567; 89037654321", MOBILE),
        ("8 916 123-45-67, 8 903 765-43-21", MOBILE),
        ("8 916 123-45-67 / 8 903 765-43-21", MOBILE),
        ("8 916 123-45-67 или 8 903 765-43-21", MOBILE),
        ("8 495 123-45-67", CITY),
        ("(495) 123-45-67", CITY),
        ("4951234567", CITY),
        ("8 (495) 123-45-67 доб. 12", CITY + ";ext=12"),
        ("8 (495) 123-45-67 доб 12", CITY + ";ext=12"),
        ("8 495 123-45-67 (доб. 305)", CITY + ";ext=305"),
        ("+7 495 123-45-67, доб. 12", CITY + ";ext=12"),
        ("+7 495 1234567 ext. 12", CITY + ";ext=12"),
        ("+7 495 1234567 x12", CITY + ";ext=12"),
        ("+74951234567#12", CITY + ";ext=12"),
        ("+74951234567;ext=12", CITY + ";ext=12"),
        ("8 800 555-35-35", "+78005553535"),
        ("88005553535", "+78005553535"),
        ("8 777 123 45 67", "+77771234567"),
        ("+7 701 234 56 78", "+77012345678"),
        ("+375 29 123-45-67", "+375291234567"),
        ("375291234567", "+375291234567"),
        ("+380 44 123 45 67", "+380441234567"),
        ("+998 90 123 45 67", "+998901234567"),
        ("998901234567", "+998901234567"),
        ("+996 555 123 456", "+996555123456"),
        ("+374 91 123456", "+37491123456"),
        ("+995 555 12 34 56", "+995555123456"),
        ("+49 30 901820", "+4930901820"),
        ("0049 30 901820", "+4930901820"),
        ("+1 650-253-0000", "+16502530000"),
        ("+44 20 7946 0958", "+442079460958"),
        ("+86 10 6552 9988", "+861065529988"),
        ("+90 212 555 44 33", "+902125554433"),
        ("8\u0669\u0661\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667", MOBILE),
        ("", None),
        ("   ", None),
        ("+", None),
        ("8", None),
        ("02", None),
        ("101", None),
        ("112", None),
        ("228-00-01", None),
        ("anonymous", None),
        ("unknown", None),
        ("Restricted", None),
        ("0000000000", None),
        ("1234567890", None),
        ("+7916123456", None),
        ("891612345678", None),
        ("+7 000 000 00 00", None),
        ("8916123456a", None),
        ("89161234567" * 5, None),
        ("9" * 100_000, None),
        ("\x00", None),
        ("sip:101@pbx", None),
        ("<script>alert(1)</script>", None),
        ("№ 5", None),
    ],
)
def test_a_phone_is_known_however_it_is_written(text: str, number: str | None) -> None:
    assert normalize.phone(text) == number


def test_what_was_normalized_once_stays_as_it_is() -> None:
    for text in ("8 916 123-45-67", "8 495 123-45-67 доб. 12", "+49 30 901820"):
        once = normalize.phone(text)
        assert once is not None
        assert normalize.phone(once) == once


def test_every_number_of_a_field_is_found_once() -> None:
    assert normalize.phones("8 916 123-45-67; +7 903 765 43 21; 89161234567") == (MOBILE, "+79037654321")


@pytest.mark.parametrize(
    ("text", "number"),
    [("228-00-01", "2280001"), ("+70000000000", "+70000000000"), ("101", None), ("anonymous", None), ("", None)],
)
def test_a_number_that_is_no_public_one_may_be_dialable(text: str, number: str | None) -> None:
    assert normalize.dialable(text) == number


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ivan@client.example", "ivan@client.example"),
        ("  Ivan@Client.EXAMPLE ", "ivan@client.example"),
        ("<ivan@client.example>", "ivan@client.example"),
        ("ivan.petrov+crm@mail.client.example", "ivan.petrov+crm@mail.client.example"),
        ("иван@почта.рф", "иван@почта.рф"),
        ("", None),
        ("ivan", None),
        ("ivan@", None),
        ("@client.example", None),
        ("ivan@localhost", None),
        ("ivan@client..example", None),
        ("ivan@@client.example", None),
        ("ivan petrov@client.example", None),
        ("ivan@client.example, petr@client.example", None),
        ("ivan@client.example\r\nBcc: all@client.example", None),
        ("i" * 65 + "@client.example", None),
        ("ivan@" + "a" * 300 + ".example", None),
    ],
)
def test_an_email_is_lower_case_or_nothing(text: str, address: str | None) -> None:
    assert normalize.email(text) == address


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Иван Петров", "Иван Петров"),
        ("  Иван \t Петров\n", "Иван Петров"),
        ("Иван\x00Петров", "Иван Петров"),
        ("Иван\u200bПетров", "Иван Петров"),
        ("", None),
        (None, None),
        ("\x00\x01", None),
        ("я" * 500, "я" * 200),
    ],
)
def test_a_name_is_one_clean_line(text: str | None, name: str | None) -> None:
    assert normalize.name(text) == name


def test_identities_come_strongest_first_and_each_once() -> None:
    sender = Sender(
        phones=("8 916 123-45-67", "+79161234567", "нет"),
        emails=("Ivan@Client.example", "ivan@client.example", "нет"),
        messengers=(Messenger(network="telegram", id="7"), Messenger(network="vk", id="7")),
    )
    assert normalize.identities(sender) == [
        (IdentityKind.PHONE, MOBILE),
        (IdentityKind.EMAIL, "ivan@client.example"),
        (IdentityKind.MESSENGER, "telegram:7"),
        (IdentityKind.MESSENGER, "vk:7"),
    ]
    assert normalize.identities(Sender(name="Иван")) == []
