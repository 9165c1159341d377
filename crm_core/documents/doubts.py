"""What the declension cannot be sure of, in words for whoever makes the document.

A wrong ending in a signed contract is worse than a question. So what neither the dictionary nor a rule without
exceptions vouches for (foreign names, surnames with a vowel that may drop out, names that show no gender) is left in
the nominative and named; the same goes for a name that is no longer in the nominative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crm_core.documents.declension import (
    BOTH,
    Kind,
    analyzer,
    decline,
    gender_of,
    head_of,
    is_name,
    is_oblique,
    kinds_of,
    surname_gender,
    tag_gender,
)
from crm_core.documents.surnames import FIXED, Case, decline_surname, is_russian

_CASES = {
    Case.GENITIVE: "родительный падеж",
    Case.DATIVE: "дательный падеж",
    Case.ACCUSATIVE: "винительный падеж",
    Case.INSTRUMENTAL: "творительный падеж",
    Case.PREPOSITIONAL: "предложный падеж",
}
_UNCHANGED = frozenset({"врио", "ио", "и.о.", "и. о.", "вр.и.о.", "вр. и. о.", "зам."})
"""Positions begin with them and do not change: «врио директора»."""
_STILL = ("о", "е", "и", "у", "ы", "э", "ю")
"""Surnames with these endings never change, whoever bears them."""
_PLAIN = ("ов", "ев", "ёв", "ын", "ский", "цкий", "ской", "цкой", "ый")
_HERS = ("ова", "ева", "ёва", "ская", "цкая")
_SLAVIC = ("ка", "га", "ха", "ша", "жа", "ча", "ща", "ца", "ня", "ля", "ия")
_DROPPING = ("ец", "ок", "ек", "ёк", "ень", "ел", "ёл")
"""A man's surname may lose its last vowel: Кравца, but Чапека."""
_FIRST_PARTS = (*_PLAIN, *_HERS, "ин", "ина", "ко", "ич", "их", "ых")


def doubt(value: str, case: str) -> str | None:
    """Why «value» in this case is not certain; None when it is."""
    wanted = Case(case)
    if wanted is Case.NOMINATIVE or not value.strip() or (_name_is_sure(value) if is_name(value) else _is_sure(value)):
        return None
    return f"не ясно, как «{value[:80]}» ставится в {_CASES[wanted]}: оно останется как есть, впишите падеж сами"


def decline_surely(value: str, case: str) -> str:
    """In this case, or as it is when that is in doubt. `ValueError` for a case that does not exist."""
    text = decline(value, case)
    return value if doubt(value, case) else text


def gender_doubt(value: str, *_: Any) -> str | None:
    """Why it is not certain whether a man or a woman bears the name."""
    if not value.strip() or gender_of(value):
        return None
    return f"по «{value[:80]}» не видно, мужчина это или женщина: впишите имя и отчество полностью"


DOUBTS: dict[str, Callable[..., str | None]] = {"decline": doubt, "by_gender": gender_doubt}
"""By filter: called with the value and what the template gives the filter."""


def _is_sure(position: str) -> bool:
    if any(position.lower().startswith(f"{each} ") for each in _UNCHANGED):
        return True
    return head_of(position) is not None or head_of(position.partition(",")[0].partition(" и ")[0]) is not None


def _name_is_sure(name: str) -> bool:
    words = name.split()
    kinds, gender = kinds_of(words)
    surnames = [word.lower() for word, kind in zip(words, kinds, strict=True) if kind is Kind.SURNAME]
    if not all(is_russian(word.lower().replace("-", "").replace(".", "")) for word in words):
        return False
    if any(is_oblique(word) for word in words) or len(surnames) > 1:
        return False
    if gender in (None, BOTH):
        is_alone = bool(surnames) and not {Kind.GIVEN, Kind.PATRONYMIC} & set(kinds)
        return is_alone and all(_never_changes(part) for each in surnames for part in each.split("-"))
    if Kind.GIVEN not in kinds and Kind.PATRONYMIC not in kinds and surname_gender(surnames[0] if surnames else ""):
        return all(part.endswith((*_PLAIN, *_HERS)) for part in surnames[0].split("-"))
    given = (word for word, kind in zip(words, kinds, strict=True) if kind in (Kind.GIVEN, Kind.PATRONYMIC))
    return all(_is_given(word, gender) for word in given) and all(
        _surname_is_sure(each, gender == "femn") for each in surnames
    )


def _is_given(word: str, gender: str) -> bool:
    """Whether each part is a first name or patronymic of this gender that can be inflected."""
    return all(
        any(
            ("Name" in each.tag or "Patr" in each.tag)
            and tag_gender(each.tag) in (gender, BOTH)
            and each.tag.case == "nomn"
            and each.inflect({"gent", "sing"})
            for each in analyzer().parse(part)
        )
        for part in word.lower().split("-")
    )


def _surname_is_sure(surname: str, is_hers: bool) -> bool:
    *first, last = surname.split("-")
    sure = _hers_is_sure if is_hers else _his_is_sure
    return sure(last) and all(each in FIXED or (each.endswith(_FIRST_PARTS) and sure(each)) for each in first)


def _never_changes(surname: str) -> bool:
    return surname in FIXED or (surname.endswith((*_STILL, "ых", "их")) and len(surname) > 3)


def _hers_is_sure(surname: str) -> bool:
    if _never_changes(surname) or surname.endswith((*_HERS, "ая", "яя")):
        return True
    if surname.endswith(("ина", "ына")):  # Калининой, but Щербины
        return not any("NOUN" in tag and "Surn" not in tag for tag, _ in _nominatives(surname))
    if surname[-1] in "ая":
        return _agrees(surname, is_hers=True) or (not _known(surname) and surname.endswith(_SLAVIC))
    return not surname.endswith((*_PLAIN, "ин"))  # any other does not change; these are a man's: a slip?


def _his_is_sure(surname: str) -> bool:
    if _never_changes(surname) or surname.endswith((*_PLAIN, "ин")):
        return True
    if surname.endswith((*_HERS, "ая", "яя")):
        return False
    if _known(surname):
        return _agrees(surname, is_hers=False)
    if surname[-1] in "ая":
        return surname.endswith(_SLAVIC)
    if surname.endswith(("ий", "ой")) and sum(letter in "аеёиоуыэюя" for letter in surname) > 1:
        return surname.endswith(("ной", "вой"))  # Бережного, but Топчия
    return not surname.endswith(_DROPPING)


def _known(surname: str) -> bool:
    return bool(_nominatives(surname))


def _agrees(surname: str, *, is_hers: bool) -> bool:
    """Whether the dictionary, where it knows the word, has the genitive that the rules give: as a surname, else as
    whatever else it is."""
    ours = decline_surname(surname, Case.GENITIVE, feminine=is_hers).replace("ё", "е")
    found = [(tag, genitive.replace("ё", "е")) for tag, genitive in _nominatives(surname)]
    gender = "femn" if is_hers else "masc"
    as_surname = [genitive for tag, genitive in found if "Surn" in tag and tag_gender(tag) in (gender, BOTH)]
    theirs = as_surname or [genitive for _, genitive in found]
    return bool(theirs) and all(each == ours for each in theirs)


def _nominatives(word: str) -> list[tuple[Any, str]]:
    """(tag, genitive) of each known nominative singular of a noun or, for a man, of an adjective."""
    return [
        (each.tag, inflected.word)
        for each in analyzer().parse(word)
        if each.is_known and each.tag.case == "nomn" and each.tag.number == "sing" and each.tag.POS in ("NOUN", "ADJF")
        if (inflected := each.inflect({"gent", "sing"}))
    ]
