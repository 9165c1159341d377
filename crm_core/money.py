"""Money as exact decimals: what people type, how it is rounded, how it is shown. No float ever comes near it.

Sums are rubles and kopecks (or the hundredths of another currency). Every step that can leave more than two places
rounds at once, half up, the way prices and VAT stand in a Russian invoice: it states them in rubles and kopecks, line
by line (rules for filling in an invoice, decree 1137 of 26.12.2011, section «Общие требования»); the rounding of a tax
to whole rubles (tax code, article 52 paragraph 6) is a matter of the return, not of the invoice.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, NamedTuple

import msgspec

KOPECK: Final = Decimal("0.01")
MAX_AMOUNT: Final = Decimal("999999999999.99")
"""Just below a trillion: a sum of sums still fits where the store keeps it."""
MAX_QUANTITY: Final = Decimal("999999999.999")
MAX_TYPED: Final = 60
"""Characters of a typed number that are looked at."""
CURRENCIES: Final = {"RUB": "₽", "USD": "$", "EUR": "€", "CNY": "¥", "BYN": "Br", "KZT": "₸"}
"""ISO 4217 code → sign; each has hundredths."""


class Spoken(NamedTuple):
    """The names of a currency and of its hundredths, for 1, 2 and 5 of them."""

    major: tuple[str, str, str]
    minor: tuple[str, str, str]
    is_minor_feminine: bool = False
    """«одна копейка»; the larger units are all masculine or do not show it."""


_CENTS = ("цент", "цента", "центов")
_KOPECKS = ("копейка", "копейки", "копеек")
SPOKEN: Final = {
    "RUB": Spoken(("рубль", "рубля", "рублей"), _KOPECKS, True),
    "USD": Spoken(("доллар США", "доллара США", "долларов США"), _CENTS),
    "EUR": Spoken(("евро", "евро", "евро"), _CENTS),
    "CNY": Spoken(("юань", "юаня", "юаней"), ("фэнь", "фэня", "фэней")),
    "BYN": Spoken(("белорусский рубль", "белорусских рубля", "белорусских рублей"), _KOPECKS, True),
    "KZT": Spoken(("тенге", "тенге", "тенге"), ("тиын", "тиына", "тиынов")),
}
"""The same currencies, as sums in words name them."""
RUB: Final = "RUB"
NBSP = "\u00a0"
EXACT: Final = Context(prec=80, rounding=ROUND_HALF_UP)
"""Wide enough that no product of two allowed numbers is rounded on the way."""

_WORDS = {"руб": "RUB", "руб.": "RUB", "р": "RUB", "р.": "RUB", "рублей": "RUB", "рубля": "RUB", "рубль": "RUB"}
_SIGNS = (
    {sign.lower(): code for code, sign in CURRENCIES.items()} | _WORDS | {code.lower(): code for code in CURRENCIES}
)
_SPACES = re.compile(r"[ \u00a0\u2007\u2009\u202f\t]+")
_NUMBER = re.compile(r"[0-9][0-9.,'’ ]*")
_SHORTHAND = re.compile(r"[0-9 ](тыс|тысяч\w*|млн|млрд|миллион\w*|миллиард\w*|к|k|m)\b", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{1,3}(?:( |'|’|,|\.)[0-9]{3})(?:\1[0-9]{3})*")


class AmountError(ValueError):
    """What was typed is not a usable number; the text is a Russian sentence with the mend."""


class Money(msgspec.Struct, frozen=True):
    """A sum in one currency; in JSON the amount is a decimal string."""

    amount: Decimal
    currency: str = RUB

    def __str__(self) -> str:
        return show_money(self.amount, self.currency)


def to_kopecks(value: Decimal) -> Decimal:
    """Rounded to hundredths, half up: 0.005 becomes 0.01."""
    return value.quantize(KOPECK, rounding=ROUND_HALF_UP, context=EXACT)


def times(one: Decimal, other: Decimal) -> Decimal:
    """The product, rounded to hundredths once."""
    return to_kopecks(EXACT.multiply(one, other))


def share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal:
    """`whole × part / of`, rounded to hundredths once; `of` is not zero."""
    return to_kopecks(EXACT.divide(EXACT.multiply(whole, part), of))


def parse_money(text: str, currency: str = RUB) -> Money:
    """A sum as people type it: «1 250 000,50 ₽», «1,250.00», «$99». A currency that is written wins over the given one.

    Raises `AmountError`: for words («12 тыс»), more than two decimals, a minus, and for what could mean two numbers.
    """
    typed = _typed(text, "сумму")
    if _SHORTHAND.search(typed):
        raise AmountError("Напишите сумму цифрами целиком, например 12 000")
    number, found = _without_currency(typed)
    amount = _decimal(number, "сумму", "12 500,50", places=2)
    if amount > MAX_AMOUNT:
        raise AmountError("Слишком большая сумма: нужно меньше триллиона")
    return Money(to_kopecks(amount), _currency(found or currency))


def parse_amount(text: str) -> Decimal:
    """A sum of rubles; another currency in the text is refused. Raises `AmountError`."""
    money = parse_money(text)
    if money.currency != RUB:
        raise AmountError("Здесь нужна сумма в рублях")
    return money.amount


def parse_quantity(text: str) -> Decimal:
    """A quantity above zero with up to three places: «3», «1,250», «1 000.5». Raises `AmountError`."""
    value = _plain(text, "количество", "2,5", places=3)
    if not 0 < value <= MAX_QUANTITY:
        raise AmountError("Количество должно быть больше нуля и меньше миллиарда")
    return value


def parse_percent(text: str) -> Decimal:
    """0 to 100 with up to two places, the sign % may follow. Raises `AmountError`."""
    value = _plain(text.strip().removesuffix("%"), "процент", "7,5", places=2)
    if value > 100:
        raise AmountError("Процент не может быть больше 100")
    return value


def show_money(amount: Decimal, currency: str = RUB, *, always_kopecks: bool = False) -> str:
    """`1 250 000,50 ₽` with unbreakable spaces; whole sums without kopecks, unless a document wants them always."""
    text = f"{to_kopecks(amount):,.2f}"
    text = (text if always_kopecks else text.removesuffix(".00")).replace(",", NBSP).replace(".", ",")
    return f"{text}{NBSP}{CURRENCIES.get(currency, currency)}"


def typed_money(amount: Decimal, currency: str = RUB) -> str:
    """As somebody would type it: `1 250 000,50`, other currencies than the rouble with their code; `parse_money` reads
    it back."""
    text = f"{to_kopecks(amount):,.2f}".removesuffix(".00").replace(",", " ").replace(".", ",")
    return text if currency == RUB else f"{text} {currency}"


def show_number(value: Decimal) -> str:
    """A quantity or a percent without idle zeros: `2,5`."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(".", ",")


def check_money(money: Money) -> Money:
    """The same sum in hundredths. Raises `AmountError` when it is no amount of money."""
    amount = money.amount
    if not amount.is_finite() or amount < 0 or amount > MAX_AMOUNT:
        raise AmountError("Сумма должна быть от нуля до триллиона")
    if to_kopecks(amount) != amount:
        raise AmountError("В сумме больше двух знаков после запятой")
    return Money(to_kopecks(amount), _currency(money.currency))


def _typed(text: str, what: str) -> str:
    typed = _SPACES.sub(" ", text).strip()
    if not typed:
        raise AmountError(f"Укажите {what}")
    if len(typed) > MAX_TYPED:
        raise AmountError(f"Слишком длинно для числа: укажите {what}")
    if typed[0] in "-−–":
        raise AmountError("Число не может быть отрицательным")
    return typed


def _without_currency(typed: str) -> tuple[str, str | None]:
    """(number, currency that was written before or after it)."""
    found = _NUMBER.search(typed)
    if found is None:
        raise AmountError("Здесь нет числа: напишите сумму цифрами, например 12 500,50")
    before, after = typed[: found.start()].strip().lower(), typed[found.end() :].strip().lower()
    word = before or after
    if (before and after) or (word and word not in _SIGNS):
        raise AmountError("Кроме числа и валюты здесь ничего не нужно: напишите, например, 12 500,50 ₽")
    return found[0].strip(), _SIGNS.get(word)


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise AmountError(f"Такой валюты нет; есть {', '.join(CURRENCIES)}")
    return code


def _decimal(number: str, what: str, example: str, *, places: int) -> Decimal:
    """Digits with groups and decimals, whichever signs part them."""
    last = max(number.rfind(","), number.rfind("."))
    kinds = {sign for sign in number if sign in ",."}
    alone = len(kinds) == 1 and number.count(next(iter(kinds))) == 1
    if alone and len(number) - last - 1 == 3 and re.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}", number):
        raise AmountError(f"Непонятно, тысячи это или доли: {number}. Отделяйте тысячи пробелом: {example}")
    decimals = len(kinds) == 2 or alone
    whole, fraction = (number[:last], number[last + 1 :]) if decimals else (number, "")
    return _value(whole, fraction, what, example, places)


def _value(whole: str, fraction: str, what: str, example: str, places: int) -> Decimal:
    if not (whole.isdecimal() or _GROUPED.fullmatch(whole)) or (fraction and not re.fullmatch("[0-9]+", fraction)):
        raise AmountError(f"Не понимаю число: укажите {what} так: {example}")
    if len(fraction.rstrip("0")) > places:
        raise AmountError(f"После запятой можно не больше {places} знаков")
    return Decimal(re.sub("[^0-9]", "", whole) + "." + (fraction or "0"))


def _plain(text: str, what: str, example: str, *, places: int) -> Decimal:
    """A number without groups but for spaces: comma and dot both begin the decimals."""
    typed = _typed(text, what)
    found = re.fullmatch(r"([0-9]+|[0-9]{1,3}(?: [0-9]{3})+)(?:[.,]([0-9]*))?", typed)
    if found is None:
        raise AmountError(f"Не понимаю число: укажите {what} так: {example}")
    return _value(found[1].replace(" ", ""), found[2] or "", what, example, places)
