"""The shapes of CONTRACT: what records look like from outside, and how they are made from the core's.

They are written out instead of handing the core's records through: a new field of a record becomes public by decision.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from crm_core.calls import CallRecord
from crm_core.leads import Lead, Source
from crm_core.people import Person, find_person
from crm_core.timeline import TimelineItem
from storage import ReadTx
from web.api.call import Out

S = TypeVar("S", bound=Out)


class MessengerOut(Out, frozen=True, kw_only=True):
    network: str
    id: str
    username: str | None


class PersonOut(Out, frozen=True, kw_only=True):
    id: str
    name: str | None
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    messengers: tuple[MessengerOut, ...]


class ContactOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    name: str | None
    company: str | None
    company_id: str | None
    position: str | None
    birthday: date | None
    comment: str | None
    owner_id: str | None
    fields: dict[str, str]
    rfm: str
    """`never`, `new`, `regular`, `fading`: не купившие, новички, постоянные, в зоне потери."""
    abc: str | None
    won_count: int
    won_sum: Decimal
    last_won_at: datetime | None
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    messengers: tuple[MessengerOut, ...]
    former_owner_id: str | None
    created_at: datetime
    last_activity_at: datetime


class SourceOut(Out, frozen=True, kw_only=True):
    channel: str
    connector: str
    key: str
    label: str
    utm: dict[str, str]
    page: str | None
    referrer: str | None
    did: str | None
    mailbox: str | None
    community: str | None
    listing: str | None


class LeadOut(Out, frozen=True, kw_only=True):
    id: str
    number: int
    version: int
    title: str
    stage: str
    stage_since: datetime
    open: bool
    person: PersonOut | None
    company: str | None
    source: SourceOut
    first_touch: SourceOut
    last_touch: SourceOut
    queue: str
    owner_id: str | None
    offered_to: str | None
    waiting: bool
    accepted_at: datetime | None
    first_response_at: datetime | None
    due_at: datetime | None
    repeat_of: str | None
    unread: int
    fields: dict[str, str]
    deal_id: str | None
    last_activity_at: datetime
    created_at: datetime
    updated_at: datetime


class FileOut(Out, frozen=True, kw_only=True):
    id: str
    name: str
    type: str
    size: int
    url: str | None
    """Where its content is; null for a file that belongs to nothing yet."""


class TimelineOut(Out, frozen=True, kw_only=True):
    id: str
    kind: str
    at: datetime
    lead_id: str | None
    person_id: str | None
    task_id: str | None
    channel: str | None
    connector: str | None
    direction: str | None
    author_id: str | None
    author: str | None
    automatic: bool
    text: str
    subject: str | None
    html: str | None
    fields: dict[str, str]
    attachments: tuple[FileOut, ...]
    state: str | None
    error: str | None
    outbound_id: str | None
    call: dict[str, Any] | None
    data: dict[str, Any]


class CallOut(Out, frozen=True, kw_only=True):
    id: str
    connector: str
    linkedid: str
    direction: str
    number: str | None
    did: str | None
    outcome: str | None
    reason: str | None
    answered_by: str | None
    last_agent: str | None
    rang: tuple[str, ...]
    wait_seconds: float | None
    talk_seconds: float | None
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    voicemail: bool
    recording: str | None
    lead_id: str | None
    person_id: str | None


def _messengers(person: Person) -> tuple[MessengerOut, ...]:
    return tuple(MessengerOut(network=m.network, id=m.id, username=m.username) for m in person.messengers)


def show_person(person: Person) -> PersonOut:
    return PersonOut(
        id=person.id, name=person.name, phones=person.phones, emails=person.emails, messengers=_messengers(person)
    )


def show_contact(person: Person) -> ContactOut:
    return same(ContactOut, person, messengers=_messengers(person))


def show_source(source: Source) -> SourceOut:
    return same(SourceOut, source)


def show_lead(tx: ReadTx, lead: Lead) -> LeadOut:
    person = find_person(tx, lead.person_id)
    shown = {name: getattr(lead, name) for name in LeadOut.__struct_fields__ if name != "person"}
    for touch in ("source", "first_touch", "last_touch"):
        shown[touch] = show_source(shown[touch])
    return LeadOut(**shown, person=show_person(person) if person else None)


def show_item(item: TimelineItem) -> TimelineOut:
    files = tuple(
        FileOut(id=f.id, name=f.name, type=f.type, size=f.size, url=f"/api/v1/files/{f.id}?item={item.id}")
        for f in item.attachments
    )
    return same(TimelineOut, item, attachments=files)


def show_call(call: CallRecord) -> CallOut:
    return same(CallOut, call)


def same(type: type[S], record: Any, **other: Any) -> S:
    """The shape whose members bear the names of the record's, but for those given."""
    names = (name for name in type.__struct_fields__ if name not in other)
    return type(**{name: getattr(record, name) for name in names}, **other)
