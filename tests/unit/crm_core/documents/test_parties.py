"""How a side is called in a contract: by its form, or by who it is."""

from __future__ import annotations

import pytest

from crm_core.documents.data import Party
from crm_core.documents.parties import COMPANY, ENTREPRENEUR, PERSON, called, kind_of, party_context

SIDES = (
    ("ООО «Ромашка»", COMPANY, "именуемое"),
    ("Общество с ограниченной ответственностью «Завод «Искра»", COMPANY, "именуемое"),
    ("АО «Банк «Восток»", COMPANY, "именуемое"),
    ("Публичное акционерное общество «Сатурн»", COMPANY, "именуемое"),
    ("ФГБОУ ВО «Академия»", COMPANY, "именуемое"),
    ("Федеральное государственное бюджетное образовательное учреждение", COMPANY, "именуемое"),
    ("ГУП «Водоканал»", COMPANY, "именуемое"),
    ("АНО «Центр»", COMPANY, "именуемая"),
    ("Компания «Вега»", COMPANY, "именуемая"),
    ("Администрация города Тулы", COMPANY, "именуемая"),
    ("Торговый дом «Урал»", COMPANY, ""),
    ("Фонд «Наследие»", COMPANY, "именуемый"),
    ("Завод ЖБИ № 5", COMPANY, "именуемый"),
    ("Ромашка", COMPANY, ""),
    ("Acme GmbH", COMPANY, ""),
    ("ИП Иванов Иван Иванович", ENTREPRENEUR, "именуемый"),
    ("ИП Смирнова А. С.", ENTREPRENEUR, "именуемая"),
    ("Индивидуальный предприниматель Черных Ольга Петровна", ENTREPRENEUR, "именуемая"),
    ("ИП Шевченко И. И.", ENTREPRENEUR, ""),
    ("Глава КФХ Петров Пётр Петрович", ENTREPRENEUR, "именуемый"),
    ("Кузнецов Пётр Ильич", PERSON, "именуемый"),
    ("Ким Наталья Викторовна", PERSON, "именуемая"),
)


@pytest.mark.parametrize(("name", "kind", "word"), SIDES, ids=[name for name, _, _ in SIDES])
def test_a_side_is_called_by_its_form_or_by_who_it_is(name: str, kind: str, word: str) -> None:
    side = Party(name=name)
    assert (kind_of(side), called(side, kind)) == (kind, word)


def test_a_name_with_the_numbers_of_an_entrepreneur_is_one() -> None:
    assert kind_of(Party(name="Смирнова Анна Сергеевна", inn="771234567890")) == ENTREPRENEUR
    assert kind_of(Party(name="Смирнова", inn="771234567890")) == ENTREPRENEUR
    assert kind_of(Party(name="Смирнова Анна Сергеевна", kind="person", inn="771234567890")) == PERSON


def test_an_entrepreneur_signs_for_himself() -> None:
    shown = party_context(Party(name="ИП Смирнова Анна Сергеевна", inn="771234567890"))
    assert shown["full_name"] == "Индивидуальный предприниматель Смирнова Анна Сергеевна"
    assert (shown["director"], shown["director_position"]) == (
        "Смирнова Анна Сергеевна", "Индивидуальный предприниматель",
    )  # fmt: skip
    bare = party_context(Party(name="Смирнова Анна Сергеевна", inn="771234567890"))
    assert bare["full_name"] == "Индивидуальный предприниматель Смирнова Анна Сергеевна"
    person = party_context(Party(kind="person", name="Кузнецов Пётр Ильич"))
    assert (person["director"], person["director_position"]) == ("Кузнецов Пётр Ильич", "")
