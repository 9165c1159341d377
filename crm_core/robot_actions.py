"""What robots can do, each action with its parameters, and the words in them.

Texts may name values of the record in braces: `{title}`, `{number}`, `{amount}`, `{stage}`, `{person}`, `{owner}`,
`{fields.requirements}`; what is empty becomes «—».
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from crm_core.actor import Actor
from crm_core.automation import Automation, Event, active, schedule_run
from crm_core.company import Company
from crm_core.deal_stages import move_deal
from crm_core.deals import Deal, edit_deal
from crm_core.errors import Conflict, Invalid
from crm_core.leads import Lead, edit_lead, move_lead
from crm_core.notifications import notify
from crm_core.people import find_person
from crm_core.robot_jobs import JobKind, queue_job
from crm_core.task_commands import create_task
from crm_core.tasks import TASK_LINKS, TASKS, Link, Task
from crm_core.users import DEPARTMENTS, USERS, User
from crm_core.webhooks import shown_url, url_problem
from storage import ReadTx, Tx
from workhours import Calendar, NeverOpens, parse_duration

PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
Record = Deal | Lead
LOOKED_AT = 500
"""So many open tasks of a record are searched for the same one."""


@dataclass(frozen=True, slots=True)
class Doing:
    """A robot at work on a record."""

    tx: Tx
    actor: Actor
    company: Company
    entity: str
    record: Record
    params: Mapping[str, str]
    automation: Automation
    step: int
    """Which of its steps this is."""
    event: str

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
    if path not in VALUES[entity_of(record)]:
        return record.fields.get(path, "")
    value = getattr(record, path)
    return "" if value is None else str(value)


VALUES = {
    "deal": frozenset({"title", "number", "amount", "currency", "stage", "pipeline", "comment", "expected_close",
                       "probability", "owner_id", "next_step_at"}),
    "lead": frozenset({"title", "number", "stage", "queue", "company", "owner_id"}),
}  # fmt: skip
"""Kind of record → what texts and conditions may name besides `person`, `owner` and the fields of the card."""


def entity_of(record: Record) -> str:
    return "deal" if isinstance(record, Deal) else "lead"


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
    try:
        return _deadline(calendar, record, text, now)
    except (ValueError, OverflowError, NeverOpens) as error:
        raise Invalid({"deadline": f"Срок «{text}» не посчитать: {error}"}) from None


def _deadline(calendar: Calendar, record: Record, text: str, now: datetime) -> datetime | None:
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
    """`title`, `description`, `responsible`, `group`, `deadline`; one open task per robot's text and record."""
    title, group = doing.text("title")[:300].strip(), doing.params.get("group") or None
    if same := _open_task(doing, title, group):
        return f"задача № {same.number} «{same.title}» уже стоит и не закрыта"
    user = someone(doing.tx, doing.record, doing.params.get("responsible", "owner"))
    if user is None:
        raise Invalid({"responsible": f"Некому поручить: {doing.params.get('responsible', 'owner')}"})
    task = create_task(
        doing.tx,
        doing.actor,
        title=title,
        description=doing.text("description"),
        responsible_id=user.id,
        creator_id=doing.record.owner_id,
        deadline=deadline(doing.company, doing.record, doing.params.get("deadline", ""), doing.tx.now),
        company=doing.company,
        links=(Link(doing.entity, doing.record.id),),
        **({"group": group} if group else {}),
    )
    return f"поставлена задача № {task.number} «{task.title}», ответственный {user.name}"


def _open_task(doing: Doing, title: str, group: str | None) -> Task | None:
    """The task that an earlier run left and that is still to be done."""
    where = {"entity": doing.entity, "record_id": doing.record.id, "open": True}
    rows = doing.tx.find(TASK_LINKS, where, sort="-id", limit=LOOKED_AT)
    tasks = (doing.tx.get(TASKS, row.task_id) for row in rows)
    return next((task for task in tasks if task and task.title == title and task.group == group), None)


PLAIN = {"deal": frozenset({"title", "comment", "amount"}), "lead": frozenset({"title"})}
"""Kind of record → what may be set besides the fields of its card."""


def set_field(doing: Doing) -> str:
    """`field`, `value`."""
    field, value = doing.params.get("field", ""), doing.text("value")
    changes: dict[str, Any] = {field: value} if field in PLAIN[doing.entity] else {"fields": {field: value}}
    if isinstance(doing.record, Deal):
        edit_deal(doing.tx, doing.actor, doing.company, doing.record.id, changes)
    else:
        edit_lead(doing.tx, doing.actor, doing.record.id, changes)
    return f"поле «{field}» = «{value}»"


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
    deal_id = doing.record.id if doing.entity == "deal" else None
    lead_id = doing.record.id if doing.entity == "lead" else None
    key = f"robot:{doing.automation.id}:{doing.step}:{doing.record.id}"
    notify(doing.tx, user.id, "robot", text, lead_id=lead_id, deal_id=deal_id, key=key)
    return f"уведомление для {user.name}"


def start(doing: Doing) -> str:
    """`automation`: another robot with the same record; its conditions hold, its trigger does not matter."""
    other = active(doing.tx, doing.company.automations).get(doing.params.get("automation", ""))
    if other is None or not other.active or other.trigger.entity != doing.entity:
        raise Invalid({"automation": f"Робота «{doing.params.get('automation', '')}» нет, он выключен или о другом"})
    if not schedule_run(doing.tx, other, doing.entity, doing.record.id, Event.START, doing.actor.robot_depth):
        raise Conflict(f"робот «{other.title}» не запущен: роботы запускают друг друга по кругу")
    return f"запущен робот «{other.title}»"


def make_document(doing: Doing) -> str:
    """`template`, `leave_blanks`. Made outside of the transaction; the steps behind wait for it."""
    key = doing.params.get("template", "")
    queue_job(doing.tx, JobKind.DOCUMENT, doing.automation, doing.entity, doing.record.id, doing.event,
              doing.actor.robot_depth - 1, doing.step,
              {"template": key, "leave_blanks": doing.params.get("leave_blanks", "")})  # fmt: skip
    return f"документ по шаблону «{key}» готовится"


def call_webhook(doing: Doing) -> str:
    """`url`: gets the record as the API shows it, signed; tried again until it is taken."""
    url = doing.params.get("url", "")
    if wrong := url_problem(url, doing.company.webhooks):
        raise Invalid({"url": wrong})
    queue_job(doing.tx, JobKind.WEBHOOK, doing.automation, doing.entity, doing.record.id, doing.event,
              doing.actor.robot_depth - 1, doing.step, {"url": url})  # fmt: skip
    return f"вебхук {shown_url(url)} поставлен в очередь"


ACTIONS: dict[str, Action] = {
    "create_task": make_task,
    "set_field": set_field,
    "move": move,
    "assign": assign,
    "notify": tell,
    "make_document": make_document,
    "call_webhook": call_webhook,
    "start": start,
}
"""Those that are at home here; `send_message` comes from the room that knows the channels."""
AWAITED = frozenset({"make_document"})
"""Behind these a run pauses until they are done."""
PARAMS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "create_task": (frozenset({"title"}), frozenset({"description", "responsible", "group", "deadline"})),
    "set_field": (frozenset({"field"}), frozenset({"value"})),
    "move": (frozenset({"stage"}), frozenset()),
    "assign": (frozenset({"to"}), frozenset()),
    "notify": (frozenset({"text"}), frozenset({"to"})),
    "send_message": (frozenset({"text"}), frozenset({"subject", "connector"})),
    "make_document": (frozenset({"template"}), frozenset({"leave_blanks"})),
    "call_webhook": (frozenset({"url"}), frozenset()),
    "start": (frozenset({"automation"}), frozenset()),
}
"""Action → parameters that it needs, and those that it may have."""
ACTION_TITLES = {
    "create_task": "Поставить задачу",
    "set_field": "Заполнить поле",
    "move": "Перевести на стадию",
    "assign": "Назначить ответственного",
    "notify": "Уведомить сотрудника",
    "send_message": "Написать клиенту",
    "make_document": "Создать документ",
    "call_webhook": "Вызвать вебхук",
    "start": "Запустить робота",
}
PARAM_TITLES = {
    "title": "название", "description": "описание", "responsible": "ответственный", "group": "группа",
    "deadline": "срок", "field": "поле", "value": "значение", "stage": "стадия", "to": "кому", "text": "текст",
    "subject": "тема", "connector": "канал", "template": "шаблон", "leave_blanks": "оставить пустые места",
    "url": "адрес", "automation": "робот",
}  # fmt: skip
