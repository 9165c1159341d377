"""Notes to employees that wait until they are read: an escalation, a missed offer, a lead given by a colleague."""

from __future__ import annotations

from datetime import datetime, timedelta

from crm_core.changes import tell
from crm_core.errors import Missing
from storage import Collection, Entity, Gt, Index, Tx


class Notification(Entity, frozen=True, kw_only=True):
    user_id: str
    kind: str
    text: str
    lead_id: str | None = None
    task_id: str | None = None
    deal_id: str | None = None
    key: str | None = None
    """What it is about, where the same news may come again."""
    read: bool = False
    at: datetime


NOTIFICATIONS = Collection("notifications", Notification, [Index("user_id", "read", "at")])


def notify(
    tx: Tx, user_id: str, kind: str, text: str, *, lead_id: str | None = None, task_id: str | None = None,
    deal_id: str | None = None, key: str | None = None, quiet: timedelta = timedelta(0),
) -> Notification:  # fmt: skip
    """Leave a note for one employee and show it on his open pages at once.

    With a `key` nobody is flooded: an unread note of this key gets the new text instead of company, and after a read
    one the next comes `quiet` later at the earliest. The note that stands is returned.
    """
    earlier = _last_of(tx, user_id, key, quiet) if key else None
    if earlier is not None:
        return earlier if earlier.read else tx.update(NOTIFICATIONS, earlier, text=text, lead_id=lead_id, at=tx.now)
    note = Notification(
        id=tx.new_id(), user_id=user_id, kind=kind, text=text, lead_id=lead_id, task_id=task_id, deal_id=deal_id,
        key=key, at=tx.now,
    )  # fmt: skip
    tx.insert(NOTIFICATIONS, note)
    tell(tx, "notification", note.id, kind, lead_id=lead_id, to=(user_id,), data={"text": text})
    return note


READ_AT_ONCE = 500
LOOK_BACK = 200
"""So many notes of an employee are searched for an earlier one of the same key."""


def _last_of(tx: Tx, user_id: str, key: str, quiet: timedelta) -> Notification | None:
    unread = tx.find(NOTIFICATIONS, {"user_id": user_id, "read": False}, sort="-at", limit=LOOK_BACK)
    recent = tx.find(
        NOTIFICATIONS, {"user_id": user_id, "read": True, "at": Gt(tx.now - quiet)}, sort="-at", limit=LOOK_BACK
    )
    return next((note for note in (*unread, *recent) if note.key == key), None)


def mark_read(tx: Tx, user_id: str, note_id: str) -> Notification:
    """One's own note was read. `Missing` for somebody else's."""
    note = tx.get(NOTIFICATIONS, note_id)
    if note is None or note.user_id != user_id:
        raise Missing("Такого уведомления нет")
    if note.read:
        return note
    tell(tx, "notification", note.id, "read", to=(user_id,))
    return tx.update(NOTIFICATIONS, note, read=True)


def mark_all_read(tx: Tx, user_id: str) -> None:
    """Everything up to now was read, on every page of this employee."""
    for note in tx.find(NOTIFICATIONS, {"user_id": user_id, "read": False}, limit=READ_AT_ONCE):
        mark_read(tx, user_id, note.id)
