"""People as the hub knows them, and the identities by which it recognises them.

An identity (a phone in E.164, an email in lower case, a messenger account) belongs to exactly one person: its id is the
unique key. Two identities of one contact that lead to two people file the pair as possible duplicates; merging is a
person's decision.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from msgspec.structs import force_setattr

from crm_core.changes import tell
from crm_core.customers import Bought
from crm_core.merged import resolve
from crm_core.similar import person_key
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


class Person(Bought, frozen=True, kw_only=True):
    """Somebody who made contact."""

    name: str | None = None
    name_key: str | None = None
    """The name made comparable; follows it by itself."""
    company: str | None = None
    """As he or a channel called it; `company_id` is the one in our books."""
    company_id: str | None = None
    position: str | None = None
    birthday: date | None = None
    comment: str | None = None
    owner_id: str | None = None
    """Who looks after this contact, whoever leads its leads."""
    fields: dict[str, str] = {}
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    messengers: tuple[MessengerAccount, ...] = ()
    former_owner_id: str | None = None
    """Who led the last lead of this person."""
    created_at: datetime
    last_activity_at: datetime

    def __post_init__(self) -> None:
        force_setattr(self, "name_key", person_key(self.name))


class PossibleDuplicate(Entity, frozen=True, kw_only=True):
    """Two people, or two companies, that may be one; filed for a merge."""

    first_id: str
    second_id: str
    reason: str
    inbound_id: str | None = None
    state: str = "open"
    """`open`, `merged`, or `dismissed`: somebody said that they are two."""
    created_at: datetime


PEOPLE = Collection(
    "people",
    Person,
    [
        Index("name"),
        Index("name_key"),
        Index("last_activity_at"),
        Index("created_at"),
        Index("company_id", "last_activity_at", sparse=True),
        Index("owner_id", "last_activity_at", sparse=True),
        Index("rfm", "last_won_at", sparse=True),
        Index("rfm", "last_activity_at", sparse=True),
        Index("abc", "last_activity_at", sparse=True),
        Index("abc", "won_sum", sparse=True),
        Index("won_sum"),
        Index("won_count"),
    ],
)
IDENTITIES = Collection("identities", Identity, [Index("person_id")])
DUPLICATES = Collection(
    "possible_duplicates",
    PossibleDuplicate,
    [Unique("first_id", "second_id"), Index("second_id"), Index("state", "created_at")],
)


def identity_id(kind: IdentityKind, value: str) -> str:
    return f"{kind}:{value}"


def find_person(tx: ReadTx, person_id: str | None) -> Person | None:
    """The person with this id, or whoever he was merged into."""
    if person_id is None:
        return None
    return tx.get(PEOPLE, person_id) or tx.get(PEOPLE, resolve(tx, person_id))


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


def file_duplicate(
    tx: Tx,
    first: str,
    second: str,
    reason: str,
    inbound_id: str | None = None,
    among: Collection[PossibleDuplicate] = DUPLICATES,
) -> None:
    """Remember that two people, or two records of `among`, may be one; the pair is filed once."""
    low, high = sorted((first, second))
    if tx.first(among, {"first_id": low, "second_id": high}) is not None:
        return
    tx.insert(
        among,
        PossibleDuplicate(
            id=tx.new_id("dup_"),
            first_id=low,
            second_id=high,
            reason=reason,
            inbound_id=inbound_id,
            created_at=tx.now,
        ),
    )
    tell(tx, "duplicate" if among is DUPLICATES else "company_duplicate", low, "filed")


def by_phone(tx: ReadTx, phone: str) -> Person | None:
    """`phone` in E.164."""
    return owner_of(tx, identity_id(IdentityKind.PHONE, phone))


def by_email(tx: ReadTx, email: str) -> Person | None:
    return owner_of(tx, identity_id(IdentityKind.EMAIL, email.strip().lower()))
