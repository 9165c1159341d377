"""The headings that other systems give to their tables, and what they are taken for."""

from __future__ import annotations

import pytest

from crm_core.sheets.kinds import all_fields
from crm_core.sheets.mapping import suggest
from firstline.settings import load_settings
from router.sheets.registry import import_kinds

SETTINGS = load_settings(None, {})
KINDS = import_kinds(SETTINGS.queues)

TABLES = {
    "bitrix_leads": ("leads", {
        "ID": "external_id", "Название лида": "title", "Стадия": "stage", "Имя": "name", "Фамилия": "last_name",
        "Отчество": "middle_name", "Название компании": "company", "Рабочий телефон": "phones",
        "Мобильный телефон": "phones", "Рабочий e-mail": "emails", "Ответственный": "owner_id",
        "Источник": "source", "Дата создания": "created_at",
    }),
    "bitrix_deals": ("deals", {
        "ID": "external_id", "Название сделки": "title", "Воронка": "pipeline", "Стадия сделки": "stage",
        "Сумма": "amount", "Валюта": "currency", "Компания": "company", "Контакт": "name",
        "Ответственный": "owner_id", "Дата создания": "created_at", "Предполагаемая дата закрытия": "expected_close",
        "Вероятность": "probability", "Комментарий": "comment",
    }),
    "bitrix_deals_in_english": ("deals", {
        "Deal name": "title", "Pipeline": "pipeline", "Stage": "stage", "Amount": "amount", "Currency": "currency",
        "Company": "company", "Contact": "name", "Responsible person": "owner_id", "Created on": "created_at",
        "Expected close date": "expected_close",
    }),
    "amo_deals": ("deals", {
        "ID": "external_id", "Название сделки": "title", "Воронка": "pipeline", "Этап сделки": "stage",
        "Бюджет": "amount", "Основной контакт": "name", "Компания контакта": "company", "Ответственный": "owner_id",
        "Дата создания сделки": "created_at", "Дата закрытия": "closed_at", "Рабочий телефон": "phones",
        "Рабочий email": "emails", "Теги сделки": None, "Ближайшая задача": None,
    }),
    "amo_contacts": ("contacts", {
        "ID": "external_id", "Полное имя контакта": "name", "Компания контакта": "company",
        "Ответственный": "owner_id", "Рабочий телефон": "phones", "Мобильный телефон": "phones",
        "Личный email": "emails", "Должность": "position", "Примечание 1": "comment",
    }),
    "bitrix_companies": ("companies", {
        "ID": "external_id", "Название компании": "name", "Сфера деятельности": "activity",
        "Кол-во сотрудников": "size", "Рабочий телефон": "phones", "Рабочий e-mail": "emails",
        "Корпоративный сайт": "site", "Адрес": "legal_address", "Реквизит: ИНН": "inn", "Реквизит: КПП": "kpp",
        "Реквизит: ОГРН": "ogrn", "Ответственный": "owner_id",
    }),
    "one_c_companies": ("companies", {
        "Контрагент": "name", "ИНН": "inn", "КПП": "kpp", "Расчетный счет": "account", "БИК банка": "bik",
        "Юридический адрес": "legal_address", "Контактное лицо": "person_name",
        "Телефон контактного лица": "person_phones",
    }),
    "bitrix_products": ("products", {
        "ID": "external_id", "Наименование": "name", "Раздел": "category", "Цена": "prices.retail",
        "Валюта": "currency", "Единица измерения": "unit", "Ставка НДС": "vat", "НДС включен в цену": None,
        "Описание": "description", "Артикул": "sku",
    }),
    "price_list_in_english": ("products", {
        "SKU": "sku", "Product name": "name", "Category": "category", "Price": "prices.retail", "Unit": "unit",
        "Currency": "currency", "VAT": "vat", "Description": "description",
    }),
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_headings_of_other_systems_are_known(table: str) -> None:
    key, expected = TABLES[table]
    found = suggest(list(expected), all_fields(KINDS[key], SETTINGS.company))
    assert {each.heading: each.field for each in found} == expected
    assert all(each.reason for each in found)


@pytest.mark.parametrize("key", KINDS)
def test_every_column_of_an_export_is_taken_for_what_it_is(key: str) -> None:
    fields = [field for field in all_fields(KINDS[key], SETTINGS.company) if field.exported]
    found = suggest([field.title for field in fields], all_fields(KINDS[key], SETTINGS.company))
    assert [each.field for each in found] == [field.key for field in fields]
