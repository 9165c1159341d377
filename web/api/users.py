"""`/users`: employees, their presence and absences; `me` is oneself. Passwords are hashed outside of transactions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from msgspec import UNSET, Meta, UnsetType

from crm_core.access import check
from crm_core.accounts import close_sessions_of
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.rights import Action
from crm_core.users import (
    ABSENCES,
    DEPARTMENTS,
    USERS,
    Absence,
    Presence,
    User,
    add_absence,
    create_user,
    end_absence,
    require_user,
    set_presence,
    update_user,
)
from distribution.desk import Desk
from storage import In as OneOf
from storage import ReadTx, Tx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Id, Line, ListQuery, Moment
from web.passwords import hash_password, verify_password
from web.problems import Problem

ME = "me"
_WRONG = "Неверный нынешний пароль"
Password = Annotated[str, Meta(min_length=8, max_length=1000)]
Roles = Annotated[list[Id], Meta(min_length=1, max_length=20)]


class AbsenceOut(Out, frozen=True, kw_only=True):
    id: str
    kind: str
    starts_at: datetime
    ends_at: datetime


class UserOut(Out, frozen=True, kw_only=True):
    id: str
    version: int
    email: str
    name: str
    roles: tuple[str, ...]
    phone: str | None
    extension: str | None
    department_id: str | None
    calendar: str | None
    presence: str
    presence_since: datetime | None
    absence: AbsenceOut | None
    """The one that covers this moment."""
    weight: int
    skills: tuple[str, ...]
    signature: str
    locale: str
    timezone: str | None
    theme: str
    active: bool
    created_at: datetime


class MeOut(UserOut, frozen=True, kw_only=True):
    csrf: str | None
    """What `X-CSRF-Token` must say when the cookie signs in."""


def show_absence(absence: Absence) -> AbsenceOut:
    return AbsenceOut(id=absence.id, kind=absence.kind, starts_at=absence.starts_at, ends_at=absence.ends_at)


def _members(tx: ReadTx, desk: Desk, user: User) -> dict[str, Any]:
    absence = desk.roster(tx).absence(user.id, tx.now)
    shown = {name: getattr(user, name) for name in UserOut.__struct_fields__ if name != "absence"}
    return shown | {"absence": show_absence(absence) if absence else None}


def show_user(tx: ReadTx, desk: Desk, user: User) -> UserOut:
    return UserOut(**_members(tx, desk, user))


class UserQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["name", "-name"] = "name"
    department_id: Id | None = None
    role: Id | None = None
    email: Line | None = None
    extension: Line | None = None
    active: bool | None = None


async def list_(call: Call[UserQuery, None]) -> Page[UserOut]:
    return await call.read(_list, call.services.desk, call.query)


def _list(tx: ReadTx, actor: Actor, desk: Desk, query: UserQuery) -> Page[UserOut]:
    check(actor, "user", Action.READ)
    where = {"id": OneOf([user.id for user in tx.find(USERS) if _fits(user, query)])}
    rows = tx.find(USERS, where, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, USERS, rows, query.limit, query.sort, lambda user: show_user(tx, desk, user))


def _fits(user: User, query: UserQuery) -> bool:
    """Whether an employee is what was asked for. There are few of them, so this needs no index."""
    wanted = {
        "department_id": query.department_id,
        "email": query.email.strip().lower() if query.email is not None else None,
        "extension": query.extension,
        "active": query.active,
    }
    same = all(value is None or getattr(user, name) == value for name, value in wanted.items())
    return same and (query.role is None or query.role in user.roles)


async def me(call: Call[None, None]) -> MeOut:
    """Who am I, and the token for changes by cookie."""
    session = call.signed.session
    return await call.read(_me, call.services.desk, call.user_id(), session.csrf if session else None)


def _me(tx: ReadTx, actor: Actor, desk: Desk, user_id: str, csrf: str | None) -> MeOut:
    return MeOut(**_members(tx, desk, require_user(tx, user_id)), csrf=csrf)


def _wanted(call: Call[Any, Any]) -> str:
    return call.user_id() if call.id == ME else call.id


async def read(call: Call[None, None]) -> UserOut:
    return await call.read(_read, call.services.desk, _wanted(call))


def _read(tx: ReadTx, actor: Actor, desk: Desk, user_id: str) -> UserOut:
    if actor.id != user_id:
        check(actor, "user", Action.READ)
    return show_user(tx, desk, require_user(tx, user_id))


class NewUser(In, frozen=True, kw_only=True):
    email: Line
    name: Line
    roles: Roles
    password: Password | None = None
    extension: Annotated[str, Meta(max_length=20, pattern=r"^[0-9*#]*$")] | None = None
    phone: Line | None = None
    department_id: Id | None = None


async def create(call: Call[None, NewUser]) -> UserOut:
    check(call.actor, "user", Action.MANAGE)
    body = call.body
    hashed = await hash_password(body.password) if body.password else None
    return await call.write(_create, call.services.desk, body, hashed)


def _create(tx: Tx, actor: Actor, desk: Desk, new: NewUser, hashed: str | None) -> UserOut:
    _check_references(tx, desk.company, {"department_id": new.department_id})
    user = create_user(
        tx,
        actor,
        email=new.email,
        name=new.name,
        roles=tuple(new.roles),
        password_hash=hashed,
        extension=new.extension,
        department_id=new.department_id,
        phone=new.phone,
    )
    return show_user(tx, desk, user)


class UserPatch(In, frozen=True, kw_only=True):
    name: Line | UnsetType = UNSET
    roles: Roles | UnsetType = UNSET
    phone: Line | UnsetType | None = UNSET
    extension: Annotated[str, Meta(max_length=20, pattern=r"^[0-9*#]*$")] | UnsetType | None = UNSET
    department_id: Id | UnsetType | None = UNSET
    calendar: Id | UnsetType | None = UNSET
    weight: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    skills: Annotated[list[Id], Meta(max_length=50)] | UnsetType = UNSET
    signature: Annotated[str, Meta(max_length=5000)] | UnsetType = UNSET
    locale: Literal["ru", "en"] | UnsetType = UNSET
    timezone: Line | UnsetType | None = UNSET
    theme: Literal["auto", "light", "dark"] | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    current_password: Annotated[str, Meta(max_length=1000)] | UnsetType = UNSET
    """Needed to change one's own password."""


async def patch(call: Call[None, UserPatch]) -> UserOut:
    """A new password, or being disabled, ends all sessions of the employee. `If-Match: VERSION` refuses a change of
    what somebody else has changed meanwhile."""
    user_id, body, version = _wanted(call), call.body, call.if_match
    changes = body.given()
    current, fresh = changes.pop("current_password", None), changes.pop("password", None)
    if fresh is not None:
        if call.actor.id == user_id:
            await _check_password(call, user_id, current)
        changes["password_hash"] = await hash_password(fresh)
    return await call.write(_patch, call.services.desk, user_id, changes, version)


async def _check_password(call: Call[Any, Any], user_id: str, current: str | None) -> None:
    user = await call.store.read(require_user, user_id)
    if not await verify_password(user.password_hash, current or ""):
        raise Problem(422, _WRONG, fields={"current_password": _WRONG})


def _patch(tx: Tx, actor: Actor, desk: Desk, user_id: str, changes: dict[str, Any], version: int | None) -> UserOut:
    _check_references(tx, desk.company, changes)
    changes |= {name: tuple(changes[name]) for name in ("roles", "skills") if name in changes}
    user = update_user(tx, actor, user_id, changes, version)
    if not user.active or "password_hash" in changes:
        close_sessions_of(tx, user.id)
    return show_user(tx, desk, user)


def _check_references(tx: ReadTx, company: Company, changes: dict[str, Any]) -> None:
    wrong = {}
    if (department := changes.get("department_id")) and tx.get(DEPARTMENTS, department) is None:
        wrong["department_id"] = "Такого отдела нет"
    if (calendar := changes.get("calendar")) and calendar not in company.calendars:
        wrong["calendar"] = f"Такого календаря нет; есть {', '.join(company.calendars)}"
    if (zone := changes.get("timezone")) and zone not in available_timezones():
        wrong["timezone"] = f"Такого часового пояса нет; например {ZoneInfo(company.timezone).key}"
    if wrong:
        raise Invalid(wrong)


class PresenceChange(In, frozen=True, kw_only=True):
    presence: Presence


async def presence(call: Call[None, PresenceChange]) -> UserOut:
    return await call.write(_presence, call.services.desk, _wanted(call), call.body.presence)


def _presence(tx: Tx, actor: Actor, desk: Desk, user_id: str, presence: Presence) -> UserOut:
    return show_user(tx, desk, set_presence(tx, actor, user_id, presence))


async def absences(call: Call[ListQuery, None]) -> Page[AbsenceOut]:
    """Present and coming ones, and those of the past."""
    return await call.read(_absences, _wanted(call), call.query)


def _absences(tx: ReadTx, actor: Actor, user_id: str, query: ListQuery) -> Page[AbsenceOut]:
    if actor.id != user_id:
        check(actor, "user", Action.READ)
    require_user(tx, user_id)
    rows = tx.find(ABSENCES, {"user_id": user_id}, sort="-ends_at", limit=query.limit + 1, after=query.cursor)
    return page_of(tx, ABSENCES, rows, query.limit, "-ends_at", show_absence)


class NewAbsence(In, frozen=True, kw_only=True):
    kind: Annotated[str, Meta(min_length=1, max_length=100)]
    """`vacation`, `sick`, or any word."""
    starts_at: Moment
    ends_at: Moment


async def absent(call: Call[None, NewAbsence]) -> AbsenceOut:
    """During it nothing is distributed to the employee."""
    body = call.body
    return show_absence(await call.write(add_absence, _wanted(call), body.kind, body.starts_at, body.ends_at))


async def back(call: Call[None, None]) -> None:
    """Back early: the absence is removed."""
    await call.write(end_absence, call.ids["absence"])


ROUTES = (
    Route("GET", "/users", list_, "Сотрудники", "user.read"),
    Route("POST", "/users", create, "Добавить сотрудника", "user.manage", 201),
    Route("GET", "/users/me", me, "Кто я", "—"),
    Route("GET", "/users/{id}", read, "Сотрудник", "user.read"),
    Route("PATCH", "/users/{id}", patch, "Изменить сотрудника; свои подпись, тему и пароль — каждый", "user.manage"),
    Route("POST", "/users/{id}/presence", presence, "В сети, перерыв, не в сети", "user.manage"),
    Route("GET", "/users/{id}/absences", absences, "Отпуска и болезни", "user.read"),
    Route("POST", "/users/{id}/absences", absent, "Отметить отсутствие", "user.manage", 201),
    Route("DELETE", "/users/{id}/absences/{absence}", back, "Вернулся раньше", "user.manage", 204),
)
