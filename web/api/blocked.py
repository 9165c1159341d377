"""`/blocked`: the block list, by phone, email or mail domain."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from crm_core.actor import Actor
from crm_core.blocklist import BLOCKED, Blocked, block, list_blocked, unblock
from crm_core.errors import Invalid
from crm_core.people import IdentityKind, identity_id
from router import normalize
from storage import ReadTx, Tx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Line, ListQuery


class BlockedOut(Out, frozen=True, kw_only=True):
    id: str
    reason: str
    by: str | None
    created_at: datetime


class NewBlocked(In, frozen=True, kw_only=True):
    kind: Literal["phone", "email", "domain"]
    value: Line
    reason: Line = ""


def show_blocked(entry: Blocked) -> BlockedOut:
    return BlockedOut(id=entry.id, reason=entry.reason, by=entry.by, created_at=entry.created_at)


async def list_(call: Call[ListQuery, None]) -> Page[BlockedOut]:
    """Newest first."""
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: ListQuery) -> Page[BlockedOut]:
    rows = list_blocked(tx, actor, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, BLOCKED, rows, query.limit, "-created_at", show_blocked)


async def create(call: Call[None, NewBlocked]) -> BlockedOut:
    """Contacts of this phone, address or mail domain are ignored from now on."""
    return show_blocked(await call.write(_create, key_of(call.body), call.body.reason))


def _create(tx: Tx, actor: Actor, key: str, reason: str) -> Blocked:
    return block(tx, actor, key, reason)


def key_of(new: NewBlocked) -> str:
    """The id under which the router looks it up. `Invalid` when the value is not of its kind."""
    if new.kind == "domain":
        found = normalize.email(f"x@{new.value.strip().lstrip('@')}")
        key = "domain:" + found.rpartition("@")[2] if found else None
    else:
        value = (normalize.phone if new.kind == "phone" else normalize.email)(new.value)
        key = identity_id(IdentityKind(new.kind), value) if value else None
    if key is None:
        raise Invalid({"value": "Не похоже на номер, адрес или домен"})
    return key


async def delete(call: Call[None, None]) -> None:
    """Served again; the id is that of the list."""
    await call.write(lambda tx, actor: unblock(tx, actor, call.id))


ROUTES = (
    Route("GET", "/blocked", list_, "Чёрный список", "lead.read"),
    Route("POST", "/blocked", create, "Добавить в чёрный список", "lead.update", 201),
    Route("DELETE", "/blocked/{id}", delete, "Убрать из чёрного списка", "lead.update", 204),
)
