"""Tasks from hand to hand: who sees them, who may do what, and what must be so before they are done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from crm_core.actor import SYSTEM
from crm_core.audit import AUDIT
from crm_core.changes import CHANGES
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.task_checklist import add_check, change_check, remove_check, reorder_checks
from crm_core.task_commands import comment_task, delegate_task, log_time, update_task
from crm_core.task_reminders import add_reminder, remove_reminder
from crm_core.task_repeat import Repeat, Unit, repeat_task, stop_repeat
from crm_core.task_steps import (
    accept_task,
    allowed_steps,
    cancel_task,
    complete_task,
    defer_task,
    move_task,
    reopen_task,
    return_task,
    start_task,
)
from crm_core.tasks import Link, TaskState, get_task, list_tasks, of_record
from tests.unit.crm_core.task_bench import COMPANY, MONDAY_NOON, Tasks, open_tasks

HOUR = timedelta(hours=1)


@pytest.fixture
async def tasks(tmp_path: Path) -> AsyncIterator[Tasks]:
    tasks = open_tasks(tmp_path)
    yield tasks
    await tasks.store.close()


async def test_a_task_goes_from_new_to_done(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    task = await tasks.give(anna, responsible_id=boris.id, deadline=MONDAY_NOON + HOUR)
    assert (task.state, task.open) == (TaskState.OPEN, True)
    assert (await tasks.step(start_task, boris, task.id)).state is TaskState.IN_WORK
    assert (await tasks.step(defer_task, boris, task.id)).state is TaskState.WAITING
    assert (await tasks.step(start_task, boris, task.id)).state is TaskState.IN_WORK
    done = await tasks.step(complete_task, boris, task.id, "Сделал")
    assert (done.state, done.open, done.result, done.closed_by) == (TaskState.DONE, False, "Сделал", boris.id)
    with pytest.raises(Conflict):
        await tasks.step(start_task, boris, task.id)
    again = await tasks.step(reopen_task, anna, task.id)
    assert (again.state, again.open, again.result) == (TaskState.OPEN, True, None)
    assert (await tasks.step(cancel_task, anna, task.id, "Не нужно")).state is TaskState.CANCELLED
    await tasks.wait(2 * HOUR)
    assert not (await tasks.all())[0].overdue
    actions = await tasks.store.read(lambda tx: [entry.action for entry in tx.find(AUDIT, {"entity_id": task.id})])
    assert {"created", "started", "deferred", "completed", "reopened", "cancelled"} <= set(actions)


async def test_without_its_result_a_task_is_not_completed(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    task = await tasks.give(anna, responsible_id=boris.id, result_required=True)
    with pytest.raises(Invalid) as refused:
        await tasks.step(complete_task, boris, task.id)
    assert set(refused.value.fields) == {"result"}
    await tasks.do(comment_task, boris, task.id, "Ещё думаю")
    with pytest.raises(Invalid):
        await tasks.step(complete_task, boris, task.id)
    with pytest.raises(Forbidden):
        await tasks.do(update_task, boris, task.id, {"result_required": False})
    await tasks.do(comment_task, boris, task.id, "Цена 100 000 ₽", result=True)
    done = await tasks.step(complete_task, boris, task.id)
    assert (done.state, done.result) == (TaskState.DONE, "Цена 100 000 ₽")


async def test_the_creator_accepts_or_returns(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    task = await tasks.give(anna, responsible_id=boris.id, acceptance=True, deadline=MONDAY_NOON + HOUR)
    handed = await tasks.step(complete_task, boris, task.id, "Готово")
    assert (handed.state, handed.open) == (TaskState.ACCEPTANCE, True)
    assert "task_step: Примите задачу: Дело" in await tasks.notes(anna)
    with pytest.raises(Forbidden):
        await tasks.step(accept_task, boris, task.id)
    with pytest.raises(Conflict):
        await tasks.step(complete_task, boris, task.id)
    await tasks.wait(2 * HOUR)
    assert not (await tasks.all())[0].overdue  # what waits for acceptance is not late
    with pytest.raises(Invalid):
        await tasks.step(return_task, anna, task.id, " ")
    back = await tasks.step(return_task, anna, task.id, "Нет печати")
    assert (back.state, back.result) == (TaskState.IN_WORK, None)
    assert "task_step: Задача возвращена на доработку: Дело" in await tasks.notes(boris)
    await tasks.wait(HOUR)
    assert (await tasks.all())[0].overdue
    await tasks.step(complete_task, boris, task.id, "С печатью")
    done = await tasks.step(accept_task, anna, task.id)
    assert (done.state, done.result, done.open) == (TaskState.DONE, "С печатью", False)


async def test_whoever_gave_the_task_to_himself_needs_no_acceptance(tasks: Tasks) -> None:
    anna = await tasks.hire("anna")
    task = await tasks.give(anna, acceptance=True)
    assert (await tasks.step(complete_task, anna, task.id)).state is TaskState.DONE


async def test_each_sees_the_tasks_in_which_he_takes_part(tasks: Tasks) -> None:
    names = ("anna", "boris", "vera", "gleb", "dina")
    anna, boris, vera, gleb, dina = [await tasks.hire(name) for name in names]
    task = await tasks.give(anna, responsible_id=boris.id, co_executors=(vera.id,), observers=(gleb.id,))
    for actor in (anna, boris, vera, gleb):
        assert await tasks.store.read(list_tasks, actor, {"open": True}) == [task]
    assert await tasks.store.read(list_tasks, dina, {}) == []
    with pytest.raises(Forbidden):
        await tasks.store.read(get_task, dina, task.id)
    assert (allowed_steps(gleb, task), allowed_steps(dina, task)) == ((), ())
    assert allowed_steps(vera, task) == ("start", "defer", "complete")
    assert allowed_steps(boris, task) == ("start", "defer", "complete", "cancel", "delegate")
    with pytest.raises(Forbidden):
        await tasks.step(start_task, gleb, task.id)
    with pytest.raises(Forbidden):
        await tasks.do(update_task, vera, task.id, {"title": "Другое"})
    await tasks.do(update_task, anna, task.id, {"observers": (dina.id,), "co_executors": ()})
    assert await tasks.store.read(list_tasks, gleb, {}) == []
    assert len(await tasks.store.read(list_tasks, dina, {"open": True})) == 1
    await tasks.step(complete_task, boris, task.id)
    assert await tasks.store.read(list_tasks, dina, {"open": True}) == []
    assert len(await tasks.store.read(list_tasks, dina, {"open": False})) == 1


async def test_a_head_sees_and_steers_the_tasks_of_his_department(tasks: Tasks) -> None:
    seller, other = await tasks.hire("seller", "service_seller"), await tasks.hire("other", "consultant")
    head = await tasks.head("head", "head_service", seller.id or "")
    theirs = await tasks.give(other, co_executors=(seller.id,))
    foreign = await tasks.give(other)
    assert await tasks.store.read(list_tasks, head, {}) == [theirs]
    assert (await tasks.step(start_task, head, theirs.id)).state is TaskState.IN_WORK
    with pytest.raises(Forbidden):
        await tasks.store.read(get_task, head, foreign.id)


async def test_a_stage_and_its_state_move_together(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    task = await tasks.give(anna, responsible_id=boris.id, group="installation")
    assert (task.stage, task.state) == ("new", TaskState.OPEN)
    moved = await tasks.step(move_task, boris, task.id, "in_work")
    assert (moved.stage, moved.state) == ("in_work", TaskState.IN_WORK)
    finished = await tasks.step(complete_task, boris, task.id, "Смонтировали")
    assert (finished.stage, finished.state) == ("finished", TaskState.ACCEPTANCE)
    accepted = await tasks.step(move_task, boris, task.id, "accepted")
    assert (accepted.stage, accepted.state, accepted.open) == ("accepted", TaskState.DONE, False)
    back = await tasks.step(move_task, boris, task.id, "in_work")
    assert (back.stage, back.state, back.open) == ("in_work", TaskState.IN_WORK, True)
    with pytest.raises(Invalid):
        await tasks.step(move_task, boris, task.id, "nowhere")
    lone = await tasks.give(anna)
    with pytest.raises(Conflict):
        await tasks.step(move_task, anna, lone.id, "new")


async def test_a_board_does_not_go_around_the_result_nor_the_acceptance(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    rules = {"responsible_id": boris.id, "group": "purchase", "acceptance": True, "result_required": True}
    task = await tasks.give(anna, **rules)
    with pytest.raises(Invalid):
        await tasks.step(move_task, boris, task.id, "received")
    await tasks.do(comment_task, boris, task.id, "На складе", result=True)
    with pytest.raises(Conflict):
        await tasks.step(move_task, boris, task.id, "received")
    assert (await tasks.all())[0].state is TaskState.OPEN  # the refused move left nothing behind
    await tasks.step(complete_task, boris, task.id)
    assert (await tasks.step(move_task, anna, task.id, "received")).state is TaskState.DONE


async def test_a_board_takes_back_what_waits_for_acceptance_with_a_reason_only(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    task = await tasks.give(anna, responsible_id=boris.id, group="installation", acceptance=True)
    await tasks.step(complete_task, boris, task.id, "Смонтировали")
    with pytest.raises(Forbidden):
        await tasks.step(move_task, boris, task.id, "in_work", "Рано")
    for stage in ("in_work", "new"):
        with pytest.raises(Invalid) as refused:
            await tasks.step(move_task, anna, task.id, stage)
        assert set(refused.value.fields) == {"reason"}
    back = await tasks.step(move_task, anna, task.id, "new", "Нет фото")
    assert (back.stage, back.state, back.result) == ("new", TaskState.OPEN, None)
    assert "task_step: Задача возвращена на доработку: Дело" in await tasks.notes(boris)


async def test_checklist_is_ticked_changed_and_ordered(tasks: Tasks) -> None:
    anna, vera = await tasks.hire("anna"), await tasks.hire("vera")
    task = await tasks.give(anna, co_executors=(vera.id,))
    for text in ("Замер", "Доставка", "Монтаж"):
        task = await tasks.do(add_check, anna, task.id, text)
    ids = [item.id for item in task.checklist]
    ticked = (await tasks.do(change_check, vera, task.id, ids[0], done=True)).checklist[0]
    assert (ticked.done, ticked.done_by, ticked.done_at) == (True, vera.id, MONDAY_NOON)
    unticked = (await tasks.do(change_check, vera, task.id, ids[0], done=False, text="Обмер")).checklist[0]
    assert (unticked.text, unticked.done, unticked.done_by, unticked.done_at) == ("Обмер", False, None, None)
    ordered = await tasks.do(reorder_checks, anna, task.id, [ids[2], ids[0], ids[1]])
    assert [item.text for item in ordered.checklist] == ["Монтаж", "Обмер", "Доставка"]
    for wrong in (ids[:2], [*ids, ids[0]], ["x", *ids[1:]]):
        with pytest.raises(Invalid):
            await tasks.do(reorder_checks, anna, task.id, wrong)
    assert len((await tasks.do(remove_check, anna, task.id, ids[0])).checklist) == 2
    with pytest.raises(Missing):
        await tasks.do(change_check, anna, task.id, ids[0], done=True)


async def test_who_is_mentioned_is_told_and_may_read(tasks: Tasks) -> None:
    anna, boris, vera = await tasks.hire("anna"), await tasks.hire("boris"), await tasks.hire("vera")
    task = await tasks.give(anna, responsible_id=boris.id)
    item = await tasks.do(comment_task, anna, task.id, "Вера, посмотри", mentions=(vera.id,))
    assert item.data == {"mentions": [vera.id]}
    assert await tasks.notes(vera) == ["task_mention: anna упоминает вас в задаче «Дело»"]
    assert (await tasks.store.read(get_task, vera, task.id)).observers == (vera.id,)
    assert (await tasks.notes(boris))[-1] == "task_comment: Новый комментарий в задаче «Дело»"
    with pytest.raises(Invalid) as refused:
        await tasks.do(comment_task, anna, task.id, "Кто-нибудь?", mentions=("nobody",))
    assert set(refused.value.fields) == {"mentions"}


async def test_a_deadline_that_passes_is_told_once_to_responsible_and_creator(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    task = await tasks.give(anna, responsible_id=boris.id, deadline=MONDAY_NOON + 3 * HOUR)
    await tasks.wait(2 * HOUR)
    assert "task_soon: Скоро срок: Дело" in await tasks.notes(boris)
    assert await tasks.notes(anna) == []
    await tasks.wait(4 * HOUR)
    assert (await tasks.notes(anna), (await tasks.notes(boris))[-1]) == (
        ["task_overdue: Просрочено: Дело"],
        "task_overdue: Просрочено: Дело",
    )
    news = await tasks.store.read(lambda tx: [each.event for each in tx.find(CHANGES) if each.entity_id == task.id])
    assert news == ["created", "overdue"]
    later = await tasks.do(update_task, anna, task.id, {"deadline": MONDAY_NOON + 30 * HOUR})
    assert not later.overdue


async def test_the_reminder_by_itself_counts_working_time(tasks: Tasks) -> None:
    anna = await tasks.hire("anna")
    tuesday_opening = MONDAY_NOON + 22 * HOUR + timedelta(minutes=30)  # 10:30 in Moscow: half an hour of work before
    await tasks.give(anna, deadline=tuesday_opening)
    await tasks.wait(6 * HOUR + timedelta(minutes=29))
    assert await tasks.notes(anna) == []
    await tasks.wait(timedelta(minutes=2))  # Monday, 18:30
    assert await tasks.notes(anna) == ["task_soon: Скоро срок: Дело"]


async def test_own_reminders_come_at_their_moment_and_move_with_the_deadline(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    task = await tasks.give(anna, responsible_id=boris.id, deadline=MONDAY_NOON + 6 * HOUR)
    await tasks.do(add_reminder, anna, task.id, at=MONDAY_NOON + HOUR)
    moved = await tasks.do(add_reminder, anna, task.id, before_minutes=120)
    gone = await tasks.do(add_reminder, boris, task.id, before_minutes=60)
    with pytest.raises(Missing):
        await tasks.do(remove_reminder, anna, task.id, gone.reminders[-1].id)
    await tasks.do(remove_reminder, boris, task.id, gone.reminders[-1].id)
    await tasks.wait(HOUR)
    assert await tasks.notes(anna) == ["task_reminder: Напоминание: Дело"]
    await tasks.do(update_task, anna, moved.id, {"deadline": MONDAY_NOON + 30 * HOUR})
    await tasks.wait(5 * HOUR)
    assert len(await tasks.notes(anna)) == 1
    await tasks.wait(23 * HOUR)
    assert len(await tasks.notes(anna)) == 2
    with pytest.raises(Invalid):
        await tasks.do(add_reminder, anna, task.id, at=MONDAY_NOON)
    with pytest.raises(Invalid):
        await tasks.do(add_reminder, anna, task.id)
    assert (await tasks.all())[0].reminders == ()


async def test_delegating_tells_the_new_one_and_leaves_the_former_as_an_observer(tasks: Tasks) -> None:
    anna, boris, vera = await tasks.hire("anna"), await tasks.hire("boris"), await tasks.hire("vera")
    task = await tasks.give(anna, responsible_id=boris.id)
    given = await tasks.do(delegate_task, boris, task.id, vera.id)
    assert (given.responsible_id, given.observers) == (vera.id, (boris.id,))
    assert await tasks.notes(vera) == ["task_assigned: Вам поручена задача: Дело"]
    with pytest.raises(Forbidden):
        await tasks.do(delegate_task, boris, task.id, boris.id)
    with pytest.raises(Invalid):
        await tasks.do(delegate_task, vera, task.id, "nobody")


async def test_spent_time_adds_up(tasks: Tasks) -> None:
    anna = await tasks.hire("anna")
    task = await tasks.give(anna, planned_minutes=60)
    await tasks.do(log_time, anna, task.id, 45)
    assert (await tasks.do(log_time, anna, task.id, -15)).spent_minutes == 30
    with pytest.raises(Invalid):
        await tasks.do(log_time, anna, task.id, -31)


async def test_a_recurring_task_comes_again_with_its_content(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    deal = await tasks.deal()
    task = await tasks.give(
        anna, responsible_id=boris.id, deadline=MONDAY_NOON + 26 * HOUR, group="purchase", links=(Link("deal", deal),)
    )
    item = (await tasks.do(add_check, anna, task.id, "Обзвонить поставщиков")).checklist[0]
    await tasks.do(change_check, boris, task.id, item.id, done=True)
    await tasks.step(start_task, boris, task.id)
    await tasks.step(repeat_task, anna, task.id, Repeat(unit=Unit.WEEK, count=3))
    await tasks.wait(timedelta(days=6))
    assert len(await tasks.all()) == 1
    await tasks.wait(timedelta(days=30))
    made = sorted(await tasks.all(), key=lambda each: each.created_at)
    assert [each.created_at - MONDAY_NOON for each in made] == [timedelta(days=7 * n) for n in range(3)]
    assert [each.deadline - each.created_at for each in made if each.deadline] == [26 * HOUR] * 3
    again = made[1]
    assert (again.state, again.stage, again.responsible_id) == (TaskState.OPEN, "new", boris.id)
    assert [(each.text, each.done) for each in again.checklist] == [("Обзвонить поставщиков", False)]
    where = await tasks.store.read(of_record, "deal", deal)
    assert len(await tasks.store.read(list_tasks, anna, where)) == 3
    with pytest.raises(Conflict):
        await tasks.do(stop_repeat, anna, again.id)  # it is over already


async def test_a_stopped_series_makes_no_more_tasks(tasks: Tasks) -> None:
    anna = await tasks.hire("anna")
    task = await tasks.give(anna)
    await tasks.step(repeat_task, anna, task.id, Repeat(unit=Unit.DAY))
    await tasks.wait(timedelta(days=2))
    await tasks.do(stop_repeat, anna, task.id)
    await tasks.wait(timedelta(days=5))
    assert len(await tasks.all()) == 3


async def test_a_hub_that_stood_still_makes_one_task_and_goes_on(tasks: Tasks) -> None:
    anna = await tasks.hire("anna")
    task = await tasks.give(anna)
    await tasks.step(repeat_task, anna, task.id, Repeat(unit=Unit.DAY))
    tasks.clock.advance(timedelta(days=20))
    await tasks.wait(timedelta(0))
    assert len(await tasks.all()) == 2
    await tasks.wait(timedelta(days=1))
    assert len(await tasks.all()) == 3


async def test_the_hub_gives_tasks_in_the_name_of_nobody_or_of_somebody(tasks: Tasks) -> None:
    anna, boris = await tasks.hire("anna"), await tasks.hire("boris")
    robot = await tasks.give(SYSTEM, responsible_id=boris.id, group="purchase_check")
    assert robot.creator_id is None
    assert (await tasks.step(complete_task, boris, robot.id, "Есть")).state is TaskState.DONE
    named = await tasks.give(SYSTEM, responsible_id=boris.id, creator_id=anna.id)
    assert named in await tasks.store.read(list_tasks, anna, {})


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"group": "nothing"}, "group"),
        ({"responsible_id": "nobody"}, "responsible_id"),
        ({"co_executors": ("nobody",)}, "co_executors"),
        ({"planned_minutes": -1}, "planned_minutes"),
        ({"priority": "huge"}, "priority"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_task_is_refused_by_field(tasks: Tasks, fields: dict[str, object], wrong: str) -> None:
    anna = await tasks.hire("anna")
    with pytest.raises(Invalid) as refused:
        await tasks.give(anna, **fields)
    assert set(refused.value.fields) == {wrong}


def test_the_company_has_its_four_groups() -> None:
    assert [group.title for group in COMPANY.task_groups.values()] == [
        "Проверка закупок",
        "Закупка оборудования",
        "Установка оборудования",
        "Продажи сервисного обслуживания",
    ]
    assert [stage.title for stage in COMPANY.task_groups["installation"].stages] == [
        "Не обработана",
        "В работе",
        "Выполнено",
        "Принято клиентом",
    ]
