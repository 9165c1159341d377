"""The live stream: what arrives, for whom, and that nothing is lost across a reconnect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from crm_core.actor import Actor
from crm_core.changes import CHANGES, Change, tell
from crm_core.rights import Rights
from storage import Tx
from tests.api.hub import Bench, Caller
from web import stream
from web.stream import FEED, PER_USER, sees

URL = "/api/v1/events"


class Stream:
    """An open stream, read event by event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, within: float = 5.0) -> dict[str, Any]:
        """The next event; comments are passed over. `StopAsyncIteration` at the end."""
        event: dict[str, Any] = {}
        async with asyncio.timeout(within):
            while True:
                line = await self.response.content.readline()
                if not line:
                    raise StopAsyncIteration
                text = line.decode().rstrip("\n")
                if not text and "data" in event:
                    return event
                name, _, value = text.partition(": ")
                if name in ("id", "event"):
                    event[name] = value
                elif name == "data":
                    event["data"] = json.loads(value)

    async def seqs(self, number: int) -> list[int]:
        return [int((await self.next())["id"]) for _ in range(number)]

    async def ended(self, within: float = 5.0) -> bool:
        try:
            while True:
                await self.next(within)
        except (StopAsyncIteration, aiohttp.ClientError):
            return True


@asynccontextmanager
async def listening(caller: Caller, last: int | None = None, query: str = "") -> AsyncIterator[Stream]:
    headers = caller.headers | ({"Last-Event-ID": str(last)} if last is not None else {})
    async with caller.http.get(caller.url + URL + query, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"] == "text/event-stream"
        await response.content.readuntil(b"\n\n")
        yield Stream(response)


def news(tx: Tx, number: int, **more: Any) -> None:
    for n in range(number):
        tell(tx, "lead", f"lead_{n}", "updated", **more)


async def test_a_form_is_on_the_sellers_screen_at_once(bench: Bench) -> None:
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    async with listening(anna) as stream:
        await bench.form()
        event = await stream.next(2.0)
        while (event["event"], event["data"]["event"]) != ("lead", "offered"):
            event = await stream.next(2.0)
    data = event["data"]
    assert set(data) == {"seq", "at", "entity", "id", "event", "lead_id", "data"}
    assert data["seq"] == int(event["id"])
    assert data["at"].endswith("Z")
    assert data["data"]["offered_to"] == (await anna.get("/api/v1/users/me")).json["id"]


async def test_a_reader_who_comes_back_gets_everything_once(bench: Bench) -> None:
    admin = await bench.token("admin")
    async with listening(admin) as stream:
        await bench.hub.store.write(news, 3)
        first = await stream.seqs(3)
    await bench.hub.store.write(news, 1200)
    async with listening(admin, first[-1]) as stream:
        writing = asyncio.create_task(bench.hub.store.write(news, 50))
        later = await stream.seqs(1250)
        await writing
    assert first + later == list(range(first[0], first[0] + 1253))
    async with listening(admin, query=f"?last_id={later[-2]}") as stream:
        assert await stream.seqs(1) == [later[-1]]


async def test_reconnecting_in_the_middle_of_a_storm_loses_nothing(bench: Bench) -> None:
    admin = await bench.token("admin")
    start = await bench.hub.store.read(lambda tx: tx.last_number("change"))
    got: list[int] = []

    async def storm() -> None:
        for _ in range(60):
            await bench.hub.store.write(news, 5)
            await asyncio.sleep(0.002)

    writing = asyncio.create_task(storm())
    while len(got) < 300:
        async with listening(admin, got[-1] if got else start) as stream:
            got += await stream.seqs(min(20, 300 - len(got)))
    await writing
    assert got == list(range(start + 1, start + 301))


async def test_a_place_that_is_gone_makes_the_page_load_anew(bench: Bench) -> None:
    admin = await bench.token("admin")
    await bench.hub.store.write(news, 5)
    await bench.hub.store.write(lambda tx: [tx.delete(CHANGES, each) for each in tx.find(CHANGES, sort="seq", limit=4)])
    for last in (1, 1_000_000):
        async with listening(admin, last) as stream:
            assert (await stream.next())["event"] == "reload"


@pytest.mark.parametrize("last", ["abc", "-1", "1" * 40, "１"])
async def test_a_senseless_place_is_refused_by_name(bench: Bench, last: str) -> None:
    admin = await bench.token("admin")
    answer = await admin.get(f"{URL}?last_id={last}")
    assert (answer.status, set(answer.fields)) == (422, {"last_id"})


RIGHTS = Rights.parse(
    {
        "own": {"lead": {"read": "own"}},
        "all": {"lead": {"read": "all"}, "task": {"read": "own"}},
        "stage": {"lead": {"read": "stage delivery"}},
        "open": {"lead": {"read": "all open"}},
    }
)


def reader(role: str, id: str | None = "usr_1") -> Actor:
    return Actor(id=id, name=role, roles=frozenset({role}), rights=RIGHTS)


def change(entity: str = "lead", **more: Any) -> Change:
    usual = {"id": "1", "seq": 1, "at": datetime(2026, 11, 23, tzinfo=UTC), "entity_id": "x", "event": "updated"}
    return Change(**{**usual, "entity": entity, **more})


@pytest.mark.parametrize(
    ("role", "what", "seen"),
    [
        ("own", change(owners=("usr_1",)), True),
        ("own", change(owners=("usr_2",)), False),
        ("own", change("timeline", lead_id="lead_1", owners=("usr_1",)), True),
        ("own", change("timeline", lead_id="lead_1", owners=("usr_2",)), False),
        ("all", change(owners=("usr_2",)), True),
        ("all", change("timeline", lead_id="lead_1"), True),
        ("all", change("timeline", owners=("usr_2",)), False),
        ("all", change("task", owners=("usr_1",)), True),
        ("all", change("task", owners=("usr_2",)), False),
        ("all", change("connector"), False),
        ("all", change("quarantine"), False),
        ("all", change("notification", to=("usr_1",)), True),
        ("all", change("notification", to=("usr_2",)), False),
        ("all", change("notification"), False),
        ("all", change(to=("usr_2",)), False),
        ("stage", change(data={"stage": "delivery"}), True),
        ("stage", change(data={"stage": "new"}), False),
        ("open", change(event="closed"), False),
    ],
)
def test_the_stream_filters_by_the_rights_of_its_reader(role: str, what: Change, seen: bool) -> None:
    assert sees(reader(role), what) is seen


async def test_somebody_without_the_right_hears_nothing_of_leads(bench: Bench) -> None:
    duty = await bench.token("ops")
    async with listening(duty) as stream:
        await bench.hub.store.write(news, 20)
        await bench.hub.store.write(lambda tx: tell(tx, "connector", "site", "up"))
        assert (await stream.next())["event"] == "connector"


async def test_a_new_role_ends_the_stream_so_that_it_counts_at_once(bench: Bench) -> None:
    anna = await bench.hire("anna")
    browser, admin = await bench.sign_in("anna"), await bench.token("admin")
    async with listening(browser) as stream:
        await admin("PATCH", f"/api/v1/users/{anna.id}", {"roles": ["ops"]})
        assert await stream.ended()
    assert (await browser.get("/api/v1/leads")).status == 403


async def test_signing_out_ends_the_stream_at_the_next_heartbeat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.1)
    await bench.hire("anna")
    anna = await bench.sign_in("anna")
    async with listening(anna) as open_stream:
        assert await open_stream.response.content.readuntil(b"\n\n") in (b": ping\n\n",)
        await anna.post("/logout")
        assert await open_stream.ended()


async def test_a_reader_who_does_not_keep_up_is_cut_off_and_can_resume(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await bench.token("admin")
    start = await bench.hub.store.read(lambda tx: tx.last_number("change"))
    with monkeypatch.context() as patch:
        patch.setattr(stream, "QUEUE", 50)
        async with listening(admin) as open_stream:
            for _ in range(20):
                await bench.hub.store.write(news, 100, data={"title": "x" * 4000})
            feed = bench.hub.app[FEED]
            async with asyncio.timeout(5):
                while feed.streams:
                    await asyncio.sleep(0.02)
            assert await open_stream.ended()
    async with listening(admin, start) as again:
        assert await again.seqs(2000) == list(range(start + 1, start + 2001))


async def test_one_window_too_many_ends_the_oldest_and_nobody_elses(bench: Bench) -> None:
    admin, head = await bench.token("admin"), await bench.token("head_equipment")
    async with listening(head) as other, AsyncExitStack() as stack:
        own = [await stack.enter_async_context(listening(admin)) for _ in range(PER_USER + 2)]
        assert [await each.ended() for each in own[:2]] == [True, True]
        await bench.hub.store.write(news, 1)
        seen = [await each.seqs(1) for each in (*own[2:], other)]
        assert len(seen) == PER_USER + 1
        assert bench.hub.app[FEED].streams == PER_USER + 1


async def test_stopping_the_hub_ends_open_streams_at_once(bench: Bench) -> None:
    admin = await bench.token("admin")
    async with listening(admin) as open_stream:
        async with asyncio.timeout(3):
            await bench.hub.stop()
        assert await open_stream.ended()
