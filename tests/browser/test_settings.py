"""The settings at a real browser: a field and a stage are there at once for a seller, and can be taken back."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from crm_core.actor import SYSTEM
from crm_core.deals import DEALS, create_deal
from crm_core.users import update_user
from tests.browser.conftest import Sit
from tests.browser.office import DESKTOP, PHONE, Office, Seat

pytestmark = pytest.mark.browser

FORM = "#edit"
ROWS = ".setting-rows tbody tr"


async def saved(page: Page, name: str) -> None:
    """Press the button of the form and wait for the word that it holds."""
    await page.locator(FORM).get_by_role("button", name=name).click()
    await expect(page.get_by_role("status").filter(has_text="уже действует")).to_be_visible()


async def add_a_field(admin: Seat) -> None:
    page = admin.page
    await admin.go("/admin/settings?tab=deal_fields")
    await page.get_by_label("Название").fill("Зал показа")
    await page.locator(FORM).get_by_label("Вид").select_option("choice")
    await page.get_by_label("Значения списка").fill("Большой\nМалый")
    await saved(page, "Добавить поле")
    await expect(page.locator(ROWS).last).to_contain_text("Зал показа")
    await expect(page.locator(ROWS).last).to_contain_text("список: Большой, Малый")


async def add_a_stage(admin: Seat) -> None:
    """Behind the second one; it demands the new field."""
    page = admin.page
    await admin.go("/admin/settings?tab=pipelines&way=service")
    await page.locator(FORM).get_by_label("Название").fill("Показ")
    await page.locator(FORM).get_by_label("Цвет").select_option("violet")
    await page.locator(FORM).get_by_text("Заполнены поля").click()
    await page.locator(FORM).get_by_label("Зал показа").check()
    await saved(page, "Добавить стадию")
    row = page.locator(ROWS).filter(has_text="Показ")
    await expect(row).to_contain_text("Зал показа")
    await row.get_by_role("button", name="Выше").click()
    await expect(page.locator(ROWS).nth(2)).to_contain_text("Показ")


async def take_the_stage_back(admin: Seat) -> None:
    """Its place by the history, then the stage itself: its deal must be taken elsewhere."""
    page = admin.page
    await admin.go("/admin/settings?tab=history")
    await page.get_by_role("button", name="Отменить").first.click()
    await expect(page.get_by_role("status").filter(has_text="уже действует")).to_be_visible()
    await admin.go("/admin/settings?tab=pipelines&way=service")
    await expect(page.locator(ROWS).nth(3)).to_contain_text("Показ")
    await page.locator(ROWS).filter(has_text="Показ").get_by_role("link", name="Изменить").click()
    await page.get_by_role("button", name="Убрать").click()
    await expect(page.get_by_role("alert")).to_contain_text("На стадии «Показ» есть записи (1)")
    await page.get_by_label("Куда перенести").select_option(label="Коммерческое предложение")
    await page.get_by_role("button", name="Убрать").click()
    await expect(page.locator(ROWS).filter(has_text="Показ")).to_contain_text("в архиве")


async def test_admin_adds_a_field_and_a_stage_and_takes_them_back(office: Office, sit: Sit) -> None:
    admin = await sit(await office.hire("Админ Админов", "admin"))
    seller = await sit(await office.hire("Григорий Кузнецов", "head_equipment"))
    deal = await office.write(create_deal, SYSTEM, office.hub.desk.company, "service", {"title": "Осмотр станка"})
    await add_a_field(admin)
    await add_a_stage(admin)

    await seller.go(f"/deals/{deal.id}")
    steps = seller.page.locator("#deal .deal-steps li")
    await expect(steps.nth(2)).to_have_text("Показ")
    await steps.nth(2).get_by_role("button").click()
    await expect(seller.page.get_by_role("alert")).to_contain_text("Заполните поле «Зал показа»")
    await seller.page.get_by_label("Зал показа").select_option(label="Малый")
    await seller.page.get_by_role("button", name="Перевести").click()
    await expect(steps.nth(2).locator("[aria-current=step]")).to_have_text("Показ")
    await seller.go("/deals?pipeline=service")
    await expect(seller.page.locator(".board-column").nth(2)).to_contain_text("Осмотр станка")

    await take_the_stage_back(admin)
    await wait_for_stage(office, deal.id, "offer")
    await seller.go(f"/deals/{deal.id}")
    await expect(seller.page.locator("#deal .deal-steps")).not_to_contain_text("Показ")
    await admin.go("/admin/settings?tab=deal_fields&edit=zal_pokaza")
    await admin.page.get_by_label("Скрыть с карточки").check()
    await saved(admin.page, "Сохранить")
    await seller.go(f"/deals/{deal.id}")
    await expect(seller.page.get_by_label("Зал показа")).to_have_count(0)


async def wait_for_stage(office: Office, deal_id: str, stage: str) -> None:
    """The deals of a stage that goes are moved after the commit."""
    async with asyncio.timeout(10):
        while (await office.read(lambda tx: tx.require(DEALS, deal_id))).stage != stage:
            await asyncio.sleep(0.02)


async def test_a_field_is_demanded_where_the_admin_says_and_mistakes_keep_what_was_typed(
    office: Office, sit: Sit
) -> None:
    admin = await sit(await office.hire("Админ Админов", "admin"))
    page = admin.page
    await admin.go("/admin/settings?tab=fields")
    await page.get_by_label("Название").fill("Бюджет")
    await page.locator(FORM).get_by_label("Вид").select_option("choice")
    await page.get_by_label("Чтобы сделать из лида сделку").check()
    await page.locator(FORM).get_by_role("button", name="Добавить поле").click()
    await expect(page.get_by_role("alert")).to_contain_text("Значения: список значений нужен полю choice")
    await expect(page.get_by_label("Название")).to_have_value("Бюджет")
    await page.locator(FORM).get_by_label("Вид").select_option("money")
    await saved(page, "Добавить поле")
    assert "byudzhet" in office.hub.desk.latest.company.conversion.requires


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
async def test_every_tab_fits_the_window_and_is_only_for_admins(
    office: Office, sit: Sit, size: tuple[int, int]
) -> None:
    admin = await sit(await office.hire("Админ Админов", "admin"), size)
    for tab in ("pipelines&edit=contract", "deal_fields&edit=requirements", "fields", "stages&edit=spam", "history"):
        await admin.go(f"/admin/settings?tab={tab}")
        await expect(admin.page.get_by_role("heading", name="Настройка")).to_be_visible()
        assert await admin.overflow() == 0
    seller = await sit(await office.hire("Продавец", "consultant"), size)
    response = await seller.page.request.get(f"{seller.url}/admin/settings")
    assert response.status == 403


async def test_the_history_speaks_the_language_of_its_reader(office: Office, sit: Sit) -> None:
    user = await office.hire("Admin", "admin")
    await office.write(update_user, SYSTEM, user.id, {"locale": "en"})
    admin = await sit(user)
    await add_a_field_in_english(admin)
    await admin.go("/admin/settings?tab=history")
    await expect(admin.page.locator(".setting-history")).to_contain_text("Added")


async def add_a_field_in_english(admin: Seat) -> None:
    await admin.go("/admin/settings?tab=deal_fields")
    await admin.page.get_by_label("Title").fill("Зал показа")
    await admin.page.get_by_role("button", name="Add a field").click()
    await expect(admin.page.get_by_role("status").filter(has_text="it holds already")).to_be_visible()
