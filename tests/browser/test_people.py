"""Who the customer is, put right on the lead card: name, phone, email, and the caller without a number."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from connectors.contract import CallPhase
from crm_core.people import DUPLICATES, PEOPLE, Person
from storage import ReadTx
from tests.browser.conftest import Sit
from tests.browser.office import Office

pytestmark = pytest.mark.browser


def the_person(tx: ReadTx) -> Person:
    (person,) = tx.find(PEOPLE)
    return person


async def test_the_name_is_changed_in_place_and_a_phone_and_an_email_are_added(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова"))).page
    await office.form(name="Сергей", phone="8 (912) 555-01-17")
    await page.locator("[data-take]").first.click()
    name = page.locator("#card").get_by_label("Имя клиента")
    await name.fill("Сергей Воронин")
    await name.press("Enter")
    await expect(page.locator(".talk-head h1")).to_have_text("Сергей Воронин")

    card = page.locator("#card")
    await card.locator("summary", has_text="телефон").click()
    await card.get_by_label("Телефон", exact=True).fill("8 912 555 01 18")
    await card.get_by_label("Телефон", exact=True).press("Enter")
    await expect(card.locator(".contacts")).to_contain_text(re.compile("555.01.18"))
    await card.locator("summary", has_text="почта").click()
    await card.get_by_label("Почта", exact=True).fill("Voronin@zavod.example")
    await card.get_by_role("button", name="Добавить").click()
    await expect(card.locator(".contacts")).to_contain_text("voronin@zavod.example")
    await expect(page.locator(".form-fields")).to_contain_text("Согласие на обработку данных")
    await expect(page.locator(".form-fields")).not_to_contain_text("consent")
    person = await office.read(the_person)
    assert (person.name, person.phones) == ("Сергей Воронин", ("+79125550117", "+79125550118"))
    assert person.emails == ("voronin@zavod.example",)
    assert await office.read(lambda tx: tx.count(DUPLICATES)) == 0


async def test_a_caller_without_a_number_gets_a_name(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова", extension="101"))).page
    await office.call(CallPhase.RINGING, None, "101")
    await office.call(CallPhase.ENDED, None, "101")
    await page.locator("[data-take]").first.click()
    card = page.locator("#card")
    await expect(card).to_contain_text("Кто звонил?")
    await card.get_by_label("Имя клиента").fill("Ольга")
    await card.get_by_label("Телефон", exact=True).fill("8 912 555 01 19")
    await card.get_by_role("button", name="Сохранить").click()
    await expect(page.locator(".talk-head h1")).to_have_text("Ольга")
    await expect(card.locator(".contacts")).to_contain_text(re.compile("555.01.19"))


async def test_the_stage_is_not_cut_off_beside_a_deadline(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова"))).page
    await office.form(name="Сергей", phone="8 (912) 555-01-17")
    await page.locator("[data-take]").first.click()
    badge = page.locator(".row .row-tags .badge").first
    await expect(badge).to_be_visible()
    for words in ("Квалификация", "Подготовка предложения"):
        await badge.evaluate("(element, words) => { element.textContent = words; }", words)
        assert await badge.evaluate("element => element.scrollWidth <= element.clientWidth"), words
