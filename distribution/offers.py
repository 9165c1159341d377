"""From queue to seller: offered, accepted, missed, declined, taken, transferred.

All of it happens inside the transaction that caused it, and each step leaves a decision that a person can read.
A lead is in exactly one of four places: in the queue (`waiting`), offered (`offered_to`), owned (`owner_id`), or on a
call whose end is awaited (`on_call`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from crm_core import callbacks, timers
from crm_core.actor import SYSTEM, Actor
from crm_core.audit import record
from crm_core.decisions import Verdict, explain
from crm_core.errors import Conflict, Invalid
from crm_core.lead_timers import ESCALATE, OFFER
from crm_core.leads import LEADS, Lead, announce, for_change, set_stage
from crm_core.notifications import notify
from crm_core.timeline import ItemKind, TimelineItem, add
from crm_core.users import QUEUE_WAKE, User, require_user
from distribution.candidates import choose, load, next_change
from distribution.desk import Desk
from distribution.queues import QUEUE_STATES, Queue, QueueState
from distribution.strategies import in_turn, serve, shift_of
from storage import ReadTx, Tx

LOOK_AGAIN = timedelta(minutes=10)
"""A queue with waiting leads is looked at so often even when nothing is known to change."""


def place(tx: Tx, desk: Desk, lead: Lead, *, release: bool = False) -> Lead:
    """Put an unowned lead in front of a seller now, or into the queue when nobody can take it.

    `release` means that the caller works the queue off in order; others never overtake those who wait already.
    """
    queue = desk.queue_for(lead.queue)
    if queue.name != lead.queue:
        lead = move_to(tx, lead, queue)
    if not desk.company.calendar(queue.calendar).is_open(tx.now):
        return _wait(tx, desk, queue, lead, "Сейчас нерабочее время: лид ждёт открытия в очереди")
    if not release and tx.first(LEADS, {"queue": queue.name, "waiting": True}, sort="waiting_since") is not None:
        lead = _wait(tx, desk, queue, lead, "В очереди уже ждут: лид встал за ними по времени обращения")
        timers.schedule_sooner(tx, QUEUE_WAKE, queue.name, tx.now)
        return lead
    sticky = (lead.preferred_id,) if queue.sticky and lead.preferred_id else ()
    members = desk.members(tx, queue.members)
    stored = tx.get(QUEUE_STATES, queue.name)
    state = shift_of(stored, queue, tx.now.astimezone(desk.zone).date())
    ordered = in_turn(queue, state, members, lambda user: load(tx, user), sticky)
    chosen, verdicts, away = choose(tx, desk, queue, lead, ordered)
    if chosen is None:
        return _wait(tx, desk, queue, lead, "Сейчас никто не может взять: лид ждёт в очереди", tuple(verdicts))
    _store(tx, stored, serve(queue, state, chosen, away, in_turn=chosen.id not in sticky))
    return _give(tx, desk, queue, lead, chosen, tuple(verdicts), sticky)


def _store(tx: Tx, stored: QueueState | None, state: QueueState) -> None:
    if stored is None:
        tx.insert(QUEUE_STATES, state)
    else:
        tx.replace(QUEUE_STATES, state)


def _give(
    tx: Tx, desk: Desk, queue: Queue, lead: Lead, user: User, verdicts: tuple[Verdict, ...], sticky: tuple[str, ...]
) -> Lead:
    """Offer, or hand over at once where the queue has no offer step."""
    why = "прежний ответственный" if user.id in sticky else f"стратегия {queue.strategy}"
    common: dict[str, Any] = {"waiting": False, "waiting_since": lead.waiting_since or tx.now}
    if lead.waiting:
        timers.cancel(tx, ESCALATE, lead.id)
    if not queue.accept_within:
        text = f"Назначен: {user.name} ({why})"
        lead = tx.update(LEADS, lead, owner_id=user.id, accepted_at=tx.now, **common)
        explain(tx, "own", text, lead_id=lead.id, candidates=verdicts)
        callbacks.hand_over(tx, lead.id, user.id)
        announce(tx, lead, "assigned")
        return lead
    offer_id = tx.new_id("off_")
    lead = tx.update(LEADS, lead, offered_to=user.id, offer_id=offer_id, offered_at=tx.now, **common)
    until = desk.after(queue, tx.now, queue.accept_within)
    timers.schedule(tx, OFFER, lead.id, until, {"offer_id": offer_id})
    text = f"Предложен: {user.name} ({why}), ждём ответа до {until.astimezone(desk.zone):%H:%M}"
    explain(tx, "offer", text, lead_id=lead.id, candidates=verdicts)
    announce(tx, lead, "offered", {"until": until.isoformat()})
    return lead


def _wait(tx: Tx, desk: Desk, queue: Queue, lead: Lead, why: str, verdicts: tuple[Verdict, ...] = ()) -> Lead:
    """Into the queue, with the timers that bring it out again or tell the heads."""
    if lead.waiting:
        return lead
    lead = tx.update(LEADS, lead, waiting=True, waiting_since=lead.waiting_since or tx.now)
    explain(tx, "wait", why, lead_id=lead.id, candidates=verdicts)
    _tell_heads_later(tx, desk, queue, lead)
    wake_later(tx, desk, queue)
    announce(tx, lead, "waiting")
    return lead


def wake_later(tx: Tx, desk: Desk, queue: Queue) -> None:
    """See to it that the queue is looked at when time alone makes somebody available, and every now and then."""
    existing = tx.get(timers.TIMERS, f"{QUEUE_WAKE}:{queue.name}")
    if existing is not None:
        return
    moment = next_change(tx, desk, queue)
    again = tx.now + LOOK_AGAIN
    timers.schedule(tx, QUEUE_WAKE, queue.name, min(moment, again) if moment else again)


def _tell_heads_later(tx: Tx, desk: Desk, queue: Queue, lead: Lead) -> None:
    if queue.escalate_after:
        timers.schedule_sooner(tx, ESCALATE, lead.id, desk.after(queue, tx.now, queue.escalate_after))


def move_to(tx: Tx, lead: Lead, queue: Queue) -> Lead:
    """Into the queue that serves instead of one that the configuration does not have any more."""
    text = f"Очереди «{lead.queue}» больше нет: лид перешёл в очередь «{queue.title}»"
    explain(tx, "queue_gone", text, lead_id=lead.id)
    return tx.update(LEADS, lead, queue=queue.name)


def on_place(tx: Tx, desk: Desk, timer: timers.Timer) -> None:
    """Timer handler: a lead that was opened again and is in nobody's hands."""
    lead = tx.get(LEADS, timer.key)
    if lead is None or not lead.open or lead.on_call or lead.waiting or lead.owner_id or lead.offered_to:
        return
    place(tx, desk, lead)


def take(tx: Tx, actor: Actor, desk: Desk, lead_id: str) -> Lead:
    """«Взять в работу»: accept one's offer, or take a lead that nobody owns. `Conflict` when a colleague was faster."""
    lead = for_change(tx, actor, lead_id)
    if actor.id is None:
        raise Invalid({"user_id": "Взять лид может только сотрудник; для токена есть /assign"})
    if not lead.open:
        raise Conflict("Лид уже закрыт")
    if lead.owner_id not in (None, actor.id):
        raise Conflict(f"Лид уже в работе: {require_user(tx, str(lead.owner_id)).name}")
    if lead.owner_id == actor.id and lead.stage != desk.company.new_stage:
        return lead
    by_offer = lead.offered_to == actor.id
    if lead.owner_id is None and not by_offer:
        _count(tx, desk, lead.queue, actor.id)
    text = "Предложение принято" if by_offer else "Взят вручную"
    return own(tx, desk, lead, require_user(tx, actor.id), actor, "accepted", f"{text}: {actor.name}")


def own(tx: Tx, desk: Desk, lead: Lead, user: User, actor: Actor, rule: str, text: str) -> Lead:
    """Make this employee the owner; a new lead moves into work."""
    timers.cancel(tx, OFFER, lead.id)
    timers.cancel(tx, ESCALATE, lead.id)
    former, offered = lead.owner_id, lead.offered_to
    if {former, offered} - {None, user.id}:
        _freed(tx)
    lead = tx.update(
        LEADS,
        lead,
        owner_id=user.id,
        offered_to=None,
        offer_id=None,
        waiting=False,
        accepted_at=lead.accepted_at if former == user.id and lead.accepted_at else tx.now,
        updated_at=tx.now,
    )
    explain(tx, rule, text, lead_id=lead.id)
    if former != user.id:
        record(tx, actor, "lead", lead.id, rule, {"owner_id": (former, user.id)})
        _note(tx, lead, actor, text)
    callbacks.hand_over(tx, lead.id, user.id)
    if lead.stage == desk.company.new_stage:
        lead = set_stage(tx, actor, desk.company, lead, desk.company.work_stage)
    announce(tx, lead, "assigned", former=(former, offered))
    return lead


def _freed(tx: Tx) -> None:
    """Somebody has one lead less in hand: whatever queue he serves may have one for him."""
    timers.schedule_sooner(tx, QUEUE_WAKE, "*", tx.now)


def _count(tx: Tx, desk: Desk, queue_name: str, user_id: str) -> None:
    """A contact that came past the turns (taken by hand, answered by phone) counts as a turn all the same."""
    queue = desk.queues.get(queue_name)
    user = next((each for each in desk.members(tx, queue.members) if each.id == user_id), None) if queue else None
    if queue is not None and user is not None:
        stored = tx.get(QUEUE_STATES, queue.name)
        state = shift_of(stored, queue, tx.now.astimezone(desk.zone).date())
        _store(tx, stored, serve(queue, state, user, in_turn=False))


def own_by_call(tx: Tx, desk: Desk, lead: Lead, user: User, how: str = "Ответил на звонок первым") -> Lead:
    """Whoever is first to talk with the customer by phone owns the call's lead; a lead in other hands stays there."""
    if lead.owner_id is not None:
        return lead
    if lead.offered_to != user.id:
        _count(tx, desk, lead.queue, user.id)
    return own(tx, desk, lead, user, SYSTEM, "answered_call", f"{how}: {user.name}")


def decline(tx: Tx, actor: Actor, desk: Desk, lead_id: str, reason: str) -> Lead:
    """Refuse an offer or give a lead back; the next member gets it."""
    lead = for_change(tx, actor, lead_id)
    if not reason.strip():
        raise Invalid({"reason": "Укажите причину"})
    if not lead.open:
        raise Conflict("Лид уже закрыт")
    if actor.id is None or actor.id not in (lead.offered_to, lead.owner_id):
        raise Conflict("Этот лид вам не предложен")
    record(tx, actor, "lead", lead.id, "declined", {"owner_id": (lead.owner_id, None)})
    text = f"Отказ: {actor.name} — {reason.strip()[:500]}"
    _note(tx, lead, actor, text)
    lead = tx.update(LEADS, lead, declined_at=tx.now)
    return _back(tx, desk, lead, actor.id, "declined", text)


def _back(tx: Tx, desk: Desk, lead: Lead, user_id: str, rule: str, text: str) -> Lead:
    """Out of somebody's hands and on to the next."""
    timers.cancel(tx, OFFER, lead.id)
    explain(tx, rule, text, lead_id=lead.id)
    declined = lead.declined_by if user_id in lead.declined_by else (*lead.declined_by, user_id)
    queue = desk.queue_for(lead.queue)
    members = {user.id for user in desk.members(tx, queue.members)}
    if members and members <= set(declined):
        declined = (user_id,)
    lead = tx.update(LEADS, lead, owner_id=None, offered_to=None, offer_id=None, accepted_at=None, declined_by=declined)
    callbacks.hand_over(tx, lead.id, None)
    announce(tx, lead, rule, {"from": user_id}, former=(user_id,))
    _freed(tx)
    lead = place(tx, desk, lead)
    if lead.owner_id is None:
        _tell_heads_later(tx, desk, queue, lead)
    return lead


def assign(
    tx: Tx, actor: Actor, desk: Desk, lead_id: str, *, user_id: str | None = None, queue: str | None = None
) -> Lead:
    """Hand a lead to a colleague, or to a queue that distributes it anew."""
    lead = for_change(tx, actor, lead_id)
    if (user_id is None) == (queue is None):
        raise Invalid({"user_id": "Укажите либо сотрудника (user_id), либо очередь (queue)"})
    if not lead.open:
        raise Conflict("Лид уже закрыт")
    if user_id is not None:
        user = require_user(tx, user_id)
        if not user.active:
            raise Invalid({"user_id": "Этот сотрудник отключён"})
        lead = own(tx, desk, lead, user, actor, "transferred", f"Передан: {actor.name} → {user.name}")
        if user.id != actor.id:
            notify(tx, user.id, "lead_given", f"{actor.name} передал вам лид «{lead.title}»", lead_id=lead.id)
        return lead
    target = desk.queue(queue or "")
    timers.cancel(tx, OFFER, lead.id)
    text = f"Передан в очередь «{target.title}»: {actor.name}"
    record(tx, actor, "lead", lead.id, "transferred", {"queue": (lead.queue, target.name)})
    explain(tx, "transferred", text, lead_id=lead.id)
    _note(tx, lead, actor, text)
    given_back = (actor.id,) if actor.id else ()
    timers.cancel(tx, ESCALATE, lead.id)
    holders = (lead.owner_id, lead.offered_to)
    lead = tx.update(
        LEADS, lead, queue=target.name, owner_id=None, offered_to=None, offer_id=None, waiting=False,
        waiting_since=tx.now, declined_by=given_back, accepted_at=None,
        updated_at=tx.now,
    )  # fmt: skip
    callbacks.hand_over(tx, lead.id, None)
    announce(tx, lead, "transferred", former=holders)
    _freed(tx)
    return place(tx, desk, lead)


def on_offer_timeout(tx: Tx, desk: Desk, timer: timers.Timer) -> None:
    """Timer handler: not accepted in time, so the miss is recorded and the next one is asked."""
    lead = tx.get(LEADS, timer.key)
    if lead is None or not lead.open or lead.offered_to is None or lead.offer_id != timer.payload.get("offer_id"):
        return
    missed = require_user(tx, lead.offered_to)
    text = f"Не ответил вовремя: {missed.name}"
    _note(tx, lead, SYSTEM, text)
    note = f"Вы не приняли лид «{lead.title}», он предложен другому"
    notify(tx, missed.id, "offer_missed", note, lead_id=lead.id, key=f"offer_missed:{lead.id}")
    _back(tx, desk, lead, missed.id, "missed_offer", text)


def _note(tx: Tx, lead: Lead, actor: Actor, text: str) -> None:
    item = TimelineItem(
        id=tx.new_id("tl_"),
        kind=ItemKind.OFFER,
        at=tx.now,
        lead_id=lead.id,
        person_id=lead.person_id,
        author_id=actor.id,
        author=actor.name,
        text=text,
    )
    add(tx, item, owners=(lead.owner_id, lead.offered_to))


def offers_of(tx: ReadTx, user_id: str) -> list[Lead]:
    """What waits for this employee's answer, oldest first."""
    return sorted(
        tx.find(LEADS, {"offered_to": user_id, "open": True}), key=lambda lead: lead.offered_at or lead.created_at
    )
