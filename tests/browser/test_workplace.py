"""The seller's way, in a real browser: a contact arrives while the page is open and is worked off without a reload."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from connectors.contract import CallPhase
from connectors.outbox import OUTBOX
from crm_core.leads import LEADS, Lead
from crm_core.users import USERS
from storage import ReadTx
from tests.browser.conftest import Sit
from tests.browser.office import Office
from tests.waiting import until

pytestmark = pytest.mark.browser

CUSTOMER = {"name": "Сергей Воронин", "phone": "8 (912) 555-01-17", "email": "voronin@zavod.example"}


def the_lead(tx: ReadTx) -> Lead:
    leads = tx.find(LEADS)
    assert len(leads) == 1
    return leads[0]


async def test_seller_goes_from_a_live_form_to_a_reply_and_an_outcome(office: Office, sit: Sit) -> None:
    anna = await office.hire("Анна Соколова")
    page = (await sit(anna)).page
    await expect(page.get_by_text("Всё разобрано")).to_be_visible()

    await office.form(**CUSTOMER, comment="Нужен токарный станок с ЧПУ", equipment="large")
    offer = page.locator(".offer", has_text="Сергей Воронин")
    await expect(offer.locator(".countdown")).to_have_text(re.compile(r"^[45]:\d\d$"))
    await offer.get_by_role("button", name="Принять").click()
    await expect(page.locator(".talk-head h1")).to_have_text("Сергей Воронин")
    await expect(page.locator(".timeline .bubble.in")).to_contain_text("Нужен токарный станок с ЧПУ")
    await expect(page.locator(".steps [aria-current=step]")).to_have_text("Квалификация")

    await page.fill("#f-probable_equipment", "Станок 16К20")
    await page.press("#f-probable_equipment", "Enter")
    await until(lambda: office.read(lambda tx: "probable_equipment" in the_lead(tx).fields))
    await page.select_option("#f-how_learned", "exhibition")
    await expect(page.locator("[data-field=how_learned].saved")).to_have_count(1)
    lead = await office.read(the_lead)
    assert lead.owner_id == anna.id
    assert (lead.fields["probable_equipment"], lead.fields["how_learned"]) == ("Станок 16К20", "exhibition")

    await page.fill("[data-form=reply] textarea", "Здравствуйте! Станок есть, пришлю расчёт.")
    await page.press("[data-form=reply] textarea", "Control+Enter")
    await expect(page.locator(".bubble.out")).to_contain_text("Станок есть, пришлю расчёт")
    await expect(page.locator(".bubble.out .state")).to_have_text("отправлено")
    await expect(page.locator("[data-form=reply] textarea")).to_have_value("")
    assert [letter["To"] for letter in office.letters] == ["voronin@zavod.example"]
    words = office.letters[0].get_body(("plain",))
    assert words is not None
    assert "Станок есть, пришлю расчёт" in words.get_content()

    await page.locator("[data-lose=not_our_range]").click()
    await expect(page.get_by_text("Лид закрыт: «Мы не занимаемся поставкой такого оборудования»")).to_be_visible()
    await expect(page.get_by_text("Всё разобрано")).to_be_visible()
    lead = await office.read(the_lead)
    assert (lead.stage, lead.open) == ("not_our_range", False)


async def test_a_slip_of_the_outcome_is_taken_back(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова"))).page
    await office.form(**CUSTOMER)
    await page.locator("[data-take]").first.click()
    await page.locator("[data-lose=spam]").click()
    await page.get_by_role("button", name="Отменить").click()
    await expect(page.locator(".steps [aria-current=step]")).to_have_text("Квалификация")
    lead = await office.read(the_lead)
    assert (lead.stage, lead.open) == ("qualification", True)


async def test_declined_offer_goes_to_the_colleague_whose_page_shows_it_at_once(office: Office, sit: Sit) -> None:
    first = await sit(await office.hire("Анна Соколова"))
    second = await sit(await office.hire("Борис Петров"))
    await office.form(**CUSTOMER)
    await until_there_is_a_lead(office)
    lead = await office.read(the_lead)
    users = {user.id: user.name for user in await office.read(lambda tx: tx.find(USERS))}
    holder, other = (first, second) if users[str(lead.offered_to)].startswith("Анна") else (second, first)
    await holder.page.locator("[data-decline]").first.click()
    await expect(other.page.locator(".offer", has_text="Сергей Воронин")).to_be_visible()
    await expect(holder.page.locator(".offer")).to_have_count(0)


async def until_there_is_a_lead(office: Office) -> None:
    for _ in range(100):
        if await office.read(lambda tx: tx.count(LEADS, {"open": True})):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the form became no lead")


async def test_contact_is_worked_off_by_keys_alone(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова"))).page
    await office.form(**CUSTOMER)
    await expect(page.locator(".offer")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("t")
    await expect(page.locator(".talk-head h1")).to_have_text("Сергей Воронин")
    await page.keyboard.press("n")
    await page.keyboard.type("Перезвонить после обеда")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".bubble.note")).to_contain_text("Перезвонить после обеда")
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()


async def test_typed_text_survives_a_reload(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова"))).page
    await office.form(**CUSTOMER)
    await page.locator("[data-take]").first.click()
    await page.fill("[data-form=reply] textarea", "Половина ответа")
    await page.reload()
    await expect(page.locator("[data-form=reply] textarea")).to_have_value("Половина ответа")


async def test_field_that_a_colleague_changed_meanwhile_is_not_overwritten(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Анна Соколова"))
    page = seat.page
    await office.form(**CUSTOMER)
    await page.locator("[data-take]").first.click()
    await page.fill("#f-price", "500000")

    def colleague(tx: ReadTx) -> None:
        lead = the_lead(tx)
        tx.update(LEADS, lead, fields={**lead.fields, "price": "700000"})  # type: ignore[attr-defined]

    await office.write(colleague)
    await page.press("#f-price", "Enter")
    await expect(page.locator(".toast.bad")).to_contain_text("теперь там: «700000»")
    await page.locator("#f-title").focus()
    await expect(page.locator("#f-price")).to_have_value("700000")
    assert (await office.read(the_lead)).fields["price"] == "700000"
    seat.complaints[:] = [each for each in seat.complaints if "409" not in each]


async def test_card_of_a_ringing_call_pops_up_and_goes_when_it_stops(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Анна Соколова", extension="101"))
    page = seat.page
    await seat.go("/tasks")
    await page.wait_for_selector("body[data-live=on]")
    await office.call(CallPhase.RINGING, "+79161234567", "101")
    card = page.locator(".call-card")
    await expect(card).to_contain_text("+7\u00a0916\u00a0123\u201145\u201167")
    await expect(card.get_by_role("link", name="Открыть")).to_be_visible()
    await office.call(CallPhase.ENDED, "+79161234567", "101")
    await expect(card).to_have_count(0)


async def test_letter_is_shown_in_a_frame_that_runs_nothing(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова"))).page
    html = "<p>Прошу прайс на <b>станки</b></p><table><tr><td>16К20</td></tr></table>"
    await office.mail("Ирина Ким", "kim@sklad.example", "Запрос цен", "Прошу прайс на станки", html)
    await page.locator("[data-take]").first.click()
    await page.locator("details.letter summary").click()
    frame = page.frame_locator(".letter iframe")
    await expect(frame.locator("td")).to_have_text("16К20")
    sandbox = await page.locator(".letter iframe").get_attribute("sandbox")
    assert sandbox is not None
    assert "allow-scripts" not in sandbox


async def test_answer_to_a_letter_waits_in_the_outbox_of_its_channel(office: Office, sit: Sit) -> None:
    page = (await sit(await office.hire("Анна Соколова"))).page
    await office.mail("Ирина Ким", "kim@sklad.example", "Запрос цен", "Прошу прайс на станки")
    await page.locator("[data-take]").first.click()
    await office.hub.supervisor.pause("mail")
    await page.fill("[data-form=reply] textarea", "Прайс во вложении")
    await page.set_input_files("[data-files]", {"name": "прайс.txt", "mimeType": "text/plain", "buffer": b"price"})
    await page.get_by_role("button", name="Отправить").click()
    await expect(page.locator(".bubble.out .state")).to_have_text("в очереди")
    await expect(page.locator(".bubble.out .file")).to_contain_text("прайс.txt")
    rows = await office.read(lambda tx: tx.find(OUTBOX))
    assert [(row.connector, row.outbound.recipient, row.outbound.subject) for row in rows] == [
        ("mail", "kim@sklad.example", "Re: Запрос цен")
    ]
    assert [file.name for file in rows[0].outbound.attachments] == ["прайс.txt"]


async def test_interface_speaks_the_language_that_the_seller_chose(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Анна Соколова"))
    page = seat.page
    await seat.go("/settings/me")
    await page.select_option("select[name=locale]", "en")
    await page.get_by_role("button", name="Сохранить").first.click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    await page.select_option("select[name=locale]", "ru")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Профиль")).to_be_visible()
