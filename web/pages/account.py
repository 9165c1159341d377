"""Signing in and out, and what an employee sets for himself: presence, notes read, language, theme, password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from crm_core.accounts import close_sessions_of
from crm_core.actor import Actor
from crm_core.errors import Invalid
from crm_core.notifications import NOTIFICATIONS, Notification, mark_all_read
from crm_core.users import USERS, Presence, set_presence, update_user
from storage import ReadTx, Tx
from web.auth import current, log_in, log_out, own_path, set_cookie, sign_in
from web.pages.actions import done, form_of
from web.pages.i18n import _
from web.pages.look import LOCALES, Look, seen_by
from web.pages.render import bare, look_of, page, part, reader
from web.passwords import hash_password, verify_password
from web.problems import Problem
from web.services import SERVICES

NOTES = 30
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1000
THEMES = ("auto", "light", "dark")


async def login_page(request: web.Request) -> web.Response:
    """`GET /login`; who is signed in already goes on."""
    if await current(request) is not None:
        raise web.HTTPFound(own_path(request.query.get("next", "/")))
    return await _login(request)


async def _login(request: web.Request, error: str = "", email: str = "", status: int = 200) -> web.Response:
    services = request.app[SERVICES]
    demo = await services.store.read(_demo_people) if services.demo else []
    empty = not await services.store.read(lambda tx: tx.count(USERS, limit=1))
    return bare(
        request, _stranger(request), "login.html", status, error=error, email=email, demo=demo, empty=empty,
        next=own_path(request.query.get("next", "/")), roles=services.desk.company.roles,
    )  # fmt: skip


def _stranger(request: web.Request) -> Look:
    """The language that the browser asks for, when there is a catalog; else that of the company."""
    wanted = request.headers.get("Accept-Language", "")[:2].lower()
    return look_of(request.app[SERVICES], None, wanted if wanted in LOCALES else None)


def _demo_people(tx: ReadTx) -> list[tuple[str, str, str]]:
    return [(user.email, user.name, next(iter(user.roles), "")) for user in tx.find(USERS, limit=20) if user.active]


async def login(request: web.Request) -> web.Response:
    """`POST /login`."""
    try:
        return await log_in(request, request.query.get("next", "/"))
    except Problem as problem:
        email = (await form_of(request)).get("email", "")
        return await _login(request, problem.detail, email[:254], problem.status)


async def logout(request: web.Request) -> web.Response:
    """`POST /logout`."""
    return await log_out(request)


async def presence(request: web.Request) -> web.Response:
    """`POST /me/presence`: at work, on a break, away."""
    who = await reader(request)
    wanted = (await form_of(request)).get("presence", "")
    if wanted not in tuple(Presence):
        raise Invalid({"presence": f"Бывает: {', '.join(Presence)}"})
    user = await who.write(set_presence, who.actor, who.user.id, Presence(wanted))
    return part(request, who, "frame/presence.html", user=user)


def notes_of(tx: ReadTx, user_id: str) -> list[Notification]:
    """Unread first, then the latest."""
    unread = tx.find(NOTIFICATIONS, {"user_id": user_id, "read": False}, sort="-at", limit=NOTES)
    read = tx.find(NOTIFICATIONS, {"user_id": user_id, "read": True}, sort="-at", limit=NOTES - len(unread) or 1)
    return [*unread, *read][:NOTES]


async def notes_part(request: web.Request) -> web.Response:
    """`GET /me/notifications`: the list under the bell."""
    who = await reader(request)
    return part(request, who, "frame/notes.html", notes=await who.read(notes_of, who.user.id))


async def bell_part(request: web.Request) -> web.Response:
    """`GET /me/bell`: only the number on it."""
    who = await reader(request)
    count = await who.read(lambda tx: tx.count(NOTIFICATIONS, {"user_id": who.user.id, "read": False}, limit=100))
    return part(request, who, "frame/bell.html", unread_notes=count)


async def read_notes(request: web.Request) -> web.Response:
    """`POST /me/notifications/read`: all of them."""
    who = await reader(request)
    await who.write(mark_all_read, who.user.id)
    return part(request, who, "frame/bell.html", unread_notes=0)


async def theme(request: web.Request) -> web.Response:
    """`POST /me/theme`: light, dark or as the system."""
    who = await reader(request)
    wanted = (await form_of(request)).get("theme", "auto")
    if wanted not in THEMES:
        raise Invalid({"theme": f"Бывает: {', '.join(THEMES)}"})
    await who.write(update_user, who.actor, who.user.id, {"theme": wanted})
    return done()


async def me_page(request: web.Request) -> web.Response:
    """`GET /settings/me`."""
    who = await reader(request)
    return await page(request, who, "settings/me.html", "me", saved=request.query.get("saved"), errors={})


async def save_me(request: web.Request) -> web.Response:
    """`POST /settings/me`: signature, language, theme."""
    who = await reader(request)
    form = await form_of(request)
    changes: dict[str, Any] = {"signature": form.get("signature", "").replace("\r\n", "\n").strip()[:2000]}
    if form.get("locale") in LOCALES:
        changes["locale"] = form["locale"]
    if form.get("theme") in THEMES:
        changes["theme"] = form["theme"]
    await who.write(update_user, who.actor, who.user.id, changes)
    raise web.HTTPSeeOther("/settings/me?" + urlencode({"saved": "profile"}))


def _new_password(tx: Tx, actor: Actor, user_id: str, digest: str) -> None:
    update_user(tx, actor, user_id, {"password_hash": digest})
    close_sessions_of(tx, user_id)


def _password_problems(form: Mapping[str, str], right: bool) -> dict[str, str]:
    """By field, in the reader's language."""
    problems = {} if right else {"old": _("Это не ваш нынешний пароль")}
    if not SHORTEST_PASSWORD <= len(form.get("new", "")) <= LONGEST_PASSWORD:
        problems["new"] = _("Не короче %(number)s знаков") % {"number": SHORTEST_PASSWORD}
    elif form.get("new") != form.get("again"):
        problems["again"] = _("Пароли не совпали")
    return problems


async def save_password(request: web.Request) -> web.Response:
    """`POST /settings/password`: every other session of this employee ends."""
    who = await reader(request)
    form = await form_of(request)
    right = await verify_password(who.user.password_hash, form.get("old", "")[:LONGEST_PASSWORD])
    with seen_by(who.look):
        problems = _password_problems(form, right)
    if problems:
        return await page(request, who, "settings/me.html", "me", saved=None, errors=problems)
    await who.write(_new_password, who.actor, who.user.id, await hash_password(form["new"]))
    fresh = await sign_in(request, who.user.email, form["new"])
    response = web.Response(status=303, headers={"Location": "/settings/me?saved=password"})
    set_cookie(request, response, fresh.secret)
    return response
