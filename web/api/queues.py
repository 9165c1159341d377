"""`/queues`: rules as configured, members with their load, what waits. `/workhours`: when a calendar is open."""

from __future__ import annotations

from datetime import datetime

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.errors import Missing
from crm_core.leads import LEADS
from crm_core.rights import Action
from crm_core.users import User
from distribution.candidates import load
from distribution.desk import Desk
from distribution.queues import Queue
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route
from web.api.input import Moment
from web.problems import Problem, invalid
from workhours import DateOutOfRange, NeverOpens


class MemberOut(Out, frozen=True, kw_only=True):
    id: str
    name: str
    presence: str
    on_shift: bool
    absent_until: datetime | None
    load: int
    """Open leads owned or offered."""


class QueueOut(Out, frozen=True, kw_only=True):
    name: str
    title: str
    strategy: str
    sticky: bool
    accept_within_seconds: int
    """Working time; 0: no offer step."""
    capacity: int | None
    presence_required: bool
    calendar: str
    escalate_after_seconds: int
    skills: tuple[str, ...]
    members: list[MemberOut]
    waiting: int


def show_queue(tx: ReadTx, desk: Desk, queue: Queue) -> QueueOut:
    return QueueOut(
        name=queue.name,
        title=queue.title,
        strategy=queue.strategy,
        sticky=queue.sticky,
        accept_within_seconds=int(queue.accept_within.total_seconds()),
        capacity=queue.capacity,
        presence_required=queue.presence_required,
        calendar=queue.calendar,
        escalate_after_seconds=int(queue.escalate_after.total_seconds()),
        skills=queue.skills,
        members=[_member(tx, desk, queue, user) for user in desk.members(tx, queue.members)],
        waiting=tx.count(LEADS, {"queue": queue.name, "waiting": True}),
    )


def _member(tx: ReadTx, desk: Desk, queue: Queue, user: User) -> MemberOut:
    absence = desk.roster(tx).absence(user.id, tx.now)
    return MemberOut(
        id=user.id,
        name=user.name,
        presence=user.presence,
        on_shift=desk.is_on_shift(queue, user, tx.now),
        absent_until=absence.ends_at if absence else None,
        load=load(tx, user),
    )


async def list_(call: Call[None, None]) -> Page[QueueOut]:
    return await call.read(_list, call.services.desk)


def _list(tx: ReadTx, actor: Actor, desk: Desk) -> Page[QueueOut]:
    check(actor, "queue", Action.READ)
    return Page(items=[show_queue(tx, desk, queue) for queue in desk.queues.values()], next=None)


async def read(call: Call[None, None]) -> QueueOut:
    return await call.read(_read, call.services.desk, call.ids["name"])


def _read(tx: ReadTx, actor: Actor, desk: Desk, name: str) -> QueueOut:
    check(actor, "queue", Action.READ)
    if name not in desk.queues:
        raise Missing("Такой очереди нет")
    return show_queue(tx, desk, desk.queues[name])


class AtQuery(In, frozen=True, kw_only=True):
    at: Moment | None = None
    """Now when absent."""


class OpenOut(Out, frozen=True, kw_only=True):
    open: bool
    next_open: datetime | None
    next_close: datetime | None


async def workhours(call: Call[AtQuery, None]) -> OpenOut:
    calendar = call.company.calendars.get(call.ids["calendar"])
    if calendar is None:
        raise Problem(404, f"Такого календаря нет; есть {', '.join(call.company.calendars)}")
    try:
        state = calendar.state(call.query.at or call.services.clock())
    except (DateOutOfRange, NeverOpens):
        raise invalid(at="На эту дату рабочее время неизвестно") from None
    return OpenOut(open=state.open, next_open=state.next_open, next_close=state.next_close)


ROUTES = (
    Route("GET", "/queues", list_, "Очереди: правила, участники с нагрузкой, сколько ждёт", "queue.read"),
    Route("GET", "/queues/{name}", read, "Очередь", "queue.read"),
    Route("GET", "/workhours/{calendar}", workhours, "Открыто ли сейчас и когда это изменится", "—"),
)
