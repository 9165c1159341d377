"""Leads of the person that a phone or an email names: the exact filters of the lists. All else is `crm_core.search`."""

from __future__ import annotations

from crm_core.people import Person, by_email, by_phone
from router import normalize
from storage import AnyOf, Filter, ReadTx

NOTHING: Filter = AnyOf(())


def leads_of_phone(tx: ReadTx, text: str) -> Filter:
    """Leads of whoever has this phone, in any notation."""
    phone = normalize.phone(text)
    return _leads_of(by_phone(tx, phone) if phone else None)


def leads_of_email(tx: ReadTx, text: str) -> Filter:
    return _leads_of(by_email(tx, text))


def _leads_of(person: Person | None) -> Filter:
    return {"person_id": person.id} if person else NOTHING
