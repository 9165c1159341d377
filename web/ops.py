"""What machines ask about the hub: does the process live, can it accept and store, how is it doing.

No personal data is in any of it. Figures are made when asked for, out of counts that stay cheap however large the store
grows; the counters of requests live in this process.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors import cursors
from connectors.contract import HealthState, MessageState
from connectors.health import Health
from connectors.outbox import OUTBOX
from crm_core.leads import LEADS
from router.journal import JOURNAL
from storage import ReadTx, Store, StoreUnavailable, Tx
from web.problems import RETRY_AFTER, Problem
from web.services import SERVICES
from web.stream import FEED

log = structlog.get_logger("web")

PROBE_EVERY = 3.0
"""Seconds for which an answer of the write probe is used again."""
PROBE_WITHIN = 5.0
UNSENT = (MessageState.QUEUED, MessageState.SENDING, MessageState.FAILED)
"""Outbox states that are counted; what was sent is counted by the connectors."""


@dataclass(slots=True)
class Probe:
    """The last answer to «can the store write?»."""

    asked_at: float = float("-inf")
    error: str | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


REQUESTS: web.AppKey[Tally[tuple[str, str]]] = web.AppKey("requests")
PROBE: web.AppKey[Probe] = web.AppKey("probe", Probe)


def add_counters(app: web.Application) -> None:
    """What `count` counts in."""
    app[REQUESTS] = Tally()


def add_ops(app: web.Application, *, counters_of: web.Application) -> None:
    """Register the addresses."""
    app[REQUESTS] = counters_of[REQUESTS]
    app[PROBE] = Probe()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


def count(app: web.Application, door: str, status: int) -> None:
    """Count a request: `door` is `in`, `api` or `page`."""
    app[REQUESTS][door, f"{status // 100}xx"] += 1


async def healthz(request: web.Request) -> web.Response:
    """The process lives."""
    return web.json_response({"status": "ok", "version": request.app[SERVICES].version})


async def readyz(request: web.Request) -> web.Response:
    """It can accept and store: a tiny write goes through. `503` with the reason when not."""
    probe, store = request.app[PROBE], request.app[SERVICES].store
    loop = asyncio.get_running_loop()
    async with probe.lock:
        if loop.time() - probe.asked_at > PROBE_EVERY:
            probe.error = await _write_error(store)
            probe.asked_at = loop.time()
    if probe.error is not None:
        raise Problem(503, probe.error, headers={"Retry-After": RETRY_AFTER})
    return web.json_response({"status": "ready"})


async def _write_error(store: Store) -> str | None:
    try:
        async with asyncio.timeout(PROBE_WITHIN):
            await store.write(_touch)
    except StoreUnavailable as error:
        log.error("store cannot write", error=str(error))
        return "Хранилище не принимает запись: проверьте место на диске и права на папку данных"
    except TimeoutError:
        return f"Хранилище не ответило за {PROBE_WITHIN:.0f} с"
    return None


def _touch(tx: Tx) -> None:
    cursors.save(tx, "readyz", "probe", tx.now.isoformat())


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text format."""
    app = request.app
    services = app[SERVICES]
    stored = await services.store.read(_stored, tuple(services.desk.queues))
    requests = app[REQUESTS]
    families = [
        *_of_store(stored, services.store.size()),
        *_of_connectors(services.supervisor.health()),
        *_of_web(requests, app[FEED].streams),
    ]
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Ready(families))
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Ready(Collector):
    """Families that were made already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _stored(tx: ReadTx, queues: tuple[str, ...]) -> dict[str, Any]:
    oldest = tx.first(JOURNAL, {"pending": True}, sort="available_at")
    return {
        "pending": tx.count(JOURNAL, {"pending": True}),
        "oldest": max(0.0, (tx.now - oldest.received_at).total_seconds()) if oldest else 0.0,
        "quarantine": tx.count(JOURNAL, {"state": "quarantined"}),
        "outbox": {str(state): tx.count(OUTBOX, {"state": state}) for state in UNSENT},
        "waiting": {name: tx.count(LEADS, {"queue": name, "waiting": True}) for name in queues},
    }


def _of_store(stored: Mapping[str, Any], size: int) -> list[Metric]:
    return [
        _gauge("firstline_journal_pending", "Inbounds accepted and not yet handled.", stored["pending"]),
        _gauge("firstline_journal_oldest_seconds", "Age of the oldest inbound not yet handled.", stored["oldest"]),
        _gauge("firstline_quarantine", "Inbounds in the quarantine.", stored["quarantine"]),
        _gauge("firstline_store_bytes", "Size of the store on disk.", size),
        _gauges("firstline_outbox", "Messages that are not sent, by state.", "state", stored["outbox"]),
        _gauges("firstline_leads_waiting", "Leads in front of nobody, by queue.", "queue", stored["waiting"]),
    ]


def _of_connectors(healths: list[Health]) -> list[Metric]:
    inbounds = CounterMetricFamily(
        "firstline_inbounds", "Inbounds by connector and result.", labels=["connector", "result"]
    )
    sent = CounterMetricFamily("firstline_sent", "Messages that the channel took.", labels=["connector"])
    restarts = CounterMetricFamily("firstline_connector_restarts", "Restarts by connector.", labels=["connector"])
    state = GaugeMetricFamily("firstline_connector_state", "1 for the present state.", labels=["connector", "state"])
    for health in healths:
        for result, number in {"accepted": health.received, **health.counts}.items():
            inbounds.add_metric([health.name, result], number)
        sent.add_metric([health.name], health.sent)
        restarts.add_metric([health.name], health.restarts)
        for each in HealthState:
            state.add_metric([health.name, each], float(health.state is each))
    return [inbounds, sent, restarts, state]


def _of_web(requests: Mapping[tuple[str, str], int], streams: int) -> list[Metric]:
    answered = CounterMetricFamily(
        "firstline_http_requests", "Requests by door and status class.", labels=["door", "class"]
    )
    for (door, status), number in requests.items():
        answered.add_metric([door, status], number)
    return [answered, _gauge("firstline_streams", "Open live streams.", streams)]


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
