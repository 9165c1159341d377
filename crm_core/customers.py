"""What customers are worth to us: how often and how lately they bought (RFM), and for how much (ABC).

Both classes are a pure function of won deals. They are kept on people and companies, where lists and segments find
them, and are brought up to date when a deal is won or no longer won (`worth.py`), and day by day as time passes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from storage import Entity


class Rfm(StrEnum):
    NEVER = "never"
    """Не купившие."""
    NEW = "new"
    """Новички: bought once, not long ago."""
    REGULAR = "regular"
    """Постоянные."""
    FADING = "fading"
    """В зоне потери: bought, but long ago."""


class Abc(StrEnum):
    A = "A"
    B = "B"
    C = "C"


class Thresholds(NamedTuple):
    """Where the classes begin; sums in roubles of all won deals."""

    fading_after: timedelta = timedelta(days=365)
    """Without a won deal for this long."""
    regular_from: int = 2
    """Won deals."""
    a_from: Decimal = Decimal(5_000_000)
    b_from: Decimal = Decimal(1_000_000)


DEFAULT = Thresholds()


class Bought(Entity, frozen=True, kw_only=True):
    """What every customer, person or company, has: won deals in numbers and the classes that follow from them."""

    rfm: Rfm = Rfm.NEVER
    abc: Abc | None = None
    """None: has bought nothing."""
    won_count: int = 0
    won_sum: Decimal = Decimal(0)
    """Roubles, exact."""
    last_won_at: datetime | None = None
    won_at: tuple[datetime, ...] = ()
    """When the last few deals were won, oldest first: should one of them be undone, the one before is the last."""


def classify(
    count: int, total: Decimal, last_won_at: datetime | None, now: datetime, where: Thresholds = DEFAULT
) -> tuple[Rfm, Abc | None]:
    """Both classes of a customer with so many won deals for so much."""
    if count <= 0:
        return Rfm.NEVER, None
    abc = Abc.A if total >= where.a_from else Abc.B if total >= where.b_from else Abc.C
    if last_won_at is not None and now - last_won_at > where.fading_after:
        return Rfm.FADING, abc
    return (Rfm.REGULAR if count >= where.regular_from else Rfm.NEW), abc
