"""From a line of the route table to an aiohttp handler: who asks, what he sent, the call, its answer as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from storage import QueryError
from web.api.call import Call, Route
from web.api.files import read_multipart
from web.api.input import read_body, read_query, read_struct
from web.auth import require
from web.problems import Problem, invalid
from web.services import SERVICES

ROOT = "/api/v1"
MAX_ID = 200

_encode = msgspec.json.Encoder().encode


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Register every line."""
    for route in routes:
        app.router.add_route(route.method, ROOT + route.path, make_handler(route))


def make_handler(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of one line."""
    query_type, body_type = route.query, route.body

    async def handle(request: web.Request) -> web.StreamResponse:
        signed = await require(request)
        ids = _ids(request)
        services = request.app[SERVICES]
        query = read_query(query_type, request) if query_type else None
        if body_type is None:
            body = None
        elif route.upload and request.content_type == "multipart/form-data":
            form = await read_multipart(request, services.store, signed.actor)
            body = read_struct(body_type, form, strict=False)
        else:
            body = await read_body(body_type, request)
        call: Call[Any, Any] = Call(request, services, signed, ids, query, body)
        try:
            return _answer(route, await route.handler(call))
        except QueryError:
            if getattr(query, "cursor", None) is None:
                raise
            raise invalid(cursor="Такой страницы нет: начните список сначала") from None

    return handle


def _ids(request: web.Request) -> dict[str, str]:
    """Variable parts of the path. What could not be an id is simply not there."""
    ids = dict(request.match_info)
    for value in ids.values():
        if len(value) > MAX_ID or not value.isprintable():
            raise Problem(404, "Такой записи нет")
    return ids


def _answer(route: Route, result: Any) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    headers = {"Cache-Control": "no-store"}
    if result is None:
        return web.Response(status=204, headers=headers)
    version = getattr(result, "version", None)
    if isinstance(version, int):
        headers["ETag"] = f'"{version}"'
    return web.Response(status=route.status, body=_encode(result), content_type="application/json", headers=headers)
