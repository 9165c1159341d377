"""What robots leave behind: tasks, audit, notes, log; and what of a robot is refused before it can do harm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from crm_core.audit import AUDIT
from crm_core.automation import Automation, Condition
from crm_core.automation_check import Known, problems
from crm_core.errors import Invalid
from crm_core.notifications import NOTIFICATIONS
from crm_core.robot_actions import Doing, deadline
from crm_core.robots import on_run
from crm_core.task_steps import complete_task
from crm_core.tasks import TASKS
from crm_core.timeline import TIMELINE
from crm_core.users import USERS, actor_for
from tests.unit.crm_core.robot_bench import COMPANY, MONDAY_NOON, Robots, automation, comment, step


@pytest.fixture
async def robots(tmp_path: Path) -> AsyncIterator[Robots]:
    bench = Robots(tmp_path)
    yield bench
    await bench.store.close()


async def test_what_a_robot_changes_stands_in_the_audit_under_its_name(robots: Robots) -> None:
    await robots.keep(automation("field", step("set_field", field="amount", value="500"), field="title"))
    deal = await robots.edit(await robots.deal(amount=None), title="Ремонт станка")
    entries = await robots.store.read(lambda tx: tx.find(AUDIT, {"entity_id": deal.id}))
    assert [(each.actor, each.action, each.changes["amount"]) for each in entries] == [
        ("Робот «Робот field»", "updated", (None, "500.00"))
    ]


async def test_a_task_is_not_made_again_while_it_is_open(robots: Robots) -> None:
    owner = await robots.hire("boris")
    await robots.keep(automation("stage", step("create_task", title="Проверить {title}"), stage="offer"))
    deal = await robots.deal(owner_id=owner, title="Станок")
    for stage in ("offer", "new", "offer"):
        deal = await robots.move(deal, stage)
    (task,) = await robots.store.read(lambda tx: tx.find(TASKS))
    assert f"задача № {task.number}" in (await robots.runs(deal))[-1].text

    user = await robots.store.read(lambda tx: tx.require(USERS, owner))
    boris = await robots.store.read(actor_for, user, COMPANY.rights)
    await robots.store.write(complete_task, boris, task.id, "Готово", company=COMPANY)
    for stage in ("new", "offer"):
        deal = await robots.move(deal, stage)
    assert len(await robots.store.read(lambda tx: tx.find(TASKS))) == 2
    items = await robots.store.read(lambda tx: tx.find(TIMELINE, {"deal_id": deal.id}))
    assert [item.text for item in items if item.task_id] == ["Проверить Станок: Готово"]


async def test_a_note_of_a_robot_leads_to_its_deal(robots: Robots) -> None:
    owner = await robots.hire("boris")
    await robots.keep(automation("created", step("notify", text="Новая сделка")))
    deal = await robots.deal(owner_id=owner)
    (note,) = await robots.store.read(lambda tx: tx.find(NOTIFICATIONS, {"user_id": owner}))
    assert (note.deal_id, note.lead_id) == (deal.id, None)


async def test_a_condition_asks_for_a_field_of_the_card(robots: Robots) -> None:
    filled = Condition(field="fields.requirements", op="eq", value="ЧПУ")
    await robots.keep(automation("field", comment("Свои"), field="requirements", conditions=(filled,)))
    deal = await robots.edit(await robots.deal(), fields={"requirements": "ЧПУ"})
    assert deal.comment == "Свои"


async def test_a_robot_starts_another_and_a_circle_is_stopped(robots: Robots) -> None:
    second = await robots.keep(automation("start", comment("{comment}2")))
    first = await robots.keep(automation("created", comment("1"), step("start", automation=second.id)))
    deal = await robots.deal()
    assert deal.comment == "12"
    assert first.trigger.event == "created"
    circle = automation("start", comment("{comment}3"), step("start", automation=first.id))
    await robots.keep(_as(circle, second.id))
    deal = await robots.deal()
    runs = await robots.runs(deal)
    assert [run.outcome for run in runs].count("done") == 4
    assert {run.outcome for run in runs[4:]} == {"stopped", "failed"}
    assert any("запускают друг друга" in run.text for run in runs)


def _as(robot: Automation, id: str) -> Automation:
    return Automation(id=id, title=robot.title, trigger=robot.trigger, steps=robot.steps)


async def test_a_deadline_that_cannot_be_counted_is_a_refusal(robots: Robots) -> None:
    deal = await robots.deal(fields={"requirements": "ЧПУ"})
    with pytest.raises(Invalid, match="deadline"):
        deadline(COMPANY, deal, "field:requirements", MONDAY_NOON)


async def test_what_fails_in_an_unforeseen_way_is_given_up_with_a_word(robots: Robots) -> None:
    def broken(doing: Doing) -> str:
        raise RuntimeError("дрогнуло")

    robots.handlers["robot_run"] = lambda tx, timer: on_run(tx, COMPANY, timer, {"set_field": broken})
    await robots.keep(automation("created", comment("Да")))
    deal = await robots.deal()
    await robots.wait(timedelta(minutes=10))
    (run,) = await robots.runs(deal)
    assert (run.outcome, "дрогнуло" in run.text) == ("failed", True)


LEAD = {"entity": "lead"}


@pytest.mark.parametrize(
    ("robot", "field"),
    [
        (automation("created", step("set_field", field="amount", value="1"), **LEAD), "steps[0].field"),
        (automation("created", step("set_field", field="comment_of_deal", value="1"), **LEAD), "steps[0].field"),
        (automation("created", step("move", stage="converted"), **LEAD), "steps[0].stage"),
        (automation("created", step("assign", to="owner"), **LEAD), "steps[0].action"),
        (automation("created", step("make_document", template="offer-equipment"), **LEAD), "steps[0].action"),
        (automation("created", step("notify", text="{amount}"), **LEAD), "steps[0].text"),
        (automation("stuck", comment("1"), offset="1h", field="title"), "trigger.field"),
        (automation("field", comment("1"), field="nothing"), "trigger.field"),
        (automation("time", comment("1"), field="requirements"), "trigger.field"),
        (automation("created", step("create_task", title="Т", deadline="field:requirements")), "steps[0].deadline"),
        (automation("created", step("create_task", title="Т", deadline="9999wd")), "steps[0].deadline"),
        (automation("created", step("create_task", title="Т", deadline="99999h")), "steps[0].deadline"),
        (automation("created", step("start", automation="nobody")), "steps[0].automation"),
        (automation("created", step("start", automation="of_leads")), "steps[0].automation"),
        (automation("created", step("make_document", template="nothing")), "steps[0].template"),
        (automation("created", step("send_message", text="Да", connector="pigeon")), "steps[0].connector"),
        (automation("created", step("call_webhook", url="https://example.ru/")), "steps[0].url"),
    ],
)
def test_a_robot_that_could_never_work_is_refused_by_field(robot: Automation, field: str) -> None:
    assert field in problems(COMPANY, robot, Known({"of_leads": "lead"}))
