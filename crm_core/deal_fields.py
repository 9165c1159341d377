"""Values of the fields that a preset adds to a card: checked and put into one form.

Everything is kept as text: dates as `2026-11-22`, money as `1250000.50`, choices by their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from crm_core.company import FieldRule
from crm_core.errors import Invalid

BUILT_IN = {
    "title": "Название",
    "amount": "Сумма",
    "comment": "Комментарий",
    "person_id": "Контакт",
    "company_id": "Компания",
    "owner_id": "Ответственный",
    "expected_close": "Ожидаемая дата закрытия",
    "probability": "Вероятность",
}
"""Fields of every deal → their titles."""
MAX_AMOUNT = Decimal("1e13")
MAX_TEXT = 10_000


def checked(rules: Iterable[FieldRule], values: Mapping[str, str | None]) -> dict[str, str]:
    """The values in their final form; an empty text clears a field. `Invalid` names every wrong one."""
    known = {rule.key: rule for rule in rules}
    wrong, found = {}, {}
    for key, value in values.items():
        rule = known.get(key)
        if rule is None:
            wrong[f"fields.{key}"] = f"Такого поля нет; есть {', '.join(known)}"
            continue
        try:
            found[key] = _value(rule, (value or "").strip())
        except ValueError as error:
            wrong[f"fields.{key}"] = str(error)
    if wrong:
        raise Invalid(wrong)
    return found


def _value(rule: FieldRule, text: str) -> str:
    if not text:
        return ""
    if len(text) > MAX_TEXT:
        raise ValueError(f"Не длиннее {MAX_TEXT} знаков")
    match rule.type:
        case "choice":
            if text not in rule.choices:
                raise ValueError(f"Такого значения нет; есть {', '.join(rule.choices)}")
        case "date":
            return _date(text).isoformat()
        case "money":
            return str(amount(text))
    return text


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError("Нужна дата: 2026-11-22") from None


def amount(text: str) -> Decimal:
    """A sum of money as people type it: spaces between thousands, comma or point before kopecks, the sign of the
    rouble. `ValueError` with the mend."""
    plain = "".join(text.replace("₽", "").replace("руб.", "").split()).replace(",", ".")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        raise ValueError("Нужна сумма: 1250000.50") from None
    if not value.is_finite() or abs(value) >= MAX_AMOUNT or value < 0:
        raise ValueError("Нужна сумма от 0 до 10 триллионов")
    if value != to_kopecks(value):
        raise ValueError("Не больше двух знаков после запятой")
    return to_kopecks(value)


def to_kopecks(value: Decimal) -> Decimal:
    """Half a kopeck goes up, as in the accounts."""
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)
