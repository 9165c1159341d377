"""The limits of the run: a server that does nothing, and a store that writes one row."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

from bench.load import Load, forms
from bench.process import server
from bench.report import Limit, Row, percentile
from storage import Collection, Entity, IdSource, Schema, Tx, open_store
from workhours import SystemClock

CONNECTIONS = 64
SECONDS = 4.0
CALM_RATE = 200.0
"""Requests a second at which latency is compared."""


class Written(Entity, frozen=True, kw_only=True):
    """The smallest row that is worth keeping."""

    text: str


WRITTEN = Collection("written", Written)


class Limits:
    """What was measured so far in this run, for the rows that come later."""

    def __init__(self) -> None:
        self.requests: Limit | None = None
        self.answer: Limit | None = None
        self.writes: Limit | None = None
        self.commit: Limit | None = None
        self.memory: Limit | None = None


async def noop(folder: Path, limits: Limits) -> list[Row]:
    """Requests per second and latency of the no-op handler."""
    async with server(folder / "noop.log", "-m", "bench.noop") as running:
        rate = await _fastest(running.port)
        load = await Load(running.port).connect(CONNECTIONS)
        calm = await load.at_rate(forms("calm", int(CALM_RATE * 3)), CALM_RATE)
        load.close()
        limits.requests = Limit("пустой обработчик", rate)
        limits.answer = Limit("пустой обработчик", calm.p(0.5))
        limits.memory = Limit("пустой обработчик", running.memory()[1])
    return [
        Row("пустой обработчик JSON, 64 соединения", rate, "запр./с"),
        Row("пустой обработчик, 200 запр./с, p50", calm.p(0.5), "мс"),
        Row("пустой обработчик, 200 запр./с, p99", calm.p(0.99), "мс"),
    ]


async def noop_again(folder: Path, limits: Limits) -> None:
    """The pace of a machine changes by some per cent within minutes: the limit is the mean of before and after."""
    async with server(folder / "noop.log", "-m", "bench.noop") as running:
        rate = await _fastest(running.port)
    before = limits.requests.value if limits.requests else rate
    limits.requests = Limit("пустой обработчик, до и после", (before + rate) / 2)


async def _fastest(port: int) -> float:
    load = await Load(port).connect(CONNECTIONS)
    await load.as_fast_as_it_goes(itertools.cycle(forms("warm", 1000)), 0.5)
    result = await load.as_fast_as_it_goes(itertools.cycle(forms("noop", 5000)), SECONDS)
    load.close()
    result.require_accepted()
    return result.rate


async def commits(folder: Path, limits: Limits) -> list[Row]:
    """Durable one-row writes per second, 64 callers."""
    ids = IdSource()
    store = open_store("sqlite:raw.db", folder / "raw", Schema((WRITTEN,)), clock=SystemClock().now, ids=ids)
    latencies: list[float] = []

    def insert(tx: Tx) -> None:
        tx.insert(WRITTEN, Written(id=tx.new_id(), text="x" * 100))

    async def caller(end: float) -> None:
        while (began := time.perf_counter()) < end:
            await store.write(insert)
            latencies.append(time.perf_counter() - began)

    started = time.perf_counter()
    await asyncio.gather(*(caller(started + SECONDS) for _ in range(CONNECTIONS)))
    rate = len(latencies) / (time.perf_counter() - started)
    alone: list[float] = []
    for _ in range(200):
        began = time.perf_counter()
        await store.write(insert)
        alone.append(time.perf_counter() - began)
    await store.close()
    limits.writes = Limit("запись строки", rate)
    limits.commit = Limit("запись строки", percentile(alone, 0.5) * 1000)
    return [
        Row("хранилище: запись одной строки, 64 вызывающих", rate, "зап./с"),
        Row("хранилище: одна запись, p50", percentile(alone, 0.5) * 1000, "мс"),
    ]
