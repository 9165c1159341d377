"""Tables at a real browser: from the file to the result, what was wrong as a file, undo, and the way out of a list."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from crm_core.people import PEOPLE
from crm_core.sheets.jobs import IMPORTS
from tests.browser.conftest import Sit
from tests.browser.office import DESKTOP, PHONE, Office, Seat

pytestmark = pytest.mark.browser
CONTACTS = (
    "ID;Полное имя контакта;Рабочий телефон;Цвет\n"
    "7;Иван Петров;8 916 123-45-67;синий\n8;Ольга;8 903 555-66-77;\n9;Ошибочный;12;\n"
)


async def people(office: Office) -> set[str | None]:
    return {each.name for each in await office.read(lambda tx: tx.find(PEOPLE))}


async def sent_in(page: Page, kind: str, file: Path) -> None:
    await page.get_by_label("Что в таблице").select_option(kind)
    await page.get_by_label("Файл CSV или XLSX").set_input_files(str(file))
    await page.get_by_role("button", name="Загрузить файл").click()


async def head_at_imports(office: Office, sit: Sit, size: tuple[int, int]) -> Seat:
    seat = await sit(await office.hire("Григорий Кузнецов", "head_equipment"), size)
    await seat.page.get_by_role("button", name="Григорий Кузнецов").click()
    await seat.page.get_by_role("link", name="Импорт").click()
    await expect(seat.page.locator(".empty")).to_contain_text("Загрузок ещё не было")
    return seat


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_table_is_imported_and_taken_back(
    office: Office, sit: Sit, tmp_path: Path, size: tuple[int, int]
) -> None:
    seat = await head_at_imports(office, sit, size)
    page, file = seat.page, tmp_path / "клиенты.csv"
    file.write_bytes(CONTACTS.encode("cp1251"))
    await sent_in(page, "contacts", file)
    await expect(page.locator(".import-reading summary")).to_contain_text("Windows-1251, точка с запятой")
    assert await seat.overflow() == 0
    await expect(page.get_by_label("Поле для столбца «Рабочий телефон»")).to_have_value("phones")
    await expect(page.locator(".import-preview .bad-cell")).to_have_text("12")
    await page.get_by_label("Поле для столбца «Цвет»").select_option("comment")
    await expect(page.locator(".map-why").nth(3)).to_have_text("Выбрано вами")
    await page.get_by_role("button", name="Проверить").click()
    await expect(page.locator("#import")).to_have_attribute("data-state", "checked")
    await expect(page.locator(".tile").first).to_contain_text("2")
    assert await people(office) == set()
    await page.get_by_role("button", name="Загрузить строк: 3").click()
    await expect(page.locator("#import")).to_have_attribute("data-state", "done")
    await expect(page.locator(".ops-list")).to_contain_text("Рабочий телефон «12»: Не похоже на номер телефона")
    assert await people(office) == {"Иван Петров", "Ольга"}
    assert await seat.overflow() == 0
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Скачать").click()
    errors = Path(await (await started.value).path()).read_text("utf-8-sig").splitlines()
    assert errors[1].startswith("9;Ошибочный;12;;")
    page.once("dialog", lambda question: question.accept())
    await page.get_by_role("button", name="Отменить загрузку").click()
    await expect(page.locator("#import")).to_have_attribute("data-state", "undone")
    assert await people(office) == set()
    await page.get_by_role("link", name="Все загрузки").click()
    await expect(page.locator("#rows")).to_contain_text("Отменено")
    assert await seat.overflow() == 0


async def test_a_wrong_file_or_mapping_is_told_in_words(office: Office, sit: Sit, tmp_path: Path) -> None:
    page = (await head_at_imports(office, sit, DESKTOP)).page
    empty, table = tmp_path / "empty.csv", tmp_path / "товары.csv"
    empty.write_text("Название;Цена\n", "utf-8")
    table.write_text("Прайс-лист\nТовар|Цена\nСтанок|100\n", "utf-8")
    await sent_in(page, "products", empty)
    await expect(page.get_by_role("alert")).to_have_text("Под заголовками нет ни одной строки")
    await sent_in(page, "products", table)
    await expect(page.locator(".import-reading summary")).to_contain_text(
        "вертикальная черта, заголовки в строке 2"
    )  # fmt: skip
    await page.get_by_label("Поле для столбца «Товар»").select_option("")
    await expect(page.locator(".map-row.off")).to_have_count(1)
    await page.get_by_role("button", name="Загрузить строк: 1").click()
    await expect(page.get_by_role("alert")).to_have_text("Назначьте столбец для обязательного поля: Название")
    await page.locator(".import-reading summary").click()
    await page.get_by_label("Разделитель").select_option(";")
    await page.get_by_role("button", name="Прочитать заново").click()
    await expect(page.locator(".map-column strong")).to_have_count(1)
    (job,) = await office.read(lambda tx: tx.find(IMPORTS))
    assert job.state == "draft"


async def test_lists_are_taken_out_by_whoever_may(office: Office, sit: Sit) -> None:
    await office.form(name="Иван Петров", phone="+79161234567")
    page = (await sit(await office.hire("Григорий Кузнецов", "head_equipment"))).page
    await page.get_by_role("link", name="Лиды").click()
    await expect(page.locator("#rows")).to_contain_text("Иван Петров")
    await page.get_by_role("button", name="Выгрузить").click()
    async with page.expect_download() as started:
        await page.get_by_role("link", name="CSV для Excel").click()
    text = Path(await (await started.value).path()).read_text("utf-8-sig")
    assert "Иван Петров;'+79161234567;" in text
    for section in ("Сделки", "Товары"):
        await page.get_by_role("link", name=section, exact=True).click()
        await page.get_by_role("button", name="Выгрузить").click()
        await expect(page.get_by_role("link", name="XLSX")).to_be_visible()
    seller = (await sit(await office.hire("Анна Смирнова", "first_line"))).page
    await seller.get_by_role("link", name="Лиды").click()
    await expect(seller.locator("#rows")).to_contain_text("Иван Петров")
    await expect(seller.get_by_role("button", name="Выгрузить")).to_have_count(0)
    await seller.get_by_role("button", name="Анна Смирнова").click()
    await expect(seller.get_by_role("link", name="Мои настройки")).to_be_visible()
    await expect(seller.get_by_role("link", name="Импорт")).to_have_count(0)
