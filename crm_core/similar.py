"""Names made comparable, so that one customer written in two ways is noticed.

Letter case, ё and е, quotes, punctuation and the legal form do not tell customers apart, nor does the order of the
words of a person's name: «ООО "Ромашка"» and «Ромашка, ооо» have the same key. Equal keys are a hint for people, never
a refusal.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_LONG_FORMS = re.compile(
    r"общество с ограниченной ответственностью|(?:публичное |непубличное |закрытое |открытое )?акционерное общество"
    r"|индивидуальный предприниматель|товарищество с ограниченной ответственностью"
    r"|(?:федеральное |муниципальное )?государственное унитарное предприятие"
)
LEGAL_FORMS = frozenset(
    {"ооо", "оао", "зао", "пао", "нао", "ао", "ип", "тоо", "гуп", "муп", "фгуп", "чп", "тд", "нко", "ано"}
    | {"ltd", "llc", "gmbh", "inc", "ooo", "oao", "zao", "pao", "ao", "ip"}
)
LONGEST = 300


@lru_cache(maxsize=4096)
def company_key(name: str | None) -> str | None:
    """The comparable form of a company's name: its words without the legal form; None when nothing is left of it. Lists
    by the beginning of a name go by it as well."""
    words = _words(name or "")
    return " ".join([word for word in words if word not in LEGAL_FORMS] or words) or None


def exact_key(name: str | None) -> str | None:
    """The name but for its writing: the same words, the legal form among them, in whatever order."""
    return " ".join(sorted(_WORD.findall(_folded(name or "")))) or None


@lru_cache(maxsize=4096)
def person_key(name: str | None) -> str | None:
    """The comparable form of somebody's name: «Петров Иван» is «Иван Петров»."""
    return " ".join(sorted((company_key(name) or "").split())) or None


def _words(text: str) -> list[str]:
    return _WORD.findall(_LONG_FORMS.sub(" ", _folded(text)))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text[:LONGEST]).casefold().replace("ё", "е")
