"""What waits in the queues, and when it moves: at an opening, when somebody comes online, when a lead is finished.

Whatever can free somebody schedules the timer `queue_wake`; its handler works the queue off in order of arrival.
"""

from __future__ import annotations

from datetime import timedelta

from crm_core import timers
from crm_core.leads import LEADS
from crm_core.notifications import notify
from crm_core.timers import Timer
from crm_core.users import QUEUE_WAKE
from distribution.desk import Desk
from distribution.offers import ESCALATE, place, wake_later
from distribution.queues import Queue, Strategy
from storage import Tx

BATCH = 50
"""Leads released in one transaction; the rest follow in the next."""
LOOK_AGAIN = timedelta(minutes=10)
"""A queue with waiting leads is looked at so often even when nothing is known to change."""


def on_queue_wake(tx: Tx, desk: Desk, timer: Timer) -> None:
    """Timer handler; key `*` wakes every queue that has somebody waiting."""
    names = desk.queues if timer.key == "*" else (timer.key,)
    for name in names:
        queue = desk.queues.get(name)
        if queue is not None:
            release(tx, desk, queue)


def release(tx: Tx, desk: Desk, queue: Queue) -> int:
    """Give out what waits, first come first served. Returns how many leads left the queue."""
    waiting = tx.find(LEADS, {"queue": queue.name, "waiting": True}, sort="waiting_since", limit=BATCH)
    moved = 0
    for lead in waiting:
        if not place(tx, desk, lead, release=True).waiting:
            moved += 1
        elif queue.strategy is not Strategy.SKILL:
            break
    if moved == len(waiting) == BATCH:
        timers.schedule(tx, QUEUE_WAKE, queue.name, tx.now)
    elif moved < len(waiting):
        timers.cancel(tx, QUEUE_WAKE, queue.name)
        wake_later(tx, desk, queue)
        timers.schedule_sooner(tx, QUEUE_WAKE, queue.name, tx.now + LOOK_AGAIN)
    return moved


def on_escalation(tx: Tx, desk: Desk, timer: Timer) -> None:
    """Timer handler: the lead still waits, so the heads of its queue are told."""
    lead = tx.get(LEADS, timer.key)
    if lead is None or not lead.open or not lead.waiting:
        return
    queue = desk.queue(lead.queue)
    minutes = int(queue.escalate_after.total_seconds() // 60)
    text = f"Лид «{lead.title}» ждёт в очереди «{queue.title}» уже {minutes} мин рабочего времени: никто не может взять"
    for head in desk.members(tx, queue.heads):
        notify(tx, head.id, "escalation", text, lead_id=lead.id)
    timers.schedule(tx, ESCALATE, lead.id, desk.company.calendar(queue.calendar).add(tx.now, queue.escalate_after))
