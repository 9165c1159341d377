"""Contacts in tables: phones and emails through the same normalization as everything that comes in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record as audit
from crm_core.changes import tell
from crm_core.company import Company
from crm_core.contacts import contact_scope, create_person, edit_person
from crm_core.people import DUPLICATES, IDENTITIES, PEOPLE, IdentityKind, Person, identity_id, owner_of
from crm_core.references import TO_PERSON, used_by
from crm_core.rights import Action
from crm_core.sheets.kinds import Field, RecordRef, Unreadable, Updated
from crm_core.sheets.writing import Cell
from router import normalize
from storage import AllOf, AnyOf, Filter, ReadTx, Tx

_PARTS = re.compile(r"[\s,;]+")
NAME = ("ФИО", "Имя", "Контакт", "Контактное лицо", "Клиент", "Фамилия Имя Отчество", "Full name", "Contact", "Name")
COMPANY = ("Компания", "Организация", "Название компании", "Фирма", "Company", "Organization", "Account")
PHONES = ("Телефон", "Телефоны", "Тел", "Мобильный", "Мобильный телефон", "Рабочий телефон", "Номер телефона",
          "Сотовый", "Phone", "Mobile", "Tel", "Phone number")  # fmt: skip
EMAILS = ("Почта", "Электронная почта", "Эл почта", "E-mail", "Email", "Mail", "Адрес почты", "Имейл")
IDENTITY_OF = {"phones": IdentityKind.PHONE, "emails": IdentityKind.EMAIL}
TOUCHED = "С контактом уже работали: он оставлен"


def parse_phones(text: str, company: Company) -> tuple[str, ...]:
    """Every number of a cell, in E.164."""
    found = normalize.phones(text)
    if not found:
        raise Unreadable("Не похоже на номер телефона: напишите его с кодом, например +7 916 123-45-67")
    return found


def parse_emails(text: str, company: Company) -> tuple[str, ...]:
    """Every address of a cell, in lower case."""
    parts = [part for part in _PARTS.split(text) if part]
    found = [normalize.email(part) for part in parts]
    if not parts or None in found:
        raise Unreadable("Не похоже на адрес электронной почты: нужен вид ivan@example.ru")
    return tuple(dict.fromkeys(each for each in found if each))


PERSON_FIELDS = (
    Field("name", "Имя", NAME, example="Иван Петров"),
    Field("phones", "Телефоны", PHONES, parse=parse_phones, example="+7 916 123-45-67", many=True),
    Field("emails", "Почта", EMAILS, parse=parse_emails, example="ivan@example.ru", many=True),
    Field("company", "Компания", COMPANY, example="ООО «Ромашка»"),
)


def find_person(tx: ReadTx, values: Mapping[str, Any], rule: Sequence[str]) -> Person | None:
    """The person with one of these phones or emails."""
    for key in rule:
        for value in values.get(key, ()) if key in IDENTITY_OF else ():
            if person := owner_of(tx, identity_id(IDENTITY_OF[key], value)):
                return person
    return None


def remove_person(tx: Tx, actor: Actor, person: Person) -> str | None:
    """Remove somebody with whom nothing has happened yet; else the reason why he stays."""
    pairs: Filter = AnyOf(({"first_id": person.id}, {"second_id": person.id}))
    if used_by(tx, TO_PERSON, person.id) or tx.first(DUPLICATES, pairs):
        return TOUCHED
    for identity in tx.find(IDENTITIES, {"person_id": person.id}):
        tx.delete(IDENTITIES, identity)
    tx.delete(PEOPLE, person)
    audit(tx, actor, "contact", person.id, "deleted", {"name": (person.name, None)})
    tell(tx, "contact", person.id, "deleted")
    return None


class Contacts:
    """See `ImportKind`."""

    key = "contacts"
    entity = "contact"
    title = "Контакты"
    collection = PEOPLE
    duplicates: Mapping[str, str] = {"phones": "Телефон", "emails": "Почта"}

    def fields(self, company: Company) -> Sequence[Field]:
        return PERSON_FIELDS

    def find_duplicate(self, tx: ReadTx, values: Mapping[str, Any], rule: Sequence[str]) -> str | None:
        person = find_person(tx, values, rule)
        return person.id if person else None

    def create(self, tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> RecordRef:
        person = create_person(tx, actor, {"owner_id": None, **values})
        return RecordRef(person.id, True, {}, _state(person))

    def update(self, tx: Tx, actor: Actor, company: Company, record: str, values: Mapping[str, Any]) -> Updated:
        before = tx.require(PEOPLE, record)
        wanted = dict(values)
        for key in IDENTITY_OF:
            if key in wanted:
                wanted[key] = tuple(dict.fromkeys((*getattr(before, key), *wanted[key])))
        after = _state(edit_person(tx, actor, record, wanted))
        changed = [key for key, value in _state(before).items() if after[key] != value]
        return Updated({key: _state(before)[key] for key in changed}, {key: after[key] for key in changed})

    def undo(self, tx: Tx, actor: Actor, company: Company, record: RecordRef) -> str | None:
        person = tx.get(PEOPLE, record.id)
        if person is None:
            return None if record.created else "Контакта больше нет"
        now = _plain(_state(person))
        if record.created:
            fresh = now == record.after and person.last_activity_at == person.created_at
            return remove_person(tx, actor, person) if fresh and not person.messengers else TOUCHED
        back = {key: value for key, value in record.before.items() if now[key] == record.after[key]}
        if back:
            edit_person(
                tx,
                actor,
                person.id,
                {key: value or ([] if key in IDENTITY_OF else None) for key, value in back.items()},
            )
        kept = [field.title for field in PERSON_FIELDS if field.key in record.before and field.key not in back]
        return f"Изменено после загрузки и оставлено: {', '.join(kept)}" if kept else None

    def export_page(
        self, tx: ReadTx, actor: Actor, company: Company, where: Filter, after: str | None, limit: int
    ) -> tuple[list[tuple[str, list[Cell]]], str | None]:
        check(actor, self.entity, Action.READ)
        check(actor, self.entity, Action.EXPORT)
        readable, exportable = contact_scope(actor), contact_scope(actor, Action.EXPORT)
        if readable is None or exportable is None:
            return [], None
        scope = AllOf((where, readable, exportable))
        people = tx.find(PEOPLE, scope, sort="created_at", limit=limit, after=after)
        rows = [(each.id, person_cells(each)) for each in people]
        return rows, tx.cursor_after(PEOPLE, people[-1], "created_at") if len(people) == limit else None


def person_cells(person: Person | None) -> list[Cell]:
    """Name, phones, emails, company, in the order of `PERSON_FIELDS`."""
    if person is None:
        return [None] * len(PERSON_FIELDS)
    return [person.name, ", ".join(person.phones), ", ".join(person.emails), person.company]


def _state(person: Person) -> dict[str, Any]:
    return {field.key: getattr(person, field.key) for field in PERSON_FIELDS}


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """As it is stored on the row of an import: JSON."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in state.items()}
