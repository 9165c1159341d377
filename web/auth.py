"""Who is asking: the session cookie of an employee, or the bearer token of a program.

**Pages and API ask `require`**: it gives a `Signed`, or refuses: the API gets a `401` problem, a page is sent to
`/login?next=…`. `current` is the same without refusal.

**Sign-in** (`sign_in`, `log_in`): attempts are counted per address and per account before the password is looked at,
an unknown account costs as much time as a wrong password, and both get the same words. Whoever signs in is at work: his
presence becomes online unless he is on a break; `log_out` makes him offline.

**CSRF**: a request that changes something and is authenticated by the cookie must bring the session's token, in the
header `X-CSRF-Token` or, for pages, in the form field `csrf`; `check_csrf` is run for every such request by the
middleware of `web/app.py`. A sign-in has no session yet: it is refused when the browser says that another site sent it.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from crm_core.accounts import SESSION_LIFE, Session, close_session, open_session, session_user, token_actor
from crm_core.actor import Actor
from crm_core.users import Presence, User, actor_for, by_email, require_user, set_presence
from distribution.desk import Desk
from storage import ReadTx, Tx
from web.address import remote_of
from web.passwords import verify_password
from web.problems import Problem, too_soon
from web.services import SERVICES, Services

COOKIE = "firstline_session"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

WINDOW = 300.0
"""Seconds in which sign-in attempts are counted."""
PER_ADDRESS, PER_ACCOUNT = 30, 10
"""Failed attempts within `WINDOW`."""
MAX_PASSWORD = 1000


@dataclass(frozen=True, slots=True)
class Signed:
    """Who is behind a request."""

    user: User | None
    """None for an API token."""
    actor: Actor
    session: Session | None


@dataclass(frozen=True, slots=True)
class SignIn:
    """A fresh sign-in; `secret` goes into the cookie and nowhere else."""

    secret: str
    session: Session
    user: User


class Throttle:
    """Counts failures per key within a sliding window; knows a bounded number of keys."""

    def __init__(self, limit: int, window: float = WINDOW, keys: int = 10_000) -> None:
        self._limit = limit
        self._window = window
        self._keys = keys
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until the next attempt is allowed; 0 when it is now."""
        moments = self._seen.get(key)
        while moments and moments[0] <= now - self._window:
            moments.popleft()
        if not moments or len(moments) < self._limit:
            return 0.0
        return moments[0] + self._window - now

    def count(self, key: str, now: float) -> None:
        self._seen.setdefault(key, deque(maxlen=self._limit)).append(now)
        self._seen.move_to_end(key)
        while len(self._seen) > self._keys:
            self._seen.popitem(last=False)

    def forget(self, key: str) -> None:
        """All failures of this key: it has proved itself."""
        self._seen.pop(key, None)

    def take_back(self, key: str) -> None:
        """The attempt that was counted last was no failure."""
        if moments := self._seen.get(key):
            moments.pop()


@dataclass(frozen=True, slots=True)
class Gate:
    """The throttles of one process."""

    addresses: Throttle
    accounts: Throttle


GATE: web.AppKey[Gate] = web.AppKey("gate", Gate)
_SIGNED: web.RequestKey[Signed | None] = web.RequestKey("signed", Signed)


def new_gate() -> Gate:
    return Gate(Throttle(PER_ADDRESS), Throttle(PER_ACCOUNT))


def is_api(request: web.Request) -> bool:
    """Whether a program is asking, which wants problem documents instead of pages."""
    return request.path.startswith("/api/")


async def current(request: web.Request) -> Signed | None:
    """Who is behind this request, looked up once per request; None for a stranger."""
    if _SIGNED not in request:
        request[_SIGNED] = await look_up(request)
    return request[_SIGNED]


async def look_up(request: web.Request) -> Signed | None:
    """Like `current`, asked anew: a long stream notices that its session has ended."""
    services = request.app[SERVICES]
    bearer = _bearer(request)
    if bearer is not None:
        actor = await services.store.read(_of_token, services.live, bearer)
        return Signed(None, actor, None) if actor else None
    secret = request.cookies.get(COOKIE)
    if not secret:
        return None
    found = await services.store.read(_of_session, services.live, secret)
    return Signed(found[1], found[2], found[0]) if found else None


def _of_token(tx: ReadTx, live: Desk, secret: str) -> Actor | None:
    return token_actor(tx, secret, live.at(tx).company.rights)


def _of_session(tx: ReadTx, live: Desk, secret: str) -> tuple[Session, User, Actor] | None:
    return session_user(tx, secret, live.at(tx).company.rights)


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def require(request: web.Request) -> Signed:
    """Who is behind this request. A stranger gets a `401` problem from the API and the login page from pages."""
    signed = await current(request)
    if signed is not None:
        return signed
    if is_api(request):
        headers = {"WWW-Authenticate": 'Bearer realm="firstline"'}
        raise Problem(401, "Войдите или пришлите токен в заголовке Authorization: Bearer", headers=headers)
    way_back = request.path_qs if request.method in SAFE else "/"
    raise web.HTTPSeeOther("/login?next=" + quote(way_back, safe=""))


async def check_csrf(request: web.Request) -> None:
    """Refuse a change that the cookie authenticates and that does not prove to come from our own page."""
    if request.method in SAFE or _bearer(request) is not None or COOKIE not in request.cookies:
        return
    signed = await current(request)
    if signed is None or signed.session is None:
        return
    given = request.headers.get(CSRF_HEADER, "") if is_api(request) else await _csrf_of_page(request)
    if not hmac.compare_digest(given.encode("utf-8", "replace"), signed.session.csrf.encode()):
        raise Problem(403, "Страница устарела: обновите её и повторите действие")


async def _csrf_of_page(request: web.Request) -> str:
    if CSRF_HEADER in request.headers:
        return request.headers[CSRF_HEADER]
    if request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return ""
    try:
        value = (await request.post()).get(CSRF_FIELD)
    except (ValueError, LookupError):
        return ""
    return value if isinstance(value, str) else ""


def refuse_foreign(request: web.Request) -> None:
    """A browser tells when another site's page sent this: then it is no sign-in of ours."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Problem(403, "Вход возможен только со страницы этого сайта")


async def sign_in(request: web.Request, email: str, password: str) -> SignIn:
    """Check the password and open a session. `Problem` 401 for wrong words, 429 after too many, 403 from elsewhere."""
    refuse_foreign(request)
    services = request.app[SERVICES]
    email, address = email.strip().lower()[:254], remote_of(request)
    _admit(request, email, address)
    user = await services.store.read(by_email, email) if _is_plain(email) else None
    right = await verify_password(user.password_hash if user else None, password[:MAX_PASSWORD])
    if user is None or not right or not user.active:
        raise Problem(401, "Неверная почта или пароль", fields={"password": "Неверная почта или пароль"})
    request.app[GATE].accounts.forget(email)
    request.app[GATE].addresses.take_back(address)  # an office of fifty signs in at nine from one address
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    session = await services.store.write(_arrive, services, user.id, secret, csrf)
    return SignIn(secret, session, user)


def _is_plain(text: str) -> bool:
    """Text that a store can be asked for."""
    return "\0" not in text and text.isprintable()


def _admit(request: web.Request, email: str, address: str) -> None:
    """Count the attempt, or refuse it. Counted first: attempts that run at the same time count too."""
    gate, now = request.app[GATE], request.app[SERVICES].clock().timestamp()
    wait = max(gate.addresses.wait(address, now), gate.accounts.wait(email, now))
    if wait > 0:
        raise too_soon(int(wait) + 1, f"Слишком много попыток входа. Попробуйте через {int(wait // 60) + 1} мин")
    gate.addresses.count(address, now)
    gate.accounts.count(email, now)


def _arrive(tx: Tx, services: Services, user_id: str, secret: str, csrf: str) -> Session:
    user = require_user(tx, user_id)
    actor = actor_for(tx, user, services.live.at(tx).company.rights)
    if user.presence is not Presence.BREAK:
        user = set_presence(tx, actor, user.id, Presence.ONLINE)
    return open_session(tx, user, secret, csrf)


def _leave(tx: Tx, signed: Signed, secret: str) -> None:
    close_session(tx, secret)
    if signed.user is not None:
        set_presence(tx, signed.actor, signed.user.id, Presence.OFFLINE)


def set_cookie(request: web.Request, response: web.StreamResponse, secret: str) -> None:
    """The session cookie: out of reach of scripts and of other sites' posts, and of plain HTTP when we have HTTPS."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(SESSION_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=request.app[SERVICES].public_url.startswith("https:"),
    )


async def log_in(request: web.Request, response_location: str) -> web.Response:
    """Sign in with the form fields `email` and `password` and go on to an address of this site."""
    form = await request.post()
    email, password = form.get("email"), form.get("password")
    fresh = await sign_in(
        request, email if isinstance(email, str) else "", password if isinstance(password, str) else ""
    )
    response = web.Response(status=303, headers={"Location": own_path(response_location)})
    set_cookie(request, response, fresh.secret)
    return response


async def log_out(request: web.Request, response_location: str = "/login") -> web.Response:
    """End the session; the employee is offline now."""
    signed, secret = await current(request), request.cookies.get(COOKIE)
    if signed is not None and signed.session is not None and secret:
        await request.app[SERVICES].store.write(_leave, signed, secret)
    response = web.Response(status=303, headers={"Location": own_path(response_location)})
    response.del_cookie(COOKIE, path="/")
    return response


def own_path(location: str) -> str:
    """A path of this site; `/` for anything that a browser would take for another one."""
    if not location.startswith("/") or location[1:2] in ("/", "\\") or not location.isprintable():
        return "/"
    return location
