"""Everything that is known about one person, for him, on his demand (152-ФЗ, article 14)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crm_core.actor import Actor
from crm_core.audit import AUDIT, AuditEntry, record
from crm_core.calls import CALLS, CallRecord
from crm_core.deals import DEALS, Deal
from crm_core.documents.issued import DOCUMENTS, Document
from crm_core.leads import LEADS, Lead
from crm_core.merged import MERGED_AWAY
from crm_core.people import IDENTITIES, Identity, Person
from crm_core.personal_data import CONSENTS, Consent, person_for
from crm_core.rights import Action
from crm_core.tasks import TASK_LINKS, TASKS, Task
from crm_core.timeline import TIMELINE, TimelineItem
from storage import Collection, ReadTx, Tx


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is known about one person."""

    person: Person
    identities: list[Identity]
    consents: list[Consent]
    leads: list[Lead]
    deals: list[Deal]
    documents: list[Document]
    timeline: list[TimelineItem]
    calls: list[CallRecord]
    tasks: list[Task]
    audit: list[AuditEntry]


def known_about(tx: ReadTx, actor: Actor, person_id: str) -> Known:
    """Everything, oldest first. Long for a customer of many years: for a reader's thread, never for the writer's."""
    person = person_for(tx, actor, person_id, Action.DELETE)
    own = {"person_id": person.id}
    leads = tx.find(LEADS, own, sort="created_at")
    deals = _all(tx, DEALS, [own, *({"lead_id": lead.id} for lead in leads)])
    places = [own, *({"lead_id": lead.id} for lead in leads), *({"deal_id": deal.id} for deal in deals)]
    tasks = _tasks(tx, person, leads, deals)
    calls = [own, *({"lead_id": lead.id} for lead in leads), *({"number": phone} for phone in person.phones)]
    merged = [each.id for each in tx.find(MERGED_AWAY, {"merged_into": person.id})]
    about = [person.id, *merged, *(each.id for each in (*leads, *deals, *tasks))]
    return Known(
        person=person,
        identities=tx.find(IDENTITIES, own),
        consents=tx.find(CONSENTS, own, sort="given_at"),
        leads=leads,
        deals=sorted(deals, key=lambda deal: deal.created_at),
        documents=sorted(_all(tx, DOCUMENTS, places), key=lambda document: document.created_at),
        timeline=sorted(
            _all(tx, TIMELINE, [*places, *({"task_id": task.id} for task in tasks)]),
            key=lambda item: (item.at, item.id),
        ),
        calls=sorted(_all(tx, CALLS, calls), key=lambda call: (call.started_at, call.id)),
        tasks=sorted(tasks, key=lambda task: (task.created_at, task.id)),
        audit=[entry for id in about for entry in tx.find(AUDIT, {"entity_id": id}, sort="at")],
    )


def note_export(tx: Tx, actor: Actor, person_id: str) -> None:
    """That his data were handed out is recorded."""
    person = person_for(tx, actor, person_id, Action.DELETE)
    record(tx, actor, "contact", person.id, "exported")


def _all(tx: ReadTx, collection: Collection[Any], places: Iterable[dict[str, str]]) -> list[Any]:
    """What is found at one of these places, each once."""
    return list({each.id: each for place in places for each in tx.find(collection, place)}.values())


def _tasks(tx: ReadTx, person: Person, leads: Iterable[Lead], deals: Iterable[Deal]) -> list[Task]:
    records = [("contact", person.id), *(("lead", lead.id) for lead in leads), *(("deal", deal.id) for deal in deals)]
    links = _all(tx, TASK_LINKS, [{"entity": entity, "record_id": id} for entity, id in records])
    own = _all(tx, TASKS, [{"person_id": person.id}, *({"lead_id": lead.id} for lead in leads)])
    linked = (tx.get(TASKS, link.task_id) for link in links)
    return list({each.id: each for each in (*own, *linked) if each is not None}.values())
