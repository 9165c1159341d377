"""What refers to a person or a company: the table that merges move by, and that says whether something may be deleted.

A new collection with an indexed `person_id`, `company_id` or `record_id` gets a line here, and takes part in both from
then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crm_core.calls import CALLS
from crm_core.deals import DEALS
from crm_core.documents.issued import DOCUMENTS
from crm_core.external import EXTERNAL_REFS
from crm_core.leads import LEADS
from crm_core.people import IDENTITIES, PEOPLE
from crm_core.personal_data import CONSENTS
from crm_core.tasks import TASK_LINKS, TASKS, Link, save
from crm_core.timeline import TIMELINE
from storage import Collection, ReadTx, Tx


@dataclass(frozen=True, slots=True)
class Reference:
    """Documents of `collection` name the record in `field`, which is indexed."""

    collection: Collection[Any]
    field: str
    noun: str
    """For people, genitive plural: «есть 3 контактов»."""
    at_once: bool = False
    """Moved in the transaction of the merge itself: few, and others rely on them."""
    keeps: bool = True
    """While there is one, the record is not deleted."""

    @property
    def key(self) -> str:
        """By which a merge remembers it."""
        return self.collection.name

    def where(self, record_id: str) -> dict[str, Any]:
        """The documents that name the record."""
        return {self.field: record_id}

    @property
    def order(self) -> str:
        """The field that the index continues with, so that the first few are found without looking at all."""
        fields = next(
            each.fields for each in self.collection.indexes if each.fields[0] == self.field and not each.where
        )
        return fields[1] if len(fields) > 1 else "id"

    def repoint(self, tx: Tx, document: Any, before: str, after: str) -> tuple[str, str]:
        """Let the document name another record. Under which field, and as which id, `give_back` asks for it."""
        tx.update(self.collection, document, **{self.field: after})
        return self.field, document.id

    def give_back(self, tx: Tx, id: str, field: str, before: str, after: str) -> Any | None:
        """Take `repoint` back, unless the document is gone or names something else by now; as it is afterwards."""
        document = tx.get(self.collection, id)
        if document is None or getattr(document, field) != after:
            return None
        return tx.update(self.collection, document, **{field: before})


LINK, EXTRA_LINK = "links", "links of both"


@dataclass(frozen=True, slots=True)
class LinkedTasks(Reference):
    """Tasks that are linked to a record of this kind. Their rows follow the tasks, so these are what is changed."""

    entity: str = ""

    @property
    def key(self) -> str:
        return f"{self.collection.name}:{self.entity}"

    def where(self, record_id: str) -> dict[str, Any]:
        return {"entity": self.entity, "record_id": record_id}

    @property
    def order(self) -> str:
        return "open"

    def repoint(self, tx: Tx, document: Any, before: str, after: str) -> tuple[str, str]:
        task = tx.require(TASKS, document.task_id)
        target = Link(self.entity, after)
        noted = EXTRA_LINK if target in task.links else LINK
        links = [target if each == Link(self.entity, before) else each for each in task.links]
        save(tx, task, links=tuple(dict.fromkeys(links)))
        return noted, task.id

    def give_back(self, tx: Tx, id: str, field: str, before: str, after: str) -> Any | None:
        task, source, target = tx.get(TASKS, id), Link(self.entity, after), Link(self.entity, before)
        if task is None or source not in task.links:
            return None
        kept = (source, target) if field == EXTRA_LINK else (target,)
        links = [link for each in task.links for link in (kept if each == source else (each,))]
        return save(tx, task, links=tuple(dict.fromkeys(links)))


TO_PERSON = (
    Reference(IDENTITIES, "person_id", "телефонов, адресов и аккаунтов", at_once=True, keeps=False),
    Reference(LEADS, "person_id", "лидов", at_once=True),
    Reference(DEALS, "person_id", "сделок", at_once=True),
    Reference(CONSENTS, "person_id", "согласий", at_once=True),
    Reference(TASKS, "person_id", "задач"),
    LinkedTasks(TASK_LINKS, "record_id", "задач по ссылке", entity="contact"),
    Reference(CALLS, "person_id", "звонков"),
    Reference(DOCUMENTS, "person_id", "документов"),
    Reference(EXTERNAL_REFS, "record_id", "внешних кодов", keeps=False),
    Reference(TIMELINE, "person_id", "записей ленты"),
)
TO_COMPANY = (
    Reference(DEALS, "company_id", "сделок", at_once=True),
    Reference(PEOPLE, "company_id", "контактов"),
    LinkedTasks(TASK_LINKS, "record_id", "задач", entity="company"),
    Reference(DOCUMENTS, "company_id", "документов"),
    Reference(EXTERNAL_REFS, "record_id", "внешних кодов", keeps=False),
)
TO_LEAD = (
    Reference(TASKS, "lead_id", "задач"),
    LinkedTasks(TASK_LINKS, "record_id", "задач по ссылке", entity="lead"),
)
"""Of a lead that gives way to another: only its tasks go over, and of them the open ones."""

COUNTED = 1000


def used_by(tx: ReadTx, references: Iterable[Reference], record_id: str) -> list[str]:
    """What keeps the record from being deleted, for people: «контактов: 3». Counting stops at `COUNTED`."""
    keeping = (each for each in references if each.keeps)
    counted = ((each.noun, tx.count(each.collection, each.where(record_id), limit=COUNTED)) for each in keeping)
    return [f"{noun}: {number}" for noun, number in counted if number]
