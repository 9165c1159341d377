"""Personal data as the law on them (152-ФЗ) asks: consents, and what is known about one person.

Consents are rows of their own, because they are the proof of why data were kept: a withdrawn one stays with the moment
of its withdrawal. Erasure reaches into rooms above this one and is the router's (`router/erasure.py`); its row here is
the tombstone: who erased whom, when, on what ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import AUDIT, AuditEntry, record
from crm_core.calls import CALLS, CallRecord
from crm_core.changes import tell
from crm_core.errors import Invalid, Missing
from crm_core.leads import LEADS, Lead
from crm_core.people import IDENTITIES, PEOPLE, Identity, Person
from crm_core.rights import Action
from crm_core.tasks import TASKS, Task
from crm_core.timeline import TIMELINE, TimelineItem
from storage import Collection, Entity, Index, ReadTx, Tx

PURPOSE = "Обработка персональных данных по заявке"
MAX_TEXT = 500


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
    step: str = "leads"
    after: str | None = None
    """The record that the step has reached."""
    marks: tuple[str, ...] = ()
    """Phones, emails, accounts with their network: what tells that a document is about him."""
    names: tuple[str, ...] = ()
    """What is hidden in such a document besides."""
    leads: tuple[str, ...] = ()
    """Those that are done."""
    tasks: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()


CONSENTS = Collection("consents", Consent, [Index("person_id", "given_at")])
ERASURES = Collection("erasures", Erasure, [Index("open")])


def person_for(tx: ReadTx, actor: Actor, person_id: str, action: Action) -> Person:
    check(actor, "contact", action)
    person = tx.get(PEOPLE, person_id)
    if person is None:
        raise Missing("Такого контакта нет")
    return person


def note_consent(tx: Tx, person_id: str, *, channel: str, connector: str, page: str | None, inbound_id: str) -> None:
    """A form said that its sender agrees."""
    row = Consent(
        id=f"cons_{inbound_id}", person_id=person_id, given_at=tx.now, channel=channel, connector=connector,
        page=page, inbound_id=inbound_id,
    )  # fmt: skip
    tx.insert_unknown(CONSENTS, [row])


def list_consents(tx: ReadTx, actor: Actor, person_id: str) -> list[Consent]:
    """Newest first."""
    person_for(tx, actor, person_id, Action.READ)
    return tx.find(CONSENTS, {"person_id": person_id}, sort="-given_at", limit=200)


def write_consent(tx: Tx, actor: Actor, person_id: str, purpose: str) -> Consent:
    """An employee notes a consent that was given by word or on paper."""
    person_for(tx, actor, person_id, Action.UPDATE)
    if not purpose.strip() or len(purpose) > MAX_TEXT:
        raise Invalid({"purpose": f"Укажите, на что дано согласие, не длиннее {MAX_TEXT} знаков"})
    consent = tx.insert(
        CONSENTS,
        Consent(
            id=tx.new_id("cons_"), person_id=person_id, given_at=tx.now, purpose=purpose.strip(), written_by=actor.name
        ),
    )
    record(tx, actor, "contact", person_id, "consent_given", {"purpose": (None, consent.purpose)})
    tell(tx, "contact", person_id, "updated")
    return consent


def withdraw_consents(tx: Tx, actor: Actor, person_id: str) -> list[Consent]:
    """The person takes back whatever he agreed to. `Invalid` when there is nothing to take back."""
    person_for(tx, actor, person_id, Action.UPDATE)
    standing = [each for each in list_consents(tx, actor, person_id) if each.withdrawn_at is None]
    if not standing:
        raise Invalid({"withdraw": "Действующих согласий нет"})
    for consent in standing:
        tx.update(CONSENTS, consent, withdrawn_at=tx.now, withdrawn_by=actor.name)
    record(tx, actor, "contact", person_id, "consent_withdrawn")
    tell(tx, "contact", person_id, "updated")
    return list_consents(tx, actor, person_id)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is known about one person."""

    person: Person
    identities: list[Identity]
    consents: list[Consent]
    leads: list[Lead]
    timeline: list[TimelineItem]
    calls: list[CallRecord]
    tasks: list[Task]
    audit: list[AuditEntry]


def known_about(tx: Tx, actor: Actor, person_id: str) -> Known:
    """For him, on his demand; that it was handed out is recorded."""
    person = person_for(tx, actor, person_id, Action.DELETE)
    record(tx, actor, "contact", person_id, "exported")
    leads = tx.find(LEADS, {"person_id": person_id}, sort="created_at")
    tasks = {each.id: each for each in tx.find(TASKS, {"person_id": person_id})}
    calls: dict[str, CallRecord] = {}
    items = {each.id: each for each in tx.find(TIMELINE, {"person_id": person_id})}
    for phone in person.phones:
        calls |= {each.id: each for each in tx.find(CALLS, {"number": phone})}
    for lead in leads:
        tasks |= {each.id: each for each in tx.find(TASKS, {"lead_id": lead.id})}
        calls |= {each.id: each for each in tx.find(CALLS, {"lead_id": lead.id})}
        items |= {each.id: each for each in tx.find(TIMELINE, {"lead_id": lead.id})}
    about = [person_id, *(lead.id for lead in leads), *tasks]
    return Known(
        person=person,
        identities=tx.find(IDENTITIES, {"person_id": person_id}),
        consents=tx.find(CONSENTS, {"person_id": person_id}, sort="given_at"),
        leads=leads,
        timeline=sorted(items.values(), key=lambda item: (item.at, item.id)),
        calls=sorted(calls.values(), key=lambda call: (call.started_at, call.id)),
        tasks=sorted(tasks.values(), key=lambda task: (task.created_at, task.id)),
        audit=[entry for id in about for entry in tx.find(AUDIT, {"entity_id": id}, sort="at")],
    )


def marks_of(person: Person) -> tuple[str, ...]:
    """By what a document shows that it is about him, in every way that it may be written down."""
    found: dict[str, None] = {}
    for phone in person.phones:
        bare = phone.partition(";")[0]
        digits = bare.lstrip("+")
        found |= dict.fromkeys((phone, bare, digits, *(["8" + digits[1:]] if digits.startswith("7") else [])))
    found |= dict.fromkeys(person.emails)
    for account in person.messengers:
        found |= dict.fromkeys(text for text in (account.id, account.username) if text and len(text) > 4)
    return tuple(sorted(found, key=len, reverse=True))


def names_of(person: Person) -> tuple[str, ...]:
    """What is hidden where a document is about him. They are too common to tell that by themselves."""
    accounts = (text for account in person.messengers for text in (account.id, account.username))
    return tuple(text for text in (person.name, person.company, *accounts) if text)
