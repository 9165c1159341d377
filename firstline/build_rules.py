"""Source rules and routing rules: what contacts are recognised by, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

from crm_core.company import RoutingRule, SourceRule
from firstline.build_people import refers
from firstline.draft import Draft
from firstline.problems import nearest
from firstline.settings_models import RoutingRow, SourceRow

M = TypeVar("M", bound=BaseModel)

SOURCE_CONDITIONS = (
    "channel", "connector", "did", "mailbox", "community", "listing", "page", "referrer", "utm_source", "utm_medium",
    "utm_campaign",
)  # fmt: skip
ROUTING_CONDITIONS = (*SOURCE_CONDITIONS, "kind", "subject", "text", "email_domain")
FIELD = "field."
"""A condition on a form's field: `field.equipment`."""


def read_sources(draft: Draft) -> list[SourceRule]:
    """`[[sources]]`."""
    rows = read_rows(draft, "sources", SourceRow)
    labels: dict[str, str] = {}
    for number, row in enumerate(rows):
        _check_conditions(draft, ("sources", number), row.when, SOURCE_CONDITIONS)
        if labels.setdefault(row.key, row.label) != row.label:
            draft.report(("sources", number, "label"), f"источник {row.key} уже назван иначе", "оставьте одно название")
    return [SourceRule(row.key, row.label, row.when) for row in rows]


def read_routing(draft: Draft) -> list[RoutingRule]:
    """`[[routing]]`: each rule either names a queue that exists, or ignores."""
    rows = read_rows(draft, "routing", RoutingRow)
    for number, row in enumerate(rows):
        conditions = {name: pattern for name, pattern in row.when.items() if not name.startswith(FIELD)}
        _check_conditions(draft, ("routing", number), conditions, ROUTING_CONDITIONS)
        if (row.queue is None) == (not row.ignore):
            mend = "укажите queue или ignore = true"
            draft.report(("routing", number), "правило должно либо направлять, либо отсеивать", mend)
        if row.queue is not None:
            refers(draft, ("routing", number, "queue"), "очереди", [row.queue], draft.table("queues"))
    return [RoutingRule(row.title, row.when, row.queue) for row in rows]


def _check_conditions(draft: Draft, place: tuple[str, int], when: dict[str, str], known: Sequence[str]) -> None:
    for condition in when.keys() - set(known):
        draft.report((*place, "when", condition), "такого условия нет", nearest(condition, known))


def read_rows(draft: Draft, table: str, model: type[M]) -> list[M]:
    """The rows of an array of tables; those with mistakes are reported and left out."""
    found = [draft.read(model, data, (table, number)) for number, data in enumerate(draft.rows(table))]
    return [row for row in found if row is not None]
