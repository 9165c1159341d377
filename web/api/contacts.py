"""`/contacts`: people and what they wrote; `/duplicates`: pairs that may be one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.contacts import MOST, create_person, edit_person, get_person, list_people
from crm_core.leads import get_lead
from crm_core.merged import resolve
from crm_core.people import PEOPLE, Person, by_email, by_phone
from crm_core.rights import Action
from crm_core.search import matching
from crm_core.searchable import KINDS
from crm_core.segments import segment_filter, segment_order
from router import normalize
from router.person import edit_lead_person
from storage import AllOf, AnyOf, Filter, ReadTx
from web.api.call import Call, In, Page, Route, page_of
from web.api.conversation import TimelineQuery, timeline_page, timeline_rows
from web.api.input import Fields, Id, Line, ListQuery, Text
from web.api.shapes import ContactOut, LeadOut, TimelineOut, show_contact, show_lead
from web.corrections import corrected


class ContactQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["-last_activity_at", "last_activity_at", "-created_at", "created_at", "name", "-name"] | None = None
    """Without it: those active last come first; with a segment, by the sum or date that it asks for."""
    phone: Line | None = None
    email: Line | None = None
    q: Line | None = None
    company_id: Id | None = None
    owner_id: Id | None = None
    segment: Id | None = None
    """A saved filter of contacts, see `/segments`."""


async def list_(call: Call[ContactQuery, None]) -> Page[ContactOut]:
    """`q` looks through the thousand newest people that its words lead to and that the other filters let through."""
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: ContactQuery) -> Page[ContactOut]:
    check(actor, "contact", Action.READ)
    where = filter_of(tx, actor, query)
    sort = query.sort or (segment_order(tx, query.segment) if query.segment else None) or "-last_activity_at"
    rows = list_people(tx, actor, where, sort=sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, PEOPLE, rows, query.limit, sort, show_contact)


def filter_of(tx: ReadTx, actor: Actor, query: ContactQuery) -> Filter:
    """What the parameters mean to the store."""
    where: list[Filter] = []
    if query.phone is not None:
        phone = normalize.phone(query.phone)
        where.append(_only(by_phone(tx, phone) if phone else None))
    if query.email is not None:
        where.append(_only(by_email(tx, query.email)))
    if query.company_id is not None:
        where.append({"company_id": resolve(tx, query.company_id)})
    if query.owner_id is not None:
        where.append({"owner_id": query.owner_id})
    if query.segment is not None:
        where.append(segment_filter(tx, actor, "contact", query.segment))
    asked: Filter = AllOf(tuple(where)) if where else {}
    if query.q is None or not query.q.strip():
        return asked
    return AllOf((asked, matching(tx, KINDS, actor, "contact", query.q, where=asked)))


def _only(person: Person | None) -> Filter:
    return {"id": person.id} if person else AnyOf(())


async def read(call: Call[None, None]) -> ContactOut:
    return show_contact(await call.read(get_person, call.id))


Marks = Annotated[list[Annotated[str, Meta(min_length=1, max_length=300)]], Meta(max_length=MOST)]


class NewContact(In, frozen=True, kw_only=True):
    name: Line | None = None
    company: Line | None = None
    phones: Marks = []
    emails: Marks = []
    company_id: Id | UnsetType | None = UNSET
    position: Line | UnsetType | None = UNSET
    birthday: Line | UnsetType | None = UNSET
    """`1985-12-31`."""
    comment: Text | UnsetType | None = UNSET
    owner_id: Id | UnsetType | None = UNSET
    fields: Fields | UnsetType = UNSET


async def create(call: Call[None, NewContact]) -> ContactOut:
    """Phones in any notation. One that is known already is refused: that contact is to be used."""
    return show_contact(await call.write(create_person, call.body.given()))


class ContactPatch(In, frozen=True, kw_only=True):
    name: Line | UnsetType | None = UNSET
    company: Line | UnsetType | None = UNSET
    phones: Marks | UnsetType = UNSET
    """All that he shall have, the first one is used first; so are emails."""
    emails: Marks | UnsetType = UNSET
    company_id: Id | UnsetType | None = UNSET
    position: Line | UnsetType | None = UNSET
    birthday: Line | UnsetType | None = UNSET
    """`1985-12-31`."""
    comment: Text | UnsetType | None = UNSET
    owner_id: Id | UnsetType | None = UNSET
    fields: Fields | UnsetType = UNSET
    """Own fields by name; null or an empty text takes one away, those left out stay."""


async def patch(call: Call[None, ContactPatch]) -> ContactOut:
    """`If-Match: VERSION` refuses a change of what somebody else has changed meanwhile. A phone or an email of another
    contact is refused, and the two are filed as possible duplicates."""
    command = partial(edit_person, person_id=call.id, changes=call.body.given(), version=call.if_match)
    return show_contact(await corrected(call.store, call.actor, command))


class Caller(In, frozen=True, kw_only=True):
    name: Line | None = None
    phone: Line | None = None
    email: Line | None = None


async def patch_caller(call: Call[None, Caller]) -> LeadOut:
    """Name an anonymous caller, or put the name of the lead's contact right and add a phone or an email to him.
    `If-Match` is the version of the lead."""
    body = call.body
    command = partial(
        edit_lead_person, lead_id=call.id, name=body.name, phone=body.phone, email=body.email, version=call.if_match
    )
    await corrected(call.store, call.actor, command)
    return await call.read(lambda tx, actor: show_lead(tx, get_lead(tx, actor, call.id)))


async def timeline(call: Call[TimelineQuery, None]) -> Page[TimelineOut]:
    """Everything in and out, across all channels and leads that the reader may see; a page may be shorter for that."""
    return await call.read(_timeline, call.id, call.query)


def _timeline(tx: ReadTx, actor: Actor, person_id: str, query: TimelineQuery) -> Page[TimelineOut]:
    person = get_person(tx, actor, person_id)
    rows = timeline_rows(tx, {"person_id": person.id}, query)
    return timeline_page(tx, actor, rows, query)


ROUTES = (
    Route("GET", "/contacts", list_, "Контакты", "contact.read"),
    Route("POST", "/contacts", create, "Создать контакт", "contact.create", 201),
    Route("PATCH", "/contacts/{id}", patch, "Исправить контакт", "contact.update или lead.update"),
    Route("PATCH", "/leads/{id}/person", patch_caller, "Назвать или исправить контакт лида", "lead.update"),
    Route("GET", "/contacts/{id}", read, "Контакт", "contact.read"),
    Route("GET", "/contacts/{id}/timeline", timeline, "Лента контакта", "contact.read"),
)
