"""Which lead a contact belongs to: the person's open one, a repeat of a former one, or a new one.

The store allows one open lead per person, so ten messages through three channels in ten seconds are one lead whatever
the order in which they are handled.
"""

from __future__ import annotations

from typing import Any

from connectors.contract import Inbound, InboundKind
from crm_core.automation import Event, raise_for_lead
from crm_core.leads import LEADS, Lead, announce, last_lead_of, open_lead_of
from crm_core.people import Person
from crm_core.robots import note_contact
from crm_core.timeline import TIMELINE
from crm_core.users import USERS
from router import normalize
from router.context import Contact
from router.sources import routing_rule, source_of


def decide(contact: Contact, *, on_call: str | None = None) -> Lead:
    """Find or create the lead of this contact; sets `contact.lead` and `contact.rule`. Called once per contact, of a
    call when it begins: robots learn of it here."""
    person = None if contact.is_new_person else contact.person
    if person is not None:
        note_contact(contact.tx, person.id)
    lead = open_lead_of(contact.tx, person.id) if person else None
    if lead is None and (lead := _lead_of_thread(contact)) is not None:
        contact.steps.append("Письмо продолжает переписку открытого лида")
    if lead is not None:
        contact.rule = "continue_open_lead"
        contact.steps.append(f"Продолжает открытый лид № {lead.number}")
        contact.lead = _continue(contact, lead, on_call)
        return contact.lead
    former = last_lead_of(contact.tx, person.id) if person else None
    contact.rule = "repeat_lead" if former else "new_lead"
    contact.steps.append(f"Повторное обращение: прошлый лид № {former.number}" if former else "Новый лид")
    contact.lead = _create(contact, former, on_call)
    return contact.lead


THREAD_DEPTH = 50
"""So many message ids of a letter are looked up, the newest first: the sender decides how many there are."""


def _lead_of_thread(contact: Contact) -> Lead | None:
    """The open lead whose letter this one answers, also when the answer comes from another address."""
    mail = contact.inbound.mail
    if mail is None:
        return None
    for message_id in list(dict.fromkeys([mail.in_reply_to, *reversed(mail.references)]))[:THREAD_DEPTH]:
        item = contact.tx.first(TIMELINE, {"message_id": message_id}) if message_id else None
        if item is not None and item.lead_id:
            lead = contact.tx.get(LEADS, item.lead_id)
            if lead is not None and lead.open:
                return lead
    return None


def _continue(contact: Contact, lead: Lead, on_call: str | None) -> Lead:
    tx, inbound = contact.tx, contact.inbound
    changes: dict[str, Any] = {
        "last_touch": source_of(contact.desk.company, inbound),
        "last_activity_at": tx.now,
        "updated_at": tx.now,
        "unread": lead.unread + 1,
        "fields": {**card_fields(inbound), **lead.fields},
    }
    if lead.due_at is None:
        queue = contact.desk.queue_for(lead.queue)
        changes["due_at"] = contact.desk.after(queue, tx.now, contact.desk.company.response_within)
    owner = tx.get(USERS, lead.owner_id) if lead.owner_id else None
    gone = owner is not None and not owner.active
    if on_call and (gone or lead.owner_id is None) and not lead.offered_to and not lead.waiting:
        changes["on_call"] = on_call
    if owner is not None and gone:
        changes |= {"owner_id": None, "accepted_at": None}
        contact.steps.append(f"Ответственный {owner.name} отключён: лид распределяется заново")
    lead = tx.update(LEADS, lead, **changes)
    announce(tx, lead, "contact", {"channel": inbound.channel})
    raise_for_lead(tx, contact.desk.company.automations, lead.id, lead.stage, Event.INBOUND)
    return lead


def _create(contact: Contact, former: Lead | None, on_call: str | None) -> Lead:
    tx, inbound, company, person = contact.tx, contact.inbound, contact.desk.company, contact.person
    queue = _queue(contact)
    source = source_of(company, inbound)
    lead = Lead(
        id=tx.new_id("lead_"),
        number=tx.next_number("lead"),
        title=title_of(inbound, person),
        stage=company.new_stage,
        stage_since=tx.now,
        person_id=person.id if person else None,
        company=person.company if person else None,
        source=source,
        first_touch=former.first_touch if former else source,
        last_touch=source,
        queue=queue,
        owner_id=_personal_owner(contact),
        waiting_since=tx.now,
        due_at=contact.desk.after(contact.desk.queue_for(queue), tx.now, company.response_within),
        repeat_of=former.id if former else None,
        preferred_id=(person.former_owner_id or former.owner_id) if person and former else None,
        on_call=on_call,
        fields=card_fields(inbound),
        unread=1,
        last_activity_at=tx.now,
        created_at=tx.now,
        updated_at=tx.now,
    )
    tx.insert(LEADS, lead)
    announce(tx, lead, "created", {"channel": inbound.channel})
    raise_for_lead(tx, company.automations, lead.id, lead.stage, Event.CREATED, Event.STAGE)
    return lead


def _queue(contact: Contact) -> str:
    """By routing rule, else the connector's own, else the first there is."""
    rule = routing_rule(contact.desk.company, contact.inbound)
    if rule is not None and rule.queue is not None:
        contact.steps.append(f"Очередь по правилу «{rule.title}»")
        return rule.queue
    info = contact.desk.company.connectors.get(contact.inbound.connector)
    return info.queue if info else next(iter(contact.desk.queues))


def _personal_owner(contact: Contact) -> str | None:
    """The employee whose personal mailbox it came to, while he works here."""
    owner = contact.tx.get(USERS, contact.inbound.owner_id) if contact.inbound.owner_id else None
    return owner.id if owner is not None and owner.active else None


_PREFIX = {
    InboundKind.FORM: "Заявка с сайта",
    InboundKind.CALL: "Звонок",
    InboundKind.CALLBACK: "Обратный звонок",
    InboundKind.ORDER: "Заказ",
}


def title_of(inbound: Inbound, person: Person | None) -> str:
    """A lead's first title: what it is and from whom."""
    if inbound.kind is InboundKind.MAIL and (subject := normalize.name(inbound.subject)):
        return subject
    who = (person.name or next(iter((*person.phones, *person.emails)), None)) if person else _stranger(inbound)
    return f"{_PREFIX.get(inbound.kind, 'Сообщение')}: {who or 'без имени'}"


def _stranger(inbound: Inbound) -> str | None:
    """Somebody who cannot be recognised: by the name or the odd number that the channel gave."""
    told = normalize.name(inbound.sender.name) or normalize.name(next(iter(inbound.sender.phones), None))
    return told or ("номер скрыт" if inbound.kind is InboundKind.CALL else None)


def card_fields(inbound: Inbound) -> dict[str, str]:
    """What the channel asked besides the contact itself, for the card; names that start with `_` are for the hub."""
    fields = {key: value for key, value in inbound.fields.items() if value and not key.startswith("_")}
    if equipment := fields.pop("equipment", None):
        fields["equipment_category"] = equipment
    unread = [text for text in inbound.sender.phones if not normalize.phones(text)]
    if unread and inbound.kind is not InboundKind.CALL:
        fields.setdefault("phone", ", ".join(unread)[:200])
    return fields
