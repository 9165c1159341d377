"""The robots at work: which act on an event, how they run, what they plan, and what they would do (dry run)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from crm_core import timers
from crm_core.automation import (
    MAX_DEPTH,
    ROBOT,
    ROBOT_TIME,
    Automation,
    Condition,
    Event,
    RobotRun,
    active,
    log,
    raise_event,
    robot,
)
from crm_core.company import Company
from crm_core.deals import DEALS, Deal
from crm_core.errors import CoreError
from crm_core.leads import LEADS
from crm_core.robot_actions import ACTIONS, Doing, Record, filled, someone, value_of
from crm_core.timers import Timer
from storage import ReadTx, Tx
from workhours import parse_duration

RUN = "robot_run"
"""Kind of the timer of one run: each has a transaction of its own."""


def record_of(tx: ReadTx, entity: str, record_id: str) -> Record | None:
    """The deal or lead."""
    return tx.get(DEALS, record_id) if entity == "deal" else tx.get(LEADS, record_id)


def fits(
    automation: Automation, record: Record, event: Event, stage: str = "", fields: frozenset[str] = frozenset()
) -> bool:
    """Whether the trigger is about this event of this record."""
    trigger = automation.trigger
    if not automation.active or trigger.event is not event:
        return False
    if trigger.entity != ("deal" if isinstance(record, Deal) else "lead"):
        return False
    if trigger.pipeline and (not isinstance(record, Deal) or record.pipeline != trigger.pipeline):
        return False
    if trigger.stage and trigger.stage != (stage or record.stage):
        return False
    return trigger.event is not Event.FIELD or trigger.field is None or trigger.field in fields


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
        if not fits(automation, record, event, payload["stage"], frozenset(payload["fields"].split())):
            continue
        if depth >= MAX_DEPTH:
            text = f"Остановлено: роботы запускают друг друга больше {MAX_DEPTH} раз подряд. Проверьте, нет ли круга"
            log(tx, automation, payload["entity"], record.id, event, "stopped", text)
            continue
        _schedule(tx, automation, payload["entity"], record.id, event, depth)
    plan(tx, company, payload["entity"], record)


def _schedule(tx: Tx, automation: Automation, entity: str, record_id: str, event: Event, depth: int) -> None:
    payload = {"automation": automation.id, "entity": entity, "id": record_id, "event": str(event), "depth": str(depth)}
    timers.schedule(tx, RUN, tx.new_id(), tx.now, payload)


def on_run(tx: Tx, company: Company, timer: Timer) -> None:
    """One robot and one record."""
    payload = timer.payload
    automation = active(tx, company.automations).get(payload["automation"])
    if automation is not None and automation.active:
        run(tx, company, automation, payload["entity"], payload["id"], payload["event"], int(payload["depth"]))


def run(
    tx: Tx, company: Company, automation: Automation, entity: str, record_id: str, event: str, depth: int = 0
) -> RobotRun | None:
    """Do the steps in order. A step that is refused ends the run; what was done before it stands, and the log says
    both."""
    record = record_of(tx, entity, record_id)
    if record is None:
        return None
    if failed := unmet(tx, company, automation, record):
        return log(tx, automation, entity, record_id, event, "skipped", f"Не выполнено условие: {_words(failed)}")
    actor, done = robot(automation.title, depth + 1), []
    for step in automation.steps:
        current = record_of(tx, entity, record_id)
        if current is None:
            break
        try:
            done.append(ACTIONS[step.action](Doing(tx, actor, company, entity, current, step.params)))
        except CoreError as error:
            text = "; ".join([*done, f"не удалось «{step.action}»: {error}"])
            return log(tx, automation, entity, record_id, event, "failed", text)
    return log(tx, automation, entity, record_id, event, "done", "; ".join(done))


def _words(condition: Condition) -> str:
    return f"{condition.field} {condition.op} {condition.value}".strip()


def plan(tx: Tx, company: Company, entity: str, record: Record) -> None:
    """Set the timers of robots that wait for a moment of this record; forget those that wait no more."""
    for automation in active(tx, company.automations).values():
        if automation.trigger.event not in (Event.TIME, Event.STUCK) or automation.trigger.entity != entity:
            continue
        key = f"{automation.id}:{entity}:{record.id}"
        due = _moment(company, automation, record)
        if due is None or not record.open or not fits(automation, record, automation.trigger.event):
            timers.cancel(tx, ROBOT_TIME, key)
        elif due > tx.now or automation.trigger.event is Event.STUCK:
            payload = {"automation": automation.id, "entity": entity, "id": record.id, "due": due.isoformat()}
            timers.schedule(tx, ROBOT_TIME, key, max(due, tx.now), payload)


def _moment(company: Company, automation: Automation, record: Record) -> datetime | None:
    """When the robot is due for this record."""
    trigger = automation.trigger
    if trigger.event is Event.STUCK:
        since = record.last_activity_at
        if trigger.field == "next_step":
            since = _base(company, record, "next_step_at") or since
        return _shifted(company, since, trigger.offset, working=trigger.working)
    base = _base(company, record, trigger.field or "")
    return None if base is None else _shifted(company, base, trigger.offset, working=trigger.working)


def _base(company: Company, record: Record, field: str) -> datetime | None:
    """The moment in a field; of a date its morning by the company's clock."""
    value = getattr(record, field, None) or record.fields.get(field)
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value[:10])
        except ValueError:
            return None
    if isinstance(value, date):
        return datetime.combine(value, time(9), company.calendar().zone).astimezone(UTC)
    return None


def offset_of(text: str) -> timedelta:
    """`-1h`, `30m`, `3d`. `ValueError` with the mend."""
    sign, plain = (-1, text[1:]) if text.startswith("-") else (1, text)
    if plain.endswith("d") and plain[:-1].isdigit():
        return sign * timedelta(days=int(plain[:-1]))
    return sign * parse_duration(plain)


def _shifted(company: Company, base: datetime, text: str, *, working: bool) -> datetime:
    calendar, offset = company.calendar(), offset_of(text)
    if not working:
        return base + offset
    if text.endswith("d"):
        return calendar.add_days(base, offset.days)
    if offset >= timedelta(0):
        return calendar.add(base, offset)
    return _working_before(company, base, -offset)


def _working_before(company: Company, base: datetime, working: timedelta) -> datetime:
    """The latest moment with at least so much working time up to `base`; found by halving, over at most two months."""
    calendar = company.calendar()
    low, high = base - timedelta(days=60), base
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if calendar.between(middle, base) >= working else (low, middle)
    return low


def on_time(tx: Tx, company: Company, timer: Timer) -> None:
    """The moment has come; if it has moved meanwhile, wait for the new one."""
    payload = timer.payload
    automation = active(tx, company.automations).get(payload["automation"])
    record = record_of(tx, payload["entity"], payload["id"])
    if automation is None or record is None or not record.open:
        return
    if not fits(automation, record, automation.trigger.event):
        return
    due = _moment(company, automation, record)
    if due is not None and due > tx.now:
        timers.schedule(tx, ROBOT_TIME, timer.key, due, {**payload, "due": due.isoformat()})
        return
    if due is not None:
        _schedule(tx, automation, payload["entity"], record.id, automation.trigger.event, 0)


def note_contact(tx: Tx, person_id: str) -> None:
    """The customer made contact: his open deals are not stuck, and robots that wait for him learn of it."""
    for deal in tx.find(DEALS, {"person_id": person_id}, sort="-created_at", limit=20):
        if deal.open:
            tx.update(DEALS, deal, last_activity_at=tx.now)
            raise_event(tx, robot("", 0), "deal", deal.id, Event.INBOUND)


def dry_run(tx: ReadTx, company: Company, automation: Automation, record: Record) -> Iterator[str]:
    """What the robot would do with this record now, in words; nothing is done."""
    if not fits(
        automation, record, automation.trigger.event, record.stage, frozenset([automation.trigger.field or ""])
    ):
        yield "Событие робота не про эту запись"
    if failed := unmet(tx, company, automation, record):
        yield f"Не выполнено условие: {_words(failed)}"
    for step in automation.steps:
        params = {name: filled(tx, company, record, text) for name, text in step.params.items()}
        shown = ", ".join(f"{name}: {text}" for name, text in params.items())
        yield f"{step.action} — {shown}"
        who = step.params.get("responsible") or step.params.get("to")
        if who:
            user = someone(tx, record, who)
            yield f"  сотрудник: {user.name}" if user else f"  некому: {who}"


HANDLERS = {ROBOT: on_event, RUN: on_run, ROBOT_TIME: on_time}
"""Kind of timer → what it does; the company as configured is handed in."""
