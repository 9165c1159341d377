"""The table of rights as it was agreed, written out by hand: role → entity → action → which records.

It is deliberately not read from the preset: the preset is what it is held against. What is not in the table is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Reader:
    """Somebody with one role."""

    role: str
    id: str
    people: frozenset[str]
    """Himself and, of a head, the people of his department."""


@dataclass(frozen=True)
class Case:
    """A record, or one that is to be made, as far as rights ask about it."""

    entity: str
    id: str = ""
    what: str = ""
    """For the message of a failure."""
    owners: frozenset[str] = frozenset()
    """To whom it belongs, or who takes part in it."""
    is_theirs: bool = True
    """Of a task: they set it or do it, others only help or look on."""
    open: bool = True
    pipeline: str | None = None
    stage: str | None = None
    of: Case | None = None
    """The record that a document was made for."""


Rule = Callable[[Reader, Case], bool]
Table = Mapping[str, Mapping[str, Mapping[str, Rule]]]


def any_(reader: Reader, case: Case) -> bool:
    return True


def own(reader: Reader, case: Case) -> bool:
    return reader.id in case.owners


def of_department(reader: Reader, case: Case) -> bool:
    return bool(reader.people & case.owners)


def unfinished(reader: Reader, case: Case) -> bool:
    return case.open


def own_task(reader: Reader, case: Case) -> bool:
    return own(reader, case) and case.is_theirs


def task_of_department(reader: Reader, case: Case) -> bool:
    return of_department(reader, case) and case.is_theirs


def equipment(reader: Reader, case: Case) -> bool:
    return case.pipeline == "equipment"


def service(reader: Reader, case: Case) -> bool:
    return case.pipeline == "service"


def own_equipment(reader: Reader, case: Case) -> bool:
    return own(reader, case) and equipment(reader, case)


def own_service(reader: Reader, case: Case) -> bool:
    return own(reader, case) and service(reader, case)


def to_be_bought(reader: Reader, case: Case) -> bool:
    return equipment(reader, case) and case.stage in ("purchase_check", "delivery")


ENTITIES = ("lead", "deal", "contact", "company", "task", "product", "document")
EVERYTHING = dict.fromkeys(("read", "create", "update", "export", "import"), any_)
"""See, create, change; export and import. To delete is the administrator's."""
READ = {"read": any_}
MAKE = {"read": any_, "create": any_}
CHANGE = {"read": any_, "create": any_, "update": any_}
TAKES_PART = {"read": own, "create": any_, "update": own_task}
"""Tasks: everybody may set one; those who take part see it; who set it or does it changes it."""
PAPERS = {"read": any_, "create": any_, "update": own}
REPORTS = dict.fromkeys(ENTITIES, READ) | {"task": TAKES_PART}
"""Full reports, and the records that their figures stand for."""

TABLE: Table = {
    "admin": {entity: EVERYTHING | {"delete": any_} for entity in ENTITIES},
    "ceo": REPORTS,
    "deputy": REPORTS,
    # Data of people are handed out and erased by law, so somebody in the sales department must be able to.
    "head_equipment": dict.fromkeys(ENTITIES, EVERYTHING) | {"contact": EVERYTHING | {"delete": any_}},
    "head_service": {
        "lead": CHANGE, "contact": CHANGE, "company": CHANGE,
        "deal": {"read": any_, "create": service, "update": service},
        "task": {"read": of_department, "create": any_, "update": task_of_department},
        "product": READ, "document": PAPERS | {"update": of_department},
    },
    "first_line": {
        "lead": {"read": any_, "create": any_, "update": unfinished},
        "contact": MAKE, "company": MAKE,
        "deal": {"read": any_, "create": equipment},
        "task": TAKES_PART, "product": READ,
    },
    "consultant": {
        "lead": CHANGE, "contact": CHANGE, "company": CHANGE,
        "deal": {"read": any_, "create": own_equipment, "update": own_equipment},
        "task": TAKES_PART, "product": READ, "document": PAPERS,
    },
    "service_seller": {
        "contact": READ, "company": READ,
        "deal": {"read": any_, "create": own_service, "update": own_service},
        "task": TAKES_PART, "product": READ, "document": PAPERS,
    },
    "procurement": {"deal": {"read": to_be_bought}, "task": TAKES_PART, "product": READ},
    "service_admin": {"deal": READ, "task": TAKES_PART, "product": READ},
    "ops": {"task": TAKES_PART},
}  # fmt: skip


def granted(reader: Reader, action: str, case: Case) -> bool:
    """What the table says. Whoever may not read a record can do nothing else with it, nor with documents of it."""
    if case.of is not None and not granted(reader, "read", case.of):
        return False
    rules = TABLE[reader.role].get(case.entity, {})
    needed = (action,) if action == "create" else ("read", action)
    return all(name in rules and rules[name](reader, case) for name in needed)


def may_ever(reader: Reader, action: str, entity: str) -> bool:
    """Whether there is any record with which the table allows it."""
    return action in TABLE[reader.role].get(entity, {})
