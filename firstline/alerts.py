"""Ways by which an alert leaves the house: a webhook, Telegram, a letter through one of the mail connectors.

`[alerts]` names them. A letter goes through the durable outbox; the other two are tried a few times and then given up
with a line in the log: the note inside the hub is there in any case.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import structlog

from connectors.contract import Outbound
from connectors.outbox import enqueue
from firstline.settings_models import AlertsSection
from router.watch import Alert, Deliver
from storage import Store, Tx

log = structlog.get_logger("alerts")

ATTEMPTS = 3
TIMEOUT = aiohttp.ClientTimeout(total=10)


def delivery(store: Store, settings: AlertsSection) -> Deliver:
    """The function that takes an alert to every configured place."""

    async def deliver(alert: Alert) -> None:
        if settings.email and settings.connector:
            await store.write(_write_letters, settings, alert)
        jobs = []
        if settings.webhook:
            body = {"key": alert.key, "text": alert.text, "solved": alert.solved}
            jobs.append(_post("webhook", settings.webhook, body))
        if settings.telegram is not None:
            url = f"{settings.telegram.api_base}/bot{settings.telegram.token.get_secret_value()}/sendMessage"
            jobs.append(_post("telegram", url, {"chat_id": settings.telegram.chat_id, "text": alert.text}))
        await asyncio.gather(*jobs)

    return deliver


def _write_letters(tx: Tx, settings: AlertsSection, alert: Alert) -> None:
    for address in settings.email:
        letter = Outbound(
            id=tx.new_id("out_"),
            connector=settings.connector or "",
            recipient=address,
            text=alert.text,
            subject=f"Первая линия: {alert.text[:80]}",
            automatic=True,
            created_at=tx.now,
        )
        enqueue(tx, letter)


async def _post(place: str, url: str, body: dict[str, Any]) -> None:
    for attempt in range(ATTEMPTS):
        try:
            async with aiohttp.ClientSession(timeout=TIMEOUT) as client, client.post(url, json=body) as answer:
                if answer.status < 300:
                    return
                reason = f"HTTP {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = type(error).__name__
        await asyncio.sleep(2**attempt)
    log.warning("alert not delivered", place=place, reason=reason)
