"""Records as rows of a table, page by page, with the columns that an import takes."""

from __future__ import annotations

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.company import Company
from crm_core.rights import Action
from crm_core.sheets.kinds import ImportKind, all_fields, external_id_of
from crm_core.sheets.writing import Cell
from storage import Filter, ReadTx, Tx

PAGE = 500
"""Records read in one transaction."""


def header(kind: ImportKind, company: Company) -> list[Cell]:
    """The headings."""
    return [field.title for field in all_fields(kind, company) if field.exported]


def begin_export(tx: Tx, actor: Actor, kind: ImportKind, format: str) -> None:
    """Note that the actor takes records of this kind out. `Forbidden` when he may not."""
    check(actor, kind.entity, Action.READ)
    check(actor, kind.entity, Action.EXPORT)
    record(tx, actor, kind.entity, "*", "exported", {"format": (None, format)})


def export_page(
    tx: ReadTx, actor: Actor, kind: ImportKind, company: Company, where: Filter, after: str | None
) -> tuple[list[list[Cell]], str | None]:
    """The next rows of what the actor may read and export, oldest first, and the cursor after them; None at the end."""
    found, cursor = kind.export_page(tx, actor, company, where, after, PAGE)
    return [[*cells, external_id_of(tx, kind.entity, id)] for id, cells in found], cursor
