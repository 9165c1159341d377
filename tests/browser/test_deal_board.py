"""The board and the list of deals at a real browser: cards are dragged, gates answer in place, filters hold."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from crm_core.actor import SYSTEM
from crm_core.deal_stages import set_stage
from crm_core.deals import DEALS, Deal, edit_deal
from tests.browser.conftest import Sit
from tests.browser.office import PHONE, SMALL_PHONE, Office
from tests.browser.test_deals import a_deal, at_work

pytestmark = pytest.mark.browser


async def drag(page: Page, deal: Deal, stage: str) -> None:
    """Take the card of a deal with the mouse and let it go over the cards of a stage."""
    await page.locator(f"[data-deal={deal.id}]").hover()
    await page.mouse.down()
    target = await page.locator(f"[data-stage={stage}] [data-cards]").bounding_box()
    assert target is not None
    x, y = target["x"] + target["width"] / 2, target["y"] + 20
    await page.mouse.move(x - 15, y, steps=8)
    await page.mouse.move(x, y, steps=4)
    await page.mouse.up()


async def test_card_that_is_dragged_to_the_next_stage_moves_there(office: Office, sit: Sit) -> None:
    deal = await a_deal(office, amount="100 000")
    seat = await at_work(office, sit)
    await seat.go("/deals")
    await drag(seat.page, deal, "interest")
    await expect(seat.page.locator("[data-stage=interest] .numbers")).to_have_text(re.compile(r"^1100.000.₽$"))
    await expect(seat.page.locator("[data-stage=interest] .deal-card")).to_contain_text("Станок 16К20")
    await expect(seat.page.locator("[data-stage=new] .deal-card")).to_have_count(0)
    assert (await office.read(lambda tx: tx.require(DEALS, deal.id))).stage == "interest"
    assert seat.page.url.endswith("/deals")


async def test_gate_refuses_a_dragged_card_in_place_and_names_the_way_out(office: Office, sit: Sit) -> None:
    deal = await a_deal(office, "interest")
    seat = await at_work(office, sit)
    await seat.go("/deals")
    await drag(seat.page, deal, "offer")
    refusal = seat.page.locator("[data-stage=offer]").get_by_role("alert")
    await expect(refusal).to_contain_text("Заполните поле «Требования к оборудованию»")
    await expect(seat.page.locator("[data-stage=interest] .deal-card")).to_have_count(1)
    await expect(seat.page.locator("[data-stage=offer] .deal-card")).to_have_count(0)
    await refusal.get_by_role("link", name="Открыть и заполнить").click()
    await expect(seat.page.locator("#lacks")).to_contain_text("Для стадии «Коммерческое предложение» не хватает")


async def test_card_of_somebody_who_may_only_read_cannot_be_dragged(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await sit(await office.hire("Анна Соколова"))
    await seat.go("/deals")
    await drag(seat.page, deal, "interest")
    await expect(seat.page.locator("[data-stage=new] .deal-card")).to_have_count(1)
    assert (await office.read(lambda tx: tx.require(DEALS, deal.id))).stage == "new"


async def test_news_loads_only_the_touched_columns_and_keeps_what_was_opened(office: Office, sit: Sit) -> None:
    for number in range(51):
        await a_deal(office, title=f"Станок {number}")
    seat = await at_work(office, sit)
    await seat.go("/deals")
    asked: list[str] = []
    column = seat.page.locator("[data-stage=new]")
    await column.get_by_role("button", name="Ещё").click()
    await expect(column.locator(".deal-card")).to_have_count(51)
    seat.page.on("request", lambda request: asked.append(request.url) if "/deals" in request.url else None)
    moved = await a_deal(office, "interest")
    await expect(seat.page.locator("[data-stage=interest] .deal-card")).to_have_count(1)
    await expect(column.locator(".deal-card")).to_have_count(51)
    await office.write(edit_deal, SYSTEM, office.hub.desk.company, moved.id, {"title": "Пресс"})
    await expect(seat.page.locator("[data-stage=interest] .deal-card")).to_contain_text("Пресс")
    assert {re.sub(r".*stage=(\w+).*", r"\1", url) for url in asked} <= {"new", "interest"}


async def test_news_of_another_pipeline_loads_nothing(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    await seat.go("/deals?pipeline=service")
    asked: list[str] = []
    seat.page.on("request", lambda request: asked.append(request.url) if "/deals" in request.url else None)
    heard = "new Promise((done) => document.body.addEventListener('live:deal', () => setTimeout(done, 600)))"
    waiting = seat.page.evaluate_handle(f"window.heard = {heard}; 1")
    await waiting
    await office.write(edit_deal, SYSTEM, office.hub.desk.company, deal.id, {"title": "Пресс"})
    await seat.page.evaluate("window.heard")
    assert asked == []


async def test_board_and_list_show_what_the_filters_ask_for(office: Office, sit: Sit) -> None:
    seller = await office.hire("Анна Соколова", "consultant")
    await a_deal(office, title="Пресс листовой", owner_id=seller.id)
    await a_deal(office, title="Станок токарный", amount="50 €")
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go("/deals")
    await page.get_by_label("Ответственный").select_option(label="Анна Соколова")
    await expect(page.locator(".deal-card")).to_have_count(1)
    await expect(page.locator("[data-stage=new] .tab-count")).to_have_text("1")
    await page.get_by_role("link", name="Список").click()
    await expect(page.locator("tr[data-href]")).to_have_count(1)
    await page.get_by_role("link", name="Сбросить").click()
    await expect(page.locator("tr[data-href]")).to_have_count(2)
    await page.get_by_label("Поиск", exact=True).last.fill("токарный")
    await page.get_by_label("Поиск", exact=True).last.press("Enter")
    await expect(page.locator("tr[data-href]")).to_have_count(1)
    await expect(page.locator("tr[data-href]")).to_contain_text(re.compile(r"50.€"))
    await page.get_by_role("link", name="Доска").click()
    await expect(page.locator(".deal-card")).to_have_count(1)
    await expect(page.locator("[data-stage=new] .numbers")).to_have_text(re.compile(r"^150.€$"))
    await page.locator(".deal-card").click()
    await expect(page.locator("#deal h1")).to_have_text("Станок токарный")


async def gone(office: Office, **values: Any) -> Deal:
    deal = await a_deal(office)
    return await office.write(lambda tx: tx.update(DEALS, deal, **values))


async def test_deals_of_a_stage_that_is_gone_stand_on_the_board_and_can_leave(office: Office, sit: Sit) -> None:
    deal = await gone(office, stage="former")
    seat = await at_work(office, sit)
    await seat.go("/deals")
    await expect(seat.page.locator("[data-stage=former]")).to_contain_text("Такой стадии в настройках больше нет")
    await seat.page.locator(f"[data-deal={deal.id}]").click()
    await expect(seat.page.locator("#deal")).to_contain_text("Стадии «former» в настройках больше нет")
    await seat.page.locator("#step-interest").click()
    await expect(seat.page.locator("#deal [aria-current=step]")).to_have_text("Выяснение интереса")


async def test_deal_of_a_pipeline_that_is_gone_opens_and_moves_to_another(office: Office, sit: Sit) -> None:
    deal = await gone(office, pipeline="former")
    seat = await at_work(office, sit)
    await seat.go(f"/deals/{deal.id}")
    await expect(seat.page.locator("#deal")).to_contain_text("Направления «former» в настройках больше нет")
    await seat.page.locator("#to-equipment").click()
    await expect(seat.page.locator("#deal [aria-current=step]")).to_have_text("Новая")


async def test_lists_of_deals_fit_a_phone(office: Office, sit: Sit) -> None:
    deal = await a_deal(office, title="Очень-длинное-название-без-пробела-" * 6, amount="999 999 999 999,99")
    await a_deal(office, amount="999 999 999 999,99 $")
    company = office.hub.desk.company
    await office.write(set_stage, SYSTEM, company, deal, company.pipeline("equipment").stage("interest"))
    seat = await at_work(office, sit, PHONE)
    wide = {}
    for path in ("/deals", "/deals/list", "/deals/list?q=нет-такой"):
        await seat.go(path)
        for width, height in (PHONE, SMALL_PHONE):
            await seat.page.set_viewport_size({"width": width, "height": height})
            if (over := await seat.overflow()) > 0:
                wide[path, width] = over
    assert wide == {}
