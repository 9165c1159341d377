"""Finding people and leads by whatever somebody typed: a number, a phone in any notation, an email, part of a name.

What is indexed is found however old it is: lead numbers, phones, emails, beginnings of names. Words in the middle of a
name or a title, parts of an email and some digits of a phone are looked for among the newest `RECENT` records, so that
the cost does not grow with the store.
"""

from __future__ import annotations

import re

from crm_core.leads import LEADS
from crm_core.people import PEOPLE, Person, by_email, by_phone
from router import normalize
from storage import AnyOf, Filter, In, Prefix, ReadTx

RECENT = 1000
MANY = 50
"""People that one question may lead to."""
MAX_NUMBER_DIGITS = 12
NOTHING: Filter = AnyOf(())
FEWEST_DIGITS = 3
"""Fewer are found in nearly every phone."""
_DIALLED = re.compile(r"[\d\s()+.‑–-]+")


def find_people(tx: ReadTx, text: str) -> list[Person]:
    """Best first: by phone or email, by the beginning of the name, by a part of name, email or phone among those active
    lately."""
    text = " ".join(text.split())
    found: dict[str, Person] = {}
    phone = normalize.phone(text)
    exact = (by_phone(tx, phone) if phone else None, by_email(tx, text) if "@" in text else None)
    for person in exact:
        if person is not None:
            found[person.id] = person
    if text and not found and any(letter.isalpha() for letter in text):
        for spelling in dict.fromkeys((text, text.title(), text.capitalize())):
            found |= {each.id: each for each in tx.find(PEOPLE, {"name": Prefix(spelling)}, sort="name", limit=MANY)}
        found |= _by_words(tx, text)
    elif not found and _DIALLED.fullmatch(text):
        found |= _by_digits(tx, text)
    return list(found.values())[:MANY]


def _by_words(tx: ReadTx, text: str) -> dict[str, Person]:
    words = text.casefold().split()
    recent = tx.find(PEOPLE, sort="-last_activity_at", limit=RECENT)
    return {
        person.id: person
        for person in recent
        if all(word in " ".join((person.name or "", person.company or "", *person.emails)).casefold() for word in words)
    }


def _by_digits(tx: ReadTx, text: str) -> dict[str, Person]:
    """Whose phone holds these digits; an 8 in front may be the trunk prefix of the way Russians write numbers."""
    digits = "".join(letter for letter in text if letter in "0123456789")
    if len(digits) < FEWEST_DIGITS:
        return {}
    spellings = {digits, "7" + digits[1:]} if digits.startswith("8") else {digits}
    recent = tx.find(PEOPLE, sort="-last_activity_at", limit=RECENT)
    return {each.id: each for each in recent if any(part in phone for phone in each.phones for part in spellings)}


def leads_of_phone(tx: ReadTx, text: str) -> Filter:
    """Leads of whoever has this phone, in any notation."""
    phone = normalize.phone(text)
    return _leads_of(by_phone(tx, phone) if phone else None)


def leads_of_email(tx: ReadTx, text: str) -> Filter:
    return _leads_of(by_email(tx, text))


def _leads_of(person: Person | None) -> Filter:
    return {"person_id": person.id} if person else NOTHING


def leads_about(tx: ReadTx, text: str) -> Filter:
    """Leads by number, by title, or by whatever finds their person."""
    ways: list[Filter] = []
    digits = text.strip().lstrip("#№ ")
    if digits.isascii() and digits.isdecimal() and len(digits) <= MAX_NUMBER_DIGITS:
        ways.append({"number": int(digits)})
    people = find_people(tx, text)
    if people:
        ways.append({"person_id": In([person.id for person in people])})
    words = text.casefold().split()
    if words:
        titled = [
            lead.id
            for lead in tx.find(LEADS, sort="-created_at", limit=RECENT)
            if all(word in lead.title.casefold() for word in words)
        ]
        if titled:
            ways.append({"id": In(titled)})
    return AnyOf(tuple(ways))
