"""Numbers, sums and dates in Russian words, as contracts and invoices write them.

Pure functions without a dictionary: numerals have few forms, and the tables below are all of them.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import IntEnum

from crm_core.money import CURRENCIES, SPOKEN, to_kopecks

Forms = tuple[str, str, str]
"""For 1, 2 and 5: («рубль», «рубля», «рублей»)."""


class Gender(IntEnum):
    """Of the noun that is counted; the value is the place in the tables."""

    MASCULINE = 0
    FEMININE = 1
    NEUTER = 2


_ONES = (("один", "одна", "одно"), ("два", "две", "два"))
_SMALL = (
    "", "", "", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять", "одиннадцать", "двенадцать",
    "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать", "семнадцать", "восемнадцать", "девятнадцать",
)  # fmt: skip
_TENS = (
    "", "", "двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто",
)  # fmt: skip
_HUNDREDS = (
    "", "сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот",
)  # fmt: skip
_SCALES: tuple[tuple[Gender, Forms], ...] = (
    (Gender.FEMININE, ("тысяча", "тысячи", "тысяч")),
    (Gender.MASCULINE, ("миллион", "миллиона", "миллионов")),
    (Gender.MASCULINE, ("миллиард", "миллиарда", "миллиардов")),
    (Gender.MASCULINE, ("триллион", "триллиона", "триллионов")),
    (Gender.MASCULINE, ("квадриллион", "квадриллиона", "квадриллионов")),
)
LIMIT = 10 ** (3 * (len(_SCALES) + 1))
"""Numbers from here on have no words."""


def plural(number: int | Decimal, one: str, few: str, many: str) -> str:
    """The form that goes with this number: 1 рубль, 2 рубля, 5 рублей; 1,5 рубля."""
    if number != int(number):
        return few
    rest = abs(int(number)) % 100
    if 10 < rest < 20:
        return many
    match rest % 10:
        case 1:
            return one
        case 2 | 3 | 4:
            return few
        case _:
            return many


def integer_words(number: int, gender: Gender = Gender.MASCULINE) -> str:
    """21 → «двадцать один», «двадцать одна», «двадцать одно». `ValueError` from 10¹⁸ on."""
    if abs(number) >= LIMIT:
        raise ValueError("число слишком велико, чтобы написать его словами")
    if number == 0:
        return "ноль"
    words = ["минус"] if number < 0 else []
    rest = abs(number)
    for power in range(len(_SCALES), -1, -1):
        group, rest = divmod(rest, 1000**power)
        if not group:
            continue
        if power == 0:
            words += _below_thousand(group, gender)
        else:
            scale_gender, forms = _SCALES[power - 1]
            words += [*_below_thousand(group, scale_gender), plural(group, *forms)]
    return " ".join(words)


def _below_thousand(number: int, gender: Gender) -> list[str]:
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10) if rest >= 20 else (0, rest)
    last = _ONES[ones - 1][gender] if ones in (1, 2) else _SMALL[ones]
    return [word for word in (_HUNDREDS[hundreds], _TENS[tens], last) if word]


_CODES = {sign: code for code, sign in CURRENCIES.items()} | {code: code for code in CURRENCIES}


def currency_code(name: str) -> str:
    """Of a currency that is named by its code or sign. `ValueError` names those there are."""
    found = _CODES.get(name.upper()) or _CODES.get(name)
    if found is None:
        raise ValueError(f"валюты «{name}» нет; есть {', '.join(CURRENCIES)}")
    return found


def number_text(value: Decimal, places: int | None = None) -> str:
    """1234.5 → «1 234,5», or with exactly so many places; spaces do not break, zeroes at the end are left out."""
    value = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) if places is not None else value
    text = f"{value:,f}"
    if places is None and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", "\u00a0").replace(".", ",")


def money_words(amount: Decimal, name: str = "RUB", *, minor_in_words: bool = False) -> str:
    """1250000.5 → «один миллион двести пятьдесят тысяч рублей 50 копеек». Rounded to the hundredth, half up.

    The smaller unit stays in two figures, as banks and accountants write it, unless `minor_in_words`.
    """
    units = SPOKEN[currency_code(name)]
    total = to_kopecks(abs(amount))
    major, minor = int(total), int(total * 100) % 100
    gender = Gender.FEMININE if units.is_minor_feminine else Gender.MASCULINE
    shown = integer_words(minor, gender) if minor_in_words else f"{minor:02}"
    sign = "минус " if amount < 0 and total else ""
    return f"{sign}{integer_words(major)} {plural(major, *units.major)} {shown} {plural(minor, *units.minor)}"


MONTHS = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября",
    "декабря",
)  # fmt: skip
_STEMS = (
    "", "перв", "втор", "трет", "четвёрт", "пят", "шест", "седьм", "восьм", "девят", "десят", "одиннадцат",
    "двенадцат", "тринадцат", "четырнадцат", "пятнадцат", "шестнадцат", "семнадцат", "восемнадцат", "девятнадцат",
)  # fmt: skip
_TEN_STEMS = (
    "", "", "двадцат", "тридцат", "сороков", "пятидесят", "шестидесят", "семидесят", "восьмидесят", "девяност",
)  # fmt: skip
_HUNDRED_STEMS = (
    "", "сот", "двухсот", "трёхсот", "четырёхсот", "пятисот", "шестисот", "семисот", "восьмисот", "девятисот",
)  # fmt: skip
_THOUSAND_STEMS = (
    "", "тысячн", "двухтысячн", "трёхтысячн", "четырёхтысячн", "пятитысячн", "шеститысячн", "семитысячн",
    "восьмитысячн", "девятитысячн",
)  # fmt: skip


def date_text(day: date) -> str:
    """«22 ноября 2026 г.»"""
    return f"{day.day}\u00a0{MONTHS[day.month - 1]} {day.year}\u00a0г."


def date_words(day: date) -> str:
    """«двадцать второе ноября две тысячи двадцать шестого года»"""
    year = _ordinal(day.year, "ого", "ьего").removeprefix("одна ")
    return f"{_ordinal(day.day, 'ое', 'ье')} {MONTHS[day.month - 1]} {year} года"


def _ordinal(number: int, ending: str, soft: str) -> str:
    """1…9999: only the last word is an ordinal, the others count: «две тысячи двадцать шестого»."""
    for unit, stems in ((1, _STEMS), (10, _TEN_STEMS), (100, _HUNDRED_STEMS), (1000, _THOUSAND_STEMS)):
        last = number % 100 if unit == 1 and 0 < number % 100 < 20 else number // unit % 10
        if last:
            before = number - last * unit
            word = stems[last] + (soft if stems[last] == "трет" else ending)
            return f"{integer_words(before)} {word}" if before else word
    raise ValueError("у нуля нет порядкового числительного")
