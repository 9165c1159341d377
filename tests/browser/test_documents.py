"""Documents on the card of a deal at a real browser: made, sent as a letter, printed anew; and their templates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from playwright.async_api import Page, expect

from crm_core.actor import SYSTEM
from crm_core.companies import create_company
from crm_core.contacts import create_person
from crm_core.deals import Deal, create_deal
from crm_core.documents.issued import DOCUMENTS
from crm_core.documents.library import update_template
from crm_core.lines import Line
from storage import Tx
from tests.api.papers import docx
from tests.browser.conftest import Sit
from tests.browser.office import DESKTOP, PHONE, SMALL_PHONE, Office, Seat

pytestmark = pytest.mark.browser


async def a_deal(office: Office) -> Deal:
    company = office.hub.desk.company

    def make(tx: Tx) -> Deal:
        person = create_person(tx, SYSTEM, {"name": "Анна Белова", "emails": ["anna@client.example"]})
        customer = create_company(tx, SYSTEM, {"name": "ООО «Ромашка»"})
        values: dict[str, Any] = {"title": "Станок 16К20", "person_id": person.id, "company_id": customer.id}
        lines = {"lines": (Line(id="1", name="Станок", price=Decimal(1_250_000)),)}
        return create_deal(tx, SYSTEM, company, "equipment", values | lines)

    return await office.write(make)


async def at_work(office: Office, sit: Sit, size: tuple[int, int] = DESKTOP) -> Seat:
    return await sit(await office.hire("Григорий Кузнецов", "head_equipment", "first_line"), size)


async def an_offer(page: Page) -> None:
    await page.get_by_role("button", name="Создать документ").click()
    await page.locator("#dialog select[name=template]").select_option("offer-equipment")
    await page.locator("#dialog .primary").click()


async def test_a_document_is_made_and_sent_to_the_customer_from_the_card(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    await an_offer(page)
    await expect(page.locator(".papers li")).to_contain_text("КП-20")
    await page.get_by_role("button", name="Отправить", exact=True).click()
    await expect(page.locator("#dialog [name=to]")).to_have_value("anna@client.example")
    await page.locator("#dialog [name=subject]").fill("")
    await page.locator("#dialog [name=subject]").fill("Наше предложение")
    if await page.locator("#dialog select[name=format]").count():
        await page.locator("#dialog select[name=format]").select_option("docx")
    await page.locator("#dialog .primary").click()
    await expect(page.locator(".papers .state.good")).to_contain_text("anna@client.example", timeout=20_000)
    (letter,) = office.letters
    assert (letter["To"], letter["Subject"]) == ("anna@client.example", "Наше предложение")
    await expect(page.locator(".timeline .bubble.out .file")).to_contain_text(".docx")


async def test_a_wrong_address_is_told_in_the_dialog_and_keeps_the_letter(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    await an_offer(page)
    await page.get_by_role("button", name="Отправить", exact=True).click()
    await page.locator("#dialog [name=text]").fill("Моё письмо")
    await page.locator("#dialog [name=to]").fill("anna@local")
    await page.locator("#dialog .primary").click()
    await expect(page.locator("#dialog .bad-text")).to_contain_text("Не похоже на адрес")
    await expect(page.locator("#dialog [name=text]")).to_have_value("Моё письмо")
    assert office.letters == []


async def test_what_a_contract_lacks_is_listed_and_a_switched_off_template_is_told_as_it_is(
    office: Office, sit: Sit
) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    await page.get_by_role("button", name="Создать документ").click()
    await page.locator("#dialog select[name=template]").select_option("contract-equipment")
    await page.locator("#dialog .primary").click()
    await expect(page.locator("#dialog .notice")).to_contain_text("Клиент: ИНН")
    await office.write(update_template, SYSTEM, office.hub.desk.company, "contract-equipment", {"active": False})
    await page.locator("#dialog .primary").click()
    await expect(page.locator("#dialog .notice.bad")).to_contain_text("Шаблон «Договор поставки оборудования» отключён")
    await expect(page.locator("#dialog [name=leave_blanks]")).to_have_count(0)
    await page.locator("#dialog select[name=template]").select_option("contract-service")
    await page.locator("#dialog .primary").click()
    await page.locator("#dialog [name=leave_blanks]").check()
    await page.locator("#dialog .primary").click()
    await expect(page.locator(".papers li")).to_contain_text("ДС-20")


async def test_a_document_is_made_anew_under_its_number(office: Office, sit: Sit) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit)
    page = seat.page
    await seat.go(f"/deals/{deal.id}")
    await an_offer(page)
    await page.get_by_role("button", name="Выпустить заново").click()
    await page.locator("#dialog .primary").click()
    await expect(page.locator(".toasts, [role=status]").filter(has_text="выпущен заново").first).to_be_visible()
    (made,) = await office.read(lambda tx: tx.find(DOCUMENTS))
    assert len(made.files) == 2


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALL_PHONE], ids=["desktop", "phone", "small"])
async def test_the_documents_and_their_dialogs_fit_the_window(office: Office, sit: Sit, size: tuple[int, int]) -> None:
    deal = await a_deal(office)
    seat = await at_work(office, sit, size)
    await seat.go(f"/deals/{deal.id}")
    await an_offer(seat.page)
    await expect(seat.page.locator(".papers li")).to_be_visible()
    assert await seat.overflow() == 0
    await seat.page.get_by_role("button", name="Отправить", exact=True).click()
    await expect(seat.page.locator("#dialog [name=text]")).to_be_visible()
    assert await seat.overflow() == 0


def upload(page: Page, content: bytes) -> Any:
    file = {"name": "акт.docx", "mimeType": "application/octet-stream", "buffer": content}
    return page.locator("#templates [type=file]").set_input_files(files=[file])  # type: ignore[list-item]


async def test_an_own_template_is_checked_added_switched_off_and_deleted(office: Office, sit: Sit) -> None:
    seat = await sit(await office.hire("Админ", "admin"))
    page = seat.page
    await seat.go("/settings/templates")
    await expect(page.locator("#templates tbody").first.locator("tr")).to_have_count(4)
    for name, value in {"key": "act", "title": "Акт", "numbering": "А-{year}-{number}"}.items():
        await page.locator(f"#templates [name={name}]").fill(value)
    await upload(page, docx("Клиент {{ customer.nane }}"))
    await page.get_by_role("button", name="Проверить и добавить").click()
    await expect(page.locator("#templates .bad-text")).to_contain_text("Поля «customer.nane» нет; похоже на")
    await expect(page.locator("#templates [name=title]")).to_have_value("Акт")
    await upload(page, docx("Клиент {{ customer.name }}"))
    await page.get_by_role("button", name="Проверить и добавить").click()
    await expect(page.locator("#templates .notice.good")).to_contain_text("Шаблон «Акт» сохранён")
    row = page.locator("#templates tr").filter(has_text="А-{year}-{number}")
    await row.get_by_role("link", name="Изменить").click()
    await page.locator("#edit [name=active]").select_option("no")
    await page.get_by_role("button", name="Сохранить").click()
    await expect(row).to_contain_text("отключён")
    await row.get_by_role("link", name="Изменить").click()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Удалить").click()
    await expect(row).to_have_count(0)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_templates_fit_the_window_and_readers_only_read(
    office: Office, sit: Sit, size: tuple[int, int]
) -> None:
    seat = await sit(await office.hire("Продавец", "consultant"), size)
    await seat.go("/settings/templates")
    await expect(seat.page.locator("#templates tbody").first.locator("tr")).to_have_count(4)
    await expect(seat.page.locator("#templates form")).to_have_count(0)
    await seat.page.get_by_text("Значения", exact=True).click()
    await expect(seat.page.get_by_text("{{ customer.inn }}").first).to_be_visible()
    assert await seat.overflow() == 0
