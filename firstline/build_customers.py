"""Where the classes of customers begin, RFM and ABC."""

from __future__ import annotations

from datetime import timedelta

from crm_core.customers import Thresholds
from firstline.draft import Draft
from firstline.settings_models import CustomersSection


def read_customers(draft: Draft) -> Thresholds:
    """`[customers]`; what a preset leaves out is as in the reference company."""
    section = draft.read(CustomersSection, draft.table("customers"), ("customers",)) or CustomersSection()
    if section.a_from < section.b_from:
        draft.report(("customers", "a_from"), "класс A начинается ниже, чем B", "укажите сумму не меньше b_from")
    return Thresholds(timedelta(days=section.fading_after_days), section.regular_from, section.a_from, section.b_from)
