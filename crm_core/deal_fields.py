"""Values of the fields that a preset adds to a card: checked and put into one form.

Everything is kept as text: dates as `2026-11-22`, money as `1250000.50` roubles, choices by their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crm_core.company import FieldRule
from crm_core.dates import parse_day
from crm_core.errors import Invalid
from crm_core.money import parse_amount

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
    """Raises `ValueError` with the mend."""
    if not text:
        return ""
    if len(text) > MAX_TEXT:
        raise ValueError(f"Не длиннее {MAX_TEXT} знаков")
    match rule.type:
        case "choice":
            if text not in rule.choices:
                raise ValueError(f"Такого значения нет; есть {', '.join(rule.choices)}")
        case "date":
            return parse_day(text).isoformat()
        case "money":
            return str(parse_amount(text))
    return text
