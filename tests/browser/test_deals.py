"""Deals at a real browser: made of a lead, refused by a gate in words, mended in place, moved on."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from playwright.async_api import Page, expect

from crm_core.actor import SYSTEM
from crm_core.automation import RUNS, RobotRun
from crm_core.deal_stages import move_deal
from crm_core.deals import DEALS, Deal, create_deal, edit_deal
from crm_core.documents.issued import DOCUMENTS, Document
from crm_core.leads import LEADS
from crm_core.task_commands import create_task
from crm_core.tasks import Link
from storage import Tx
from tests.browser.conftest import Sit
from tests.browser.office import DESKTOP, PHONE, SMALL_PHONE, Office, Seat
from tests.browser.test_workplace import CUSTOMER

pytestmark = pytest.mark.browser

STEPS = "#deal .steps"


async def at_work(office: Office, sit: Sit, size: tuple[int, int] = DESKTOP) -> Seat:
    """Somebody who may lead deals of either pipeline."""
    return await sit(await office.hire("Григорий Кузнецов", "head_equipment", "first_line"), size)


async def the_deal(office: Office) -> Deal:
    deals = await office.read(lambda tx: tx.find(DEALS))
    assert len(deals) == 1
    return deals[0]


async def a_deal(office: Office, stage: str = "new", **values: Any) -> Deal:
    company = office.hub.desk.company
    deal = await office.write(create_deal, SYSTEM, company, "equipment", {"title": "Станок 16К20", **values})
    return await office.write(move_deal, SYSTEM, company, deal.id, stage)


async def fill(page: Page, name: str, value: str) -> None:
    """Type into a field of the lead's card and leave it."""
    await page.fill(f"#f-{name}", value)
    await page.locator(f"#f-{name}").blur()
    await expect(page.locator(f"#card [data-field={name}] [name=was]")).to_have_value(value)


async def test_lead_becomes_a_deal_that_passes_its_gate_once_the_field_is_filled(office: Office, sit: Sit) -> None:
    page = (await at_work(office, sit)).page
    await office.form(**CUSTOMER)
    await page.locator("[data-take]").first.click()
    await page.get_by_role("button", name="Сделать сделку").click()
    await expect(page.locator("#dialog")).to_contain_text("Заполните поле «Как узнали о нас»")
    await page.get_by_role("button", name="Заполнить").click()
    await expect(page.locator("#card .lacking")).to_have_count(3)
    for name in ("how_learned", "equipment_category"):
        await page.select_option(f"#f-{name}", index=1)
    await fill(page, "probable_equipment", "16К20")
    await expect(page.locator("#card .lacking")).to_have_count(0)
    await page.get_by_role("button", name="Сделать сделку").click()
    await page.get_by_label("Направление").select_option("equipment")
    await page.locator("#dialog").get_by_role("button", name="Сделать сделку").click()
    await page.get_by_role("link", name="Сделка № 1").click()

    await page.locator(STEPS).get_by_role("button", name="Договор и счёт").click()
    refusal = page.get_by_role("alert")
    await expect(refusal).to_contain_text("Для стадии «Договор и счёт» не хватает")
    await expect(refusal).to_contain_text("Заполните поле «Сумма»")
    await page.fill("#f-requirements", "ЧПУ, 5 осей")
    await page.locator("#f-requirements").blur()
    await expect(refusal).not_to_contain_text("Требования к оборудованию")
    await page.fill("#f-amount", "1 250 000,50")
    await page.locator("#f-amount").blur()
    await expect(refusal).to_contain_text("Создайте документ «Коммерческое предложение на оборудование»")
    await page.get_by_role("button", name="Создать документ").click()
    await page.locator("#dialog").get_by_role("button", name="Создать").click()
    await expect(page.locator("#dialog")).to_contain_text("Документу не хватает")
    await page.get_by_label("Шаблон").select_option("offer-equipment")
    await page.get_by_label("Всё равно создать").check()
    await page.locator("#dialog").get_by_role("button", name="Создать").click()
    await page.get_by_role("button", name="Перевести").click()
    await expect(page.locator(f"{STEPS} [aria-current=step]")).to_have_text("Договор и счёт")
    await expect(page.locator(".deal-amount")).to_have_text(re.compile(r"1.250.000,50.₽"))
    deal = await the_deal(office)
    assert (deal.stage, str(deal.amount), deal.fields["requirements"]) == ("contract", "1250000.50", "ЧПУ, 5 осей")
    assert [lead.deal_id for lead in await office.read(lambda tx: tx.find(LEADS))] == [deal.id]


async def test_deal_is_made_on_the_board_gets_a_next_step_and_is_lost(office: Office, sit: Sit) -> None:
    page = (await at_work(office, sit)).page
    await page.get_by_role("link", name="Сделки").click()
    await expect(page.locator(".empty")).to_contain_text("Сделок пока нет")
    await page.get_by_role("button", name="Новая сделка").click()
    await page.get_by_label("Название").fill("Пресс для цеха")
    await page.get_by_label("Сумма").fill("много")
    await page.get_by_role("button", name="Создать").click()
    await expect(page.locator("#dialog [role=alert]")).to_contain_text("напишите сумму цифрами")
    await page.get_by_label("Сумма").fill("100 000")
    await page.get_by_role("button", name="Создать").click()
    await page.get_by_role("button", name="Назначить").click()
    await page.get_by_label("Что сделать").fill("Отправить предложение")
    await page.get_by_label("Когда").fill("2020-01-15T10:00")
    await page.get_by_label("Что обещал клиент").fill("Согласовать бюджет")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.locator("#deal")).to_contain_text("Согласовать бюджет")
    await page.get_by_role("link", name="Сделки").click()
    card = page.locator("[data-stage=new] .deal-card")
    await expect(card).to_contain_text(re.compile(r"100.000.₽"))
    await expect(card.locator(".late")).to_contain_text("просрочен")
    await card.click()
    await page.get_by_text("Сделка потеряна").click()
    await page.locator("[data-lose=price]").click()
    await expect(page.locator(".closed-as")).to_contain_text("Не устраивает цена")
    await page.locator("#toasts").get_by_role("button", name="Отменить").click()
    await expect(page.locator(f"{STEPS} [aria-current=step]")).to_have_text("Новая")
    await page.get_by_text("Сделка потеряна").click()
    await page.locator("[data-lose=price]").click()
    await expect(page.locator(".closed-as")).to_contain_text("Не устраивает цена")
    await page.get_by_role("link", name="Сделки").click()
    await page.locator("#lost-price summary").click()
    await expect(page.locator("#lost-price .deal-card")).to_contain_text("Пресс для цеха")


async def test_board_shows_fifty_cards_of_a_column_and_the_rest_on_demand(office: Office, sit: Sit) -> None:
    for number in range(51):
        await a_deal(office, title=f"Станок {number}", amount=None)
    page = (await at_work(office, sit)).page
    await page.get_by_role("link", name="Сделки").click()
    column = page.locator("[data-stage=new]")
    await expect(column.locator(".tab-count")).to_have_text("51")
    await expect(column.locator(".deal-card")).to_have_count(50)
    await column.get_by_role("button", name="Ещё").click()
    await expect(column.locator(".deal-card")).to_have_count(51)


async def test_open_board_follows_what_colleagues_do(office: Office, sit: Sit) -> None:
    seat = await at_work(office, sit)
    await seat.go("/deals")
    await seat.page.wait_for_selector("body[data-live=on]")
    await a_deal(office, "interest")
    await expect(seat.page.locator("[data-stage=interest] .deal-card")).to_contain_text("Станок 16К20")


async def test_who_may_not_change_deals_sees_no_buttons(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await sit(await office.hire("Анна Соколова"))
    await seat.go(f"/deals/{deal.id}")
    await expect(seat.page.locator(STEPS)).to_be_visible()
    buttons = seat.page.locator("#deal :is(button, input:not([type=hidden]), select, textarea)")
    await expect(buttons).to_have_text(["Новая задача"])


async def test_deals_fit_a_phone(office: Office, sit: Sit) -> None:
    deal = await a_deal(office, title="Очень-длинное-название-без-пробела-" * 6)
    seat = await at_work(office, sit, PHONE)
    wide = {}
    for path in ("/deals", f"/deals/{deal.id}", f"/deals/{deal.id}?want=won"):
        await seat.go(path)
        for width, height in (PHONE, SMALL_PHONE):
            await seat.page.set_viewport_size({"width": width, "height": height})
            if (over := await seat.overflow()) > 0:
                wide[path, width] = over
    assert wide == {}


async def test_field_that_a_colleague_has_changed_meanwhile_is_not_overwritten(office: Office, sit: Sit) -> None:
    deal = await a_deal(office, comment="Старое")
    seat = await at_work(office, sit)
    await seat.go(f"/deals/{deal.id}")
    await seat.page.fill("#f-comment", "Моё")
    await office.write(edit_deal, SYSTEM, office.hub.desk.company, deal.id, {"comment": "Чужое"})
    await seat.page.locator("#f-comment").blur()
    await expect(seat.page.locator("#toasts")).to_contain_text("Поле уже изменил кто-то другой, теперь там: «Чужое»")
    await expect(seat.page.locator("#f-comment")).to_have_value("Чужое")
    seat.complaints[:] = [each for each in seat.complaints if "409" not in each]


def leave_traces(tx: Tx, deal: Deal) -> None:
    """A task, a document and a run of a robot that belong to the deal."""
    create_task(tx, SYSTEM, title="Запросить цену у завода", links=(Link("deal", deal.id),))
    tx.insert(
        DOCUMENTS,
        Document(
            id=tx.new_id("doc_"), number="7", serial=7, year=2026, day=date(2026, 11, 22), template="offer",
            title="Коммерческое предложение", kind="offer", name="КП", deal_id=deal.id, created_at=tx.now,
        ),
    )  # fmt: skip
    tx.insert(
        RUNS,
        RobotRun(
            id=tx.new_id("run_"), at=tx.now, automation_id="stuck", title="Сделка без движения", entity="deal",
            entity_id=deal.id, event="stuck", outcome="done", text="Поставлена задача ответственному",
        ),
    )  # fmt: skip


async def test_card_lists_tasks_documents_and_what_robots_did(office: Office, sit: Sit) -> None:
    deal = await a_deal(office, "interest")
    await office.write(leave_traces, deal)
    seat = await at_work(office, sit)
    await seat.go(f"/deals/{deal.id}")
    await expect(seat.page.get_by_role("link", name="Коммерческое предложение № 7")).to_be_visible()
    await expect(seat.page.locator(".robot-runs")).to_contain_text("Поставлена задача ответственному")
    await expect(seat.page.locator(".timeline")).to_contain_text("Новая → Выяснение интереса")
    await seat.page.get_by_role("link", name="Запросить цену у завода").click()
    await expect(seat.page.locator("#task h1")).to_have_text("Запросить цену у завода")


async def test_new_deal_of_a_person_has_him_as_its_customer(office: Office, sit: Sit) -> None:
    page = (await at_work(office, sit)).page
    await office.form(**CUSTOMER)
    await page.locator("[data-take]").first.click()
    await page.get_by_role("link", name="1 обращение").click()
    await page.get_by_role("button", name="Новая сделка").click()
    await expect(page.locator("#dialog")).to_contain_text("Клиент: Сергей Воронин")
    await page.get_by_label("Название").fill("Запасные части")
    await page.get_by_label("Направление").select_option("service")
    await page.get_by_role("button", name="Создать").click()
    await expect(page.locator("#deal").get_by_role("link", name="Сергей Воронин")).to_be_visible()
    deal = await the_deal(office)
    assert (deal.pipeline, deal.person_id is None) == ("service", False)
    await page.locator("#deal").get_by_role("link", name="Сергей Воронин").click()
    await expect(page.get_by_role("link", name="№ 1 Запасные части")).to_be_visible()
