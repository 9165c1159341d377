"""People put right by hand: somebody's name, phones and emails, and who an anonymous caller was.

What a person types goes through the same normalization as what channels bring, and the rule of identities holds: each
belongs to one person. A phone that is somebody else's is refused by name, and the pair is filed as possible duplicates,
because a seller who finds that out has usually found the same customer twice. A refusal undoes its transaction, so the
filing is a command of its own that the caller runs after it (`file_taken`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.contract import Sender
from crm_core.access import check, may
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.calls import CALLS
from crm_core.changes import tell
from crm_core.contact_card import CARD, clean_card
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.leads import LEADS, Lead, announce, facts, for_change, last_lead_of, open_lead_of
from crm_core.people import (
    IDENTITIES,
    PEOPLE,
    IdentityKind,
    Person,
    attach_identity,
    file_duplicate,
    find_person,
    identity_id,
    owner_of,
)
from crm_core.rights import Action
from crm_core.tasks import TASKS
from crm_core.timeline import TIMELINE
from router import normalize
from router.identify import identify
from storage import ReadTx, Tx

EDITABLE = frozenset({"name", "company", "phones", "emails"}) | CARD
MOST = 20
"""Phones or emails of one person."""
_LISTS = {
    "phones": (IdentityKind.PHONE, normalize.phone, "не похоже на номер телефона"),
    "emails": (IdentityKind.EMAIL, normalize.email, "не похоже на адрес электронной почты"),
}


class Taken(Invalid):
    """An identity that belongs to somebody else; `file_taken` files the pair."""

    def __init__(self, fields: Mapping[str, str], person_id: str, others: frozenset[str]) -> None:
        super().__init__(fields)
        self.person_id = person_id
        self.others = others


def edit_person(tx: Tx, actor: Actor, person_id: str, changes: Mapping[str, Any], version: int | None = None) -> Person:
    """Change `name`, `company`, `phones`, `emails` (each list as it shall be; the first one is used first) or `CARD`.
    `Conflict` when `version` is not the present one, `Taken` when an identity is somebody else's."""
    person = _for_change(tx, actor, person_id)
    if version is not None and version != person.version:
        raise Conflict("Контакт уже изменён кем-то другим. Обновите карточку")
    wanted = _clean(tx, changes, person)
    _check_free(tx, person.id, wanted)
    if not any((wanted.get(name, getattr(person, name))) for name in ("name", "phones", "emails", "messengers")):
        raise Invalid({"name": "У контакта не осталось ни имени, ни телефона, ни почты"})
    before_after = {
        name: (getattr(person, name), value) for name, value in wanted.items() if getattr(person, name) != value
    }
    if not before_after:
        return person
    for name, (kind, _normal, _refusal) in _LISTS.items():
        if name in before_after:
            _exchange(tx, person, kind, *before_after[name])
    changed = tx.update(PEOPLE, person, **wanted)
    record(tx, actor, "contact", person.id, "updated", before_after)
    _tell(tx, changed, "updated")
    return changed


def create_person(tx: Tx, actor: Actor, values: Mapping[str, Any]) -> Person:
    """A contact made by hand. `Invalid` when a phone or email is known already: that contact is to be used."""
    check(actor, "contact", Action.CREATE)
    wanted = _clean(tx, values)
    _check_free(tx, None, wanted)
    if not any(wanted.get(name) for name in ("name", "phones", "emails")):
        raise Invalid({"name": "Укажите имя, телефон или почту"})
    person = Person(id=tx.new_id("per_"), **wanted, created_at=tx.now, last_activity_at=tx.now)
    tx.insert(PEOPLE, person)
    for name, (kind, _normal, _refusal) in _LISTS.items():
        _exchange(tx, person, kind, (), wanted.get(name, ()))
    record(tx, actor, "contact", person.id, "created", {name: (None, value) for name, value in wanted.items()})
    _tell(tx, person, "created")
    return person


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
    person = _found_or_made(tx, lead, _clean(tx, _given(name, phone, email)))
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
    for field in _LISTS:
        if field in given:
            given[field] = (*getattr(person, field), *given[field])
    return edit_person(tx, actor, person.id, given)


def file_taken(tx: Tx, actor: Actor, taken: Taken) -> None:
    """File the pairs of a refusal as possible duplicates."""
    for other in sorted(taken.others):
        file_duplicate(tx, taken.person_id, other, f"{actor.name} указывает одного и того же для двух контактов")


def _given(name: str | None, phone: str | None, email: str | None) -> dict[str, Any]:
    """What of a card's three fields was filled in."""
    fields = (("name", name, name), ("phones", phone, (phone,)), ("emails", email, (email,)))
    return {field: value for field, text, value in fields if text and text.strip()}


def _for_change(tx: ReadTx, actor: Actor, person_id: str) -> Person:
    """Whoever may change contacts, or a lead of this very person."""
    person = find_person(tx, person_id)
    if person is None:
        raise Missing("Такого контакта нет")
    if not may(actor, "contact", Action.UPDATE):
        leads = (open_lead_of(tx, person.id), last_lead_of(tx, person.id))
        if not any(may(actor, "lead", Action.UPDATE, facts(lead)) for lead in leads if lead is not None):
            raise Forbidden("Недостаточно прав: менять можно контакты своих лидов")
    return person


def _clean(tx: ReadTx, changes: Mapping[str, Any], person: Person | None = None) -> dict[str, Any]:
    """Everything in its final shape, or `Invalid` with every wrong field."""
    wrong = dict.fromkeys(sorted(set(changes) - EDITABLE), "Такого поля нет или его нельзя менять")
    clean: dict[str, Any] = {name: normalize.name(changes[name]) for name in ("name", "company") if name in changes}
    for name, (_kind, normal, refusal) in _LISTS.items():
        if name not in changes:
            continue
        found = {text: normal(text) for text in changes[name]}
        bad = [text for text, value in found.items() if value is None]
        if bad:
            wrong[name] = f"«{bad[0][:60]}» {refusal}"
        elif len(found) > MOST:
            wrong[name] = f"Не больше {MOST}"
        clean[name] = tuple(dict.fromkeys(found.values()))
    card, wrong_card = clean_card(tx, changes, person)
    if wrong | wrong_card:
        raise Invalid(wrong | wrong_card)
    return clean | card


def _check_free(tx: ReadTx, person_id: str | None, wanted: Mapping[str, Any]) -> None:
    wrong: dict[str, str] = {}
    others: set[str] = set()
    for name, (kind, _normal, _refusal) in _LISTS.items():
        for value in wanted.get(name, ()):
            owner = owner_of(tx, identity_id(kind, value))
            if owner is not None and owner.id != person_id:
                others.add(owner.id)
                wrong[name] = f"{value} уже у другого контакта: {owner.name or 'без имени'}"
    if wrong:
        raise Taken(wrong, person_id, frozenset(others)) if person_id else Invalid(wrong)


def _exchange(tx: Tx, person: Person, kind: IdentityKind, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Identities follow the list."""
    stay = _marks(after)
    for value in _marks(before) - stay:
        identity = tx.get(IDENTITIES, identity_id(kind, value))
        if identity is not None and identity.person_id == person.id:
            tx.delete(IDENTITIES, identity)
    for value in sorted(stay):
        if tx.get(IDENTITIES, identity_id(kind, value)) is None:
            attach_identity(tx, person, kind, value)


def _marks(values: tuple[str, ...]) -> set[str]:
    """By what he is recognised: a number with an extension brings the bare one, as in `identify`."""
    return {each for value in values for each in (value, value.partition(normalize.EXTENSION)[0])}


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


def _tell(tx: Tx, person: Person, event: str) -> None:
    """News for whoever shows him: his own page, and the cards of his open and his last lead."""
    tell(tx, "contact", person.id, event)
    leads = (open_lead_of(tx, person.id), last_lead_of(tx, person.id))
    for lead in {each.id: each for each in leads if each is not None}.values():
        announce(tx, lead, "updated")
