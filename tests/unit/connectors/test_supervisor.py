"""The supervisor: restarts, states since when, and commands that come at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors import supervisor as module
from connectors.contract import (
    AuthFailed,
    Capabilities,
    ConnectorContext,
    HealthState,
    Misconfigured,
    NotReady,
    OpenState,
)
from connectors.health import Health
from connectors.supervisor import Supervisor, end
from firstline.schema import SCHEMA
from router.intake import Intake
from storage import IdSource, Store, open_store
from tests.waiting import until

START = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Ticking:
    """A clock that moves on with every look."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


class Fake:
    """Does what the test says each time it is run; stays up afterwards."""

    type = "fake"
    channel = "fake"
    capabilities = Capabilities()

    def __init__(self, *ends: Callable[[], None], name: str = "one") -> None:
        self.name = name
        self.ends = list(ends)
        self.runs = 0
        self.running = 0

    async def run(self, context: ConnectorContext) -> None:
        self.runs += 1
        self.running += 1
        try:
            if self.ends:
                self.ends.pop(0)()
                return
            context.report(HealthState.UP)
            await asyncio.Event().wait()
        finally:
            # Closing takes a moment, as with a real connection.
            await asyncio.sleep(0.01)
            self.running -= 1


def fails(error: Exception) -> Callable[[], None]:
    def end() -> None:
        raise error

    return end


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store("sqlite:one.db", tmp_path, SCHEMA, clock=Ticking(), ids=IdSource())
    yield store
    await store.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.005)


@asynccontextmanager
async def supervised(store: Store, *connectors: Fake, enabled: bool = True) -> AsyncIterator[Supervisor]:
    def calendar(name: str, at: datetime) -> OpenState:
        return OpenState(open=True, next_open=None, next_close=None)

    found = Supervisor(store, Intake(store).accept, Ticking(), calendar, lambda tx, row: None)
    for each in connectors:
        found.add(each, each.name, enabled=enabled)
    found.start()
    yield found
    await found.stop()


def health(supervisor: Supervisor, name: str = "one") -> Health:
    return next(each for each in supervisor.health() if each.name == name)


@pytest.mark.parametrize("error", [NotReady("сервер не отвечает"), RuntimeError("boom")])
async def test_a_connector_that_fails_is_started_again_and_hurts_no_other(store: Store, error: Exception) -> None:
    broken, sound = Fake(*[fails(error)] * 3), Fake(name="two")
    async with supervised(store, broken, sound) as supervisor:
        await until(lambda: health(supervisor).state is HealthState.UP)
        assert (broken.runs, sound.runs) == (4, 1)
        assert health(supervisor).restarts == 3


@pytest.mark.parametrize("error", [AuthFailed("пароль не подходит"), Misconfigured("нет такой папки")])
async def test_what_only_a_person_can_mend_is_not_tried_again_until_resumed(store: Store, error: Exception) -> None:
    connector = Fake(fails(error))
    async with supervised(store, connector) as supervisor:
        await until(lambda: health(supervisor).state is HealthState.MISCONFIGURED)
        await asyncio.sleep(0.05)
        assert connector.runs == 1
        assert health(supervisor).error == str(error)
        await supervisor.resume("one")
        await until(lambda: health(supervisor).state is HealthState.UP)
        assert health(supervisor).error is None


async def test_a_connector_is_down_since_the_trouble_began_however_often_it_is_tried(store: Store) -> None:
    seen: list[tuple[HealthState, datetime | None]] = []
    connector = Fake(*[fails(NotReady("сервер не отвечает"))] * 4)
    async with supervised(store, connector) as supervisor:
        supervisor.on_health = lambda health: seen.append((health.state, health.since))
        await until(lambda: health(supervisor).state is HealthState.UP)
    assert [state for state, _ in seen] == [HealthState.DOWN, HealthState.UP]
    assert [text for _, text in health(supervisor).errors] == ["сервер не отвечает"]


async def test_pause_and_resume_at_once_end_as_the_last_command_says(store: Store) -> None:
    connector = Fake()
    async with supervised(store, connector) as supervisor:
        await until(lambda: connector.running)
        await asyncio.gather(supervisor.pause("one"), supervisor.resume("one"))
        await until(lambda: health(supervisor).state is HealthState.UP)
        assert supervisor.get("one") is connector
        await asyncio.gather(supervisor.resume("one"), supervisor.pause("one"))
        assert health(supervisor).state is HealthState.PAUSED
        assert connector.running == 0
        assert supervisor.get("one") is None


async def test_a_connector_resumed_by_two_people_runs_once(store: Store) -> None:
    connector = Fake()
    async with supervised(store, connector) as supervisor:
        await until(lambda: connector.running)
        await asyncio.gather(*(supervisor.resume("one") for _ in range(3)))
        await asyncio.sleep(0.05)
        assert connector.running == 1
    assert connector.running == 0, "and stops with the hub"


async def test_a_connector_that_the_configuration_disables_is_started_by_nobody(store: Store) -> None:
    connector = Fake()
    async with supervised(store, connector, enabled=False) as supervisor:
        await supervisor.resume("one")
        await supervisor.pause("one")
        await asyncio.sleep(0.02)
        assert (connector.runs, health(supervisor).state) == (0, HealthState.DISABLED)


def test_since_moves_with_the_state_and_not_with_the_words() -> None:
    one = Health("one", "fake", "fake", "One")
    assert not one.report(HealthState.STARTING, START, None, None)
    assert one.since == START
    later = START + timedelta(minutes=5)
    assert one.report(HealthState.DOWN, later, "сервер не отвечает", None)
    assert one.report(HealthState.DOWN, later + timedelta(minutes=1), "имя не найдено", None)
    assert not one.report(HealthState.DOWN, later + timedelta(minutes=2), "имя не найдено", None)
    assert one.since == later
    assert [text for _, text in one.errors] == ["сервер не отвечает", "имя не найдено"]


def test_the_rate_counts_the_last_minutes_only() -> None:
    one = Health("one", "fake", "fake", "One")
    one.received_at(START, 10)
    one.received_at(START, 5)
    one.received_at(START + timedelta(minutes=20), 5)
    assert (one.received, one.rate(START + timedelta(minutes=20))) == (20, 1.0)
    assert one.rate(START + timedelta(hours=2)) == 0


async def test_a_task_that_loses_its_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.supervisor.STOP_AGAIN", 0.05)
    lost = 0

    async def work() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 2:
                    raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.wait_for(end([task]), 10)
    assert (task.cancelled(), lost) == (True, 2)
