"""The names of a template and their values for one document."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from crm_core.documents.data import DocumentData
from crm_core.documents.parties import party_context


def context_of(data: DocumentData, number: str, day: date) -> dict[str, Any]:
    """The names of a template and their values. `day` is the date of the document in the company's time zone.

    Decimals and dates stay what they are: the filters of the templates write them.
    """
    lines = [{"number": place, **msgspec.structs.asdict(line)} for place, line in enumerate(data.lines, start=1)]
    sums = [line.total for line in data.lines if line.total is not None]
    return {
        "firm": party_context(data.firm),
        "customer": party_context(data.customer),
        **{name: msgspec.structs.asdict(getattr(data, name)) for name in ("person", "deal", "author")},
        "lines": lines,
        "number": number,
        "date": day,
        "currency": data.deal.currency,
        "total": sum(sums, Decimal(0)) if data.lines else data.deal.amount,
        "total_vat": sum((line.vat for line in data.lines), Decimal(0)),
        "total_discount": sum((line.discount_sum for line in data.lines), Decimal(0)),
    }
