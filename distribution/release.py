"""What waits in the queues, and when it moves: at an opening, when somebody comes online, when a lead is finished.

Whatever can free somebody schedules the timer `queue_wake`; its handler works the queue off in order of arrival.
"""

from __future__ import annotations

from datetime import datetime

from crm_core import timers
from crm_core.lead_timers import ESCALATE
from crm_core.leads import LEADS, Lead
from crm_core.notifications import notify
from crm_core.timers import Timer
from crm_core.users import QUEUE_WAKE
from distribution.candidates import is_at_peace
from distribution.desk import Desk
from distribution.offers import move_to, place, wake_later
from distribution.queues import Queue, Strategy
from storage import Count, Tx
from workhours import DateOutOfRange

BATCH = 50
"""Leads released in one transaction; the rest follow in the next."""
WINDOW = 1000
"""Waiting leads of a skill queue that are looked at: those behind one that nobody can take may fit somebody."""
REPEATS = 5
"""The heads are told again after twice the time, four times …, and from then on no rarer."""


def on_queue_wake(tx: Tx, desk: Desk, timer: Timer) -> None:
    """Timer handler; key `*` wakes every queue that has somebody waiting."""
    names = desk.queues if timer.key == "*" else (timer.key,)
    if timer.key == "*":
        adopt(tx, desk)
    for name in names:
        queue = desk.queues.get(name)
        if queue is not None:
            release(tx, desk, queue)


def release(tx: Tx, desk: Desk, queue: Queue) -> int:
    """Give out what waits, first come first served. Returns how many leads left the queue."""
    by_skill = queue.strategy is Strategy.SKILL
    limit = WINDOW if by_skill else BATCH
    waiting = tx.find(LEADS, {"queue": queue.name, "waiting": True}, sort="waiting_since", limit=limit)
    moved, stuck = 0, set[tuple[str | None, ...]]()
    for lead in waiting:
        # Leads that ask for the same skills fare alike: after the first that nobody can take the rest need no look.
        wanted = tuple(lead.fields.get(field) for field in queue.skills) if by_skill else ()
        if wanted in stuck:
            continue
        if place(tx, desk, lead, release=True).waiting:
            if is_at_peace(lead, tx.now):
                continue  # it waits for its own reason; those behind it may go
            stuck.add(wanted)
            if not by_skill:
                break
        elif (moved := moved + 1) == BATCH:
            break
    if moved == BATCH:
        timers.schedule(tx, QUEUE_WAKE, queue.name, tx.now)
    elif moved < len(waiting):
        timers.cancel(tx, QUEUE_WAKE, queue.name)
        wake_later(tx, desk, queue)
    return moved


def adopt(tx: Tx, desk: Desk) -> None:
    """Leads that wait in a queue which is gone from the configuration go on in the one that serves instead."""
    for name, _ in tx.aggregate(LEADS, by=["queue"], measures=[Count()], where={"waiting": True}):
        if name in desk.queues:
            continue
        orphans = tx.find(LEADS, {"queue": name, "waiting": True}, sort="waiting_since", limit=BATCH)
        for lead in orphans:
            move_to(tx, lead, desk.queue_for(lead.queue))
        if len(orphans) == BATCH:
            timers.schedule_sooner(tx, QUEUE_WAKE, "*", tx.now)


def on_escalation(tx: Tx, desk: Desk, timer: Timer) -> None:
    """Timer handler: nobody has taken the lead yet, so the heads of its queue are told, one note for all that wait."""
    lead = tx.get(LEADS, timer.key)
    if lead is None or not lead.open or lead.owner_id or lead.on_call:
        return
    queue = desk.queue_for(lead.queue)
    if not queue.escalate_after:
        return
    others = tx.count(LEADS, {"queue": queue.name, "waiting": True}, limit=WINDOW) - lead.waiting
    text = f"Лид «{lead.title}» в очереди «{queue.title}» никто не взял: ждёт {_waited(desk, queue, lead, tx.now)}"
    text += f". Кроме него ждут: {others}" if others else ""
    for head in desk.members(tx, queue.heads):
        notify(
            tx, head.id, "escalation", text, lead_id=lead.id, key=f"escalation:{queue.name}", quiet=queue.escalate_after
        )
    times = min(int(timer.payload.get("times", "0")) + 1, REPEATS)
    again = desk.after(queue, tx.now, queue.escalate_after * 2**times)
    timers.schedule(tx, ESCALATE, lead.id, again, {"times": str(times)})


def _waited(desk: Desk, queue: Queue, lead: Lead, now: datetime) -> str:
    since = lead.waiting_since or lead.created_at
    try:
        worked = desk.company.calendar(queue.calendar).between(since, now)
    except DateOutOfRange:
        worked = now - since
    return f"{int(worked.total_seconds() // 60)} мин рабочего времени"
