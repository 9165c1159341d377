"""The kinds of records that can be imported and exported. A new kind: an object as `ImportKind` says, and a line."""

from __future__ import annotations

from collections.abc import Iterable

from crm_core.sheets.kinds import ImportKind, Kinds
from router.sheets.companies import Companies
from router.sheets.contacts import Contacts
from router.sheets.deals import Deals
from router.sheets.leads import Leads
from router.sheets.products import Products


def import_kinds(queues: Iterable[str]) -> Kinds:
    """The registry; into the first of these queues leads go that nobody is responsible for."""
    leads = Leads(next(iter(queues), ""))
    kinds: tuple[ImportKind, ...] = (leads, Contacts(), Companies(), Deals(), Products())
    return {kind.key: kind for kind in kinds}
