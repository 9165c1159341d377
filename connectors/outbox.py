"""The durable outbox: what goes to customers, in order per conversation, until the channel took it.

Rows are written in the transaction that decided to send; the sender (`connectors/sender.py`) works them off.
"""

from __future__ import annotations

from datetime import datetime

from connectors.contract import MessageState, Outbound
from storage import Collection, Entity, Index, ReadTx, Tx


class OutboxMessage(Entity, frozen=True, kw_only=True):
    """`id` is that of the `Outbound`."""

    connector: str
    lane: str
    """Messages of one lane keep their order: connector and conversation or recipient."""
    outbound: Outbound
    lead_id: str | None = None
    state: MessageState = MessageState.QUEUED
    pending: bool = True
    """Still to be sent."""
    next_attempt_at: datetime
    attempts: int = 0
    error: str | None = None
    external_id: str | None = None
    sent_at: datetime | None = None
    created_at: datetime


OUTBOX = Collection(
    "outbox",
    OutboxMessage,
    [
        Index("connector", "next_attempt_at", where={"pending": True}),
        Index("lane", "created_at", where={"pending": True}),
        Index("state", "created_at"),
        Index("connector", "external_id"),
        Index("created_at"),
    ],
)


def enqueue(tx: Tx, outbound: Outbound, lead_id: str | None = None) -> OutboxMessage:
    """Put a message into the outbox; behind a message that waits for its next attempt it waits as long."""
    lane = f"{outbound.connector}\0{outbound.conversation or outbound.recipient}"
    head = lane_head(tx, lane)
    return tx.insert(
        OUTBOX,
        OutboxMessage(
            id=outbound.id,
            connector=outbound.connector,
            lane=lane,
            outbound=outbound,
            lead_id=lead_id,
            next_attempt_at=max(tx.now, head.next_attempt_at) if head else tx.now,
            created_at=tx.now,
        ),
    )


def lane_head(tx: ReadTx, lane: str) -> OutboxMessage | None:
    """The message of a conversation that goes next."""
    return tx.first(OUTBOX, {"lane": lane, "pending": True}, sort="created_at")


def pace(tx: Tx, lane: str, moment: datetime) -> None:
    """Let a conversation go on at this moment. All of its messages wait together, so that those behind a failed one
    are not looked at in vain and take no place from other conversations."""
    for row in tx.find(OUTBOX, {"lane": lane, "pending": True}, sort="created_at"):
        tx.update(OUTBOX, row, next_attempt_at=moment)
