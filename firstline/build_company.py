"""The company: calendars, roles, rights, stages, sources, the lead card, texts."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from connectors.contract import Connector
from connectors.registry import REGISTRY
from connectors.settings import ConnectorSettings
from crm_core.company import Company, ConnectorInfo, FieldRule, Texts
from crm_core.deal_fields import BUILT_IN
from crm_core.documents.rules import TemplateRule
from crm_core.rights import Action, Grant, GrantError, Rights, check_fit, parse_grant
from crm_core.stages import Stage
from crm_core.webhooks import Webhooks
from firstline.build_automations import with_automations
from firstline.build_channels import check_name
from firstline.build_customers import read_customers
from firstline.build_documents import read_documents, read_firm
from firstline.build_people import once, refers
from firstline.build_pipelines import read_conversion, read_pipelines
from firstline.build_retention import read_retention
from firstline.build_rules import read_routing, read_rows, read_sources
from firstline.build_tasks import read_task_groups
from firstline.build_trade import read_trade
from firstline.draft import Draft
from firstline.problems import nearest
from firstline.settings_models import CompanySection, FieldRow, StageRow, WebhooksSection
from workhours import Calendar, CalendarErrors, Updates, load_updates, parse_calendar

M = TypeVar("M", bound=BaseModel)

ENTITIES = (
    "lead", "deal", "contact", "company", "task", "call", "report", "user", "department", "queue", "connector",
    "journal", "quarantine", "outbox", "audit", "product", "document",
    "automation", "template", "setting",
)  # fmt: skip
"""What rights are granted on."""
RESERVED_ROLES = ("system", "console")
"""Roles of the hub itself and of the command line."""


def read_calendars(draft: Draft, company: CompanySection, updates: Path | None) -> dict[str, Calendar]:
    """`[workhours.*]`; the default one must be among them."""
    years = _updates(draft, updates)
    calendars = {}
    for name in draft.table("workhours"):
        check_name(draft, ("workhours", name))
        try:
            calendars[name] = parse_calendar(name, draft.table("workhours", name), company.timezone, years)
        except CalendarErrors as errors:
            _report_calendar(draft, errors)
    refers(draft, ("company", "default_calendar"), "календаря", [company.default_calendar], draft.table("workhours"))
    return calendars


def _updates(draft: Draft, path: Path | None) -> Updates:
    try:
        return load_updates(path) if path else {}
    except CalendarErrors as errors:
        _report_calendar(draft, errors)
        return {}


def _report_calendar(draft: Draft, errors: CalendarErrors) -> None:
    for error in errors.errors:
        message, _, mend = error.message.partition("; ")
        place = tuple(error.key.split("."))
        draft.report(place if place[0] == "workhours" else (error.key,), message, mend)


def read_company(
    draft: Draft,
    section: CompanySection,
    calendars: Mapping[str, Calendar],
    connectors: Mapping[str, ConnectorSettings],
    documents: Sequence[TemplateRule] | None = None,
    changed_robots: Collection[str] = (),
) -> Company | None:
    """The company as the rooms below see it; None when something in it is wrong. `documents`: templates that were read
    before. What the preset says of changed robots does not count."""
    roles, stages = _roles(draft), _stages(draft, section)
    sources, routing, rules = read_sources(draft), read_routing(draft), _fields(draft, "fields")
    rights, texts = _rights(draft, roles), _texts(draft)
    company = Company(
        timezone=section.timezone,
        language=section.language,
        calendars=calendars,
        stages=stages,
        rights=rights,
        sources=sources,
        routing=routing,
        fields=rules,
        roles=roles,
        connectors={name: _info(name, settings) for name, settings in connectors.items()},
        texts=texts,
        default_calendar=section.default_calendar,
        new_stage=section.new_stage,
        work_stage=section.work_stage,
        spam_stage=section.spam_stage,
        response_within=section.response_within,
        callback_within=section.callback_within,
    )
    company = replace(_with_sales(draft, company), documents=read_documents(draft) if documents is None else documents)
    return None if draft.problems else with_automations(draft, company, changed_robots)


def _with_sales(draft: Draft, company: Company) -> Company:
    """The company with what happens behind the first line: deals, tasks, goods, documents."""
    deal_fields = _fields(draft, "deal_fields")
    return replace(
        company,
        deal_fields=deal_fields,
        pipelines=read_pipelines(draft, deal_fields, company.roles),
        conversion=read_conversion(draft, company.stages, company.fields, deal_fields),
        task_groups=read_task_groups(draft),
        trade=read_trade(draft),
        customers=read_customers(draft),
        firm=read_firm(draft),
        retention=read_retention(draft),
        webhooks=_webhooks(draft),
    )


def _webhooks(draft: Draft) -> Webhooks | None:
    if "webhooks" not in draft.tables:
        return None
    section = draft.read(WebhooksSection, draft.table("webhooks"), ("webhooks",))
    return Webhooks(section.secret.get_secret_value(), section.networks) if section else None


def _info(name: str, settings: ConnectorSettings) -> ConnectorInfo:
    return ConnectorInfo(
        name=name,
        type=settings.type,
        channel=REGISTRY[settings.type].channel,
        title=settings.title or name,
        queue=settings.queue,
        calendar=settings.calendar,
    )


def with_capabilities(company: Company, connectors: Mapping[str, Connector]) -> Company:
    """The company that knows what its connectors can do; only they themselves can say that."""
    infos = dict(company.connectors)
    for name, connector in connectors.items():
        able = connector.capabilities
        infos[name] = replace(infos[name], can_reply=able.can_reply, can_call=able.can_call)
    return replace(company, connectors=infos)


def _roles(draft: Draft) -> dict[str, str]:
    roles = draft.table("roles")
    for key, title in roles.items():
        if not isinstance(title, str) or not title.strip():
            draft.report(("roles", key), "нужно название роли", "в кавычках")
        if key in RESERVED_ROLES or "," in key or not key.strip():
            draft.report(("roles", key), "такое имя роли занято или не годится", "назовите её иначе")
    if not roles:
        draft.report(("roles",), "нет ни одной роли", "перечислите их в наборе")
    return roles


def _stages(draft: Draft, section: CompanySection) -> list[Stage]:
    rows = read_rows(draft, "stages", StageRow)
    once(draft, [(("stages", number, "key"), row.key) for number, row in enumerate(rows)], "ключ")
    kinds = {row.key: row.kind for row in rows if not row.archived}
    for name, kind in (("new_stage", "open"), ("work_stage", "open"), ("spam_stage", "lost")):
        key = getattr(section, name)
        refers(draft, ("company", name), "стадии", [key], kinds)
        if kinds.get(key, kind) != kind:
            draft.report(("company", name), f"стадия {key} другого рода", f"нужна с kind = {kind}")
    return [Stage(row.key, row.title, row.kind, row.color, row.archived) for row in rows]


def _fields(draft: Draft, table: str) -> list[FieldRule]:
    rows = read_rows(draft, table, FieldRow)
    once(draft, [((table, number, "key"), row.key) for number, row in enumerate(rows)], "ключ")
    for number, row in enumerate(rows):
        if table == "deal_fields" and row.key in BUILT_IN:
            draft.report((table, number, "key"), f"поле {row.key} есть у каждой сделки и так", "выберите другой ключ")
        if (row.type == "choice") != bool(row.choices):
            draft.report((table, number, "choices"), "список значений нужен полю choice и только ему", "исправьте type")
    return [FieldRule(row.key, row.title, row.type, row.choices, row.hidden) for row in rows]


def _rights(draft: Draft, roles: Mapping[str, str]) -> Rights:
    grants: dict[str, dict[str, dict[str, Grant]]] = {}
    for role in draft.table("rights"):
        refers(draft, ("rights", role), "роли", [role], roles)
        for entity in draft.table("rights", role):
            if entity != "*":
                refers(draft, ("rights", role, entity), "вида записей", [entity], ENTITIES)
            for action, words in draft.table("rights", role, entity).items():
                grant = _grant(draft, (role, entity, action), words)
                if grant is not None:
                    grants.setdefault(role, {}).setdefault(entity, {})[action] = grant
    return Rights(grants)


def _grant(draft: Draft, where: tuple[str, str, str], words: Any) -> Grant | None:
    place = ("rights", *where)
    if where[-1] != "*":
        refers(draft, place, "действия", [where[-1]], [str(action) for action in Action])
    try:
        grant = parse_grant(words if isinstance(words, str) else "")
    except GrantError as error:
        draft.report(place, "область не понята", str(error).partition(": ")[2])
        return None
    try:
        check_fit(where[1], grant)
    except GrantError as error:
        condition, _, mend = str(error).partition("; ")
        draft.report(place, condition, mend)
    refers(draft, place, "направления", sorted(grant.pipelines), draft.table("pipelines"))
    return grant


def _texts(draft: Draft) -> Texts:
    usual = {field.name: str(field.default) for field in fields(Texts)}
    texts: dict[str, str] = {}
    for key, text in draft.table("texts").items():
        if key not in usual:
            draft.report(("texts", key), "такого ключа нет", nearest(key, usual))
        elif not isinstance(text, str) or not text.strip():
            draft.report(("texts", key), "нужен текст", "в кавычках")
        elif _placeholders(text) - (known := _placeholders(usual[key])):
            names = ", ".join(f"{{{name}}}" for name in sorted(known)) or "без фигурных скобок"
            draft.report(("texts", key), "неизвестная подстановка в фигурных скобках", f"можно: {names}")
        else:
            texts[key] = text
    return replace(Texts(), **texts)


def _placeholders(text: str) -> set[str]:
    """Names in braces; broken braces count as an unknown one."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return {"\0"}
