"""Employees, for whoever manages them: add, change roles and extension, disable."""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web
from multidict import MultiDictProxy

from crm_core.access import check
from crm_core.accounts import close_sessions_of
from crm_core.actor import Actor
from crm_core.errors import Invalid
from crm_core.rights import Action
from crm_core.users import DEPARTMENTS, USERS, Department, User, create_user, update_user
from storage import ReadTx, Tx
from web.pages.render import Reader, page, reader
from web.passwords import hash_password

PASSWORD_BYTES = 9


def everybody(tx: ReadTx, actor: Actor) -> tuple[list[User], list[Department]]:
    """Active employees first, by name."""
    check(actor, "user", Action.MANAGE)
    users = sorted(tx.find(USERS), key=lambda user: (not user.active, user.name.lower()))
    return users, tx.find(DEPARTMENTS, sort="id")


async def users_page(request: web.Request) -> web.Response:
    """`GET /admin/users`."""
    return await _page(request, await reader(request))


async def _page(request: web.Request, who: Reader, **context: Any) -> web.Response:
    users, departments = await who.read(everybody, who.actor)
    shown = {"errors": {}, "given": {}, "fresh": None, "edit": request.query.get("edit")} | context
    return await page(request, who, "settings/users.html", "users", users=users, departments=departments, **shown)


def _fields(form: MultiDictProxy[Any]) -> dict[str, Any]:
    return {
        "name": str(form.get("name", "")).strip(),
        "roles": tuple(str(role) for role in form.getall("roles", [])),
        "extension": str(form.get("extension", "")).strip() or None,
        "department_id": str(form.get("department_id", "")) or None,
    }


async def add_user(request: web.Request) -> web.Response:
    """`POST /admin/users`: the new employee's first password is shown once."""
    who = await reader(request)
    check(who.actor, "user", Action.MANAGE)
    form = await request.post()
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    fields = _fields(form) | {"email": str(form.get("email", ""))}
    digest = await hash_password(password)
    try:
        user = await who.write(lambda tx: create_user(tx, who.actor, password_hash=digest, **fields))
    except Invalid as error:
        return await _page(request, who, errors=error.fields, given=fields)
    return await _page(request, who, fresh=(user, password))


def _change(tx: Tx, actor: Actor, user_id: str, changes: dict[str, Any]) -> None:
    user = update_user(tx, actor, user_id, changes)
    if not user.active:
        close_sessions_of(tx, user_id)


async def change_user(request: web.Request) -> web.Response:
    """`POST /admin/users/{id}`: roles, extension, department, or `active`."""
    who, user_id = await reader(request), request.match_info["id"]
    form = await request.post()
    changes = {"active": form["active"] == "yes"} if "active" in form else _fields(form)
    if changes.get("active") is False and user_id == who.user.id:
        raise Invalid({"active": "Себя отключить нельзя"})
    await who.write(_change, who.actor, user_id, changes)
    raise web.HTTPSeeOther("/admin/users")
