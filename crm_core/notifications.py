"""Notes to employees that wait until they are read: an escalation, a missed offer, a lead given by a colleague."""

from __future__ import annotations

from datetime import datetime

from crm_core.changes import tell
from storage import Collection, Entity, Index, Tx


class Notification(Entity, frozen=True, kw_only=True):
    user_id: str
    kind: str
    text: str
    lead_id: str | None = None
    task_id: str | None = None
    read: bool = False
    at: datetime


NOTIFICATIONS = Collection("notifications", Notification, [Index("user_id", "read", "at")])


def notify(
    tx: Tx, user_id: str, kind: str, text: str, *, lead_id: str | None = None, task_id: str | None = None
) -> Notification:
    """Leave a note for one employee and show it on his open pages at once."""
    note = tx.insert(
        NOTIFICATIONS,
        Notification(
            id=tx.new_id(), user_id=user_id, kind=kind, text=text, lead_id=lead_id, task_id=task_id, at=tx.now
        ),
    )
    tell(tx, "notification", note.id, kind, lead_id=lead_id, to=(user_id,), data={"text": text})
    return note
