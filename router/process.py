"""One journal record, one transaction: everything that follows from an inbound, or nothing of it."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.contract import InboundKind
from distribution.desk import Desk
from router.calls import process_call
from router.contacts import process_contact
from router.context import Contact, Outcome
from router.deliveries import apply_facts
from router.journal import JOURNAL
from router.robots import screen
from storage import Tx


def handle(tx: Tx, desk: Desk, record_id: str) -> Outcome | None:
    """Handle a claimed record. None when another worker has done it already, so doing it twice changes nothing."""
    return _handle(tx, desk.at(tx), record_id)


def _handle(tx: Tx, desk: Desk, record_id: str) -> Outcome | None:
    record = tx.get(JOURNAL, record_id)
    if record is None or not record.pending:
        return None
    contact = Contact(tx=tx, desk=desk, inbound=record.inbound, inbound_id=record.id, trusted=record.trusted)
    outcome = route(contact)
    tx.update(
        JOURNAL,
        record,
        state="ignored" if outcome.ignored else "done",
        pending=False,
        done_at=tx.now,
        rule=outcome.rule,
        lead_id=outcome.lead_id,
        person_id=outcome.person_id,
        error=None,
    )
    return outcome


def handle_all(tx: Tx, desk: Desk, record_ids: Sequence[str]) -> list[Outcome | None]:
    """Handle several claimed records in one transaction: all of them, or none."""
    now = desk.at(tx)
    return [_handle(tx, now, record_id) for record_id in record_ids]


def route(contact: Contact) -> Outcome:
    """The steps of SPEC section 3 for one inbound."""
    inbound = contact.inbound
    if inbound.kind is InboundKind.STATUS:
        lead_id = apply_facts(contact.tx, inbound.connector, inbound.delivery) if inbound.delivery else None
        return Outcome(rule="delivery", lead_id=lead_id, ignored=lead_id is None)
    if inbound.kind is InboundKind.CALL:
        return process_call(contact)
    return (None if contact.trusted else screen(contact)) or process_contact(contact)
