"""Who may be the same customer: looked for by phone, email, ИНН and name, and what people said about it."""

from __future__ import annotations

import msgspec

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.companies import COMPANIES, get_company, list_companies
from crm_core.errors import Invalid, Missing
from crm_core.merge import KINDS, Kind
from crm_core.normalize import EXTENSION
from crm_core.people import IDENTITIES, PEOPLE, Person, PossibleDuplicate, find_person
from crm_core.rights import Action
from storage import AnyOf, Prefix, ReadTx, Tx

MANY = 20
SAME_PHONE, SAME_NAME, SAME_INN = "Тот же телефон", "Похожее название или имя", "Тот же ИНН"


class Candidate(msgspec.Struct, frozen=True):
    """A record that may be the same, and why."""

    id: str
    reasons: tuple[str, ...]


def duplicates_of_person(tx: ReadTx, actor: Actor, person_id: str) -> list[Candidate]:
    """Other contacts: pairs that were filed, the same number but for its extension, the same name. Strongest first;
    those of whom somebody said that they are two are left out."""
    check(actor, "contact", Action.READ)
    person = find_person(tx, person_id)
    if person is None:
        raise Missing("Такого контакта нет")
    found: dict[str, dict[str, None]] = {}
    for other, reason in (*_filed(tx, KINDS["contact"], person.id), *_by_number(tx, person), *_by_name(tx, person)):
        if other != person.id:
            found.setdefault(other, {})[reason] = None
    return _without_dismissed(tx, KINDS["contact"], person.id, found)


def duplicates_of_company(tx: ReadTx, actor: Actor, company_id: str) -> list[Candidate]:
    """Other companies that the actor may see: the same ИНН, the same name but for its writing, filed pairs."""
    company = get_company(tx, actor, company_id)
    found: dict[str, dict[str, None]] = {}
    ways = (("inn", company.inn, SAME_INN), ("name_key", company.name_key, SAME_NAME))
    for field, value, reason in ways:
        if value is not None:
            for other in list_companies(tx, actor, {field: value}, sort=field, limit=MANY + 1):
                if other.id != company.id:
                    found.setdefault(other.id, {})[reason] = None
    for other_id, reason in _filed(tx, KINDS["company"], company.id):
        if tx.get(COMPANIES, other_id) is not None:
            found.setdefault(other_id, {})[reason] = None
    return _without_dismissed(tx, KINDS["company"], company.id, found)


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


def _without_dismissed(tx: ReadTx, kind: Kind, record_id: str, found: dict[str, dict[str, None]]) -> list[Candidate]:
    shown = []
    for other, reasons in found.items():
        pair = _pair(tx, kind, record_id, other)
        if pair is None or pair.state != "dismissed":
            shown.append(Candidate(other, tuple(reasons)))
    return shown[:MANY]


def _pair(tx: ReadTx, kind: Kind, first: str, second: str) -> PossibleDuplicate | None:
    low, high = sorted((first, second))
    return tx.first(kind.duplicates, {"first_id": low, "second_id": high})


def dismiss(tx: Tx, actor: Actor, entity: str, record_id: str, other_id: str) -> None:
    """«Не дубль»: these two (`entity`: `contact` or `company`) are two. They are not shown as a pair any more."""
    check(actor, entity, Action.UPDATE)
    kind = KINDS[entity]
    if tx.get(kind.collection, record_id) is None:
        raise Missing("Такой записи нет")
    if record_id == other_id or tx.get(kind.collection, other_id) is None:
        raise Invalid({"other_id": "Укажите другую запись того же вида"})
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
    tell(tx, "duplicate", record_id, "dismissed")
