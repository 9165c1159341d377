"""Keeping the numbers and classes of customers up to date: a deal is won, is no longer won, a day passes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crm_core import timers
from crm_core.changes import tell
from crm_core.companies import COMPANIES, find_company
from crm_core.company import Company
from crm_core.customers import DEFAULT, Abc, Bought, Rfm, Thresholds, classify
from crm_core.people import PEOPLE, find_person
from storage import Collection, Gte, Lt, Tx

AGE_CUSTOMERS = "age_customers"
"""Kind of the timer that looks every day who has not bought for long; its key is `*`."""
EVERY = timedelta(days=1)
AT_ONCE = 200
"""Customers of one kind that one transaction ages."""
REMEMBERED = 10
"""Moments of won deals that are kept for each customer."""


def note_won(
    tx: Tx, person_id: str | None, company_id: str | None, amount: Decimal, at: datetime, limits: Thresholds = DEFAULT
) -> None:
    """A deal of this person, of this company or of both was won at this moment for so many roubles."""
    _count(tx, person_id, company_id, 1, amount, at, limits)
    timers.schedule_sooner(tx, AGE_CUSTOMERS, "*", tx.now + EVERY)


def note_unwon(
    tx: Tx, person_id: str | None, company_id: str | None, amount: Decimal, at: datetime, limits: Thresholds = DEFAULT
) -> None:
    """Takes back a `note_won` with the same arguments: the deal was reopened or deleted, or changes hands or sum."""
    _count(tx, person_id, company_id, -1, -amount, at, limits)


def _count(
    tx: Tx, person_id: str | None, company_id: str | None, step: int, amount: Decimal, at: datetime, limits: Thresholds
) -> None:
    person, company = find_person(tx, person_id), find_company(tx, company_id)
    if person is not None:
        tx.update(PEOPLE, person, **_changed(person, step, amount, at, tx.now, limits))
        tell(tx, "contact", person.id, "updated", owners=(person.owner_id,))
    if company is not None:
        more = {"last_activity_at": max(company.last_activity_at, at)} if step > 0 else {}
        tx.update(COMPANIES, company, **_changed(company, step, amount, at, tx.now, limits), **more)
        tell(tx, "company", company.id, "updated", owners=(company.owner_id,))


def _changed(
    customer: Bought, step: int, amount: Decimal, at: datetime, now: datetime, limits: Thresholds
) -> dict[str, Any]:
    moments = list(customer.won_at)
    if step > 0:
        moments.append(at)
    elif at in moments:
        moments.remove(at)
    count, total = max(customer.won_count + step, 0), customer.won_sum + amount
    return worth(count, total, moments, customer.last_won_at, now, limits)


def worth(
    count: int,
    total: Decimal,
    moments: list[datetime],
    otherwise: datetime | None,
    now: datetime,
    limits: Thresholds = DEFAULT,
) -> dict[str, Any]:
    """The fields of `Bought` for these numbers. `otherwise` is the last won deal when no moment is remembered."""
    kept = tuple(sorted(moments)[-REMEMBERED:])
    last = (kept[-1] if kept else otherwise) if count else None
    rfm, abc = classify(count, total, last, now, limits)
    return {"rfm": rfm, "abc": abc, "won_count": count, "won_sum": total, "last_won_at": last, "won_at": kept}


def on_age_customers(tx: Tx, company: Company, timer: timers.Timer) -> None:
    """Timer handler: who has not bought for long is now in the zone of loss, and whose class begins elsewhere since the
    configuration was changed is in his own again. Many are done in pieces; comes back every day."""
    limits = company.customers
    more = [_age(tx, PEOPLE, "contact", limits), _age(tx, COMPANIES, "company", limits)]
    timers.schedule(tx, AGE_CUSTOMERS, timer.key, tx.now if any(more) else tx.now + EVERY)


def _age(tx: Tx, collection: Collection[Any], entity: str, limits: Thresholds) -> bool:
    """Whether there may be more."""
    aged = 0
    for where, sort in _misplaced(limits, tx.now):
        for customer in tx.find(collection, where, sort=sort, limit=AT_ONCE - aged):
            rfm, abc = classify(customer.won_count, customer.won_sum, customer.last_won_at, tx.now, limits)
            tx.update(collection, customer, rfm=rfm, abc=abc)
            tell(tx, entity, customer.id, "updated", owners=(customer.owner_id,))
            aged += 1
        if aged >= AT_ONCE:
            return True
    return False


def _misplaced(limits: Thresholds, now: datetime) -> tuple[tuple[dict[str, Any], str], ...]:
    """Whose class is no longer right, as filters with the order of the index that answers them."""
    long_ago, a_from, b_from = now - limits.fading_after, limits.a_from, limits.b_from
    return (
        ({"rfm": Rfm.NEW, "last_won_at": Lt(long_ago)}, "last_won_at"),
        ({"rfm": Rfm.REGULAR, "last_won_at": Lt(long_ago)}, "last_won_at"),
        ({"rfm": Rfm.FADING, "last_won_at": Gte(long_ago)}, "last_won_at"),
        ({"abc": Abc.A, "won_sum": Lt(a_from)}, "won_sum"),
        ({"abc": Abc.B, "won_sum": Gte(a_from)}, "won_sum"),
        ({"abc": Abc.B, "won_sum": Lt(b_from)}, "won_sum"),
        ({"abc": Abc.C, "won_sum": Gte(b_from)}, "won_sum"),
    )
