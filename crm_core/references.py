"""What refers to a person or a company: the table that merges move by, and that says whether something may be deleted.

A new collection with an indexed `person_id` or `company_id` gets a line here, and takes part in both from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crm_core.calls import CALLS
from crm_core.deals import DEALS
from crm_core.leads import LEADS
from crm_core.people import IDENTITIES, PEOPLE
from crm_core.tasks import TASKS
from crm_core.timeline import TIMELINE
from storage import Collection, ReadTx


@dataclass(frozen=True, slots=True)
class Reference:
    """Documents of `collection` name the record in `field`, which is indexed."""

    collection: Collection[Any]
    field: str
    noun: str
    """For people, genitive plural: «есть 3 контактов»."""
    at_once: bool = False
    """Moved in the transaction of the merge itself: few, and others rely on them."""

    @property
    def order(self) -> str:
        """The field that the index continues with, so that the first few are found without looking at all."""
        fields = next(
            each.fields for each in self.collection.indexes if each.fields[0] == self.field and not each.where
        )
        return fields[1] if len(fields) > 1 else "id"


TO_PERSON = (
    Reference(IDENTITIES, "person_id", "телефонов, адресов и аккаунтов", at_once=True),
    Reference(LEADS, "person_id", "лидов", at_once=True),
    Reference(DEALS, "person_id", "сделок", at_once=True),
    Reference(TASKS, "person_id", "задач"),
    Reference(CALLS, "person_id", "звонков"),
    Reference(TIMELINE, "person_id", "записей ленты"),
)
TO_COMPANY = (
    Reference(PEOPLE, "company_id", "контактов"),
    Reference(DEALS, "company_id", "сделок"),
)

COUNTED = 1000


def used_by(tx: ReadTx, references: Iterable[Reference], record_id: str) -> list[str]:
    """Who refers to the record, for people: «контактов: 3». Counting stops at `COUNTED`."""
    counted = ((each.noun, tx.count(each.collection, {each.field: record_id}, limit=COUNTED)) for each in references)
    return [f"{noun}: {number}" for noun, number in counted if number]
