"""What cells of tables mean, whatever kind of record they belong to: moments, sums, choices, employees; and how a
change of an import is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from crm_core.company import Company, FieldRule
from crm_core.errors import Invalid
from crm_core.money import CURRENCIES, RUB, AmountError, Money, parse_amount, parse_money
from crm_core.sheets.kinds import Field, Parse, Unreadable
from crm_core.users import USERS, User
from storage import ReadTx

MOMENTS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%d.%m.%Y %H:%M:%S",
           "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y")  # fmt: skip
YEARS = range(1990, 2200)
LONGEST_TEXT = 20_000
OWNER = ("Менеджер", "Продавец", "Ответственный менеджер", "Ответственный пользователь", "Owner", "Manager",
         "Responsible", "Responsible person", "Assigned to")  # fmt: skip
CREATED = ("Дата создания", "Создано", "Дата", "Дата обращения", "Created", "Created at", "Created on")
CURRENCY_NAMES = ("Код валюты", "Currency")
COMMENT = ("Примечание", "Примечание 1", "Заметка", "Комментарии", "Comment", "Comments", "Note", "Notes")


def parse_moment(text: str, company: Company) -> datetime:
    """A date, with or without time, of the company's time zone; comes out in UTC."""
    return _local(text, company).astimezone(UTC)


def parse_day(text: str, company: Company) -> date:
    """A date; a time behind it is passed over."""
    return _local(text, company).date()


def _local(text: str, company: Company) -> datetime:
    for pattern in MOMENTS:
        try:
            found = datetime.strptime(text, pattern).replace(tzinfo=ZoneInfo(company.timezone))
        except ValueError:
            continue
        if found.year in YEARS:
            return found
    raise Unreadable("Не похоже на дату: нужен вид 22.11.2026 или 22.11.2026 14:05")


def number_of(what: str) -> Parse:
    """A whole number, perhaps behind «№»; `what`: genitive, for the refusal."""

    def parse(text: str, company: Company) -> int:
        digits = text.lstrip("№# ")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 15:
            raise Unreadable(f"Нужен номер {what} цифрами")
        return int(digits)

    return parse


def choice(choices: Mapping[str, str]) -> Parse:
    """Key of the value with this key or title."""

    def parse(text: str, company: Company) -> str:
        for key, title in choices.items():
            if text.casefold() in (key.casefold(), title.casefold()):
                return key
        raise Unreadable(f"Такого значения нет; есть {', '.join(choices.values())}")

    return parse


def parse_text(text: str, company: Company) -> str:
    """Several lines."""
    if len(text) > LONGEST_TEXT:
        raise Unreadable("Длиннее 20 000 знаков: сократите")
    return text


def parse_sum(text: str, company: Company) -> Money:
    """A sum; its currency is empty unless it stands beside the number, see `in_currency`."""
    try:
        money = parse_money(text, RUB)
        written = money.currency == parse_money(text, "USD").currency
    except AmountError as error:
        raise Unreadable(str(error)) from None
    return money if written else Money(money.amount, "")


def in_currency(money: Money, values: Mapping[str, Any]) -> Money:
    """The sum in the currency of its own, of the column of currencies, or in roubles."""
    return Money(money.amount, money.currency or values.get("currency") or RUB)


def parse_currency(text: str, company: Company) -> str:
    """ISO code, from the code, the sign or a word."""
    try:
        return parse_money(f"1 {text}", RUB).currency
    except AmountError:
        raise Unreadable(f"Такой валюты нет; есть {', '.join(CURRENCIES)}") from None


def card_field(rule: FieldRule) -> Field:
    """The column of a field that the preset adds to a card."""
    parse: Parse = parse_text
    if rule.choices:
        parse = choice(rule.choices)
    elif rule.type == "date":
        parse = day_text
    elif rule.type == "money":
        parse = _sum_text
    return Field(f"fields.{rule.key}", rule.title, (rule.key,), parse=parse)


def day_text(text: str, company: Company) -> str:
    """A date as the core takes it from people: 2026-11-22."""
    return parse_day(text, company).isoformat()


def _sum_text(text: str, company: Company) -> str:
    try:
        return str(parse_amount(text))
    except ValueError as error:
        raise Unreadable(str(error)) from None


def card_values(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the preset among the values of a row."""
    return {key.partition(".")[2]: value for key, value in values.items() if key.startswith("fields.")}


def employee(tx: ReadTx, text: str) -> User:
    """The active employee with this email or name. `Invalid` for `owner_id`."""
    where = {"email": text.strip().lower()} if "@" in text else {"name": text.strip()}
    found = [user for user in tx.find(USERS, where, limit=3) if user.active]
    if not found:
        raise Invalid({"owner_id": "Такого сотрудника нет: укажите его почту или имя, как в списке сотрудников"})
    if len(found) > 1:
        raise Invalid({"owner_id": "Сотрудников с таким именем несколько: укажите почту"})
    return found[0]


def email_of(tx: ReadTx, user_id: str | None) -> str | None:
    """How an export names an employee."""
    user = tx.get(USERS, user_id) if user_id else None
    return user.email if user else None


def stored(state: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they stand on the row of an import: JSON."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(state)))
    return plain


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changed: former and present values."""
    changed = [key for key, value in before.items() if after[key] != value]
    return {key: before[key] for key in changed}, {key: after[key] for key in changed}


def kept_words(kept: list[str]) -> str | None:
    """The note about titles of fields that somebody has changed since; None when there are none."""
    return f"Изменено после загрузки и оставлено: {', '.join(kept)}" if kept else None


def decimal_of(text: str | None) -> Decimal | None:
    """A sum as it is stored on the row of an import."""
    return Decimal(text) if text is not None else None
