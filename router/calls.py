"""Calls, phase by phase: the card before the answer, the owner by who answered, a task for who was missed.

    started   the caller is identified and has a lead, which waits for what becomes of the call
    ringing   the card is on the screens of those whose phones ring
    answered  whoever answered owns the lead; callback tasks of the caller are done
    ended     missed: the lead is distributed and somebody is asked to call back

Each phase repeats what the earlier ones said, so a phase that comes alone is handled as well. Internal calls are
recorded and concern no lead; outgoing ones belong to the lead of the person called, if there is one.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import msgspec

from connectors.contract import CallDirection, CallFacts, CallOutcome, CallPhase
from crm_core import callbacks, timers
from crm_core.calls import CALLS, CallRecord
from crm_core.changes import tell
from crm_core.decisions import explain
from crm_core.lead_timers import CALL_GUARD
from crm_core.leads import LEADS, Lead, open_lead_of, responded
from crm_core.people import by_phone as person_by_phone
from crm_core.people import find_person
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem, add
from crm_core.users import User, by_extension
from distribution.desk import Desk
from distribution.offers import own_by_call, place
from router import normalize
from router.contacts import ask_callback, hand_out
from router.context import Contact, Outcome
from router.decide import decide
from router.identify import identify
from router.robots import screen_by_rules
from storage import Tx

LONGEST_CALL = timedelta(hours=3)


def process_call(contact: Contact) -> Outcome:
    """Handle one phase of a call."""
    facts = contact.inbound.call
    assert facts is not None
    record_id = call_record_id(contact.inbound.connector, facts.call_id)
    before = contact.tx.get(CALLS, record_id)
    if before is not None and before.ended_at is not None and facts.phase is not CallPhase.ENDED:
        return Outcome(rule="call_late_phase", lead_id=before.lead_id, person_id=before.person_id)
    record = before or _begin(contact, facts, record_id)
    changes = _changes(contact.tx, record, facts)
    if before is None:
        after = contact.tx.insert(CALLS, msgspec.structs.replace(record, **changes))
    else:
        after = contact.tx.update(CALLS, record, **changes)
    if before is not None and before.ended_at is not None:
        contact.rule = "call_end_corrected"
    elif after.direction == CallDirection.IN:
        _incoming(contact, facts, after, answer_is_news=record.answered_by is None)
    elif after.direction == CallDirection.OUT:
        _outgoing(contact, facts, after)
    _show_ringing(contact, record, after)
    if before is None or facts.phase is not CallPhase.RINGING:
        # What only rings on is told by the card; the timeline says at the end who was rung.
        _show_on_timeline(contact.tx, after)
    return Outcome(rule=contact.rule or f"call_{facts.phase}", lead_id=after.lead_id, person_id=after.person_id)


def call_record_id(connector: str, call_id: str) -> str:
    return "call_" + hashlib.sha256(f"{connector}\0{call_id}".encode()).hexdigest()[:24]


def _begin(contact: Contact, facts: CallFacts, record_id: str) -> CallRecord:
    """First sight of a call: the record (not stored yet), the person, the lead."""
    tx = contact.tx
    record = CallRecord(
        id=record_id,
        connector=contact.inbound.connector,
        linkedid=facts.linkedid,
        direction=facts.direction,
        number=normalize.phone(facts.number) or facts.number if facts.number else None,
        did=facts.did,
        started_at=facts.started_at,
        request_id=facts.request_id,
    )
    if facts.direction is CallDirection.IN and (ignored := screen_by_rules(contact)):
        contact.rule = ignored.rule
    elif facts.direction is CallDirection.IN:
        contact.person, steps, contact.is_new_person = identify(tx, contact.inbound.sender, contact.inbound_id)
        contact.steps += steps
        lead = decide(contact, on_call=record_id)
        if lead.on_call:
            timers.schedule(tx, CALL_GUARD, lead.id, tx.now + LONGEST_CALL, {"call": record_id})
        explain(
            tx, contact.rule, contact.steps[-1], lead_id=lead.id, person_id=lead.person_id,
            inbound_id=contact.inbound_id, steps=tuple(contact.steps),
        )  # fmt: skip
        person_id = contact.person.id if contact.person else None
        record = msgspec.structs.replace(record, lead_id=lead.id, person_id=person_id)
    elif facts.direction is CallDirection.OUT and record.number:
        person = person_by_phone(tx, record.number)
        lead_of_person = open_lead_of(tx, person.id) if person else None
        record = msgspec.structs.replace(
            record, person_id=person.id if person else None, lead_id=lead_of_person.id if lead_of_person else None
        )
    return msgspec.structs.replace(record, timeline_id="tl_" + record_id if record.lead_id else None)


def _changes(tx: Tx, record: CallRecord, facts: CallFacts) -> dict[str, Any]:
    """What this phase tells about the call."""
    ended = facts.phase is CallPhase.ENDED
    changes: dict[str, Any] = {
        "did": facts.did or record.did,
        "answered_by": facts.answered_by or record.answered_by,
        "last_agent": facts.last_agent or record.last_agent,
        "rang": facts.rang or record.rang,
        "ringing": () if ended else facts.ringing,
        "queue": facts.queue or record.queue,
        "wait_seconds": facts.wait_seconds if facts.wait_seconds is not None else record.wait_seconds,
        "talk_seconds": facts.talk_seconds if facts.talk_seconds is not None else record.talk_seconds,
        "answered_at": facts.answered_at or record.answered_at,
        "recording": facts.recording or record.recording,
        "voicemail": facts.voicemail or record.voicemail,
        "request_id": facts.request_id or record.request_id,
    }
    if ended:
        changes |= {"outcome": facts.outcome, "reason": facts.reason, "ended_at": facts.ended_at or tx.now}
    return changes


def _incoming(contact: Contact, facts: CallFacts, record: CallRecord, *, answer_is_news: bool) -> None:
    if facts.phase not in (CallPhase.ANSWERED, CallPhase.ENDED):
        return
    tx = contact.tx
    lead = tx.get(LEADS, record.lead_id) if record.lead_id else None
    if lead is None:
        return
    contact.person = contact.person or find_person(tx, record.person_id)
    if facts.phase is CallPhase.ANSWERED:
        _answered(contact, lead, by_extension(tx, facts.last_agent or facts.answered_by))
    elif facts.phase is CallPhase.ENDED:
        if lead.on_call == record.id:
            lead = tx.update(LEADS, lead, on_call=None)
            timers.cancel(tx, CALL_GUARD, lead.id)
        contact.rule = "call_ended"
        if facts.outcome is CallOutcome.ANSWERED:
            # Whoever answered owns the lead since then, or has given it away during the call.
            lead = _answered(contact, lead, by_extension(tx, record.answered_by), may_own=answer_is_news)
        lead = hand_out(contact, lead)
        if facts.outcome is not CallOutcome.ANSWERED and lead.open:
            ask_callback(contact, lead, "Перезвонить")


def _answered(contact: Contact, lead: Lead, user: User | None, *, may_own: bool = True) -> Lead:
    """A human of ours talks with the customer."""
    tx = contact.tx
    if user is not None and lead.open and may_own:
        lead = own_by_call(tx, contact.desk, lead, user)
    lead = responded(tx, lead, tx.now, seen=user is not None and lead.owner_id == user.id)
    name = user.name if user else "сотрудник"
    callbacks.close_callbacks(tx, lead.id, f"Клиент дозвонился, ответил: {name}", user.id if user else None)
    return lead


def _outgoing(contact: Contact, facts: CallFacts, record: CallRecord) -> None:
    if facts.outcome is not CallOutcome.ANSWERED and facts.phase is not CallPhase.ANSWERED:
        return
    tx = contact.tx
    lead = tx.get(LEADS, record.lead_id) if record.lead_id else None
    if lead is None:
        return
    user = by_extension(tx, record.answered_by)
    if user is not None and lead.open and lead.on_call is None and facts.phase is CallPhase.ANSWERED:
        lead = own_by_call(tx, contact.desk, lead, user, "Дозвонился клиенту первым")
    responded(tx, lead, tx.now)
    name = user.name if user else "сотрудник"
    callbacks.close_callbacks(tx, lead.id, f"Клиенту перезвонили: {name}", user.id if user else None)


def _show_ringing(contact: Contact, before: CallRecord, after: CallRecord) -> None:
    """The card comes and goes on the screens of those whose phones start or stop to ring."""
    if after.direction == CallDirection.INTERNAL or after.ringing == before.ringing:
        return
    tx = contact.tx
    started = [user.id for ext in after.ringing if ext not in before.ringing and (user := by_extension(tx, ext))]
    stopped = [user.id for ext in before.ringing if ext not in after.ringing and (user := by_extension(tx, ext))]
    if started:
        card = _card(contact, after)
        tell(tx, "call", after.id, "ringing", lead_id=after.lead_id, to=tuple(started), data=card)
    if stopped:
        answered = {"answered_by": after.answered_by} if after.answered_by else {}
        tell(tx, "call", after.id, "stopped", lead_id=after.lead_id, to=tuple(stopped), data=answered)


def _card(contact: Contact, call: CallRecord) -> dict[str, Any]:
    tx = contact.tx
    person = contact.person or find_person(tx, call.person_id)
    lead = contact.lead or (tx.get(LEADS, call.lead_id) if call.lead_id else None)
    return {
        "number": call.number,
        "name": person.name if person else None,
        "did": call.did,
        "lead_number": lead.number if lead else None,
        "title": lead.title if lead else None,
        "direction": call.direction,
    }


def _show_on_timeline(tx: Tx, record: CallRecord) -> None:
    if record.timeline_id is None:
        return
    shown = msgspec.to_builtins(
        {
            name: getattr(record, name)
            for name in (
                "id", "direction", "number", "did", "outcome", "reason", "answered_by", "last_agent", "rang",
                "wait_seconds", "talk_seconds", "voicemail", "recording", "started_at", "answered_at", "ended_at",
            )
        }
    )  # fmt: skip
    existing = tx.get(TIMELINE, record.timeline_id)
    if existing is None:
        item = TimelineItem(
            id=record.timeline_id,
            kind=ItemKind.CALL,
            at=record.started_at,
            lead_id=record.lead_id,
            person_id=record.person_id,
            channel="phone",
            connector=record.connector,
            direction="out" if record.direction == CallDirection.OUT else "in",
            call=shown,
        )
        add(tx, item)
    elif existing.call != shown:
        tx.update(TIMELINE, existing, call=shown)
        tell(tx, "timeline", existing.id, "updated", lead_id=record.lead_id)


def on_call_guard(tx: Tx, desk: Desk, timer: timers.Timer) -> None:
    """Timer handler: the end of the call was never heard of, so its lead is distributed now."""
    lead = tx.get(LEADS, timer.key)
    if lead is None or not lead.open or lead.on_call is None or lead.on_call != timer.payload.get("call"):
        return
    lead = tx.update(LEADS, lead, on_call=None)
    if lead.owner_id is None and lead.offered_to is None and not lead.waiting:
        place(tx, desk, lead)
