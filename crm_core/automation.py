"""Robots as data: when one acts, under which conditions, and what it does. Declared in the preset, changed at run time.

A change of a record raises an event; the event is a timer row in the same transaction, so robots act right after the
commit, each in a transaction of its own: a robot that fails hurts nobody's work. What robots do raises events too; they
carry how deep the chain is, and a chain that bites its tail is stopped with a word in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from crm_core import timers
from crm_core.actor import Actor
from crm_core.rights import Rights
from storage import Collection, Entity, Index, ReadTx, Tx

ROBOT = "robot"
"""Kind of the timer that brings an event to the robots."""
ROBOT_TIME = "robot_time"
"""Kind of the timer of one robot for one record; its key is `robot id:entity:record id`."""
RUN = "robot_run"
"""Kind of the timer of one run: each has a transaction of its own."""
MAX_DEPTH = 5
"""Robots that set each other off, one after another."""


class Event(StrEnum):
    CREATED = "created"
    STAGE = "stage"
    """The record entered a stage."""
    FIELD = "field"
    """A field has another value now."""
    INBOUND = "inbound"
    """The customer made contact."""
    TIME = "time"
    """Before or after the moment in a field."""
    STUCK = "stuck"
    """No activity, or no next step, for so long."""
    START = "start"
    """Nothing but another robot begins it."""


class Trigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a robot looks at a record."""

    entity: Literal["deal", "lead"]
    event: Event
    pipeline: str | None = None
    """Of deals; None: any."""
    stage: str | None = None
    """Entered (stage), or in which the record stands (other events); None: any."""
    field: str | None = None
    """Changed (field), or that holds the moment (time)."""
    offset: str = "0"
    """For `time`: `-1h` before, `2d` after; for `stuck`: how long."""
    working: bool = False
    """Whether `offset` counts working time."""


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must hold for a robot to act."""

    field: str
    op: Literal["eq", "ne", "filled", "empty", "contains", "gt", "lt"] = "filled"
    value: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a robot does; `params` by the action, see `robot_actions.py`."""

    action: str
    params: dict[str, str] = {}


class Automation(Entity, frozen=True, kw_only=True):
    """A robot. One of the preset has its key as id; a changed one lies over it in the store."""

    title: str
    trigger: Trigger
    conditions: tuple[Condition, ...] = ()
    steps: tuple[Step, ...] = ()
    active: bool = True
    updated_at: datetime | None = None
    updated_by: str | None = None


AUTOMATIONS = Collection("automations", Automation)


Outcome = Literal["done", "skipped", "failed", "stopped"]


class RobotRun(Entity, frozen=True, kw_only=True):
    """What a robot did with a record, or why it did not."""

    at: datetime
    automation_id: str
    title: str
    entity: str
    entity_id: str
    event: str
    outcome: Outcome
    text: str
    """What was done, step by step, or the reason."""


RUNS = Collection(
    "robot_runs",
    RobotRun,
    [
        Index("entity_id", "at"),
        Index("entity_id", "automation_id", "at"),
        Index("automation_id", "at"),
        Index("automation_id", "outcome", "at"),
        Index("outcome", "at"),
        Index("at"),
    ],
)


def robot(title: str, depth: int) -> Actor:
    """Who acts: the hub itself, under the robot's name."""
    rights = Rights.everything("system")
    return Actor(id=None, name=f"Робот «{title}»", roles=frozenset({"system"}), rights=rights, robot_depth=depth)


def active(tx: ReadTx, preset: Mapping[str, Automation]) -> dict[str, Automation]:
    """Every robot there is by id, changed ones in the place of the preset's; switched off ones too."""
    return {**preset, **{each.id: each for each in tx.find(AUTOMATIONS)}}


def raise_event(
    tx: Tx, actor: Actor, entity: str, entity_id: str, event: Event, *, fields: Iterable[str] = (), stage: str = ""
) -> None:
    """Tell the robots; they act after the commit."""
    payload = {"entity": entity, "id": entity_id, "event": str(event), "stage": stage, "fields": " ".join(fields)}
    timers.schedule(tx, ROBOT, tx.new_id(), tx.now, payload | {"depth": str(actor.robot_depth)})


ABOUT_LEADS = "robots of leads"
"""Number that grows when a robot of leads is kept in the store; zero spares every new lead the question."""


def raise_for_lead(tx: Tx, preset: Mapping[str, Automation], lead_id: str, stage: str, *events: Event) -> None:
    """Tell the robots what became of a lead on its way in. Where no robot is about leads, nothing is written or asked:
    contacts come by the thousand."""
    robots = active(tx, preset) if tx.last_number(ABOUT_LEADS) else preset
    if any(each.active and each.trigger.entity == "lead" for each in robots.values()):
        for event in events:
            raise_event(tx, robot("", 0), "lead", lead_id, event, stage=stage)


def last_run(tx: ReadTx, automation_id: str, entity_id: str) -> RobotRun | None:
    """The newest run of a robot for a record."""
    return tx.first(RUNS, {"entity_id": entity_id, "automation_id": automation_id}, sort="-at")


def log(
    tx: Tx, automation: Automation, entity: str, entity_id: str, event: str, outcome: Outcome, text: str
) -> RobotRun:
    """Write down what became of a run."""
    run = RobotRun(
        id=tx.new_id("run_"), at=tx.now, automation_id=automation.id, title=automation.title, entity=entity,
        entity_id=entity_id, event=event, outcome=outcome, text=text[:4000],
    )  # fmt: skip
    return tx.insert(RUNS, run)


def schedule_run(tx: Tx, automation: Automation, entity: str, record_id: str, event: Event, depth: int) -> bool:
    """Let a robot run after the commit; `depth` robots led to this. Too many in a row: a word in the log, and False."""
    if depth >= MAX_DEPTH:
        text = f"Остановлено: роботы запускают друг друга больше {MAX_DEPTH} раз подряд. Проверьте, нет ли круга"
        log(tx, automation, entity, record_id, event, "stopped", text)
        return False
    payload = {"automation": automation.id, "entity": entity, "id": record_id, "event": str(event), "depth": str(depth)}
    key = f"{automation.id}:{record_id}" if event in (Event.TIME, Event.STUCK) else tx.new_id()
    timers.schedule(tx, RUN, key, tx.now, payload)
    return True
