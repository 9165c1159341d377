"""Russian surnames in the six cases, by their endings.

A dictionary is a poor help with surnames: «Лебедь» is a bird to it, «Черных» a colour. The school rules are short
and depend on the gender only: Russian ones go like nouns or adjectives, a woman's name that ends in a consonant does
not change, nor do those on -о, -е, -и, -у, -ых (Розенталь Д. Э. Справочник по правописанию, § 149).
"""

from __future__ import annotations

from enum import StrEnum


class Case(StrEnum):
    """Names as in templates: `decline("gent")`."""

    NOMINATIVE = "nomn"
    GENITIVE = "gent"
    DATIVE = "datv"
    ACCUSATIVE = "accs"
    INSTRUMENTAL = "ablt"
    PREPOSITIONAL = "loct"


Endings = tuple[str, str, str, str, str]
"""Genitive, dative, accusative, instrumental, prepositional."""
_ORDER = (Case.GENITIVE, Case.DATIVE, Case.ACCUSATIVE, Case.INSTRUMENTAL, Case.PREPOSITIONAL)

_VOWELS = "аеёиоуыэюя"
_HISSING = "жчшщц"
_BACK = "гкх"
_FOREIGN = frozenset({"дарвин", "чаплин", "франклин", "кронин", "коллин", "мартин", "берлин", "фельдман"})
"""They end like Russian ones and have -ом in the instrumental."""
FIXED = frozenset({
    "дюма", "тома", "дега", "гюго", "золя", "труа", "бонч", "сент", "фон", "ван", "де", "дер", "тер", "мак", "ла", "ле",
    "эль", "аль", "ибн", "бен", "сан", "дос", "да", "ди", "дель", "дю", "ар",
})  # fmt: skip
"""Foreign names and particles that never change."""
_DROPPED = {"павел": "павл", "лев": "льв", "пётр": "петр", "заяц": "зайц"}
_FLEETING = frozenset({
    "кравец", "купец", "скворец", "гребец", "молодец", "москалец",
    "коломиец", "коломоец", "горобец", "воробец", "яковец", "донец",
})  # fmt: skip
"""On -ец with a vowel that goes: Кравца. Other such surnames keep it."""

_NOUN_MASCULINE: Endings = ("а", "у", "а", "ом", "е")
_POSSESSIVE: Endings = ("а", "у", "а", "ым", "е")
_POSSESSIVE_FEMININE: Endings = ("ой", "ой", "у", "ой", "ой")
_SOFT: Endings = ("я", "ю", "я", "ем", "е")


def decline_surname(surname: str, case: Case, *, feminine: bool) -> str:
    """One surname without hyphens, in lower case. What does not change comes back as it is."""
    if case is Case.NOMINATIVE or surname in FIXED or len(surname) < 2 or not is_russian(surname):
        return surname
    stem, endings = _feminine(surname) if feminine else _masculine(surname)
    return stem + dict(zip(_ORDER, endings, strict=True))[case] if endings else surname


def is_russian(word: str) -> bool:
    return all("а" <= letter <= "я" or letter in "ё’'" for letter in word)


def _feminine(surname: str) -> tuple[str, Endings | None]:
    if surname.endswith(("ова", "ева", "ёва", "ина", "ына")):
        return surname[:-1], _POSSESSIVE_FEMININE
    if surname.endswith("ая"):
        stem, hissing = surname[:-2], surname[-3:-2] in "жшщч"
        return stem, ("ей", "ей", "ую", "ей", "ей") if hissing else ("ой", "ой", "ую", "ой", "ой")
    if surname.endswith("яя"):
        return surname[:-2], ("ей", "ей", "юю", "ей", "ей")
    return _on_a(surname)


def _masculine(surname: str) -> tuple[str, Endings | None]:
    stem, last = surname[:-1], surname[-1]
    if surname.endswith(("ых", "их")) and _syllables(surname) > 1:
        return surname, None
    if surname.endswith(("ов", "ев", "ёв", "ин", "ын")):
        foreign = surname in _FOREIGN or _syllables(surname) == 1
        return surname, _NOUN_MASCULINE if foreign else _POSSESSIVE
    if surname.endswith(("ий", "ый", "ой")) and _syllables(surname) > 1:
        return _adjective(surname)
    if last in "йь":
        return stem, _SOFT
    if last in _VOWELS:
        return _on_a(surname)
    if surname in _FLEETING:
        soft = surname[-3] in _VOWELS
        return surname[:-2] + ("йц" if soft else "ц"), ("а", "у", "а", "ом" if not soft else "ем", "е")
    return _DROPPED.get(surname, surname), (*_NOUN_MASCULINE[:3], "ем" if last in _HISSING else "ом", "е")


def _adjective(surname: str) -> tuple[str, Endings]:
    stem, before = surname[:-2], surname[-3]
    if surname.endswith("ий") and before not in _BACK:
        return stem, ("его", "ему", "его", "им", "ем")
    return stem, ("ого", "ому", "ого", "им" if before in _BACK + "жшщч" else "ым", "ом")


def _on_a(surname: str) -> tuple[str, Endings | None]:
    """On -а and -я, whoever bears it; all other vowels, and consonants of women's names, stay."""
    stem, last = surname[:-1], surname[-1]
    before = stem[-1]
    if last == "а" and before not in _VOWELS:
        genitive = "и" if before in _BACK + "жчшщ" else "ы"
        return stem, (genitive, "е", "у", "ей" if before in _HISSING else "ой", "е")
    if last == "я":
        dative = "и" if before == "и" else "е"
        return stem, ("и", dative, "ю", "ей", dative)
    return surname, None


def _syllables(word: str) -> int:
    return sum(letter in _VOWELS for letter in word)
