"""The part of an erasure that no index leads to: all collections are walked through, once for many people.

What was ignored or quarantined belongs to nobody, letters lie in the outbox and changes in the audit. Reading happens
in read transactions beside everybody else's work; a document that is about one of them is cleaned in a transaction of
its own. Afterwards each collection is asked whether it names one of their files; what nobody names is removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from connectors.contract import Inbound, MessageState, Outbound, Sender
from connectors.cursors import CURSORS
from connectors.outbox import OUTBOX, OutboxMessage
from crm_core.accounts import SESSIONS, TOKENS
from crm_core.audit import AUDIT, AuditEntry
from crm_core.blocklist import BLOCKED
from crm_core.calls import CALLS
from crm_core.changes import CHANGES, Change
from crm_core.decisions import DECISIONS
from crm_core.documents.issued import DOCUMENTS
from crm_core.documents.library import TEMPLATES
from crm_core.leads import LEADS
from crm_core.notifications import NOTIFICATIONS, Notification
from crm_core.people import DUPLICATES, IDENTITIES, PEOPLE
from crm_core.personal_data import CONSENTS, ERASURE_WALKS, ERASURES, Erasure, ErasureWalk
from crm_core.search import ENTRIES, STATE
from crm_core.sheets.jobs import IMPORT_ROWS, ImportRow
from crm_core.task_repeat import TASK_SERIES, TaskSeries
from crm_core.tasks import TASK_LINKS, TASK_PLACES, TASKS
from crm_core.timeline import TIMELINE
from crm_core.users import ABSENCES, DEPARTMENTS, USERS
from router import normalize
from router.erasure_hide import GONE, Secrets, hide, texts_of
from router.hours import AUTO_ANSWERS
from router.journal import JOURNAL, JournalRecord
from storage import Collection, Entity, Gt, ReadTx, Tx

REACHED = frozenset(
    each.name for each in (LEADS, PEOPLE, IDENTITIES, DUPLICATES, TIMELINE, CALLS, DECISIONS, DOCUMENTS, ENTRIES, STATE,
                           ERASURES, ERASURE_WALKS, CONSENTS, TASKS, TASK_LINKS)
)  # fmt: skip
"""Collections whose documents about a person are found by an index."""
OURS = frozenset(
    each.name for each in (USERS, DEPARTMENTS, ABSENCES, SESSIONS, TOKENS, TEMPLATES, CURSORS, TASK_PLACES)
)
"""Collections that hold nothing about customers."""
UNASKED = frozenset({ENTRIES.name, ERASURES.name, ERASURE_WALKS.name})
"""Collections that name files for no reason of their own."""
AT_ONCE = 200
MOST = 200
"""People in one walk."""
REMOVE = "remove"
"""The last step: the files."""
_BLOB = re.compile(r"[0-9a-f]{64}")


class Found(msgspec.Struct, frozen=True):
    """What one piece of reading has shown."""

    rows: tuple[tuple[str, frozenset[str]], ...] = ()
    """Id of a document, and whom it is about."""
    named: frozenset[str] = frozenset()
    """Files that were named."""
    last: str | None = None
    """The document after which the next piece begins; None: this collection is done."""


def begin_walk(tx: Tx, people: Sequence[str]) -> ErasureWalk:
    """For these people, whose erasures are at `walk`."""
    blobs = dict.fromkeys(blob for each in people for blob in tx.require(ERASURES, each).blobs)
    walk = ErasureWalk(id=tx.new_id("walk_"), people=tuple(people), step="begin", blobs=tuple(blobs))
    return tx.insert(ERASURE_WALKS, walk)


def walk_for_files(tx: Tx, blobs: Sequence[str]) -> None:
    """These files may have no name any more; a walk is to find out."""
    tx.insert(ERASURE_WALKS, ErasureWalk(id=tx.new_id("walk_"), people=(), step="begin", blobs=tuple(blobs)))


def people_of(tx: ReadTx, walk_id: str) -> list[Erasure]:
    """Whose walk it is."""
    walk = tx.get(ERASURE_WALKS, walk_id)
    return [tx.require(ERASURES, each) for each in walk.people] if walk else []


def _following(collections: Sequence[str], walk: ErasureWalk) -> str:
    """First everything is cleaned, then each collection is asked whether it names one of the files."""
    steps = ["begin"]
    steps += [f"clean:{each}" for each in collections if walk.people and each not in REACHED | OURS]
    if walk.blobs:
        steps += [f"files:{each}" for each in collections if each not in UNASKED]
    place = steps.index(walk.step) + 1 if walk.step in steps else len(steps)
    return steps[place] if place < len(steps) else REMOVE


def read_piece(
    tx: ReadTx, walk: ErasureWalk, collection: Collection[Any], secrets: Secrets, erasures: Mapping[str, Erasure]
) -> Found:
    """Whom the next documents are about, or which of the files they name."""
    where = {"id": Gt(walk.after)} if walk.after is not None else {}
    rows = tx.find(collection, where, sort="id", limit=AT_ONCE)
    last = rows[-1].id if len(rows) == AT_ONCE else None
    if walk.step.startswith("files:"):
        named = {blob for row in rows for blob in _BLOB.findall(msgspec.json.encode(row).decode())}
        return Found(named=frozenset(named & set(walk.blobs)), last=last)
    about = ((row.id, frozenset(_whose(row, secrets, erasures))) for row in rows)
    return Found(rows=tuple((id, whose) for id, whose in about if whose), last=last)


def _whose(row: Entity, secrets: Secrets, erasures: Mapping[str, Erasure]) -> set[str]:
    """What names one of his records is about him. What only has his phone or email is, unless it came after the
    erasure began: then he has come anew."""
    texts = [*texts_of(msgspec.to_builtins(row)), *re.split(r"[:\0]", row.id)]
    if isinstance(row, JournalRecord):
        texts += _marks_of(row.inbound.sender)
    told = {each for each in secrets.told_by(texts) if not _came_after(row, erasures[each].begun_at)}
    return told | secrets.named_by(texts)


def _came_after(row: Entity, moment: datetime) -> bool:
    return any(getattr(row, field, moment) > moment for field in ("received_at", "created_at", "at"))


def _marks_of(sender: Sender) -> list[str]:
    """An inbound may write a phone in any notation."""
    return [value for _, value in normalize.identities(sender)]


def clean_row(tx: Tx, walk_id: str, collection: Collection[Any], row_id: str, erasures: Sequence[Erasure]) -> None:
    """Clean one document that is about these people; the files that it named are noted."""
    row = tx.get(collection, row_id)
    if row is None:
        return
    secrets = Secrets.of(erasures)
    if collection.name in (AUTO_ANSWERS.name, BLOCKED.name):
        tx.delete(collection, row)
        return
    clean = _CLEAN.get(collection.name)
    blobs = clean(tx, row, secrets) if clean is not None else None
    if blobs is None:
        hide(tx, collection, row, secrets)
    walk = tx.get(ERASURE_WALKS, walk_id)
    if blobs and walk is not None:
        tx.update(ERASURE_WALKS, walk, blobs=tuple(dict.fromkeys((*walk.blobs, *blobs))))


def note_piece(
    tx: Tx, seen: ErasureWalk, found: Found, failed: frozenset[str], collections: Sequence[str]
) -> ErasureWalk | None:
    """How far the walk has come after a piece that began at `seen`. Those for whom it `failed` go on in another one.
    Another worker's progress stands; None when it has come to the end."""
    walk = tx.get(ERASURE_WALKS, seen.id)
    if walk is None or (walk.step, walk.after) != (seen.step, seen.after):
        return walk
    walk = tx.update(
        ERASURE_WALKS,
        walk,
        blobs=tuple(blob for blob in walk.blobs if blob not in found.named),
        people=tuple(each for each in walk.people if each not in failed),
        after=found.last,
    )
    if found.last is not None:
        return walk
    step = _following(collections, walk)
    begins = step.startswith("files:") and walk.looked_from is None
    return tx.update(ERASURE_WALKS, walk, step=step, looked_from=tx.now if begins else walk.looked_from)


def look_again(tx: Tx, walk_id: str, blobs: Sequence[str], collections: Sequence[str]) -> ErasureWalk | None:
    """Files that were brought again while the walk looked for their names: who names them is asked anew."""
    walk = tx.get(ERASURE_WALKS, walk_id)
    if walk is None or walk.step != REMOVE:
        return walk
    first = next(each for each in collections if each not in UNASKED)
    return tx.update(ERASURE_WALKS, walk, step=f"files:{first}", blobs=tuple(blobs), looked_from=tx.now)


def give_up(tx: Tx, walk_id: str) -> tuple[str, ...]:
    """End a walk; who was in it. Nobody, when another worker has ended it."""
    walk = tx.get(ERASURE_WALKS, walk_id)
    if walk is None:
        return ()
    tx.delete(ERASURE_WALKS, walk)
    return walk.people


def finish(tx: Tx, walk_id: str) -> tuple[str, ...]:
    """Forget what was looked for; whose erasures are finished."""
    people = give_up(tx, walk_id)
    for person_id in people:
        tx.update(
            ERASURES, tx.require(ERASURES, person_id), open=False, step="done", finished_at=tx.now, marks=(), names=(),
            accounts=(), records=(), blobs=(), failure=None, attempts=0, retry_at=None,
        )  # fmt: skip
    return people


def _journal(tx: Tx, row: JournalRecord, secrets: Secrets) -> list[str] | None:
    """Somebody else's letter that mentions him keeps the rest of its words."""
    if row.person_id is not None and row.person_id not in secrets.records and not _is_from(row, secrets):
        return None
    return bare_journal(tx, row)


def _is_from(row: JournalRecord, secrets: Secrets) -> bool:
    return bool(secrets.told_by(_marks_of(row.inbound.sender)))


def bare_journal(tx: Tx, row: JournalRecord) -> list[str]:
    """Its id stays, so that the same event is known for ever. What was not handled yet is given up. Its files."""
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


def _outbox(tx: Tx, row: OutboxMessage, secrets: Secrets) -> list[str] | None:
    to = (row.outbound.recipient, row.outbound.conversation or "")
    if row.lead_id is not None and row.lead_id not in secrets.records and not secrets.told_by(to):
        return None
    return bare_outbox(tx, row)


def bare_outbox(tx: Tx, row: OutboxMessage) -> list[str]:
    """That something was sent stays; what waits is not sent any more. Its files."""
    former = row.outbound
    bare = Outbound(
        id=former.id, connector=former.connector, recipient="", text="", author=former.author,
        automatic=former.automatic, created_at=former.created_at,
    )  # fmt: skip
    state = MessageState.CANCELLED if row.pending else row.state
    tx.update(OUTBOX, row, outbound=bare, lane=row.id, state=state, pending=False, error=None, external_id=None)
    return [file.blob for file in former.attachments]


def _audit(tx: Tx, row: AuditEntry, secrets: Secrets) -> list[str] | None:
    if row.entity_id not in secrets.records:
        return None
    if row.action != "erased":
        tx.update(AUDIT, row, changes={})
    return []


def _change(tx: Tx, row: Change, secrets: Secrets) -> list[str]:
    tx.update(CHANGES, row, data={})
    return []


def _note(tx: Tx, row: Notification, secrets: Secrets) -> list[str] | None:
    if {row.lead_id, row.task_id}.isdisjoint(secrets.records):
        return None
    tx.update(NOTIFICATIONS, row, text=GONE)
    return []


def _import_row(tx: Tx, row: ImportRow, secrets: Secrets) -> list[str]:
    errors = tuple(replace(each, value="") for each in row.errors)
    tx.update(IMPORT_ROWS, row, before={}, after={}, errors=errors)
    return []


def _series(tx: Tx, row: TaskSeries, secrets: Secrets) -> list[str] | None:
    if {row.task.id, row.task.lead_id, row.task.person_id}.isdisjoint(secrets.records):
        return None
    task = replace(
        row.task, title=GONE, description="", phone=None, result=None,
        checklist=tuple(replace(item, text=f"Пункт {place}") for place, item in enumerate(row.task.checklist, 1)),
    )  # fmt: skip
    tx.update(TASK_SERIES, row, task=task)
    return [file.id for file in row.task.files]


_CLEAN: dict[str, Callable[[Tx, Any, Secrets], list[str] | None]] = {
    JOURNAL.name: _journal,
    OUTBOX.name: _outbox,
    AUDIT.name: _audit,
    CHANGES.name: _change,
    NOTIFICATIONS.name: _note,
    IMPORT_ROWS.name: _import_row,
    TASK_SERIES.name: _series,
}
"""Returning None: it is not his own document, his name is hidden in it."""
