"""People as the hub knows them, and the identities by which it recognises them.

An identity (a phone in E.164, an email in lower case, a messenger account) belongs to exactly one person: its id is the
unique key. Two identities of one contact that lead to two people file the pair as possible duplicates; merging is a
person's decision.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from crm_core.changes import tell
from storage import Collection, Entity, Index, ReadTx, Tx, Unique


class IdentityKind(StrEnum):
    PHONE = "phone"
    EMAIL = "email"
    MESSENGER = "messenger"


class Identity(Entity, frozen=True, kw_only=True):
    """`id` is `phone:+79161234567`, `email:a@b.ru` or `messenger:telegram:123`."""

    person_id: str
    kind: IdentityKind
    value: str
    created_at: datetime


class MessengerAccount(Entity, frozen=True, kw_only=True):
    """`id` is the native id within the network."""

    network: str
    username: str | None = None


class Person(Entity, frozen=True, kw_only=True):
    """Somebody who made contact."""

    name: str | None = None
    company: str | None = None
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    messengers: tuple[MessengerAccount, ...] = ()
    former_owner_id: str | None = None
    """Who led the last lead of this person."""
    created_at: datetime
    last_activity_at: datetime


class PossibleDuplicate(Entity, frozen=True, kw_only=True):
    """Two people who may be one; filed for a merge."""

    first_id: str
    second_id: str
    reason: str
    inbound_id: str | None = None
    state: str = "open"
    created_at: datetime


PEOPLE = Collection("people", Person, [Index("name"), Index("last_activity_at"), Index("created_at")])
IDENTITIES = Collection("identities", Identity, [Index("person_id")])
DUPLICATES = Collection(
    "possible_duplicates",
    PossibleDuplicate,
    [Unique("first_id", "second_id"), Index("second_id"), Index("state", "created_at")],
)


def identity_id(kind: IdentityKind, value: str) -> str:
    return f"{kind}:{value}"


def owner_of(tx: ReadTx, identity: str) -> Person | None:
    """The person that this identity id belongs to."""
    found = tx.get(IDENTITIES, identity)
    return tx.require(PEOPLE, found.person_id) if found else None


def attach_identity(tx: Tx, person: Person, kind: IdentityKind, value: str) -> None:
    """Give an identity that nobody has yet to this person."""
    tx.insert(
        IDENTITIES,
        Identity(id=identity_id(kind, value), person_id=person.id, kind=kind, value=value, created_at=tx.now),
    )


def file_duplicate(tx: Tx, first: str, second: str, reason: str, inbound_id: str | None = None) -> None:
    """Remember that two people may be one; the pair is filed once."""
    low, high = sorted((first, second))
    if tx.first(DUPLICATES, {"first_id": low, "second_id": high}) is not None:
        return
    tx.insert(
        DUPLICATES,
        PossibleDuplicate(
            id=tx.new_id("dup_"),
            first_id=low,
            second_id=high,
            reason=reason,
            inbound_id=inbound_id,
            created_at=tx.now,
        ),
    )
    tell(tx, "duplicate", low, "filed")


def by_phone(tx: ReadTx, phone: str) -> Person | None:
    """`phone` in E.164."""
    return owner_of(tx, identity_id(IdentityKind.PHONE, phone))


def by_email(tx: ReadTx, email: str) -> Person | None:
    return owner_of(tx, identity_id(IdentityKind.EMAIL, email.strip().lower()))
