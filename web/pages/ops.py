"""The page of whoever is on duty: every channel, what waits, what failed and why, and the buttons that mend it.

Ops see how contacts flow, not who wrote them: the native event is shown only where a record is in quarantine, because
there it is what has to be mended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from connectors.contract import ConnectorError, MessageState
from connectors.health import Health
from connectors.outbox import OUTBOX, OutboxMessage
from crm_core.access import check, may
from crm_core.actor import Actor
from crm_core.errors import Missing
from crm_core.rights import Action
from router.journal import JOURNAL, JournalRecord, discard, list_journal, replay
from storage import ReadTx
from web.pages.actions import done, toast
from web.pages.i18n import _, mark
from web.pages.look import seen_by
from web.pages.render import Reader, page, part, reader

SHOWN = 30
COUNT_TO = 10_000
MINUTES = 60
IGNORED = {
    "spam": mark("робот или спам"),
    "blocked": mark("чёрный список"),
    "routing_rule": mark("правило маршрутизации"),
    "robot_auto_reply": mark("автоответ"),
    "robot_bounce": mark("возврат письма"),
    "robot_mailing_list": mark("рассылка"),
    "robot_spam": mark("спам по отметке сервера"),
}
STATES = {
    "starting": (mark("Запускается"), "blue"),
    "up": (mark("Работает"), "green"),
    "degraded": (mark("С перебоями"), "amber"),
    "down": (mark("Нет связи"), "red"),
    "misconfigured": (mark("Нужна настройка"), "red"),
    "disabled": (mark("Отключён"), "gray"),
    "paused": (mark("На паузе"), "gray"),
}


@dataclass(frozen=True, slots=True)
class Flow:
    """What waits between the channels and the sellers."""

    pending: int
    oldest: datetime | None
    quarantine: list[JournalRecord]
    quarantined: int
    ignored: list[JournalRecord]
    """What was taken for robots and spam lately, to be called back."""
    queued: int
    failed: list[OutboxMessage]
    failed_count: int


def flow(tx: ReadTx, actor: Actor) -> Flow:
    """Depth of journal, outbox and quarantine."""
    sees_journal = may(actor, "journal", Action.READ)
    oldest = tx.first(JOURNAL, {"pending": True}, sort="available_at")
    failed_where = {"state": MessageState.FAILED}
    sees_outbox = may(actor, "outbox", Action.READ)
    return Flow(
        pending=tx.count(JOURNAL, {"pending": True}, limit=COUNT_TO),
        oldest=oldest.received_at if oldest else None,
        quarantine=list_journal(tx, actor, {"state": "quarantined"}, limit=SHOWN) if sees_journal else [],
        quarantined=tx.count(JOURNAL, {"state": "quarantined"}, limit=COUNT_TO),
        ignored=_ignored(tx, actor) if sees_journal else [],
        queued=tx.count(OUTBOX, {"state": MessageState.QUEUED}, limit=COUNT_TO),
        failed=tx.find(OUTBOX, failed_where, sort="-created_at", limit=SHOWN) if sees_outbox else [],
        failed_count=tx.count(OUTBOX, failed_where, limit=COUNT_TO),
    )


def _ignored(tx: ReadTx, actor: Actor) -> list[JournalRecord]:
    found = list_journal(tx, actor, {"state": "ignored"}, limit=SHOWN)
    return [record for record in found if record.rule in IGNORED]


def sparkline(health: Health, now: datetime, width: int = 120, height: int = 28) -> dict[str, Any]:
    """Inbounds per minute of the last hour as the points of an SVG line, with the total and the peak."""
    last = int(now.timestamp() // 60)
    by_minute = dict(health.minutes)
    values = [by_minute.get(minute, 0) for minute in range(last - MINUTES + 1, last + 1)]
    peak = max(values)
    step = width / (MINUTES - 1)
    points = [
        (round(i * step, 1), round(height - 1 - (value / max(peak, 1)) * (height - 4), 1))
        for i, value in enumerate(values)
    ]
    line = " ".join(f"{x},{y}" for x, y in points)
    return {"line": line, "area": f"0,{height} {line} {width},{height}", "total": sum(values), "peak": peak}


async def _state(who: Reader) -> dict[str, Any]:
    check(who.actor, "connector", Action.READ)
    found = await who.read(flow, who.actor)
    health = who.services.supervisor.health()
    return {
        "health": [(each, sparkline(each, who.look.now)) for each in health],
        "flow": found,
        "states": STATES,
        "ignored_as": IGNORED,
        "manages": may(who.actor, "connector", Action.MANAGE),
        "mends": may(who.actor, "journal", Action.MANAGE),
        "resends": may(who.actor, "outbox", Action.MANAGE),
        "stale": who.look.now - timedelta(minutes=1),
    }


async def ops_page(request: web.Request) -> web.Response:
    """`GET /ops`."""
    who = await reader(request)
    return await page(request, who, "ops/page.html", "ops", **await _state(who))


async def ops_part(request: web.Request) -> web.Response:
    """`GET /ops/state`: all of it anew."""
    who = await reader(request)
    return part(request, who, "ops/state.html", **await _state(who))


async def connector_command(request: web.Request) -> web.Response:
    """`POST /ops/connectors/{name}/{command}`: test, pause or resume."""
    who = await reader(request)
    check(who.actor, "connector", Action.MANAGE)
    name, command = request.match_info["name"], request.match_info["command"]
    supervisor = who.services.supervisor
    if supervisor.known(name) is None:
        raise Missing("Такого канала нет")
    if command == "test":
        return done(toast=await _test(who, name))
    await (supervisor.pause(name) if command == "pause" else supervisor.resume(name))
    return done(**{"ops:changed": {}})


async def _test(who: Reader, name: str) -> dict[str, Any]:
    try:
        return {"text": await who.services.supervisor.test(name), "tone": "good", "long": True}
    except ConnectorError as error:
        with seen_by(who.look):
            return {"text": _("Проверка не прошла: %(error)s") % {"error": error}, "tone": "bad", "long": True}


def _record(tx: ReadTx, actor: Actor, record_id: str) -> JournalRecord:
    check(actor, "journal", Action.READ)
    record = tx.get(JOURNAL, record_id)
    if record is None or record.state not in ("quarantined", "ignored"):
        raise Missing("Такой записи в карантине нет")
    return record


async def quarantine_part(request: web.Request) -> web.Response:
    """`GET /ops/quarantine/{id}`: the native event of a record that could not be handled."""
    who = await reader(request)
    record = await who.read(_record, who.actor, request.match_info["id"])
    raw = msgspec.json.format(msgspec.json.encode(record.inbound), indent=2).decode("utf-8", "replace")
    return part(request, who, "ops/quarantined.html", record=record, raw=raw)


async def quarantine_command(request: web.Request) -> web.Response:
    """`POST /ops/quarantine/{id}/{command}`: replay or discard."""
    who = await reader(request)
    command: Callable[..., JournalRecord] = replay if request.match_info["command"] == "replay" else discard
    await who.write(command, who.actor, request.match_info["id"])
    text = mark("Отправлено на повторную обработку") if command is replay else mark("Запись снята с обработки")
    return done(**{"ops:changed": {}, "toast": toast(who, text)})
