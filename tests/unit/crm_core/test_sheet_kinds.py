"""Products, companies and deals in tables: what a row becomes, how it is recognised again, what undo takes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM
from crm_core.categories import CATEGORIES, path_to
from crm_core.companies import COMPANIES
from crm_core.deals import DEALS, edit_deal
from crm_core.external import EXTERNAL_REFS
from crm_core.money import Money
from crm_core.people import IDENTITIES, PEOPLE
from crm_core.products import PRODUCTS
from crm_core.sheets import jobs
from crm_core.sheets.exporting import export_page, header
from crm_core.sheets.jobs import IMPORTS, Import, OnDuplicate, Rule, State
from crm_core.sheets.survey import in_words, survey
from distribution.desk import Desk
from firstline.opening import opened
from firstline.settings import load_settings
from router.sheets.registry import import_kinds
from router.sheets.worker import ImportWorker
from storage import Store

SETTINGS = load_settings(None, {})
COMPANY = SETTINGS.company
KINDS = import_kinds(SETTINGS.queues)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(SETTINGS, tmp_path / "data", guest=False) as store:
        yield store


async def imported(store: Store, kind: str, content: str, rule: OnDuplicate = OnDuplicate.UPDATE) -> Import:
    blob, size = await store.blobs.put(content.encode())
    found = survey(Path(store.blobs.path(blob)), "t.csv", KINDS[kind], COMPANY)
    job = await store.write(
        jobs.create_import, SYSTEM, KINDS[kind], name="t.csv", blob=blob, size=size,
        layout=found.layout, columns=found.columns, total=found.total,
    )  # fmt: skip
    rules = {"rule": Rule(on_duplicate=rule, by=job.rule.by)}
    job = await store.write(jobs.configure, SYSTEM, KINDS, COMPANY, job.id, rules)
    return await worked_off(store, await store.write(jobs.start, SYSTEM, KINDS, COMPANY, job.id))


async def worked_off(store: Store, job: Import) -> Import:
    await ImportWorker(store, KINDS, Desk(COMPANY, SETTINGS.queues), actor=SYSTEM, gives_way=False).work_off(job)
    return await store.read(lambda tx: tx.require(IMPORTS, job.id))


async def undone(store: Store, job: Import) -> tuple[int, int]:
    job = await worked_off(store, await store.write(jobs.undo, SYSTEM, KINDS, job.id))
    assert job.state is State.UNDONE
    return job.undone, job.kept


def counts(job: Import) -> tuple[int, int, int, int]:
    return job.created, job.updated, job.skipped, job.failed


async def errors(store: Store, job: Import) -> list[str]:
    return [in_words(row.errors) for row in await store.read(jobs.error_rows, job)]


async def every(store: Store, collection: Any) -> list[Any]:
    found: list[Any] = await store.read(lambda tx: tx.find(collection, sort="id"))
    return found


async def exported(store: Store, kind: str) -> list[dict[str, Any]]:
    rows, _ = await store.read(export_page, SYSTEM, KINDS[kind], COMPANY, {}, None)
    names = [str(name) for name in header(KINDS[kind], COMPANY)]
    return [dict(zip(names, row, strict=True)) for row in rows]


PRICE_LIST = (
    "Артикул;Наименование;Раздел;Ед. изм.;Цена;Валюта;Ставка НДС\n"
    "ТВ-1;Станок токарный;Станки / Токарные;шт.;1 250 000,50;руб;20%\n"
    "ТВ-2;Резец;Станки / Токарные / Оснастка;компл;99.90;USD;Без НДС\n"
    "ТВ-3;Смазка;Расходники/Масла;шт;500;;22\n"
)


async def test_products_come_with_their_categories_prices_and_vat(store: Store) -> None:
    job = await imported(store, "products", PRICE_LIST.replace("20%", "22 %"))
    assert counts(job) == (3, 0, 0, 0), await errors(store, job)
    lathe, cutter, oil = sorted(await every(store, PRODUCTS), key=lambda each: each.sku)
    assert lathe.prices == {"retail": Money(Decimal("1250000.50"), "RUB")}
    assert (cutter.prices["retail"], cutter.unit, cutter.vat) == (Money(Decimal("99.90"), "USD"), "839", "none")
    paths = await store.read(lambda tx: [[each.name for each in path_to(tx, one.category_id)] for one in (cutter, oil)])
    assert paths == [["Станки", "Токарные", "Оснастка"], ["Расходники", "Масла"]]
    assert len(await every(store, CATEGORIES)) == 5


async def test_a_rate_of_vat_that_no_longer_holds_is_an_error_of_its_row(store: Store) -> None:
    job = await imported(store, "products", PRICE_LIST)
    assert counts(job) == (2, 0, 0, 1)
    (error,) = await errors(store, job)
    assert error.startswith("Ставка НДС «20%»: Ставка «20 %» на ")


async def test_a_product_is_known_by_its_sku_and_undo_gives_its_price_back(store: Store) -> None:
    await imported(store, "products", "Артикул;Название;Цена\nТВ-1;Станок;100\n")
    job = await imported(store, "products", "Артикул;Название;Цена;Категория\nтв-1;Станок;120 USD;Новые\n")
    assert counts(job) == (0, 1, 0, 0)
    (product,) = await every(store, PRODUCTS)
    assert product.prices == {"retail": Money(Decimal("120.00"), "USD")}
    assert await undone(store, job) == (1, 0)
    (product,) = await every(store, PRODUCTS)
    assert (product.prices, product.category_id) == ({"retail": Money(Decimal("100.00"))}, None)
    assert [each.active for each in await every(store, CATEGORIES)] == [False]


async def test_undo_puts_new_products_and_their_categories_into_the_archive(store: Store) -> None:
    job = await imported(store, "products", "ID;Название;Категория\nA;Станок;Станки / Новые\nB;Пила;Станки\n")
    assert await undone(store, job) == (2, 0)
    for collection in (PRODUCTS, CATEGORIES):
        assert {each.active for each in await every(store, collection)} == {False}
    assert await every(store, EXTERNAL_REFS) == []


async def test_products_that_differ_by_their_sku_alone_are_two(store: Store) -> None:
    table = "Артикул;Название\nА-1;Болт\nА-2;Болт\n"
    assert counts(await imported(store, "products", table, OnDuplicate.SKIP)) == (2, 0, 0, 0)
    assert counts(await imported(store, "products", table, OnDuplicate.SKIP)) == (0, 0, 2, 0)
    assert counts(await imported(store, "products", "Название\nБолт\n", OnDuplicate.SKIP)) == (0, 0, 1, 0)


async def test_what_is_exported_of_products_comes_back_unchanged(store: Store) -> None:
    await imported(store, "products", PRICE_LIST.replace("20%", "10"))
    rows = await exported(store, "products")
    first = next(row for row in rows if row["Артикул"] == "ТВ-2")
    assert (first["Категория"], first["Цена: розничная"]) == ("Станки / Токарные / Оснастка", Decimal("99.90"))
    assert (first["Валюта"], first["Единица"], first["НДС"]) == ("USD", "компл", "Без НДС")
    table = "\n".join([";".join(rows[0]), *(";".join(str(cell or "") for cell in row.values()) for row in rows)])
    assert counts(await imported(store, "products", table)) == (0, 0, 3, 0)


COMPANY_TABLE = (
    "Контрагент;ИНН;КПП;ОГРН;Телефон;Контактное лицо;Телефон контактного лица\n"
    "ООО «Ромашка»;7707083893;770701001;1027700132195;+7 495 123-45-67;Иван Петров;8 916 123-45-67\n"
)


async def test_companies_come_with_requisites_and_the_person_to_talk_to(store: Store) -> None:
    job = await imported(store, "companies", COMPANY_TABLE + "Плохая;7707083894;;;;;\n;7707083893;;;;;\n")
    assert counts(job) == (1, 0, 0, 2)
    assert (await errors(store, job))[0].startswith("ИНН «7707083894»: Не сходится контрольная цифра ИНН")
    (company,) = await every(store, COMPANIES)
    assert (company.inn, company.kpp, company.phones) == ("7707083893", "770701001", ("+74951234567",))
    (person,) = await every(store, PEOPLE)
    assert (person.name, person.phones, person.company_id) == ("Иван Петров", ("+79161234567",), company.id)
    assert await undone(store, job) == (1, 0)
    for collection in (COMPANIES, PEOPLE, IDENTITIES):
        assert await every(store, collection) == []


async def test_a_person_who_was_there_is_linked_and_stays_when_the_import_is_undone(store: Store) -> None:
    await imported(store, "contacts", "Имя;Телефон\nИван;89161234567\n")
    job = await imported(store, "companies", COMPANY_TABLE)
    (person,) = await every(store, PEOPLE)
    assert (person.name, person.company_id) == ("Иван", (await every(store, COMPANIES))[0].id)
    assert await undone(store, job) == (1, 0)
    (person,) = await every(store, PEOPLE)
    assert person.company_id is None


async def test_a_company_is_known_by_its_numbers_and_excel_may_have_eaten_a_zero(store: Store) -> None:
    await imported(store, "companies", "Название;ИНН;КПП\nУфа;0274062111;027401001\n")
    job = await imported(store, "companies", "Название;ИНН;КПП;Сайт\nУфа Плюс;274062111;27401001;ufa.example\n")
    assert counts(job) == (0, 1, 0, 0), await errors(store, job)
    job = await imported(store, "companies", "Название;ИНН;КПП\nУфа, филиал;0274062111;997350001\n")
    assert counts(job) == (1, 0, 0, 0)
    job = await imported(store, "companies", "Название;ИНН\nУфа;0274062111\n")
    assert await errors(store, job) == ["ИНН «0274062111»: Компаний с этим ИНН несколько: добавьте столбец с КПП"]
    job = await imported(store, "companies", "Название;Комментарий\nООО «Уфа Плюс»;важный\n")
    assert counts(job) == (0, 1, 0, 0)
    assert await undone(store, job) == (1, 0)


DEAL_TABLE = (
    "ID;Название сделки;Воронка;Этап сделки;Бюджет;Основной контакт;Рабочий телефон;Компания;ИНН;Дата создания;"
    "Дата закрытия\n"
    "D-1;Пресс;Оборудование;Успешно реализовано;1 250 000,50;Иван;89161234567;ООО «Ромашка»;7707083893;"
    "01.02.2024 10:00;05.03.2024\n"
    "D-2;Станок;Оборудование;Коммерческое предложение;99 USD;Иван;89161234567;Ромашка;;01.10.2026;\n"
    "D-3;Пила;Оборудование;Небывалая;5;;;;;;\n"
)


async def test_deals_of_another_system_stand_where_they_stood_there(store: Store) -> None:
    job = await imported(store, "deals", DEAL_TABLE)
    assert counts(job) == (2, 0, 0, 1)
    (error,) = await errors(store, job)
    assert error.startswith("Этап сделки «Небывалая»: Такой стадии в направлении «Оборудование» нет; есть Новая")
    won, going = sorted(await every(store, DEALS), key=lambda each: each.title)
    assert (won.stage, won.open, won.amount) == ("won", False, Decimal("1250000.50"))
    assert (won.created_at, won.closed_at) == (
        datetime(2024, 2, 1, 7, tzinfo=UTC), datetime(2024, 3, 4, 21, tzinfo=UTC)
    )  # fmt: skip
    assert (going.stage, going.currency, going.open) == ("offer", "USD", True)
    (person,), (company,) = await every(store, PEOPLE), await every(store, COMPANIES)
    assert {won.person_id, going.person_id} == {person.id}
    assert {won.company_id, going.company_id} == {company.id}
    assert (company.inn, company.won_count, company.won_sum) == ("7707083893", 1, Decimal("1250000.50"))
    assert await undone(store, job) == (2, 0)
    for collection in (DEALS, PEOPLE, COMPANIES, EXTERNAL_REFS):
        assert await every(store, collection) == []


async def test_undo_leaves_a_deal_that_somebody_works_on_with_its_customer(store: Store) -> None:
    job = await imported(store, "deals", DEAL_TABLE.replace("Небывалая", "Новая"))
    deal = next(each for each in await every(store, DEALS) if each.title == "Станок")
    await store.write(edit_deal, SYSTEM, COMPANY, deal.id, {"comment": "звонили"})
    assert await undone(store, job) == (2, 1)
    (row,) = await store.read(jobs.kept_rows, job, 10)
    assert row.note == "Со сделкой уже работали: она оставлена"
    assert len(await every(store, PEOPLE)) == len(await every(store, COMPANIES)) == len(await every(store, DEALS)) == 1


async def test_a_deal_that_is_there_goes_through_its_gates(store: Store) -> None:
    await imported(store, "deals", "ID;Название;Стадия\nD-1;Пресс;Новая\n")
    job = await imported(store, "deals", "ID;Стадия;Сумма\nD-1;Завершена;100\n")
    assert counts(job) == (0, 0, 0, 1)
    assert "не хватает" in (await errors(store, job))[0]
    table = "ID;Название;Сумма;Ожидаемая дата закрытия\nD-1;Пресс 2;100;30.12.2026\n"
    job = await imported(store, "deals", table)
    (deal,) = await every(store, DEALS)
    assert (deal.title, deal.amount, deal.expected_close) == ("Пресс 2", Decimal("100.00"), date(2026, 12, 30))
    assert await undone(store, job) == (1, 0)
    (deal,) = await every(store, DEALS)
    assert (deal.title, deal.amount, deal.expected_close) == ("Пресс", None, None)


async def test_the_customer_of_a_deal_is_found_by_code_or_named_in_the_error(store: Store) -> None:
    await imported(store, "contacts", "ID;Имя;Телефон\nC-7;Иван;89161234567\n;Ольга;89035556677\n;Ольга;89035556688\n")
    table = "Название;ID контакта;Контакт;ИНН\nA;C-7;;\nB;C-8;;\nC;;Ольга;\nD;;;7707083893\n"
    job = await imported(store, "deals", table)
    assert counts(job) == (1, 0, 0, 3)
    assert await errors(store, job) == [
        "ID контакта «C-8»: Контакта с таким кодом нет: сначала загрузите контакты с их кодами",
        "Контакт «Ольга»: Контактов с таким именем несколько: добавьте столбец с телефоном или почтой",
        "ИНН «7707083893»: Компании с таким ИНН нет: добавьте столбец с её названием",
    ]


async def test_what_is_exported_of_deals_and_companies_comes_back_unchanged(store: Store) -> None:
    await imported(store, "deals", DEAL_TABLE)
    for kind in ("companies", "deals"):
        rows = await exported(store, kind)
        cells = (";".join(_cell(each) for each in row.values()) for row in rows)
        again = await imported(store, kind, "\n".join([";".join(rows[0]), *cells]))
        assert counts(again) == (0, 0, len(rows), 0), await errors(store, again)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%d.%m.%Y %H:%M:%S")
    return "" if value is None else str(value)


async def test_a_name_in_three_columns_becomes_one(store: Store) -> None:
    table = "Имя;Фамилия;Отчество;Телефон\nИван;Петров;Сергеевич;89161234567\nПётр Сидоров;Сидоров;;89035556677\n"
    await imported(store, "contacts", table)
    assert {each.name for each in await every(store, PEOPLE)} == {"Петров Иван Сергеевич", "Пётр Сидоров"}


async def test_a_row_that_is_refused_leaves_nothing_behind(store: Store) -> None:
    emails = ", ".join(f"a{n}@example.ru" for n in range(21))
    job = await imported(store, "companies", f"Название;ИНН;Почта контакта\nРомашка;7707083893;{emails}\n")
    assert await errors(store, job) == [f"Почта контакта «{emails[:100]}»: Не больше 20"]
    job = await imported(store, "deals", f"Название;Компания;Почта\nПресс;Ромашка;{emails}\n")
    assert counts(job) == (0, 0, 0, 1)
    deep = " / ".join("абвгдежзийкл")
    job = await imported(store, "products", f"Название;Категория\nСтанок;{deep}\n")
    assert counts(job) == (0, 0, 0, 1)
    for collection in (COMPANIES, PEOPLE, DEALS, PRODUCTS, CATEGORIES):
        assert await every(store, collection) == []
