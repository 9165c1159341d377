"""The person behind a lead, named or put right from the lead's card: an anonymous caller, one more phone or email.

People themselves are changed in `crm_core/contacts.py`; what is here has to recognise somebody as the channels do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.contract import Sender
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.calls import CALLS
from crm_core.changes import tell
from crm_core.contacts import LISTS, cleaned, edit_person
from crm_core.errors import Conflict, Invalid
from crm_core.leads import LEADS, Lead, announce, for_change, last_lead_of, open_lead_of
from crm_core.people import PEOPLE, Person
from crm_core.tasks import TASKS
from crm_core.timeline import TIMELINE
from router.identify import identify
from storage import Tx


def name_caller(
    tx: Tx,
    actor: Actor,
    lead_id: str,
    name: str | None,
    phone: str | None,
    email: str | None,
    version: int | None = None,
) -> Person:
    """Say who called from a withheld number: the person is found or made, and the lead and what is on it become his.
    `Conflict` when the lead has a person already, or he has another open lead."""
    lead = for_change(tx, actor, lead_id, version)
    if lead.person_id is not None:
        raise Conflict("У этого лида уже есть контакт: измените его")
    person = _found_or_made(tx, lead, cleaned(tx, _given(name, phone, email)))
    other = open_lead_of(tx, person.id) if lead.open else None
    if other is not None:
        raise Conflict(f"У этого клиента уже есть открытый лид № {other.number}: работайте с ним")
    former = last_lead_of(tx, person.id)
    changes = {"person_id": person.id, "repeat_of": former.id if former else None, "updated_at": tx.now}
    changed = tx.update(LEADS, lead, **changes)
    for item in tx.find(TIMELINE, {"lead_id": lead.id}):
        tx.update(TIMELINE, item, person_id=person.id)
    for call in tx.find(CALLS, {"lead_id": lead.id}):
        tx.update(CALLS, call, person_id=person.id)
    for task in tx.find(TASKS, {"lead_id": lead.id}):
        tx.update(TASKS, task, person_id=person.id)
    record(tx, actor, "lead", lead.id, "named", {"person_id": (None, person.id)})
    tell(tx, "contact", person.id, "updated", lead_id=lead.id, owners=(lead.owner_id, lead.offered_to))
    announce(tx, changed, "updated")
    return person


def edit_lead_person(
    tx: Tx,
    actor: Actor,
    lead_id: str,
    *,
    name: str | None = None,
    phone: str | None = None,
    email: str | None = None,
    version: int | None = None,
) -> Person:
    """From the card of a lead: name its caller, or put his name right and add a phone or an email. `version` is the
    lead's."""
    lead = for_change(tx, actor, lead_id, version)
    if lead.person_id is None:
        return name_caller(tx, actor, lead_id, name, phone, email)
    person, given = tx.require(PEOPLE, lead.person_id), _given(name, phone, email)
    for field in LISTS:
        if field in given:
            given[field] = (*getattr(person, field), *given[field])
    return edit_person(tx, actor, person.id, given)


def _given(name: str | None, phone: str | None, email: str | None) -> dict[str, Any]:
    """What of a card's three fields was filled in."""
    fields = (("name", name, name), ("phones", phone, (phone,)), ("emails", email, (email,)))
    return {field: value for field, text, value in fields if text and text.strip()}


def _found_or_made(tx: Tx, lead: Lead, wanted: Mapping[str, Any]) -> Person:
    """By what was given, as for any contact; by a name alone nobody can be found, so he is new."""
    sender = Sender(name=wanted.get("name"), phones=wanted.get("phones", ()), emails=wanted.get("emails", ()))
    first = tx.first(TIMELINE, {"lead_id": lead.id}, sort="at")
    person = identify(tx, sender, first.inbound_id if first else None)[0]
    if person is not None:
        return person
    if sender.name is None:
        raise Invalid({"name": "Укажите имя, телефон или почту"})
    return tx.insert(PEOPLE, Person(id=tx.new_id("per_"), name=sender.name, created_at=tx.now, last_activity_at=tx.now))
