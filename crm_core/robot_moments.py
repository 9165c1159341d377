"""Robots that wait for a moment: when they are due for a record, and their timers.

A timer is set by what happens with the record (`plan`), and piece by piece for all open records when a robot is new or
has changed (`plan_all`). It carries how deep the chain of robots is that set it, so that robots which make each other
due are stopped like those that set each other off at once. A stuck record is told of once: again only after something
happened with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from crm_core import timers
from crm_core.automation import ROBOT_TIME, Automation, Event, active, last_run, log
from crm_core.company import Company
from crm_core.deals import DEALS, Deal
from crm_core.leads import LEADS
from crm_core.robot_actions import Record
from crm_core.timers import TIMERS, Timer
from storage import Collection, Entity, Tx
from workhours import NeverOpens, parse_duration

PLAN = "robot_plan"
"""Kind of the timer that plans one robot for the next piece of open records; its key is the robot's id."""
PIECE = 100
"""Records planned in one transaction."""
MAX_OFFSET = timedelta(days=3660)
WAITS = (Event.TIME, Event.STUCK)


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


def plan(tx: Tx, company: Company, entity: str, record: Record, depth: int) -> None:
    """Set the timers of all robots that wait for a moment of this record; forget those that wait no more. `depth`: of
    the event that may have moved the moment."""
    for automation in active(tx, company.automations).values():
        if automation.trigger.event in WAITS and automation.trigger.entity == entity:
            plan_one(tx, company, automation, entity, record, depth)


def plan_one(tx: Tx, company: Company, automation: Automation, entity: str, record: Record, depth: int) -> None:
    """The same for one robot. A moment that cannot be counted is a line in the log of runs."""
    key = f"{automation.id}:{entity}:{record.id}"
    try:
        due = due_at(company, automation, record) if fits(automation, record, automation.trigger.event) else None
    except (ValueError, OverflowError, NeverOpens) as error:
        _note_failure(tx, automation, entity, record.id, str(error))
        due = None
    if due is None or not record.open:
        timers.cancel(tx, ROBOT_TIME, key)
        return
    present = tx.get(TIMERS, f"{ROBOT_TIME}:{key}")
    if present is not None and present.payload["due"] == due.isoformat():
        return
    if due <= tx.now and not (automation.trigger.event is Event.STUCK and _is_news(tx, automation, record, due)):
        timers.cancel(tx, ROBOT_TIME, key)
        return
    payload = {"automation": automation.id, "entity": entity, "id": record.id, "due": due.isoformat()}
    timers.schedule(tx, ROBOT_TIME, key, max(due, tx.now), payload | {"depth": str(depth)})


def _is_news(tx: Tx, automation: Automation, record: Record, due: datetime) -> bool:
    """Whether the robot has not looked at the record since this moment."""
    run = last_run(tx, automation.id, record.id)
    return run is None or run.at < due


def _note_failure(tx: Tx, automation: Automation, entity: str, record_id: str, reason: str) -> None:
    text = f"Срок робота не посчитать: {reason}"
    run = last_run(tx, automation.id, record_id)
    if run is None or run.text != text:
        log(tx, automation, entity, record_id, automation.trigger.event, "failed", text)


def due_at(company: Company, automation: Automation, record: Record) -> datetime | None:
    """When the robot is due for this record; None while the record names no moment. `ValueError`, `OverflowError` and
    `NeverOpens` when that cannot be counted."""
    trigger = automation.trigger
    base: datetime | None = None
    if trigger.event is Event.STUCK:
        base = _base(company, record, "next_step_at") if trigger.field == "next_step" else None
        base = base or record.last_activity_at
    else:
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
    """`-1h`, `30m`, `3d`, at most ten years. `ValueError` with the mend."""
    sign, plain = (-1, text[1:]) if text.startswith("-") else (1, text)
    too_long = f"Не больше {MAX_OFFSET.days} дней"
    if plain.endswith("d") and plain[:-1].isascii() and plain[:-1].isdigit():
        if len(plain) > 6 or int(plain[:-1]) > MAX_OFFSET.days:
            raise ValueError(too_long)
        return sign * timedelta(days=int(plain[:-1]))
    try:
        length = parse_duration(plain)
    except OverflowError:
        raise ValueError(too_long) from None
    if length > MAX_OFFSET:
        raise ValueError(too_long)
    return sign * length


def _shifted(company: Company, base: datetime, text: str, *, working: bool) -> datetime:
    calendar, offset = company.calendar(), offset_of(text)
    if not working:
        return base + offset
    if text.endswith("d"):
        return calendar.add_days(base, offset.days)
    return calendar.add(base, offset)


class Planned(Entity, frozen=True, kw_only=True):
    """A robot as it was when it was planned for all open records; `id` is the robot's."""

    digest: str


PLANNED = Collection("robots_planned", Planned)


def plan_changed(tx: Tx, company: Company) -> None:
    """At the start and when a robot is kept: whichever waits for moments and is not as it was is planned for all open
    records, piece by piece. Nothing is done for the rest."""
    for automation in active(tx, company.automations).values():
        if automation.trigger.event not in WAITS:
            continue
        digest = hashlib.sha256(msgspec.json.encode((automation.trigger, automation.active))).hexdigest()
        planned = tx.get(PLANNED, automation.id)
        if planned is None:
            tx.insert(PLANNED, Planned(id=automation.id, digest=digest))
        elif planned.digest == digest:
            continue
        else:
            tx.update(PLANNED, planned, digest=digest)
        timers.schedule(tx, PLAN, automation.id, tx.now, {"shelf": "0", "after": ""})


def forget_planned(tx: Tx, automation_id: str) -> None:
    """The robot is gone, or is again as the preset has it."""
    if planned := tx.get(PLANNED, automation_id):
        tx.delete(PLANNED, planned)


def on_plan(tx: Tx, company: Company, timer: Timer) -> None:
    """Timer handler: the next piece of open records, stage by stage."""
    automation = active(tx, company.automations).get(timer.key)
    if automation is None or automation.trigger.event not in WAITS:
        return
    shelves, number, after = list(_shelves(company, automation)), int(timer.payload["shelf"]), timer.payload["after"]
    if number >= len(shelves):
        return
    entity, where = automation.trigger.entity, shelves[number]
    collection: Collection[Any] = DEALS if entity == "deal" else LEADS
    found = tx.find(collection, where, sort="created_at", limit=PIECE, after=after or None)
    for record in found:
        plan_one(tx, company, automation, entity, record, 0)
    full = len(found) == PIECE
    following = tx.cursor_after(collection, found[-1], "created_at") if full else ""
    timers.schedule(tx, PLAN, timer.key, tx.now, {"shelf": str(number if full else number + 1), "after": following})


def _shelves(company: Company, automation: Automation) -> Iterator[dict[str, str]]:
    """Where open records stand, one filter that an index answers for each stage."""
    trigger = automation.trigger
    if trigger.entity == "lead":
        for stage in company.stages:
            if stage.kind == "open" and trigger.stage in (None, stage.key):
                yield {"stage": stage.key}
        return
    for way in company.pipelines.values():
        if trigger.pipeline in (None, way.key):
            for each in way.stages:
                if each.kind == "open" and trigger.stage in (None, each.key):
                    yield {"pipeline": way.key, "stage": each.key}
