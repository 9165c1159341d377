"""Answers by people: onto the timeline and into the outbox, in one transaction."""

from __future__ import annotations

from typing import Any

from connectors.contract import Attachment, MessageState, Outbound
from connectors.outbox import OUTBOX, OutboxMessage, enqueue, pace
from crm_core import callbacks
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.company import ConnectorInfo
from crm_core.documents.issued import get_document
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.leads import LEADS, Lead, for_change, responded
from crm_core.people import find_person
from crm_core.rights import Action
from crm_core.timeline import TIMELINE, File, ItemKind, TimelineItem, add
from crm_core.users import USERS
from distribution.desk import Desk
from distribution.offers import take
from router.deliveries import on_outbox_change
from storage import ReadTx, Tx

MAX_TEXT = 50_000


def reply(
    tx: Tx,
    actor: Actor,
    desk: Desk,
    lead_id: str,
    text: str,
    *,
    attachments: tuple[Attachment, ...] = (),
    connector: str | None = None,
    subject: str | None = None,
) -> TimelineItem:
    """Answer the customer in the channel of his last contact, or in the one named. Whoever answers an unowned lead
    takes it. `Invalid` names what is missing: text, a connector that can send, an address."""
    lead = for_change(tx, actor, lead_id)
    if not text.strip() and not attachments:
        raise Invalid({"text": "Напишите текст ответа"})
    if len(text) > MAX_TEXT:
        raise Invalid({"text": f"Слишком длинно: {len(text)} знаков, можно до {MAX_TEXT}"})
    info, last = way_to(tx, desk, lead.person_id, lead.id, connector)
    address = last.address if last else address_of(tx, lead.person_id, info)
    if address is None:
        raise Invalid({"connector": f"Через «{info.title}» ответить некуда: у клиента нет такого адреса"})
    if actor.id and lead.open and lead.owner_id is None:
        lead = take(tx, actor, desk, lead.id)
    theme = subject or (last.subject if last else None) or desk.company.texts.reply_subject
    outbound = _outbound(tx, actor, lead, info, last, address, text, attachments, theme)
    enqueue(tx, outbound, lead.id)
    item = sent_item(tx, actor, info, outbound, lead_id=lead.id, person_id=lead.person_id)
    add(tx, item, owners=(lead.owner_id,))
    tx.update(LEADS, responded(tx, lead, tx.now), last_activity_at=tx.now)
    callbacks.close_callbacks(tx, lead.id, f"Клиенту написали: {actor.name}", actor.id)
    record(tx, actor, "lead", lead.id, "replied", {"connector": (None, info.name)})
    return item


def way_to(
    tx: ReadTx, desk: Desk, person_id: str | None, lead_id: str | None, wanted: str | None
) -> tuple[ConnectorInfo, TimelineItem | None]:
    """The connector to write to a customer through, and the item that is answered. `Invalid` when there is none."""
    connectors = desk.company.connectors
    if wanted is not None and (wanted not in connectors or not connectors[wanted].can_reply):
        able = ", ".join(name for name, info in connectors.items() if info.can_reply) or "нет ни одного"
        raise Invalid({"connector": f"Через «{wanted}» ответить нельзя; можно: {able}"})
    where = {"person_id": person_id} if person_id else {"lead_id": lead_id}
    found = tx.find(TIMELINE, where, sort="-at", limit=200) if person_id or lead_id else []
    for item in found:
        info = connectors.get(item.connector or "")
        if item.direction == "in" and item.address and info and info.can_reply and wanted in (None, info.name):
            return info, item
    for info in connectors.values():
        if info.can_reply and wanted in (None, info.name) and address_of(tx, person_id, info):
            return info, None
    raise Invalid({"connector": "Ответить некуда: у клиента нет адреса ни в одном подключённом канале"})


def address_of(tx: ReadTx, person_id: str | None, info: ConnectorInfo) -> str | None:
    """Where the person can be written to through this connector though he never wrote through it."""
    person = find_person(tx, person_id) if person_id else None
    if person is None or info.channel != "email":
        return None
    return person.emails[0] if person.emails else None


def _outbound(
    tx: Tx, actor: Actor, lead: Lead, info: ConnectorInfo, last: TimelineItem | None, address: str, text: str,
    attachments: tuple[Attachment, ...], subject: str,
) -> Outbound:  # fmt: skip
    user = tx.get(USERS, actor.id) if actor.id else None
    signature = f"\n\n-- \n{user.signature}" if user and user.signature and info.channel == "email" else ""
    answers = last is not None and not subject.lower().startswith("re:")
    return Outbound(
        id=tx.new_id("out_"),
        connector=info.name,
        recipient=address,
        conversation=last.conversation if last else None,
        text=text.strip() + signature,
        subject=f"Re: {subject}" if answers else subject,
        attachments=attachments,
        author=actor.name if actor.id else None,
        in_reply_to=last.message_id if last else None,
        references=(*last.references, last.message_id) if last and last.message_id else (),
        quote=last.text[:5000] if last and info.channel == "email" else None,
        created_at=tx.now,
    )


def sent_item(tx: Tx, actor: Actor, info: ConnectorInfo, outbound: Outbound, **links: Any) -> TimelineItem:
    """What stands on the timeline of a message on its way out; `links` say whose."""
    is_letter = info.channel == "email"
    return TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.MAIL if is_letter else ItemKind.MESSAGE,
        at=tx.now,
        channel=info.channel,
        connector=info.name,
        direction="out",
        author_id=actor.id,
        author=actor.name,
        text=outbound.text,
        subject=outbound.subject if is_letter else None,
        attachments=tuple(File(id=a.blob, name=a.name, type=a.type, size=a.size) for a in outbound.attachments),
        state="queued",
        outbound_id=outbound.id,
        conversation=outbound.conversation,
        address=outbound.recipient,
        **links,
    )


def add_note(tx: Tx, actor: Actor, lead_id: str, text: str) -> TimelineItem:
    """An internal note on a lead; the customer never sees it."""
    lead = for_change(tx, actor, lead_id)
    if not text.strip() or len(text) > MAX_TEXT:
        raise Invalid({"text": f"Напишите заметку, не длиннее {MAX_TEXT} знаков"})
    item = TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.NOTE,
        at=tx.now,
        lead_id=lead.id,
        person_id=lead.person_id,
        author_id=actor.id,
        author=actor.name,
        text=text.strip(),
    )
    return add(tx, item, owners=(lead.owner_id,))


def retry(tx: Tx, actor: Actor, outbound_id: str) -> OutboxMessage:
    """Send a failed message again."""
    return _restate(tx, actor, outbound_id, "failed", {"state": "queued", "pending": True, "error": None})


def cancel(tx: Tx, actor: Actor, outbound_id: str) -> OutboxMessage:
    """Take a message back that was not sent yet."""
    return _restate(tx, actor, outbound_id, "queued", {"state": "cancelled", "pending": False})


def _restate(tx: Tx, actor: Actor, outbound_id: str, needed: str, changes: dict[str, Any]) -> OutboxMessage:
    row = tx.get(OUTBOX, outbound_id)
    if row is None:
        raise Missing("Такого сообщения нет")
    if row.lead_id:
        for_change(tx, actor, row.lead_id)
    elif (item := tx.first(TIMELINE, {"outbound_id": row.id})) and (document_id := item.data.get("document_id")):
        get_document(tx, actor, document_id, Action.UPDATE)
    else:
        check(actor, "outbox", Action.MANAGE)
    if row.state != needed:
        raise Conflict(f"Сообщение в состоянии «{row.state}», а нужно «{needed}»")
    state = MessageState(changes.pop("state"))
    row = tx.update(OUTBOX, row, state=state, next_attempt_at=tx.now, attempts=0, **changes)
    pace(tx, row.lane, tx.now)
    row = tx.require(OUTBOX, row.id)
    record(tx, actor, "outbox", row.id, state)
    on_outbox_change(tx, row)
    return row
