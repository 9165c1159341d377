"""Customers: the lists with saved filters, the card of a company, and two records that become one and come apart."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from playwright.async_api import Page, expect

from crm_core.actor import SYSTEM
from crm_core.companies import COMPANIES, create_company
from crm_core.contacts import create_person
from crm_core.deals import DEALS
from crm_core.leads import LEADS
from crm_core.people import PEOPLE
from crm_core.segments import SEGMENTS
from crm_core.worth import note_won
from storage import Tx
from tests.api.hub import until
from tests.browser.conftest import Sit
from tests.browser.office import PHONE, Office

pytestmark = pytest.mark.browser


def fill(tx: Tx) -> dict[str, str]:
    """Two companies that look alike with a contact each, and one that bought."""
    daisy = create_company(tx, SYSTEM, {"name": "ООО «Ромашка»", "inn": "7707083893", "kpp": "773601001"})
    other = create_company(tx, SYSTEM, {"name": "Ромашка", "site": "romashka.ru", "director": "Ольга Цветкова"})
    works = create_company(tx, SYSTEM, {"name": "Токарный завод", "phones": ["+74951234567"]})
    ivan = create_person(tx, SYSTEM, {"name": "Иван Петров", "phones": ["+79161234567"], "company_id": daisy.id})
    known = {"position": "Директор", "company_id": works.id, "emails": ["ivan@zavod.example"]}
    same = create_person(tx, SYSTEM, {"name": "Петров Иван"} | known)
    note_won(tx, ivan.id, works.id, Decimal("6500000"), tx.now)
    return {"daisy": daisy.id, "other": other.id, "works": works.id, "ivan": ivan.id, "same": same.id}


async def names(page: Page) -> list[str]:
    return await page.locator("#rows .main-cell strong").all_inner_texts()


async def change(page: Page, label: str, value: str) -> None:
    field = page.locator("#customer").get_by_label(label, exact=True)
    await field.fill(value)
    await field.blur()


async def test_a_list_is_filtered_and_the_filters_are_saved_as_a_segment(office: Office, sit: Sit) -> None:
    await office.write(fill)
    seat = await sit(await office.hire("Анна Соколова", "consultant"))
    page = seat.page
    await page.locator(".rail a", has_text="Клиенты").click()
    await expect(page.locator("#rows tr")).to_have_count(3)
    await expect(page.locator("#rows tr", has_text="Токарный завод")).to_contain_text(
        re.compile(r"A\s*Новички.*6.500.000", re.DOTALL)
    )
    await page.get_by_label("Как покупают").select_option("new")
    await expect(page.locator("#rows tr")).to_have_count(1)
    await page.get_by_role("button", name="Сохранить отбор").click()
    await page.locator("#dialog").get_by_label("Название").fill("Новые покупатели")
    await page.locator("#dialog").get_by_label("Показывать всем").check()
    await page.locator("#dialog").get_by_role("button", name="Сохранить").click()
    await expect(page.get_by_label("Сегмент")).to_have_value(re.compile("seg_"))
    assert await names(page) == ["Токарный завод"]
    await page.get_by_role("link", name="Люди").click()
    await expect(page.locator("#rows tr")).to_have_count(2)
    await page.get_by_role("link", name="Компании").click()
    await page.get_by_label("Сегмент").select_option(label="Новые покупатели")
    await expect(page.locator("#rows tr")).to_have_count(1)
    page.once("dialog", lambda asked: asked.accept())
    await page.get_by_role("button", name="Удалить сегмент").click()
    await expect(page.locator("#rows tr")).to_have_count(3)
    assert await office.read(lambda tx: tx.count(SEGMENTS)) == 0
    assert await seat.overflow() == 0


async def test_requisites_are_changed_in_place_and_a_wrong_one_is_refused(office: Office, sit: Sit) -> None:
    ids = await office.write(fill)
    seat = await sit(await office.hire("Анна Соколова", "consultant"))
    page = seat.page
    await seat.go(f"/companies/{ids['works']}")
    await change(page, "ИНН", "7707083894")
    await expect(page.locator(".toast.bad")).to_contain_text("ИНН")
    await expect(page.locator("[data-field=inn]")).to_have_class(re.compile("lacking"))
    seat.complaints.clear()  # the browser notes the refusal
    await change(page, "ИНН", "500100732259")
    await expect(page.locator("[data-field=inn]")).to_have_class(re.compile("saved"))
    await change(page, "Телефоны", "8 495 123-45-67, 8 916 765 43 21")
    await expect(page.get_by_label("Телефоны", exact=True)).to_have_value("+74951234567, +79167654321")
    await expect(page.locator(".customer-name")).to_contain_text("ИНН 500100732259")
    company: Any = await office.read(lambda tx: tx.require(COMPANIES, ids["works"]))
    assert (company.inn, company.phones) == ("500100732259", ("+74951234567", "+79167654321"))


async def test_a_company_and_its_contact_are_added_by_hand(office: Office, sit: Sit) -> None:
    await office.write(fill)
    seat = await sit(await office.hire("Анна Соколова", "consultant"))
    page = seat.page
    await seat.go("/companies")
    await page.get_by_role("button", name="Добавить компанию").click()
    dialog = page.locator("#dialog")
    await dialog.get_by_label("Название").fill("Ромашка ОАО")
    await dialog.get_by_role("button", name="Создать").click()
    await expect(dialog).to_contain_text("Похожие компании уже есть")
    await dialog.get_by_role("button", name="Это другая, создать").click()
    await expect(page.locator(".customer-name h1")).to_have_text("Ромашка ОАО")
    await page.get_by_role("button", name="Добавить контакт").click()
    await dialog.get_by_label("Имя").fill("Пётр Ильин")
    await dialog.get_by_label("Телефон").fill("8 916 000 11 22")
    await dialog.get_by_role("button", name="Создать").click()
    await expect(page.locator(".customer-name h1")).to_have_text("Пётр Ильин")
    await page.locator(".customer-name a", has_text="Ромашка ОАО").click()
    await expect(page.locator(".person-side")).to_contain_text("Пётр Ильин")


async def test_two_companies_become_one_field_by_field_and_come_apart(office: Office, sit: Sit) -> None:
    ids = await office.write(fill)
    seat = await sit(await office.hire("Анна Соколова", "consultant"))
    page = seat.page
    await seat.go(f"/companies/{ids['daisy']}")
    alike = page.locator("#duplicates")
    await expect(alike).to_contain_text("Похожее название")
    await alike.get_by_role("button", name="Объединить").click()
    dialog = page.locator("#dialog")
    await dialog.get_by_role("group", name="Название").get_by_label("Ромашка", exact=True).check()
    await dialog.get_by_role("button", name="Объединить").click()
    await expect(page.locator(".customer-name h1")).to_have_text("Ромашка")
    await expect(page.get_by_label("Сайт")).to_have_value("romashka.ru")
    await expect(page.get_by_label("ИНН")).to_have_value("7707083893")
    await page.get_by_role("button", name="Разъединить").click()
    await expect(page.locator(".customer-name h1")).to_have_text("ООО «Ромашка»")
    await expect(page.get_by_label("Сайт")).to_have_value("")
    assert await office.read(lambda tx: tx.count(COMPANIES)) == 3


async def test_two_people_become_one_who_keeps_the_chosen_lead(office: Office, sit: Sit) -> None:
    ids = await office.write(fill)
    seat = await sit(await office.hire("Анна Соколова", "consultant"))
    page = seat.page
    await office.form(name="Иван Петров", phone="+79161234567")
    await office.mail("Петров Иван", "ivan@zavod.example", "Станок", "Пришлите прайс")
    await until(lambda: office.read(lambda tx: tx.count(LEADS) == 2))
    await seat.go(f"/people/{ids['ivan']}")
    await page.get_by_role("button", name="Объединить…").click()
    dialog = page.locator("#dialog")
    await dialog.locator(".pick button", has_text="Петров Иван").click()
    await dialog.get_by_role("group", name="Остаётся").get_by_label("Петров Иван").check()
    await dialog.get_by_role("group", name="Имя").get_by_label("Иван Петров").check()
    await dialog.get_by_role("group", name="У обоих открыт лид").get_by_label("Станок").check()
    await dialog.get_by_role("button", name="Объединить").click()
    await expect(page).to_have_url(re.compile(ids["same"]))
    await expect(page.locator(".customer-name h1")).to_have_text("Иван Петров")
    await expect(page.get_by_label("Телефоны")).to_have_value("+79161234567")
    await expect(page.locator(".timeline")).to_contain_text("Объединён с контактом")
    (kept,) = await office.read(lambda tx: tx.find(LEADS, {"open": True}, sort="created_at"))
    assert (kept.title, kept.person_id) == ("Станок", ids["same"])
    await page.get_by_role("button", name="Разъединить").click()
    await expect(page.locator(".customer-name h1")).to_have_text("Петров Иван")
    assert await office.read(lambda tx: tx.count(PEOPLE)) == 2


async def test_the_pages_of_customers_fit_a_phone(office: Office, sit: Sit) -> None:
    ids = await office.write(fill)
    seat = await sit(await office.hire("Анна Соколова", "consultant"), PHONE)
    for path in ("/companies", "/people", f"/companies/{ids['daisy']}", f"/people/{ids['ivan']}"):
        await seat.go(path)
        assert await seat.overflow() == 0, path


async def test_who_may_not_change_companies_reads_them(office: Office, sit: Sit) -> None:
    ids = await office.write(fill)
    seat = await sit(await office.hire("Сергей Сервис", "service_seller"))
    page = seat.page
    await seat.go(f"/companies/{ids['daisy']}")
    await expect(page.locator("#customer")).to_contain_text("7707083893")
    assert await page.locator("#customer :is(input, select, textarea)").count() == 0
    assert await page.get_by_role("button", name="Объединить").count() == 0


async def test_the_company_of_a_deal_is_chosen_when_its_name_resembles_others(office: Office, sit: Sit) -> None:
    ids = await office.write(fill)
    await office.form(name="Пётр", phone="+79160000001")
    user = await office.hire("Анна Соколова", "consultant")
    known = {"how_learned": "search", "equipment_category": "large", "probable_equipment": "16К20"}

    def hand_over(tx: Tx) -> str:
        (lead,) = tx.find(LEADS)
        values = {"owner_id": user.id, "waiting": False, "stage": "qualification", "fields": lead.fields | known}
        return tx.update(LEADS, lead, company="ИП Ромашка", **values).id

    page = (await sit(user)).page
    await until(lambda: office.read(lambda tx: tx.find(LEADS)))
    lead_id = await office.write(hand_over)
    await page.goto(f"{office.hub.url}/leads/{lead_id}")
    await page.locator("[data-convert]").click()
    dialog = page.locator("#dialog")
    await expect(dialog.get_by_label("Без компании")).to_be_checked()
    await dialog.get_by_label("ООО «Ромашка» ИНН 7707083893").check()
    await dialog.get_by_role("button", name="Сделать сделку").click()
    await expect(dialog).to_be_hidden()
    (deal,) = await office.read(lambda tx: tx.find(DEALS))
    assert deal.company_id == ids["daisy"]
