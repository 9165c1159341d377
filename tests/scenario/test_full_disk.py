"""A full disk: the doors answer 503 and say when to come back; when there is room again, all goes on by itself.

The disk is filled by forbidding the hub's process to make its files any longer, which the kernel enforces on every
write, the log included.
"""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import aiohttp
import pytest

from tests.scenario.process import HubProcess

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.mark.timeout(60)
async def test_a_full_disk_answers_503_and_recovers_by_itself(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "data")
    await hub.start()
    token = await hub.run("token", "create", "test")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as client:
        assert await _send(client, hub, 1) == 202
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        refused = [await _send(client, hub, number) for number in range(100, 110)]
        assert set(refused) == {503}
        async with client.get(f"{hub.url}/healthz") as alive, client.get(f"{hub.url}/readyz") as ready:
            assert (alive.status, ready.status) == (200, 503)
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, UNLIMITED)
        async with asyncio.timeout(20):
            while await _send(client, hub, 2) != 202:
                await asyncio.sleep(0.2)
            while len(phones := await _phones(client, hub)) < 2:
                await asyncio.sleep(0.2)
        assert phones == {"+79160000001", "+79160000002"}, "what was refused is not there, what was accepted is"
    assert await hub.stop() == 0


async def _send(client: aiohttp.ClientSession, hub: HubProcess, number: int) -> int:
    form = {"name": "Иван", "phone": f"+7916{number:07d}"}
    async with client.post(f"{hub.url}/in/forms/site", json=form) as answer:
        if answer.status == 503:
            assert answer.content_type == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0
        return answer.status


async def _phones(client: aiohttp.ClientSession, hub: HubProcess) -> set[str]:
    async with client.get(f"{hub.url}/api/v1/leads") as answer:
        return {phone for lead in (await answer.json())["items"] for phone in lead["person"]["phones"]}
