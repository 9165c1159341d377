"""The company made anew whenever somebody changes the settings: by the very rules that the files are checked by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from crm_core.company import Company
from crm_core.errors import Invalid
from firstline.build_channels import read_queues
from firstline.build_company import read_company
from firstline.draft import Draft
from firstline.settings import Settings
from firstline.settings_models import CompanySection


class FileBlueprint:
    """What the files say, and how a company is made of tables; see `crm_core.settings.Blueprint`. Calendars,
    connectors and the files of templates stay those of the start."""

    def __init__(self, settings: Settings, company: Company) -> None:
        self.tables: Mapping[str, Any] = msgspec.to_builtins(settings.tables)
        self.company = company
        self._folder = settings.folder

    def build(self, tables: Mapping[str, Any], changed_robots: frozenset[str]) -> Company:
        draft = Draft(tables=dict(tables), preset=self._folder)
        section = draft.read(CompanySection, draft.table("company"), ("company",)) or CompanySection()
        read_queues(draft, section)
        base = self.company
        company = read_company(draft, section, base.calendars, {}, base.documents, changed_robots)
        if company is None or draft.problems:
            raise Invalid({each.place: each.words for each in draft.problems})
        return replace(company, connectors=base.connectors)
