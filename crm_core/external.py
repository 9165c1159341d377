"""How other systems (1C, an imported file) name our records. One name leads to one record: it is the row's own id."""

from __future__ import annotations

import re

from crm_core.errors import Invalid
from storage import Collection, Entity, ReadTx, Tx

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""Names of systems and of connectors; they stand in addresses (`/in/forms/NAME`) and in variables too."""
MAX_EXTERNAL_ID = 200


class ExternalRef(Entity, frozen=True, kw_only=True):
    """`id` is `product:1c:GUID`: kind, origin, and what the origin calls it."""

    record_id: str


EXTERNAL_REFS = Collection("external_refs", ExternalRef)


def check_names(origin: str, external_id: str) -> None:
    """`Invalid` unless these can name a record."""
    wrong = {}
    if not NAME.fullmatch(origin):
        wrong["origin"] = (
            "Нужно имя системы: латинские буквы, цифры, дефис и подчёркивание, не длиннее 63 знаков, например 1c"
        )
    if not external_id.strip() or len(external_id) > MAX_EXTERNAL_ID:
        wrong["external_id"] = f"Нужен внешний идентификатор не длиннее {MAX_EXTERNAL_ID} знаков"
    if wrong:
        raise Invalid(wrong)


def linked(tx: ReadTx, kind: str, origin: str, external_id: str) -> str | None:
    """Id of the record of this kind that the origin names so."""
    found = tx.get(EXTERNAL_REFS, _name(kind, origin, external_id))
    return found.record_id if found else None


def link(tx: Tx, kind: str, origin: str, external_id: str, record_id: str) -> None:
    """From now on the origin's name leads to this record. `UniqueViolation` when it leads to one already."""
    tx.insert(EXTERNAL_REFS, ExternalRef(id=_name(kind, origin, external_id), record_id=record_id))


def _name(kind: str, origin: str, external_id: str) -> str:
    return f"{kind}:{origin}:{external_id}"
