"""Contacts: who may see which people, and people made and put right by hand.

What a person types goes through the same normalization as what channels bring, and the rule of identities holds: each
belongs to one person. A phone that is somebody else's is refused by name, and the pair is filed as possible duplicates,
because a seller who finds that out has usually found the same customer twice. A refusal undoes its transaction, so the
filing is a command of its own that the caller runs after it (`file_taken`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_core import normalize
from crm_core.access import Facts, check, may, visible
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.contact_card import CARD, clean_card
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.leads import announce, last_lead_of, open_lead_of
from crm_core.leads import facts as lead_facts
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
from storage import AllOf, Filter, ReadTx, Tx

EDITABLE = frozenset({"name", "company", "phones", "emails"}) | CARD
MOST = 20
"""Phones or emails of one person."""
LISTS = {
    "phones": (IdentityKind.PHONE, normalize.phone, "не похоже на номер телефона"),
    "emails": (IdentityKind.EMAIL, normalize.email, "не похоже на адрес электронной почты"),
}


class Taken(Invalid):
    """An identity that belongs to somebody else; `file_taken` files the pair."""

    def __init__(self, fields: Mapping[str, str], person_id: str, others: frozenset[str]) -> None:
        super().__init__(fields)
        self.person_id = person_id
        self.others = others


def facts(person: Person) -> Facts:
    return Facts(owners=frozenset({person.owner_id}))


def contact_scope(actor: Actor, action: Action = Action.READ) -> Filter | None:
    """What a list of people must be narrowed to; None: nothing is allowed."""
    return visible(actor, "contact", owner_fields=("owner_id",), action=action)


def get_person(tx: ReadTx, actor: Actor, person_id: str, action: Action = Action.READ) -> Person:
    """The person, checked for this action; an id that was merged away leads to the one who lives on."""
    check(actor, "contact", action)
    person = find_person(tx, person_id)
    if person is None:
        raise Missing("Такого контакта нет")
    check(actor, "contact", action, facts(person))
    return person


def readable_person(tx: ReadTx, actor: Actor, person_id: str | None) -> Person | None:
    """The same for the cards of other records, which do without him when there is none or the actor may not see him."""
    person = find_person(tx, person_id) if may(actor, "contact", Action.READ) else None
    return person if person is not None and may(actor, "contact", Action.READ, facts(person)) else None


def list_people(
    tx: ReadTx,
    actor: Actor,
    where: Filter,
    *,
    sort: str = "-last_activity_at",
    limit: int = 50,
    after: str | None = None,
) -> list[Person]:
    """People who match and whom the actor may see."""
    scope = contact_scope(actor)
    return [] if scope is None else tx.find(PEOPLE, AllOf((where, scope)), sort=sort, limit=limit, after=after)


def edit_person(tx: Tx, actor: Actor, person_id: str, changes: Mapping[str, Any], version: int | None = None) -> Person:
    """Change `name`, `company`, `phones`, `emails` (each list as it shall be; the first one is used first) or `CARD`.
    `Conflict` when `version` is not the present one, `Taken` when an identity is somebody else's."""
    person = _for_change(tx, actor, person_id)
    if version is not None and version != person.version:
        raise Conflict("Контакт уже изменён кем-то другим. Обновите карточку")
    wanted = cleaned(tx, changes, person)
    _check_free(tx, person.id, wanted)
    if not any((wanted.get(name, getattr(person, name))) for name in ("name", "phones", "emails", "messengers")):
        raise Invalid({"name": "У контакта не осталось ни имени, ни телефона, ни почты"})
    before_after = {
        name: (getattr(person, name), value) for name, value in wanted.items() if getattr(person, name) != value
    }
    if not before_after:
        return person
    for name, (kind, _normal, _refusal) in LISTS.items():
        if name in before_after:
            _exchange(tx, person, kind, *before_after[name])
    changed = tx.update(PEOPLE, person, **wanted)
    record(tx, actor, "contact", person.id, "updated", before_after)
    _tell(tx, changed, "updated", former=person.owner_id)
    return changed


def create_person(tx: Tx, actor: Actor, values: Mapping[str, Any]) -> Person:
    """A contact made by hand; without an `owner_id` it is its maker's. `Invalid` when a phone or email is known
    already: that contact is to be used."""
    check(actor, "contact", Action.CREATE)
    wanted = cleaned(tx, values)
    _check_free(tx, None, wanted)
    if not any(wanted.get(name) for name in ("name", "phones", "emails")):
        raise Invalid({"name": "Укажите имя, телефон или почту"})
    wanted.setdefault("owner_id", actor.id)
    person = Person(id=tx.new_id("per_"), **wanted, created_at=tx.now, last_activity_at=tx.now)
    check(actor, "contact", Action.CREATE, facts(person))
    tx.insert(PEOPLE, person)
    for name, (kind, _normal, _refusal) in LISTS.items():
        _exchange(tx, person, kind, (), wanted.get(name, ()))
    record(tx, actor, "contact", person.id, "created", {name: (None, value) for name, value in wanted.items()})
    _tell(tx, person, "created")
    return person


def file_taken(tx: Tx, actor: Actor, taken: Taken) -> None:
    """File the pairs of a refusal as possible duplicates."""
    for other in sorted(taken.others):
        file_duplicate(tx, taken.person_id, other, f"{actor.name} указывает одного и того же для двух контактов")


def _for_change(tx: ReadTx, actor: Actor, person_id: str) -> Person:
    """Whoever may change this contact, or a lead of this very person."""
    person = find_person(tx, person_id)
    if person is None:
        raise Missing("Такого контакта нет")
    if not may(actor, "contact", Action.UPDATE, facts(person)):
        leads = (open_lead_of(tx, person.id), last_lead_of(tx, person.id))
        if not any(may(actor, "lead", Action.UPDATE, lead_facts(lead)) for lead in leads if lead is not None):
            raise Forbidden("Недостаточно прав: менять можно свои контакты и контакты своих лидов")
    return person


def cleaned(tx: ReadTx, changes: Mapping[str, Any], person: Person | None = None) -> dict[str, Any]:
    """Everything in its final shape, or `Invalid` with every wrong field."""
    wrong = dict.fromkeys(sorted(set(changes) - EDITABLE), "Такого поля нет или его нельзя менять")
    clean: dict[str, Any] = {name: normalize.name(changes[name]) for name in ("name", "company") if name in changes}
    for name, (_kind, normal, refusal) in LISTS.items():
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
    for name, (kind, _normal, _refusal) in LISTS.items():
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
    """By what he is recognised: a number with an extension brings the bare one, as everything that comes in does."""
    return {each for value in values for each in (value, value.partition(normalize.EXTENSION)[0])}


def _tell(tx: Tx, person: Person, event: str, former: str | None = None) -> None:
    """News for whoever shows him: his own page, and the cards of his open and his last lead."""
    tell(tx, "contact", person.id, event, owners=(person.owner_id, former))
    leads = (open_lead_of(tx, person.id), last_lead_of(tx, person.id))
    for lead in {each.id: each for each in leads if each is not None}.values():
        announce(tx, lead, "updated")
