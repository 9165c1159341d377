"""How other systems (1C, an imported file) name our records. One name leads to one record: it is the row's own id."""

from __future__ import annotations

import re

from msgspec.structs import force_setattr

from crm_core.errors import Invalid
from storage import Collection, Entity, Index, ReadTx, Tx

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""Names of systems and of connectors; they stand in addresses (`/in/forms/NAME`) and in variables too."""
MAX_EXTERNAL_ID = 200
MANY = 100
"""Names of one record that are looked through."""


FILE = "file"
"""The origin of names that stand in an imported table: whose they are, the table does not say."""


class ExternalRef(Entity, frozen=True, kw_only=True):
    """`id` is `product:1c:GUID`: kind, origin, and what the origin calls it."""

    record_id: str
    name: str | None = None
    """`product:GUID`: the same without the origin; follows the id by itself."""

    def __post_init__(self) -> None:
        kind, _origin, external_id = self.id.split(":", 2)
        force_setattr(self, "name", f"{kind}:{external_id}")


EXTERNAL_REFS = Collection("external_refs", ExternalRef, [Index("record_id"), Index("name")])


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
    """Id of the record of this kind that the origin names so, or that an imported table did."""
    rows = (tx.get(EXTERNAL_REFS, _id(kind, each, external_id)) for each in (origin, FILE))
    return next((row.record_id for row in rows if row is not None), None)


def link(tx: Tx, kind: str, origin: str, external_id: str, record_id: str) -> None:
    """From now on the origin's name leads to this record. `UniqueViolation` when it leads to one already."""
    tx.insert(EXTERNAL_REFS, ExternalRef(id=_id(kind, origin, external_id), record_id=record_id))


def named_in_table(tx: ReadTx, kind: str, external_id: str) -> str | None:
    """Id of the record of this kind that an imported table, or else any other system, names so."""
    own = tx.get(EXTERNAL_REFS, _id(kind, FILE, external_id))
    found = own or tx.first(EXTERNAL_REFS, {"name": f"{kind}:{external_id}"}, sort="name")
    return found.record_id if found else None


def name_in_table(tx: Tx, kind: str, external_id: str, record_id: str) -> None:
    """From now on a table's name leads to this record, whatever it led to before."""
    wanted = ExternalRef(id=_id(kind, FILE, external_id), record_id=record_id)
    known = tx.get(EXTERNAL_REFS, wanted.id)
    if known is None:
        tx.insert(EXTERNAL_REFS, wanted)
    else:
        tx.update(EXTERNAL_REFS, known, record_id=record_id)


def name_for_table(tx: ReadTx, kind: str, record_id: str) -> str | None:
    """What a table calls this record: its name from an import, or else that of another system."""
    ids = sorted(each.id for each in tx.find(EXTERNAL_REFS, {"record_id": record_id}, limit=MANY))
    own = [each for each in ids if each.startswith(f"{kind}:")]
    best = next((each for each in own if each.startswith(f"{kind}:{FILE}:")), next(iter(own), None))
    return best.split(":", 2)[2] if best else None


def forget(tx: Tx, record_id: str) -> None:
    """The record is gone: nothing leads to it any more."""
    for each in tx.find(EXTERNAL_REFS, {"record_id": record_id}):
        tx.delete(EXTERNAL_REFS, each)


def _id(kind: str, origin: str, external_id: str) -> str:
    return f"{kind}:{origin}:{external_id}"
