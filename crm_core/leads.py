"""Leads: what they are and what people do with them.

Stages come from the preset. A lead is open until its stage is a final one; a person has at most one open lead, which
the store itself guarantees. Who owns a lead and to whom it is offered is decided by distribution; here are the commands
that a person gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from crm_core import callbacks, timers
from crm_core.access import Facts, check, check_version, visible
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.automation import Event, raise_event
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.lead_timers import OF_LEAD
from crm_core.people import PEOPLE, find_person
from crm_core.rights import Action
from crm_core.stages import enterable
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem, add
from crm_core.users import PLACE, QUEUE_WAKE, USERS
from storage import AllOf, Collection, Entity, Filter, Index, ReadTx, Tx, Unique


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a contact came from; one entry of the reference list plus what the channel told."""

    channel: str
    connector: str
    key: str = "other"
    label: str = ""
    utm: dict[str, str] = {}
    page: str | None = None
    referrer: str | None = None
    did: str | None = None
    mailbox: str | None = None
    community: str | None = None
    listing: str | None = None


class Lead(Entity, frozen=True, kw_only=True):
    """One contact of one person on its way to a sale."""

    number: int
    title: str
    stage: str
    stage_since: datetime
    open: bool = True
    person_id: str | None = None
    """None only for callers with a withheld number."""
    company: str | None = None
    source: Source
    first_touch: Source
    last_touch: Source
    queue: str
    owner_id: str | None = None
    offered_to: str | None = None
    offer_id: str | None = None
    offered_at: datetime | None = None
    waiting: bool = False
    """In the queue, in front of nobody."""
    waiting_since: datetime | None = None
    preferred_id: str | None = None
    """The former owner, who is asked first where the queue is sticky."""
    declined_by: tuple[str, ...] = ()
    """Who declined or missed it since it entered the queue; they are asked again only when nobody else is left."""
    declined_at: datetime | None = None
    """When somebody said no; those who did are left in peace for a while."""
    accepted_at: datetime | None = None
    first_response_at: datetime | None = None
    due_at: datetime | None = None
    """When the customer must have an answer; None while nothing of his waits for one."""
    repeat_of: str | None = None
    """The former lead of the same person."""
    on_call: str | None = None
    """Id of the call that is ringing or running now; distribution waits for its end."""
    fields: dict[str, str] = {}
    """`email`, `equipment_category`, `comment`, … by the keys of the preset."""
    deal_id: str | None = None
    unread: int = 0
    """Contacts of the customer since the owner last answered or looked."""
    last_activity_at: datetime
    created_at: datetime
    updated_at: datetime


LEADS = Collection(
    "leads",
    Lead,
    [
        Unique("person_id", where={"open": True}),
        Index("person_id", "created_at"),
        Index("created_at"),
        Index("number"),
        Index("stage", "created_at"),
        Index("owner_id", "open", "created_at"),
        Index("offered_to", where={"open": True}),
        Index("queue", "waiting_since", where={"waiting": True}),
        Index("source.channel", "created_at"),
        Index("source.key", "created_at"),
        Index("updated_at"),
    ],
)

EDITABLE = frozenset({"title", "company", "fields", "source", "first_response_at", "due_at"})


def facts(lead: Lead) -> Facts:
    return Facts(owners=frozenset({lead.owner_id, lead.offered_to}), stage=lead.stage, open=lead.open)


def get_lead(tx: ReadTx, actor: Actor, lead_id: str) -> Lead:
    """The lead. `Missing` when there is none or the actor may not see it."""
    lead = tx.get(LEADS, lead_id)
    if lead is None:
        raise Missing("Такого лида нет")
    check(actor, "lead", Action.READ, facts(lead))
    return lead


def list_leads(
    tx: ReadTx, actor: Actor, where: Filter, *, sort: str = "-created_at", limit: int = 50, after: str | None = None
) -> list[Lead]:
    """Leads that match and that the actor may see."""
    scope = lead_scope(actor)
    return [] if scope is None else tx.find(LEADS, AllOf((where, scope)), sort=sort, limit=limit, after=after)


def lead_scope(actor: Actor) -> Filter | None:
    return visible(actor, "lead", owner_fields=("owner_id", "offered_to"), has_stage=True)


def open_lead_of(tx: ReadTx, person_id: str) -> Lead | None:
    """The one open lead of a person."""
    return tx.first(LEADS, {"person_id": person_id, "open": True})


def last_lead_of(tx: ReadTx, person_id: str) -> Lead | None:
    """The newest lead of a person, open or not."""
    return tx.first(LEADS, {"person_id": person_id}, sort="-created_at")


def for_change(tx: ReadTx, actor: Actor, lead_id: str, version: int | None = None) -> Lead:
    """The lead, checked for change rights and for the version that the actor saw."""
    lead = get_lead(tx, actor, lead_id)
    check(actor, "lead", Action.UPDATE, facts(lead))
    check_version(lead, version, "Лид уже изменён")
    return lead


def announce(
    tx: Tx, lead: Lead, event: str, data: Mapping[str, Any] | None = None, *, former: tuple[str | None, ...] = ()
) -> None:
    """News about a lead for the open pages; `former` are those in whose hands it was until now: they must learn of it,
    whatever they may read afterwards."""
    shown = {"number": lead.number, "title": lead.title, "stage": lead.stage, "queue": lead.queue}
    shown |= {"owner_id": lead.owner_id, "offered_to": lead.offered_to, **(data or {})}
    tell(tx, "lead", lead.id, event, lead_id=lead.id, owners=(lead.owner_id, lead.offered_to, *former), data=shown)


def edit_lead(tx: Tx, actor: Actor, lead_id: str, changes: Mapping[str, Any], version: int | None = None) -> Lead:
    """Change fields of the card. `Invalid` names a field that cannot be changed."""
    lead = for_change(tx, actor, lead_id, version)
    unknown = set(changes) - EDITABLE
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "Такого поля нет или его меняют другой командой"))
    changes = dict(changes)
    if "title" in changes and not str(changes["title"]).strip():
        raise Invalid({"title": "Название не может быть пустым"})
    if "fields" in changes:
        merged = {**lead.fields, **changes["fields"]}
        changes["fields"] = {key: value for key, value in merged.items() if value}
    before = {field: getattr(lead, field) for field in changes}
    if all(value == before[field] for field, value in changes.items()):
        return lead
    changed = tx.update(LEADS, lead, **changes, updated_at=tx.now)
    changed_now = {field: (before[field], getattr(changed, field)) for field in changes}
    record(tx, actor, "lead", lead.id, "updated", changed_now)
    announce(tx, changed, "updated")
    keys = {key for key in {*lead.fields, *changed.fields} if lead.fields.get(key) != changed.fields.get(key)}
    raise_event(tx, actor, "lead", lead.id, Event.FIELD, fields=keys | set(changes) - {"fields"})
    return changed


def move_lead(tx: Tx, actor: Actor, company: Company, lead_id: str, stage: str, version: int | None = None) -> Lead:
    """Move to another stage of the preset; a final one closes the lead and frees its owner's capacity."""
    lead = for_change(tx, actor, lead_id, version)
    target = company.lead_stage(stage) if stage == lead.stage else enterable(company.stages, stage)
    if target.kind == "won":
        raise Invalid({"stage": "В «Успешный» лид переходит конвертацией"})
    if lead.stage == stage:
        return lead
    if lead.deal_id:
        raise Conflict("Из лида уже сделана сделка: работа продолжается в ней")
    if not lead.open and target.kind == "open" and lead.person_id and open_lead_of(tx, lead.person_id):
        raise Conflict("У этого клиента уже есть другой открытый лид")
    return set_stage(tx, actor, company, lead, stage)


def set_stage(tx: Tx, actor: Actor, company: Company, lead: Lead, stage: str) -> Lead:
    """The move itself, recorded on the timeline; for callers that have checked the rights."""
    target, former = company.lead_stage(stage), company.stage_title(lead.stage)
    is_open = target.kind == "open"
    changes: dict[str, Any] = {"stage": stage, "stage_since": tx.now, "open": is_open, "updated_at": tx.now}
    if not is_open:
        changes |= {"waiting": False, "waiting_since": None, "offered_to": None, "offer_id": None, "on_call": None}
    elif not lead.open:
        changes |= {"owner_id": _owner_if_active(tx, lead), "waiting_since": tx.now, "declined_by": ()}
    changed = tx.update(LEADS, lead, **changes)
    record(tx, actor, "lead", lead.id, "moved", {"stage": (lead.stage, stage)})
    item = TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.STAGE,
        at=tx.now,
        lead_id=lead.id,
        person_id=lead.person_id,
        author_id=actor.id,
        author=actor.name,
        text=f"{former} → {target.title}",
        data={"from": lead.stage, "to": stage},
    )
    add(tx, item, owners=(changed.owner_id,))
    if not is_open:
        _closed(tx, changed, target.title)
    elif not lead.open:
        _reopened(tx, changed, lead.stage_since)
    announce(tx, changed, "moved" if is_open else "closed", former=(lead.offered_to,))
    raise_event(tx, actor, "lead", lead.id, Event.STAGE, stage=stage)
    return changed


def mark_seen(tx: Tx, actor: Actor, lead_id: str) -> Lead:
    """The owner looked at what the customer wrote; a look of anybody else changes nothing."""
    lead = get_lead(tx, actor, lead_id)
    if actor.id is not None and lead.owner_id == actor.id and lead.unread:
        lead = tx.update(LEADS, lead, unread=0)
        announce(tx, lead, "seen")
    return lead


UNDO_WITHIN = timedelta(minutes=2)
"""How long whoever closed a lead may take that back, though his rights may end with the lead."""


def undo_closing(tx: Tx, actor: Actor, company: Company, lead_id: str) -> Lead:
    """Undo one's own closing of a lead just now. Later it is a change of a finished lead, and rights decide."""
    lead = get_lead(tx, actor, lead_id)
    if lead.open:
        return lead
    if lead.deal_id:
        raise Conflict("Из лида уже сделана сделка: работа продолжается в ней")
    former = _own_closing(tx, actor, lead)
    if former is None:
        for_change(tx, actor, lead_id)
        raise Conflict("Отменить уже нельзя: верните лид в работу через стадию")
    if lead.person_id and open_lead_of(tx, lead.person_id):
        raise Conflict("У этого клиента уже есть другой открытый лид")
    return set_stage(tx, actor, company, lead, former)


def _own_closing(tx: ReadTx, actor: Actor, lead: Lead) -> str | None:
    """The stage that this actor closed the lead from within `UNDO_WITHIN`."""
    if actor.id is None or tx.now - lead.stage_since > UNDO_WITHIN:
        return None
    for item in tx.find(TIMELINE, {"lead_id": lead.id}, sort="-at", limit=20):
        if item.kind is ItemKind.STAGE:
            own = item.author_id == actor.id and item.data.get("to") == lead.stage
            return str(item.data["from"]) if own else None
    return None


def _closed(tx: Tx, lead: Lead, stage_title: str) -> None:
    """A finished lead frees its owner for whatever queue he serves, and nobody is to be called back any more."""
    for kind in OF_LEAD:
        timers.cancel(tx, kind, lead.id)
    timers.schedule_sooner(tx, QUEUE_WAKE, "*", tx.now)
    callbacks.cancel_callbacks(tx, lead.id, f"Лид закрыт: {stage_title}")
    person = find_person(tx, lead.person_id)
    if person is not None and lead.owner_id:
        tx.update(PEOPLE, person, former_owner_id=lead.owner_id)


def _reopened(tx: Tx, lead: Lead, closed_at: datetime) -> None:
    """Back in work: with its former owner, or to distribution when it has none."""
    callbacks.revive_callbacks(tx, lead.id, closed_at)
    callbacks.hand_over(tx, lead.id, lead.owner_id)
    if lead.owner_id is None:
        timers.schedule(tx, PLACE, lead.id, tx.now)


def _owner_if_active(tx: ReadTx, lead: Lead) -> str | None:
    owner = tx.get(USERS, lead.owner_id) if lead.owner_id else None
    return owner.id if owner is not None and owner.active else None


def responded(tx: Tx, lead: Lead, at: datetime, *, seen: bool = True) -> Lead:
    """A human of ours answered the customer at this moment; `seen`: the owner knows what came in."""
    changes: dict[str, Any] = {"first_response_at": lead.first_response_at or at, "due_at": None}
    if seen:
        changes["unread"] = 0
    return tx.update(LEADS, lead, **changes)
