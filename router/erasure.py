"""Erasure of one person's data: what he told and who he is goes, what was counted stays.

It begins with a transaction that takes his identities and blanks the person, so that his next contact makes a new one.
The rest is done in pieces by a worker: his leads with all that hangs on them are reached by their indexes; the
journal, the outbox and everything else is walked through, because what was ignored or quarantined belongs to nobody.
Files that nothing names any more are deleted last. The place that was reached is in the row of the erasure: a stop in
between costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace

from connectors.contract import Inbound, MessageState, Outbound, Sender
from connectors.outbox import OUTBOX, OutboxMessage
from crm_core import callbacks
from crm_core.actor import Actor
from crm_core.audit import AUDIT, AuditEntry, record
from crm_core.blocklist import BLOCKED
from crm_core.calls import CALLS
from crm_core.changes import CHANGES, Change, tell
from crm_core.decisions import DECISIONS
from crm_core.errors import Conflict, Invalid
from crm_core.leads import LEADS, Lead
from crm_core.notifications import NOTIFICATIONS, Notification
from crm_core.people import DUPLICATES, IDENTITIES, PEOPLE
from crm_core.personal_data import CONSENTS, ERASURES, MAX_TEXT, Erasure, marks_of, names_of, person_for
from crm_core.rights import Action
from crm_core.search import ENTRIES, STATE, forget
from crm_core.tasks import TASKS
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem
from router import normalize
from router.hours import AutoAnswer
from router.journal import JOURNAL, JournalRecord
from storage import Collection, Entity, Gt, Store, StoreUnavailable, Tx

log = structlog.get_logger("erasure")

GONE = "Данные удалены"
AT_ONCE = 200
LOOK_EVERY = 30.0
REACHED = frozenset(
    {LEADS.name, PEOPLE.name, IDENTITIES.name, TIMELINE.name, CALLS.name, DECISIONS.name, ENTRIES.name, STATE.name,
     ERASURES.name, CONSENTS.name}
)  # fmt: skip
"""Collections whose rows about him are found by an index."""
Walked = Sequence[Collection[Any]]


def begin_erasure(tx: Tx, actor: Actor, person_id: str, ground: str) -> Erasure:
    """Take his identities and blank the person; the worker does the rest. `Conflict` when it was done already."""
    person = person_for(tx, actor, person_id, Action.DELETE)
    if not ground.strip() or len(ground) > MAX_TEXT:
        raise Invalid({"ground": f"Укажите основание: заявление, отзыв согласия, срок; не длиннее {MAX_TEXT} знаков"})
    if tx.get(ERASURES, person_id) is not None:
        raise Conflict("Данные этого контакта уже удаляются или удалены")
    identities = tx.find(IDENTITIES, {"person_id": person_id})
    for identity in identities:
        tx.delete(IDENTITIES, identity)
        if blocked := tx.get(BLOCKED, identity.id):
            tx.delete(BLOCKED, blocked)
    for pair in (*tx.find(DUPLICATES, {"first_id": person_id}), *_second_of(tx, person_id)):
        tx.delete(DUPLICATES, pair)
    for consent in tx.find(CONSENTS, {"person_id": person_id}):
        tx.update(CONSENTS, consent, page=None)
    tx.update(PEOPLE, person, name=None, company=None, phones=(), emails=(), messengers=())
    forget(tx, "contact", person_id)
    marks = {*marks_of(person), *(identity.value for identity in identities)}
    erasure = Erasure(
        id=person_id,
        ground=ground.strip(),
        by_id=actor.id,
        by=actor.name,
        begun_at=tx.now,
        marks=tuple(sorted(marks, key=len, reverse=True)),
        names=names_of(person),
    )
    record(tx, actor, "contact", person_id, "erased", {"ground": (None, erasure.ground)})
    tell(tx, "contact", person_id, "erased")
    return tx.insert(ERASURES, erasure)


def _second_of(tx: Tx, person_id: str) -> list[Any]:
    """Pairs are filed by their first person; there are few open ones."""
    return [pair for pair in tx.find(DUPLICATES, {"state": "open"}, sort="-created_at", limit=1000)
            if pair.second_id == person_id]  # fmt: skip


def next_piece(tx: Tx, person_id: str, walked: Walked, kept_fields: frozenset[str]) -> Erasure:
    """One piece of work; the erasure as it is afterwards: at `files` only files are left to delete."""
    erasure = tx.require(ERASURES, person_id)
    if erasure.step == "files":
        return erasure
    if erasure.step == "leads":
        return _leads(tx, erasure, walked, kept_fields)
    kind, _, name = erasure.step.partition(":")
    collection = next((each for each in walked if each.name == name), None)
    rows: list[Any] = []
    if collection is not None:
        where = {"id": Gt(erasure.after)} if erasure.after is not None else {}
        rows = tx.find(collection, where, sort="id", limit=AT_ONCE)
        if kind == "clean":
            found = [blob for row in rows for blob in _cleaned(tx, collection, row, erasure)]
            erasure = tx.update(ERASURES, erasure, blobs=tuple(dict.fromkeys((*erasure.blobs, *found))))
        else:
            erasure = tx.update(ERASURES, erasure, blobs=_unnamed(erasure.blobs, rows))
    if len(rows) == AT_ONCE:
        return tx.update(ERASURES, erasure, after=rows[-1].id)
    return tx.update(ERASURES, erasure, step=_following(erasure, walked), after=None)


def _following(erasure: Erasure, walked: Walked) -> str:
    """First everything is cleaned, then each collection is asked whether it names one of his files."""
    steps = [f"clean:{each.name}" for each in walked if each.name not in REACHED]
    if erasure.blobs or erasure.step == "leads":
        steps += [f"files:{each.name}" for each in walked if each.name not in (ENTRIES.name, ERASURES.name)]
    place = steps.index(erasure.step) + 1 if erasure.step in steps else 0
    return steps[place] if place < len(steps) and not _is_needless(steps[place], erasure) else "files"


def _is_needless(step: str, erasure: Erasure) -> bool:
    return step.startswith("files:") and not erasure.blobs


def _unnamed(blobs: tuple[str, ...], rows: Iterable[Entity]) -> tuple[str, ...]:
    if not blobs:
        return ()
    text = b"".join(map(msgspec.json.encode, rows))
    return tuple(blob for blob in blobs if blob.encode() not in text)


def _leads(tx: Tx, erasure: Erasure, walked: Walked, kept_fields: frozenset[str]) -> Erasure:
    """His leads, one in a piece, and at last what hangs on him without a lead."""
    blobs = list(erasure.blobs)
    where: dict[str, Any] = {"person_id": erasure.id}
    lead = next((each for each in tx.find(LEADS, where, sort="created_at") if each.id not in erasure.leads), None)
    if lead is not None:
        blobs += _lead(tx, lead, kept_fields)
        names = (lead.title, *([lead.company] if lead.company else []), *erasure.names)
        done = (*erasure.tasks, *_tasks(tx, {"lead_id": lead.id}))
        return tx.update(
            ERASURES, erasure, leads=(*erasure.leads, lead.id), tasks=done, names=names,
            blobs=tuple(dict.fromkeys(blobs)),
        )  # fmt: skip
    blobs += [blob for item in tx.find(TIMELINE, where) for blob in _item(tx, item)]
    done = tuple(dict.fromkeys((*erasure.tasks, *_tasks(tx, where))))
    for mark in erasure.marks:
        for call in tx.find(CALLS, {"number": mark}):
            tx.update(CALLS, call, number=None, recording=None)
    erasure = tx.update(ERASURES, erasure, blobs=tuple(dict.fromkeys(blobs)), tasks=done)
    return tx.update(ERASURES, erasure, step=_following(erasure, walked))


def _lead(tx: Tx, lead: Lead, kept_fields: frozenset[str]) -> list[str]:
    """Stage, source, dates and counters stay."""
    callbacks.cancel_callbacks(tx, lead.id, GONE)
    sources = {name: replace(getattr(lead, name), page=None, referrer=None) for name in _TOUCHES}
    fields = {key: value for key, value in lead.fields.items() if key in kept_fields}
    lead = tx.update(LEADS, lead, title=f"Лид {lead.number}", company=None, fields=fields, **sources)
    forget(tx, "lead", lead.id)
    where: dict[str, Any] = {"lead_id": lead.id}
    blobs = [blob for item in tx.find(TIMELINE, where) for blob in _item(tx, item)]
    for call in tx.find(CALLS, where):
        tx.update(CALLS, call, number=None, recording=None)
    for decision in tx.find(DECISIONS, where):
        tx.update(DECISIONS, decision, text="", steps=())
    tell(tx, "lead", lead.id, "updated", lead_id=lead.id, owners=(lead.owner_id, lead.offered_to))
    return blobs


_TOUCHES = ("source", "first_touch", "last_touch")


def _tasks(tx: Tx, where: dict[str, Any]) -> list[str]:
    """Their ids, for what else speaks of them."""
    found = tx.find(TASKS, where)
    for task in found:
        title = f"Задача {task.number}"
        tx.update(TASKS, task, title=title, description="", phone=None, result=None)
        for item in tx.find(TIMELINE, {"task_id": task.id}):
            _item(tx, item)
        forget(tx, "task", task.id)
    return [task.id for task in found]


def _item(tx: Tx, item: TimelineItem) -> list[str]:
    """That it happened stays, and who of ours did it."""
    text = item.text if item.kind is ItemKind.STAGE else ""
    author = item.author if item.author_id is not None or item.direction != "in" else None
    call = {key: value for key, value in (item.call or {}).items() if key not in ("number", "recording")}
    data = {key: value for key, value in item.data.items() if key in ("from", "to", "state")}
    tx.update(
        TIMELINE, item, text=text, author=author, subject=None, html=None, attachments=(), fields={}, error=None,
        message_id=None, references=(), conversation=None, address=None, call=call or None, data=data,
    )  # fmt: skip
    return [file.id for file in item.attachments]


def _cleaned(tx: Tx, collection: Collection[Any], row: Any, erasure: Erasure) -> list[str]:
    """Clean one row when it is about him; the files that it named."""
    if any(getattr(row, field, erasure.begun_at) > erasure.begun_at for field in ("received_at", "created_at", "at")):
        return []  # if it is his, he has come anew
    text = msgspec.json.encode(row).decode()
    marks = (*erasure.marks, erasure.id, *erasure.leads, *erasure.tasks)
    if not _pattern(marks).search(text) and not _is_from(row, erasure):
        return []
    if isinstance(row, AutoAnswer) or (erasure.marks and _pattern(erasure.marks).search(row.id)):
        tx.delete(collection, row)
        return []
    clean = _CLEAN.get(collection.name)
    if clean is not None:
        return clean(tx, row)
    hidden = _hidden(msgspec.to_builtins(row), (*erasure.marks, *erasure.names))
    tx.replace(collection, msgspec.convert(hidden, collection.type))
    return []


@lru_cache(maxsize=8)
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str]:
    """Whole ones only: `a@b.ru` is no part of `maria@b.ru`, and a phone none of a longer number."""
    return re.compile(r"(?<![\w.@-])(?:" + "|".join(map(re.escape, marks)) + r")(?![\w@-]|\.\w)")


def _is_from(row: Any, erasure: Erasure) -> bool:
    """An inbound may write his phone in any notation; an automatic answer is known by whom it went to."""
    if isinstance(row, AutoAnswer):
        return not set(erasure.names).isdisjoint(row.id.split(":"))
    if not isinstance(row, JournalRecord):
        return False
    sender = row.inbound.sender
    found: list[str | None] = [number for text in sender.phones for number in normalize.phones(text)]
    found += (normalize.email(text) for text in sender.emails)
    found += (f"{account.network}:{account.id}" for account in sender.messengers)
    return not set(erasure.marks).isdisjoint(found)


def _hidden(value: Any, marks: Sequence[str]) -> Any:
    if isinstance(value, str):
        for mark in marks:
            value = value.replace(mark, GONE)
        return value
    if isinstance(value, dict):
        return {key: _hidden(each, marks) for key, each in value.items()}
    return [_hidden(each, marks) for each in value] if isinstance(value, list | tuple) else value


def _journal(tx: Tx, row: JournalRecord) -> list[str]:
    """Its id stays, so that the same event is known for ever. What was not handled yet is given up."""
    former = row.inbound
    call = replace(former.call, number=None, recording=None) if former.call else None
    bare = Inbound(
        connector=former.connector, channel=former.channel, external_id=row.id, kind=former.kind,
        occurred_at=former.occurred_at, sender=Sender(), source=replace(former.source, page=None, referrer=None),
        owner_id=former.owner_id, call=call,
    )  # fmt: skip
    state = "discarded" if row.state in ("pending", "quarantined") else row.state
    tx.update(JOURNAL, row, inbound=bare, state=state, pending=False, error=None)
    for decision in tx.find(DECISIONS, {"inbound_id": row.id}):
        tx.update(DECISIONS, decision, text="", steps=())
    return [file.blob for file in former.attachments] + ([former.raw] if former.raw else [])


def _outbox(tx: Tx, row: OutboxMessage) -> list[str]:
    former = row.outbound
    bare = Outbound(
        id=former.id, connector=former.connector, recipient="", text="", author=former.author,
        automatic=former.automatic, created_at=former.created_at,
    )  # fmt: skip
    state = MessageState.CANCELLED if row.pending else row.state
    tx.update(OUTBOX, row, outbound=bare, lane=row.id, state=state, pending=False, error=None, external_id=None)
    return [file.blob for file in former.attachments]


def _audit(tx: Tx, row: AuditEntry) -> list[str]:
    if row.action != "erased":
        tx.update(AUDIT, row, changes={})
    return []


def _change(tx: Tx, row: Change) -> list[str]:
    tx.update(CHANGES, row, data={})
    return []


def _note(tx: Tx, row: Notification) -> list[str]:
    tx.update(NOTIFICATIONS, row, text=GONE)
    return []


_CLEAN: dict[str, Callable[[Tx, Any], list[str]]] = {
    JOURNAL.name: _journal,
    OUTBOX.name: _outbox,
    AUDIT.name: _audit,
    CHANGES.name: _change,
    NOTIFICATIONS.name: _note,
    TASKS.name: lambda tx, row: [],
}


def finish(tx: Tx, person_id: str) -> Erasure:
    """Forget what was looked for."""
    erasure = tx.require(ERASURES, person_id)
    return tx.update(
        ERASURES, erasure, open=False, finished_at=tx.now, marks=(), names=(), leads=(), tasks=(), blobs=(), after=None
    )


class Eraser:
    """Works off what was begun; goes on after a restart where it stopped."""

    def __init__(self, store: Store, collections: Walked, kept_fields: Callable[[], frozenset[str]]) -> None:
        self._store = store
        self._collections = tuple(collections)
        self._kept_fields = kept_fields
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if ERASURES.name in touched else None)
        try:
            while True:
                self._news.clear()
                with contextlib.suppress(StoreUnavailable):
                    for erasure in await self._store.read(lambda tx: tx.find(ERASURES, {"open": True})):
                        await self.erase(erasure.id)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._news.wait()
        finally:
            stop()

    async def erase(self, person_id: str) -> None:
        """To the end, in pieces."""
        while True:
            erasure = await self._store.write(next_piece, person_id, self._collections, self._kept_fields())
            if erasure.step == "files":
                break
            await asyncio.sleep(0)
        for blob in erasure.blobs:
            await self._store.blobs.remove(blob)
        await self._store.write(finish, person_id)
        log.info("person erased", person=person_id, files=len(erasure.blobs))
