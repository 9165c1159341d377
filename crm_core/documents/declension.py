"""Names and positions in another case: «в лице генерального директора Иванова Ивана Ивановича».

Surnames follow rules (`surnames.py`); first names, patronymics and positions come from the dictionary of pymorphy3. It
takes some 20 MB, so it is loaded when the first document needs it, once per process. What is not known stays as it is:
a wrong ending in a contract is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from crm_core.documents.surnames import Case, decline_surname

_INITIAL = re.compile(r"(?:[А-ЯЁA-Z]\.?-?){1,3}")
_PATRONYMIC = (("ович", "masc"), ("евич", "masc"), ("овна", "femn"), ("евна", "femn"), ("ична", "femn"))
_TURKIC = {"оглы": "masc", "оглу": "masc", "кызы": "femn", "гызы": "femn"}
_SURNAME_GENDER = (
    (("ова", "ева", "ёва", "ина", "ына", "ская", "цкая"), "femn"),
    (("ов", "ев", "ёв", "ин", "ын", "ский", "цкий"), "masc"),
)
_loading = Lock()


@cache
def _load() -> Any:
    from pymorphy3 import MorphAnalyzer

    return MorphAnalyzer(lang="ru")


def _analyzer() -> Any:
    with _loading:
        return _load()


def decline(text: str, case: str) -> str:
    """A person's name or a position in this case: `gent`, `datv`, `accs`, `ablt`, `loct`; `ValueError` for another."""
    try:
        wanted = Case(case)
    except ValueError:
        raise ValueError(f"падежа «{case}» нет; есть {', '.join(Case)}") from None
    return decline_name(text, wanted) if is_name(text) else decline_position(text, wanted)


def is_feminine(name: str) -> bool:
    """Whether the name is a woman's; False when nothing shows it."""
    return _kinds(name.split())[1] == "femn"


class _Kind(StrEnum):
    """What a word of a name is."""

    GIVEN = "given"
    PATRONYMIC = "patronymic"
    SURNAME = "surname"
    FIXED = "fixed"
    """An initial, or «оглы» and the father's name before it."""


def is_name(text: str) -> bool:
    """Whether this reads as a person's name: every word has a capital letter, and one is a first name, a patronymic
    or an initial."""
    words = text.split()
    if not 1 <= len(words) <= 5 or not all(word[0].isupper() or word.lower() in _TURKIC for word in words):
        return False
    if len(words) == 1:
        return _given_gender(words[0]) is not None or _surname_gender(words[0].lower()) is not None
    return any(_INITIAL.fullmatch(word) or _given_gender(word) or _patronymic(word) for word in words)


def decline_name(name: str, case: Case) -> str:
    """«Иванов Иван Иванович» → «Иванова Ивана Ивановича», in any order of its parts, also with initials. A name whose
    gender nothing shows, or that is not in the nominative, stays."""
    words = name.split()
    kinds, gender = _kinds(words)
    if gender is None or any(_is_oblique(word) for word in words):
        return name
    declined = []
    for word, kind in zip(words, kinds, strict=True):
        if kind is _Kind.FIXED:
            declined.append(word)
        elif kind is _Kind.SURNAME:
            declined.append(_surname(word, case, gender))
        else:
            declined.append(_given(word, case, gender))
    return " ".join(declined)


def _kinds(words: list[str]) -> tuple[list[_Kind], str | None]:
    """What each word is, and the gender that they show together: the patronymic is the surest, then the first name,
    then the ending of the surname. A first name of the other gender is a surname: «Ким Наталья»."""
    kinds = [_Kind.FIXED if _INITIAL.fullmatch(word) else _Kind.SURNAME for word in words]
    gender = None
    for number, word in enumerate(words):
        if word.lower() in _TURKIC:
            gender = _TURKIC[word.lower()]
            kinds[max(number - 1, 0) : number + 1] = [_Kind.FIXED] * (number + 1 - max(number - 1, 0))
    found = [(bool(_given_gender(words[n - 1])), _patronymic(words[n])[1], n)  # type: ignore[index]
             for n in range(1, len(words)) if _patronymic(words[n])]  # fmt: skip
    # Only a form by its ending, after no known first name and with no third word: «Адам Мицкевич» bears a surname.
    if found and (max(found)[1] or len(words) > 2):
        number = max(found)[2]
        kinds[number], gender = _Kind.PATRONYMIC, _patronymic(words[number])[0]  # type: ignore[index]
    free = [n for n, kind in enumerate(kinds) if kind is _Kind.SURNAME]
    given = [n for n in free if _given_gender(words[n]) and gender in (None, _given_gender(words[n]))]
    if given:
        number = given[-1] if len(given) == len(free) and not _follows(kinds, given[0]) else given[0]
        kinds[number] = _Kind.GIVEN
        gender = gender or _given_gender(words[number])
    return kinds, gender or next((each for word in words if (each := _surname_gender(word.lower()))), None)


def _follows(kinds: list[_Kind], number: int) -> bool:
    """Whether the patronymic comes right after this word."""
    return number + 1 < len(kinds) and kinds[number + 1] is _Kind.PATRONYMIC


def _given_gender(word: str) -> str | None:
    """Gender of a first name in the nominative, also of a double one; None for any other word."""
    genders = {_name_gender(part) for part in word.lower().split("-")}
    return genders.pop() if len(genders) == 1 else None


@lru_cache(4096)
def _name_gender(word: str) -> str | None:
    for parse in _analyzer().parse(word):
        if "Name" in parse.tag and parse.is_known and parse.tag.case == "nomn" and parse.tag.number == "sing":
            return str(parse.tag.gender)
    return None


@lru_cache(4096)
def _patronymic(word: str) -> tuple[str, bool] | None:
    """(gender, the dictionary knows it) of a patronymic in the nominative; else None."""
    lower = word.lower()
    for parse in _analyzer().parse(lower):
        if "Patr" in parse.tag and parse.is_known and parse.tag.case == "nomn" and parse.tag.number == "sing":
            return str(parse.tag.gender), True
    return next(((gender, False) for ending, gender in _PATRONYMIC if lower.endswith(ending)), None)


@lru_cache(4096)
def _is_oblique(word: str) -> bool:
    """Whether it is a patronymic in another case than the nominative."""
    cases = {str(each.tag.case) for each in _analyzer().parse(word.lower()) if "Patr" in each.tag and each.is_known}
    return bool(cases) and "nomn" not in cases


def _surname_gender(surname: str) -> str | None:
    last = surname.rpartition("-")[2]
    return next((gender for endings, gender in _SURNAME_GENDER if last.endswith(endings)), None)


def _surname(word: str, case: Case, gender: str) -> str:
    parts = (decline_surname(part.lower(), case, feminine=gender == "femn") for part in word.split("-"))
    return _cased(word, "-".join(parts))


def _given(word: str, case: Case, gender: str) -> str:
    declined = (_inflected(part, case, lambda tag: tag.gender == gender and ("Name" in tag or "Patr" in tag))
                for part in word.split("-"))  # fmt: skip
    return "-".join(part or as_is for part, as_is in zip(declined, word.split("-"), strict=True))


def decline_position(position: str, case: Case) -> str:
    """«Генеральный директор ООО «Ромашка»» → «Генерального директора ООО «Ромашка»»: adjectives and the first noun
    change, what hangs on them stays."""
    words = position.split(" ")
    for number, word in enumerate(words):
        changed, is_head = _position_word(word, case)
        if changed is None:
            break
        words[number] = changed
        if is_head:
            break
    return " ".join(words)


def _position_word(word: str, case: Case) -> tuple[str | None, bool]:
    """The word in this case and whether the position's noun is now found; None: it is not in the nominative."""
    parts = word.split("-")
    changed, is_head = [], False
    for part in parts:
        parses = [each for each in _analyzer().parse(part.lower()) if _is_head(each.tag) and each.is_known]
        if not parses:
            return None, True
        noun = parses[0].tag.POS == "NOUN"
        is_head = is_head or noun
        changed.append(_inflected(part, case, _is_head) or part)
    return "-".join(changed), is_head


def _is_head(tag: Any) -> bool:
    return tag.case == "nomn" and tag.number == "sing" and tag.POS in ("NOUN", "ADJF", "PRTF")


def _inflected(word: str, case: Case, fits: Callable[[Any], bool]) -> str | None:
    for parse in _analyzer().parse(word.lower()):
        if parse.tag.case == "nomn" and parse.tag.number == "sing" and fits(parse.tag):
            found = parse.inflect({str(case), "sing"})
            return _cased(word, _with_yo(word, found.word)) if found else None
    return None


def _with_yo(word: str, declined: str) -> str:
    """The dictionary writes ё; whoever writes е keeps it."""
    return (
        declined
        if "ё" in word.lower() or word.lower() not in declined.replace("ё", "е")
        else declined.replace("ё", "е")
    )


def _cased(model: str, word: str) -> str:
    """The word with the capitals of the model."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    parts = zip(model.split("-"), word.split("-"), strict=False)
    return "-".join(part[:1].upper() + part[1:] if as_is[:1].isupper() else part for as_is, part in parts)


def initials(name: str) -> str:
    """«Иванов Иван Иванович» and «Иван Иванович Иванов» → «Иванов И. И.»; a name of one word stays."""
    words = name.split()
    if len(words) < 2 or not is_name(name):
        return name
    kinds, _ = _kinds(words)
    surname = kinds.index(_Kind.SURNAME) if _Kind.SURNAME in kinds else 0
    rest = [word for number, word in enumerate(words) if number != surname and word.lower() not in _TURKIC]
    return "\u00a0".join((words[surname], *(letter for word in rest for letter in _letters(word))))


def _letters(word: str) -> list[str]:
    if _INITIAL.fullmatch(word) and "-" not in word:
        return [f"{letter}." for letter in word if letter.isalpha()]
    return ["-".join(f"{part[0]}." for part in word.split("-") if part)]
