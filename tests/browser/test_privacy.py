"""Personal data on the page of a person: consents, his file, and an erasure that shows how it goes."""

from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from crm_core.people import PEOPLE
from crm_core.personal_data import ERASURES, Erasure
from router.erasure import note_failure
from storage import ReadTx, Tx
from tests.browser.conftest import Sit
from tests.browser.office import PHONE, Office
from tests.browser.test_workplace import until_there_is_a_lead

pytestmark = pytest.mark.browser


def the_id(tx: ReadTx) -> str:
    (person,) = tx.find(PEOPLE)
    return person.id


async def picture(page: Page, name: str) -> None:
    """For whoever wants to look: FIRSTLINE_PICTURES names the folder."""
    if folder := os.environ.get("FIRSTLINE_PICTURES"):
        await page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


async def test_consents_are_shown_noted_and_withdrawn(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Вера Ильина", "consultant"))
    page = seat.page
    await office.form(name="Сергей Воронин", phone="8 912 555-01-17", page="https://shop.example/press")
    await until_there_is_a_lead(office)
    await seat.go(f"/people/{await office.read(the_id)}")
    block = page.locator("#privacy")
    await expect(block).to_contain_text("Обработка персональных данных по заявке")
    await expect(block).to_contain_text("https://shop.example/press")
    await expect(block.get_by_role("button", name="Удалить персональные данные")).to_have_count(0)
    await block.locator("summary").click()
    await block.get_by_label("На что дано согласие").fill("Рассылка новостей, редакция 2")
    await block.get_by_role("button", name="Записать", exact=True).click()
    await expect(block.locator(".consents li")).to_have_count(2)
    await expect(block).to_contain_text("запись: Вера Ильина")
    page.on("dialog", lambda dialog: dialog.accept())
    await block.get_by_role("button", name="Отозвать согласие").click()
    await expect(block.locator(".consents .bad-text")).to_have_count(2)
    await expect(block.get_by_role("button", name="Отозвать согласие")).to_have_count(0)
    await picture(page, "consents")


async def test_his_data_are_handed_out_and_erased_with_progress(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Пётр Главный", "head_equipment"))
    page = seat.page
    await office.form(name="Сергей Воронин", phone="8 912 555-01-17", comment="Нужен пресс")
    await until_there_is_a_lead(office)
    person_id = await office.read(the_id)
    await seat.go(f"/people/{person_id}")
    block = page.locator("#privacy")
    async with page.expect_download() as coming:
        await block.get_by_role("link", name="Выгрузить данные").click()
    data = Path(await (await coming.value).path()).read_bytes()
    assert "Нужен пресс" in zipfile.ZipFile(io.BytesIO(data)).read("data.json").decode()

    await block.get_by_role("button", name="Удалить персональные данные").click()
    dialog = page.locator("#dialog")
    await expect(dialog).to_contain_text("очистятся лиды (1)")
    await picture(page, "erase-dialog")
    await dialog.get_by_role("button", name="Удалить навсегда").click()
    await expect(dialog).to_be_visible()
    assert await office.read(lambda tx: tx.get(ERASURES, person_id)) is None, "the browser asks for the ground first"
    await dialog.get_by_label("Основание").fill("Заявление от 23.11.2026")
    await dialog.get_by_label("Понимаю").check()
    await dialog.get_by_role("button", name="Удалить навсегда").click()
    await expect(page.locator("#privacy")).to_contain_text(re.compile("Данные удалены: .*Пётр Главный"))
    await expect(page.locator("#privacy")).to_contain_text("Основание: Заявление от 23.11.2026")
    await expect(page.locator("main")).not_to_contain_text("Воронин")
    await expect(page.locator("main")).not_to_contain_text("Нужен пресс")
    await picture(page, "erased")


async def test_an_erasure_that_failed_says_so_and_when_it_is_tried_again(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Пётр Главный", "head_equipment"), PHONE)
    await office.form(name="Сергей Воронин", phone="8 912 555-01-17")
    await until_there_is_a_lead(office)
    person_id = await office.read(the_id)
    await office.write(_stuck, person_id)
    await seat.go(f"/people/{person_id}")
    block = seat.page.locator("#privacy")
    await expect(block.get_by_role("alert")).to_contain_text("Не очистилась запись")
    await expect(block.get_by_role("alert")).to_contain_text("Следующая попытка")
    await expect(block).to_contain_text("Шаг 1 из 2")
    assert await seat.overflow() == 0
    await block.scroll_into_view_if_needed()
    await picture(seat.page, "failed-390")


def _stuck(tx: Tx, person_id: str) -> None:
    row = Erasure(id=person_id, ground="Заявление", by_id=None, by="Пётр Главный", begun_at=tx.now)
    tx.insert(ERASURES, row)
    note_failure(tx, person_id, "Не очистилась запись «deals» (ValueError). Попытка повторится сама")
