"""The timeline: everything in and out, across all channels, on the lead and on the person behind it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from crm_core.changes import tell
from storage import Collection, Entity, Index, Tx


class ItemKind(StrEnum):
    MESSAGE = "message"
    MAIL = "mail"
    CALL = "call"
    FORM = "form"
    ORDER = "order"
    CALLBACK = "callback"
    NOTE = "note"
    TASK = "task"
    STAGE = "stage"
    OFFER = "offer"
    DECISION = "decision"
    COMMENT = "comment"
    DEAL = "deal"


class File(Entity, frozen=True, kw_only=True):
    """An attachment; `id` is its blob address."""

    name: str
    type: str
    size: int
    content_id: str | None = None


class TimelineItem(Entity, frozen=True, kw_only=True):
    """One thing that happened."""

    kind: ItemKind
    at: datetime
    lead_id: str | None = None
    deal_id: str | None = None
    person_id: str | None = None
    task_id: str | None = None
    channel: str | None = None
    connector: str | None = None
    direction: str | None = None
    """`in`, `out` or None for what happened inside."""
    author_id: str | None = None
    author: str | None = None
    text: str = ""
    subject: str | None = None
    html: str | None = None
    """Sanitized; shown in a sandboxed frame."""
    attachments: tuple[File, ...] = ()
    fields: dict[str, str] = {}
    state: str | None = None
    """Of an outgoing message: queued, sending, sent, delivered, read, failed."""
    error: str | None = None
    inbound_id: str | None = None
    outbound_id: str | None = None
    message_id: str | None = None
    """Message-ID of a letter, for threading."""
    references: tuple[str, ...] = ()
    conversation: str | None = None
    address: str | None = None
    """The outside party's address: where an answer goes."""
    automatic: bool = False
    call: dict[str, Any] | None = None
    data: dict[str, Any] = {}


TIMELINE = Collection(
    "timeline",
    TimelineItem,
    [
        Index("lead_id", "at"),
        Index("deal_id", "at", sparse=True),
        Index("person_id", "at"),
        Index("task_id", "at", sparse=True),
        Index("message_id", sparse=True),
        Index("outbound_id", sparse=True),
    ],
)


def add(tx: Tx, item: TimelineItem, owners: tuple[str | None, ...] = ()) -> TimelineItem:
    """Put it on the timeline and tell the open pages."""
    tx.append(TIMELINE, item)
    links = {"deal_id": item.deal_id, "task_id": item.task_id, "task_kind": item.data.get("task_kind")}
    tell(
        tx,
        "timeline",
        item.id,
        item.kind,
        lead_id=item.lead_id,
        owners=owners,
        data={"direction": item.direction, "channel": item.channel, **links},
    )
    return item
