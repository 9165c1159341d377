"""For whoever is on duty: connectors, journal, quarantine, outbox, audit. What customers wrote is not shown here."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Literal

import structlog
from msgspec import field

from connectors.contract import ConnectorError
from connectors.health import Health
from connectors.outbox import OUTBOX, OutboxMessage
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import AUDIT, AuditEntry, record
from crm_core.errors import Missing
from crm_core.rights import Action
from router.journal import JOURNAL, JournalRecord, discard, list_journal, replay
from router.outgoing import cancel, retry
from storage import AllOf, Filter, Gte, Lt, ReadTx
from web.api.call import Call, Out, Page, Route, page_of
from web.api.input import Id, Line, ListQuery, Moment
from web.api.shapes import same
from web.problems import invalid

TEST_WITHIN = 30.0
log = structlog.get_logger("web")


class ErrorOut(Out, frozen=True, kw_only=True):
    at: datetime
    text: str


class ConnectorOut(Out, frozen=True, kw_only=True):
    name: str
    type: str
    channel: str
    title: str
    state: str
    since: datetime | None
    error: str | None
    """What is wrong and what to do about it."""
    detail: str | None
    last_in: datetime | None
    last_out: datetime | None
    received: int
    sent: int
    restarts: int
    rate_per_minute: float
    """Of the last five minutes."""
    counts: dict[str, int]
    errors: list[ErrorOut]
    """Newest first."""


def show_health(health: Health, now: datetime) -> ConnectorOut:
    return ConnectorOut(
        name=health.name,
        type=health.type,
        channel=health.channel,
        title=health.title,
        state=health.state,
        since=health.since,
        error=health.error,
        detail=health.detail,
        last_in=health.last_in,
        last_out=health.last_out,
        received=health.received,
        sent=health.sent,
        restarts=health.restarts,
        rate_per_minute=round(health.rate(now), 2),
        counts=dict(health.counts),
        errors=[ErrorOut(at=at, text=text) for at, text in reversed(health.errors)],
    )


async def connectors(call: Call[ListQuery, None]) -> Page[ConnectorOut]:
    """In the order of the configuration."""
    check(call.actor, "connector", Action.READ)
    found, now, query = call.services.supervisor.health(), call.services.clock(), call.query
    names = [each.name for each in found]
    if query.cursor is not None and query.cursor not in names:
        raise invalid(cursor="Такой страницы нет: начните список сначала")
    start = names.index(query.cursor) + 1 if query.cursor else 0
    shown = found[start : start + query.limit]
    more = start + query.limit < len(found)
    return Page(items=[show_health(each, now) for each in shown], next=shown[-1].name if more else None)


def _health(call: Call[Any, Any], action: Action) -> Health:
    check(call.actor, "connector", action)
    for health in call.services.supervisor.health():
        if health.name == call.ids["name"]:
            return health
    raise Missing("Такого канала нет")


async def connector(call: Call[None, None]) -> ConnectorOut:
    return show_health(_health(call, Action.READ), call.services.clock())


async def pause(call: Call[None, None]) -> ConnectorOut:
    """Stop receiving and sending; nothing queued is lost."""
    health = _health(call, Action.MANAGE)
    await call.services.supervisor.pause(health.name)
    return await _commanded(call, health, "paused")


async def resume(call: Call[None, None]) -> ConnectorOut:
    """Run again, also after a failure that stopped it."""
    health = _health(call, Action.MANAGE)
    await call.services.supervisor.resume(health.name)
    return await _commanded(call, health, "resumed")


async def _commanded(call: Call[Any, Any], health: Health, action: str) -> ConnectorOut:
    await call.write(record, "connector", health.name, action)
    return show_health(health, call.services.clock())


class TestOut(Out, frozen=True, kw_only=True):
    ok: bool
    text: str


async def test(call: Call[None, None]) -> TestOut:
    """Let the connector try its settings; the answer says what was found, in words."""
    health = _health(call, Action.MANAGE)
    try:
        async with asyncio.timeout(TEST_WITHIN):
            return TestOut(ok=True, text=await call.services.supervisor.test(health.name))
    except ConnectorError as error:
        return TestOut(ok=False, text=str(error))
    except TimeoutError:
        return TestOut(ok=False, text=f"Нет ответа за {TEST_WITHIN:.0f} с")
    except Exception as error:
        log.exception("connector test failed", connector=health.name, exc_info=error)
        return TestOut(ok=False, text=f"Проверка не удалась: {type(error).__name__}. Подробности в журнале сервера")


class JournalOut(Out, frozen=True, kw_only=True):
    id: str
    connector: str
    channel: str
    kind: str
    external_id: str
    state: str
    attempts: int
    received_at: datetime
    available_at: datetime
    done_at: datetime | None
    rule: str | None
    lead_id: str | None
    person_id: str | None
    error: str | None


def show_journal(row: JournalRecord) -> JournalOut:
    own = {name: getattr(row, name) for name in JournalOut.__struct_fields__ if hasattr(row, name)}
    inbound = row.inbound
    return JournalOut(**own, channel=inbound.channel, kind=inbound.kind, external_id=inbound.external_id)


class QuarantineQuery(ListQuery, frozen=True, kw_only=True):
    connector: Id | None = None


class JournalQuery(QuarantineQuery, frozen=True, kw_only=True):
    state: Literal["pending", "done", "ignored", "quarantined", "discarded"] | None = None


async def journal(call: Call[JournalQuery, None]) -> Page[JournalOut]:
    """Newest first."""
    return await call.read(_journal, call.query, call.query.state)


async def quarantine(call: Call[QuarantineQuery, None]) -> Page[JournalOut]:
    """What could not be handled, with its reason."""
    return await call.read(_journal, call.query, "quarantined")


def _journal(tx: ReadTx, actor: Actor, query: QuarantineQuery, state: str | None) -> Page[JournalOut]:
    given = {"connector": query.connector, "state": state}
    where = {name: value for name, value in given.items() if value is not None}
    rows = list_journal(tx, actor, where, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, JOURNAL, rows, query.limit, "-received_at", show_journal)


async def journal_record(call: Call[None, None]) -> JournalOut:
    """What became of one inbound: its id is what the channel was answered with."""
    return await call.read(_journal_record, call.id)


def _journal_record(tx: ReadTx, actor: Actor, record_id: str) -> JournalOut:
    check(actor, "journal", Action.READ)
    row = tx.get(JOURNAL, record_id)
    if row is None:
        raise Missing("Такой записи в журнале нет")
    return show_journal(row)


async def replay_record(call: Call[None, None]) -> JournalOut:
    """Handle it again, after whatever was wrong has been mended."""
    return show_journal(await call.write(replay, call.id))


async def discard_record(call: Call[None, None]) -> JournalOut:
    """Give it up for good; it stays in the journal."""
    return show_journal(await call.write(discard, call.id))


class OutboxOut(Out, frozen=True, kw_only=True):
    id: str
    connector: str
    state: str
    lead_id: str | None
    attempts: int
    next_attempt_at: datetime
    error: str | None
    external_id: str | None
    sent_at: datetime | None
    created_at: datetime


def show_outbox(row: OutboxMessage) -> OutboxOut:
    return same(OutboxOut, row)


class OutboxQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    state: Literal["queued", "sending", "sent", "delivered", "read", "failed", "cancelled"] | None = None
    connector: Id | None = None


async def outbox(call: Call[OutboxQuery, None]) -> Page[OutboxOut]:
    return await call.read(_outbox, call.query)


def _outbox(tx: ReadTx, actor: Actor, query: OutboxQuery) -> Page[OutboxOut]:
    check(actor, "outbox", Action.READ)
    given = {"state": query.state, "connector": query.connector}
    where = {name: value for name, value in given.items() if value is not None}
    rows = tx.find(OUTBOX, where, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, OUTBOX, rows, query.limit, query.sort, show_outbox)


async def retry_message(call: Call[None, None]) -> OutboxOut:
    """Send a failed message again."""
    return show_outbox(await call.write(retry, call.id))


async def cancel_message(call: Call[None, None]) -> OutboxOut:
    """Take a message back that was not sent yet."""
    return show_outbox(await call.write(cancel, call.id))


class AuditOut(Out, frozen=True, kw_only=True):
    id: str
    at: datetime
    actor_id: str | None
    actor: str
    entity: str
    entity_id: str
    action: str
    changes: dict[str, tuple[Any, Any]]
    """Field → before and after."""


class AuditQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["at", "-at"] = "-at"
    entity_id: Line | None = None
    actor_id: Id | None = None
    from_: Moment | None = field(default=None, name="from")
    to: Moment | None = None


async def audit(call: Call[AuditQuery, None]) -> Page[AuditOut]:
    """Who changed what, when, from what to what."""
    return await call.read(_audit, call.query)


def _audit(tx: ReadTx, actor: Actor, query: AuditQuery) -> Page[AuditOut]:
    check(actor, "audit", Action.READ)
    given = {"entity_id": query.entity_id, "actor_id": query.actor_id}
    filters: list[Filter] = [{name: value for name, value in given.items() if value is not None}]
    if query.from_ is not None:
        filters.append({"at": Gte(query.from_)})
    if query.to is not None:
        filters.append({"at": Lt(query.to)})
    rows = tx.find(AUDIT, AllOf(tuple(filters)), sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, AUDIT, rows, query.limit, query.sort, show_audit)


def show_audit(entry: AuditEntry) -> AuditOut:
    return same(AuditOut, entry)


ROUTES = (
    Route("GET", "/connectors", connectors, "Каналы и их состояние", "connector.read"),
    Route("GET", "/connectors/{name}", connector, "Канал", "connector.read"),
    Route("POST", "/connectors/{name}/pause", pause, "Приостановить канал", "connector.manage"),
    Route("POST", "/connectors/{name}/resume", resume, "Запустить снова", "connector.manage"),
    Route("POST", "/connectors/{name}/test", test, "Проверить связь", "connector.manage"),
    Route("GET", "/journal", journal, "Журнал обращений", "journal.read"),
    Route("GET", "/journal/{id}", journal_record, "Что стало с обращением", "journal.read"),
    Route("GET", "/quarantine", quarantine, "Карантин", "journal.read"),
    Route("POST", "/quarantine/{id}/replay", replay_record, "Обработать заново", "journal.manage"),
    Route("POST", "/quarantine/{id}/discard", discard_record, "Отказаться от обращения", "journal.manage"),
    Route("GET", "/outbox", outbox, "Исходящие", "outbox.read"),
    Route("POST", "/outbox/{id}/retry", retry_message, "Отправить снова", "lead.update"),
    Route("POST", "/outbox/{id}/cancel", cancel_message, "Отменить отправку", "lead.update"),
    Route("GET", "/audit", audit, "Кто, что и когда изменил", "audit.read"),
)
