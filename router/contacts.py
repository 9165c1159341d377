"""Letters, messages, forms and orders: from the screened contact to a distributed lead."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.contract import InboundKind
from crm_core import callbacks
from crm_core.actor import SYSTEM
from crm_core.decisions import explain
from crm_core.leads import Lead, set_stage
from crm_core.personal_data import note_consent
from crm_core.timeline import File, ItemKind, TimelineItem, add
from crm_core.users import USERS
from distribution.offers import own, place
from router import normalize
from router.context import Contact, Outcome
from router.decide import decide
from router.hours import answer_when_closed, reply_address
from router.identify import identify
from router.robots import SUSPICIONS

OLDEST = timedelta(days=3650)
_KINDS = {
    InboundKind.MESSAGE: ItemKind.MESSAGE,
    InboundKind.MAIL: ItemKind.MAIL,
    InboundKind.FORM: ItemKind.FORM,
    InboundKind.ORDER: ItemKind.ORDER,
    InboundKind.CALLBACK: ItemKind.CALLBACK,
}


def process_contact(contact: Contact) -> Outcome:
    """Identify, decide, record, answer when closed, distribute."""
    contact.person, steps, contact.is_new_person = identify(contact.tx, contact.inbound.sender, contact.inbound_id)
    contact.steps += steps
    lead = decide(contact)
    _record(contact, lead)
    if contact.inbound.fields.get("consent") == "true" and contact.person is not None:
        inbound = contact.inbound
        note_consent(
            contact.tx, contact.person.id, channel=inbound.channel, connector=inbound.connector,
            page=inbound.source.page, inbound_id=contact.inbound_id,
        )  # fmt: skip
    if contact.rule != "continue_open_lead" and (doubt := _suspicion(contact)):
        contact.steps.append(doubt)
        lead = set_stage(contact.tx, SYSTEM, contact.desk.company, lead, contact.desk.company.spam_stage)
    else:
        answer_when_closed(contact)
        lead = hand_out(contact, lead)
    if contact.inbound.kind is InboundKind.CALLBACK:
        ask_callback(contact, lead, "Просит перезвонить")
    explain(
        contact.tx,
        contact.rule,
        contact.steps[-1],
        lead_id=lead.id,
        person_id=lead.person_id,
        inbound_id=contact.inbound_id,
        steps=tuple(contact.steps),
    )
    return Outcome(rule=contact.rule, lead_id=lead.id, person_id=lead.person_id)


def _suspicion(contact: Contact) -> str | None:
    return None if contact.trusted else SUSPICIONS.get(contact.inbound.fields.get("_robot", ""))


def hand_out(contact: Contact, lead: Lead) -> Lead:
    """Distribute a lead that is in nobody's hands and not already waiting."""
    if lead.owner_id and lead.owner_id == contact.inbound.owner_id and contact.rule != "continue_open_lead":
        owner = contact.tx.require(USERS, lead.owner_id)
        return own(contact.tx, contact.desk, lead, owner, SYSTEM, "own", f"Личный ящик: {owner.name}")
    if lead.owner_id or lead.offered_to or lead.waiting or lead.on_call or not lead.open:
        return lead
    return place(contact.tx, contact.desk, lead)


def ask_callback(contact: Contact, lead: Lead, title: str) -> None:
    """Leave a task to call back, due within the configured working time (after the opening when closed)."""
    tx, company, person = contact.tx, contact.desk.company, contact.person
    phone = _phone_to_call(contact)
    if phone is None:
        contact.steps.append("Перезвонить нельзя: номера нет")
        return
    deadline = contact.desk.after(contact.desk.queue_for(lead.queue), tx.now, company.callback_within)
    who = f"{person.name}, {phone}" if person and person.name else phone
    callbacks.open_callback(
        tx,
        person_id=person.id if person else None,
        lead_id=lead.id,
        phone=phone,
        deadline=deadline,
        title=f"{title}: {who}",
        queue=lead.queue,
        responsible_id=lead.owner_id,
    )


def _phone_to_call(contact: Contact) -> str | None:
    """The number that this contact came from or named, else one that is known of the person."""
    for text in contact.inbound.sender.phones:
        if number := normalize.phone(text) or normalize.dialable(text):
            return number
    return next(iter(contact.person.phones), None) if contact.person else None


def _moment(contact: Contact) -> datetime:
    """When the customer wrote; a date of the future or of long ago is not believed."""
    now, said = contact.tx.now, contact.inbound.occurred_at
    return said if now - OLDEST <= said <= now else now


def _record(contact: Contact, lead: Lead) -> TimelineItem:
    inbound, mail = contact.inbound, contact.inbound.mail
    item = TimelineItem(
        id="tl_" + contact.inbound_id,
        kind=_KINDS[inbound.kind],
        at=_moment(contact),
        lead_id=lead.id,
        person_id=contact.person.id if contact.person else lead.person_id,
        channel=inbound.channel,
        connector=inbound.connector,
        direction="in",
        author=contact.person.name if contact.person else None,
        text=inbound.text,
        subject=inbound.subject,
        html=mail.html if mail else None,
        attachments=tuple(
            File(id=a.blob, name=a.name, type=a.type, size=a.size, content_id=a.content_id) for a in inbound.attachments
        ),
        fields={key: value for key, value in inbound.fields.items() if not key.startswith("_")},
        inbound_id=contact.inbound_id,
        message_id=mail.message_id if mail else None,
        references=mail.references if mail else (),
        conversation=inbound.conversation,
        address=reply_address(contact),
    )
    return add(contact.tx, item, owners=(lead.owner_id, lead.offered_to))
