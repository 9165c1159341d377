"""The part of an erasure that indexes lead to: his leads, deals, tasks, timeline, calls, documents.

What is to be done is a list of words `what:field:value` in the row of the erasure. Each piece of work takes the first
of them and up to `limit` of its documents; what it finds on the way (the timeline of a lead, the tasks of a deal) is
put behind. So one transaction never does more than a piece, and a stop in between costs nothing.

A deal of a company is the company's: of it only his own name goes, everywhere else goes all that was told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from crm_core import callbacks
from crm_core.calls import CALLS, CallRecord
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.deals import DEALS, Deal
from crm_core.decisions import DECISIONS, Decision
from crm_core.documents.issued import DOCUMENTS, Document, DocumentState
from crm_core.leads import LEADS, Lead
from crm_core.merge import MOVED, Moved
from crm_core.people import DUPLICATES, PossibleDuplicate
from crm_core.personal_data import CONSENTS, ERASURES, Consent, Erasure
from crm_core.search import forget
from crm_core.tasks import TASK_LINKS, TASKS, Task, TaskLink
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem
from router.erasure_hide import GONE, Secrets, hide
from storage import Collection, Tx

KEPT_BY_LAW = frozenset({"contract", "invoice", "act"})
"""Kinds of documents that accounting keeps for years (402-ФЗ)."""
AT_ONCE, FEW = 200, 10


@dataclass(frozen=True, slots=True)
class Kept:
    """Own fields whose values say nothing about a person: choices, dates, sums."""

    lead: frozenset[str] = frozenset()
    deal: frozenset[str] = frozenset()

    @classmethod
    def of(cls, company: Company) -> Kept:
        return cls(
            frozenset(rule.key for rule in company.fields if rule.type == "choice"),
            frozenset(rule.key for rule in company.deal_fields if rule.type in ("choice", "date", "money")),
        )


@dataclass(slots=True)
class Work:
    """One piece: who is erased, and what was found on the way."""

    tx: Tx
    erasure: Erasure
    kept: Kept
    todo: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    kept_documents: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> Secrets:
        return Secrets.of([self.erasure])


def todo_of(person_id: str) -> tuple[str, ...]:
    """Everything that hangs on a person."""
    names = ("leads", "deals", "tasks", "timeline", "calls", "documents", "consents")
    links = (f"contact_links:record_id:{person_id}", f"pairs:first_id:{person_id}", f"pairs:second_id:{person_id}")
    return (*(f"{name}:person_id:{person_id}" for name in names), *links)


def reach(tx: Tx, person_id: str, kept: Kept) -> Erasure:
    """As much as fits into one transaction; the erasure afterwards, at `walk` when nothing is left to reach."""
    erasure = tx.require(ERASURES, person_id)
    if erasure.step != "reach":  # begun by a program that went another way
        erasure = tx.update(ERASURES, erasure, step="reach", todo=todo_of(person_id), after=None, records=(person_id,))
    spent = 0
    while erasure.todo and spent < AT_ONCE:
        erasure, cost = _piece(tx, erasure, kept)
        spent += cost
    if not erasure.todo:
        erasure = tx.update(ERASURES, erasure, step="walk", failure=None, attempts=0, retry_at=None)
    return erasure


def _piece(tx: Tx, erasure: Erasure, kept: Kept) -> tuple[Erasure, int]:
    """The first of what is to be done, and what it cost: `AT_ONCE` when it was as much as one transaction may do."""
    name, place, value = erasure.todo[0].split(":", 2)
    way = WAYS[name]
    found = tx.find(way.collection, {**way.where, place: value}, sort=way.sort, limit=way.limit, after=erasure.after)
    work = Work(tx, erasure, kept)
    for row in found:
        way.clean(work, row)
    is_more = len(found) == way.limit
    todo = (*erasure.todo, *work.todo) if is_more else (*erasure.todo[1:], *work.todo)
    changed = tx.update(
        ERASURES,
        erasure,
        todo=tuple(dict.fromkeys(todo)),
        after=tx.cursor_after(way.collection, found[-1], way.sort) if is_more else None,
        records=tuple(dict.fromkeys((*erasure.records, *work.records))),
        blobs=tuple(dict.fromkeys((*erasure.blobs, *work.blobs))),
        kept_documents=tuple(dict.fromkeys((*erasure.kept_documents, *work.kept_documents))),
    )
    return changed, 1 + len(found) * AT_ONCE // way.limit


def _lead(work: Work, lead: Lead) -> None:
    """Stage, source, dates and counters stay."""
    tx, id = work.tx, lead.id
    callbacks.cancel_callbacks(tx, id, GONE)
    lead = tx.require(LEADS, id)
    sources = {name: replace(getattr(lead, name), page=None, referrer=None) for name in _TOUCHES}
    fields = {key: value for key, value in lead.fields.items() if key in work.kept.lead}
    lead = tx.update(LEADS, lead, title=f"Лид {lead.number}", company=None, fields=fields, **sources)
    forget(tx, "lead", id)
    tell(tx, "lead", id, "updated", lead_id=id, owners=(lead.owner_id, lead.offered_to))
    names = ("timeline", "calls", "decisions", "tasks", "deals", "documents")
    work.todo += [*(f"{name}:lead_id:{id}" for name in names), f"lead_links:record_id:{id}"]
    work.records.append(id)


_TOUCHES = ("source", "first_touch", "last_touch")


def _deal(work: Work, deal: Deal) -> None:
    """Lines, sums, stages and dates stay; of a company's deal everything but his name."""
    tx, id = work.tx, deal.id
    if deal.company_id is not None:
        mine = tuple(
            replace(each, name="", note="") if each.person_id in work.erasure.records else each for each in deal.parties
        )
        hide(tx, DEALS, tx.update(DEALS, deal, parties=mine), work.secrets)
        work.todo += [f"near_timeline:deal_id:{id}", f"near_links:record_id:{id}"]
    else:
        step = replace(deal.next_step, text=GONE, commitment="") if deal.next_step else None
        tx.update(
            DEALS, deal, title=f"Сделка {deal.number}", comment="", next_step=step, parties=(),
            fields={key: value for key, value in deal.fields.items() if key in work.kept.deal},
            risks=tuple(replace(each, text=GONE) for each in deal.risks),
            source=replace(deal.source, page=None, referrer=None) if deal.source else None,
        )  # fmt: skip
        work.todo += [f"timeline:deal_id:{id}", f"documents:deal_id:{id}", f"deal_links:record_id:{id}"]
    forget(tx, "deal", id)
    tell(tx, "deal", id, "updated", owners=(deal.owner_id,))
    work.records.append(id)


def _task(work: Work, task: Task) -> None:
    tx = work.tx
    checklist = tuple(replace(item, text=f"Пункт {place}") for place, item in enumerate(task.checklist, 1))
    work.blobs += [file.id for file in task.files]
    tx.update(
        TASKS, task, title=f"Задача {task.number}", description="", phone=None, checklist=checklist, files=(),
        result=GONE if task.result else None,
    )  # fmt: skip
    forget(tx, "task", task.id)
    work.todo.append(f"timeline:task_id:{task.id}")
    work.records.append(task.id)


def _link(work: Work, link: TaskLink) -> None:
    task = work.tx.get(TASKS, link.task_id)
    if task is not None:
        _task(work, task)


def _near_link(work: Work, link: TaskLink) -> None:
    """A task of a company's deal: robots write his name into such."""
    task = work.tx.get(TASKS, link.task_id)
    if task is not None:
        hide(work.tx, TASKS, task, work.secrets)
        forget(work.tx, "task", task.id)
        tell(work.tx, "task", task.id, "updated", owners=(task.responsible_id, task.creator_id))
        work.todo.append(f"near_timeline:task_id:{task.id}")


def _item(work: Work, item: TimelineItem) -> None:
    """That it happened stays, and who of ours did it."""
    text = item.text if item.kind is ItemKind.STAGE else ""
    author = item.author if item.author_id is not None or item.direction != "in" else None
    call = {key: value for key, value in (item.call or {}).items() if key not in ("number", "recording")}
    data = {key: value for key, value in item.data.items() if key in ("from", "to", "state")}
    work.blobs += [file.id for file in item.attachments]
    work.tx.update(
        TIMELINE, item, text=text, author=author, subject=None, html=None, attachments=(), fields={}, error=None,
        message_id=None, references=(), conversation=None, address=None, call=call or None, data=data,
    )  # fmt: skip


def _near_item(work: Work, item: TimelineItem) -> None:
    """What belongs to him was reached by his own name already."""
    hide(work.tx, TIMELINE, item, work.secrets)


def _call(work: Work, call: CallRecord) -> None:
    work.tx.update(CALLS, call, number=None, recording=None)


def _decision(work: Work, decision: Decision) -> None:
    work.tx.update(DECISIONS, decision, text="", steps=())


def _consent(work: Work, consent: Consent) -> None:
    """It is the proof of why his data were kept; the page may have told who he is."""
    work.tx.update(CONSENTS, consent, page=None)


def _pair(work: Work, pair: PossibleDuplicate) -> None:
    work.tx.delete(DUPLICATES, pair)


def _moved(work: Work, moved: Moved) -> None:
    """It was kept for an undo."""
    work.tx.delete(MOVED, moved)


def _document(work: Work, document: Document) -> None:
    """Contracts, invoices and acts are kept as the law on accounting says; its number remains of any other."""
    if document.kind in KEPT_BY_LAW and document.state is not DocumentState.VOID:
        work.kept_documents.append(document.id)
        return
    work.blobs += [blob for file in document.files for blob in (file.blob, file.pdf) if blob]
    work.tx.update(
        DOCUMENTS, document, name=f"{document.title} {document.number}"[:120], files=(), data={},
        state=DocumentState.VOID, void_reason=document.void_reason or GONE,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """Documents of one kind that an index leads to, and what is done with each."""

    collection: Collection[Any]
    sort: str
    clean: Callable[[Work, Any], None]
    limit: int = AT_ONCE
    where: dict[str, Any] = field(default_factory=dict)


WAYS = {
    "leads": Way(LEADS, "created_at", _lead, FEW),
    "deals": Way(DEALS, "id", _deal, FEW),
    "tasks": Way(TASKS, "id", _task, FEW),
    "contact_links": Way(TASK_LINKS, "id", _link, FEW, {"entity": "contact"}),
    "lead_links": Way(TASK_LINKS, "id", _link, FEW, {"entity": "lead"}),
    "deal_links": Way(TASK_LINKS, "id", _link, FEW, {"entity": "deal"}),
    "near_links": Way(TASK_LINKS, "id", _near_link, FEW, {"entity": "deal"}),
    "timeline": Way(TIMELINE, "at", _item),
    "near_timeline": Way(TIMELINE, "at", _near_item),
    "calls": Way(CALLS, "started_at", _call),
    "decisions": Way(DECISIONS, "at", _decision),
    "documents": Way(DOCUMENTS, "created_at", _document),
    "consents": Way(CONSENTS, "given_at", _consent),
    "moved": Way(MOVED, "id", _moved),
    "pairs": Way(DUPLICATES, "id", _pair),
}
