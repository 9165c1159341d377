"""What of two records becomes the one: field by field, as chosen, and how to take that apart again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_core.companies import CustomerCompany
from crm_core.customers import Thresholds
from crm_core.people import Person
from crm_core.worth import worth

_TOGETHER = (
    ("inn", "kpp", "ogrn"),
    ("bik", "account", "corr_account", "bank"),
    ("company_id", "company"),
)
"""Fields that mean something only together: the gaps of one record are filled from the other only when the first of
them agrees or is a gap itself."""
_PERSON = ("name", "company_id", "company", "position", "birthday", "owner_id", "comment")
_COMPANY = (
    "name", "inn", "kpp", "ogrn", "bik", "account", "corr_account", "bank", "legal_address", "postal_address",
    "director", "activity", "size", "site", "owner_id", "comment",
)  # fmt: skip
PERSON_CHOICES = frozenset(_PERSON) | {"fields"}
COMPANY_CHOICES = frozenset(_COMPANY) | {"fields"}
_LISTS = ("phones", "emails", "messengers")


def _names(record: Person | CustomerCompany) -> tuple[str, ...]:
    return _PERSON if isinstance(record, Person) else _COMPANY


def combined(gone: Any, into: Any, choices: Mapping[str, str], now: datetime, limits: Thresholds) -> dict[str, Any]:
    """The fields of `into` after the merge. A field without a choice keeps its value, or takes that of the other when
    it has none; comments are put one below the other. Lists are joined, and what was bought adds up."""
    result = {name: _chosen(name, gone, into, choices.get(name)) for name in _names(into)}
    result |= {name: _joined(name, gone, into) for name in _LISTS if hasattr(into, name)}
    weak, strong = (into, gone) if choices.get("fields") == "from" else (gone, into)
    result["fields"] = {**weak.fields, **strong.fields}
    result["created_at"] = min(gone.created_at, into.created_at)
    result["last_activity_at"] = max(gone.last_activity_at, into.last_activity_at)
    if isinstance(into, Person):
        later, earlier = (gone, into) if gone.last_activity_at > into.last_activity_at else (into, gone)
        result["former_owner_id"] = later.former_owner_id or earlier.former_owner_id
    moments = [*gone.won_at, *into.won_at]
    last = max((each for each in (gone.last_won_at, into.last_won_at) if each is not None), default=None)
    return result | worth(gone.won_count + into.won_count, gone.won_sum + into.won_sum, moments, last, now, limits)


def _chosen(name: str, gone: Any, into: Any, choice: str | None) -> Any:
    other, own = getattr(gone, name), getattr(into, name)
    if choice is not None:
        return other if choice == "from" else own
    if name == "comment" and other and own and other != own:
        return f"{own}\n{other}"
    if own or not other:
        return own
    first = next((group[0] for group in _TOGETHER if name in group), name)
    return other if getattr(into, first) in (None, getattr(gone, first)) else own


def _joined(name: str, gone: Any, into: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*getattr(into, name), *getattr(gone, name))))


def taken_apart(gone: Any, before: Any, after: Any, current: Any) -> dict[str, Any]:
    """The fields of the living record after an undo: what the merge changed and nobody has touched since is as before;
    what was changed since stays. What was bought is counted again from the deals."""
    result: dict[str, Any] = {}
    for name in (*_names(current), "former_owner_id", "created_at"):
        if hasattr(current, name) and getattr(current, name) == getattr(after, name):
            result[name] = getattr(before, name)
    for name in _LISTS:
        if hasattr(current, name):
            foreign = set(getattr(gone, name)) - set(getattr(before, name))
            result[name] = tuple(each for each in getattr(current, name) if each not in foreign)
    result["fields"] = _fields_apart(before.fields, after.fields, current.fields)
    return result


def _fields_apart(before: Mapping[str, str], after: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    untouched = {name for name in after.keys() | current.keys() if current.get(name) == after.get(name)}
    names = before.keys() | current.keys()
    wanted = {name: (before if name in untouched else current).get(name) for name in names}
    return {name: value for name, value in wanted.items() if value is not None}
