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
from connectors.supervisor import Supervisor, end
from crm_core.changes import prune
from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.searchable import KINDS
from crm_core.settings import NUMBER, Blueprint, company_now
from distribution.desk import Desk, LiveDesk
from firstline.alerts import delivery
from firstline.blueprint import FileBlueprint
from firstline.build_company import with_capabilities
from firstline.problems import ConfigError, Problem
from firstline.schema import SCHEMA
from firstline.settings import Settings
from firstline.version import program_version
from router.clockwork import Clockwork, handlers
from router.deliveries import on_outbox_change
from router.erasure import Eraser
from router.erasure_reach import Kept
from router.indexer import Indexer
from router.intake import Intake
from router.onec import Exchange
from router.retention import Keeper
from router.robot_jobs import RobotJobs
from router.sheets.registry import import_kinds
from router.sheets.worker import ImportWorker
from router.watch import Watch
from router.worker import Router
from storage import IdSource, Store, open_store
from web.api.automations import record_shown
from web.app import create_app
from web.documents import Documents
from web.pdf import Pdf
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


async def open_desk(store: Store, settings: Settings, blueprint: Blueprint) -> LiveDesk:
    """The desk with what people changed in the running system. `ConfigError` when the files do not fit that any more:
    then it would be guesswork which of the two is meant."""
    desk = LiveDesk(Desk(blueprint.company, settings.queues), NUMBER, partial(company_now, blueprint=blueprint))
    try:
        await store.read(company_now, blueprint)
        await store.read(desk.at)
    except Invalid as error:
        problems = [Problem(f"настройки, изменённые в системе: {place}", text) for place, text in error.fields.items()]
        raise ConfigError(problems) from error
    return desk


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
        blueprint = FileBlueprint(settings, company)
        desk = await open_desk(store, settings, blueprint)
        intake = Intake(store)
        supervisor = make_supervisor(settings, store, intake, company, desk, connectors, clock)
        watch = Watch(store, desk, supervisor.health, delivery(store, settings.alerts))
        supervisor.on_health = watch.on_health
        router, clockwork = Router(store, desk), Clockwork(store, handlers(desk))
        if "router" in roles:
            for job in (router.run, clockwork.run, watch.run, *make_jobs(store, settings, desk)):
                stack.push_async_callback(end, [asyncio.create_task(_forever(job))])
        listening = _listen(settings.server.host, settings.server.port)
        stack.callback(listening.close)
        settings = settings.at(None, listening.getsockname()[1])
        app = create_app(make_services(settings, store, desk, blueprint, supervisor, clock))
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
    desk: Desk,
    connectors: dict[str, Connector],
    clock: Callable[[], datetime],
) -> Supervisor:
    """The supervisor with every connector in it, not yet started."""
    supervisor = Supervisor(store, intake.accept, clock, calendars(company), on_outbox_change)
    supervisor.exchanges = partial(Exchange, store, desk)
    for name, connector in connectors.items():
        supervisor.add(connector, company.connectors[name].title, enabled=settings.connectors[name].enabled)
    return supervisor


def make_jobs(store: Store, settings: Settings, desk: Desk) -> tuple[Callable[[], Awaitable[None]], ...]:
    """What is done in the background, besides the router, the clockwork and the watch."""
    imports = ImportWorker(store, import_kinds(settings.queues), desk)
    eraser = Eraser(store, SCHEMA.collections, lambda: Kept.of(desk.latest.company))
    keeper = Keeper(store, lambda: desk.latest.company.retention)
    # Robots show records as the API does.
    robots = RobotJobs(store, desk, Documents(store, desk.company, Pdf()).generate, record_shown)
    return imports.run, Indexer(store, KINDS).run, eraser.run, keeper.run, robots.run, partial(_prune, store)


def make_services(
    settings: Settings,
    store: Store,
    desk: Desk,
    blueprint: Blueprint,
    supervisor: Supervisor,
    clock: Callable[[], datetime],
) -> Services:
    """What the web application is given."""
    return Services(
        store,
        desk,
        blueprint,
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


async def _prune(store: Store) -> None:
    while True:
        await asyncio.sleep(PRUNE_EVERY)
        while await store.write(prune):  # noqa: ASYNC110 - a pause between batches, not a wait for something
            await asyncio.sleep(0.1)
