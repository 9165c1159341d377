"""The customer of a deal in a table: found by what the row says of him and of his company, or made.

Looking comes first and refuses what cannot be; making writes and refuses nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.companies import CustomerCompany, create_company
from crm_core.contacts import create_person
from crm_core.errors import Invalid
from crm_core.people import PEOPLE, Person
from crm_core.requisites import inn_error
from crm_core.rights import Action
from crm_core.sheets.kinds import external_of
from crm_core.similar import person_key
from router.sheets.companies import Companies, find_by_name, find_by_numbers
from router.sheets.contacts import Contacts, check_marks, person_of_row
from storage import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class Found:
    """Who is there already, and who has to be made."""

    person: Person | None
    company: CustomerCompany | None
    new_person: bool
    new_company: bool


@dataclass(frozen=True, slots=True)
class Customer:
    """Of the new deal. `made`: ids of what this row has made, for undo."""

    person_id: str | None
    company_id: str | None
    made: tuple[str, ...]


def customer_of(tx: ReadTx, actor: Actor, values: Mapping[str, Any]) -> Found:
    """`Invalid` when the row names nobody in particular, or somebody that is not there; `Forbidden` when whoever is new
    may not be made."""
    check_marks(values)
    person, company = _person(tx, values), _company(tx, values)
    new_person = person is None and any(values.get(key) for key in ("name", "phones", "emails"))
    new_company = company is None and "company" in values
    if company is None and not new_company and "inn" in values:
        raise Invalid({"inn": "Компании с таким ИНН нет: добавьте столбец с её названием"})
    if new_company and (wrong := inn_error(values["inn"]) if "inn" in values else None):
        raise Invalid({"inn": wrong})
    for is_new, entity in ((new_person, "contact"), (new_company, "company")):
        if is_new:
            check(actor, entity, Action.CREATE)
    return Found(person, company, new_person, new_company)


def make_customer(tx: Tx, actor: Actor, found: Found, values: Mapping[str, Any]) -> Customer:
    """Whoever is new, and the ids of both."""
    made: list[str] = []
    company_id = found.company.id if found.company else None
    if found.new_company:
        company_id = create_company(tx, actor, {"name": values["company"], "inn": values.get("inn")}).id
        made.append(company_id)
    person_id = found.person.id if found.person else None
    if found.new_person:
        card = {key: values[key] for key in ("name", "phones", "emails") if key in values}
        person_id = create_person(tx, actor, card | ({"company_id": company_id} if company_id else {})).id
        made.append(person_id)
    return Customer(person_id, company_id, tuple(made))


def _person(tx: ReadTx, values: Mapping[str, Any]) -> Person | None:
    if code := values.get("person_code"):
        found = external_of(tx, Contacts(), code)
        if found is None:
            raise Invalid({"person_code": "Контакта с таким кодом нет: сначала загрузите контакты с их кодами"})
        return tx.require(PEOPLE, found)
    person = person_of_row(tx, values, ("phones", "emails"))
    key = person_key(values.get("name"))
    if person is not None or key is None or values.get("phones") or values.get("emails"):
        return person
    named = tx.find(PEOPLE, {"name_key": key}, limit=2)
    if len(named) > 1:
        raise Invalid({"name": "Контактов с таким именем несколько: добавьте столбец с телефоном или почтой"})
    return named[0] if named else None


def _company(tx: ReadTx, values: Mapping[str, Any]) -> CustomerCompany | None:
    if code := values.get("company_code"):
        kind = Companies()
        found = external_of(tx, kind, code)
        if found is None:
            raise Invalid({"company_code": "Компании с таким кодом нет: сначала загрузите компании с их кодами"})
        return tx.require(kind.collection, found)
    by_number = find_by_numbers(tx, values)
    if by_number is not None or "company" not in values:
        return by_number
    try:
        return find_by_name(tx, values["company"], values.get("inn"))
    except Invalid as error:
        raise Invalid({"company": error.fields["name"]}) from None
