"""A task on its page: read, ticked, talked about, handed in and accepted, on a desk and on a phone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from crm_core.actor import Actor
from crm_core.task_checklist import add_check
from crm_core.task_commands import create_task
from crm_core.tasks import TASKS
from crm_core.users import User, actor_for
from storage import Tx
from tests.browser.conftest import Sit
from tests.browser.office import PHONE, Office

pytestmark = pytest.mark.browser


async def as_actor(office: Office, user: User) -> Actor:
    return await office.read(actor_for, user, office.hub.settings.company.rights)


async def given(office: Office, anna: User, boris: User) -> str:
    """A task with two points, a result to write and acceptance; its id."""
    giver = await as_actor(office, anna)
    company = office.hub.settings.company

    def give(tx: Tx) -> str:
        task = create_task(
            tx, giver, title="Смонтировать печь в цехе № 2", description="Позвонить за день.\nПропуск — на проходной.",
            responsible_id=boris.id, group="installation", acceptance=True, result_required=True, company=company,
            priority="high", planned_minutes=240, deadline=tx.now + timedelta(hours=30),
        )  # fmt: skip
        for text in ("Замерить проём", "Подписать акт"):
            add_check(tx, giver, task.id, text)
        return task.id

    return await office.write(give)


async def test_a_task_is_worked_through_on_its_page(office: Office, sit: Sit) -> None:
    anna, boris = await office.hire("Анна Соколова"), await office.hire("Борис Иванов")
    task_id = await given(office, anna, boris)
    seat = await sit(boris)
    page = seat.page
    await seat.go("/tasks")
    await page.get_by_role("link", name="Смонтировать печь в цехе № 2").click()
    await expect(page.get_by_text("Пропуск — на проходной.")).to_be_visible()
    await page.get_by_role("button", name="Начать").click()
    await expect(page.get_by_text("В работе").first).to_be_visible()
    await page.get_by_label("Замерить проём").check()
    await expect(page.get_by_text("1/2")).to_be_visible()
    await page.get_by_label("Новый пункт").fill("Сдать пропуск")
    await page.get_by_role("button", name="Добавить").click()
    await expect(page.get_by_text("1/3")).to_be_visible()
    await page.get_by_label("Новый комментарий").fill("Акт подписан")
    await page.get_by_label("Это результат").check()
    await page.get_by_role("button", name="Отправить").click()
    await expect(page.locator(".task-comment")).to_contain_text("Акт подписан")
    await expect(page.get_by_label("Новый комментарий")).to_have_value("")
    await page.get_by_role("button", name="Выполнено").click()
    await expect(page.locator(".badge").first).to_have_text("Ждёт приёмки")
    desk = await sit(anna, PHONE)
    await desk.go(f"/tasks/{task_id}")
    assert await desk.overflow() == 0
    await desk.page.get_by_role("button", name="Принять").click()
    await expect(desk.page.locator(".badge").first).to_have_text("Выполнена")
    await expect(page.locator(".badge").first).to_have_text("Выполнена")
    done = await office.read(lambda tx: tx.require(TASKS, task_id))
    assert (done.stage, done.result, [item.done for item in done.checklist]) == (
        "accepted",
        "Акт подписан",
        [True, False, False],
    )


async def test_a_task_is_given_on_the_page(office: Office, sit: Sit) -> None:
    anna, boris = await office.hire("Анна Соколова"), await office.hire("Борис Иванов")
    seat = await sit(anna, PHONE)
    page = seat.page
    await seat.go("/tasks")
    await page.get_by_role("button", name="Новая задача").click()
    assert await seat.overflow() == 0
    await page.get_by_label("Название").fill("Проверить цену")
    await page.get_by_label("Ответственный").select_option("Борис Иванов")
    await page.get_by_label("Срок").fill("2030-11-25T15:00")
    await page.get_by_label("Группа").select_option("Проверка закупок")
    await page.get_by_role("button", name="Поставить задачу").click()
    await expect(page.get_by_role("heading", name="Проверить цену")).to_be_visible()
    task = (await office.read(lambda tx: tx.find(TASKS)))[0]
    assert (task.responsible_id, task.creator_id, task.group) == (boris.id, anna.id, "purchase_check")
    assert task.deadline == datetime(2030, 11, 25, 12, tzinfo=UTC)
    bell = await sit(boris)
    await bell.page.locator("[data-notes]").click()
    await bell.page.get_by_text("Вам поручена задача: Проверить цену").click()
    await expect(bell.page.get_by_role("heading", name="Проверить цену")).to_be_visible()
