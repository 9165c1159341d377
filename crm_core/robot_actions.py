"""What robots can do, each action with its parameters, and the words in them.

Texts may name values of the record in braces: `{title}`, `{number}`, `{amount}`, `{stage}`, `{person}`, `{owner}`,
`{fields.requirements}`; what is empty becomes «—».
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from crm_core import deal_fields
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_stages import move_deal
from crm_core.deals import Deal, edit_deal
from crm_core.errors import Invalid
from crm_core.leads import Lead, edit_lead, move_lead
from crm_core.notifications import notify
from crm_core.people import find_person
from crm_core.task_commands import create_task
from crm_core.tasks import TASKS, Link
from crm_core.users import DEPARTMENTS, USERS, User
from storage import ReadTx, Tx
from workhours import parse_duration

PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
Record = Deal | Lead


@dataclass(frozen=True, slots=True)
class Doing:
    """A robot at work on a record."""

    tx: Tx
    actor: Actor
    company: Company
    entity: str
    record: Record
    params: Mapping[str, str]

    def text(self, name: str) -> str:
        """A parameter with the values of the record in it."""
        return filled(self.tx, self.company, self.record, self.params.get(name, ""))


Action = Callable[[Doing], str]
"""Does it and says in words what was done."""


def value_of(tx: ReadTx, company: Company, record: Record, path: str) -> str:
    """A value of a record as text; empty when there is none."""
    if path.startswith("fields."):
        return record.fields.get(path.removeprefix("fields."), "")
    if path == "person":
        person = find_person(tx, record.person_id)
        return (person.name or "") if person else ""
    if path == "owner":
        owner = tx.get(USERS, record.owner_id) if record.owner_id else None
        return owner.name if owner else ""
    value = getattr(record, path, None) if path in VALUES else None
    return "" if value is None else str(value)


VALUES = frozenset({"title", "number", "amount", "stage", "pipeline", "comment", "expected_close", "probability",
                    "queue", "company", "owner_id", "next_step_at"})  # fmt: skip


def filled(tx: ReadTx, company: Company, record: Record, text: str) -> str:
    return PLACEHOLDER.sub(lambda found: value_of(tx, company, record, found[1]) or "—", text)


def someone(tx: ReadTx, record: Record, who: str) -> User | None:
    """`owner`, `user:ID`, `role:KEY` (of several the one with the fewest open tasks), `head:DEPARTMENT`."""
    kind, _, key = who.partition(":")
    found: list[User] = []
    if kind == "owner":
        key = record.owner_id or ""
    if kind in ("owner", "user"):
        user = tx.get(USERS, key) if key else None
        found = [user] if user else []
    elif kind == "head":
        department = tx.get(DEPARTMENTS, key)
        user = tx.get(USERS, department.head_id) if department and department.head_id else None
        found = [user] if user else []
    elif kind == "role":
        found = [user for user in tx.find(USERS) if key in user.roles]
    present = [user for user in found if user.active]
    return min(present, key=lambda user: (_open_tasks(tx, user), user.id)) if present else None


def _open_tasks(tx: ReadTx, user: User) -> int:
    return tx.count(TASKS, {"responsible_id": user.id, "open": True}, limit=1000)


def deadline(company: Company, record: Record, text: str, now: datetime) -> datetime | None:
    """`3wd` working days, `4h` of working time, `field:KEY` the end of the working day in a field; empty: none."""
    calendar = company.calendar()
    if not text:
        return None
    if text.startswith("field:"):
        value = getattr(record, text[6:], None) or record.fields.get(text[6:])
        if not value:
            return None
        day = datetime.fromisoformat(str(value)).date()
        end = datetime.combine(day, time(23, 59), calendar.zone).astimezone(UTC)
        return max(end, now)
    if text.endswith("wd"):
        return calendar.add_days(now, int(text[:-2]))
    return calendar.add(now, parse_duration(text))


def make_task(doing: Doing) -> str:
    """`title`, `description`, `responsible`, `group`, `deadline`; one open task per robot text and record."""
    user = someone(doing.tx, doing.record, doing.params.get("responsible", "owner"))
    if user is None:
        raise Invalid({"responsible": f"Некому поручить: {doing.params.get('responsible', 'owner')}"})
    task = create_task(
        doing.tx,
        doing.actor,
        title=doing.text("title")[:300],
        description=doing.text("description"),
        responsible_id=user.id,
        creator_id=doing.record.owner_id,
        deadline=deadline(doing.company, doing.record, doing.params.get("deadline", ""), doing.tx.now),
        company=doing.company,
        links=(Link(doing.entity, doing.record.id),),
        **({"group": doing.params["group"]} if doing.params.get("group") else {}),
    )
    return f"поставлена задача № {task.number} «{task.title}», ответственный {user.name}"


def set_field(doing: Doing) -> str:
    """`field`, `value`."""
    field, value = doing.params.get("field", ""), doing.text("value")
    changes: dict[str, Any] = {field: value} if field in ("title", "comment") else {"fields": {field: value}}
    if field == "amount":
        changes = {"amount": _amount(value)}
    if isinstance(doing.record, Deal):
        edit_deal(doing.tx, doing.actor, doing.company, doing.record.id, changes)
    else:
        edit_lead(doing.tx, doing.actor, doing.record.id, changes)
    return f"поле «{field}» = «{value}»"


def _amount(text: str) -> Decimal:
    try:
        return deal_fields.amount(text)
    except ValueError as error:
        raise Invalid({"amount": str(error)}) from None


def move(doing: Doing) -> str:
    """`stage`; gates hold for robots too."""
    stage = doing.params.get("stage", "")
    if isinstance(doing.record, Deal):
        move_deal(doing.tx, doing.actor, doing.company, doing.record.id, stage)
    else:
        move_lead(doing.tx, doing.actor, doing.company, doing.record.id, stage)
    return f"переведено на стадию «{stage}»"


def assign(doing: Doing) -> str:
    """`to`; deals only: leads are given out by distribution."""
    user = someone(doing.tx, doing.record, doing.params.get("to", ""))
    if user is None or not isinstance(doing.record, Deal):
        raise Invalid({"to": f"Некого назначить: {doing.params.get('to', '')}"})
    edit_deal(doing.tx, doing.actor, doing.company, doing.record.id, {"owner_id": user.id})
    return f"ответственный {user.name}"


def tell(doing: Doing) -> str:
    """`to`, `text`."""
    user = someone(doing.tx, doing.record, doing.params.get("to", "owner"))
    if user is None:
        raise Invalid({"to": f"Некого уведомить: {doing.params.get('to', 'owner')}"})
    text = doing.text("text")[:500]
    lead_id = doing.record.id if doing.entity == "lead" else None
    notify(doing.tx, user.id, "robot", text, lead_id=lead_id, key=f"robot:{doing.record.id}:{text[:60]}")
    return f"уведомление для {user.name}"


ACTIONS: dict[str, Action] = {
    "create_task": make_task,
    "set_field": set_field,
    "move": move,
    "assign": assign,
    "notify": tell,
}
PARAMS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "create_task": (frozenset({"title"}), frozenset({"description", "responsible", "group", "deadline"})),
    "set_field": (frozenset({"field"}), frozenset({"value"})),
    "move": (frozenset({"stage"}), frozenset()),
    "assign": (frozenset({"to"}), frozenset()),
    "notify": (frozenset({"text"}), frozenset({"to"})),
}
"""Action → parameters that it needs, and those that it may have."""
