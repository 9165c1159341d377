"""How long until a seller sees it: from a form, and from a ringing phone, to the stream of the right seller."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.baseline import CALM_RATE, CONNECTIONS, Limits
from bench.company import PHONE, SELLERS, found
from bench.load import Load, forms, phone
from bench.report import Row, percentile
from bench.streams import close_streams, open_streams
from tests.connectors.asterisk.ami_server import AmiServer
from tests.connectors.asterisk.synthetic import IncomingCall

SECONDS = 10.0
CALLS = 50
ROUNDS = 5
PATIENCE = 15.0
WHOSE = re.compile(r"Клиент stream-(\d+)$")


async def stream(folder: Path, limits: Limits) -> list[Row]:
    """200 forms a second with ten streams open: from the moment a form is due to the offer in front of its seller."""
    seen: dict[int, float] = {}

    def on_event(seller_id: str, event: bytes, moment: float) -> None:
        if b'"event":"offered"' not in event:
            return
        data = msgspec.json.decode(event[event.index(b"data: ") + 6 :])["data"]
        if data["offered_to"] == seller_id and (found_name := WHOSE.search(data["title"])):
            seen[int(found_name[1])] = moment

    count = int(CALM_RATE * SECONDS)
    company = await found(folder / "stream")
    async with company.hub() as hub:
        streams = await open_streams(hub.port, company.sellers, on_event)
        load = await Load(hub.port).connect(CONNECTIONS)
        await load.at_rate(forms("warm", 50), CALM_RATE)
        result = await load.at_rate(forms("stream", count), CALM_RATE)
        await _until(lambda: len(seen) == count, f"only part of {count} forms reached a stream")
        load.close()
        close_streams(streams)
        _, peak = hub.memory()
    result.require_accepted()
    waits = [moment - (result.started + index / CALM_RATE) for index, moment in seen.items()]
    p50, p99 = percentile(waits, 0.5) * 1000, percentile(waits, 0.99) * 1000
    return [
        Row("форма → лента продавца, 200 форм/с, p50", p50, "мс", limits.answer, "< 25", p50 < 25),
        Row("форма → лента продавца, 200 форм/с, p99", p99, "мс", limits.answer, "< 100", p99 < 100),
        Row("память на пике, десять лент открыто", peak, "МБ", limits.memory, "< 300", peak < 300),
    ]


async def ring(folder: Path, limits: Limits) -> list[Row]:
    """Fifty phones begin to ring in one burst, several times: until the card is in the rung seller's stream."""
    seen: dict[str, float] = {}

    def on_event(seller_id: str, event: bytes, moment: float) -> None:
        if b'"event":"ringing"' in event:
            seen[msgspec.json.decode(event[event.index(b"data: ") + 6 :])["data"]["number"]] = moment

    waits: list[float] = []
    async with AmiServer() as exchange:
        company = await found(folder / "ring", PHONE.format(port=exchange.port))
        async with company.hub() as hub:
            streams = await open_streams(hub.port, company.sellers, on_event)
            await exchange.wait_for(lambda: bool(exchange.asked("QueueStatus")), PATIENCE)
            await asyncio.sleep(0.5)
            for turn in range(ROUNDS):
                began, calls = await _burst(exchange, turn)
                numbers = [call.number for call in calls]
                await _until(lambda n=numbers: all(each in seen for each in n), "a call rang on no screen")  # type: ignore[misc]
                waits += [seen[number] - began for number in numbers]
                await exchange.emit(*(event for call in calls for event in call.hang_up()))
                await asyncio.sleep(0.5)
            close_streams(streams)
    p50, p99 = percentile(waits, 0.5) * 1000, percentile(waits, 0.99) * 1000
    return [
        Row("звонок → лента продавца, 50 сразу, p50", p50, "мс", limits.commit),
        Row("звонок → лента продавца, 50 сразу, p99", p99, "мс", limits.commit, "< 50", p99 < 50),
    ]


async def _burst(exchange: AmiServer, turn: int) -> tuple[float, list[IncomingCall]]:
    """All ring at once; the moment before the first byte was sent."""
    calls = [
        IncomingCall(turn * CALLS + index, number=phone(), extension=str(101 + index % SELLERS))
        for index in range(CALLS)
    ]
    events = [event for call in calls for event in call.ring()]
    began = time.perf_counter()
    await exchange.emit(*events)
    return began, calls


async def _until(holds: Callable[[], bool], complaint: str) -> None:
    deadline = time.perf_counter() + PATIENCE
    while not holds():
        if time.perf_counter() > deadline:
            raise RuntimeError(complaint)
        await asyncio.sleep(0.005)
