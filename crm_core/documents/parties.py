"""Sides of a contract: an organisation, an entrepreneur or a private person, and how each is called in it.

«ООО …, именуемое», «Компания …, именуемая», «ИП Иванова …, именуемая». The gender is that of the form of ownership or
of the person; a name that shows neither is asked about, because a guess would stand in a signed paper.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from crm_core.documents.data import Party
from crm_core.documents.declension import gender_of, is_name

COMPANY, ENTREPRENEUR, PERSON = "company", "entrepreneur", "person"
CALLED = {"masc": "именуемый", "femn": "именуемая", "neut": "именуемое"}
_SOLE = re.compile(
    r"(?:ИП|индивидуальный предприниматель|глава К\(?Ф\)?Х|глава .{0,40}хозяйства)\s+(?=\S)", re.IGNORECASE
)
_LONG_SOLE = "Индивидуальный предприниматель"
_PERSON_NUMBER = 12
"""Digits of a person's ИНН."""
_FORMS = (
    dict.fromkeys((
        "ооо", "оао", "зао", "пао", "ао", "нао", "спао", "одо", "тоо", "осоо", "уп", "чуп", "чп", "гуп", "муп", "фгуп",
        "гп", "мп", "кфх", "снт", "тсж", "тсн", "гбу", "гку", "гау", "мбу", "мку", "мау", "фгбу", "фгку", "фгау", "чоу",
        "ноу", "гбоу", "мбоу", "мбдоу", "мдоу", "фгбоу", "гбуз", "гауз", "общество", "предприятие", "учреждение",
        "товарищество", "хозяйство", "объединение", "агентство", "бюро", "министерство", "управление", "отделение",
        "партнёрство", "партнерство", "издательство", "ателье", "представительство",
    ), "neut")
    | dict.fromkeys((
        "ано", "нко", "компания", "корпорация", "фирма", "организация", "артель", "администрация", "служба", "больница",
        "школа", "поликлиника", "палата", "ассоциация", "академия", "инспекция", "фабрика", "клиника", "коллегия",
        "гимназия", "типография",
    ), "femn")
    | dict.fromkeys((
        "жск", "спк", "пк", "гск", "завод", "банк", "фонд", "кооператив", "колхоз", "совхоз", "институт",
        "университет", "комбинат", "концерн", "холдинг", "союз", "центр", "департамент", "комитет", "трест", "музей",
        "театр", "колледж", "лицей", "техникум",
    ), "masc")
)  # fmt: skip
"""Forms of ownership, short and long, and what organisations are called by → gender."""
_LEADING = 8
"""Words among which the form is looked for: «федеральное государственное бюджетное … учреждение»."""


def form_gender(name: str) -> str | None:
    """Gender of the form that a name begins with, before any quotation mark; None when there is none."""
    before = re.split(r"[«\"„“]", name.lower(), maxsplit=1)[0]
    words = re.findall(r"[а-яё]+", before)[:_LEADING]
    return next((_FORMS[word] for word in words if word in _FORMS), None)


def kind_of(party: Party) -> str:
    """What the side is: as it was given, else by its name and the length of its ИНН."""
    name = party.full_name or party.name
    if party.kind:
        return party.kind
    if _SOLE.match(name):
        return ENTREPRENEUR
    if form_gender(name) is None and len(name.split()) > 1 and is_name(name):
        return ENTREPRENEUR if party.inn or party.ogrn else PERSON
    return ENTREPRENEUR if len(party.inn) == _PERSON_NUMBER else COMPANY


def called(party: Party, kind: str) -> str:
    """«именуемый», «именуемая» or «именуемое»; empty when nothing shows which."""
    name = party.full_name or party.name
    gender = form_gender(name) if kind == COMPANY else gender_of(_SOLE.sub("", name, count=1))
    return CALLED.get(gender or "", "")


def party_context(party: Party) -> dict[str, Any]:
    """The members of a side as templates name them. Whoever acts for himself signs for himself."""
    kind = kind_of(party)
    shown = msgspec.structs.asdict(party) | {"kind": kind, "called": called(party, kind)}
    if kind != COMPANY:
        long = party.full_name or party.name
        own = _SOLE.sub("", long, count=1)
        shown["director"] = party.director or own
        if kind == ENTREPRENEUR:
            shown["director_position"] = party.director_position or _LONG_SOLE
            shown["full_name"] = re.sub(r"^ИП\s+", f"{_LONG_SOLE} ", long, flags=re.IGNORECASE)
            if own == long and own:
                shown["full_name"] = f"{_LONG_SOLE} {own}"
    return shown
