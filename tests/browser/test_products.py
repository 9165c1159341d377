"""The catalogue at a real browser: found, added, changed, put away and taken back."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from crm_core.products import Product, by_sku
from tests.browser.conftest import Sit
from tests.browser.office import DESKTOP, PHONE, Office, Seat

pytestmark = pytest.mark.browser


async def the_press(office: Office) -> Product | None:
    return await office.read(by_sku, "ПГ-100")


async def head_at(office: Office, sit: Sit, size: tuple[int, int] = DESKTOP) -> Seat:
    """Somebody who may change the catalogue, at its page."""
    seat = await sit(await office.hire("Григорий Кузнецов", "head_equipment"), size)
    await seat.page.get_by_role("link", name="Товары").click()
    await expect(seat.page.locator(".empty")).to_contain_text("Товаров пока нет")
    return seat


async def add_press(page: Page) -> None:
    await page.get_by_role("button", name="Добавить").first.click()
    await page.get_by_label("Название").fill("Пресс гидравлический")
    await page.get_by_label("Артикул").fill("ПГ-100")
    await page.get_by_label("Цена: Розничная").fill("985 000,50")
    await page.get_by_label("Характеристики").fill("Усилие: 100 т")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.locator("#dialog")).to_be_hidden()
    await expect(page.locator("#rows")).to_contain_text(re.compile(r"985.000,50.₽"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_product_is_added_and_changed(office: Office, sit: Sit, size: tuple[int, int]) -> None:
    seat = await head_at(office, sit, size)
    page = seat.page
    await add_press(page)
    assert await seat.overflow() == 0
    await page.get_by_role("button", name="Пресс гидравлический").click()
    await expect(page.locator("#dialog")).to_contain_text("Усилие")
    await page.get_by_role("button", name="Изменить").click()
    await page.get_by_label("Цена: Розничная").fill("1 млн")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.locator(".bad-text")).to_have_text("Напишите сумму цифрами целиком, например 12 000")
    await page.get_by_label("Цена: Розничная").fill("1 000 000")
    await page.get_by_label("Характеристики").fill("")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.locator("#rows")).to_contain_text(re.compile(r"1.000.000.₽"))
    saved = await the_press(office)
    assert saved is not None
    assert (saved.prices["retail"].amount, saved.fields) == (1_000_000, {})
    await page.get_by_role("button", name="Пресс гидравлический").click()
    await expect(page.locator(".price-history li")).to_have_count(2)


async def test_a_product_goes_to_the_archive_and_the_toast_takes_it_back(office: Office, sit: Sit) -> None:
    page = (await head_at(office, sit)).page
    await add_press(page)
    await page.get_by_role("button", name="Пресс гидравлический").click()
    await page.get_by_role("button", name="В архив").click()
    await expect(page.locator(".empty")).to_be_visible()
    assert await the_press(office) is None
    await page.locator(".toast button").click()
    await expect(page.locator("#rows")).to_contain_text("Пресс гидравлический")


async def test_a_new_category_is_there_to_choose(office: Office, sit: Sit) -> None:
    page = (await head_at(office, sit)).page
    await page.get_by_role("button", name="Категории").click()
    await page.get_by_label("Новая категория").fill("Прессы")
    await page.get_by_role("button", name="Добавить").last.click()
    await expect(page.locator(".branches")).to_contain_text("Прессы")
    await page.get_by_role("button", name="Закрыть").click()
    await page.get_by_role("button", name="Добавить").first.click()
    await page.get_by_label("Название").fill("Пресс")
    await page.locator("[name=category_id]").select_option(label="Прессы")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.locator("#rows")).to_contain_text("Прессы")


async def test_a_seller_reads_the_catalogue_and_changes_nothing(office: Office, sit: Sit) -> None:
    await add_press((await head_at(office, sit)).page)
    seller = await sit(await office.hire("Анна Соколова"))
    page = seller.page
    await page.get_by_role("link", name="Товары").click()
    await expect(page.get_by_role("button", name="Добавить")).to_have_count(0)
    await page.get_by_label("Поиск").last.fill("пре")
    await page.get_by_label("Поиск").last.press("Enter")
    await page.get_by_role("button", name="Пресс").click()
    await expect(page.locator("#dialog")).to_contain_text("обычная ставка")
    await expect(page.get_by_role("button", name="Изменить")).to_have_count(0)
    csrf = await page.locator("body").get_attribute("data-csrf") or ""
    refused = await page.request.post(f"{seller.url}/products", form={"name": "x"}, headers={"X-CSRF-Token": csrf})
    assert (refused.status, "с товарами" in await refused.text()) == (403, True)


async def test_whoever_may_not_read_products_has_no_such_section(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Ольга Дежурная", "ops"))).page
    await expect(page.get_by_role("link", name="Товары")).to_have_count(0)
