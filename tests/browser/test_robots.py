"""The page of robots at a real browser: tried on a deal, switched off, and their log read."""

from __future__ import annotations

import os

import pytest
from playwright.async_api import expect

from crm_core.actor import SYSTEM
from crm_core.deal_stages import move_deal
from crm_core.deals import Deal, create_deal
from crm_core.notifications import notify
from storage import Tx
from tests.browser.conftest import Sit
from tests.browser.office import DESKTOP, PHONE, Office, Seat

pytestmark = pytest.mark.browser


async def a_deal_that_needs_procurement(office: Office) -> Deal:
    company = office.hub.desk.company
    values = {"title": "Токарный станок", "fields": {"requirements": "ЧПУ, 5 осей"}}
    deal = await office.write(create_deal, SYSTEM, company, "equipment", values)
    return await office.write(move_deal, SYSTEM, company, deal.id, "purchase_check")


async def look(seat: Seat, name: str) -> None:
    """Keep a picture where somebody wants to see one."""
    if folder := os.environ.get("FIRSTLINE_SCREENSHOTS"):
        await seat.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_an_admin_sees_tries_and_switches_robots(office: Office, sit: Sit, size: tuple[int, int]) -> None:
    deal = await a_deal_that_needs_procurement(office)
    seat = await sit(await office.hire("Анна Волкова", "admin"), size)
    page = seat.page
    await page.get_by_role("button", name="Анна Волкова").click()
    await page.get_by_role("link", name="Роботы").click()
    log = page.locator("table").last
    await expect(log).to_contain_text("Некому поручить: role:procurement")
    await expect(log.get_by_role("link", name=f"Сделка № {deal.number}")).to_have_attribute("href", f"/deals/{deal.id}")
    await look(seat, f"robots-{size[0]}")
    assert await seat.overflow() == 0
    await page.locator("table").first.get_by_role("link", name="Проверка возможности закупки").click()
    await page.get_by_label("Номер сделки").fill(str(deal.number))
    await page.get_by_role("button", name="Проверить").click()
    tried = page.locator("#tried")
    await expect(tried).to_contain_text("Поставить задачу")
    await expect(tried).to_contain_text("Проверить, можно ли закупить: Токарный станок")
    await expect(tried).to_contain_text("некому: Менеджер отдела закупок")
    await look(seat, f"robot-{size[0]}")
    assert await seat.overflow() == 0
    await page.get_by_role("link", name="Не вышло").click()
    await expect(page.locator("table")).to_contain_text("Некому поручить")
    await page.get_by_role("link", name="Роботы").first.click()
    await page.get_by_role("button", name="Выключить: Проверка возможности закупки").click()
    await expect(page.get_by_role("button", name="Включить: Проверка возможности закупки")).to_be_visible()


async def test_a_seller_has_no_way_to_the_robots(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Борис Орлов", "consultant"))).page
    await page.get_by_role("button", name="Борис Орлов").click()
    await expect(page.get_by_role("link", name="Мои настройки")).to_be_visible()
    await expect(page.get_by_role("link", name="Роботы")).to_have_count(0)


async def test_a_note_about_a_deal_leads_to_it(office: Office, sit: Sit) -> None:
    boris = await office.hire("Борис Орлов", "consultant")
    deal = await a_deal_that_needs_procurement(office)

    def remind(tx: Tx) -> None:
        notify(tx, boris.id, "robot", "Через час следующий шаг", deal_id=deal.id)

    await office.write(remind)
    page = (await sit(boris)).page
    await page.get_by_role("button", name="Уведомления").click()
    await page.get_by_role("link", name="Через час следующий шаг").click()
    await expect(page).to_have_url(f"{office.hub.url}/deals/{deal.id}")
