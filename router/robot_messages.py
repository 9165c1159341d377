"""What a robot writes to a customer: in the channel of his last contact, or by letter, through the durable outbox.

A robot is no human of ours: its message neither answers a waiting customer nor closes a callback.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connectors.contract import Outbound
from connectors.outbox import enqueue
from crm_core.audit import record as note
from crm_core.company import ConnectorInfo
from crm_core.deals import Deal
from crm_core.errors import CoreError, Invalid
from crm_core.robot_actions import Action, Doing, Record
from crm_core.robots import Preview
from crm_core.timeline import TIMELINE, TimelineItem, add
from distribution.desk import Desk
from router.hours import NO_REPLY
from router.outgoing import MAX_TEXT, address_of, sent_item, way_to
from storage import Gt, ReadTx

ACTION = "send_message"
HOUR = timedelta(hours=1)
MOST = 5
"""Messages of one robot about one record in an hour: two robots that answer each other come to rest."""
LOOKED_AT = 200


def actions(desk: Desk) -> dict[str, Action]:
    """The action of this room, by its name."""
    return {ACTION: lambda doing: send_message(desk, doing)}


def previews(desk: Desk) -> dict[str, Preview]:
    """What a dry run says of it."""
    return {ACTION: lambda tx, company, record, params: _preview(tx, desk, record, params)}


def send_message(desk: Desk, doing: Doing) -> str:
    """`text`, and for letters `subject`; `connector`: another way than that of the last contact."""
    text = doing.text("text").strip()
    if not text or len(text) > MAX_TEXT:
        raise Invalid({"text": f"Нужен текст, не длиннее {MAX_TEXT} знаков"})
    info, last, address = _way(doing.tx, desk, doing.record, doing.params.get("connector") or None)
    if _written(doing, address) >= MOST:
        raise Invalid({"text": f"За час написано уже {MOST} раз: похоже, отвечает такой же робот"})
    subject = doing.text("subject").strip() or _subject(desk, last)
    outbound = Outbound(
        id=doing.tx.new_id("out_"),
        connector=info.name,
        recipient=address,
        conversation=last.conversation if last else None,
        text=text,
        subject=subject[:300],
        in_reply_to=last.message_id if last else None,
        references=(*last.references, last.message_id) if last and last.message_id else (),
        automatic=True,
        created_at=doing.tx.now,
    )
    enqueue(doing.tx, outbound, doing.record.id if doing.entity == "lead" else None)
    links = {f"{doing.entity}_id": doing.record.id, "person_id": doing.record.person_id}
    item = sent_item(doing.tx, doing.actor, info, outbound, automatic=True, **links)
    add(doing.tx, item, owners=(doing.record.owner_id,))
    note(doing.tx, doing.actor, doing.entity, doing.record.id, "replied", {"connector": (None, info.name)})
    return f"клиенту написано через «{info.title}»"


def _written(doing: Doing, address: str) -> int:
    """How often this robot wrote to this address within the last hour."""
    where = {f"{doing.entity}_id": doing.record.id, "at": Gt(doing.tx.now - HOUR)}
    found = doing.tx.find(TIMELINE, where, sort="-at", limit=LOOKED_AT)
    own = (item for item in found if item.automatic and item.author == doing.actor.name)
    return sum(item.address == address for item in own)


def _way(tx: ReadTx, desk: Desk, record: Record, wanted: str | None) -> tuple[ConnectorInfo, TimelineItem | None, str]:
    lead_id = record.lead_id if isinstance(record, Deal) else record.id
    info, last = way_to(tx, desk, record.person_id, lead_id, wanted)
    address = last.address if last else address_of(tx, record.person_id, info)
    if address is None or NO_REPLY.match(address):
        raise Invalid({"connector": f"Через «{info.title}» написать некуда: у клиента нет такого адреса"})
    return info, last, address


def _subject(desk: Desk, last: TimelineItem | None) -> str:
    answered = last.subject if last else None
    if not answered:
        return desk.company.texts.reply_subject
    return answered if answered.lower().startswith("re:") else f"Re: {answered}"


def _preview(tx: ReadTx, desk: Desk, record: Record, params: Mapping[str, str]) -> str:
    try:
        info, _, address = _way(tx, desk, record, params.get("connector") or None)
    except CoreError as error:
        return f"не получится: {error}"
    return f"через «{info.title}» на {address}"
