"""What a contact's card holds besides name, phones and emails: company, position, birthday, owner, own fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from crm_core.companies import check_owner, find_company
from crm_core.people import Person
from storage import ReadTx

CARD = frozenset({"company_id", "position", "birthday", "comment", "owner_id", "fields"})
LONGEST = {"position": 300, "comment": 10_000}
EARLIEST_BIRTHDAY = date(1900, 1, 1)


def clean_card(
    tx: ReadTx, values: Mapping[str, Any], person: Person | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The given fields of `CARD` in their final shape, and what is wrong, by field. `birthday` comes as text. A contact
    that is put into a company is called of that company, unless `values` say otherwise."""
    wanted: dict[str, Any] = {}
    wrong: dict[str, str] = check_owner(tx, values.get("owner_id"))
    if "owner_id" in values:
        wanted["owner_id"] = values["owner_id"]
    for name, most in LONGEST.items():
        if name in values:
            wanted[name] = (values[name] or "").strip() or None
            if len(wanted[name] or "") > most:
                wrong[name] = f"Не длиннее {most} знаков"
    if "birthday" in values:
        wanted["birthday"] = _birthday(tx, values["birthday"], wrong)
    if "fields" in values:
        merged = {**(person.fields if person else {}), **values["fields"]}
        wanted["fields"] = {key: text for key, text in merged.items() if text}
    if "company_id" in values:
        company = find_company(tx, values["company_id"])
        if values["company_id"] is not None and company is None:
            wrong["company_id"] = "Такой компании нет"
        wanted["company_id"] = company.id if company else None
        if company is not None and "company" not in values:
            wanted["company"] = company.name
    return wanted, wrong


def _birthday(tx: ReadTx, text: str | None, wrong: dict[str, str]) -> date | None:
    if text is None or not text.strip():
        return None
    try:
        birthday = date.fromisoformat(text.strip())
    except ValueError:
        wrong["birthday"] = "Нужна дата: 1985-12-31"
        return None
    if not EARLIEST_BIRTHDAY <= birthday <= tx.now.date():
        wrong["birthday"] = "День рождения не может быть раньше 1900 года или в будущем"
    return birthday
