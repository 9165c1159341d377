"""The web application: routes put together, and the one middleware that turns refusals into answers and checks the
CSRF token.

The public doors (`/in/…`, see `web/public.py`) stand outside of it: they answer for themselves and are counted in
thousands a second, and what a middleware costs is a good part of what a form costs. So they belong to the outer
application, and everything else to the inner one.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Awaitable, Callable
from functools import partial
from traceback import walk_tb

import structlog
from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRuleMatching, MatchedSubAppResource, _InfoDict

from web import ops, public, stream
from web.api import dispatch
from web.api.routes import ROUTES
from web.auth import GATE, SAFE, check_csrf, current, is_api, new_gate
from web.documents import DOCUMENTS, Documents
from web.openapi import add_description
from web.pages.render import bare, look_of
from web.pages.routes import add_pages
from web.pdf import Pdf
from web.problems import Problem, problem_of, reply
from web.services import SERVICES, Services

log = structlog.get_logger("web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_FORM = 1 << 20
"""Bytes of a page's form that is read as a whole; files are read as streams with limits of their own."""
FORM_WITHIN = 120.0
"""Seconds in which a page's change must be through, its body included; the API limits its bodies call by call."""
PLAIN = ("/healthz", "/readyz", "/metrics")

CSP = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_app(services: Services) -> web.Application:
    """The whole web room over a running hub."""
    outer = web.Application(client_max_size=MAX_FORM)
    outer[SERVICES] = services
    ops.add_counters(outer)
    public.add_doors(outer)
    outer.on_response_prepare.append(_give_up_unreadable)
    inner = _inner(services, outer)
    # What `add_domain` does, with a rule of our own: aiohttp has no public name for that.
    outer._add_subapp(partial(MatchedSubAppResource, _NoDoor(), inner), inner)
    outer[stream.FEED] = inner[stream.FEED]
    return outer


class _NoDoor(AbstractRuleMatching):
    """Every address but the public doors."""

    @property
    def canonical(self) -> str:
        return "/"

    async def match(self, request: web.Request) -> bool:
        return not request.path.startswith("/in/")

    def get_info(self) -> _InfoDict:
        return {}


def _inner(services: Services, outer: web.Application) -> web.Application:
    """What people and programs with a name use."""
    app = web.Application(middlewares=[door])
    app[SERVICES] = services
    app[DOCUMENTS] = Documents(services.store, services.desk.company, Pdf())
    app[GATE] = new_gate()
    ops.add_ops(app, counters_of=outer)
    dispatch.add_routes(app, ROUTES)
    add_description(app, ROUTES)
    stream.add_stream(app)
    public.add_form_pages(app)
    add_pages(app)
    app.on_response_prepare.append(_add_headers)
    return app


@web.middleware
async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every request but those of the public doors: CSRF, refusals as answers."""
    try:
        async with asyncio.timeout(None if request.method in SAFE or is_api(request) else FORM_WITHIN):
            _check_charset(request)
            await check_csrf(request)
            response = await handler(request)
    except Exception as error:
        if isinstance(error, web.HTTPException) and error.status < 400:
            ops.count(request.app, "page", error.status)
            raise
        response = await _refusal(request, error)
    ops.count(request.app, "api" if is_api(request) else "page", response.status)
    return response


def _check_charset(request: web.Request) -> None:
    """A form in an encoding that nobody knows cannot be read."""
    try:
        codecs.lookup(request.charset or "utf-8")
    except (LookupError, ValueError):
        raise Problem(415, "Неизвестная кодировка: нужна UTF-8") from None


async def _refusal(request: web.Request, error: Exception) -> web.StreamResponse:
    problem = problem_of(error)
    if problem is None and request.method not in SAFE and _failed_reading(error):
        problem = Problem(422, "Форма составлена неверно", fields={"body": "Форма составлена неверно"})
    if problem is None or problem.status == 500:
        log.exception("request failed", method=request.method, route=_route(request), exc_info=error)
        problem = problem or Problem(500, "Мы не справились с запросом. Ошибка записана в журнал сервера")
    if is_api(request) or request.path in PLAIN or request.path.startswith("/forms/"):
        return reply(problem)
    return await _page(request, problem)


def _failed_reading(error: Exception) -> bool:
    """Whether aiohttp gave up on the body: it says so with errors of many types, so the place tells."""
    place = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return bool(place) and place[-1].startswith("aiohttp.")


async def _page(request: web.Request, problem: Problem) -> web.StreamResponse:
    """For people. Even when the page itself fails they get the sentence."""
    try:
        signed = await current(request)
        look = look_of(request.app[SERVICES], signed.user if signed else None)
        shown = {"title": problem.title, "detail": problem.detail, "fields": problem.fields}
        response = bare(request, look, "error.html", problem.status, code=problem.status, **shown)
        response.headers.update(problem.headers)
        return response
    except Exception as error:
        log.exception("error page failed", exc_info=error)
        return web.Response(status=problem.status, text=f"{problem.title}. {problem.detail}", headers=problem.headers)


def _route(request: web.Request) -> str:
    """The pattern, not the path: paths may hold personal data."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "-"


async def _give_up_unreadable(request: web.Request, response: web.StreamResponse) -> None:
    """After the answer aiohttp reads what is left of the body; of one that cannot be read (garbage where gzip was
    announced) nothing is left, and trying would only fill the log."""
    if request.content.exception() is not None:
        response.force_close()
        request.content.feed_eof()


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Strict defaults; a connector's page and a served file bring their own policy."""
    for name, value in SECURITY.items():
        if name not in response.headers:
            response.headers[name] = value
