"""Erasure of one person's data: what he told and who he is goes, what was counted stays.

It begins with a transaction that takes his identities and blanks the person, so that his next contact makes a new one.
The rest is a worker's: what indexes lead to goes first (`erasure_reach.py`), then one walk through everything else for
all who have come so far (`erasure_walk.py`). How far it has come is in the rows of the erasure and of the walk: a stop
in between costs nothing. An erasure that fails says why in its row, is tried again later, and holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace

from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.blocklist import BLOCKED
from crm_core.changes import tell
from crm_core.contact_card import CARD
from crm_core.errors import Conflict, Invalid
from crm_core.merge import MERGES
from crm_core.merged import MERGED_AWAY
from crm_core.people import IDENTITIES, PEOPLE, Identity, IdentityKind, MessengerAccount, Person
from crm_core.personal_data import (
    ERASURE_WALKS,
    ERASURES,
    MAX_TEXT,
    Erasure,
    ErasureWalk,
    accounts_of,
    marks_of,
    names_of,
    person_for,
)
from crm_core.rights import Action
from crm_core.search import forget
from router.erasure_hide import Secrets
from router.erasure_reach import Kept, reach, todo_of
from router.erasure_walk import (
    MOST,
    REMOVE,
    Found,
    begin_walk,
    clean_row,
    finish,
    give_up,
    look_again,
    note_piece,
    people_of,
    read_piece,
)
from storage import Collection, ReadTx, Store, StoreUnavailable, Tx

log = structlog.get_logger("erasure")

LOOK_EVERY = 30.0
BREATH = 0.005
"""Seconds between two pieces, for everybody else."""
RETRY, LONGEST = timedelta(minutes=1), timedelta(hours=6)
MANY = 1000
"""Erasures that one look takes up."""
_EMPTY: dict[str, Any] = {"fields": {}}


def begin_erasure(tx: Tx, actor: Actor, person_id: str, ground: str) -> Erasure:
    """Take his identities and blank the person; the worker does the rest. `Conflict` when it was done already, or when
    a merge is still moving what is his."""
    person = person_for(tx, actor, person_id, Action.DELETE)
    if not ground.strip() or len(ground) > MAX_TEXT:
        raise Invalid({"ground": f"Укажите основание: заявление, отзыв согласия, срок; не длиннее {MAX_TEXT} знаков"})
    _clear_former(tx, person)
    ids = _ids_of(tx, person.id)
    merges, former = _forget_merges(tx, ids)
    found = [_with_identities(person, _take_identities(tx, person.id)), *former]
    _blank(tx, person)
    erasure = Erasure(
        id=person.id,
        ground=ground.strip(),
        by_id=actor.id,
        by=actor.name,
        begun_at=tx.now,
        todo=(
            *(job for each in ids for job in todo_of(each)),
            *_calls_of(found),
            *(f"moved:merge_id:{m}" for m in merges),
        ),
        marks=_together(marks_of(each) for each in found),
        accounts=_together(accounts_of(each) for each in found),
        names=_together(names_of(each) for each in found),
        records=ids,
    )
    record(tx, actor, "contact", person.id, "erased", {"ground": (None, erasure.ground)})
    tell(tx, "contact", person.id, "erased")
    return tx.insert(ERASURES, erasure)


def _clear_former(tx: Tx, person: Person) -> None:
    """Somebody may have filled an erased card again; the audit trail keeps the former erasure."""
    former = tx.get(ERASURES, person.id)
    if former is None:
        return
    if former.open or is_blank(person):
        raise Conflict("Данные этого контакта уже удаляются или удалены")
    tx.delete(ERASURES, former)


def is_blank(person: Person) -> bool:
    """As an erasure leaves a card."""
    shown = (person.name, person.company, person.phones, person.emails, person.messengers)
    return not any((*shown, *(getattr(person, name) for name in CARD)))


def _ids_of(tx: ReadTx, person_id: str) -> tuple[str, ...]:
    """His own, and those of everybody who was merged into him."""
    ids, place = [person_id], 0
    while place < len(ids):
        ids += [each.id for each in tx.find(MERGED_AWAY, {"merged_into": ids[place]})]
        place += 1
    return tuple(ids)


def _forget_merges(tx: Tx, ids: Sequence[str]) -> tuple[list[str], list[Person]]:
    """What the merges kept for an undo, which is not possible any more: their ids, and the people as they were."""
    found = [merge for side in ("into_id", "from_id") for each in ids for merge in tx.find(MERGES, {side: each})]
    if any(merge.state in ("moving", "undoing") for merge in found):
        raise Conflict("Контакт ещё объединяется с другим: повторите через минуту")
    former: list[Person] = []
    for merge in {each.id: each for each in found}.values():
        former += [msgspec.convert(image, Person) for image in (merge.gone, merge.before, merge.after) if image]
        tx.update(MERGES, merge, gone={}, before={}, after={})
    return [each.id for each in found], former


def _take_identities(tx: Tx, person_id: str) -> list[Identity]:
    identities = tx.find(IDENTITIES, {"person_id": person_id})
    for identity in identities:
        tx.delete(IDENTITIES, identity)
        if blocked := tx.get(BLOCKED, identity.id):
            tx.delete(BLOCKED, blocked)
    return identities


def _with_identities(person: Person, identities: Iterable[Identity]) -> Person:
    """The person with everything that he is recognised by, whatever his card shows."""
    values: dict[IdentityKind, list[str]] = {kind: [] for kind in IdentityKind}
    for identity in identities:
        values[identity.kind].append(identity.value)
    accounts = [value.partition(":") for value in values[IdentityKind.MESSENGER]]
    return replace(
        person,
        phones=(*person.phones, *values[IdentityKind.PHONE]),
        emails=(*person.emails, *values[IdentityKind.EMAIL]),
        messengers=(*person.messengers, *(MessengerAccount(id=id, network=network) for network, _, id in accounts)),
    )


def _blank(tx: Tx, person: Person) -> None:
    card = {name: _EMPTY.get(name) for name in CARD}
    tx.update(PEOPLE, person, name=None, company=None, phones=(), emails=(), messengers=(), **card)
    forget(tx, "contact", person.id)


def _together(found: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def _calls_of(people: Iterable[Person]) -> tuple[str, ...]:
    """Calls of his that belong to no lead."""
    phones = dict.fromkeys(phone for person in people for phone in person.phones)
    return tuple(f"calls:number:{phone}" for phone in phones)


def note_failure(tx: Tx, person_id: str, error: str) -> Erasure:
    """Why the erasure stopped, and when it is tried again: sooner at first."""
    erasure = tx.require(ERASURES, person_id)
    wait = min(RETRY * 2 ** min(erasure.attempts, 10), LONGEST)
    return tx.update(ERASURES, erasure, failure=error, attempts=erasure.attempts + 1, retry_at=tx.now + wait)


def waiting(tx: ReadTx, *, for_walk: bool) -> list[Erasure]:
    """Erasures whose turn it is: those that wait for a walk, or the others."""
    found = tx.find(ERASURES, {"open": True}, limit=MANY)
    due = (each for each in found if each.retry_at is None or each.retry_at <= tx.now)
    return [each for each in due if (each.step == "walk") is for_walk]


class Eraser:
    """Works off what was begun; goes on after a restart where it stopped."""

    def __init__(self, store: Store, collections: Sequence[Collection[Any]], kept: Callable[[], Kept]) -> None:
        self._store = store
        self._collections = {each.name: each for each in collections}
        self._order = tuple(self._collections)
        self._kept = kept
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        stop = self._store.listen(lambda touched: self._news.set() if ERASURES.name in touched else None)
        try:
            while True:
                self._news.clear()
                with contextlib.suppress(StoreUnavailable):
                    await self.look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._news.wait()
        finally:
            stop()

    async def look(self) -> None:
        """Everything whose turn it is, to its end or to its failure."""
        for erasure in await self._store.read(waiting, for_walk=False):
            await self._reach(erasure.id)
        walk = await self._store.read(lambda tx: tx.first(ERASURE_WALKS))
        if walk is None and (ready := await self._store.read(waiting, for_walk=True)):
            walk = await self._store.write(begin_walk, [each.id for each in ready[:MOST]])
        if walk is not None:
            try:
                await self._walk(walk)
            except StoreUnavailable:
                raise
            except Exception as error:
                for person_id in await self._store.write(give_up, walk.id):
                    await self._failed(person_id, error)

    async def _reach(self, person_id: str) -> None:
        try:
            while (await self._store.write_background(reach, person_id, self._kept())).step == "reach":  # noqa: ASYNC110 - a pause between pieces
                await asyncio.sleep(BREATH)
        except StoreUnavailable:
            raise
        except Exception as error:
            await self._failed(person_id, error)

    async def _failed(self, person_id: str, error: Exception, where: str = "") -> None:
        kind = type(error).__name__  # its words may hold what is to be forgotten
        frame = traceback.extract_tb(error.__traceback__)[-1]
        log.error("erasure failed", person=person_id, where=where, error=kind, file=frame.filename, line=frame.lineno)
        text = f"Не очистилась запись {where}({kind}). Попытка повторится сама; подробности — в журнале службы"
        await self._store.write(note_failure, person_id, text)

    async def _walk(self, walk: ErasureWalk | None) -> None:
        erasures = {each.id: each for each in await self._store.read(people_of, walk.id)} if walk else {}
        secrets = Secrets.of(erasures.values())
        while walk is not None:
            if walk.step != REMOVE:
                walk = await self._piece(walk, secrets, erasures)
            elif left := await self._remove(walk):
                walk = await self._store.write(look_again, walk.id, left, self._order)
            else:
                break
            await asyncio.sleep(BREATH)
        for person_id in await self._store.write(finish, walk.id) if walk else ():
            log.info("person erased", person=person_id)

    async def _piece(self, walk: ErasureWalk, secrets: Secrets, erasures: Mapping[str, Erasure]) -> ErasureWalk | None:
        found, failed = Found(), frozenset[str]()
        collection = self._collections.get(walk.step.partition(":")[2])
        if collection is not None:
            found = await self._store.read(read_piece, walk, collection, secrets, erasures)
            failed = await self._clean(walk.id, collection, found, erasures)
        return await self._store.write(note_piece, walk, found, failed, self._order)

    async def _clean(
        self, walk_id: str, collection: Collection[Any], found: Found, erasures: Mapping[str, Erasure]
    ) -> frozenset[str]:
        """Those for whom it failed."""
        failed: set[str] = set()
        for row_id, whose in found.rows:
            try:
                await self._store.write_background(
                    clean_row, walk_id, collection, row_id, [erasures[each] for each in whose]
                )
            except StoreUnavailable:
                raise
            except Exception as error:
                failed |= whose
                for person_id in whose:
                    await self._failed(person_id, error, f"«{collection.name}» ")
        return frozenset(failed)

    async def _remove(self, walk: ErasureWalk) -> list[str]:
        """The files that somebody has brought again since the walk began to look for them."""
        removed = [(blob, await self._store.blobs.remove(blob, walk.looked_from)) for blob in walk.blobs]
        return [blob for blob, gone in removed if not gone]
