"""Who may be the same customer: looked for by phone, email, ИНН and name, and what people said about it."""

from __future__ import annotations

from typing import Any

import msgspec

from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.companies import SAME_NAME, CustomerCompany, alike
from crm_core.errors import Forbidden, Invalid, Missing
from crm_core.merge import KINDS, Kind
from crm_core.normalize import EXTENSION
from crm_core.people import IDENTITIES, PEOPLE, Person, PossibleDuplicate
from crm_core.rights import Action
from storage import AnyOf, Prefix, ReadTx, Tx

MANY = 20
SAME_PHONE = "Тот же телефон"
Reasons = dict[str, dict[str, None]]
"""Id of another record → why it may be the same, each reason once."""


class Candidate(msgspec.Struct, frozen=True):
    """A record that may be the same, and why."""

    record: Any
    reasons: tuple[str, ...]


def duplicates_of(tx: ReadTx, actor: Actor, entity: str, record_id: str) -> list[Candidate]:
    """Other contacts, or other companies, that the actor may see: pairs that were filed, the same number but for its
    extension, the same ИНН, the same name but for its writing. Those of whom somebody said that they are two are left
    out."""
    kind = KINDS[entity]
    record = kind.get(tx, actor, record_id, Action.READ)
    found: Reasons = {}
    ways = _of_person if isinstance(record, Person) else _of_company
    for other, reason in (*_filed(tx, kind, record.id), *ways(tx, actor, record)):
        if other != record.id:
            found.setdefault(other, {})[reason] = None
    return _shown(tx, actor, kind, record.id, found)


def _of_person(tx: ReadTx, actor: Actor, person: Person) -> list[tuple[str, str]]:
    return [*_by_number(tx, person), *_by_name(tx, person)]


def _of_company(tx: ReadTx, actor: Actor, company: CustomerCompany) -> list[tuple[str, str]]:
    found = alike(tx, actor, company.name, company.inn)
    return [(other, reason) for other, reasons in found.items() for reason in reasons]


def _filed(tx: ReadTx, kind: Kind, record_id: str) -> list[tuple[str, str]]:
    where = AnyOf(({"first_id": record_id, "state": "open"}, {"second_id": record_id, "state": "open"}))
    pairs = tx.find(kind.duplicates, where, limit=MANY)
    return [(pair.second_id if pair.first_id == record_id else pair.first_id, pair.reason) for pair in pairs]


def _by_number(tx: ReadTx, person: Person) -> list[tuple[str, str]]:
    """A number belongs to one person, but the extensions of one number may be several people's, or one's."""
    found: list[tuple[str, str]] = []
    for phone in person.phones:
        bare = phone.partition(EXTENSION)[0]
        same = tx.find(IDENTITIES, {"id": Prefix(f"phone:{bare}")}, limit=MANY)
        found += [(each.person_id, SAME_PHONE) for each in same if each.value.partition(EXTENSION)[0] == bare]
    return found


def _by_name(tx: ReadTx, person: Person) -> list[tuple[str, str]]:
    """A full name; by a first name alone half of all customers would be one."""
    if person.name_key is None or " " not in person.name_key:
        return []
    alike = tx.find(PEOPLE, {"name_key": person.name_key}, sort="name_key", limit=MANY + 1)
    return [(each.id, SAME_NAME) for each in alike]


def _shown(tx: ReadTx, actor: Actor, kind: Kind, record_id: str, found: Reasons) -> list[Candidate]:
    shown: list[Candidate] = []
    for other, reasons in found.items():
        pair = _pair(tx, kind, record_id, other)
        record = readable(tx, actor, kind.entity, other) if pair is None or pair.state != "dismissed" else None
        if record is not None and record.id != record_id:
            shown.append(Candidate(record, tuple(reasons)))
    return shown[:MANY]


def readable(tx: ReadTx, actor: Actor, entity: str, record_id: str) -> Any | None:
    """The contact or the company, as it lives on; None when there is none or the actor may not see it."""
    try:
        return KINDS[entity].get(tx, actor, record_id, Action.READ)
    except (Missing, Forbidden):
        return None


def _pair(tx: ReadTx, kind: Kind, first: str, second: str) -> PossibleDuplicate | None:
    low, high = sorted((first, second))
    return tx.first(kind.duplicates, {"first_id": low, "second_id": high})


def dismiss(tx: Tx, actor: Actor, entity: str, record_id: str, other_id: str) -> None:
    """«Не дубль»: these two (`entity`: `contact` or `company`) are two. They are not shown as a pair any more."""
    kind = KINDS[entity]
    record_id = kind.get(tx, actor, record_id, Action.UPDATE).id
    other = readable(tx, actor, entity, other_id)
    if other is None or other.id == record_id:
        raise Invalid({"other_id": "Укажите другую запись того же вида"})
    other_id = other.id
    pair = _pair(tx, kind, record_id, other_id)
    if pair is None:
        first, second = sorted((record_id, other_id))
        pair = PossibleDuplicate(
            id=tx.new_id("dup_"),
            first_id=first,
            second_id=second,
            reason="Отмечены как разные",
            state="dismissed",
            created_at=tx.now,
        )
        tx.insert(kind.duplicates, pair)
    elif pair.state == "dismissed":
        return
    else:
        tx.update(kind.duplicates, pair, state="dismissed")
    record(tx, actor, entity, record_id, "not_duplicate", {"other": (None, other_id)})
    tell(tx, "duplicate" if entity == "contact" else "company_duplicate", record_id, "dismissed")
