"""Personal data as the law on them (152-ФЗ) asks: consents, and by what it shows that something is about a person.

Consents are rows of their own, because they are the proof of why data were kept: a withdrawn one stays with the moment
of its withdrawal. Erasure reaches into rooms above this one and is the router's (`router/erasure.py`); its row here is
the tombstone: who erased whom, when, on what ground.
"""

from __future__ import annotations

from datetime import datetime

from crm_core.access import Facts, check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.people import Person, find_person
from crm_core.rights import Action
from storage import Collection, Entity, Index, ReadTx, Tx

PURPOSE = "Обработка персональных данных по заявке"
MAX_TEXT = 500
MOST_CONSENTS = 200


class Consent(Entity, frozen=True, kw_only=True):
    """One consent of one person."""

    person_id: str
    given_at: datetime
    purpose: str = PURPOSE
    """What was agreed to, with the version of the text where the form tells it."""
    channel: str | None = None
    connector: str | None = None
    page: str | None = None
    inbound_id: str | None = None
    written_by: str | None = None
    """The employee who noted a consent given by word or on paper."""
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None


class Erasure(Entity, frozen=True, kw_only=True):
    """`id` is the person's. What it looks for is forgotten with its end."""

    ground: str
    by_id: str | None
    by: str
    begun_at: datetime
    finished_at: datetime | None = None
    open: bool = True
    step: str = "reach"
    """`reach`: what an index leads to; `walk`: everything else is looked through."""
    todo: tuple[str, ...] = ()
    """Of `reach`: what is still to be done, in the words of `router/erasure_reach.py`."""
    after: str | None = None
    """Of `reach`: the record that the first of them has come to."""
    marks: tuple[str, ...] = ()
    """Phones and emails: words that tell that a document is about him."""
    accounts: tuple[str, ...] = ()
    """Ids and names in messengers: they tell that only where they stand alone."""
    names: tuple[str, ...] = ()
    """What is hidden in such a document besides."""
    records: tuple[str, ...] = ()
    """Ids of the person, of those who were merged into him, of his leads, deals and tasks."""
    blobs: tuple[str, ...] = ()
    """His files, to be removed unless somebody else has them too."""
    kept_documents: tuple[str, ...] = ()
    """Ids of contracts, invoices and acts, which the law on accounting (402-ФЗ) wants kept."""
    failure: str | None = None
    """Why it has not come further, for people; None while all is well."""
    attempts: int = 0
    retry_at: datetime | None = None


class ErasureWalk(Entity, frozen=True, kw_only=True):
    """One walk through all collections, for everybody whose erasure has come so far; there is one at a time."""

    people: tuple[str, ...]
    step: str
    """`clean:collection`, then `files:collection`, then `remove`."""
    after: str | None = None
    """Id of the document that the step has come to."""
    blobs: tuple[str, ...] = ()
    """Those that nothing seen so far names."""
    looked_from: datetime | None = None
    """When the look for whoever else names the files began."""


CONSENTS = Collection("consents", Consent, [Index("person_id", "given_at"), Index("withdrawn_at", sparse=True)])
ERASURES = Collection("erasures", Erasure, [Index("open")])
ERASURE_WALKS = Collection("erasure_walks", ErasureWalk)


def person_for(tx: ReadTx, actor: Actor, person_id: str, action: Action) -> Person:
    """The person, or whoever he was merged into."""
    check(actor, "contact", action)
    person = find_person(tx, person_id)
    if person is None:
        raise Missing("Такого контакта нет")
    check(actor, "contact", action, Facts(owners=frozenset({person.owner_id})))
    return person


def check_not_erasing(tx: ReadTx, *person_ids: str) -> None:
    """`Conflict` while somebody's data are being erased: what belongs to him must stay where it is looked for."""
    for person_id in person_ids:
        found = tx.get(ERASURES, person_id)
        if found is not None and found.open:
            raise Conflict("Персональные данные одного из контактов сейчас удаляются: дождитесь окончания")


def note_consent(tx: Tx, person_id: str, *, channel: str, connector: str, page: str | None, inbound_id: str) -> None:
    """A form said that its sender agrees."""
    row = Consent(
        id=f"cons_{inbound_id}", person_id=person_id, given_at=tx.now, channel=channel, connector=connector,
        page=page, inbound_id=inbound_id,
    )  # fmt: skip
    tx.insert_unknown(CONSENTS, [row])


def list_consents(tx: ReadTx, actor: Actor, person_id: str) -> list[Consent]:
    """Newest first."""
    person = person_for(tx, actor, person_id, Action.READ)
    return tx.find(CONSENTS, {"person_id": person.id}, sort="-given_at", limit=MOST_CONSENTS)


def write_consent(tx: Tx, actor: Actor, person_id: str, purpose: str) -> Consent:
    """An employee notes a consent that was given by word or on paper."""
    person = person_for(tx, actor, person_id, Action.UPDATE)
    if not purpose.strip() or len(purpose) > MAX_TEXT:
        raise Invalid({"purpose": f"Укажите, на что дано согласие, не длиннее {MAX_TEXT} знаков"})
    consent = tx.insert(
        CONSENTS,
        Consent(
            id=tx.new_id("cons_"), person_id=person.id, given_at=tx.now, purpose=purpose.strip(), written_by=actor.name
        ),
    )
    record(tx, actor, "contact", person.id, "consent_given", {"purpose": (None, consent.purpose)})
    tell(tx, "contact", person.id, "updated")
    return consent


def withdraw_consents(tx: Tx, actor: Actor, person_id: str) -> list[Consent]:
    """The person takes back whatever he agreed to. `Invalid` when there is nothing to take back."""
    person = person_for(tx, actor, person_id, Action.UPDATE)
    standing = [each for each in list_consents(tx, actor, person_id) if each.withdrawn_at is None]
    if not standing:
        raise Invalid({"withdraw": "Действующих согласий нет"})
    for consent in standing:
        tx.update(CONSENTS, consent, withdrawn_at=tx.now, withdrawn_by=actor.name)
    record(tx, actor, "contact", person.id, "consent_withdrawn")
    tell(tx, "contact", person.id, "updated")
    return list_consents(tx, actor, person_id)


SURE = 7
"""Digits and letters from which on a phone or account is nobody else's by chance."""


def marks_of(person: Person) -> tuple[str, ...]:
    """Phones and emails as they may be written down. Short numbers are left out: 900 stands in many documents."""
    found: dict[str, None] = {}
    for phone in person.phones:
        digits = phone.partition(";")[0].lstrip("+")
        if len(digits) >= SURE:
            found |= dict.fromkeys((digits, *(["8" + digits[1:]] if digits.startswith("7") else [])))
    return tuple(found | dict.fromkeys(person.emails))


def accounts_of(person: Person) -> tuple[str, ...]:
    """Ids and user names in messengers, with their network and alone."""
    found: dict[str, None] = {}
    for account in person.messengers:
        found[f"{account.network}:{account.id}"] = None
        found |= dict.fromkeys(text for text in (account.id, account.username) if text and len(text) >= SURE - 2)
    return tuple(found)


def names_of(person: Person) -> tuple[str, ...]:
    """What is hidden where a document is about him: his name, each word of it where it looks like that of a human being
    («Отдел закупок» does not), his user names. They are too common to tell that by themselves. Nothing of fewer than
    three letters."""
    words = (person.name or "").split()
    parts = words if all(word[0].isupper() for word in words) else ()
    accounts = [account.username for account in person.messengers]
    found = dict.fromkeys(text for text in (person.name, *parts, *accounts) if text and is_name(text))
    return tuple(found)


def is_name(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= 3
