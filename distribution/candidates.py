"""Who may get a contact now: on shift, not absent, present, under capacity, skilled, and not just refused.

Members are looked at in the order of their turn and only until the first who may, so the cost does not grow with the
size of the store; what was found out about each becomes part of the decision's explanation.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from crm_core.decisions import Verdict
from crm_core.leads import LEADS, Lead
from crm_core.users import User
from distribution.desk import Desk, presence_reason
from distribution.queues import Queue, Strategy
from storage import ReadTx

PEACE = timedelta(minutes=10)
"""How long nobody who refused a lead is offered it again after a refusal."""


def load(tx: ReadTx, user: User, limit: int | None = None) -> int:
    """Open leads in the member's hands: owned or offered; counted no further than `limit`."""
    owned = tx.count(LEADS, {"owner_id": user.id, "open": True}, limit=limit)
    return owned + tx.count(LEADS, {"offered_to": user.id, "open": True}, limit=limit)


def obstacle(tx: ReadTx, desk: Desk, queue: Queue, user: User, lead: Lead) -> str | None:
    """Why this member cannot get the lead now, in Russian; None when he can."""
    if not desk.is_on_shift(queue, user, tx.now):
        return "не на смене"
    absence = desk.roster(tx).absence(user.id, tx.now)
    if absence is not None:
        return f"отсутствует до {absence.ends_at.astimezone(desk.zone):%d.%m} ({absence.kind})"
    if queue.presence_required and (reason := presence_reason(user)):
        return reason
    if queue.strategy is Strategy.SKILL and (missing := missing_skill(queue, user, lead)):
        return f"нет навыка «{missing}»"
    if queue.capacity is not None and (now := load(tx, user, queue.capacity)) >= queue.capacity:
        return f"занят: {now} из {queue.capacity} лидов в работе"
    return None


def missing_skill(queue: Queue, user: User, lead: Lead) -> str | None:
    """The first value that the lead asks for and the member does not have."""
    for field in queue.skills:
        wanted = lead.fields.get(field)
        if wanted and wanted not in user.skills:
            return wanted
    return None


def choose(
    tx: ReadTx, desk: Desk, queue: Queue, lead: Lead, ordered: Iterable[User]
) -> tuple[User | None, list[Verdict], list[str]]:
    """The first in the order who can get the lead, the verdict on each, and the ids of those who could not.

    Those who missed this lead already are asked again only when nobody else can take it; those who declined it, not
    before `PEACE` is over.
    """
    verdicts: dict[str, Verdict] = {}
    away: list[str] = []
    again: User | None = None
    chosen: User | None = None
    for user in ordered:
        if chosen is not None:
            verdicts[user.id] = _verdict(user, "behind", "очередь ещё не дошла")
        elif reason := obstacle(tx, desk, queue, user, lead):
            away.append(user.id)
            verdicts[user.id] = _verdict(user, "skipped", reason)
        elif user.id in lead.declined_by:
            again = again or user
            verdicts[user.id] = _verdict(user, "skipped", "уже отказался или не ответил на этот лид")
        else:
            chosen = user
            verdicts[user.id] = _verdict(user, "chosen")
    if chosen is None and again is not None and not is_at_peace(lead, tx.now):
        chosen = again
        verdicts[again.id] = _verdict(again, "chosen", "больше никто не может")
    return chosen, list(verdicts.values()), away


def is_at_peace(lead: Lead, now: datetime) -> bool:
    """Whether those who refused the lead are still left in peace."""
    return lead.declined_at is not None and now - lead.declined_at < PEACE


def _verdict(user: User, verdict: str, reason: str = "") -> Verdict:
    return Verdict(user_id=user.id, name=user.name, verdict=verdict, reason=reason)


def next_change(tx: ReadTx, desk: Desk, queue: Queue) -> datetime | None:
    """The next moment at which time alone makes a member available: an opening, or the end of an absence."""
    moments: list[datetime] = []
    company = desk.company
    roster = desk.roster(tx)
    for user in desk.members(tx, queue.members):
        at = tx.now
        absence = roster.absence(user.id, at)
        if absence is not None:
            at = absence.ends_at
            moments.append(at)
        for name in (queue.calendar, user.calendar):
            calendar = company.calendars.get(name or "")
            if calendar is not None and not calendar.is_open(at):
                opening = calendar.state(at).next_open
                if opening is not None:
                    moments.append(opening)
    if not moments and not company.calendar(queue.calendar).is_open(tx.now):
        opening = company.calendar(queue.calendar).state(tx.now).next_open
        moments = [opening] if opening else []
    return min((moment for moment in moments if moment > tx.now), default=None)
