"""`kill -9` under load: what was acknowledged is there, once, whatever instant the process died at."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.scenario.process import HubProcess

CONFIG = """
[company]
preset = "equipment"
[queues.first-line]
members = ["role:first_line"]
presence = "ignore"
accept_within = "0"
capacity = 0
calendar = "always"
[workhours.always]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"
[workhours.office]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"
[connectors.site]
type = "form"
rate_limit = "off"
"""


@pytest.mark.timeout(120)
async def test_kill_9_under_load_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    config = tmp_path / "firstline.toml"
    config.write_text(CONFIG)
    hub = HubProcess(tmp_path / "data", config)
    chance = random.Random(9)
    numbers = itertools.count(1)
    acknowledged: dict[str, str] = {}
    uncertain: list[str] = []
    await hub.start()
    await hub.run("user", "add", "anna@firstline.example", "--name", "Анна", "--role", "first_line")
    token = await hub.run("token", "create", "test")

    async with aiohttp.ClientSession() as client:
        for _ in range(4):
            posts = [asyncio.create_task(_post(client, hub.url, numbers, acknowledged, uncertain)) for _ in range(8)]
            await asyncio.sleep(chance.uniform(0.2, 0.8))
            await hub.kill()
            await asyncio.gather(*posts)
            await hub.start()
        for key in uncertain:
            await _send(client, hub.url, key, acknowledged)
        for key in chance.sample(sorted(acknowledged), min(50, len(acknowledged))):
            await _send(client, hub.url, key, acknowledged)
        leads = await _drained(client, hub.url, token, len(acknowledged))
    phones = Counter(phone for lead in leads for phone in lead["person"]["phones"])
    assert len(acknowledged) > 100
    assert set(phones) == {_phone(key) for key in acknowledged}, "every acknowledged form is a lead, and no other is"
    assert set(phones.values()) == {1}, "and only once"
    assert all(lead["owner_id"] for lead in leads)
    assert sorted(lead["number"] for lead in leads) == list(range(1, len(leads) + 1))
    assert await hub.stop() == 0


def _phone(key: str) -> str:
    return f"+7916{int(key):07d}"


async def _post(
    client: aiohttp.ClientSession,
    url: str,
    numbers: itertools.count[int],
    acknowledged: dict[str, str],
    uncertain: list[str],
) -> None:
    """Send forms until the hub dies; what was in flight then may or may not have been taken."""
    for number in numbers:
        key = str(number)
        try:
            await _send(client, url, key, acknowledged)
        except (aiohttp.ClientError, ConnectionError):
            uncertain.append(key)
            return


async def _send(client: aiohttp.ClientSession, url: str, key: str, acknowledged: dict[str, str]) -> None:
    form = {"name": f"Клиент {key}", "phone": _phone(key)}
    async with client.post(f"{url}/in/forms/site", json=form, headers={"Idempotency-Key": f"form-{key}"}) as answer:
        assert answer.status == 202, await answer.text()
        id = (await answer.json())["id"]
    assert acknowledged.setdefault(key, id) == id, "the same key again answers the same id"


async def _drained(client: aiohttp.ClientSession, url: str, token: str, expected: int) -> list[dict[str, object]]:
    """All leads, once the router has worked off what it found in its journal."""
    headers = {"Authorization": f"Bearer {token}"}
    leads: list[dict[str, object]] = []
    async with asyncio.timeout(90):
        while True:
            leads, cursor = [], ""
            while True:
                query = {"limit": "200", **({"cursor": cursor} if cursor else {})}
                async with client.get(f"{url}/api/v1/leads", params=query, headers=headers) as answer:
                    page = await answer.json()
                leads += page["items"]
                if not (cursor := page["next"]):
                    break
            if len(leads) >= expected:
                return leads
            await asyncio.sleep(0.3)
