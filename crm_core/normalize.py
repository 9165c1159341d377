"""Phones to E.164, emails to lower case, names without noise.

Plain Russian numbers, nearly all there are, are recognised by their digits; everything else is left to phonenumbers.
An extension is kept in the form of RFC 3966: `+74951234567;ext=12`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers

_NOISE = re.compile(r"[\s().\-–—\u00a0\u2011]+")
_RUSSIAN = re.compile(r"(?:\+7|7|8)([3489][0-9]{9})")
_PLUS_8 = re.compile(r"\+8(9[0-9]{9})")
"""A mistake that many make: no country begins with 89."""
_ABROAD = re.compile(r"00([1-9][0-9]{7,13})|([1-9][0-9]{10,14})")
"""International without the plus, as exchanges hand it over."""
_SEVERAL = re.compile(r"[;,/|\n]|\s(?:и|или)\s")
EXTENSION = ";ext="
LONGEST, SHORTEST, LONGEST_EXTENSION = 128, 7, 6
_BARE_MOBILE = re.compile(r"9[0-9]{9}")
_DIALABLE = re.compile(r"\+?[0-9]{5,18}")
_EMAIL = re.compile(r"[^\s@<>\"',;:\\]{1,64}@(?:[^\s@<>\"',;:\\.]+\.)+[^\s@<>\"',;:\\.]{2,63}")


def phone(text: str, region: str = "RU") -> str | None:
    """E.164 of the first public number in a text, or None. `8 (916) 123-45-67` → `+79161234567`."""
    return next(iter(phones(text, region)), None)


@lru_cache(maxsize=4096)
def phones(text: str, region: str = "RU") -> tuple[str, ...]:
    """Every public number that somebody wrote into one field: `8 916 123-45-67, 8 903 765-43-21 Иван`."""
    text = text[:LONGEST]
    if whole := _one(text, region):
        return (whole,)
    if sum(c.isdigit() for c in text) < SHORTEST:
        return ()
    if parts := [found for part in _SEVERAL.split(text) if (found := _one(part, region))]:
        return tuple(dict.fromkeys(parts))
    matches = phonenumbers.PhoneNumberMatcher(text, region)
    inside = tuple(dict.fromkeys(_written(match.number) for match in matches))
    return inside or _possible(text, region)


def _one(text: str, region: str) -> str | None:
    digits = _NOISE.sub("", text)
    if found := _RUSSIAN.fullmatch(digits):
        return "+7" + found.group(1)
    if _BARE_MOBILE.fullmatch(digits):
        return "+7" + digits
    if found := _PLUS_8.fullmatch(digits):
        return "+7" + found.group(1)
    return _parsed(text, region) or (
        _parsed("+" + (found[1] or found[2]), region) if (found := _ABROAD.fullmatch(digits)) else None
    )


def _possible(text: str, region: str) -> tuple[str, ...]:
    """A number of the right length outside the numbering plan, which is never quite up to date.

    Digits typed to get past a form are none: they would make one person of everybody who did.
    """
    digits = _NOISE.sub("", text).lstrip("+")
    if not digits.isascii() or not digits.isdigit() or len(set(digits)) < 4 or digits in "12345678901234567890":
        return ()
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ()
    reason = phonenumbers.is_possible_number_with_reason(number)
    return (_written(number),) if reason == phonenumbers.ValidationResult.IS_POSSIBLE else ()


def _parsed(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # A second number after a semicolon is taken for an extension.
    if not phonenumbers.is_valid_number(number) or len(number.extension or "") > LONGEST_EXTENSION:
        return None
    return _written(number)


def _written(number: phonenumbers.PhoneNumber) -> str:
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{plain}{EXTENSION}{number.extension}" if number.extension else plain


def shown_phone(number: str) -> str:
    """E.164 as people read it: «+7 916 123-45-67»; anything else stays as it is."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def dialable(text: str) -> str | None:
    """A number that is no public one (a local number without its code) and can be called all the same, or None."""
    digits = _NOISE.sub("", text[:64])
    return digits if _DIALABLE.fullmatch(digits) else None


def email(text: str) -> str | None:
    """Lower case without surrounding noise, or None when it is no address."""
    address = unicodedata.normalize("NFC", text).strip().strip("<>").lower()
    return address if len(address) <= 254 and _EMAIL.fullmatch(address) else None


def name(text: str | None) -> str | None:
    """One line, single spaces, no control characters, at most 200 characters; None when nothing is left."""
    if not text:
        return None
    clean = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[:1000])
    return " ".join(clean.split())[:200] or None
