"""How long what is kept: `[retention]`."""

from __future__ import annotations

from crm_core.retention import Retention
from firstline.draft import Draft
from firstline.settings_models import RetentionSection


def read_retention(draft: Draft) -> Retention:
    """The terms; what is not named, or is 0, stays for ever."""
    section = draft.read(RetentionSection, draft.table("retention"), ("retention",)) or RetentionSection()
    return Retention(**{key: days or None for key, days in section.model_dump().items()})
