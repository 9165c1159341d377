"""The robots at work: which act on an event, how they run, and what they would do (dry run)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation

from crm_core.automation import (
    ROBOT,
    ROBOT_TIME,
    RUN,
    Automation,
    Condition,
    Event,
    Outcome,
    RobotRun,
    active,
    log,
    raise_event,
    robot,
    schedule_run,
)
from crm_core.company import Company
from crm_core.deal_fields import BUILT_IN
from crm_core.deals import DEALS, Deal
from crm_core.errors import CoreError, Invalid
from crm_core.leads import LEADS
from crm_core.robot_actions import (
    ACTION_TITLES,
    ACTIONS,
    AWAITED,
    PARAM_TITLES,
    Action,
    Doing,
    Record,
    deadline,
    filled,
    someone,
    value_of,
)
from crm_core.robot_moments import PLAN, WAITS, due_at, fits, on_plan, plan, plan_one
from crm_core.timers import Timer
from storage import ReadTx, Tx
from workhours import NeverOpens

ATTEMPTS = 5
"""After so many unforeseen failures a run is given up."""


def record_of(tx: ReadTx, entity: str, record_id: str) -> Record | None:
    """The deal or lead."""
    return tx.get(DEALS, record_id) if entity == "deal" else tx.get(LEADS, record_id)


def unmet(tx: ReadTx, company: Company, automation: Automation, record: Record) -> Condition | None:
    """The first condition that does not hold."""
    return next((each for each in automation.conditions if not _holds(tx, company, each, record)), None)


def _holds(tx: ReadTx, company: Company, condition: Condition, record: Record) -> bool:
    value = value_of(tx, company, record, condition.field)
    match condition.op:
        case "filled" | "empty":
            return bool(value) == (condition.op == "filled")
        case "contains":
            return condition.value.casefold() in value.casefold()
        case "gt" | "lt":
            try:
                left, right = Decimal(value), Decimal(condition.value)
            except InvalidOperation:
                return False
            return left > right if condition.op == "gt" else left < right
    return (value == condition.value) == (condition.op == "eq")


def on_event(tx: Tx, company: Company, timer: Timer) -> None:
    """Give every robot that is concerned a run of its own, and plan what depends on moments."""
    payload = timer.payload
    record = record_of(tx, payload["entity"], payload["id"])
    if record is None:
        return
    event, depth = Event(payload["event"]), int(payload["depth"])
    for automation in active(tx, company.automations).values():
        if fits(automation, record, event, payload["stage"], frozenset(payload["fields"].split())):
            schedule_run(tx, automation, payload["entity"], record.id, event, depth)
    plan(tx, company, payload["entity"], record, depth)


def on_time(tx: Tx, company: Company, timer: Timer) -> None:
    """The moment has come; if it has moved meanwhile, wait for the new one."""
    payload = timer.payload
    automation = active(tx, company.automations).get(payload["automation"])
    record = record_of(tx, payload["entity"], payload["id"])
    if automation is None or record is None or not record.open:
        return
    event = automation.trigger.event
    if event not in WAITS or not fits(automation, record, event):
        return
    try:
        due = due_at(company, automation, record)
    except (ValueError, OverflowError, NeverOpens):
        due = None
    depth = int(payload.get("depth", "0"))
    if due is not None and due > tx.now:
        plan_one(tx, company, automation, payload["entity"], record, depth)
    elif due is not None:
        schedule_run(tx, automation, payload["entity"], record.id, event, depth)


def on_run(tx: Tx, company: Company, timer: Timer, actions: Mapping[str, Action] = ACTIONS) -> None:
    """One robot and one record. What fails in an unforeseen way is tried again a few times, then told in the log."""
    payload = timer.payload
    automation = active(tx, company.automations).get(payload["automation"])
    if automation is None or not automation.active:
        return
    work = Work(
        company, automation, payload["entity"], payload["id"], payload["event"], int(payload["depth"]),
        int(payload.get("step", "0")), actions,
    )  # fmt: skip
    if timer.attempts >= ATTEMPTS:
        log_of(tx, work, "failed", f"Внутренняя ошибка: {timer.error}")
    else:
        run(tx, work)


@dataclass(frozen=True, slots=True)
class Work:
    """One run: which robot does what with which record, and why."""

    company: Company
    automation: Automation
    entity: str
    record_id: str
    event: str
    depth: int = 0
    step: int = 0
    """The first step to do: a run that waited for something outside goes on behind it."""
    actions: Mapping[str, Action] = field(default_factory=lambda: ACTIONS)


def log_of(tx: Tx, work: Work, outcome: Outcome, text: str) -> RobotRun:
    return log(tx, work.automation, work.entity, work.record_id, work.event, outcome, text)


def run(tx: Tx, work: Work) -> RobotRun | None:
    """Do the steps in order. A step that is refused ends the run; what was done before it stands, and the log says
    both. A step that waits for something outside ends it too: the run goes on when that is done."""
    record = record_of(tx, work.entity, work.record_id)
    if record is None:
        return None
    automation = work.automation
    if work.step == 0 and (failed := unmet(tx, work.company, automation, record)):
        return log_of(tx, work, "skipped", f"Не выполнено условие: {_words(failed)}")
    actor, done = robot(automation.title, work.depth + 1), []
    for number, step in enumerate(automation.steps[work.step :], work.step):
        current = record_of(tx, work.entity, work.record_id)
        if current is None:
            break
        doing = Doing(tx, actor, work.company, work.entity, current, step.params, automation, number, work.event)
        try:
            done.append(work.actions[step.action](doing))
        except CoreError as error:
            text = "; ".join([*done, f"не удалось «{ACTION_TITLES[step.action]}»: {_reason(error)}"])
            return log_of(tx, work, "failed", text)
        if step.action in AWAITED:
            break
    return log_of(tx, work, "done", "; ".join(done))


def _reason(error: CoreError) -> str:
    if not isinstance(error, Invalid):
        return str(error)
    return "; ".join(f"{PARAM_TITLES.get(name, name)} — {text}" for name, text in error.fields.items())


def _words(condition: Condition) -> str:
    return f"{condition.field} {condition.op} {condition.value}".strip()


def note_contact(tx: Tx, person_id: str) -> None:
    """A known customer made contact: his open deals are not stuck, and robots that wait for him learn of it."""
    for deal in tx.find(DEALS, {"person_id": person_id}, sort="-created_at", limit=20):
        if deal.open:
            tx.update(DEALS, deal, last_activity_at=tx.now)
            raise_event(tx, robot("", 0), "deal", deal.id, Event.INBOUND)


Preview = Callable[[ReadTx, Company, Record, Mapping[str, str]], str]
"""What an action would do, in words; for actions that are not at home in this room."""


def dry_run(
    tx: ReadTx, company: Company, automation: Automation, record: Record, previews: Mapping[str, Preview]
) -> Iterator[str]:
    """What the robot would do with this record now, in words; nothing is done."""
    trigger = automation.trigger
    if not fits(automation, record, trigger.event, record.stage, frozenset([trigger.field or ""])):
        yield "Событие робота не про эту запись"
    if failed := unmet(tx, company, automation, record):
        yield f"Не выполнено условие: {_words(failed)}"
    for step in automation.steps:
        params = {name: filled(tx, company, record, text) for name, text in step.params.items()}
        yield ACTION_TITLES.get(step.action, step.action)
        for name, text in params.items():
            yield f"  {PARAM_TITLES.get(name, name)}: {_titled(tx, company, record, name, text)}"
        if step.action in previews:
            yield f"  {previews[step.action](tx, company, record, params)}"
        who = step.params.get("responsible") or step.params.get("to")
        if who:
            user = someone(tx, record, who)
            yield f"  сотрудник: {user.name}" if user else f"  некому: {_titled(tx, company, record, 'to', who)}"


def _titled(tx: ReadTx, company: Company, record: Record, name: str, text: str) -> str:
    """A value as people call it: a stage, a group, a role, a template by its title, a deadline by its date."""
    kind, _, key = text.partition(":")
    match name:
        case "stage" if isinstance(record, Deal):
            way = company.pipelines.get(record.pipeline)
            return way.title_of(text) if way else text
        case "stage":
            return company.stage_title(text)
        case "group":
            return company.task_groups[text].title if text in company.task_groups else text
        case "template":
            return next((rule.title for rule in company.documents if rule.key == text), text)
        case "responsible" | "to" if kind == "role":
            return company.roles.get(key, text)
        case "responsible" | "to" if text == "owner":
            return "ответственный за запись"
        case "deadline":
            return _date(company, record, text, tx.now)
        case "automation":
            found = active(tx, company.automations).get(text)
            return found.title if found else text
        case "field":
            rules = company.deal_fields if isinstance(record, Deal) else company.fields
            return (BUILT_IN | {rule.key: rule.title for rule in rules}).get(text, text)
    return text


def _date(company: Company, record: Record, text: str, now: datetime) -> str:
    try:
        moment = deadline(company, record, text, now)
    except Invalid as error:
        return str(error)
    return f"{moment.astimezone(company.calendar().zone):%d.%m.%Y %H:%M}" if moment else "нет"


Handler = Callable[[Tx, Company, Timer], None]


def handlers(more: Mapping[str, Action]) -> dict[str, Handler]:
    """Kind of timer → what it does; the company as configured is handed in. `more`: actions of rooms above."""
    actions = {**ACTIONS, **more}
    return {
        ROBOT: on_event,
        RUN: lambda tx, company, timer: on_run(tx, company, timer, actions),
        ROBOT_TIME: on_time,
        PLAN: on_plan,
    }
