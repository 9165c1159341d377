"""Dates, phones, lengths and sizes as Russian (or English) readers write them. Filters of the templates."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import phonenumbers
from babel.dates import format_date

from crm_core.money import CURRENCIES, RUB, Money, show_money, show_number
from web.pages.i18n import _, ngettext
from web.pages.look import look

NBSP, THIN_HYPHEN = "\u00a0", "\u2011"
HUES = 8
KILO = 1024
PATTERNS = {"ru": ("d MMMM", "d MMM"), "en": ("d MMMM", "d MMM")}
"""Language → day with the month in full, and shortened."""


def phone(number: str | None) -> str:
    """`+79161234567` → `+7 916 123-45-67`, unbreakable; an extension follows in words."""
    if not number:
        return ""
    plain, _sep, extension = number.partition(";ext=")
    if plain.startswith("+7") and len(plain) == 12:
        text = f"+7 {plain[2:5]} {plain[5:8]}-{plain[8:10]}-{plain[10:]}"
    else:
        text = _international(plain)
    text = text.replace(" ", NBSP).replace("-", THIN_HYPHEN)
    return NBSP.join((text, _("доб."), extension)) if extension else text


def _international(number: str) -> str:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def local(moment: datetime) -> datetime:
    """On the reader's clock."""
    return moment.astimezone(look().zone)


def _days_ago(moment: datetime) -> int:
    return (local(look().now).date() - local(moment).date()).days


def _date(moment: datetime, *, short: bool = False) -> str:
    year = local(moment).year == local(look().now).year
    pattern = PATTERNS[look().locale][short]
    text = str(format_date(local(moment), pattern if year else pattern + " y", locale=look().locale))
    return text.replace(" ", NBSP)


def clock(moment: datetime) -> str:
    """`14:05`."""
    return f"{local(moment):%H:%M}"


def moment(value: datetime | None) -> str:
    """«14:05» today, «вчера, 14:05», «22 ноября, 14:05»."""
    if value is None:
        return "—"
    days = _days_ago(value)
    if days == 0:
        return clock(value)
    day = {1: _("вчера"), -1: _("завтра")}.get(days) or _date(value)
    return f"{day}, {clock(value)}"


def short(value: datetime | None) -> str:
    """For narrow columns: «14:05», «вчера», «22 нояб.»."""
    if value is None:
        return ""
    days = _days_ago(value)
    return clock(value) if days == 0 else _("вчера") if days == 1 else _date(value, short=True)


def day(value: datetime) -> str:
    """Heading of a day: «Сегодня», «Вчера», «пятница, 20 ноября»."""
    days = _days_ago(value)
    if days in (0, 1):
        return _("Сегодня") if days == 0 else _("Вчера")
    weekday = format_date(local(value), "EEEE", locale=look().locale)
    return f"{weekday}, {_date(value)}"


def span(length: timedelta | float | int | None) -> str:
    """A length in one or two units: «45 с», «12 мин», «1 ч 5 мин», «3 дня»."""
    if length is None:
        return "—"
    seconds = int(abs(length.total_seconds() if isinstance(length, timedelta) else length))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return (ngettext("%(num)s день", "%(num)s дня", days) % {"num": days}).replace(" ", NBSP)
    units = ((hours, _("ч")), (minutes % 60, _("мин"))) if minutes else ((seconds, _("с")),)
    return " ".join(f"{number}{NBSP}{unit}" for number, unit in units if number) or NBSP.join(("0", _("с")))


def talk(seconds: float | None) -> str:
    """Length of a call: `1:05`."""
    whole = int(seconds or 0)
    return f"{whole // 60}:{whole % 60:02}"


def ago(value: datetime | None) -> str:
    """How long ago: «только что», «5 мин назад»."""
    if value is None:
        return "—"
    passed = look().now - value
    if passed < timedelta(seconds=10):
        return _("только что")
    return _("%(span)s назад") % {"span": span(passed)}


def until(value: datetime) -> str:
    """A deadline as seen from now: «через 12 мин», «просрочено на 1 ч»."""
    left = value - look().now
    words = _("через %(span)s") if left >= timedelta() else _("просрочено на %(span)s")
    return words % {"span": span(left)}


def is_past(value: datetime | None) -> bool:
    return value is not None and value < look().now


def size(number: int) -> str:
    """`2,4 МБ`."""
    units = (_("Б"), _("КБ"), _("МБ"), _("ГБ"))
    value, power = float(number), 0
    while value >= KILO and power < len(units) - 1:
        value, power = value / KILO, power + 1
    text = f"{value:.1f}".rstrip("0").rstrip(".")
    return (text.replace(".", ",") if look().locale == "ru" else text) + NBSP + units[power]


def money(value: Money | None) -> str:
    """`1 250 000,50 ₽`, for English readers `₽1,250,000.50`."""
    if value is None:
        return "—"
    if look().locale == "ru":
        return show_money(value.amount, value.currency)
    amount = f"{value.amount:,.2f}".removesuffix(".00")
    return f"{CURRENCIES.get(value.currency, value.currency)}{amount}"


def sum_of(amount: Decimal | None, currency: str = RUB) -> str:
    """An amount that is kept apart from its currency."""
    return money(None if amount is None else Money(amount, currency))


def quantity(value: Decimal) -> str:
    """`2,5`, for English readers `2.5`."""
    text = show_number(value)
    return text if look().locale == "ru" else text.replace(",", ".")


def initials(name: str | None) -> str:
    """At most two letters for an avatar."""
    words = [word for word in (name or "").replace("«", "").split() if word[0].isalpha()]
    return "".join(word[0] for word in words[:2]).upper() or "#"


def hue(key: str | None) -> int:
    """A stable number of a colour for a person."""
    return zlib.crc32((key or "").encode("utf-8", "replace")) % HUES


def thousands(number: int) -> str:
    """`12 500`, as the reader writes it."""
    return f"{number:,}".replace(",", NBSP) if look().locale == "ru" else f"{number:,}"


def filled(query: Mapping[str, str]) -> dict[str, str]:
    """Without what is empty, for addresses."""
    return {key: value for key, value in query.items() if value}


FILTERS: dict[str, Callable[..., Any]] = {
    "filled": filled,
    "thousands": thousands,
    "phone": phone, "clock": clock, "moment": moment, "short": short, "day": day, "span": span, "talk": talk,
    "ago": ago, "until": until, "is_past": is_past, "size": size, "money": money, "sum_of": sum_of,
    "quantity": quantity, "initials": initials, "hue": hue,
}  # fmt: skip
