"""What a kind of record has to say so that tables of it can be read and written.

A kind is an object with the attributes and functions of `ImportKind`; the kinds that there are stand in one registry,
which is handed to whoever needs it. Every kind gets one more field by itself, «Внешний код»: the id of the record in
the system that the table came from (`external.py`), so that a second import finds what the first one made, and what
1C named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.external import forget, name_for_table, name_in_table, named_in_table
from crm_core.merged import resolve
from crm_core.sheets.writing import Cell
from storage import Collection, ReadTx, Tx

T = TypeVar("T")

LONGEST_LINE = 300


class Unreadable(ValueError):
    """A cell that its field cannot take; the text is Russian and says the mend."""


Parse = Callable[[str, Company], Any]
"""From the text of a cell (never empty) to the value of the field. Raises `Unreadable`."""


def line(text: str, company: Company) -> str:
    """One line of text."""
    clean = " ".join(text.split())
    if len(clean) > LONGEST_LINE:
        raise Unreadable(f"Длиннее {LONGEST_LINE} знаков: сократите")
    return clean


@dataclass(frozen=True, slots=True)
class Field:
    """What a column may mean."""

    key: str
    title: str
    aliases: tuple[str, ...] = ()
    """Other headings, Russian and English, in any letter case."""
    required: bool = False
    parse: Parse = line
    example: str = ""
    many: bool = False
    """Several columns and several values in a cell may belong to it: `parse` gives a tuple, and they are joined."""
    part_of: str | None = None
    """Key of the field that its text goes into, in the order of the fields: a surname is a part of the name."""
    exported: bool = True
    """False: taken in only."""


EXTERNAL_KEY = "external_id"
EXTERNAL_FIELD = Field(
    EXTERNAL_KEY,
    "Внешний код",
    ("ID", "Код", "Внешний ID", "External ID", "Идентификатор", "Код в 1С", "UUID"),
    example="1С-000123",
)


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did: field → value before, and after. Empty when nothing differed."""

    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordRef:
    """What an import did to one record, as `undo` needs it. Values are as stored: JSON."""

    id: str
    created: bool
    before: Mapping[str, Any]
    after: Mapping[str, Any]


class ImportKind(Protocol):
    """One kind of record. **Every function refuses before it writes**: a refusal (`CoreError`) is noted as an error of
    its row, and the other rows of the same transaction stay."""

    @property
    def key(self) -> str:
        """As in addresses and on the command line: `contacts`."""

    @property
    def entity(self) -> str:
        """As in the table of rights: `contact`."""

    @property
    def title(self) -> str:
        """For people: «Контакты»."""

    @property
    def collection(self) -> Collection[Any]:
        """Where its records are kept."""

    @property
    def duplicates(self) -> Mapping[str, str]:
        """What a record can be recognised by, best first: key of a field → title; without the external id."""

    def fields(self, company: Company) -> Sequence[Field]:
        """The fields that a table may fill, in the order of an export; without the external id."""

    def marks(self, values: Mapping[str, Any], rule: Sequence[str]) -> list[tuple[str, Any]]:
        """By what `find_duplicate` would recognise a record made of an earlier row of the same table: (key, value)."""

    def find_duplicate(self, tx: ReadTx, values: Mapping[str, Any], rule: Sequence[str]) -> str | None:
        """Id of the record that these values belong to, looked for by the keys of `rule` in their order."""

    def create(self, tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> RecordRef:
        """Make a record. `after` holds what undo must find unchanged."""

    def update(self, tx: Tx, actor: Actor, company: Company, record: str, values: Mapping[str, Any]) -> Updated:
        """Change a record. Fields without a value are left as they are."""

    def undo(self, tx: Tx, actor: Actor, company: Company, record: RecordRef) -> str | None:
        """Take it back as far as nobody has touched it since; a Russian sentence about what stays, None when all is as
        it was."""

    def export_page(
        self, tx: ReadTx, actor: Actor, company: Company, where: Any, after: str | None, limit: int
    ) -> tuple[list[tuple[str, list[Cell]]], str | None]:
        """Up to `limit` records after a cursor: (id, cells in the order of those `fields` that are exported), and the
        next cursor. `where` is a filter of the store. Only what the actor may read and export."""


Kinds = Mapping[str, ImportKind]
"""The registry: key → kind."""


def kind_of(kinds: Kinds, key: str) -> ImportKind:
    """The kind, or `Invalid` that names those there are."""
    if key not in kinds:
        raise Invalid({"kind": f"Загрузки «{key}» нет; есть {', '.join(kinds)}"})
    return kinds[key]


def all_fields(kind: ImportKind, company: Company) -> tuple[Field, ...]:
    """The fields of a kind, the external id last."""
    return (*kind.fields(company), EXTERNAL_FIELD)


def marks_of(values: Mapping[str, Any], keys: Sequence[str]) -> list[tuple[str, Any]]:
    """Each value of these fields with its key."""
    found = ((key, values[key]) for key in keys if key in values)
    return [(key, each) for key, value in found for each in (value if isinstance(value, tuple) else (value,))]


def external_of(tx: ReadTx, kind: ImportKind, external_id: str) -> str | None:
    """Id of the record with this external id, or of the one that it was merged into. None when it is gone."""
    found = named_in_table(tx, kind.entity, external_id)
    record = tx.get(kind.collection, resolve(tx, found)) if found else None
    return record.id if record else None


def external_id_of(tx: ReadTx, entity: str, record_id: str) -> str | None:
    """The external id of a record, for exports."""
    return name_for_table(tx, entity, record_id)


def remember_external(tx: Tx, kind: ImportKind, external_id: str, record_id: str) -> None:
    """Tie the record to this external id; one that is tied to a living record stays."""
    if external_of(tx, kind, external_id) is None:
        name_in_table(tx, kind.entity, external_id, record_id)


def forget_external(tx: Tx, record_id: str) -> None:
    """The record is gone."""
    forget(tx, record_id)
