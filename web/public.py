"""The public doors: what customers' systems call. Each request goes to the connector that its address names.

This path is lean on purpose: sites, shops and exchanges post here at their own pace, and an answer means that the
contact is durable. Size and time of a body are limited before a connector sees it; what goes wrong is answered with a
problem document here, without the middleware.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import cast
from urllib.parse import parse_qs

import structlog
from aiohttp import web
from multidict import CIMultiDict

from connectors.contract import Connector, HealthState, HttpReply, HttpRequest, Receives
from crm_core.leads import last_lead_of, open_lead_of
from crm_core.people import by_phone
from crm_core.users import USERS, Presence, User
from distribution.desk import Desk
from distribution.queues import Queue
from router import normalize
from storage import ReadTx, StorageError
from web import ops
from web.address import remote_of
from web.api.input import read_bytes
from web.problems import Problem, problem_of, reply
from web.services import SERVICES, Services

MAX_BODY = 1 << 20
"""Bytes, unless the connector has a `max_body` of its own, or a `max_upload` for forms with files."""
BODY_WITHIN = 15.0
"""Seconds for a body to arrive."""
FORMS, ORDERS = frozenset({"form"}), frozenset({"order"})
NOT_HOOKS = FORMS | ORDERS
PAUSED_FOR = "60"
"""Seconds after which to try a paused channel again."""

log = structlog.get_logger("web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_doors(app: web.Application) -> None:
    """Register the addresses."""
    add = app.router.add_route
    add("*", "/in/forms/{connector}", _door(lambda kind: kind in FORMS))
    add("*", "/in/orders/{connector}", _door(lambda kind: kind in ORDERS))
    add("*", "/in/hooks/{connector}", _door(lambda kind: kind not in NOT_HOOKS))
    add("*", "/in/calls/{connector}/owner", owner)
    add("*", "/in/{nothing:.*}", _nothing)


def add_form_pages(app: web.Application) -> None:
    """Register the pages of the generated forms."""
    app.router.add_route("GET", "/forms/{connector}", _door(lambda kind: kind in FORMS))


def _door(fits: Callable[[str], bool]) -> Handler:
    """The handler of one kind of address; `fits` tells by a connector's type whether it belongs there."""

    async def receive(request: web.Request) -> web.StreamResponse:
        try:
            response = await _receive(request, fits)
        except Exception as error:
            response = _refusal(request, error)
        ops.count(request.app, "in", response.status)
        return response

    return receive


async def _receive(request: web.Request, fits: Callable[[str], bool]) -> web.Response:
    connector = cast(Receives, _open(request, lambda each: fits(each.type) and _receives(type(each))))
    with_files = request.content_type == "multipart/form-data"
    limit: int = getattr(connector, "max_upload" if with_files else "max_body", MAX_BODY)
    body = await read_bytes(request, limit, BODY_WITHIN) if request.can_read_body else b""
    answer = await connector.receive(
        HttpRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query) if request.query_string else {},
            headers=request.headers,  # found by lower-case names, whatever was sent
            body=body,
            remote=remote_of(request),
        )
    )
    return _response(answer)


@lru_cache(maxsize=64)
def _receives(type: type[Connector]) -> bool:
    """Whether connectors of this type are driven by requests; asking the protocol costs as much as reading a form."""
    return issubclass(type, Receives)


def _open(request: web.Request, fits: Callable[[Connector], bool]) -> Connector:
    """The channel of the address. `404` when there is none of this kind or the configuration disables it; `503` while
    it is paused, because whoever delivers shall try again later."""
    name, supervisor = request.match_info["connector"], request.app[SERVICES].supervisor
    connector = supervisor.get(name)
    if connector is not None and fits(connector):
        return connector
    known = supervisor.known(name)
    if connector is None and known is not None and fits(known):
        states = {each.name: each.state for each in supervisor.health()}
        if states[name] is HealthState.PAUSED:
            raise Problem(503, "Канал приостановлен. Повторите попытку позже", headers={"Retry-After": PAUSED_FOR})
    raise Problem(404, "Такого канала нет, или он отключён")


def _response(answer: HttpReply) -> web.Response:
    headers = CIMultiDict(answer.headers)
    headers["Content-Type"], headers["X-Content-Type-Options"] = answer.content_type, "nosniff"
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _refusal(request: web.Request, error: Exception) -> web.Response:
    problem = problem_of(error)
    if problem is None:
        log.exception("public request failed", connector=request.match_info.get("connector"), exc_info=error)
        problem = Problem(500, "Мы не справились с запросом. Ошибка записана в журнал сервера")
    return reply(problem)


async def _nothing(request: web.Request) -> web.Response:
    ops.count(request.app, "in", 404)
    return reply(Problem(404, "Такого адреса нет"))


async def owner(request: web.Request) -> web.Response:
    """For the dialplan: the extension of the caller's responsible seller, or nothing. Plain text."""
    try:
        connector = _open(request, lambda each: each.channel == "phone")
    except Problem as problem:
        ops.count(request.app, "in", problem.status)
        return reply(problem)
    number = normalize.phone(await _asked_number(request))
    extension = await _extension(request.app[SERVICES], number, connector.name) if number is not None else ""
    ops.count(request.app, "in", 200)
    return web.Response(text=extension, headers={"Cache-Control": "no-store"})


async def _extension(services: Services, number: str, connector: str) -> str:
    info = services.desk.company.connectors.get(connector)
    try:
        return await services.store.read(responsible_extension, services.desk, number, info.queue if info else "")
    except StorageError:
        log.exception("owner look-up failed")  # the caller must not wait: the dialplan goes its usual way
        return ""


async def _asked_number(request: web.Request) -> str:
    """`phone` from the query or from a form post; empty when there is none. A plus that became a space comes back."""
    text = request.query.get("phone", "")
    if not text and request.method == "POST":
        try:
            body = await read_bytes(request, 4096, 2.0)
        except (Problem, web.RequestPayloadError):
            return ""
        text = _field(body, "phone")
    return "+" + text[1:] if text.startswith(" ") else text


def _field(body: bytes, name: str) -> str:
    """A field of a form post; empty when there is none or this is no form."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=100).get(name, [""])[0]
    except ValueError:
        return ""


def responsible_extension(tx: ReadTx, desk: Desk, phone: str, queue: str) -> str:
    """Extension of who leads this caller's open lead, else of who led the last one, when he can take a call now.
    `queue`: the connector's, whose rules count for a caller without a lead."""
    person = by_phone(tx, phone)
    if person is None:
        return ""
    lead = open_lead_of(tx, person.id) or last_lead_of(tx, person.id)
    candidates = (lead.owner_id if lead and lead.open else None, person.former_owner_id)
    rules = desk.queue_for(lead.queue if lead else queue)
    for user_id in dict.fromkeys(each for each in candidates if each):
        user = tx.get(USERS, user_id)
        if user is not None and user.extension and _can_talk(tx, desk, user, rules):
            return user.extension
    return ""


def _can_talk(tx: ReadTx, desk: Desk, user: User, queue: Queue) -> bool:
    if not user.active or desk.roster(tx).absence(user.id, tx.now) is not None:
        return False
    if queue.presence_required and user.presence is Presence.OFFLINE:
        return False
    return desk.is_on_shift(queue, user, tx.now)
