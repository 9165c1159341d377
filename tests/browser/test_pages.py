"""Every page, on a desk and in a hand: fits, breaks no policy, shows only what the role uses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from connectors.contract import Inbound, InboundKind, Sender
from crm_core.leads import LEADS
from crm_core.people import PEOPLE
from router.journal import JOURNAL, accept, quarantine
from storage import Tx
from tests.browser.conftest import Sit
from tests.browser.office import PHONE, SMALL_PHONE, Office
from tests.browser.test_workplace import CUSTOMER, until_there_is_a_lead

pytestmark = pytest.mark.browser

PAGES = ("/", "/leads", "/deals", "/tasks", "/calls", "/ops", "/search?q=Воронин", "/settings/me", "/admin/users")
LONG = "Очень-длинное-название-без-единого-пробела-" * 8


async def test_pages_fit_a_phone(office: Office, sit: Sit) -> None:
    admin = await office.hire("Администратор Системы", "admin", "first_line")
    seat = await sit(admin, PHONE)
    await office.form(**CUSTOMER, comment=LONG)
    await seat.page.locator("[data-take]").first.click()
    await expect(seat.page.locator(".talk")).to_be_visible()
    lead_id = (await office.read(lambda tx: tx.find(LEADS)))[0].id
    person_id = (await office.read(lambda tx: tx.find(PEOPLE)))[0].id
    wide = {}
    for path in (*PAGES, f"/leads/{lead_id}", f"/people/{person_id}"):
        await seat.go(path)
        for width, height in (PHONE, SMALL_PHONE):
            await seat.page.set_viewport_size({"width": width, "height": height})
            if (over := await seat.overflow()) > 0:
                wide[path, width] = over
    assert wide == {}


async def test_card_is_a_screen_of_its_own_on_a_phone(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Анна Соколова"), SMALL_PHONE)
    await office.form(**CUSTOMER)
    await seat.page.locator("[data-take]").first.click()
    await expect(seat.page.locator(".queue")).to_be_hidden()
    await seat.page.locator("[data-pane-to=card]").click()
    await expect(seat.page.locator("#f-comment")).to_be_visible()
    await expect(seat.page.locator(".talk")).to_be_hidden()
    assert await seat.overflow() == 0
    await seat.page.locator("[data-pane-to=talk]").click()
    await seat.page.locator("[data-pane-to=list]").click()
    await expect(seat.page.locator(".queue .row")).to_be_visible()


async def test_sections_that_a_role_does_not_use_are_hidden(office: Office, sit: Sit) -> None:
    ops = await sit(await office.hire("Ольга Дежурная", "ops"))
    assert await ops.page.locator(".rail a").all_inner_texts() == ["Задачи", "Каналы"]
    assert ops.page.url.endswith("/ops")
    seller = await sit(await office.hire("Анна Соколова"))
    sections = ["Работа", "Лиды", "Сделки", "Задачи", "Звонки", "Клиенты", "Товары"]
    assert await seller.page.locator(".rail a").all_inner_texts() == sections
    answer = await seller.page.request.get(office.hub.url + "/ops")
    assert answer.status == 403
    assert "Нет прав" in await answer.text()


async def test_ops_see_what_failed_and_replay_it(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Ольга Дежурная", "ops"))).page
    await expect(page.locator("[data-connector=site] .badge")).to_have_text("Работает")
    now = datetime.now(UTC)
    sender = Sender(name="Иван", phones=("+79161234567",))
    inbound = Inbound(
        connector="site", channel="form", external_id="1", kind=InboundKind.FORM, occurred_at=now, sender=sender
    )

    def spoil(tx: Tx) -> None:
        accept(tx, [inbound])
        quarantine(tx, tx.require(JOURNAL, inbound.id), "Поле без смысла")

    await office.write(spoil)
    failure = page.locator("#ops").get_by_text("Поле без смысла")
    await expect(failure).to_be_visible()
    await page.get_by_role("button", name="Событие").click()
    await expect(page.locator("#dialog .raw")).to_contain_text('"connector": "site"')
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Повторить").click()
    await expect(failure).to_have_count(0)
    await until_there_is_a_lead(office)
    leads = await office.read(lambda tx: tx.find(LEADS))
    assert [lead.title for lead in leads] == ["Заявка с сайта: Иван"]


async def test_connector_is_paused_and_resumed_from_the_page(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Ольга Дежурная", "ops"))).page
    card = page.locator("[data-connector=site]")
    await card.get_by_role("button", name="Пауза").click()
    await expect(card.locator(".badge")).to_have_text("На паузе")
    await card.get_by_role("button", name="Продолжить").click()
    await expect(card.locator(".badge")).to_have_text("Работает")


async def test_wrong_password_is_told_and_the_address_kept(office: Office, sit: Sit) -> None:
    anna = await office.hire("Анна Соколова")
    seat = await sit(anna)
    await seat.page.context.clear_cookies()
    await seat.go("/login")
    await seat.page.fill("input[type=email]", anna.email)
    await seat.page.fill("input[type=password]", "не тот")
    await seat.page.click("button.primary")
    await expect(seat.page.get_by_role("alert")).to_contain_text("Неверная почта или пароль")
    await expect(seat.page.locator("input[type=email]")).to_have_value(anna.email)
    seat.complaints[:] = [each for each in seat.complaints if "401" not in each]


async def test_administrator_adds_an_employee_who_can_sign_in(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Администратор", "admin"))
    await seat.go("/admin/users")
    await seat.page.fill("input[name=email]", "new@firstline.example")
    await seat.page.fill("input[name=name]", "Новый Продавец")
    await seat.page.get_by_label("Продавец первой линии").check()
    await seat.page.get_by_role("button", name="Добавить").click()
    password = await seat.page.locator(".notice code").inner_text()
    await seat.page.context.clear_cookies()
    await seat.go("/login")
    await seat.page.fill("input[type=email]", "new@firstline.example")
    await seat.page.fill("input[type=password]", password)
    await seat.page.click("button.primary")
    await expect(seat.page.get_by_text("Всё разобрано")).to_be_visible()
