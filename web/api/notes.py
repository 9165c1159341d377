"""`/notifications`: what waits to be read by the signed-in employee."""

from __future__ import annotations

from datetime import datetime

from crm_core.actor import Actor
from crm_core.notifications import NOTIFICATIONS, Notification, mark_all_read, mark_read
from storage import ReadTx, Tx
from web.api.call import Call, Out, Page, Route, page_of
from web.api.input import ListQuery


class NotificationOut(Out, frozen=True, kw_only=True):
    id: str
    kind: str
    text: str
    lead_id: str | None
    deal_id: str | None
    task_id: str | None
    read: bool
    at: datetime


class NotificationQuery(ListQuery, frozen=True, kw_only=True):
    read: bool | None = None


def show_note(note: Notification) -> NotificationOut:
    return NotificationOut(**{name: getattr(note, name) for name in NotificationOut.__struct_fields__})


async def list_(call: Call[NotificationQuery, None]) -> Page[NotificationOut]:
    """One's own, newest first."""
    return await call.read(_list, call.user_id(), call.query)


def _list(tx: ReadTx, actor: Actor, user_id: str, query: NotificationQuery) -> Page[NotificationOut]:
    where = {"user_id": user_id} | ({"read": query.read} if query.read is not None else {})
    rows = tx.find(NOTIFICATIONS, where, sort="-at", limit=query.limit + 1, after=query.cursor)
    return page_of(tx, NOTIFICATIONS, rows, query.limit, "-at", show_note)


async def read(call: Call[None, None]) -> NotificationOut:
    return show_note(await call.write(_read, call.user_id(), call.id))


def _read(tx: Tx, actor: Actor, user_id: str, note_id: str) -> Notification:
    return mark_read(tx, user_id, note_id)


async def read_all(call: Call[None, None]) -> None:
    await call.write(_read_all, call.user_id())


def _read_all(tx: Tx, actor: Actor, user_id: str) -> None:
    mark_all_read(tx, user_id)


ROUTES = (
    Route("GET", "/notifications", list_, "Мои уведомления", "—"),
    Route("POST", "/notifications/read", read_all, "Прочитать все", "—", 204),
    Route("POST", "/notifications/{id}/read", read, "Прочитать одно", "—"),
)
