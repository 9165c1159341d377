"""Bytes to text when the letter lies about its charset or says nothing.

The declared charset is tried first. Undeclared 8-bit mail of Russian senders is UTF-8, windows-1251 or KOI8-R. UTF-8
proves itself; between the two others letter frequency and the look of words decide: in the wrong one common letters
turn into rare ones and small letters into capitals. Ready-made detectors misread short KOI8-R, and mail is full of
short lines.
"""

from __future__ import annotations

import codecs
import math
import re

FREQUENT = {
    letter: math.log(weight / 30)
    for letters, weight in (
        ("о", 110),
        ("еа", 83),
        ("ин", 70),
        ("т", 63),
        ("ср", 51),
        ("вл", 44),
        ("кмдпу", 30),
        ("яы", 20),
        ("ьгзб", 16),
        ("чйх", 12),
        ("жшю", 7.5),
        ("цщэ", 4),
        ("фъё", 3),
    )
    for letter in letters
}
"""Letters of Russian by their share per thousand (National Corpus, in groups), as evidence for or against Russian."""

MIXED = -2.0
"""Per letter of a word with a capital inside."""
SHOUTED = -1.2
"""Once, for a text without small letters: decides between readings that are equally likely by their letters."""
STRANGE = -5.0
"""Per sign that Russian texts do not use."""
USUAL_SIGNS = frozenset("«»—–№…“”„\u00a0")
CYRILLIC_WORD = re.compile(r"[а-яё]+", re.IGNORECASE)

ALIASES = {
    "cp-1251": "cp1251",
    "win-1251": "cp1251",
    "windows1251": "cp1251",
    "x-cp1251": "cp1251",
    "koi8r": "koi8-r",
    "cp-866": "cp866",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "us-ascii": "ascii",
    "iso-8859-8-i": "iso-8859-8",
}
FORBIDDEN = {"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}
"""Python knows them as codecs, but they are no charset of a letter or hide markup (UTF-7)."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def clean(text: str) -> str:
    """Without NUL, control characters and lone surrogates; line ends are `\\n`."""
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_line(text: str) -> str:
    """`clean` for one-line values: also without invisible characters that turn the reading direction."""
    return " ".join(INVISIBLE.sub("", clean(text)).split())


def known(charset: str | None) -> str | None:
    """The codec for a declared charset, None for an unknown one."""
    if not charset:
        return None
    name = charset.strip("\"' ").lower()
    try:
        info = codecs.lookup(ALIASES.get(name, name))
    except (LookupError, ValueError):
        return None
    return info.name if info._is_text_encoding and info.name not in FORBIDDEN else None


def decode(data: bytes, charset: str | None = None) -> str:
    """Text of `data`; never raises. `charset` is what the letter declares."""
    codec = known(charset)
    if codec is not None and codec != "ascii":
        try:
            return data.decode(codec)
        except UnicodeError:
            pass
    return guess(data, prefer=codec)


def guess(data: bytes, prefer: str | None = None) -> str:
    """Text of bytes whose charset nobody (rightly) declared."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    lenient = data.decode("utf-8", "replace")
    damage = lenient.count("\ufffd")
    if damage * 20 <= sum(1 for char in lenient if char > "\x7f"):
        return lenient
    if prefer not in (None, "ascii", "utf-8"):
        return data.decode(prefer or "cp1251", "replace")
    return max((data.decode(codec, "replace") for codec in ("cp1251", "koi8-r")), key=russianness)


def russianness(text: str) -> float:
    """How much a text looks like Russian; only comparisons of two readings of the same bytes mean something."""
    sample = text[:4000]
    total, letters = 0.0, 0
    for word in CYRILLIC_WORD.findall(sample):
        look = 0.0 if word.islower() or word.istitle() or word.isupper() else MIXED
        total += sum(FREQUENT[char] + look for char in word.lower())
        letters += len(word)
    strange = sum(1 for char in sample if char >= "\x80" and char not in USUAL_SIGNS) - letters
    return total + STRANGE * strange + (SHOUTED if sample.isupper() else 0.0)
