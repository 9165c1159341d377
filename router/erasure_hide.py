"""How what tells of a person is found in a document, and hidden in it.

Found: by a whole word that is his phone or email, however the phone is written down, and by a whole text that is the id
of a record of his or his account. Hidden: these and his name, as whole words, in texts that people write and in no
other value, so that no date, number or id is ever broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from crm_core.personal_data import SURE, Erasure
from storage import Collection, Entity, Tx

GONE = "Данные удалены"
TEXTS = frozenset(
    {"title", "name", "full_name", "text", "html", "subject", "label", "comment", "commitment", "note", "description",
     "reason", "result", "error", "message", "problem", "address", "phone", "email", "phones", "emails", "recipient",
     "conversation", "fields", "data", "changes", "payload", "before", "after", "errors"}
)  # fmt: skip
"""Members that hold what people wrote, or what a channel or another system told; with all that is below them."""
WITHIN = frozenset(
    {"inbound", "outbound", "sender", "parties", "risks", "next_step", "task", "checklist", "customer", "call", "mail"}
)
"""Members below which such are looked for."""
LISTS = frozenset({"phones", "emails"})
"""Members that hold nothing but phones and emails: what is his is taken out."""
_WORD = re.compile(r"\w[\w.@-]*[\w]")
_PHONE = re.compile(r"(?<!\d)(?:\+?7|8)[\s(-]*\d{3}[\s)-]*\d{3}[\s-]*\d{2}[\s-]*\d{2}(?!\d)")


@dataclass(frozen=True)
class Secrets:
    """What is looked for, of one person or of many at once."""

    words: dict[str, frozenset[str]]
    """Phone or email → whose."""
    accounts: dict[str, frozenset[str]]
    """Account → whose."""
    records: dict[str, frozenset[str]]
    """Id of a record → whose."""
    hidden: tuple[str, ...]
    """What may not be seen."""

    @classmethod
    def of(cls, erasures: Iterable[Erasure]) -> Secrets:
        known = tuple(erasures)
        hidden = {
            text: None
            for each in known
            for text in (*each.marks, *(id for id in each.accounts if len(id) >= SURE), *each.names)
        }
        return cls(
            _whose((mark.lower(), each.id) for each in known for mark in each.marks),
            _whose((account, each.id) for each in known for account in each.accounts),
            _whose((record, each.id) for each in known for record in each.records),
            tuple(sorted(hidden, key=len, reverse=True)),
        )

    def told_by(self, texts: Iterable[str]) -> set[str]:
        """The people whose phone, email or account is in one of these texts."""
        found: set[str] = set()
        for text in texts:
            found |= self.accounts.get(text, frozenset())
            if self.words:
                for word in (*_WORD.findall(text), *map(_bare, _PHONE.findall(text))):
                    found |= self.words.get(word.lower(), frozenset())
        return found

    def named_by(self, texts: Iterable[str]) -> set[str]:
        """The people one of whose records is named by its id."""
        return {person for text in texts for person in self.records.get(text, ())}

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Whole words only: `a@b.ru` is no part of `maria@b.ru`, and a phone none of a longer number."""
        if not self.hidden:
            return None
        ways = "|".join(map(_spelled, self.hidden))
        return re.compile(rf"(?<![\w@-])(?<!\w\.)\+?(?:{ways})(?![\w@-]|\.\w)")

    def without(self, value: Any) -> Any:
        """The same with his data hidden, in every text of it."""
        if isinstance(value, str):
            return self.pattern.sub(GONE, value) if self.pattern else value
        if isinstance(value, dict):
            return {key: self.without(each) for key, each in value.items()}
        return [self.without(each) for each in value] if isinstance(value, list | tuple) else value


def _whose(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for text, person in pairs:
        found.setdefault(text, set()).add(person)
    return {text: frozenset(people) for text, people in found.items()}


def _bare(phone: str) -> str:
    digits = "".join(filter(str.isdigit, phone))
    return "7" + digits[1:]


def _spelled(text: str) -> str:
    """A phone in any notation, an email in any case, anything else letter by letter."""
    if text.isdecimal() and len(text) >= SURE:
        return r"[\s()-]*".join(text)
    if "@" in text:
        return f"(?i:{re.escape(text)})"
    return r"\s+".join(map(re.escape, text.split()))


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a document that was turned into plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts_of(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_of(each)


def hide(tx: Tx, collection: Collection[Any], row: Entity, secrets: Secrets) -> None:
    """Keep the document without what tells of them."""
    before = msgspec.to_builtins(row)
    after = _hidden(before, secrets)
    if after != before:
        tx.replace(collection, msgspec.convert(after, collection.type))


def _hidden(members: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in members.items():
        if key in LISTS and isinstance(value, list | tuple):
            result[key] = [each for each in value if secrets.without(each) == each]
        elif key in TEXTS:
            result[key] = secrets.without(value)
        elif key in WITHIN and isinstance(value, dict):
            result[key] = _hidden(value, secrets)
        elif key in WITHIN and isinstance(value, list | tuple):
            result[key] = [_hidden(each, secrets) if isinstance(each, dict) else each for each in value]
        else:
            result[key] = value
    return result
