"""What tells of a person is found and hidden as whole words, and nothing else is touched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crm_core.people import MessengerAccount, Person
from crm_core.personal_data import Erasure, accounts_of, marks_of, names_of
from router.erasure_hide import GONE, Secrets

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def secrets(**given: Any) -> Secrets:
    person = Person(id="per_1", created_at=NOW, last_activity_at=NOW, **given)
    erasure = Erasure(
        id="per_1", ground="x", by_id=None, by="x", begun_at=NOW, marks=marks_of(person),
        accounts=accounts_of(person), names=names_of(person), records=("per_1", "lead_7"),
    )  # fmt: skip
    return Secrets.of([erasure])


KUZMA = secrets(
    name="Кузьма Водкин", phones=("+79161234567",), emails=("kuzma@petrov.example",),
    messengers=(MessengerAccount(id="12345", network="vk", username="vodkin78"),),
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["+79161234567", "89161234567", "тел. 8 (916) 123-45-67!", "7 916 1234567", "Kuzma@Petrov.example",
     "пишите:\nkuzma@petrov.example.", "vk:12345", "12345", "vodkin78"],
)  # fmt: skip
def test_he_is_told_by_his_phone_in_any_notation_his_email_and_his_accounts(text: str) -> None:
    assert KUZMA.told_by([text]) == {"per_1"}


@pytest.mark.parametrize(
    "text",
    ["Бюджет 12345 рублей", "not-kuzma@petrov.example", "kuzma@petrov.example.org", "791612345678", "Кузьма Водкин",
     "lead_7", "vodkin78 и другие"],
)  # fmt: skip
def test_he_is_not_told_by_less(text: str) -> None:
    assert KUZMA.told_by([text]) == set()


def test_he_is_named_by_an_id_of_his_records_only_whole() -> None:
    assert KUZMA.named_by(["lead_7"]) == {"per_1"}
    assert KUZMA.named_by(["lead_77", "о lead_7"]) == set()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Клиент: Кузьма Водкин, ООО", f"Клиент: {GONE}, ООО"),
        ("Водкин (8 916 123-45-67) ждёт", f"{GONE} ({GONE}) ждёт"),
        ("+7 (916) 123-45-67", GONE),
        ("KUZMA@petrov.example.", f"{GONE}."),
        ("Водкинский завод", "Водкинский завод"),
        ("maria-kuzma@petrov.example", "maria-kuzma@petrov.example"),
        ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00Z"),
    ],
)
def test_whole_words_are_hidden(text: str, left: str) -> None:
    assert KUZMA.without(text) == left


@pytest.mark.parametrize("name", ["-", ".", "a", "Ян", "2026", None])
def test_a_name_without_three_letters_hides_nothing(name: str | None) -> None:
    found = secrets(name=name)
    assert found.without("a - b. 2026-11-23 Ян 2026") == "a - b. 2026-11-23 Ян 2026"


def test_a_name_that_is_no_human_beings_is_hidden_as_a_whole_only() -> None:
    found = secrets(name="Отдел закупок")
    assert found.without("Отдел снабжения, отдел закупок, Отдел закупок") == f"Отдел снабжения, отдел закупок, {GONE}"


def test_a_short_number_is_looked_for_nowhere() -> None:
    assert secrets(phones=("900",)).told_by(["900", "в 900 году"]) == set()
