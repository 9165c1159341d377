"""An import of many contacts into a running hub while forms come in: `python -m bench.tables [ROWS]`.

The intake is measured before and during the import, in the same process and at the same pace, so that what the import
costs it can be seen.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import aiohttp

from tests.scenario.process import HubProcess

PACE = 0.02
"""Seconds between forms."""
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


async def forms(http: aiohttp.ClientSession, url: str, numbers: count[int], stop: asyncio.Event) -> list[float]:
    """Seconds until each form was acknowledged."""
    took: list[float] = []

    async def one(n: int) -> None:
        began = time.perf_counter()
        async with http.post(f"{url}/in/forms/site", json={"name": f"Форма {n}", "phone": f"+7903{n:07}"}) as answer:
            assert answer.status == 202, await answer.text()
        took.append(time.perf_counter() - began)

    tasks = []
    while not stop.is_set():
        tasks.append(asyncio.create_task(one(next(numbers))))
        await asyncio.sleep(PACE)
    await asyncio.gather(*tasks)
    return took


def told(name: str, took: list[float]) -> str:
    ordered = sorted(took)
    at = {part: ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 for part in (0.5, 0.95, 0.99)}
    shown = ", ".join(f"p{part * 100:.0f} {ms:.0f} ms" for part, ms in at.items())
    return f"{name}: {len(took)} forms, {shown}, most {ordered[-1] * 1000:.0f} ms"


async def measure(folder: Path, rows: int) -> None:
    config = folder / "firstline.toml"
    config.write_text(CONFIG)
    hub = HubProcess(folder / "data", config)
    await hub.start()
    try:
        token = (await hub.run("token", "create", "bench", "--role", "admin")).strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as http, aiohttp.ClientSession(headers=headers) as admin:
            await _measure(hub, http, admin, rows)
    finally:
        await hub.stop()


async def _measure(hub: HubProcess, http: aiohttp.ClientSession, admin: aiohttp.ClientSession, rows: int) -> None:
    numbers, stop = count(), asyncio.Event()
    quiet = asyncio.create_task(forms(http, hub.url, numbers, stop))
    await asyncio.sleep(10)
    stop.set()
    print(told("alone", await quiet), f"; memory {memory(hub.pid)} MB", flush=True)
    form = aiohttp.FormData()
    form.add_field("kind", "contacts")
    form.add_field("file", table(rows), filename="clients.csv")
    began = time.perf_counter()
    async with admin.post(f"{hub.url}/api/v1/imports", data=form) as answer:
        job = await answer.json()
    print(f"upload and preview: {time.perf_counter() - began:.1f} s, {job['size'] / 2**20:.1f} MB", flush=True)
    stop.clear()
    beside = asyncio.create_task(forms(http, hub.url, numbers, stop))
    began = time.perf_counter()
    async with admin.post(f"{hub.url}/api/v1/imports/{job['id']}/start") as answer:
        assert answer.status == 200
    most = 0
    while job["state"] not in ("done", "failed"):
        await asyncio.sleep(1)
        most = max(most, memory(hub.pid))
        async with admin.get(f"{hub.url}/api/v1/imports/{job['id']}") as answer:
            job = await answer.json()
    took = time.perf_counter() - began
    stop.set()
    print(told("beside the import", await beside), flush=True)
    counts = {name: job[name] for name in ("state", "created", "skipped", "failed")}
    print(f"import: {counts}, {took:.0f} s, {rows / took:.0f} rows/s; memory at most {most} MB", flush=True)
    began = time.perf_counter()
    async with admin.get(f"{hub.url}/api/v1/contacts/export") as answer:
        size = len(await answer.read())
    print(f"export to CSV: {time.perf_counter() - began:.1f} s, {size / 2**20:.1f} MB; memory {memory(hub.pid)} MB")


def memory(pid: int) -> int:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(measure(Path(temporary), int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
