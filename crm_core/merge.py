"""Two contacts, or two companies, become one, and nothing is lost.

One record lives on, the other is merged away: it leaves its collection and its id leads to the living one from then on
(`merged.py`). Of fields that both have, whoever merges chooses; phones, emails and accounts are put together. What
refers to the record (`references.py`) is moved: the little that others rely on in the same transaction, the rest in
pieces of `PIECE` documents by a timer, so that ten thousand timeline items never hold up the writer. `Merge` keeps both
records as they were, `Moved` which documents went along: out of these `unmerge.py` takes it all back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from crm_core import timers
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.companies import COMPANIES, COMPANY_DUPLICATES, CustomerCompany, get_company
from crm_core.company import Company
from crm_core.contacts import get_person
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.leads import Lead, announce
from crm_core.merge_fields import COMPANY_CHOICES, PERSON_CHOICES, combined
from crm_core.merge_leads import Closed, Moves, settle_open_leads
from crm_core.merged import MERGED_AWAY, MergedAway
from crm_core.people import DUPLICATES, PEOPLE, Person, PossibleDuplicate
from crm_core.personal_data import check_not_erasing
from crm_core.references import TO_COMPANY, TO_PERSON, Reference
from crm_core.requisites import FIELDS as NUMBERS
from crm_core.requisites import check_requisites
from crm_core.rights import Action
from crm_core.timeline import ItemKind, TimelineItem, add
from storage import AnyOf, Collection, Entity, In, Index, ReadTx, Tx, UniqueViolation

UNDO_WITHIN = timedelta(days=30)
PIECE = 200
"""Documents that one transaction moves."""
MOVE = "merge_move"
"""Kind of the timer that goes on moving; its key is the merge's id."""
FORGET = "merge_forget"
"""Kind of the timer that ends the possibility to undo; its key is the merge's id."""


class Merge(Entity, frozen=True, kw_only=True):
    """One record that went into another."""

    entity: str
    """`contact` or `company`."""
    from_id: str
    into_id: str
    state: str = "moving"
    """`moving`, `done`, `undoing`, `undone`."""
    at: datetime
    undo_until: datetime
    actor_id: str | None
    actor: str
    gone: dict[str, Any] = {}
    """The record that was merged away, as it was."""
    before: dict[str, Any] = {}
    """The living record, before and after."""
    after: dict[str, Any] = {}
    pairs: tuple[PossibleDuplicate, ...] = ()
    """Possible duplicates that the record which is gone was part of, as they were."""
    closed_lead: str | None = None
    """The open lead that was closed because a person has only one, and the stage that it was closed from and into."""
    closed_from: str | None = None
    closed_into: str | None = None
    undone_at: datetime | None = None


class Moved(Entity, frozen=True, kw_only=True):
    """Documents that one step moved: in each, `field` went from `before` to `after`."""

    merge_id: str
    collection: str
    """`Reference.key`."""
    field: str
    before: str
    after: str
    ids: tuple[str, ...]
    at_once: bool = False


MERGES = Collection("merges", Merge, [Index("from_id", "state"), Index("into_id", "state"), Index("at")])
MOVED = Collection("merge_moved", Moved, [Index("merge_id")])


@dataclass(frozen=True, slots=True)
class Kind:
    """What is different between contacts and companies."""

    entity: str
    type: type[Any]
    collection: Collection[Any]
    duplicates: Collection[PossibleDuplicate]
    references: tuple[Reference, ...]
    get: Callable[[ReadTx, Actor, str, Action], Any]
    """The record, checked for an action, as it lives on."""


KINDS = {
    "contact": Kind("contact", Person, PEOPLE, DUPLICATES, TO_PERSON, get_person),
    "company": Kind("company", CustomerCompany, COMPANIES, COMPANY_DUPLICATES, TO_COMPANY, get_company),
}


def merge_people(
    tx: Tx,
    actor: Actor,
    company: Company,
    person_id: str,
    into_id: str,
    choices: Mapping[str, str],
    *,
    keep_lead: str | None = None,
    close_stage: str | None = None,
) -> Merge:
    """Merge a contact away into another. `choices`: field → `from` or `into`, whose value stays; without one, that of
    `into_id` unless it is empty. When both have an open lead, `keep_lead` says which one stays open and `close_stage`,
    a lost stage, how the other one is closed; its open tasks go over to the one that stays. Without them: `Conflict`.
    """
    gone, into = _both(tx, actor, KINDS["contact"], person_id, into_id)
    _check_pair(tx, gone.id, into.id, choices, PERSON_CHOICES)
    check_not_erasing(tx, gone.id, into.id)
    closed = settle_open_leads(tx, actor, company, gone.id, into.id, keep_lead, close_stage)
    gone, into = tx.require(PEOPLE, gone.id), tx.require(PEOPLE, into.id)  # a closed lead has left a mark on its person
    return _carry_out(
        tx, actor, KINDS["contact"], gone, into, combined(gone, into, choices, tx.now, company.customers), closed
    )


def merge_companies(
    tx: Tx, actor: Actor, company: Company, company_id: str, into_id: str, choices: Mapping[str, str]
) -> Merge:
    """Merge a company away into another; as for people. `Invalid` when the chosen requisites do not go together."""
    gone, into = _both(tx, actor, KINDS["company"], company_id, into_id)
    _check_pair(tx, gone.id, into.id, choices, COMPANY_CHOICES)
    result = combined(gone, into, choices, tx.now, company.customers)
    wrong = check_requisites({name: result[name] for name in NUMBERS})
    if not result["name"]:
        wrong["name"] = "Название не может быть пустым"
    if wrong:
        raise Invalid({f"fields.{name}": text for name, text in wrong.items()})
    return _carry_out(tx, actor, KINDS["company"], gone, into, result | {"updated_at": tx.now}, None)


def _both(tx: Tx, actor: Actor, kind: Kind, gone_id: str, into_id: str) -> tuple[Any, Any]:
    """Both records, which the actor may change."""
    gone = kind.get(tx, actor, gone_id, Action.UPDATE)
    try:
        return gone, kind.get(tx, actor, into_id, Action.UPDATE)
    except Missing as error:
        raise Invalid({"into": str(error)}) from None


def _check_pair(tx: Tx, gone: str, into: str, choices: Mapping[str, str], names: frozenset[str]) -> None:
    """Two different records, neither of them in the middle of another merge, and choices that can be made."""
    if gone == into:
        raise Invalid({"into": "Это одна и та же запись: объединять нечего"})
    wrong = {
        f"fields.{name[:100]}": f"Такого поля нет; есть {', '.join(sorted(names))}" for name in choices.keys() - names
    }
    for name, choice in choices.items():
        if name in names and choice not in ("from", "into"):
            wrong[f"fields.{name}"] = "Укажите from (из объединяемой записи) или into (из остающейся)"
    if wrong:
        raise Invalid(wrong)
    for state in ("moving", "undoing"):
        if tx.first(MERGES, AnyOf(tuple({field: each, "state": state} for field in _SIDES for each in (gone, into)))):
            raise Conflict("Одну из этих записей ещё переносит другое слияние: повторите через минуту")


_SIDES = ("from_id", "into_id")


def _carry_out(
    tx: Tx, actor: Actor, kind: Kind, gone: Any, into: Any, result: dict[str, Any], closed: Closed | None
) -> Merge:
    pairs = _settle_pairs(tx, kind, gone.id, into.id)
    tx.delete(kind.collection, gone)
    try:
        changed = tx.update(kind.collection, into, **result)
    except UniqueViolation as error:
        raise Conflict("Компания с выбранными ИНН и КПП уже есть, и это третья компания") from error
    merge = Merge(
        id=tx.new_id("mrg_"),
        entity=kind.entity,
        from_id=gone.id,
        into_id=into.id,
        at=tx.now,
        undo_until=tx.now + UNDO_WITHIN,
        actor_id=actor.id,
        actor=actor.name,
        gone=msgspec.to_builtins(gone),
        before=msgspec.to_builtins(into),
        after=msgspec.to_builtins(changed),
        pairs=pairs,
        closed_lead=closed.lead_id if closed else None,
        closed_from=closed.stage if closed else None,
        closed_into=closed.closed_as if closed else None,
    )
    merge = tx.insert(MERGES, merge)
    tx.insert(MERGED_AWAY, MergedAway(id=gone.id, merged_into=into.id, merge_id=merge.id))
    if closed is not None:
        _note(tx, merge, closed.moved, (closed.lead_id, closed.kept_id), at_once=True)
    for reference in kind.references:
        if reference.at_once:
            _move(tx, merge, reference, None)
    _tell(tx, actor, merge, gone, changed)
    timers.schedule(tx, FORGET, merge.id, merge.undo_until)
    return _go_on(tx, kind, merge)


def _go_on(tx: Tx, kind: Kind, merge: Merge) -> Merge:
    """Move one piece; the rest is the timer's."""
    left = PIECE
    for reference in kind.references:
        if left > 0 and not reference.at_once:
            left -= _move(tx, merge, reference, left)
    if left > 0:
        return tx.update(MERGES, merge, state="done")
    timers.schedule(tx, MOVE, merge.id, tx.now)
    return merge


def on_move(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: the next piece."""
    merge = tx.get(MERGES, timer.key)
    if merge is not None and merge.state == "moving":
        _go_on(tx, KINDS[merge.entity], merge)


def _move(tx: Tx, merge: Merge, reference: Reference, limit: int | None) -> int:
    """Point up to `limit` documents at the living record; how many there were."""
    found = tx.find(reference.collection, reference.where(merge.from_id), sort=reference.order, limit=limit)
    moved: Moves = {}
    for document in found:
        field, id = reference.repoint(tx, document, merge.from_id, merge.into_id)
        moved.setdefault((reference.key, field), []).append(id)
        if isinstance(document, Lead) and document.open:
            announce(tx, document, "updated")
    _note(tx, merge, moved, (merge.from_id, merge.into_id), at_once=reference.at_once)
    return len(found)


def _note(tx: Tx, merge: Merge, moved: Moves, change: tuple[str, str], *, at_once: bool) -> None:
    before, after = change
    for (key, field), ids in moved.items():
        step = Moved(
            id=tx.new_id("mov_"),
            merge_id=merge.id,
            collection=key,
            field=field,
            before=before,
            after=after,
            ids=tuple(ids),
            at_once=at_once,
        )
        tx.insert(MOVED, step)


def _settle_pairs(tx: Tx, kind: Kind, gone: str, into: str) -> tuple[PossibleDuplicate, ...]:
    """Possible duplicates of the record that goes: with the living one they are settled, with others they are its."""
    where = AnyOf(({"first_id": gone}, {"second_id": gone}))
    pairs = tx.find(kind.duplicates, where)
    for pair in pairs:
        other = pair.second_id if pair.first_id == gone else pair.first_id
        first, second = sorted((into, other))
        if other == into or tx.first(kind.duplicates, {"first_id": first, "second_id": second}) is not None:
            tx.update(kind.duplicates, pair, state="merged")
        else:
            tx.update(kind.duplicates, pair, first_id=first, second_id=second)
    return tuple(pairs)


def _tell(tx: Tx, actor: Actor, merge: Merge, gone: Any, into: Any) -> None:
    record(tx, actor, merge.entity, into.id, "merged", {"merged": (gone.id, into.id)})
    record(tx, actor, merge.entity, gone.id, "merged", {"merged_into": (None, into.id)})
    owners = (gone.owner_id, into.owner_id)
    tell(tx, merge.entity, gone.id, "merged", owners=owners, data={"into": into.id})
    tell(tx, merge.entity, into.id, "updated", owners=owners)
    if merge.entity == "contact":
        item = TimelineItem(
            id=tx.new_id("tl_"),
            kind=ItemKind.DECISION,
            at=tx.now,
            person_id=into.id,
            author_id=actor.id,
            author=actor.name,
            text=f"Объединён с контактом «{gone.name or 'без имени'}»",
            data={"merge_id": merge.id},
        )
        add(tx, item)


def on_forget(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: it can no longer be undone, so the list of what was moved goes, piece by piece."""
    pieces = tx.find(MOVED, {"merge_id": timer.key}, limit=PIECE)
    for piece in pieces:
        tx.delete(MOVED, piece)
    if len(pieces) == PIECE:
        timers.schedule(tx, FORGET, timer.key, tx.now)


def get_merge(tx: ReadTx, actor: Actor, merge_id: str, action: Action = Action.READ) -> Merge:
    """The merge, for whoever may do this with the record that was left."""
    merge = tx.get(MERGES, merge_id)
    if merge is None:
        raise Missing("Такого слияния нет")
    try:
        KINDS[merge.entity].get(tx, actor, merge.into_id, action)
    except Missing:  # that record is deleted; the merge itself is still told of
        check(actor, merge.entity, action)
    return merge


def merges_into(tx: ReadTx, actor: Actor, entity: str, record_id: str) -> list[Merge]:
    """What was merged into a record and can still be taken apart, newest first; for whoever may change it."""
    record = KINDS[entity].get(tx, actor, record_id, Action.READ)
    try:
        KINDS[entity].get(tx, actor, record.id, Action.UPDATE)
    except Forbidden:
        return []
    found = tx.find(MERGES, {"into_id": record.id, "state": In(["done", "moving"])}, limit=PIECE)
    return sorted(
        (each for each in found if each.gone and each.undo_until >= tx.now), key=lambda each: each.at, reverse=True
    )
