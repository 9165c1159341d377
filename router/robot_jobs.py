"""The worker for what robots do outside of transactions: documents that are rendered, calls to other systems.

One call of a webhook:

    POST URL
    Content-Type: application/json
    X-Firstline-Event: deal.stage
    X-Firstline-Delivery: the same for each attempt, so that a receiver may drop what it has already
    X-Firstline-Signature: sha256=HMAC of the body with `[webhooks] secret`

    {"id", "event", "at", "automation": {"id", "title"}, "deal": {…}}   (or "lead")

2xx is a success; 408, 425, 429, 5xx and no answer are tried again; any other answer is final, redirects too. The
record is as it stands when the call is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from crm_core.actor import Actor
from crm_core.automation import Outcome, active, robot
from crm_core.company import Company
from crm_core.deal_documents import data_of
from crm_core.documents.data import DocumentData
from crm_core.documents.issued import DOCUMENTS, Document
from crm_core.documents.links import Links
from crm_core.errors import CoreError
from crm_core.robot_jobs import JobKind, RobotJob, claim_jobs, end_job, next_job, postpone_job
from crm_core.robot_moments import plan_changed
from crm_core.webhooks import PRIVATE, Webhooks, is_allowed, shown_url, signature, url_problem
from distribution.desk import Desk
from storage import ReadTx, Store, StoreUnavailable

log = structlog.get_logger("robots")

AT_ONCE = 10
LOOK_EVERY = 5.0
TIMEOUT = aiohttp.ClientTimeout(total=20, connect=10)
MAX_BODY = 256 * 1024
"""Bytes of a call; a record that is larger is not sent."""
AGAIN = frozenset({408, 425, 429})

Generate = Callable[..., Awaitable[Document]]
"""`(actor, template, data, links, leave_blanks=…)`."""
Show = Callable[[ReadTx, Company, str, str], Any]
"""`(tx, company, entity, id)`: the record as the API shows it, None when it is gone."""


class Later(Exception):
    """Not now; the text says why."""


class Refused(Exception):
    """Never; the text says why."""


class RobotJobs:
    """Works off the jobs of one store; several may run beside each other."""

    def __init__(self, store: Store, desk: Desk, generate: Generate, show: Show) -> None:
        self._store = store
        self._desk = desk
        self._generate = generate
        self._show = show
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Plan the robots that have changed, then work until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if "robot_jobs" in touched else None)
        try:
            new = True
            while True:
                self._news.clear()
                try:
                    if new:
                        await self._store.write(plan_changed, self._desk.company)
                        new = False
                    busy = await self.work_once()
                    pause = 0.0 if busy else await self._store.read(_seconds_until_due)
                except StoreUnavailable as error:
                    log.error("store unavailable", error=str(error))
                    pause = LOOK_EVERY
                if pause:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._news.wait()
        finally:
            stop()

    async def work_once(self) -> int:
        """Do what is due now; the number of jobs taken."""
        if await self._store.read(_seconds_until_due) > 0.0:
            return 0
        jobs = await self._store.write(claim_jobs, AT_ONCE)
        await asyncio.gather(*(self._work(job) for job in jobs))
        return len(jobs)

    async def _work(self, job: RobotJob) -> None:
        do = self._document if job.kind is JobKind.DOCUMENT else self._webhook
        outcome: Outcome
        try:
            outcome, text = "done", await do(job)
        except (CoreError, Refused) as error:
            outcome, text = "failed", f"не удалось: {error}"
        except Later as error:
            await self._store.write(postpone_job, self._desk.company, job, str(error))
            return
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("robot's job failed", job=job.id, kind=job.kind)
            reason = f"внутренняя ошибка: {type(error).__name__}"
            await self._store.write(postpone_job, self._desk.company, job, reason)
            return
        await self._store.write(end_job, self._desk.company, job, outcome, text)

    async def _document(self, job: RobotJob) -> str:
        """A document that an attempt before a crash has made already is not made again."""
        actor = await self._store.read(_robot_of, self._desk.company, job)
        document = await self._store.read(_made_before, job)
        if document is None:
            _, data, links = await self._store.read(_data_of, actor, self._desk.company, job.entity_id)
            blanks = job.params.get("leave_blanks") == "yes"
            document = await self._generate(actor, job.params["template"], data, links, leave_blanks=blanks)
        return f"создан документ № {document.number} «{document.title}»"

    async def _webhook(self, job: RobotJob) -> str:
        webhooks, url = self._desk.company.webhooks, job.params["url"]
        if webhooks is None or (wrong := url_problem(url, webhooks)):
            raise Refused(wrong if webhooks else str(url_problem(url, None)))
        body = await self._store.read(self._body, job)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Firstline",
            "X-Firstline-Event": f"{job.entity}.{job.event}",
            "X-Firstline-Delivery": job.id,
            "X-Firstline-Signature": signature(webhooks.secret, body),
        }
        status = await post(url, body, headers, webhooks)
        if 200 <= status < 300:
            return f"вебхук {shown_url(url)} принят: {status}"
        text = f"вебхук {shown_url(url)} ответил {status}"
        if status in AGAIN or status >= 500:
            raise Later(text)
        raise Refused(text)

    def _body(self, tx: ReadTx, job: RobotJob) -> bytes:
        shown = self._show(tx, self._desk.company, job.entity, job.entity_id)
        if shown is None:
            raise Refused("записи больше нет")
        automation = active(tx, self._desk.company.automations).get(job.automation_id)
        about = {"id": job.automation_id, "title": automation.title if automation else ""}
        told = {"id": job.id, "event": job.event, "at": job.created_at, "automation": about, job.entity: shown}
        body = msgspec.json.encode(told)
        if len(body) > MAX_BODY:
            raise Refused(f"запись больше {MAX_BODY // 1024} КБ")
        return body


def _robot_of(tx: ReadTx, company: Company, job: RobotJob) -> Actor:
    found = active(tx, company.automations).get(job.automation_id)
    if found is None:
        raise Refused("робота больше нет")
    return robot(found.title, job.depth + 1)


def _made_before(tx: ReadTx, job: RobotJob) -> Document | None:
    if job.attempts < 2:
        return None
    made = tx.find(DOCUMENTS, {"deal_id": job.entity_id}, sort="-created_at", limit=20)
    wanted = job.params["template"]
    return next((d for d in made if d.template == wanted and not d.created_by and d.created_at >= job.created_at), None)


def _data_of(tx: ReadTx, actor: Actor, company: Company, deal_id: str) -> tuple[Any, DocumentData, Links]:
    return data_of(tx, actor, company, deal_id)


def _seconds_until_due(tx: ReadTx) -> float:
    moment: datetime | None = next_job(tx)
    return LOOK_EVERY if moment is None else min(LOOK_EVERY, max(0.0, (moment - tx.now).total_seconds()))


class _Checked(AbstractResolver):
    """Resolves names, and refuses those that lead to where calls may not go. What was checked is what is called."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [each for each in found if is_allowed(ip_address(each["host"].partition("%")[0]), self._webhooks)]
        if not allowed:
            raise Refused(PRIVATE)
        return allowed

    async def close(self) -> None:
        await self._inner.close()


async def post(url: str, body: bytes, headers: dict[str, str], webhooks: Webhooks) -> int:
    """The status of the answer, of which nothing is read. `Refused` for an address inside of the own network, `Later`
    when nobody answers."""
    connector = aiohttp.TCPConnector(resolver=_Checked(webhooks), use_dns_cache=False)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as client,
            client.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Later(f"вебхук {shown_url(url)} не ответил: {type(error).__name__}") from error
