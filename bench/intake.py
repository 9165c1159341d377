"""Forms: how many become durable in a second, and how many leads reach a seller while the intake still answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from bench.baseline import CONNECTIONS, Limits, noop_again
from bench.company import Company, found
from bench.load import Load, Result, forms
from bench.report import Row, percentile
from crm_core.leads import LEADS
from router.journal import JOURNAL, JournalRecord
from storage import ReadTx

SECONDS = 5.0
OFFERED_RATE = 1100.0
OFFERED_SECONDS = 10.0
DRAIN_WITHIN = 90.0
MOST = 12_000
"""Forms a second that are built in advance."""


async def intake(folder: Path, limits: Limits) -> list[Row]:
    """Accepted durably: with the router paused, and with everything running. Then the backlog is distributed."""
    company = await found(folder / "intake")
    async with company.hub("web", "connectors") as hub:
        paused = await _flood(hub.port, "paused")
    await noop_again(folder, limits)
    async with company.hub():
        await drained(company)
    alone = await company.look(_alone)
    everything = await found(folder / "everything")
    async with everything.hub() as hub:
        busy = await _flood(hub.port, "busy")
    limit = limits.requests
    share = paused.rate / limit.value if limit else 0.0
    return [
        Row("формы приняты надёжно, маршрутизатор стоит", paused.rate, "форм/с", limit, "≥ 50 % предела", share >= 0.5),
        Row("формы приняты надёжно, всё работает", busy.rate, "форм/с", limit),
        Row("лиды распределены из накопленного, приём свободен", alone, "лид./с", limits.writes),
    ]


async def distribute(folder: Path, limits: Limits) -> list[Row]:
    """1,100 forms a second for ten seconds: are they all in front of a seller at that pace?"""
    company = await found(folder / "distribute")
    async with company.hub() as hub:
        load = await Load(hub.port).connect(CONNECTIONS)
        result = await load.at_rate(forms("steady", int(OFFERED_RATE * OFFERED_SECONDS)), OFFERED_RATE)
        load.close()
        await drained(company)
        _, peak = hub.memory()
    result.require_accepted()
    lags, rate = await company.look(_pace)
    unoffered = await company.look(lambda tx: tx.count(LEADS, {"offered_to": None}))
    if unoffered:
        raise RuntimeError(f"{unoffered} leads were not offered to anybody")
    p99 = result.p(0.99)
    return [
        Row("лиды распределены при 1100 форм/с", rate, "лид./с", limits.writes, "≥ 1000", rate >= 1000),
        Row("приём при этом, p50", result.p(0.5), "мс", limits.answer),
        Row("приём при этом, p99", p99, "мс", limits.answer, "< 100", p99 < 100),
        Row("от приёма до распределения при этом, p50", percentile(lags, 0.5) * 1000, "мс"),
        Row("от приёма до распределения при этом, p99", percentile(lags, 0.99) * 1000, "мс"),
        Row("память на пике этой нагрузки", peak, "МБ", limits.memory, "< 300", peak < 300),
    ]


async def _flood(port: int, tag: str) -> Result:
    load = await Load(port).connect(CONNECTIONS)
    await load.as_fast_as_it_goes(iter(forms(f"{tag}-warm", MOST)), 0.5)
    result = await load.as_fast_as_it_goes(iter(forms(tag, int(MOST * SECONDS))), SECONDS)
    load.close()
    result.require_accepted()
    return result


async def drained(company: Company) -> None:
    """Wait until the router has nothing left to do."""
    async with asyncio.timeout(DRAIN_WITHIN):
        while await company.look(lambda tx: tx.count(JOURNAL, {"pending": True})):
            await asyncio.sleep(0.2)


def records(tx: ReadTx) -> Iterator[JournalRecord]:
    """The whole journal in the order of arrival."""
    after = None
    while page := tx.find(JOURNAL, sort="received_at", limit=1000, after=after):
        yield from page
        after = tx.cursor_after(JOURNAL, page[-1], "received_at")


def _alone(tx: ReadTx) -> float:
    """Leads per second between the first and the last that was handled."""
    done = [record.done_at for record in records(tx) if record.done_at]
    return len(done) / (max(done) - min(done)).total_seconds()


def _pace(tx: ReadTx) -> tuple[list[float], float]:
    """Seconds from received to handled of each, and leads per second from the first arrival to the last lead."""
    spans = [(record.received_at, record.done_at) for record in records(tx) if record.done_at]
    first, last = min(begun for begun, _ in spans), max(done for _, done in spans)
    return [(done - begun).total_seconds() for begun, done in spans], len(spans) / (last - first).total_seconds()
