"""Keeping the numbers and classes of customers up to date: a deal is won, is no longer won, a day passes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crm_core import timers
from crm_core.changes import tell
from crm_core.companies import COMPANIES, find_company
from crm_core.customers import DEFAULT, Bought, Rfm, classify
from crm_core.people import PEOPLE, find_person
from storage import Collection, Lt, Tx

AGE_CUSTOMERS = "age_customers"
"""Kind of the timer that looks every day who has not bought for long; its key is `*`."""
EVERY = timedelta(days=1)
AT_ONCE = 200
"""Customers of one kind that one transaction ages."""
REMEMBERED = 10
"""Moments of won deals that are kept for each customer."""


def note_won(tx: Tx, person_id: str | None, company_id: str | None, amount: Decimal, at: datetime) -> None:
    """A deal of this person, of this company or of both was won at this moment for so many roubles."""
    _count(tx, person_id, company_id, 1, amount, at)
    timers.schedule_sooner(tx, AGE_CUSTOMERS, "*", tx.now + EVERY)


def note_unwon(tx: Tx, person_id: str | None, company_id: str | None, amount: Decimal, at: datetime) -> None:
    """Takes back a `note_won` with the same arguments: the deal was reopened or deleted, or changes hands or sum."""
    _count(tx, person_id, company_id, -1, -amount, at)


def _count(tx: Tx, person_id: str | None, company_id: str | None, step: int, amount: Decimal, at: datetime) -> None:
    person, company = find_person(tx, person_id), find_company(tx, company_id)
    if person is not None:
        tx.update(PEOPLE, person, **_changed(person, step, amount, at, tx.now))
        tell(tx, "contact", person.id, "updated")
    if company is not None:
        more = {"last_activity_at": max(company.last_activity_at, at)} if step > 0 else {}
        tx.update(COMPANIES, company, **_changed(company, step, amount, at, tx.now), **more)
        tell(tx, "company", company.id, "updated", owners=(company.owner_id,))


def _changed(customer: Bought, step: int, amount: Decimal, at: datetime, now: datetime) -> dict[str, Any]:
    moments = list(customer.won_at)
    if step > 0:
        moments.append(at)
    elif at in moments:
        moments.remove(at)
    return worth(max(customer.won_count + step, 0), customer.won_sum + amount, moments, customer.last_won_at, now)


def worth(
    count: int, total: Decimal, moments: list[datetime], otherwise: datetime | None, now: datetime
) -> dict[str, Any]:
    """The fields of `Bought` for these numbers. `otherwise` is the last won deal when no moment is remembered."""
    kept = tuple(sorted(moments)[-REMEMBERED:])
    last = (kept[-1] if kept else otherwise) if count else None
    rfm, abc = classify(count, total, last, now)
    return {"rfm": rfm, "abc": abc, "won_count": count, "won_sum": total, "last_won_at": last, "won_at": kept}


def on_age_customers(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: who has not bought for long is now in the zone of loss. Many are aged in pieces; comes back every
    day."""
    more = [_age(tx, PEOPLE, "contact"), _age(tx, COMPANIES, "company")]
    timers.schedule(tx, AGE_CUSTOMERS, timer.key, tx.now if any(more) else tx.now + EVERY)


def _age(tx: Tx, collection: Collection[Any], entity: str) -> bool:
    """Whether there may be more."""
    long_ago = tx.now - DEFAULT.fading_after
    aged = 0
    for rfm in (Rfm.NEW, Rfm.REGULAR):
        where = {"rfm": rfm, "last_won_at": Lt(long_ago)}
        for customer in tx.find(collection, where, sort="last_won_at", limit=AT_ONCE - aged):
            tx.update(collection, customer, rfm=Rfm.FADING)
            tell(tx, entity, customer.id, "updated", owners=(customer.owner_id,))
            aged += 1
        if aged >= AT_ONCE:
            return True
    return False
