"""The reference company: its tables hold what the specification asks, and a broken preset says what is broken."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from connectors.contract import Inbound, InboundKind, SourceHints
from crm_core.access import Facts, may
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.presets import FOLDER, bundled
from crm_core.rights import Action
from firstline.build_company import ENTITIES
from firstline.settings import load_settings
from firstline.settings_models import StageRow
from router.sources import source_of
from tests.unit.firstline.builders import loaded, problems

COMPANY: Company = load_settings(None, {}).company


def actor(role: str) -> Actor:
    return Actor(id="me", name=role, roles=frozenset({role}), rights=COMPANY.rights, department=frozenset({"me"}))


MINE, OTHERS = Facts(owners=frozenset({"me"})), Facts(owners=frozenset({"somebody"}))
FINISHED = Facts(owners=frozenset({"me"}), open=False)
CHECKING, OFFERING, DELIVERY = (
    Facts(stage=stage, pipeline="equipment") for stage in ("purchase_check", "offer", "delivery")
)
EQUIPMENT, SERVICE = (Facts(owners=frozenset({"me"}), pipeline=pipeline) for pipeline in ("equipment", "service"))

ALLOWED = [
    ("head_equipment", "deal", Action.UPDATE, OTHERS),
    ("head_equipment", "contact", Action.EXPORT, None),
    ("head_equipment", "product", Action.IMPORT, None),
    ("head_equipment", "report", Action.READ, None),
    ("first_line", "lead", Action.UPDATE, OTHERS),
    ("first_line", "contact", Action.CREATE, None),
    ("first_line", "company", Action.READ, OTHERS),
    ("first_line", "deal", Action.READ, OTHERS),
    ("first_line", "deal", Action.CREATE, None),
    ("first_line", "call", Action.READ, OTHERS),
    ("first_line", "task", Action.UPDATE, MINE),
    ("consultant", "lead", Action.UPDATE, FINISHED),
    ("consultant", "contact", Action.UPDATE, OTHERS),
    ("consultant", "deal", Action.UPDATE, EQUIPMENT),
    ("consultant", "deal", Action.CREATE, EQUIPMENT),
    ("first_line", "deal", Action.CREATE, EQUIPMENT),
    ("head_service", "deal", Action.UPDATE, SERVICE),
    ("head_service", "lead", Action.UPDATE, OTHERS),
    ("head_service", "deal", Action.READ, OTHERS),
    ("head_service", "report", Action.READ, None),
    ("service_seller", "contact", Action.READ, OTHERS),
    ("service_seller", "deal", Action.UPDATE, SERVICE),
    ("service_seller", "deal", Action.CREATE, SERVICE),
    ("procurement", "deal", Action.READ, CHECKING),
    ("procurement", "deal", Action.READ, DELIVERY),
    ("service_admin", "deal", Action.READ, OTHERS),
    ("ceo", "report", Action.READ, None),
    ("deputy", "report", Action.EXPORT, None),
    ("deputy", "connector", Action.MANAGE, None),
    ("ops", "connector", Action.MANAGE, None),
    ("ops", "journal", Action.READ, None),
    ("ops", "quarantine", Action.MANAGE, None),
    ("ops", "outbox", Action.UPDATE, None),
    ("admin", "user", Action.MANAGE, None),
    ("admin", "audit", Action.READ, None),
]
REFUSED = [
    ("head_equipment", "user", Action.MANAGE, None),
    ("first_line", "lead", Action.UPDATE, FINISHED),
    ("first_line", "contact", Action.UPDATE, MINE),
    ("first_line", "deal", Action.UPDATE, MINE),
    ("first_line", "lead", Action.EXPORT, None),
    ("first_line", "report", Action.READ, None),
    ("first_line", "task", Action.READ, OTHERS),
    ("first_line", "connector", Action.READ, None),
    ("first_line", "deal", Action.CREATE, SERVICE),
    ("consultant", "deal", Action.UPDATE, OTHERS),
    ("consultant", "deal", Action.UPDATE, SERVICE),
    ("service_seller", "deal", Action.UPDATE, EQUIPMENT),
    ("head_service", "deal", Action.UPDATE, EQUIPMENT),
    ("procurement", "deal", Action.READ, Facts(stage="delivery", pipeline="service")),
    ("consultant", "user", Action.MANAGE, None),
    ("service_seller", "lead", Action.READ, OTHERS),
    ("service_seller", "contact", Action.CREATE, None),
    ("procurement", "deal", Action.READ, OFFERING),
    ("procurement", "deal", Action.UPDATE, CHECKING),
    ("procurement", "contact", Action.READ, OTHERS),
    ("service_admin", "deal", Action.UPDATE, OTHERS),
    ("ceo", "lead", Action.UPDATE, OTHERS),
    ("ceo", "connector", Action.MANAGE, None),
    ("ops", "lead", Action.READ, OTHERS),
    ("ops", "user", Action.MANAGE, None),
    ("nobody", "lead", Action.READ, MINE),
]


@pytest.mark.parametrize(("role", "entity", "action", "facts"), ALLOWED)
def test_a_role_may_do_its_daily_work(role: str, entity: str, action: Action, facts: Facts | None) -> None:
    assert may(actor(role), entity, action, facts)


@pytest.mark.parametrize(("role", "entity", "action", "facts"), REFUSED)
def test_a_role_may_not_go_beyond_it(role: str, entity: str, action: Action, facts: Facts | None) -> None:
    assert not may(actor(role), entity, action, facts)


def test_every_role_has_rights_and_every_right_a_role() -> None:
    assert COMPANY.rights.grants.keys() == COMPANY.roles.keys()


@pytest.mark.parametrize("role", sorted(COMPANY.roles))
def test_everybody_sees_colleagues_and_his_own_tasks(role: str) -> None:
    assert may(actor(role), "user", Action.READ, OTHERS)
    assert may(actor(role), "task", Action.READ, MINE)


def test_only_the_administrator_manages_users() -> None:
    managers = {role for role in COMPANY.roles if may(actor(role), "user", Action.MANAGE)}
    assert managers == {"admin"}


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_administrator_may_do_everything(entity: str) -> None:
    assert all(may(actor("admin"), entity, action, OTHERS) for action in Action)


def test_stages_are_those_of_the_specification() -> None:
    assert [(stage.key, stage.title, stage.kind) for stage in COMPANY.stages] == [
        ("new", "Новый", "open"),
        ("qualification", "Квалификация", "open"),
        ("converted", "Успешный", "won"),
        ("spam", "Спам", "lost"),
        ("mistaken", "Ошибочное обращение", "lost"),
        ("not_our_range", "Мы не занимаемся поставкой такого оборудования", "lost"),
    ]


def test_the_lead_card_shows_its_fields_in_order() -> None:
    assert [rule.key for rule in COMPANY.fields] == [
        "how_learned", "equipment_category", "probable_equipment", "price", "comment",
    ]  # fmt: skip
    assert COMPANY.fields[1].choices == {"large": "Крупное", "small": "Мелкое"}


@pytest.mark.parametrize(
    ("channel", "hints", "source"),
    [
        ("form", SourceHints(utm={"source": "yandex", "medium": "cpc"}), "Яндекс Директ"),
        ("form", SourceHints(utm={"source": "Google", "medium": "CPC"}), "Google Ads"),
        ("form", SourceHints(utm={"source": "quiz"}), "Другая реклама"),
        ("form", SourceHints(utm={"medium": "email"}), "Рассылка"),
        ("form", SourceHints(referrer="https://www.google.com/search?q=x"), "Поиск Google"),
        ("form", SourceHints(referrer="https://ya.ru/"), "Поиск Яндекса"),
        ("form", SourceHints(referrer="https://yandex.ru/search/?text=x"), "Поиск Яндекса"),
        ("form", SourceHints(referrer="https://partner.example/"), "Форма на сайте"),
        ("phone", SourceHints(did="+74952280001"), "Звонок"),
        ("email", SourceHints(mailbox="sales@example.ru"), "Письмо"),
        ("widget", SourceHints(), "Другое"),
    ],
)
def test_the_source_of_a_contact_is_named(channel: str, hints: SourceHints, source: str) -> None:
    inbound = Inbound(
        connector="site",
        channel=channel,
        external_id="1",
        kind=InboundKind.FORM,
        occurred_at=datetime(2026, 11, 23, 9, tzinfo=UTC),
        source=hints,
    )
    assert source_of(COMPANY, inbound).label == source


def test_the_last_source_rule_takes_whatever_is_left() -> None:
    assert (COMPANY.sources[-1].key, COMPANY.sources[-1].when) == ("other", {})


def test_the_reference_company_has_the_roles_of_the_specification() -> None:
    assert COMPANY.roles["first_line"] == "Продавец первой линии"
    assert set(COMPANY.roles) == {
        "ceo", "deputy", "head_equipment", "head_service", "first_line", "consultant", "service_seller",
        "procurement", "service_admin", "admin", "ops",
    }  # fmt: skip


def test_presets_are_found_by_name() -> None:
    assert bundled() == ["equipment"]


BROKEN = [
    ("automations.toml", '"field:delivery_date"', '"field:requirements"', "automations.toml: automations[1].do[0].deadline", "delivery_date"),  # noqa: E501
    ("automations.toml", 'offset = "5d"', 'offset = "0"', "automations.toml: automations[5].on.offset", "5d"),
    ("automations.toml", 'action = "create_task"\ngroup = "purchase"', 'action = "start"\nautomation = "nobody"', "automations.toml: automations[1].do[0].automation", "check_purchase"),  # noqa: E501
    ("automations.toml", 'action = "create_task"\ngroup = "purchase"', 'action = "call_webhook"\nurl = "https://example.ru"', "automations.toml: automations[1].do[0].url", "[webhooks]"),  # noqa: E501
    ("stages.toml", 'kind = "won"', 'kind = "wonn"', "stages.toml: stages[2].kind", "возможно, won"),
    ("stages.toml", 'color = "amber"', 'colour = "amber"', "stages.toml: stages[1].colour", "возможно, color"),
    ("stages.toml", 'key = "mistaken"', 'key = "spam"', "stages.toml: stages[4].key", "stages.toml: stages[3].key"),
    ("stages.toml", 'key = "spam"', 'key = "spma"', "company.toml: company.spam_stage", "возможно, spma"),
    ("rights.toml", "[rights.ops]", "[rights.opps]", "rights.toml: rights.opps", "возможно, ops"),
    ("rights.toml", "journal =", "jurnal =", "rights.toml: rights.ops.jurnal", "возможно, journal"),
    ("rights.toml", '"all open"', '"al open"', "rights.toml: rights.first_line.lead.update", "all, own"),
    ("rights.toml", "stage purchase_check delivery", "stage", "rights.toml: rights.procurement.deal.read", "stage"),
    ("rights.toml", 'company = { read = "all"', 'company = { read = "all open"', "rights.toml: rights.ceo.company.read", "own"),  # noqa: E501
    ("rights.toml", "export =", "exprot =", "rights.toml: rights.ceo.report.exprot", "возможно, export"),
    ("sources.toml", "utm_source =", "utm_sorce =", "sources.toml: sources[0].when.utm_sorce", "utm_source"),
    ("sources.toml", 'label = "Другая реклама"', 'label = ""', "sources.toml: sources[5].label", "не меньше 1"),
    ("fields.toml", 'type = "money"', 'type = "choice"', "fields.toml: fields[3].choices", "исправьте type"),
    ("departments.toml", 'parent = "management"', 'parent = "managment"', "departments.toml: departments.equipment.parent", "management"),  # noqa: E501
    ("departments.toml", '"Руководство"', '"Руководство"\nparent = "service"', "departments.toml: departments.management.parent", "круг"),  # noqa: E501
    ("demo.toml", '"102"', '"101"', "demo.toml: demo.users[1].extension", "demo.users[0].extension"),
    ("demo.toml", "boris@", "Anna@", "demo.toml: demo.users[1].email", "demo.users[0].email"),
    ("demo.toml", '["consultant"]', '["consultnat"]', "demo.toml: demo.users[4].roles", "возможно, consultant"),
    ("demo.toml", 'heads = ["equipment"]', 'heads = ["eq"]', "demo.toml: demo.users[3].heads", "equipment"),
    ("queues.toml", "sticky = true", "stiky = true", "queues.toml: queues.first-line.stiky", "возможно, sticky"),
    ("workhours.toml", '"10:00-19:00"', '"10-19"', "workhours.toml: workhours.office.hours", "10:00-19:00"),
    ("company.toml", '"Дежурный"', '""', "company.toml: roles.ops", "в кавычках"),
    ("task_groups.toml", 'kind = "done"', 'kind = "dne"', "task_groups.toml: task_groups.purchase_check.stages[3].kind", "возможно, done"),  # noqa: E501
    ("task_groups.toml", 'kind = "done"', 'kind = "waiting"', "task_groups.toml: task_groups.purchase_check.stages", "kind = done"),  # noqa: E501
    ("task_groups.toml", 'kind = "open"', 'kind = "done"', "task_groups.toml: task_groups.purchase_check.stages[0].kind", "open"),  # noqa: E501
    ("task_groups.toml", 'key = "checking"', 'key = "new"', "task_groups.toml: task_groups.purchase_check.stages[1].key", "stages[0].key"),  # noqa: E501
    ("task_groups.toml", '"Проверка закупок"', '""', "task_groups.toml: task_groups.purchase_check.title", "не меньше 1"),  # noqa: E501
    ("customers.toml", 'a_from = "5000000"', 'a_from = "500"', "customers.toml: customers.a_from", "не меньше b_from"),
    ("pipelines.toml", 'price = "amount"', 'price = "probability"', "pipelines.toml: conversion.carried", "amount"),
    ("customers.toml", "regular_from = 2", "regular_from = 0", "customers.toml: customers.regular_from", "2"),
    ("vat.toml", 'percent = "22"', 'percent = "many"', "vat.toml: vat.rates[0].percent", "число"),
    ("vat.toml", "since = 2026-01-01 ", "since = 2026-02-01 ", "vat.toml: vat.usual", "на 01.01.2026 нет ставки"),
    ("vat.toml", "until = 2025-12-31", "since = 2019-01-01", "vat.toml: vat.usual", "ставку без since"),
    ("vat.toml", '["vat22", "vat20"]', '["vat22", "vat21"]', "vat.toml: vat.usual", "возможно, vat2"),
    ("vat.toml", 'key = "vat5"', 'key = "vat7"', "vat.toml: vat.rates[4].key", "vat.rates[3].key"),
    ("vat.toml", "since = 2025-01-01 ", "since = 2025-01-01\nuntil = 2024-01-01 ", "vat.toml: vat.rates[3].until", "исправьте даты"),  # noqa: E501
    ("vat.toml", "usual =", "usually =", "vat.toml: vat.usually", "возможно, usual"),
    ("products.toml", 'code = "839"', 'code = "796"', "products.toml: units[1].code", "units[0].code"),
    ("products.toml", 'key = "wholesale"', 'key = "retail"', "products.toml: price_types[1].key", "price_types[0].key"),
    ("demo.toml", 'parent = "large"', 'parent = "larg"', "demo.toml: demo.categories[2].parent", "возможно, large"),
    ("demo.toml", 'category = "mills"', 'category = "mils"', "demo.toml: demo.products[2].category", "возможно, mills"),
    ("demo.toml", 'retail = "4 850 000"', 'retail = "5 млн"', "demo.toml: demo.products[0].prices.retail", "цифрами"),
    ("demo.toml", 'retail = "4 850 000"', 'retial = "1"', "demo.toml: demo.products[0].prices", "возможно, retail"),
    ("demo.toml", 'sku = "ST-250"', 'sku = "st-400"', "demo.toml: demo.products[1].sku", "demo.products[0].sku"),
    ("documents.toml", 'contract-service"', 'offer-service"', "documents.toml: documents[3].key", "documents[2].key"),
    ("documents.toml", "КП-{year}", "КП-{god}", "documents.toml: documents[0].numbering", "КП-{year}-{number:04}"),
    ("documents.toml", "offer-service.docx", "x.docx", "documents.toml: documents[2].file", "файла documents/x.docx"),
    ("documents.toml", "documents/offer-service.docx", "firm.toml", "documents.toml: documents[2].file", "Word"),
    ("documents.toml", "documents/offer-service.docx", "../x", "documents.toml: documents[2].file", "вне папки"),
    ("documents.toml", '"contract"', '"deed"', "documents.toml: documents[1].kind", "есть"),
    ("firm.toml", '"7700000000"', '"77"', "firm.toml: firm.inn", "образец"),
    ("firm.toml", "director =", "directr =", "firm.toml: firm.directr", "возможно, director"),
    ("texts.toml", "[texts]", "[text]", "texts.toml: text", "возможно, texts"),
    ("texts.toml", "[texts]", "[roles]\nx = 'y'\n[texts]", "texts.toml: roles", "в одном файле"),
    ("texts.toml", "[texts]", "[texts", "texts.toml", "кавычки"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "right", "wrong", "place", "mend"), BROKEN, ids=[case[3] for case in BROKEN])
def test_a_broken_preset_names_file_place_and_mend(
    tmp_path: Path, file: str, right: str, wrong: str, place: str, mend: str
) -> None:
    copy = tmp_path / "ours"
    shutil.copytree(FOLDER / "equipment", copy)
    text = (copy / file).read_text("utf-8")
    assert right in text
    (copy / file).write_text(text.replace(right, wrong), "utf-8")
    told = {problem.place: str(problem) for problem in problems(tmp_path, '[company]\npreset = "ours"\n')}
    assert f"ours/{place}" in told
    assert mend in told[f"ours/{place}"]


def test_the_preset_names_nobody_real() -> None:
    demo = (FOLDER / "equipment" / "demo.toml").read_text("utf-8")
    assert set(re.findall(r'email = "[^@]+@([^"]+)"', demo)) == {"demo.local"}


def test_the_firm_of_the_configuration_replaces_the_example_as_a_whole(tmp_path: Path) -> None:
    firm = loaded(tmp_path, '[firm]\nname = "ООО «Ромашка»"\n').company.firm
    assert (firm.name, firm.account, firm.director) == ("ООО «Ромашка»", "", "")
    assert loaded(tmp_path, "").company.firm.account


def test_terms_of_storage_are_days_and_say_what_is_wrong(tmp_path: Path) -> None:
    terms = loaded(tmp_path, "[retention]\njournal_days = 90\nclosed_leads_days = 0\n").company.retention
    assert (terms.journal_days, terms.closed_leads_days, terms.withdrawn_consents_days) == (90, None, 30)
    wrong = "[retention]\naudit_days = 7\nwithdrawn_consents_days = 60\njournal = 5\nclosed_leads_days = '1'\n"
    told = {problem.place: str(problem) for problem in problems(tmp_path, wrong)}
    assert set(told) == {f"retention.{key}" for key in
                         ("audit_days", "withdrawn_consents_days", "journal", "closed_leads_days")}  # fmt: skip
    assert "от 1 до 30" in told["retention.withdrawn_consents_days"]
    assert "152-ФЗ" in told["retention.withdrawn_consents_days"]
    assert "journal_days" in told["retention.journal"]


def test_every_colour_of_a_stage_has_a_tone_on_the_pages() -> None:
    colours = get_args(StageRow.model_fields["color"].annotation)
    css = (FOLDER.parents[1] / "web" / "static" / "css" / "firstline.css").read_text("utf-8")
    assert [colour for colour in colours if f".tone-{colour} " not in css or f"--{colour}-soft:" not in css] == []
