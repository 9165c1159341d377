"""Who is it: the person behind a contact, found by any known identity, or made new.

Identities that lead to different people attach the contact to whoever was active last, and file the pair as possible
duplicates; nothing is merged here.
"""

from __future__ import annotations

from typing import Any

from connectors.contract import Sender
from crm_core.companies import touch
from crm_core.people import (
    IDENTITIES,
    PEOPLE,
    IdentityKind,
    MessengerAccount,
    Person,
    attach_identity,
    file_duplicate,
    identity_id,
)
from router import normalize
from storage import Tx


def identify(tx: Tx, sender: Sender, inbound_id: str | None) -> tuple[Person | None, list[str], bool]:
    """The person, the steps in words, and whether he is new. None when there is nothing to recognise the sender by."""
    keys = normalize.identities(sender)
    if not keys:
        return None, ["Опознать не по чему: нет ни телефона, ни почты, ни аккаунта"], True
    known: dict[str, Person] = {}
    unknown: list[tuple[IdentityKind, str]] = []
    for kind, value in keys:
        identity = tx.get(IDENTITIES, identity_id(kind, value))
        if identity is None:
            unknown.append((kind, value))
        elif identity.person_id not in known:
            known[identity.person_id] = tx.require(PEOPLE, identity.person_id)
    if not known:
        return _create(tx, sender, unknown), ["Новый человек: такие телефон, почта и аккаунт не встречались"], True
    person = max(known.values(), key=lambda each: (each.last_activity_at, each.id))
    steps = [f"Опознан как {person.name or 'известный человек'}"]
    for other in known:
        if other != person.id:
            file_duplicate(tx, person.id, other, "Один контакт указал на двух людей", inbound_id)
            steps.append("Контакт указал на двух людей: выбран активный последним, пара отмечена как возможный дубль")
    return _learn(tx, person, sender, unknown), steps, False


def _create(tx: Tx, sender: Sender, keys: list[tuple[IdentityKind, str]]) -> Person:
    person = Person(
        id=tx.new_id("per_"),
        name=normalize.name(sender.name),
        company=normalize.name(sender.company),
        phones=_values(keys, IdentityKind.PHONE),
        emails=_values(keys, IdentityKind.EMAIL),
        messengers=_accounts(sender),
        created_at=tx.now,
        last_activity_at=tx.now,
    )
    tx.insert(PEOPLE, person)
    _attach(tx, person, keys)
    return person


def _attach(tx: Tx, person: Person, keys: list[tuple[IdentityKind, str]]) -> None:
    """Give the person these identities; a number with an extension brings the bare one, unless that is somebody's."""
    for kind, value in keys:
        attach_identity(tx, person, kind, value)
        bare = value.partition(normalize.EXTENSION)[0]
        if bare != value and tx.get(IDENTITIES, identity_id(kind, bare)) is None:
            attach_identity(tx, person, kind, bare)


def _learn(tx: Tx, person: Person, sender: Sender, keys: list[tuple[IdentityKind, str]]) -> Person:
    """Add what this contact tells anew; what is known is never overwritten."""
    _attach(tx, person, keys)
    changes: dict[str, Any] = {"last_activity_at": tx.now}
    if not person.name and sender.name:
        changes["name"] = normalize.name(sender.name)
    if not person.company and sender.company:
        changes["company"] = normalize.name(sender.company)
    if keys:
        known = {(account.network, account.id) for account in person.messengers}
        changes["phones"] = (*person.phones, *_values(keys, IdentityKind.PHONE))
        changes["emails"] = (*person.emails, *_values(keys, IdentityKind.EMAIL))
        new = (each for each in _accounts(sender) if (each.network, each.id) not in known)
        changes["messengers"] = (*person.messengers, *new)
    touch(tx, person.company_id)
    return tx.update(PEOPLE, person, **changes)


def _values(keys: list[tuple[IdentityKind, str]], kind: IdentityKind) -> tuple[str, ...]:
    return tuple(value for each, value in keys if each is kind)


def _accounts(sender: Sender) -> tuple[MessengerAccount, ...]:
    return tuple(
        MessengerAccount(id=each.id, network=each.network, username=each.username) for each in sender.messengers
    )
