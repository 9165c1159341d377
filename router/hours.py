"""Closed hours: one honest automatic answer that names the next opening, at most once per conversation and closure."""

from __future__ import annotations

import re
from datetime import datetime

from connectors.contract import InboundKind, Outbound
from connectors.outbox import enqueue
from crm_core.timeline import ItemKind, TimelineItem, add
from router.context import Contact
from storage import Collection, Entity, Index
from workhours import opening_phrase


class AutoAnswer(Entity, frozen=True, kw_only=True):
    """`id` is connector, conversation or recipient, and the opening it promised: the key that makes it once."""

    at: datetime


AUTO_ANSWERS = Collection("auto_answers", AutoAnswer, [Index("at")])
NO_REPLY = re.compile(r"(no|do[-_.]?not)[-_.]?reply\b|mailer-daemon@|postmaster@", re.IGNORECASE)
"""Addresses that nobody reads."""
_ANSWERED = (InboundKind.MESSAGE, InboundKind.MAIL)


def answer_when_closed(contact: Contact) -> None:
    """Enqueue the automatic answer when the connector's calendar is closed and the channel can reply."""
    tx, inbound, company = contact.tx, contact.inbound, contact.desk.company
    info = company.connectors.get(inbound.connector)
    if info is None or not info.can_reply or inbound.kind not in _ANSWERED or contact.lead is None:
        return
    calendar = company.calendar(info.calendar)
    if calendar.is_open(tx.now):
        return
    opening = calendar.state(tx.now).next_open
    recipient = reply_address(contact)
    if opening is None or recipient is None or NO_REPLY.match(recipient):
        return
    # Once per recipient too: a robot that opens a conversation with each answer would be answered for ever.
    talks = dict.fromkeys((inbound.conversation or recipient, recipient.lower()))
    keys = [f"{inbound.connector}:{talk}:{opening.isoformat()}" for talk in talks]
    if any(tx.get(AUTO_ANSWERS, key) is not None for key in keys):
        return
    for key in keys:
        tx.insert(AUTO_ANSWERS, AutoAnswer(id=key, at=tx.now))
    phrase = opening_phrase(opening, tx.now, calendar.zone, "ru")
    _send(contact, recipient, company.texts.closed.replace("{next_open}", phrase))
    contact.steps.append(f"Нерабочее время: отправлен автоответ «ответим {phrase}»")


def _send(contact: Contact, recipient: str, text: str) -> None:
    tx, inbound, lead = contact.tx, contact.inbound, contact.lead
    assert lead is not None
    mail = inbound.mail
    references = (*mail.references, mail.message_id) if mail and mail.message_id else ()
    subject = inbound.subject or contact.desk.company.texts.closed_subject
    outbound = Outbound(
        id=tx.new_id("out_"),
        connector=inbound.connector,
        recipient=recipient,
        conversation=inbound.conversation,
        text=text,
        subject=subject if subject.lower().startswith("re:") else f"Re: {subject}",
        automatic=True,
        in_reply_to=mail.message_id if mail else None,
        references=references,
        created_at=tx.now,
    )
    enqueue(tx, outbound, lead.id)
    item = TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.MAIL if mail else ItemKind.MESSAGE,
        at=tx.now,
        lead_id=lead.id,
        person_id=lead.person_id,
        channel=inbound.channel,
        connector=inbound.connector,
        direction="out",
        author="Первая линия",
        text=text,
        subject=outbound.subject if mail else None,
        state="queued",
        outbound_id=outbound.id,
        conversation=inbound.conversation,
        address=recipient,
        automatic=True,
    )
    add(tx, item, owners=(lead.owner_id,))


def reply_address(contact: Contact) -> str | None:
    """Where an answer to this contact goes."""
    inbound = contact.inbound
    if inbound.mail is not None:
        return inbound.mail.reply_to or (inbound.sender.emails[0] if inbound.sender.emails else None)
    return inbound.conversation or (inbound.sender.messengers[0].id if inbound.sender.messengers else None)
