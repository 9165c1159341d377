"""The one page where the hub is put together. Start unwinds on failure, stop runs in reverse.

    store → supervisor → router and clockwork → web

Tests build the same hub over a temporary folder, with their own clock.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from connectors.contract import Connector, OpenState
from connectors.registry import REGISTRY
from connectors.supervisor import Supervisor
from crm_core.changes import prune
from crm_core.company import Company
from crm_core.onec import compose
from crm_core.searchable import KINDS
from distribution.desk import Desk
from firstline.alerts import delivery
from firstline.build_company import with_capabilities
from firstline.schema import SCHEMA
from firstline.settings import Settings
from firstline.version import program_version
from router import onec_core
from router.clockwork import Clockwork, handlers
from router.deliveries import on_outbox_change
from router.erasure import Eraser
from router.erasure_reach import Kept
from router.indexer import Indexer
from router.intake import Intake
from router.onec import OWN, Exchange
from router.retention import Keeper
from router.sheets.registry import import_kinds
from router.sheets.worker import ImportWorker
from router.watch import Watch
from router.worker import Router
from storage import IdSource, Store, open_store
from web.app import create_app
from web.services import Services
from workhours import SystemClock

log = structlog.get_logger("firstline")

PRUNE_EVERY = 600.0
SHUTDOWN_TIMEOUT = 5.0
RESTART_AFTER = 1.0
_SYSTEM_CLOCK = SystemClock()
ROLES = frozenset({"web", "connectors", "router"})
"""Parts of the hub that may run apart; whatever is left out here must run elsewhere."""


@dataclass
class Hub:
    """A running hub."""

    settings: Settings
    store: Store
    desk: Desk
    intake: Intake
    supervisor: Supervisor
    router: Router
    clockwork: Clockwork
    app: web.Application
    url: str
    _stack: AsyncExitStack

    async def stop(self) -> None:
        """Stop taking, finish what is in hand, close the store."""
        await self._stack.aclose()


def make_connectors(settings: Settings) -> dict[str, Connector]:
    """Every configured connector, not yet running."""
    return {name: REGISTRY[each.type].create(name, each) for name, each in settings.connectors.items()}


async def start_hub(
    settings: Settings,
    data: Path,
    *,
    clock: Callable[[], datetime] = _SYSTEM_CLOCK.now,
    prepare: Callable[[Store], Awaitable[None]] | None = None,
    roles: frozenset[str] = ROLES,
) -> Hub:
    """Start these parts in this process; `prepare` fills an empty store before anybody connects."""
    async with AsyncExitStack() as stack:
        store = open_store(settings.storage_url, data, SCHEMA, clock=clock, ids=IdSource())
        stack.push_async_callback(store.close)
        if prepare is not None:
            await prepare(store)
        connectors = make_connectors(settings)
        company = with_capabilities(settings.company, connectors)
        desk = Desk(company, settings.queues)
        intake = Intake(store)
        supervisor = make_supervisor(settings, store, intake, company, connectors, clock)
        watch = Watch(store, company.rights, supervisor.health, delivery(store, settings.alerts))
        supervisor.on_health = watch.on_health
        router, clockwork = Router(store, desk), Clockwork(store, handlers(desk))
        eraser = Eraser(store, SCHEMA.collections, lambda: Kept.of(company))
        keepers = (Indexer(store, KINDS).run, eraser.run, Keeper(store, lambda: company.retention).run)
        if "router" in roles:
            imports = ImportWorker(store, import_kinds(settings.queues), company)
            for job in (router.run, clockwork.run, watch.run, imports.run, *keepers, partial(_prune, store)):
                stack.push_async_callback(_stop, asyncio.create_task(_forever(job)))
        listening = _listen(settings.server.host, settings.server.port)
        stack.callback(listening.close)
        settings = settings.at(None, listening.getsockname()[1])
        app = create_app(make_services(settings, store, desk, supervisor, clock))
        if "web" in roles:
            await _serve(stack, app, listening)
        if "connectors" in roles:
            supervisor.start()
        stack.push_async_callback(supervisor.stop)
        return Hub(settings, store, desk, intake, supervisor, router, clockwork, app, _url(listening), stack.pop_all())


def make_supervisor(
    settings: Settings,
    store: Store,
    intake: Intake,
    company: Company,
    connectors: dict[str, Connector],
    clock: Callable[[], datetime],
) -> Supervisor:
    """The supervisor with every connector in it, not yet started."""
    supervisor = Supervisor(store, intake.accept, clock, calendars(company), on_outbox_change)
    supervisor.exchanges = partial(Exchange, store, handlers=compose(OWN, onec_core.handlers(company)))
    for name, connector in connectors.items():
        supervisor.add(connector, company.connectors[name].title, enabled=settings.connectors[name].enabled)
    return supervisor


def make_services(
    settings: Settings, store: Store, desk: Desk, supervisor: Supervisor, clock: Callable[[], datetime]
) -> Services:
    """What the web application is given."""
    return Services(
        store,
        desk,
        supervisor,
        clock,
        settings.server.public_url,
        program_version(),
        proxies=settings.server.trusted_proxies,
        demo=settings.demo is not None,
    )


def calendars(company: Company) -> Callable[[str, datetime], OpenState]:
    """Each connector's calendar, in the words of the connector contract."""

    def state(name: str, at: datetime) -> OpenState:
        found = company.calendar(company.connectors[name].calendar).state(at)
        return OpenState(open=found.open, next_open=found.next_open, next_close=found.next_close)

    return state


def _listen(host: str, port: int) -> socket.socket:
    """The socket first, so that port 0 becomes a real number before anybody is told an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def _serve(stack: AsyncExitStack, app: web.Application, listening: socket.socket) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening, backlog=1024).start()


async def _forever(job: Callable[[], Awaitable[None]]) -> None:
    """A background job that ends unexpectedly is begun again: nothing may stop the router for good."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("background job failed")
        await asyncio.sleep(RESTART_AFTER)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _prune(store: Store) -> None:
    while True:
        await asyncio.sleep(PRUNE_EVERY)
        while await store.write(prune):  # noqa: ASYNC110 - a pause between batches, not a wait for something
            await asyncio.sleep(0.1)
