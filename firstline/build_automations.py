"""`[[automations]]`: the robots of a preset. What they name must exist, as when people change robots later."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pydantic import ConfigDict, Field

from crm_core.automation import Automation, Condition, Event, Step, Trigger
from crm_core.automation_check import Known, problems
from crm_core.company import Company
from firstline.build_people import once
from firstline.build_rules import read_rows
from firstline.draft import Draft, Place
from firstline.settings_models import Key, Section


class TriggerRow(Section):
    """`on`."""

    entity: str = Field(pattern="^(deal|lead)$")
    event: Event
    pipeline: str | None = None
    stage: str | None = None
    field: str | None = None
    offset: str = "0"
    working: bool = False


class ConditionRow(Section):
    """One of `when`."""

    field: str
    op: str = Field(default="filled", pattern="^(eq|ne|filled|empty|contains|gt|lt)$")
    value: str = ""


class StepRow(Section):
    """One of `do`: the action, and its parameters beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    action: str


class AutomationRow(Section):
    """`[[automations]]`."""

    key: Key
    title: str = Field(min_length=1, max_length=200)
    on: TriggerRow
    when: tuple[ConditionRow, ...] = ()
    do: tuple[StepRow, ...] = Field(min_length=1)
    active: bool = True


NAMES = {"trigger": "on", "conditions": "when", "steps": "do"}
"""How a robot's parts are called in the file."""


def with_automations(draft: Draft, company: Company, changed: Collection[str] = ()) -> Company:
    """The company with the robots of the preset; what is wrong with them is reported, but for the changed ones."""
    rows = read_rows(draft, "automations", AutomationRow)
    once(draft, [(("automations", number, "key"), row.key) for number, row in enumerate(rows)], "ключ")
    found = {row.key: _automation(row) for row in rows}
    known = Known({key: each.trigger.entity for key, each in found.items()})
    for number, row in enumerate(rows):
        wrong = {} if row.key in changed else problems(company, found[row.key], known)
        for field, text in wrong.items():
            draft.report(("automations", number, *_place(field)), text, "исправьте робота")
    return replace(company, automations=found)


def _automation(row: AutomationRow) -> Automation:
    on: dict[str, Any] = row.on.model_dump()
    return Automation(
        id=row.key,
        title=row.title,
        trigger=Trigger(**on),
        conditions=tuple(Condition(field=each.field, op=each.op, value=each.value) for each in row.when),  # type: ignore[arg-type]
        steps=tuple(Step(action=each.action, params=_params(each)) for each in row.do),
        active=row.active,
    )


def _params(step: StepRow) -> dict[str, str]:
    return {name: str(value) for name, value in (step.model_extra or {}).items()}


def _place(field: str) -> Place:
    """`steps[0].title` → `do`, 0, `title`."""
    parts = [part for part in re.split(r"[.\[\]]+", field) if part]
    return tuple(int(part) if part.isdigit() else NAMES.get(part, part) for part in parts)
