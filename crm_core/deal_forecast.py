"""What a pipeline holds, stage by stage: numbers, sums and what is likely to come of them. Each currency adds up by
itself; nothing here exchanges money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deals import DEALS, Deal, deal_scope
from crm_core.money import CURRENCIES, RUB, to_kopecks
from crm_core.pipelines import Pipeline
from storage import AllOf, Count, Filter, ReadTx, Sum

ZERO = Decimal("0.00")


class StageSum(msgspec.Struct, frozen=True, kw_only=True):
    """Deals of one stage in one currency."""

    currency: str
    amount: Decimal
    weighted: Decimal
    """Amount × probability, deal by deal."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage of a pipeline holds, for the board and the forecast."""

    stage: str
    title: str
    kind: str
    """`open`, `won`, `lost`; `gone` for a stage that is in the configuration no more."""
    color: str = "gray"
    number: int = 0
    sums: tuple[StageSum, ...] = ()
    """Currencies in which there is an amount, roubles first."""

    @property
    def roubles(self) -> StageSum:
        none = StageSum(currency=RUB, amount=ZERO, weighted=ZERO)
        return next((each for each in self.sums if each.currency == RUB), none)


def forecast(tx: ReadTx, actor: Actor, company: Company, pipeline: str, where: Filter | None = None) -> list[Column]:
    """Number and sums per stage of the deals that the actor may see: stages in their order, then those that are gone
    from the configuration but still hold deals."""
    scope = deal_scope(actor)
    way = company.pipeline(pipeline)
    rows: list[tuple[Any, ...]] = []
    if scope is not None:
        filters = AllOf(({"pipeline": pipeline}, where or {}, scope))
        measures = (Count(), Sum("amount"), Sum("weighted"))
        rows = tx.aggregate(DEALS, by=["stage", "currency"], measures=measures, where=filters)
    return _columns(way, rows)


def forecast_of(company: Company, pipeline: str, deals: Iterable[Deal]) -> list[Column]:
    """The same for these deals of the pipeline."""
    rows: dict[tuple[str, str], tuple[int, Decimal | None, Decimal]] = {}
    for deal in deals:
        number, amount, weighted = rows.get((deal.stage, deal.currency), (0, None, ZERO))
        if deal.amount is not None:
            amount, weighted = (amount or ZERO) + deal.amount, weighted + (deal.weighted or ZERO)
        rows[deal.stage, deal.currency] = (number + 1, amount, weighted)
    return _columns(company.pipeline(pipeline), [(*key, *sums) for key, sums in rows.items()])


def _columns(way: Pipeline, rows: Sequence[tuple[Any, ...]]) -> list[Column]:
    known = {stage.key: (stage.title, stage.kind, stage.color) for stage in way.stages}
    gone = {row[0]: (row[0], "gone", "gray") for row in rows if row[0] not in known}
    return [_column(key, words, [row for row in rows if row[0] == key]) for key, words in (known | gone).items()]


def _column(stage: str, words: tuple[str, str, str], rows: Sequence[tuple[Any, ...]]) -> Column:
    order = [*CURRENCIES]
    title, kind, color = words
    sums = [
        StageSum(currency=currency, amount=to_kopecks(amount), weighted=to_kopecks(weighted or ZERO))
        for _, currency, _, amount, weighted in rows
        if amount is not None
    ]
    return Column(
        stage=stage,
        title=title,
        kind=kind,
        color=color,
        number=sum(row[2] for row in rows),
        sums=tuple(sorted(sums, key=lambda each: order.index(each.currency) if each.currency in order else 99)),
    )
