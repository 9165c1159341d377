"""Robots that wait for a moment: once for each, for records that were there before, and never round and round."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM
from crm_core.automation import Automation, Event, Trigger, robot
from crm_core.automation_check import Known, problems
from crm_core.automation_commands import drop_automation
from crm_core.deals import Deal, create_deal
from crm_core.errors import Invalid
from crm_core.robot_moments import PIECE, due_at, plan_changed
from crm_core.timers import TIMERS
from storage import Tx
from tests.unit.crm_core.robot_bench import COMPANY, MONDAY_NOON, Robots, automation, comment, next_step, step

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
async def robots(tmp_path: Path) -> AsyncIterator[Robots]:
    bench = Robots(tmp_path)
    yield bench
    await bench.store.close()


async def outcomes(robots: Robots, deal: Deal) -> list[str]:
    return [run.outcome for run in await robots.runs(deal)]


async def test_a_stuck_deal_is_told_of_once_until_something_happens_with_it(robots: Robots) -> None:
    await robots.keep(automation("stuck", comment("{comment}!"), offset="24h"))
    deal = await robots.deal(comment="Ждём")
    await robots.wait(2 * DAY)
    deal = await robots.edit(deal, robot("Другой", 1), title="Другое название")
    await robots.wait(2 * DAY)
    assert (await robots.look(deal)).comment == "Ждём!"
    deal = await robots.move(deal, "offer")
    await robots.wait(2 * DAY)
    assert (await robots.look(deal)).comment == "Ждём!!"


async def test_two_stuck_robots_that_set_one_field_come_to_rest(robots: Robots) -> None:
    for text in ("Раз", "Два"):
        await robots.keep(automation("stuck", comment(text), offset="24h"))
    deal = await robots.deal()
    await robots.wait(3 * DAY)
    assert await outcomes(robots, deal) == ["done", "done"]


async def test_a_robot_that_makes_itself_due_is_stopped_with_a_word(robots: Robots) -> None:
    await robots.keep(automation("time", comment("{comment}!"), field="updated_at", offset="1m"))
    deal = await robots.deal()
    await robots.wait(HOUR)
    assert await outcomes(robots, deal) == ["done"] * 5 + ["stopped"]


async def test_a_date_out_of_reach_stops_no_other_robot_and_stands_in_the_log_once(robots: Robots) -> None:
    await robots.keep(automation("time", comment("Пора"), field="delivery_date", offset="3000d", working=True))
    await robots.keep(automation("field", comment("Поле изменилось"), field="title"))
    deal = await robots.deal(fields={"delivery_date": "2198-12-31"})
    for title in ("Новое", "Новейшее"):
        deal = await robots.edit(deal, title=title)
    runs = await robots.runs(deal)
    assert [(run.event, run.outcome) for run in runs] == [("time", "failed"), ("field", "done"), ("field", "done")]
    assert "2199" in runs[0].text
    assert deal.comment == "Поле изменилось"


@pytest.mark.parametrize(
    "values", [{"next_step": next_step(datetime(2200, 1, 1, tzinfo=UTC))}, {"expected_close": date(9999, 1, 1)}]
)
async def test_a_date_out_of_reach_is_refused_by_field(robots: Robots, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="Год"):
        await robots.deal(**values)


@pytest.mark.parametrize("offset", ["999999999d", "99999999999999h", "-4000d", "²d", "долго"])
def test_an_offset_that_leads_nowhere_is_refused(offset: str) -> None:
    assert "trigger.offset" in problems(COMPANY, automation("time", offset=offset, field="next_step_at"), Known())


def test_a_stuck_robot_without_a_time_is_refused() -> None:
    assert "trigger.offset" in problems(COMPANY, automation("stuck", comment("Да")), Known())


@pytest.mark.parametrize("offset", ["3660d", "-3660d", "24h", "-1h", "0"])
def test_right_offsets_are_taken(offset: str) -> None:
    robot = automation("time", comment("Да"), offset=offset, field="next_step_at")
    assert problems(COMPANY, robot, Known()) == {}


async def test_a_new_robot_looks_at_the_deals_that_are_there_already(robots: Robots) -> None:
    at = MONDAY_NOON + 5 * HOUR
    deals = [await robots.deal(next_step=next_step(at)) for _ in range(3)]
    closed = await robots.move(await robots.deal(next_step=next_step(at)), "price")
    await robots.keep(automation("time", comment("Через час"), field="next_step_at", offset="-1h"))
    await robots.settle()
    assert [await robots.waiting(deal) for deal in deals] == [[at - HOUR]] * 3
    assert await robots.waiting(closed) == []
    await robots.wait(4 * HOUR)
    assert (await robots.look(deals[0])).comment == "Через час"


async def test_a_new_stuck_robot_finds_what_is_stuck_already(robots: Robots) -> None:
    deal = await robots.deal()
    await robots.wait(10 * DAY)
    robot = await robots.keep(automation("stuck", comment("Стоит"), offset="5d", working=True))
    await robots.settle()
    assert (await robots.look(deal)).comment == "Стоит"
    await robots.store.write(drop_automation, SYSTEM, COMPANY, robot.id)


async def test_a_changed_offset_moves_what_was_planned(robots: Robots) -> None:
    at = MONDAY_NOON + 5 * HOUR
    deal = await robots.deal(next_step=next_step(at))
    robot = await robots.keep(automation("time", comment("Скоро"), field="next_step_at", offset="-1h"))
    await robots.settle()
    trigger = Trigger(entity="deal", event=Event.TIME, field="next_step_at", offset="-2h")
    changed = Automation(id=robot.id, title=robot.title, trigger=trigger, steps=robot.steps)
    await robots.keep(changed)
    await robots.settle()
    assert await robots.waiting(deal) == [at - 2 * HOUR]


async def test_more_deals_than_one_piece_are_all_planned(robots: Robots) -> None:
    at = MONDAY_NOON + 5 * HOUR

    def fill(tx: Tx) -> None:
        for _ in range(PIECE + 5):
            create_deal(tx, SYSTEM, COMPANY, "service", {"next_step": next_step(at)})

    await robots.store.write(fill)
    await robots.settle()
    await robots.keep(automation("time", comment("Через час"), field="next_step_at", offset="-1h"))
    await robots.settle()
    planned = await robots.store.read(lambda tx: [t for t in tx.find(TIMERS) if t.kind == "robot_time"])
    assert len(planned) == PIECE + 5


async def test_nothing_is_planned_anew_where_no_robot_changed(robots: Robots) -> None:
    await robots.deal(next_step=next_step(MONDAY_NOON + 5 * HOUR))
    await robots.keep(automation("time", comment("Да"), field="next_step_at", offset="-1h"))
    await robots.settle()
    await robots.store.write(plan_changed, COMPANY)
    assert await robots.store.read(lambda tx: [t for t in tx.find(TIMERS) if t.kind == "robot_plan"]) == []


async def test_a_moment_that_moves_into_the_past_is_forgotten(robots: Robots) -> None:
    await robots.keep(automation("time", comment("Напоминание"), field="next_step_at", offset="-1h"))
    deal = await robots.deal(next_step=next_step(MONDAY_NOON + 5 * HOUR))
    deal = await robots.edit(deal, next_step=next_step(MONDAY_NOON - HOUR))
    assert await robots.waiting(deal) == []
    await robots.wait(DAY)
    assert await robots.runs(deal) == []


async def test_an_hour_of_work_before_a_morning_meeting_is_the_evening_before(robots: Robots) -> None:
    tuesday_10 = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
    deal = await robots.deal(next_step=next_step(tuesday_10))
    robot = automation("time", step("notify", text="Да"), field="next_step_at", offset="-1h", working=True)
    assert due_at(COMPANY, robot, deal) == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
