"""The pages around tasks: the day, lists with their filters, the form, what a task is about, and the search page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import expect

from crm_core.actor import SYSTEM
from crm_core.companies import create_company
from crm_core.contacts import create_person
from crm_core.deals import create_deal
from crm_core.products import create_product
from crm_core.task_commands import create_task
from crm_core.tasks import TASKS, Link, TaskState
from crm_core.users import User
from storage import Tx
from tests.browser.conftest import Sit
from tests.browser.office import PHONE, Office

pytestmark = pytest.mark.browser


async def put_tasks(office: Office, anna: User, boris: User) -> None:
    """Anna's: one late, one without a deadline, one that she helps with, one that Boris has handed in to her."""
    company = office.hub.settings.company

    def put(tx: Tx) -> None:
        now = tx.now
        give = {"company": company, "creator_id": anna.id}
        late = create_task(tx, SYSTEM, title="Отправить счёт", responsible_id=anna.id, **give)
        tx.update(TASKS, late, deadline=now - timedelta(hours=2))
        create_task(tx, SYSTEM, title="Разобрать склад", responsible_id=anna.id, **give)
        create_task(
            tx, SYSTEM, title="Помочь с монтажом", responsible_id=boris.id, co_executors=(anna.id,), company=company,
            deadline=now + timedelta(days=3), group="installation",
        )  # fmt: skip
        done = create_task(tx, SYSTEM, title="Снять показания", responsible_id=boris.id, acceptance=True, **give)
        tx.update(TASKS, done, state=TaskState.ACCEPTANCE)
        create_task(tx, SYSTEM, title="Чужое дело", responsible_id=boris.id, creator_id=boris.id, company=company)

    await office.write(put)


async def test_the_day_shows_what_is_to_be_done_now(office: Office, sit: Sit) -> None:
    anna, boris = await office.hire("Анна Соколова"), await office.hire("Борис Иванов")
    await put_tasks(office, anna, boris)
    for size in (PHONE, (1440, 900)):
        seat = await sit(anna, size)
        page = seat.page
        await seat.go("/tasks")
        for heading, title in (
            ("Просрочены", "Отправить счёт"), ("Примите или верните", "Снять показания"),
            ("На неделе", "Помочь с монтажом"), ("Без срока", "Разобрать склад"),
        ):  # fmt: skip
            part = page.locator("section", has=page.get_by_role("heading", name=heading))
            await expect(part.locator(".task-title")).to_have_text(title)
        await expect(page.get_by_text("Чужое дело")).to_have_count(0)
        assert await seat.overflow() == 0


async def test_a_line_and_enter_make_a_task_of_today(office: Office, sit: Sit) -> None:
    anna = await office.hire("Анна Соколова")
    seat = await sit(anna)
    page = seat.page
    await seat.go("/tasks")
    for title in ("Позвонить в банк", "Заказать пропуск"):
        await page.get_by_label("Быстрая задача").fill(title)
        await page.get_by_label("Быстрая задача").press("Enter")
        await expect(page.locator(".task-title", has_text=title)).to_be_visible()
        await expect(page.get_by_label("Быстрая задача")).to_have_value("")
        await expect(page.get_by_label("Быстрая задача")).to_be_focused()
    found = await office.read(lambda tx: tx.find(TASKS))
    assert {task.responsible_id for task in found} == {anna.id}
    assert all(task.deadline is not None and task.deadline - task.created_at <= timedelta(days=1) for task in found)


async def test_filters_stand_in_the_address(office: Office, sit: Sit) -> None:
    anna, boris = await office.hire("Анна Соколова"), await office.hire("Борис Иванов")
    await put_tasks(office, anna, boris)
    seat = await sit(anna)
    page = seat.page
    await seat.go("/tasks")
    await page.get_by_role("link", name="Помогаю").click()
    await expect(page.locator(".task-title")).to_have_text("Помочь с монтажом")
    await page.get_by_role("link", name="Все", exact=True).click()
    await expect(page.locator(".task-title")).to_have_count(4)
    await page.get_by_label("Группа").select_option("Установка оборудования")
    await expect(page.locator(".task-title")).to_have_text("Помочь с монтажом")
    assert "group=installation" in page.url
    await page.reload()
    await expect(page.get_by_label("Группа")).to_have_value("installation")
    await expect(page.locator(".task-title")).to_have_count(1)
    await page.get_by_role("link", name="Сбросить").click()
    await page.get_by_label("Срок").select_option("Просрочены")
    await expect(page.locator(".task-title")).to_have_text("Отправить счёт")


async def test_only_who_may_complete_a_task_is_offered_to(office: Office, sit: Sit) -> None:
    anna, boris = await office.hire("Анна Соколова"), await office.hire("Борис Иванов")

    def put(tx: Tx) -> None:
        create_task(tx, SYSTEM, title="Смотреть со стороны", responsible_id=boris.id, observers=(anna.id,))
        gone = create_task(tx, SYSTEM, title="Отменённое", responsible_id=anna.id)
        tx.update(TASKS, gone, open=False, state=TaskState.CANCELLED, closed_at=tx.now)

    await office.write(put)
    seat = await sit(anna)
    await seat.go("/tasks?whose=helping")
    row = seat.page.locator(".task-row", has_text="Смотреть со стороны")
    await expect(row).to_be_visible()
    await expect(row.get_by_role("button", name="Выполнено")).to_have_count(0)
    await seat.go("/tasks?whose=mine&state=closed")
    row = seat.page.locator(".task-row", has_text="Отменённое")
    await expect(row).to_contain_text("Отменена")
    await expect(row.locator(".task-icon use[href$='#check']")).to_have_count(0)


async def put_installation(office: Office, anna: User) -> str:
    """Anna's own task about a deal and a contact."""
    company = office.hub.settings.company

    def put(tx: Tx) -> str:
        person = create_person(tx, SYSTEM, {"name": "Олег Громов"})
        deal = create_deal(tx, SYSTEM, company, "equipment", {"title": "Печь для цеха"})
        links = (Link("deal", deal.id), Link("contact", person.id))
        return create_task(
            tx, SYSTEM, title="Смонтировать", responsible_id=anna.id, creator_id=anna.id, links=links,
            deadline=tx.now + timedelta(days=5), group="installation", company=company,
        ).id  # fmt: skip

    return await office.write(put)


async def test_a_task_is_changed_in_its_form(office: Office, sit: Sit) -> None:
    anna, boris = await office.hire("Анна Соколова"), await office.hire("Борис Иванов")
    task_id = await put_installation(office, anna)
    seat = await sit(anna, PHONE)
    page = seat.page
    await seat.go(f"/tasks/{task_id}")
    await expect(page.get_by_role("link", name="Печь для цеха")).to_be_visible()
    await page.get_by_role("button", name="Изменить").click()
    await expect(page.get_by_label("Название")).to_be_visible()
    assert await seat.overflow() == 0
    await page.get_by_label("Название").fill("Смонтировать печь")
    await page.get_by_label("Планируемое время, ч").fill("много")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.get_by_text("Нужно число часов, например 1,5")).to_be_visible()
    await page.get_by_label("Планируемое время, ч").fill("2,5")
    await page.get_by_label("Наблюдатели").select_option("Борис Иванов")
    await page.get_by_label("Принимает постановщик").check()
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.get_by_role("heading", name="Смонтировать печь")).to_be_visible()
    task = await office.read(lambda tx: tx.require(TASKS, task_id))
    assert (task.planned_minutes, task.observers, task.acceptance) == (150, (boris.id,), True)
    assert (task.responsible_id, task.group, len(task.links)) == (anna.id, "installation", 2)


async def test_a_task_reminds_repeats_and_counts_its_time(office: Office, sit: Sit) -> None:
    anna = await office.hire("Анна Соколова")
    task_id = await put_installation(office, anna)
    seat = await sit(anna, PHONE)
    page = seat.page
    await seat.go(f"/tasks/{task_id}")
    await page.get_by_text("Напомнить мне").click()
    await page.get_by_role("button", name="за час").click()
    await expect(page.get_by_text("Напомнить:")).to_be_visible()
    await page.locator("#task-repeat summary").click()
    await page.locator("#task-repeat").get_by_role("button", name="Повторять").click()
    await expect(page.get_by_text("Повторяется раз в 1 нед.")).to_be_visible()
    await page.get_by_text("Записать время").click()
    await page.get_by_label("Затрачено часов").fill("1,5")
    await page.get_by_role("button", name="Записать", exact=True).click()
    await expect(page.get_by_text("Затраченное время")).to_be_visible()
    assert await seat.overflow() == 0
    task = await office.read(lambda tx: tx.require(TASKS, task_id))
    assert (task.spent_minutes, len(task.reminders)) == (90, 1)
    assert task.series_id is not None
    await page.get_by_role("button", name="Убрать").click()
    await page.get_by_role("button", name="Не повторять").click()
    await expect(page.get_by_text("Повторяется раз в 1 нед.")).to_have_count(0)


async def test_a_task_is_given_from_the_card_of_a_lead(office: Office, sit: Sit) -> None:
    anna = await office.hire("Анна Соколова")
    seat = await sit(anna)
    page = seat.page
    await office.form(name="Сергей Воронин", phone="+79161234567")
    await page.get_by_role("button", name="Принять").click()
    await page.locator("#card").get_by_role("button", name="Новая задача").click()
    await page.locator("#dialog").get_by_label("Название").fill("Подобрать станок")
    await page.get_by_role("button", name="Поставить задачу").click()
    await expect(page.get_by_role("heading", name="Подобрать станок")).to_be_visible()
    await expect(page.get_by_role("link", name="№ 1")).to_be_visible()
    (task,) = await office.read(lambda tx: tx.find(TASKS))
    assert (task.lead_id is not None, task.responsible_id) == (True, anna.id)


async def test_cards_are_dragged_on_the_board_and_taken_back_with_a_reason(office: Office, sit: Sit) -> None:
    anna = await office.hire("Анна Соколова")
    task_id = await put_installation(office, anna)
    seat = await sit(anna)
    page = seat.page
    await seat.go("/tasks/board?group=installation")
    card = page.locator(f"[data-card={task_id}]")
    for column in ("in_work", "finished"):
        await card.drag_to(page.locator(f"[data-column={column}]"))
        await expect(page.locator(f"[data-column={column}] [data-card]")).to_have_count(1)
        await expect(page.locator(".toast").last).to_contain_text("Задача обновлена")
    await card.drag_to(page.locator("[data-column=in_work]"))
    await page.get_by_label("Что доработать").fill("Нет фото")
    await page.get_by_role("button", name="Вернуть на доработку").click()
    await expect(page.locator("[data-column=in_work] [data-card]")).to_have_count(1)
    await expect(page.locator("#dialog")).not_to_be_visible()
    task = await office.read(lambda tx: tx.require(TASKS, task_id))
    assert (task.state, task.stage) == (TaskState.IN_WORK, "in_work")


async def test_a_refused_stage_does_not_stay_in_the_control(office: Office, sit: Sit) -> None:
    anna = await office.hire("Анна Соколова")

    def put(tx: Tx) -> str:
        company = office.hub.settings.company
        return create_task(
            tx, SYSTEM, title="Закупить", responsible_id=anna.id, creator_id=anna.id, group="purchase",
            result_required=True, company=company,
        ).id  # fmt: skip

    seat = await sit(anna)
    page = seat.page
    await seat.go(f"/tasks/{await office.write(put)}")
    before = await page.get_by_label("Стадия").input_value()
    await page.get_by_label("Стадия").select_option("received")
    await expect(page.locator(".toast.bad")).to_contain_text("Без результата не завершить")
    await expect(page.get_by_label("Стадия")).to_have_value(before)
    seat.complaints.clear()  # the browser tells of the refused request itself


async def test_the_search_page_shows_every_kind_that_the_reader_may_see(office: Office, sit: Sit) -> None:
    boss = await office.hire("Виктор Орлов", "head_equipment")
    engineer = await office.hire("Игорь Носов", "service_admin")

    def put(tx: Tx) -> None:
        company = office.hub.settings.company
        create_person(tx, SYSTEM, {"name": "Фрезерный Иван"})
        create_company(tx, SYSTEM, {"name": "Фрезерный завод"})
        create_product(tx, SYSTEM, company, {"name": "Фрезерный станок"})
        create_deal(tx, SYSTEM, company, "equipment", {"title": "Фрезерный станок для цеха"})
        create_task(tx, SYSTEM, title="Фрезерный: уточнить цену", responsible_id=boss.id)

    await office.write(put)
    seat = await sit(boss)
    page = seat.page
    await page.locator("#search").fill("фрезерный")
    await page.locator("#search").press("Enter")
    for kind in ("contact", "company", "deal", "task", "product"):
        await expect(page.locator(f"[data-kind={kind}] li")).to_have_count(1)
    await page.locator("[data-kind=product] button").click()
    await expect(page.locator("#dialog")).to_contain_text("Фрезерный станок")
    await page.keyboard.press("Escape")
    await page.get_by_role("link", name="Фрезерный: уточнить цену").click()
    await expect(page.get_by_role("heading", name="Фрезерный: уточнить цену")).to_be_visible()
    narrow = await sit(engineer, PHONE)
    await narrow.go("/tasks")
    await narrow.page.get_by_role("link", name="Поиск").click()
    await narrow.page.get_by_role("main").get_by_role("searchbox").fill("фрезерный")
    await narrow.page.get_by_role("button", name="Найти").click()
    await expect(narrow.page.locator("[data-kind=deal] li")).to_have_count(1)
    await expect(narrow.page.locator("[data-kind=contact]")).to_have_count(0)
    assert await narrow.overflow() == 0
