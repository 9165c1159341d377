"""A preset out of the running system: the tables as they are in force, in the files that a preset has.

Robots and templates that people changed, and departments, are records of the store; here they become rows again. Of the
connectors nothing is written: they belong to the configuration, and they hold secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.automation import Automation, active
from crm_core.company import Company
from crm_core.documents.library import FoundTemplate, templates
from crm_core.presets.writing import toml
from crm_core.rights import Action
from crm_core.settings import Blueprint, company_now, tables_now
from crm_core.users import DEPARTMENTS
from storage import ReadTx

FILES: Mapping[str, tuple[str, ...]] = {
    "company": ("company", "roles"),
    "departments": ("departments",),
    "rights": ("rights",),
    "stages": ("stages",),
    "fields": ("fields",),
    "sources": ("sources",),
    "routing": ("routing",),
    "queues": ("queues",),
    "workhours": ("workhours",),
    "texts": ("texts",),
    "pipelines": ("pipelines", "conversion"),
    "deal_fields": ("deal_fields",),
    "task_groups": ("task_groups",),
    "automations": ("automations",),
    "vat": ("vat",),
    "products": ("units", "price_types"),
    "firm": ("firm",),
    "documents": ("documents",),
}
"""File → the tables in it."""
HEADING = """# Набор компании «{company}», выгруженный из работающей системы.
# Что значит каждый раздел, сказано в файлах набора equipment и в docs/crm.md.

"""


@dataclass(frozen=True, slots=True)
class PresetFiles:
    """What a preset consists of."""

    texts: Mapping[str, str]
    """Name of the file → TOML."""
    templates: Mapping[str, FoundTemplate]
    """Name of the file → the Word template that belongs there."""


def preset_files(tx: ReadTx, actor: Actor, blueprint: Blueprint) -> PresetFiles:
    """The company as it is in force, as files that another hub can start from."""
    check(actor, "setting", Action.EXPORT)
    company, tables = company_now(tx, blueprint), tables_now(tx, blueprint)
    papers = {each.key: each for each in templates(tx, actor, company)}
    order = [rule.key for rule in company.documents] + list(papers)
    papers = {key: papers[key] for key in dict.fromkeys(order)}
    tables["company"] = {key: value for key, value in tables.get("company", {}).items() if key != "preset"}
    tables["departments"] = _departments(tx) or tables.get("departments", {})
    tables["automations"] = _automations(tx, company, tables.get("automations", []))
    tables["documents"] = [_document(each) for each in papers.values()]
    heading = HEADING.format(company=tables["company"].get("name", "без имени"))
    texts = {}
    for name, parts in FILES.items():
        if content := {part: tables[part] for part in parts if tables.get(part)}:
            texts[f"{name}.toml"] = heading + toml(content)
    return PresetFiles(texts, {_file(each): each for each in papers.values()})


def _departments(tx: ReadTx) -> dict[str, Any]:
    return {each.id: {"title": each.name, "parent": each.parent_id} for each in tx.find(DEPARTMENTS)}


def _automations(tx: ReadTx, company: Company, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Robots as the files have them, those that people changed or made as they are now."""
    usual = {row["key"]: row for row in rows}
    return [
        usual[key] if robot is company.automations.get(key) else _robot(robot)
        for key, robot in active(tx, company.automations).items()
    ]


def _robot(robot: Automation) -> dict[str, Any]:
    row: dict[str, Any] = {"key": robot.id.lower(), "title": robot.title, "on": msgspec.to_builtins(robot.trigger)}
    if robot.conditions:
        row["when"] = msgspec.to_builtins(list(robot.conditions))
    row["do"] = [{"action": step.action, **step.params} for step in robot.steps]
    return row if robot.active else {**row, "active": False}


def _document(template: FoundTemplate) -> dict[str, Any]:
    row = {name: getattr(template, name) for name in ("key", "title", "kind", "entity", "numbering")}
    return {**row, "file": _file(template)}


def _file(template: FoundTemplate) -> str:
    return f"documents/{template.key}.docx"
