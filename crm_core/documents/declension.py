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
BOTH = "ms-f"
"""Gender of first names that men and women bear."""
_loading = Lock()


@cache
def _load() -> Any:
    from pymorphy3 import MorphAnalyzer

    return MorphAnalyzer(lang="ru")


def analyzer() -> Any:
    with _loading:
        return _load()


def decline(text: str, case: str) -> str:
    """A person's name or a position in this case: `gent`, `datv`, `accs`, `ablt`, `loct`; `ValueError` for another."""
    try:
        wanted = Case(case)
    except ValueError:
        raise ValueError(f"падежа «{case}» нет; есть {', '.join(Case)}") from None
    return decline_name(text, wanted) if is_name(text) else decline_position(text, wanted)


def gender_of(name: str) -> str | None:
    """`masc` or `femn` of whoever bears this name; None when nothing shows it for certain: «Саша Шевченко»."""
    found = kinds_of(name.split())[1] if is_name(name) else None
    return found if found in ("masc", "femn") else None


class Kind(StrEnum):
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
        return given_gender(words[0]) is not None or surname_gender(words[0].lower()) is not None
    return any(_INITIAL.fullmatch(word) or given_gender(word) or _patronymic(word) for word in words)


def decline_name(name: str, case: Case) -> str:
    """«Иванов Иван Иванович» → «Иванова Ивана Ивановича», in any order of its parts, also with initials. A name whose
    gender nothing shows, or that is not in the nominative, stays."""
    words = name.split()
    kinds, gender = kinds_of(words)
    if gender in (None, BOTH) or any(is_oblique(word) for word in words):
        return name
    declined = []
    for word, kind in zip(words, kinds, strict=True):
        if kind is Kind.FIXED:
            declined.append(word)
        elif kind is Kind.SURNAME:
            declined.append(_surname(word, case, gender))
        else:
            declined.append(_given(word, case, gender))
    return " ".join(declined)


def kinds_of(words: list[str]) -> tuple[list[Kind], str | None]:
    """What each word is, and the gender that they show together: the patronymic is the surest, then the first name,
    then the ending of the surname. A first name of the other gender is a surname: «Ким Наталья»."""
    kinds = [Kind.FIXED if _INITIAL.fullmatch(word) else Kind.SURNAME for word in words]
    gender = None
    for number, word in enumerate(words):
        if word.lower() in _TURKIC:
            gender = _TURKIC[word.lower()]
            kinds[max(number - 1, 0) : number + 1] = [Kind.FIXED] * (number + 1 - max(number - 1, 0))
    found = [(bool(given_gender(words[n - 1])), _patronymic(words[n])[1], n)  # type: ignore[index]
             for n in range(1, len(words)) if _patronymic(words[n])]  # fmt: skip
    # Only a form by its ending, after no known first name and with no third word: «Адам Мицкевич» bears a surname.
    if found and (max(found)[1] or len(words) > 2):
        number = max(found)[2]
        kinds[number], gender = Kind.PATRONYMIC, _patronymic(words[number])[0]  # type: ignore[index]
    free = [n for n, kind in enumerate(kinds) if kind is Kind.SURNAME]
    given = [n for n in free if (his := given_gender(words[n])) and (gender is None or his in (gender, BOTH))]
    if given:
        number = given[-1] if len(given) == len(free) and not _follows(kinds, given[0]) else given[0]
        kinds[number] = Kind.GIVEN
        gender = gender or given_gender(words[number])
    if not found and len({his for word in words if (his := given_gender(word))} - {BOTH}) > 1:
        gender = BOTH  # «Наталия Ким»: either may be the surname
    if gender in (None, BOTH):  # «Саша» may be either; the surname tells, where it can
        gender = next((each for word in words if (each := surname_gender(word.lower()))), gender)
    return kinds, gender


def _follows(kinds: list[Kind], number: int) -> bool:
    """Whether the patronymic comes right after this word."""
    return number + 1 < len(kinds) and kinds[number + 1] is Kind.PATRONYMIC


def given_gender(word: str) -> str | None:
    """Gender of a first name in the nominative, also of a double one; None for any other word."""
    genders = {_name_gender(part) for part in word.lower().split("-")}
    return genders.pop() if len(genders) == 1 else None


def tag_gender(tag: Any) -> str:
    return BOTH if BOTH in tag else str(tag.gender)


@lru_cache(4096)
def _name_gender(word: str) -> str | None:
    for parse in analyzer().parse(word):
        if "Name" in parse.tag and parse.is_known and parse.tag.case == "nomn" and parse.tag.number == "sing":
            return BOTH if "Fixd" in parse.tag else tag_gender(parse.tag)  # «Ли» may be anybody
    return None


@lru_cache(4096)
def _patronymic(word: str) -> tuple[str, bool] | None:
    """(gender, the dictionary knows it) of a patronymic in the nominative; else None."""
    lower = word.lower()
    for parse in analyzer().parse(lower):
        if "Patr" in parse.tag and parse.is_known and parse.tag.case == "nomn" and parse.tag.number == "sing":
            return str(parse.tag.gender), True
    return next(((gender, False) for ending, gender in _PATRONYMIC if lower.endswith(ending)), None)


@lru_cache(4096)
def is_oblique(word: str) -> bool:
    """Whether it is a patronymic in another case than the nominative."""
    cases = {str(each.tag.case) for each in analyzer().parse(word.lower()) if "Patr" in each.tag and each.is_known}
    return bool(cases) and "nomn" not in cases


def surname_gender(surname: str) -> str | None:
    last = surname.rpartition("-")[2]
    return next((gender for endings, gender in _SURNAME_GENDER if last.endswith(endings)), None)


def _surname(word: str, case: Case, gender: str) -> str:
    parts = (decline_surname(part.lower(), case, feminine=gender == "femn") for part in word.split("-"))
    return _cased(word, "-".join(parts))


def _given(word: str, case: Case, gender: str) -> str:
    fits = (gender, BOTH)
    declined = (_inflected(part, case, lambda tag: tag_gender(tag) in fits and ("Name" in tag or "Patr" in tag))
                for part in word.split("-"))  # fmt: skip
    return "-".join(part or as_is for part, as_is in zip(declined, word.split("-"), strict=True))


_JOINT = re.compile(r"(,\s+|\s+и\s+|\s*/\s*)")


def decline_position(position: str, case: Case) -> str:
    """«Генеральный директор ООО «Ромашка»» → «Генерального директора ООО «Ромашка»»: adjectives and the first noun
    change, what hangs on them stays; a second position («директор и главный бухгалтер») changes like the first."""
    pieces = _JOINT.split(position)
    for number, piece in enumerate(pieces):
        if number == 0 or (number % 2 == 0 and head_of(piece) is not None):
            pieces[number] = _decline_piece(piece, case)
    return "".join(pieces)


def _decline_piece(position: str, case: Case) -> str:
    words = position.split(" ")
    for number, word in enumerate(words):
        changed, is_head = _position_word(word, case)
        if changed is None:
            break
        words[number] = changed
        if is_head:
            break
    return " ".join(words)


def head_of(position: str) -> str | None:
    """The word for who holds a position, when it is known and in the nominative: «директор», «заведующая»."""
    last = None
    for word in position.split(" "):
        changed, is_noun = _position_word(word, Case.GENITIVE)
        if changed is None:
            return last if last and _tags(last, "PRTF") else None
        if is_noun:
            return word if _tags(word.rpartition("-")[2], "anim") and not _tags(word, "Name") else None
        last = word
    return last if last and (_tags(last, "PRTF") or _tags(last, "ADJF")) else None


def _tags(word: str, grammeme: str) -> bool:
    """Whether a known nominative of this word has the grammeme."""
    return any(grammeme in each.tag for each in analyzer().parse(word.lower()) if each.is_known and _is_head(each.tag))


def _position_word(word: str, case: Case) -> tuple[str | None, bool]:
    """The word in this case and whether the position's noun is now found; None: it is not in the nominative."""
    parts = word.split("-")
    changed, is_head = [], False
    for part in parts:
        parses = [each for each in analyzer().parse(part.lower()) if _is_head(each.tag) and each.is_known]
        if not parses:
            return None, True
        noun = parses[0].tag.POS == "NOUN"
        is_head = is_head or noun
        changed.append(_inflected(part, case, _is_head) or part)
    return "-".join(changed), is_head


def _is_head(tag: Any) -> bool:
    return tag.case == "nomn" and tag.number == "sing" and tag.POS in ("NOUN", "ADJF", "PRTF")


def _inflected(word: str, case: Case, fits: Callable[[Any], bool]) -> str | None:
    for parse in analyzer().parse(word.lower()):
        if parse.tag.case == "nomn" and parse.tag.number == "sing" and fits(parse.tag):
            found = parse.inflect({str(case), "sing"})
            return _cased(word, _with_yo(word, found.word)) if found else None
    return None


def _with_yo(word: str, declined: str) -> str:
    """The dictionary writes ё; whoever writes е in its place keeps it."""
    return declined.replace("ё", "е") if "е" in word.lower() and "ё" not in word.lower() else declined


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
    kinds, _ = kinds_of(words)
    surname = kinds.index(Kind.SURNAME) if Kind.SURNAME in kinds else 0
    rest = [word for number, word in enumerate(words) if number != surname and word.lower() not in _TURKIC]
    return "\u00a0".join((words[surname], *(letter for word in rest for letter in _letters(word))))


def _letters(word: str) -> list[str]:
    if _INITIAL.fullmatch(word) and "-" not in word:
        return [f"{letter}." for letter in word if letter.isalpha()]
    return ["-".join(f"{part[0]}." for part in word.split("-") if part)]
