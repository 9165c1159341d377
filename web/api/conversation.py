"""What is said around a lead: answers to the customer, notes, the timeline, and why the lead went where it went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from connectors.contract import Attachment
from crm_core.actor import Actor
from crm_core.decisions import DECISIONS, Decision
from crm_core.leads import get_lead
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem
from crm_core.timeline_rights import is_readable
from distribution.desk import Desk
from router.outgoing import add_note, reply
from storage import Filter, ReadTx, Tx
from web.api.call import Call, In, Out, Page, Route, page_of, sifted
from web.api.files import MAX_FILES, attachments_of
from web.api.input import Id, Line, ListQuery, Text
from web.api.shapes import TimelineOut, show_item

UploadId = Annotated[str, Meta(min_length=1, max_length=2000)]


class NewMessage(In, frozen=True, kw_only=True):
    text: Text = ""
    subject: Line | None = None
    connector: Id | None = None
    """Through which channel; without it, through that of the customer's last contact."""
    attachments: Annotated[list[UploadId], Meta(max_length=MAX_FILES)] = []
    """Ids that `POST /files` gave."""


async def send(call: Call[None, NewMessage]) -> TimelineOut:
    """Into the durable outbox. Files may come along as parts of a multipart form instead."""
    files = await attachments_of(call.store, call.actor, call.body.attachments)
    return await call.write(_send, call.services.desk, call.id, call.body, files)


def _send(
    tx: Tx, actor: Actor, desk: Desk, lead_id: str, body: NewMessage, files: tuple[Attachment, ...]
) -> TimelineOut:
    item = reply(tx, actor, desk, lead_id, body.text, attachments=files, connector=body.connector, subject=body.subject)
    return show_item(item)


class NewNote(In, frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=50_000)]


async def note(call: Call[None, NewNote]) -> TimelineOut:
    """The customer never sees it."""
    return show_item(await call.write(add_note, call.id, call.body.text))


class TimelineQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["at", "-at"] = "-at"
    kind: ItemKind | None = None


def timeline_rows(tx: ReadTx, where: Filter, query: TimelineQuery) -> list[TimelineItem]:
    """The items of one record, one more than a page."""

    def found(limit: int, after: str | None) -> list[TimelineItem]:
        return tx.find(TIMELINE, where, sort=query.sort, limit=limit, after=after)

    if query.kind is None:
        return found(query.limit + 1, query.cursor)
    return sifted(
        tx, TIMELINE, found, lambda item: item.kind is query.kind,
        limit=query.limit + 1, sort=query.sort, after=query.cursor,
    )  # fmt: skip


def timeline_page(tx: ReadTx, actor: Actor, rows: list[TimelineItem], query: TimelineQuery) -> Page[TimelineOut]:
    """A page of what the reader may see of these rows, one more than a page; it may be shorter for what he may not."""
    found = page_of(tx, TIMELINE, rows, query.limit, query.sort, lambda item: item)
    return Page(items=[show_item(item) for item in found.items if is_readable(tx, actor, item)], next=found.next)


async def timeline(call: Call[TimelineQuery, None]) -> Page[TimelineOut]:
    return await call.read(_timeline, call.id, call.query)


def _timeline(tx: ReadTx, actor: Actor, lead_id: str, query: TimelineQuery) -> Page[TimelineOut]:
    get_lead(tx, actor, lead_id)
    rows = timeline_rows(tx, {"lead_id": lead_id}, query)
    return timeline_page(tx, actor, rows, query)


class VerdictOut(Out, frozen=True, kw_only=True):
    user_id: str
    name: str
    verdict: str
    reason: str


class DecisionOut(Out, frozen=True, kw_only=True):
    id: str
    at: datetime
    rule: str
    text: str
    steps: tuple[str, ...]
    candidates: tuple[VerdictOut, ...]
    inbound_id: str | None


def show_decision(decision: Decision) -> DecisionOut:
    return DecisionOut(
        id=decision.id,
        at=decision.at,
        rule=decision.rule,
        text=decision.text,
        steps=decision.steps,
        candidates=tuple(
            VerdictOut(user_id=c.user_id, name=c.name, verdict=c.verdict, reason=c.reason) for c in decision.candidates
        ),
        inbound_id=decision.inbound_id,
    )


class DecisionQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["at", "-at"] = "at"


async def decisions(call: Call[DecisionQuery, None]) -> Page[DecisionOut]:
    """Rule, steps, who was considered, who was skipped and why."""
    return await call.read(_decisions, call.id, call.query)


def _decisions(tx: ReadTx, actor: Actor, lead_id: str, query: DecisionQuery) -> Page[DecisionOut]:
    get_lead(tx, actor, lead_id)
    rows = tx.find(DECISIONS, {"lead_id": lead_id}, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, DECISIONS, rows, query.limit, query.sort, show_decision)


ROUTES = (
    Route("POST", "/leads/{id}/messages", send, "Ответить клиенту", "lead.update", 201, upload=True),
    Route("POST", "/leads/{id}/notes", note, "Оставить заметку для своих", "lead.update", 201),
    Route("GET", "/leads/{id}/timeline", timeline, "Лента лида", "lead.read"),
    Route("GET", "/leads/{id}/decisions", decisions, "Почему лид попал туда, куда попал", "lead.read"),
)
