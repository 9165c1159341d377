"""A merge is taken back: both records as they were, and what had been moved goes back to where it came from.

What happened since stays: a field changed meanwhile keeps its value, and contacts that came in meanwhile stay with the
record that was living then. What cannot be taken back is refused with the reason.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from crm_core import timers
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.deals import DEALS, Deal
from crm_core.errors import Conflict
from crm_core.merge import FORGET, KINDS, MERGES, MOVED, PIECE, Kind, Merge, Moved, get_merge
from crm_core.merge_fields import taken_apart
from crm_core.merge_leads import reopen
from crm_core.merged import MERGED_AWAY
from crm_core.people import IDENTITIES, IdentityKind, Person, attach_identity, identity_id
from crm_core.references import TO_LEAD
from crm_core.rights import Action
from crm_core.worth import worth
from storage import Tx, UniqueViolation

UNDO = "merge_undo"
"""Kind of the timer that goes on moving back; its key is the merge's id."""


def undo_merge(tx: Tx, actor: Actor, company: Company, merge_id: str) -> Merge:
    """Take a merge back within `UNDO_WITHIN`. `Conflict` says why that is not possible. A lead that the merge closed is
    open again unless its person has a new one."""
    merge = get_merge(tx, actor, merge_id, Action.UPDATE)
    _check_state(tx, merge)
    kind = KINDS[merge.entity]
    gone, before, after = (msgspec.convert(image, kind.type) for image in (merge.gone, merge.before, merge.after))
    current = _living(tx, kind, merge)
    if isinstance(gone, Person):
        _check_identities(tx, gone, current)
    _restore(tx, kind, gone, current, taken_apart(gone, before, after, current))
    for piece in tx.find(MOVED, {"merge_id": merge.id}, sort="id"):
        if piece.at_once:
            _move_back(tx, kind, piece)
    for record_id in (merge.from_id, merge.into_id):
        _count_again(tx, company, kind, record_id)
    if isinstance(gone, Person):
        _give_back(tx, gone)
    _restore_pairs(tx, kind, merge)
    if merge.closed_lead and merge.closed_from and merge.closed_into:
        reopen(tx, actor, company, merge.closed_lead, merge.closed_from, merge.closed_into)
    timers.cancel(tx, FORGET, merge.id)
    _tell(tx, actor, merge)
    return _go_on(tx, kind, tx.update(MERGES, merge, state="undoing", undone_at=tx.now))


def _check_state(tx: Tx, merge: Merge) -> None:
    if merge.state == "moving":
        raise Conflict("Слияние ещё переносит записи: повторите через минуту")
    if merge.state != "done":
        raise Conflict("Это слияние уже отменено")
    if not merge.gone:
        raise Conflict("Персональные данные этого контакта удалены: отменить слияние нельзя")
    if tx.now > merge.undo_until:
        raise Conflict(f"Отменить слияние можно было до {merge.undo_until:%d.%m.%Y}: прошло больше 30 дней")


def _living(tx: Tx, kind: Kind, merge: Merge) -> Any:
    current = tx.get(kind.collection, merge.into_id)
    if current is not None:
        return current
    if tx.get(MERGED_AWAY, merge.into_id) is not None:
        raise Conflict("Запись, которая осталась, сама объединена с другой: сначала отмените то слияние")
    raise Conflict("Запись, которая осталась, удалена: отменять нечего")


def _keys(person: Person) -> list[tuple[IdentityKind, str]]:
    return [
        *((IdentityKind.PHONE, value) for value in person.phones),
        *((IdentityKind.EMAIL, value) for value in person.emails),
        *((IdentityKind.MESSENGER, f"{each.network}:{each.id}") for each in person.messengers),
    ]


def _check_identities(tx: Tx, gone: Person, current: Person) -> None:
    """By each of his phones and addresses he must be recognised again: none may be somebody else's by now."""
    for kind, value in _keys(gone):
        identity = tx.get(IDENTITIES, identity_id(kind, value))
        if identity is not None and identity.person_id not in (current.id, gone.id):
            raise Conflict(f"Отменить нельзя: {value} теперь у другого контакта. Уберите его там и повторите")


def _restore(tx: Tx, kind: Kind, gone: Any, current: Any, changes: dict[str, Any]) -> None:
    tombstone = tx.require(MERGED_AWAY, gone.id)
    tx.delete(MERGED_AWAY, tombstone)
    try:
        tx.update(kind.collection, current, **changes)
        tx.insert(kind.collection, msgspec.structs.replace(gone, version=gone.version + 1))
    except UniqueViolation as error:
        raise Conflict(
            "Отменить нельзя: ИНН и КПП одной из компаний теперь у другой компании. Исправьте их там"
        ) from error


def _give_back(tx: Tx, gone: Person) -> None:
    """Phones and addresses that were taken off the living contact meanwhile."""
    for kind, value in _keys(gone):
        if tx.get(IDENTITIES, identity_id(kind, value)) is None:
            attach_identity(tx, gone, kind, value)


def _restore_pairs(tx: Tx, kind: Kind, merge: Merge) -> None:
    for pair in merge.pairs:
        current = tx.get(kind.duplicates, pair.id)
        if current is not None:
            state = "dismissed" if current.state == "dismissed" else pair.state
            tx.update(kind.duplicates, current, first_id=pair.first_id, second_id=pair.second_id, state=state)


def _tell(tx: Tx, actor: Actor, merge: Merge) -> None:
    for record_id in (merge.from_id, merge.into_id):
        record(tx, actor, merge.entity, record_id, "unmerged", {"merged_into": (merge.into_id, None)})
        owner = tx.require(KINDS[merge.entity].collection, record_id).owner_id
        tell(tx, merge.entity, record_id, "updated", owners=(owner,))


def _move_back(tx: Tx, kind: Kind, piece: Moved) -> None:
    """Documents that still point where the merge pointed them. Those gone or moved on since stay as they are."""
    reference = next(each for each in (*kind.references, *TO_LEAD) if each.key == piece.collection)
    for document_id in piece.ids:
        reference.give_back(tx, document_id, piece.field, piece.before, piece.after)
    tx.delete(MOVED, piece)


def _count_again(tx: Tx, company: Company, kind: Kind, record_id: str) -> None:
    """What this customer bought, from his deals as they are now: some were won, or are no longer, since the merge."""
    customer = tx.require(kind.collection, record_id)
    field = {"contact": "person_id", "company": "company_id"}[kind.entity]
    won = [deal for deal in tx.find(DEALS, {field: record_id, "open": False}) if _is_won(company, deal)]
    total = sum((deal.amount or Decimal(0) for deal in won), Decimal(0))
    moments = [deal.closed_at for deal in won if deal.closed_at is not None]
    tx.update(kind.collection, customer, **worth(len(won), total, moments, None, tx.now, company.customers))


def _is_won(company: Company, deal: Deal) -> bool:
    way = company.pipelines.get(deal.pipeline)
    return way is not None and any(stage.key == deal.stage and stage.kind == "won" for stage in way.stages)


def _go_on(tx: Tx, kind: Kind, merge: Merge) -> Merge:
    """Move about `PIECE` documents back; the rest is the timer's."""
    left = PIECE
    while left > 0:
        piece = tx.first(MOVED, {"merge_id": merge.id}, sort="id")
        if piece is None:
            return tx.update(MERGES, merge, state="undone")
        _move_back(tx, kind, piece)
        left -= len(piece.ids)
    timers.schedule(tx, UNDO, merge.id, tx.now)
    return merge


def on_undo(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: the next piece."""
    merge = tx.get(MERGES, timer.key)
    if merge is not None and merge.state == "undoing":
        _go_on(tx, KINDS[merge.entity], merge)
