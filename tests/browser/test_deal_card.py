"""The card of a deal at a real browser: products, customer, people, risks, approvals, tasks, notes, what follows."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from crm_core.actor import SYSTEM
from crm_core.companies import create_company
from crm_core.contacts import create_person
from crm_core.deals import DEALS, Deal, edit_deal
from crm_core.money import parse_money
from crm_core.products import create_product
from crm_core.users import USERS
from tests.browser.conftest import Sit
from tests.browser.office import PHONE, SMALL_PHONE, Office
from tests.browser.test_deals import a_deal, at_work

pytestmark = pytest.mark.browser


async def fresh(office: Office, deal: Deal) -> Deal:
    return await office.read(lambda tx: tx.require(DEALS, deal.id))


async def test_products_are_found_in_the_catalogue_counted_and_saved(office: Office, sit: Sit) -> None:
    prices = {"retail": parse_money("1 220 000")}
    values = {"name": "Станок токарный", "sku": "ST-1", "prices": prices}
    await office.write(create_product, SYSTEM, office.hub.desk.company, values)
    deal = await a_deal(office, amount="5")
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    await page.get_by_role("button", name="Добавить товары").click()
    await page.get_by_label("Найти в каталоге").fill("st-")
    await page.get_by_label("Найти в каталоге").press("Enter")
    await page.locator("#lines-found button").click()
    await expect(page.locator("#lines-total")).to_contain_text(re.compile(r"Итого1.220.000.₽"))
    await page.fill("#line-0-discount", "10 %")
    await page.fill("#line-0-quantity", "2")
    await page.locator("#line-0-quantity").blur()
    await expect(page.locator("#lines-total")).to_contain_text(re.compile(r"Скидка244.000.₽"))
    await page.get_by_role("button", name="Строка от руки").click()
    await page.fill("#line-1-name", "Наладка")
    await page.fill("#line-1-price", "1,250")
    await page.locator("#line-1-price").blur()
    await expect(page.locator("#line-1-wrong")).to_contain_text("тысячи это или доли")
    await expect(page.locator("#line-0-sum")).to_contain_text(re.compile(r"2.196.000.₽"))
    await page.fill("#line-1-price", "1250")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.locator("#dialog")).not_to_be_visible()
    await expect(page.locator(".deal-amount")).to_have_text(re.compile(r"2.197.250.₽"))
    await expect(page.locator("#deal [data-field=amount]")).to_contain_text("по товарам")
    await expect(page.locator("#f-amount")).to_have_count(0)
    kept = await fresh(office, deal)
    assert [(line.name, str(line.quantity), str(line.price)) for line in kept.lines] == [
        ("Станок токарный", "2.0", "1220000.00"), ("Наладка", "1.0", "1250.00"),
    ]  # fmt: skip
    await page.get_by_role("button", name="Изменить товары").click()
    await page.get_by_role("button", name="Убрать строку").first.click()
    await expect(page.locator(".line-row")).to_have_count(1)
    await page.get_by_role("button", name="Сохранить").click()
    await expect(page.locator(".deal-amount")).to_have_text(re.compile(r"^1.250.₽"))


async def test_customer_people_and_risks_are_written_on_the_card(office: Office, sit: Sit) -> None:
    firm = await office.write(create_company, SYSTEM, {"name": "Ромашка", "inn": "7707083893"})
    await office.write(
        create_person, SYSTEM, {"name": "Иван Петров", "phones": ["+79161234567"], "company_id": firm.id}
    )
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    await page.get_by_role("button", name="Указать клиента").click()
    await page.get_by_label("Найти контакт или компанию").fill("иван")
    await page.locator("#customer-found").get_by_role("button", name="Иван Петров").click()
    await expect(page.locator("#deal").get_by_role("link", name="Иван Петров")).to_be_visible()
    await expect(page.locator("#deal")).to_contain_text("Ромашка ИНН 7707083893")
    await page.get_by_role("button", name="Добавить участника").click()
    await page.get_by_label("Роль").select_option(label="Принимает решение")
    await page.locator("#dialog [name=person_id]").select_option(label="Иван Петров")
    await page.locator("#dialog").get_by_role("button", name="Добавить").click()
    await page.get_by_role("button", name="Добавить участника").click()
    await page.locator("#dialog").get_by_role("button", name="Добавить").click()
    await expect(page.locator("#dialog [role=alert]")).to_have_text("Выберите контакт или напишите имя")
    await page.get_by_label("Роль").select_option(label="Противится")
    await page.get_by_label("Имя, если его нет среди контактов").fill("Юрист Сидорова")
    await page.locator("#dialog").get_by_role("button", name="Добавить").click()
    await expect(page.locator("#deal")).to_contain_text("Юрист Сидорова Противится")
    await page.get_by_role("button", name="Убрать", exact=True).last.click()
    await expect(page.locator("#deal")).not_to_contain_text("Юрист Сидорова")
    await page.get_by_role("button", name="Добавить риск").click()
    await page.get_by_label("Что может помешать").fill("Конкурент дешевле")
    await page.get_by_label("Уровень").select_option(label="Высокий")
    await page.locator("#dialog").get_by_role("button", name="Добавить").click()
    await expect(page.locator("#deal")).to_contain_text("Конкурент дешевле Высокий")
    await page.get_by_role("button", name="Снять риск").click()
    await expect(page.locator("#deal")).to_contain_text("Конкурент дешевле Снят")
    kept = await fresh(office, deal)
    assert [(party.role, party.person_id) for party in kept.parties] == [("decision_maker", kept.person_id)]
    assert (kept.company_id, [risk.closed for risk in kept.risks]) == (firm.id, [True])


async def test_approval_is_asked_for_and_answered_with_a_reason(office: Office, sit: Sit) -> None:
    head = await office.hire("Ольга Орлова", "head_service")
    deal = await a_deal(office)
    asking = await at_work(office, sit)
    await asking.go(f"/deals/{deal.id}")
    await asking.page.get_by_role("button", name="Попросить согласовать").click()
    await asking.page.get_by_label("Кого попросить").select_option(value="head_service")
    await asking.page.get_by_label("Что согласовать").fill("Скидка 10 %")
    await asking.page.get_by_role("button", name="Попросить", exact=True).click()
    await expect(asking.page.locator("#deal-approvals")).to_contain_text("Ждёт ответа")
    answering = await sit(head)
    await answering.page.get_by_label("Уведомления").click()
    await answering.page.locator(".note-row").click()
    approvals = answering.page.locator("#deal-approvals")
    await expect(approvals).to_contain_text("Скидка 10 %")
    await approvals.get_by_text("Отказать").first.click()
    await approvals.get_by_label("Почему отказано").fill("Много")
    await approvals.get_by_role("button", name="Отказать").click()
    await expect(asking.page.locator("#deal-approvals")).to_contain_text("Отказано")
    await expect(asking.page.locator("#deal-approvals")).to_contain_text("Много")
    await approvals.get_by_role("button", name="Согласовать").click()
    await expect(asking.page.locator("#deal-approvals")).to_contain_text("Согласовано")


async def test_note_task_and_the_next_deal_are_made_from_the_card(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    user = await office.hire("Мария Ким", "admin")
    seat = await sit(user)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    await page.get_by_label("Заметка для своих").fill("Ждёт бюджета")
    await page.get_by_role("button", name="Записать").click()
    await expect(page.locator(".timeline .kind-note")).to_contain_text("Ждёт бюджета")
    await page.get_by_role("button", name="Новая задача").click()
    await page.locator("#dialog").get_by_label("Название").fill("Запросить цену у завода")
    await page.get_by_role("button", name="Поставить задачу").click()
    await expect(page.locator("#deal").get_by_role("link", name="Запросить цену у завода")).to_be_visible()
    await page.get_by_role("button", name="Создать сделку «Сервис»").click()
    await expect(page.locator("#deal")).to_contain_text("Сервис · № 2")
    await page.locator("#deal").get_by_role("link", name="№ 1 Станок 16К20").click()
    await expect(page.locator("#deal").get_by_role("link", name="№ 2 Станок 16К20")).to_be_visible()


async def test_date_is_saved_when_its_field_is_left_and_probability_by_the_seller(office: Office, sit: Sit) -> None:
    deal = await a_deal(office, amount="1000")
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/field") else None)
    await page.locator("#f-expected_close").fill("2026-12-31")
    await expect(page.locator("#deal [data-field=expected_close] [name=was]")).to_have_value("")
    assert sent == []
    await page.locator("#f-expected_close").press("Enter")
    await expect(page.locator("#deal [data-field=expected_close] [name=was]")).to_have_value("2026-12-31")
    await page.fill("#f-probability", "70 %")
    await page.locator("#f-probability").blur()
    await expect(page.locator("#deal [data-field=probability] [name=was]")).to_have_value("70")
    kept = await fresh(office, deal)
    assert (str(kept.expected_close), kept.probability, str(kept.weighted)) == ("2026-12-31", 70, "700.00")


async def test_focus_stays_in_the_card_when_it_is_swapped(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    await seat.go(f"/deals/{deal.id}")
    await seat.page.locator("#step-offer").focus()
    await seat.page.keyboard.press("Enter")
    await expect(seat.page.locator("#lacks")).to_be_visible()
    await expect(seat.page.locator("#step-offer")).to_be_focused()
    await seat.page.locator("#step-interest").focus()
    await seat.page.keyboard.press("Enter")
    await expect(seat.page.locator("#deal [aria-current=step]")).to_have_text("Выяснение интереса")
    await expect(seat.page.locator("#deal [aria-current=step]")).to_be_focused()


async def test_what_is_being_typed_outlives_news_that_was_on_its_way(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    page, held = seat.page, asyncio.Event()
    await seat.go(f"/deals/{deal.id}")

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        await held.wait()
        await route.fulfill(response=answer)

    await page.route(f"**/deals/{deal.id}", hold)
    async with page.expect_request(f"**/deals/{deal.id}"):
        await office.write(edit_deal, SYSTEM, office.hub.desk.company, deal.id, {"title": "Пресс"})
    await page.locator("#f-comment").focus()
    await page.keyboard.type("Звонил, ждёт")
    async with page.expect_response(f"**/deals/{deal.id}"):
        held.set()
    await page.keyboard.type(" бюджета")
    await page.locator("#f-comment").blur()
    await expect(page.locator("#deal h1")).to_have_text("Пресс")
    await expect(page.locator("#f-comment")).to_have_value("Звонил, ждёт бюджета")
    assert (await fresh(office, deal)).comment == "Звонил, ждёт бюджета"


async def test_readers_see_dates_and_former_colleagues_as_people_write_them(office: Office, sit: Sit) -> None:
    seller = await office.hire("Анна Соколова", "consultant")
    deal = await a_deal(office, owner_id=seller.id, fields={"delivery_date": "2026-12-20"})
    await office.write(lambda tx: tx.update(USERS, tx.require(USERS, seller.id), active=False))
    seat = await sit(await office.hire("Борис Ильин"))
    await seat.go(f"/deals/{deal.id}")
    await expect(seat.page.locator("#deal [data-field=delivery_date]")).to_contain_text("20.12.2026")
    await expect(seat.page.locator("#deal [data-field=owner_id]")).to_contain_text("Анна Соколова (отключён)")
    await expect(seat.page.locator("#deal .deal-fields label")).to_have_count(0)


async def test_dialogs_of_a_deal_fit_a_phone(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit, PHONE)
    wide = {}
    for button in ("lines", "customer", "party", "risk", "approval", "task", "step"):
        await seat.go(f"/deals/{deal.id}")
        await seat.page.locator(f"#open-{button}").click()
        await expect(seat.page.locator("#dialog h2")).to_be_visible()
        if button == "lines":
            await seat.page.locator("#lines-add").click()
            await expect(seat.page.locator(".line-row")).to_have_count(1)
        for width, height in (PHONE, SMALL_PHONE):
            await seat.page.set_viewport_size({"width": width, "height": height})
            over = await seat.page.locator("#dialog").evaluate("each => each.scrollWidth - each.clientWidth")
            if over > 0 or (over := await seat.overflow()) > 0:
                wide[button, width] = over
    assert wide == {}
