"""Telephony over the Asterisk Manager Interface: the connector's life.

`run` keeps one connection and comes back by itself, because the calls that live meanwhile must be kept in mind: events
go through the call-state machine (`calls`) at once and synchronously, their phases through `delivery` into the intake.
After each login, when Asterisk says FullyBooted, the channels are listed and the calls in flight reconciled; likewise
now and then, should an event ever get lost. A refused login ends `run` at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

import structlog

from connectors.asterisk.ami import AmiLink, BadValue
from connectors.asterisk.calls import CallNews, CallTracker
from connectors.asterisk.delivery import CURSOR, Delivery
from connectors.asterisk.hours import publish_hours
from connectors.asterisk.legs import Event
from connectors.asterisk.parse import CHANNEL, to_inbound
from connectors.asterisk.render import originate_headers
from connectors.asterisk.settings import AsteriskSettings
from connectors.asterisk.tables import Shapes
from connectors.contract import (
    CallRequest,
    Capabilities,
    ConnectorContext,
    HealthState,
    NotReady,
    SendRejected,
)

log = structlog.get_logger(__name__)

_FULLY_BOOTED_WITHIN = 5.0
_RECONCILE_EVERY = 600.0
_PAUSES = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)
"""Seconds before each further attempt to connect; the last one repeats. A restart of Asterisk takes a few seconds."""
_NO_SYSTEM = "Учётной записи AMI не хватает прав: добавьте класс system в read и write в manager.conf."
_STORE_REFUSES = "Хранилище не принимает записи: звонки ждут в памяти. Проверьте место на диске."


class AsteriskConnector:
    """One exchange."""

    type = "asterisk"
    channel = CHANNEL
    capabilities = Capabilities(can_call=True)

    def __init__(self, name: str, settings: AsteriskSettings) -> None:
        self.name = name
        self._settings = settings
        self._shapes = Shapes(settings)
        self._tracker = CallTracker(settings)
        self._delivery = Delivery(settings.max_pending)
        self._context: ConnectorContext | None = None
        self._link: AmiLink | None = None
        self._booted = asyncio.Event()
        self._booted_at: datetime | None = None
        self._restored = False
        self._problems: dict[str, str] = {}

    async def run(self, context: ConnectorContext) -> None:
        """Receive until cancelled. Raises `AuthFailed` or `Misconfigured` at once; everything passing is waited out."""
        self._context = context
        if not self._restored:
            self._tracker.restore(await context.load_cursor(CURSOR) or ())
            self._restored = True
        context.report(HealthState.STARTING)
        try:
            await _first_of(
                self._keep_connected(context),
                self._delivery.run(context, self._tracker.snapshot, self._on_store),
            )
        finally:
            self._link = None
            self._problems.clear()

    async def originate(self, request: CallRequest) -> None:
        """Ring the seller, then the customer. Refused at once when the exchange is away now; never placed late."""
        headers = originate_headers(self._settings, self._shapes, request)
        link, context = self._link, self._context
        if link is None or context is None:
            raise NotReady("Нет связи с Asterisk: звонок не заказан.")
        self._tracker.expect(request, context.now())
        try:
            answer = await link.action("Originate", headers, action_id=request.id)
        except TimeoutError as error:
            self._tracker.give_up(request.id)
            link.abort()  # With it goes what is still unsent, so that the phone does not ring later.
            raise SendRejected("Asterisk не ответил, звонок отменён.", retryable=False, code="timeout") from error
        except BadValue as error:
            self._tracker.give_up(request.id)
            raise SendRejected("Недопустимые символы в данных звонка.", retryable=False, code="bad_request") from error
        if answer.get("Response") != "Success":
            self._tracker.give_up(request.id)
            log.warning("originate_refused", request_id=request.id, answer=answer.get("Message", "")[:80])
            raise SendRejected(
                "Asterisk отказал в звонке: проверьте внутренний номер и право originate у учётной записи AMI.",
                retryable=False,
                code="refused",
            )

    async def check(self) -> str:
        """Log in with the settings and tell the version."""
        link = await AmiLink.open(self._settings, lambda event: None)
        try:
            answer = await link.action("CoreSettings", {})
        except TimeoutError as error:
            raise NotReady("Вход выполнен, но Asterisk не отвечает на команды.") from error
        finally:
            await link.close()
        version = answer.get("AsteriskVersion")
        if version is None:
            return f"Вход выполнен (AMI {link.version}), версия не видна. {_NO_SYSTEM}"
        return f"Вход выполнен: Asterisk {version}, AMI {link.version}."

    async def _keep_connected(self, context: ConnectorContext) -> None:
        failures = 0
        while True:
            try:
                await self._session(context)
                problem = "Связь с Asterisk прервалась, подключаемся снова."
            except NotReady as error:
                problem = str(error)
            failures = 0 if self._booted.is_set() else failures
            context.report(HealthState.DOWN, problem)
            context.count("reconnect")
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _session(self, context: ConnectorContext) -> None:
        """One connection from login to its end."""
        self._booted.clear()
        self._booted_at = None
        self._problems.clear()
        link = await AmiLink.open(self._settings, self._on_event)
        self._link = link
        try:
            await _first_of(
                link.closed.wait(),
                link.watch(self._settings.ping_interval),
                self._stay_reconciled(link, context),
                self._stay_published(link, context),
            )
        finally:
            self._link = None
            await link.close()

    async def _stay_reconciled(self, link: AmiLink, context: ConnectorContext) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FULLY_BOOTED_WITHIN):
                await self._booted.wait()
        while not link.closed.is_set():
            try:
                await self._reconcile(link, context)
                self._problems.pop("rights", None)
            except PermissionError:
                self._problems["rights"] = _NO_SYSTEM
            except (NotReady, TimeoutError):
                if link.closed.is_set():
                    break
            self._report(link)
            await asyncio.sleep(_RECONCILE_EVERY)
        await link.closed.wait()

    async def _reconcile(self, link: AmiLink, context: ConnectorContext) -> None:
        known = self._tracker.open_calls
        channels = await link.listing("CoreShowChannels")
        news = self._tracker.reconcile(channels, context.now(), known=known, booted_at=self._booted_at)
        self._take(news)
        for row in await link.listing("QueueStatus"):
            self._take(self._tracker.feed(row, context.now()))
        log.info("calls_reconciled", connector=self.name, channels=len(channels), known=len(known), news=len(news))

    async def _stay_published(self, link: AmiLink, context: ConnectorContext) -> None:
        family = self._settings.publish_hours
        await self._booted.wait()  # AstDB is not there before.
        while family is not None and not link.closed.is_set():
            try:
                await publish_hours(link, context, family)
            except PermissionError:
                self._problems["hours"] = _NO_SYSTEM
                self._report(link)
                break
            except (NotReady, TimeoutError):
                await asyncio.sleep(1.0)
        await link.closed.wait()

    def _on_event(self, event: Event) -> None:
        context = self._context
        if context is None:
            return
        now = context.now()
        if event.get("Event") == "FullyBooted":
            uptime = event.get("Uptime", "")
            self._booted_at = now - timedelta(seconds=int(uptime)) if uptime.isdecimal() else None
            self._booted.set()
        self._take(self._tracker.feed(event, now))

    def _take(self, news: list[CallNews]) -> None:
        for one in news:
            if self._delivery.put(to_inbound(self.name, one)) and self._context is not None:
                self._context.count("phase_dropped")

    def _on_store(self, takes: bool) -> None:
        if takes:
            self._problems.pop("store", None)
        else:
            self._problems["store"] = _STORE_REFUSES
        if self._link is not None:
            self._report(self._link)

    def _report(self, link: AmiLink) -> None:
        if self._context is None or link.closed.is_set():
            return
        if self._problems:
            self._context.report(HealthState.DEGRADED, next(iter(self._problems.values())))
        else:
            self._context.report(HealthState.UP, detail=f"AMI {link.version}")


async def _first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Run together until one ends or fails; cancel the others, wait for them, and raise what was raised."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
