"""Employees, departments, presence and absence.

Passwords arrive here already hashed: hashing is slow on purpose and has no place inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from crm_core import timers
from crm_core.access import Facts, check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.rights import Action, Rights
from storage import Collection, Entity, Index, ReadTx, Tx, Unique, UniqueViolation


class Presence(StrEnum):
    ONLINE = "online"
    BREAK = "break"
    OFFLINE = "offline"


class Absence(Entity, frozen=True, kw_only=True):
    """Vacation, sick leave: from and to are moments in UTC, `to` excluded."""

    user_id: str
    kind: str
    starts_at: datetime
    ends_at: datetime


class Department(Entity, frozen=True, kw_only=True):
    name: str
    parent_id: str | None = None
    head_id: str | None = None


class User(Entity, frozen=True, kw_only=True):
    """An employee."""

    email: str
    """Lower case; the login name."""
    name: str
    roles: tuple[str, ...] = ()
    phone: str | None = None
    extension: str | None = None
    department_id: str | None = None
    photo: str | None = None
    calendar: str | None = None
    """Own working schedule by the name of a calendar; None: that of the queue."""
    presence: Presence = Presence.OFFLINE
    presence_since: datetime | None = None
    weight: int = 1
    """Share in weighted queues."""
    skills: tuple[str, ...] = ()
    """Equipment categories, languages, regions: `large`, `en`, `spb`."""
    signature: str = ""
    locale: str = "ru"
    timezone: str | None = None
    theme: str = "auto"
    active: bool = True
    password_hash: str | None = None
    created_at: datetime


USERS = Collection(
    "users", User, [Unique("email"), Index("extension", "active"), Index("department_id"), Index("name")]
)
DEPARTMENTS = Collection("departments", Department, [Index("parent_id")])
ABSENCES = Collection("absences", Absence, [Index("user_id", "ends_at"), Index("ends_at")])

QUEUE_WAKE = "queue_wake"
"""Kind of the timer that makes a queue look for work; its key is a queue's name or `*` for all."""
PLACE = "place"
"""Kind of the timer that hands a lead in nobody's hands to distribution; its key is the lead's id."""


def create_user(
    tx: Tx,
    actor: Actor,
    *,
    email: str,
    name: str,
    roles: tuple[str, ...],
    password_hash: str | None = None,
    extension: str | None = None,
    department_id: str | None = None,
    phone: str | None = None,
    user_id: str | None = None,
    presence: Presence = Presence.OFFLINE,
) -> User:
    """Add an employee. `Invalid` when the email is taken or something is missing."""
    check(actor, "user", Action.MANAGE)
    email = email.strip().lower()
    problems = _problems(email, name, roles, actor.rights) | _taken(tx, extension)
    if problems:
        raise Invalid(problems)
    user = User(
        id=user_id or tx.new_id("usr_"),
        email=email,
        name=name.strip(),
        roles=roles,
        password_hash=password_hash,
        extension=extension or None,
        department_id=department_id,
        phone=phone,
        presence=presence,
        presence_since=tx.now,
        created_at=tx.now,
    )
    try:
        tx.insert(USERS, user)
    except UniqueViolation as error:
        raise Invalid({"email": "Сотрудник с таким адресом уже есть"}) from error
    record(tx, actor, "user", user.id, "created", {"email": (None, email), "roles": (None, list(roles))})
    _roster_changed(tx, user, "created")
    return user


def _problems(email: str, name: str, roles: tuple[str, ...], rights: Rights) -> dict[str, str]:
    problems = {}
    if "@" not in email or len(email) > 254 or any(c.isspace() or c == "\0" for c in email):
        problems["email"] = "Укажите адрес электронной почты"
    if not name.strip() or len(name) > 200:
        problems["name"] = "Укажите имя, не длиннее 200 знаков"
    known = set(rights.grants) - {"system"}
    unknown = [role for role in roles if known and role not in known]
    if not roles or unknown:
        problems["roles"] = f"Роли нет: {', '.join(unknown) or '—'}; есть {', '.join(sorted(known))}"
    return problems


def _taken(tx: ReadTx, extension: str | None, user_id: str | None = None) -> dict[str, str]:
    """What is wrong with this internal number for this employee: two that work could not be told apart by a call."""
    other = by_extension(tx, extension)
    if other is None or other.id == user_id:
        return {}
    return {"extension": f"Этот внутренний номер уже у сотрудника «{other.name}»"}


def _facts(user_id: str) -> Facts:
    """An employee belongs to his department: whoever manages one manages nobody else's people."""
    return Facts(owners=frozenset({user_id}))


EDITABLE = frozenset(
    {
        "name", "roles", "phone", "extension", "department_id", "calendar", "weight", "skills", "signature", "locale",
        "timezone", "theme", "active", "password_hash",
    }
)  # fmt: skip
OWN_EDITABLE = frozenset({"signature", "locale", "timezone", "theme", "phone", "password_hash"})


def update_user(tx: Tx, actor: Actor, user_id: str, changes: Mapping[str, object], version: int | None = None) -> User:
    """Change an employee; everybody may change his own signature, language, theme, phone and password. `Conflict` when
    `version` is given and not the present one."""
    user = require_user(tx, user_id)
    unknown = set(changes) - EDITABLE
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "Такого поля нет или его нельзя менять"))
    if not (actor.id == user_id and set(changes) <= OWN_EDITABLE):
        check(actor, "user", Action.MANAGE, _facts(user_id))
    name, roles = changes.get("name", user.name), changes.get("roles", user.roles)
    problems = _problems(user.email, str(name), tuple(roles), actor.rights)  # type: ignore[arg-type]
    if problems and {"name", "roles"} & set(changes):
        raise Invalid(problems)
    if version is not None and version != user.version:
        raise Conflict("Сотрудник уже изменён кем-то другим. Прочитайте его заново")
    if {"extension", "active"} & set(changes) and changes.get("active", user.active):
        extension = changes.get("extension", user.extension)
        if taken := _taken(tx, str(extension) if extension else None, user.id):
            raise Invalid(taken)
    changed = tx.update(USERS, user, **changes)
    before_after = {f: (getattr(user, f), getattr(changed, f)) for f in changes if f != "password_hash"}
    record(tx, actor, "user", user.id, "updated", before_after)
    _roster_changed(tx, changed, "updated")
    return changed


def set_presence(tx: Tx, actor: Actor, user_id: str, presence: Presence) -> User:
    """Online, on a break or offline; one's own, or a subordinate's by whoever manages users."""
    if actor.id != user_id:
        check(actor, "user", Action.MANAGE, _facts(user_id))
    user = require_user(tx, user_id)
    if user.presence is presence:
        return user
    changed = tx.update(USERS, user, presence=presence, presence_since=tx.now)
    _roster_changed(tx, changed, "presence")
    return changed


def add_absence(tx: Tx, actor: Actor, user_id: str, kind: str, starts_at: datetime, ends_at: datetime) -> Absence:
    """Vacation or sick leave; during it nothing is distributed to the employee."""
    check(actor, "user", Action.MANAGE, _facts(user_id))
    if ends_at <= starts_at:
        raise Invalid({"ends_at": "Окончание должно быть позже начала"})
    user = require_user(tx, user_id)
    absence = tx.insert(
        ABSENCES, Absence(id=tx.new_id(), user_id=user_id, kind=kind, starts_at=starts_at, ends_at=ends_at)
    )
    record(tx, actor, "user", user_id, "absence", {kind: (None, f"{starts_at:%F} – {ends_at:%F}")})
    _roster_changed(tx, user, "absence")
    return absence


def end_absence(tx: Tx, actor: Actor, absence_id: str) -> None:
    """Back early: the absence ends now."""
    check(actor, "user", Action.MANAGE)
    absence = tx.get(ABSENCES, absence_id)
    if absence is None:
        raise Missing("Такого отсутствия нет")
    check(actor, "user", Action.MANAGE, _facts(absence.user_id))
    tx.delete(ABSENCES, absence)
    _roster_changed(tx, require_user(tx, absence.user_id), "absence")


def _roster_changed(tx: Tx, user: User, event: str) -> None:
    tx.next_number("roster")
    timers.schedule_sooner(tx, QUEUE_WAKE, "*", tx.now)
    tell(tx, "user", user.id, event, data={"presence": user.presence, "name": user.name})


def require_user(tx: ReadTx, user_id: str) -> User:
    """The employee, or `Missing`."""
    user = tx.get(USERS, user_id)
    if user is None:
        raise Missing("Такого сотрудника нет")
    return user


def by_email(tx: ReadTx, email: str) -> User | None:
    return tx.first(USERS, {"email": email.strip().lower()})


def by_extension(tx: ReadTx, extension: str | None) -> User | None:
    """The active employee behind an internal number."""
    return tx.first(USERS, {"extension": extension, "active": True}) if extension else None


def actor_for(tx: ReadTx, user: User, rights: Rights) -> Actor:
    """The employee as an actor, with the people of the departments below."""
    return Actor(
        id=user.id,
        name=user.name,
        roles=frozenset(user.roles),
        rights=rights,
        department=frozenset(_people_below(tx, user)) | {user.id},
    )


def _people_below(tx: ReadTx, user: User) -> set[str]:
    pending = [dep.id for dep in tx.find(DEPARTMENTS) if dep.head_id == user.id]
    seen: set[str] = set()
    people: set[str] = set()
    while pending:
        department_id = pending.pop()
        if department_id in seen:
            continue
        seen.add(department_id)
        people.update(each.id for each in tx.find(USERS, {"department_id": department_id}))
        pending += [dep.id for dep in tx.find(DEPARTMENTS, {"parent_id": department_id})]
    return people
