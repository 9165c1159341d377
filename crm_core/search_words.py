"""What a text is found by: its words, and what somebody may have meant who typed a question.

Words are letters and digits in lower case with «е» for «ё». A phone is found from any of its digits on, so that its
last four or its middle find it. A question is read as it stands, as digits of a phone, as typed in the other keyboard
layout («bdfyjd» is «иванов»), and as transliterated («ivanov»).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

PHONE = "ъ"
"""Begins the words made of a phone, which no Russian word does: «12» in a title is no part of anybody's number."""
SIGNS = {
    "contact": "c", "company": "o", "lead": "l", "deal": "d", "task": "t", "product": "p", "document": "f",
}  # fmt: skip
"""Kind of record → the letter that begins each of its words: a question about companies does not go through the words
of a million people."""
SHORTEST = 2
"""Characters of a question; a single digit is a number all the same."""
FEWEST_DIGITS = 3
"""Fewer are found in nearly every phone."""
SURELY_PHONE = 7
"""So many digits are one number, however they are grouped."""
LONGEST_WORD, MOST_WORDS, LONGEST_QUESTION, MOST_ASKED = 40, 80, 200, 8

Reading = tuple[tuple[str, ...], ...]
"""What a question may mean: for each of its words the beginnings of words, any of which will do."""

_WORD = re.compile(r"[^\W_]+")
_DIALLED = re.compile(r"[\d\s()+.\u2011–-]+")
_LATIN = "`qwertyuiop[]asdfghjkl;'zxcvbnm,." + '~QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>'
_RUSSIAN = "ёйцукенгшщзхъфывапролджэячсмитьбю" + "ЁЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ"
TO_RUSSIAN, TO_LATIN = str.maketrans(_LATIN, _RUSSIAN), str.maketrans(_RUSSIAN, _LATIN)
_SOUNDS = (
    ("shch", "щ"), ("sch", "щ"), ("yo", "е"), ("zh", "ж"), ("kh", "х"), ("ts", "ц"), ("ch", "ч"), ("sh", "ш"),
    ("yu", "ю"), ("ya", "я"), ("iy", "ий"), ("a", "а"), ("b", "б"), ("v", "в"), ("g", "г"), ("d", "д"), ("e", "е"),
    ("z", "з"), ("i", "и"), ("j", "й"), ("k", "к"), ("l", "л"), ("m", "м"), ("n", "н"), ("o", "о"), ("p", "п"),
    ("r", "р"), ("s", "с"), ("t", "т"), ("u", "у"), ("f", "ф"), ("h", "х"), ("c", "ц"), ("y", "ы"), ("w", "в"),
    ("q", "к"), ("x", "кс"),
)  # fmt: skip
_SOUND = re.compile("|".join(latin for latin, _ in _SOUNDS))
_SPELT = dict(_SOUNDS)


def words(text: str) -> list[str]:
    """The words of a text in their order: «Семёнов-Петров» → семенов, петров."""
    plain = unicodedata.normalize("NFC", text).replace("ё", "е").replace("Ё", "е").lower().casefold()
    return [word[:LONGEST_WORD] for word in _WORD.findall(plain) if word == word.lower()]


def phone_words(phone: str) -> list[str]:
    """From each digit on to the end: any `FEWEST_DIGITS` of them that follow each other begin one of these."""
    digits = digits_of(phone.partition(";")[0])
    return [PHONE + digits[start:] for start in range(max(0, len(digits) - FEWEST_DIGITS + 1))][:LONGEST_WORD]


def digits_of(text: str) -> str:
    return "".join(each for each in text if each in "0123456789")


def indexed(texts: Iterable[str | None], phones: Iterable[str] = ()) -> tuple[str, ...]:
    """Everything that a record is found by, sorted, each word once."""
    found: dict[str, None] = {}
    for text in texts:
        if text:
            found |= dict.fromkeys(words(text))
    most = list(found)[:MOST_WORDS]
    return tuple(sorted({*most, *(word for phone in phones for word in phone_words(phone))}))


def is_dialled(text: str) -> bool:
    """Nothing but digits and what stands between the digits of a phone."""
    return bool(_DIALLED.fullmatch(text)) and digits_of(text) != ""


@lru_cache(maxsize=1024)
def readings(text: str) -> tuple[Reading, ...]:
    """What the question may mean, likeliest first. Empty when it is too short to search for."""
    text = text.strip()[:LONGEST_QUESTION]
    found: dict[Reading, None] = {}
    if text.startswith(("#", "№")) and text.lstrip("#№ ").isdecimal():
        return ()  # a number of a record, and nothing else
    if is_dialled(text):
        digits = digits_of(text)[:LONGEST_WORD]
        if len(digits) >= FEWEST_DIGITS:
            found[((PHONE + digits[:15],),)] = None
            if digits.startswith("8"):  # the trunk prefix of the way Russians write numbers
                found[((PHONE + "7" + digits[1:15],),)] = None
        found[((digits,),) if len(digits) >= SURELY_PHONE else tuple((word,) for word in words(text))] = None
    elif len(text) >= SHORTEST:
        for meant in _meant(text):
            found[tuple(map(_spelt, words(meant)))] = None
    found.pop((), None)
    return tuple(each[:MOST_ASKED] for each in found)


def _meant(text: str) -> list[str]:
    """The text and what it is in the other keyboard layout, in Russian letters."""
    latin = any("a" <= each <= "z" for each in text.lower())
    russian = any("а" <= each <= "я" or each == "ё" for each in text.lower())
    if latin and not russian:
        return [text, text.translate(TO_RUSSIAN), _SOUND.sub(lambda found: _SPELT[found[0]], text.lower())]
    if russian and not latin:
        return [text, text.translate(TO_LATIN)]
    return [text, text.translate(TO_RUSSIAN)] if text.translate(TO_RUSSIAN) != text else [text]


def _spelt(word: str) -> tuple[str, ...]:
    """A number among words may be part of a phone."""
    is_phone = word.isascii() and word.isdigit() and len(word) >= FEWEST_DIGITS
    return (word, PHONE + word) if is_phone else (word,)
