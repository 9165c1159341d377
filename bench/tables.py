"""An import of many contacts into a running hub while forms come in, and the way out again as CSV.

The intake is measured before and during the import, at the same pace, so that what the import costs it can be seen.
"""

from __future__ import annotations

import asyncio
import resource
import time
from itertools import count
from pathlib import Path

import aiohttp

from bench.baseline import Limits
from bench.report import Limit, Row, number, percentile
from tests.scenario.process import HubProcess

PACE = 0.02
"""Seconds between forms."""
QUIET = 5.0
"""Seconds of forms without an import."""
CONFIG = """
[company]
preset = "equipment"
[connectors.site]
type = "form"
rate_limit = "off"
"""


def table(rows: int) -> bytes:
    lines = (f"Клиент {n};+7916{n:07};client{n}@example.ru;ООО «Ромашка {n}»;A-{n}" for n in range(rows))
    return ("Имя;Телефон;Почта;Компания;ID\n" + "\n".join(lines) + "\n").encode("cp1251")


async def tables(folder: Path, limits: Limits, many: int) -> list[Row]:
    """Rows per second, what the import costs the intake, memory, and the export."""
    place = folder / "tables"
    place.mkdir()
    config = place / "firstline.toml"
    config.write_text(CONFIG)
    hub = HubProcess(place / "data", config)
    await hub.start()
    try:
        token = (await hub.run("token", "create", "bench", "--role", "admin")).strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as http, aiohttp.ClientSession(hub.url, headers=headers) as admin:
            return await _measure(hub, http, admin, limits, many)
    finally:
        await hub.stop()


async def _measure(
    hub: HubProcess, http: aiohttp.ClientSession, admin: aiohttp.ClientSession, limits: Limits, many: int
) -> list[Row]:
    numbers, stop = count(), asyncio.Event()
    quiet = asyncio.create_task(_forms(http, hub.url, numbers, stop))
    await asyncio.sleep(QUIET)
    stop.set()
    alone = percentile(await quiet, 0.99)
    stop.clear()
    beside = asyncio.create_task(_forms(http, hub.url, numbers, stop))
    rate, memory = await _import(hub, admin, many)
    stop.set()
    busy = percentile(await beside, 0.99)
    began = time.perf_counter()
    async with admin.get("/api/v1/contacts/export") as answer:
        await answer.read()
    out = many / (time.perf_counter() - began)
    what = f"импорт, {number(many)} контактов"
    return [
        Row(what, rate, "строк/с", None, "≥ 500", rate >= 500),
        Row(f"{what}: приём при этом, p99", busy, "мс", Limit("без импорта", alone), "< 200", busy < 200),
        Row(f"{what}: память на пике", memory, "МБ", limits.memory, "< 300", memory < 300),
        Row("выгрузка контактов в CSV", out, "строк/с"),
    ]


async def _forms(http: aiohttp.ClientSession, url: str, numbers: count[int], stop: asyncio.Event) -> list[float]:
    """Milliseconds until each form was acknowledged."""
    took: list[float] = []

    async def one(n: int) -> None:
        began = time.perf_counter()
        async with http.post(f"{url}/in/forms/site", json={"name": f"Форма {n}", "phone": f"+7903{n:07}"}) as answer:
            assert answer.status == 202, await answer.text()
        took.append((time.perf_counter() - began) * 1000)

    tasks = []
    while not stop.is_set():
        tasks.append(asyncio.create_task(one(next(numbers))))
        await asyncio.sleep(PACE)
    await asyncio.gather(*tasks)
    return took


async def _import(hub: HubProcess, admin: aiohttp.ClientSession, many: int) -> tuple[float, float]:
    """Rows per second, and the most memory in MB."""
    form = aiohttp.FormData()
    form.add_field("kind", "contacts")
    form.add_field("file", table(many), filename="clients.csv")
    async with admin.post("/api/v1/imports", data=form) as answer:
        job = await answer.json()
    began, most = time.perf_counter(), 0.0
    async with admin.post(f"/api/v1/imports/{job['id']}/start") as answer:
        assert answer.status == 200, await answer.text()
    while job["state"] not in ("done", "failed"):
        await asyncio.sleep(0.2)
        most = max(most, _memory(hub.pid))
        async with admin.get(f"/api/v1/imports/{job['id']}") as answer:
            job = await answer.json()
    if job["created"] != many:
        raise RuntimeError(f"{many} rows made {job['created']} contacts: {job['problem'] or job['errors'][:1]}")
    return many / (time.perf_counter() - began), most


def _memory(pid: int) -> float:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
