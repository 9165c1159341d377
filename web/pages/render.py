"""From a handler's data to an answer: who asks, the frame around every page, the template.

The frame (navigation, presence, counters, the place in the live stream) is read together, once per full page; partials
do without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import aiohttp_jinja2
import jinja2
from aiohttp import web

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.changes import last_seq
from crm_core.notifications import NOTIFICATIONS
from crm_core.rights import Action
from crm_core.searchable import KINDS
from crm_core.tasks import TASKS
from crm_core.users import User
from storage import ReadTx
from web.auth import Signed, current, require
from web.pages import format, words
from web.pages.i18n import _, mark, ngettext
from web.pages.look import LOCALES, Look, seen_by
from web.problems import Problem
from web.services import SERVICES, Services

WEB = Path(__file__).resolve().parent.parent
STATIC = WEB / "static"
T = TypeVar("T")

SECTIONS = (
    ("work", "/", mark("Работа"), "inbox", "lead"),
    ("leads", "/leads", mark("Лиды"), "leads", "lead"),
    ("deals", "/deals", mark("Сделки"), "board", "deal"),
    ("tasks", "/tasks", mark("Задачи"), "task", "task"),
    ("calls", "/calls", mark("Звонки"), "phone", "call"),
    ("customers", "/companies", mark("Клиенты"), "building", "company"),
    ("products", "/products", mark("Товары"), "box", "product"),
    ("ops", "/ops", mark("Каналы"), "pulse", "connector"),
)
"""Key, address, title, icon, and the kind of record whose readers see the section."""
IMPORTED = ("lead", "contact", "company", "deal", "product")
"""Kinds of records that tables are imported of."""
COUNT_TO = 100
FILTERS: dict[str, Callable[..., Any]] = format.FILTERS | words.FILTERS


@dataclass(frozen=True, slots=True)
class Reader:
    """The employee behind a request, with the hub at hand."""

    user: User
    actor: Actor
    csrf: str
    services: Services
    look: Look

    async def read(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return await self.services.store.read(fn, *args, **kwargs)

    async def write(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return await self.services.store.write(fn, *args, **kwargs)


async def reader(request: web.Request) -> Reader:
    """Who asks. A page without a session goes to the login; a partial makes the whole page go there."""
    signed: Signed | None
    if "HX-Request" in request.headers:
        signed = await current(request)
        if signed is None:
            raise Problem(401, "Сеанс закончился: войдите снова", headers={"HX-Redirect": "/login"})
    else:
        signed = await require(request)
    if signed.user is None or signed.session is None:
        raise Problem(403, "Страницы открывают сотрудники; с токеном работают через /api/v1")
    services = request.app[SERVICES]
    return Reader(signed.user, signed.actor, signed.session.csrf, services, look_of(services, signed.user))


def look_of(services: Services, user: User | None, locale: str | None = None) -> Look:
    """Language and clock of an employee, else those of the company."""
    company = services.desk.company
    language = (user.locale if user else locale) or company.language
    zone = user.timezone if user and user.timezone else company.timezone
    return Look(language if language in LOCALES else "ru", ZoneInfo(zone), services.clock())


def wants_part(request: web.Request) -> bool:
    """A script asks for a part of the page, not the browser for the whole of it."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def part(request: web.Request, who: Reader, template: str, **context: Any) -> web.Response:
    """A piece of a page."""
    return _answer(request, who.look, template, {**_common(who), **context})


async def page(request: web.Request, who: Reader, template: str, section: str, **context: Any) -> web.Response:
    """A whole page inside the frame."""
    frame = await who.read(_frame, who.actor, who.user.id)
    shown = [each for each in SECTIONS if may(who.actor, each[4], Action.READ)]
    frame |= {"section": section, "sections": shown, "may_users": may(who.actor, "user", Action.MANAGE)}
    frame["may_import"] = any(may(who.actor, kind, Action.IMPORT) for kind in IMPORTED)
    frame["searches"] = any(kind.scope(who.actor) is not None for kind in KINDS.values())
    return _answer(request, who.look, template, {**_common(who), **frame, **context})


def bare(request: web.Request, seer: Look, template: str, status: int = 200, **context: Any) -> web.Response:
    """A page for somebody who is not signed in."""
    return _answer(request, seer, template, {"theme": "auto", "user": None, **context}, status)


def _common(who: Reader) -> dict[str, Any]:
    return {
        "user": who.user,
        "actor": who.actor,
        "csrf": who.csrf,
        "theme": who.user.theme,
        "company": who.services.desk.company,
        "may": lambda entity, action="read": may(who.actor, entity, Action(action)),
    }


def _frame(tx: ReadTx, actor: Actor, user_id: str) -> dict[str, Any]:
    return {
        "unread_notes": tx.count(NOTIFICATIONS, {"user_id": user_id, "read": False}, limit=COUNT_TO),
        "open_tasks": tx.count(TASKS, {"responsible_id": user_id, "open": True}, limit=COUNT_TO),
        "last_seq": last_seq(tx),
    }


def _answer(
    request: web.Request, seer: Look, template: str, context: dict[str, Any], status: int = 200
) -> web.Response:
    base = {"locale": seer.locale, "locales": LOCALES, "now": seer.now, "asset": asset}
    with seen_by(seer):
        response = aiohttp_jinja2.render_template(template, request, {**base, **context}, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


@lru_cache
def _stamp() -> str:
    """Changes whenever a file that pages load does, so that browsers never mix two versions."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def asset(name: str) -> str:
    """Address of a static file, for this version of it."""
    return f"/static/{_stamp()}/{name}"


def set_up_templates(app: web.Application) -> None:
    """Jinja with escaping, translations and our filters."""
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(WEB / "templates"),
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        filters=FILTERS,
    )
    env.install_gettext_callables(_, ngettext, newstyle=True)  # type: ignore[attr-defined]
