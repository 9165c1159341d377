"""The journal: every inbound that was ever acknowledged, and what became of it.

`(connector, external_id)` makes the id, so a redelivery finds its own record. A pending record is claimed by moving
`available_at` into the future (the lease) and counting the attempt, before it is handled: a record that kills the
process is counted too, and goes to the quarantine after `MAX_ATTEMPTS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec

from connectors import cursors
from connectors.contract import CallPhase, Inbound, Receipt
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record as audit
from crm_core.changes import tell
from crm_core.errors import Conflict, Missing
from crm_core.rights import Action
from storage import Collection, Entity, Gt, Index, Lte, ReadTx, Tx

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
TOLD_AGAIN = "call_told_again"
"""Rule of a call's beginning that was durable together with its ringing."""
_MICROSECOND = timedelta(microseconds=1)


class JournalRecord(Entity, frozen=True, kw_only=True):
    """`id` is that of the inbound."""

    inbound: Inbound
    connector: str
    state: str = "pending"
    """`pending`, `done`, `ignored`, `quarantined`, `discarded`."""
    pending: bool = True
    available_at: datetime
    received_at: datetime
    attempts: int = 0
    trusted: bool = False
    """Somebody on duty said that this is no robot: it is not screened again."""
    worker: str | None = None
    """Who holds the lease, or held it last."""
    done_at: datetime | None = None
    rule: str | None = None
    lead_id: str | None = None
    person_id: str | None = None
    error: str | None = None


JOURNAL = Collection(
    "journal",
    JournalRecord,
    [
        Index("available_at", where={"pending": True}),
        Index("received_at"),
        Index("state", "received_at"),
        Index("connector", "received_at"),
    ],
)


Arrival = tuple[Sequence[Inbound], tuple[str, Any] | None]
"""What one caller brings: inbounds, and the cursor of their connector."""


def accept(tx: Tx, inbounds: Sequence[Inbound], cursor: tuple[str, Any] | None = None) -> list[Receipt]:
    """Write the inbounds down, with the connector's cursor; those known already are reported as duplicates."""
    return accept_together(tx, [(inbounds, cursor)])[0]


def accept_together(tx: Tx, arrivals: Sequence[Arrival]) -> list[list[Receipt]]:
    """The same for several callers, in their order: all of it or nothing."""
    # Microseconds apart, so that what came together is handled in the order in which it came.
    moment = tx.now - timedelta(microseconds=sum(len(inbounds) for inbounds, _ in arrivals))
    records = []
    for inbounds, _ in arrivals:
        ringing = _ringing(inbounds)
        for inbound in inbounds:
            moment += _MICROSECOND
            is_told_again = inbound.conversation in ringing and _is_beginning(inbound)
            records.append(_record_of(inbound, moment, is_told_again=is_told_again))
    added = iter(zip(records, tx.insert_unknown(JOURNAL, records), strict=True))
    for inbounds, cursor in arrivals:
        if cursor is not None and inbounds:
            cursors.save(tx, inbounds[0].connector, *cursor)
    return [
        [Receipt(id=record.id, duplicate=not new) for record, new in islice(added, len(inbounds))]
        for inbounds, _ in arrivals
    ]


def _record_of(inbound: Inbound, moment: datetime, *, is_told_again: bool) -> JournalRecord:
    record = JournalRecord(
        id=inbound.id, inbound=inbound, connector=inbound.connector, available_at=moment, received_at=moment
    )
    if is_told_again:
        record = msgspec.structs.replace(record, state="done", pending=False, done_at=moment, rule=TOLD_AGAIN)
    return record


def _ringing(inbounds: Sequence[Inbound]) -> frozenset[str | None]:
    """Calls that ring by now. A phase repeats what the earlier ones said, so the beginning of a call that came together
    with its ringing needs no handling of its own: when fifty phones ring at once, that is half the way to the cards."""
    if len(inbounds) == 1:
        return frozenset()
    return frozenset(each.conversation for each in inbounds if each.call and each.call.phase is CallPhase.RINGING)


def _is_beginning(inbound: Inbound) -> bool:
    return inbound.call is not None and inbound.call.phase is CallPhase.STARTED


def claim(tx: Tx, limit: int, worker: str = "local") -> list[str]:
    """Take the oldest pending records for `LEASE`; the ids, oldest first."""
    ready = tx.find(JOURNAL, {"pending": True, "available_at": Lte(tx.now)}, sort="available_at", limit=limit)
    claimed = []
    for record in ready:
        if record.attempts >= MAX_ATTEMPTS:
            quarantine(tx, record, record.error or "обработка обрывалась вместе с процессом")
            continue
        tx.update(JOURNAL, record, available_at=tx.now + LEASE, attempts=record.attempts + 1, worker=worker)
        claimed.append(record.id)
    return claimed


def take_up(tx: Tx, worker: str = "local", *, blame: bool = True) -> int:
    """At the start of a worker, and after the store was away: what it held is available at once. Without `blame` the
    attempt does not count: it was the store that failed. Returns how many records."""
    held = tx.find(JOURNAL, {"pending": True, "available_at": Gt(tx.now)}, sort="available_at")
    mine = [record for record in held if record.worker == worker]
    for record in mine:
        attempts = record.attempts if blame else max(0, record.attempts - 1)
        tx.update(JOURNAL, record, available_at=record.received_at, attempts=attempts)
    return len(mine)


def next_pending(tx: ReadTx) -> datetime | None:
    """When the next pending record becomes available."""
    first = tx.first(JOURNAL, {"pending": True}, sort="available_at")
    return first.available_at if first else None


def contacts_wait(tx: ReadTx) -> bool:
    """Whether more has arrived than is handled by now."""
    moment = next_pending(tx)
    return moment is not None and moment <= tx.now


def fail(tx: Tx, record_id: str, error: str) -> None:
    """Handling failed: try again after a pause that doubles, or give up into the quarantine."""
    record = tx.get(JOURNAL, record_id)
    if record is None or not record.pending:
        return
    if record.attempts >= MAX_ATTEMPTS:
        quarantine(tx, record, error)
    else:
        pause = timedelta(milliseconds=100 * 4**record.attempts)
        tx.update(JOURNAL, record, available_at=tx.now + pause, error=error[:1000])


def quarantine(tx: Tx, record: JournalRecord, error: str) -> None:
    """Out of the way, visible to ops, with its reason."""
    tx.update(JOURNAL, record, state="quarantined", pending=False, error=error[:1000], done_at=tx.now)
    tell(tx, "quarantine", record.id, "added")


def list_journal(
    tx: ReadTx, actor: Actor, where: dict[str, Any], *, limit: int = 50, after: str | None = None
) -> list[JournalRecord]:
    """Records that match, newest first."""
    check(actor, "journal", Action.READ)
    return tx.find(JOURNAL, where, sort="-received_at", limit=limit, after=after)


def replay(tx: Tx, actor: Actor, record_id: str) -> JournalRecord:
    """Handle a quarantined record again, after whatever was wrong has been mended; or one that was ignored as a robot's
    or spam, which is believed this time."""
    record = _record(tx, actor, record_id, ("quarantined", "ignored"))
    if is_bare(record):
        raise Conflict("Содержимое этого обращения удалено: обрабатывать нечего")
    audit(tx, actor, "journal", record_id, "replayed")
    trusted = record.trusted or record.state == "ignored"
    return tx.update(
        JOURNAL, record, state="pending", pending=True, attempts=0, available_at=tx.now, done_at=None, trusted=trusted
    )


def is_bare(record: JournalRecord) -> bool:
    """Nothing of what was said is left, because of an erasure or of its age; only that it came."""
    return record.inbound.external_id == record.id


def discard(tx: Tx, actor: Actor, record_id: str) -> JournalRecord:
    """Give a quarantined record up for good; it stays in the journal."""
    record = _record(tx, actor, record_id, ("quarantined",))
    audit(tx, actor, "journal", record_id, "discarded")
    return tx.update(JOURNAL, record, state="discarded")


def _record(tx: ReadTx, actor: Actor, record_id: str, states: tuple[str, ...]) -> JournalRecord:
    check(actor, "journal", Action.MANAGE)
    record = tx.get(JOURNAL, record_id)
    if record is None:
        raise Missing("Такой записи в журнале нет")
    if record.state not in states:
        raise Conflict(f"Запись не в карантине, а в состоянии «{record.state}»")
    return record
