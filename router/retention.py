"""The terms of storage are carried out: once a day, rule by rule, in small pieces that give way to everything else.

Each rule reads its collection by date, oldest first, beside everybody else's work, and remembers how far it has come;
only what is due is written. So a day's run looks at what became due that day, and every `FULL`-th run at everything
again, because a lead may have been closed or a quarantined contact handled long after its date. People are not deleted
but erased, as on their own demand (`erasure.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from connectors.outbox import OUTBOX, OutboxMessage
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import AUDIT, record
from crm_core.deals import DEALS
from crm_core.errors import CoreError
from crm_core.leads import LEADS, open_lead_of
from crm_core.people import PEOPLE, Person
from crm_core.personal_data import CONSENTS, ERASURES, Consent
from crm_core.retention import KEEPER, RETENTION_RUNS, Retention, RetentionRun
from crm_core.rights import Action
from crm_core.tasks import TASK_LINKS, TASKS
from router.erasure import begin_erasure
from router.erasure_walk import bare_journal, bare_outbox, walk_for_files
from router.hours import AUTO_ANSWERS
from router.journal import JOURNAL, JournalRecord, is_bare
from storage import Collection, Lt, ReadTx, Store, StoreUnavailable, Tx

log = structlog.get_logger("retention")

EVERY = timedelta(days=1)
FULL = 30
"""Every so manieth run begins at the beginning."""
LOOK_EVERY = 600.0
BREATH = 0.05
PIECE, AT_ONCE = 200, 20
"""Documents that one reading looks at, and that one transaction changes."""
MOST_PEOPLE = 1000
"""People whose erasure one run begins; the rest is tomorrow's."""
EXAMINED = 5000
"""Documents that a preview looks at."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One term: what is old by the date in `field`, which of it is due, and what is done with it."""

    key: str
    title: str
    collection: Collection[Any]
    field: str
    is_due: Callable[[ReadTx, Any], bool]
    carry_out: Callable[[Tx, Any, int], Sequence[str]]
    """With the days of the term; the files that the document named."""
    most: int | None = None

    def days(self, terms: Retention) -> int | None:
        found: int | None = getattr(terms, f"{self.key}_days")
        return found


def _is_handled(tx: ReadTx, row: JournalRecord) -> bool:
    return not row.pending and row.state != "quarantined" and not is_bare(row)


def _is_sent(tx: ReadTx, row: OutboxMessage) -> bool:
    return not row.pending and bool(row.outbound.recipient)


def _delete_from(collection: Collection[Any]) -> Callable[[Tx, Any, int], Sequence[str]]:
    def delete(tx: Tx, row: Any, days: int) -> Sequence[str]:
        tx.delete(collection, row)
        return ()

    return delete


def _has_no_deal(tx: ReadTx, person: Person) -> bool:
    """A contract is a ground of its own to keep data; so is one of his company, which he may have signed."""
    own: list[dict[str, Any]] = [{"person_id": person.id}]
    own += [{"company_id": person.company_id}] if person.company_id else []
    if any(tx.first(DEALS, where) is not None for where in own):
        return False
    return not any(lead.deal_id for lead in tx.find(LEADS, {"person_id": person.id}, limit=PIECE))


def _is_forgotten(tx: ReadTx, person: Person) -> bool:
    """He came, was served, and nothing of his is open."""
    return (
        tx.get(ERASURES, person.id) is None
        and tx.first(LEADS, {"person_id": person.id}) is not None
        and open_lead_of(tx, person.id) is None
        and tx.first(TASKS, {"person_id": person.id, "open": True}) is None
        and tx.first(TASK_LINKS, {"entity": "contact", "record_id": person.id, "open": True}) is None
        and _has_no_deal(tx, person)
    )


def _has_left(tx: ReadTx, consent: Consent) -> bool:
    """Nothing that he agreed to stands any more, and he has not come again since."""
    person = tx.get(PEOPLE, consent.person_id)
    if person is None or consent.withdrawn_at is None or tx.get(ERASURES, person.id) is not None:
        return False
    standing = any(each.withdrawn_at is None for each in tx.find(CONSENTS, {"person_id": person.id}))
    return not standing and person.last_activity_at <= consent.withdrawn_at and _has_no_deal(tx, person)


def _erase_forgotten(tx: Tx, person: Person, days: int) -> Sequence[str]:
    begin_erasure(tx, KEEPER, person.id, f"Истёк срок хранения: {days} дн. без обращений и сделок")
    return ()


def _erase_left(tx: Tx, consent: Consent, days: int) -> Sequence[str]:
    assert consent.withdrawn_at is not None
    begin_erasure(tx, KEEPER, consent.person_id, f"Отзыв согласия {consent.withdrawn_at:%d.%m.%Y}")
    return ()


RULES = (
    Rule("withdrawn_consents", "Данные клиентов, отозвавших согласие", CONSENTS, "withdrawn_at", _has_left, _erase_left,
         MOST_PEOPLE),
    Rule("closed_leads", "Данные клиентов с закрытыми лидами и без сделок", PEOPLE, "last_activity_at", _is_forgotten,
         _erase_forgotten, MOST_PEOPLE),
    Rule("journal", "Содержимое обращений в журнале приёма", JOURNAL, "received_at", _is_handled,
         lambda tx, row, days: bare_journal(tx, row)),
    Rule("outbox", "Содержимое исходящих в журнале отправки", OUTBOX, "created_at", _is_sent,
         lambda tx, row, days: bare_outbox(tx, row)),
    Rule("auto_answers", "Отметки об автоответах", AUTO_ANSWERS, "at", lambda tx, row: True,
         _delete_from(AUTO_ANSWERS)),
    Rule("audit", "Журнал изменений", AUDIT, "at", lambda tx, row: True, _delete_from(AUDIT)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """What one reading found."""

    due: tuple[str, ...]
    after: str | None
    is_last: bool


def read_piece(tx: ReadTx, rule: Rule, days: int, after: str | None) -> Piece:
    """The ids that are due among the next documents older than the term."""
    where = {rule.field: Lt(tx.now - timedelta(days=days))}
    rows = tx.find(rule.collection, where, sort=rule.field, limit=PIECE, after=after)
    cursor = tx.cursor_after(rule.collection, rows[-1], rule.field) if rows else after
    return Piece(tuple(row.id for row in rows if rule.is_due(tx, row)), cursor, len(rows) < PIECE)


@dataclass(frozen=True, slots=True)
class Standing:
    """One rule as it stands."""

    rule: Rule
    days: int | None
    due: int
    """Records that the next run would reach, as far as a preview looks."""
    is_more: bool
    """The preview looked at `EXAMINED` of them and there are more."""
    run: RetentionRun | None


def preview(tx: ReadTx, actor: Actor, terms: Retention) -> list[Standing]:
    """Every rule with what would go now. Nothing is changed."""
    check(actor, "audit", Action.READ)
    return [_standing(tx, rule, rule.days(terms)) for rule in RULES]


def _standing(tx: ReadTx, rule: Rule, days: int | None) -> Standing:
    run = tx.get(RETENTION_RUNS, rule.key)
    if days is None:
        return Standing(rule, None, 0, False, run)
    due, after = 0, run.after if run else None
    for _ in range(EXAMINED // PIECE):
        piece = read_piece(tx, rule, days, after)
        due, after = due + len(piece.due), piece.after
        if piece.is_last:
            return Standing(rule, days, due, False, run)
    return Standing(rule, days, due, True, run)


def begin_run(tx: Tx, key: str) -> RetentionRun | None:
    """The run that is under way, or a new one when a day has passed; None: not yet."""
    found = tx.get(RETENTION_RUNS, key)
    if found is None:
        return tx.insert(RETENTION_RUNS, RetentionRun(id=key, started_at=tx.now))
    if found.finished_at is None:
        return found
    if tx.now - found.started_at < EVERY:
        return None
    after = None if found.runs % FULL == 0 else found.after
    return tx.update(RETENTION_RUNS, found, started_at=tx.now, finished_at=None, done=0, after=after)


def carry_out(tx: Tx, rule: Rule, days: int, ids: Sequence[str]) -> None:
    """These documents, as far as they are still due."""
    run = tx.require(RETENTION_RUNS, rule.key)
    blobs: list[str] = []
    done = 0
    for row_id in ids:
        row = tx.get(rule.collection, row_id)
        if row is None or not rule.is_due(tx, row):
            continue
        with contextlib.suppress(CoreError):  # a merge is moving what is his: the next full run finds him
            blobs += rule.carry_out(tx, row, days)
            done += 1
    found = tuple(dict.fromkeys((*run.blobs, *blobs)))
    tx.update(RETENTION_RUNS, run, done=run.done + done, blobs=found)


def note_piece(tx: Tx, rule: Rule, days: int, piece: Piece) -> bool:
    """How far the run has come; True at its end. The audit trail tells of each run that changed something."""
    run = tx.update(RETENTION_RUNS, tx.require(RETENTION_RUNS, rule.key), after=piece.after)
    if not piece.is_last and (rule.most is None or run.done < rule.most):
        return False
    cutoff = tx.now - timedelta(days=days)
    if run.done:
        record(tx, KEEPER, "retention", rule.key, "run", {"done": (None, run.done), "older_than": (None, cutoff)})
    if run.blobs:
        walk_for_files(tx, run.blobs)
    tx.update(RETENTION_RUNS, run, finished_at=tx.now, runs=run.runs + 1, blobs=())
    return True


class Keeper:
    """Carries the terms out; goes on after a restart where it stopped."""

    def __init__(self, store: Store, terms: Callable[[], Retention]) -> None:
        self._store = store
        self._terms = terms

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)  # first: a start has other work
            with contextlib.suppress(StoreUnavailable):
                await self.look()

    async def look(self) -> None:
        """Every rule whose day has come; one that fails holds up no other."""
        for rule in RULES:
            days = rule.days(self._terms())
            if days is None:
                continue
            try:
                await self._carry_out(rule, days)
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("retention failed", rule=rule.key)

    async def _carry_out(self, rule: Rule, days: int) -> None:
        run = await self._store.write(begin_run, rule.key)
        while run is not None:
            piece = await self._store.read(read_piece, rule, days, run.after)
            for start in range(0, len(piece.due), AT_ONCE):
                await self._store.write_background(carry_out, rule, days, piece.due[start : start + AT_ONCE])
                await asyncio.sleep(BREATH)
            if await self._store.write(note_piece, rule, days, piece):
                break
            run = await self._store.read(lambda tx: tx.get(RETENTION_RUNS, rule.key))
            await asyncio.sleep(BREATH)
