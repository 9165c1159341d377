"""The OpenAPI 3.1 description of the API, made from the same route table that serves it, and a page to read it.

Schemas come from the structs of the calls; what every call shares (errors, sign-in) is added here. The public doors are
no calls of that table: their bodies are forms of free shape, so they are described by hand below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from inspect import getdoc
from typing import Any

import msgspec
from aiohttp import web

from connectors.registry import REGISTRY
from crm_core.errors import Lack
from web.api.call import In, Route
from web.problems import TITLES, TYPE
from web.services import SERVICES

ROOT = "/api/v1"
REF = "#/components/schemas/{name}"
PROBLEM_REF = {"$ref": REF.format(name="Problem")}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}, "description": "поле → что не так"},
        "missing": {
            "type": "array",
            "items": {"$ref": REF.format(name="Lack")},
            "description": "чего не хватает для стадии или конвертации",
        },
    },
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "Версия записи, которую вы видели; 409, если её уже изменили",
}
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "Тот же ключ ещё раз — тот же ответ, и ничего не добавляется",
}
OWNER = "Внутренний номер ответственного за звонящего"
DOORS: tuple[tuple[str, str, str, str], ...] = (
    ("post", "/in/forms/{connector}", "Заявка с формы сайта: JSON или обычная HTML-форма", "202"),
    ("get", "/forms/{connector}", "Готовая форма страницей", "200"),
    ("post", "/in/orders/{connector}", "Заказ интернет-магазина", "202"),
    ("post", "/in/hooks/{connector}", "Вебхук площадки", "200"),
    ("get", "/in/hooks/{connector}", "Проверка адреса площадкой", "200"),
    ("get", "/in/calls/{connector}/owner", OWNER + " (?phone=), простым текстом", "200"),
    ("post", "/in/calls/{connector}/owner", OWNER + " (phone в теле формы), простым текстом", "200"),
    ("get", "/healthz", "Процесс жив", "200"),
    ("get", "/readyz", "Хаб принимает и сохраняет", "200"),
    ("get", "/metrics", "Показатели для Prometheus", "200"),
    ("get", "/api/v1/events", "Живой поток событий (server-sent events), продолжается по Last-Event-ID", "200"),
)
"""Method, path, what it is, status of success."""
NEEDS = {"/in/orders/{connector}": "order"}
"""Door → type of connector without which it leads nowhere."""


def describe(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The OpenAPI document."""
    routes = tuple(routes)
    types: list[Any] = [Lack]
    types += [found for route in routes for found in (route.body, _shown(route)) if found is not None]
    types += [each.type for route in routes if route.query for each in msgspec.structs.fields(route.query)]
    (_, components) = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(ROOT + route.path, {})[route.method.lower()] = _operation(route)
    for method, path, summary, status in DOORS:
        if NEEDS.get(path, "form") not in REGISTRY:
            continue
        paths.setdefault(path, {})[method] = _door(path, summary, status)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Первая линия", "version": version, "description": "API хаба обращений «Первая линия»"},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM_SCHEMA, **components},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "firstline_session"},
            },
        },
    }


def _shown(route: Route) -> Any:
    """Type of a JSON answer; None for no content and for files."""
    answer = route.answer
    is_stream = isinstance(answer, type) and issubclass(answer, web.StreamResponse)
    return None if answer is type(None) or is_stream else answer


def _schema(type: Any) -> dict[str, Any]:
    ((found,), _) = msgspec.json.schema_components([type], ref_template="#/components/schemas/{name}")
    return found


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": f"{getdoc(route.handler) or ''}\n\nПраво: {route.rights}".strip(),
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__.strip('_')}",
        "tags": [route.path.split("/")[1]],
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": {str(route.status): _success(route)} | {str(s): _problem(s) for s in route.refusals},
    }
    operation["parameters"] += [IF_MATCH] if route.reads_version else []
    operation["parameters"] += [IDEMPOTENCY] if route.idempotent else []
    content = _body(route)
    if content:
        operation["requestBody"] = {"required": _is_required(route.body), "content": content}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(query: type[In] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    return [
        {"name": each.encode_name, "in": "query", "required": each.required, "schema": _schema(each.type)}
        for each in msgspec.structs.fields(query)
    ]


def _body(route: Route) -> dict[str, Any]:
    form = {"multipart/form-data": {"schema": {"type": "object"}}}
    if route.body is None:
        return form if route.accepts == "multipart/form-data" else {}
    return {"application/json": {"schema": _schema(route.body)}} | (form if route.upload else {})


def _is_required(body: type[In] | None) -> bool:
    return body is None or any(each.required for each in msgspec.structs.fields(body))


def _success(route: Route) -> dict[str, Any]:
    shown = _shown(route)
    if shown is not None:
        return {"description": route.summary, "content": {route.media: {"schema": _schema(shown)}}}
    if route.status == 204:
        return {"description": "Сделано"}
    return {"description": route.summary, "content": {route.media: {}}}


def _problem(status: int) -> dict[str, Any]:
    return {"description": TITLES[status], "content": {TYPE: {"schema": PROBLEM_REF}}}


def _door(path: str, summary: str, status: str) -> dict[str, Any]:
    refusals = (401, 403, 404, 413, 415, 422, 429, 503) if path.startswith("/in/") else (404, 503)
    responses = {status: {"description": summary}} | {str(each): _problem(each) for each in refusals}
    security: dict[str, Any] = {} if path.startswith("/api/") else {"security": []}
    return {
        "summary": summary,
        "tags": ["doors"],
        "parameters": _path_parameters(path),
        "responses": responses,
    } | security


def add_description(app: web.Application, routes: Iterable[Route]) -> None:
    """`/api/openapi.json` and `/api/docs`, made once: they hold nothing but the program itself."""
    document = describe(routes, app[SERVICES].version)
    body, page = msgspec.json.encode(document), read_page(document).encode()

    async def openapi(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def docs(request: web.Request) -> web.Response:
        return web.Response(body=page, content_type="text/html", charset="utf-8")

    async def style(request: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    app.router.add_get("/api/openapi.json", openapi)
    app.router.add_get("/api/docs", docs)
    app.router.add_get("/api/docs.css", style)


def read_page(document: Mapping[str, Any]) -> str:
    """The description as a page: no script, one small stylesheet."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_row(path, method, operation))
    contents = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a> ' for tag in groups)
    sections = "".join(f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(rows)}' for tag, rows in groups.items())
    schemas = "".join(_schema_row(name, each) for name, each in document["components"]["schemas"].items())
    title = f"API · {document['info']['title']} {document['info']['version']}"
    return (
        f'<!doctype html><html lang="ru"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/api/docs.css">'
        f'<main><h1>{escape(title)}</h1><p>Описание для программ: <a href="/api/openapi.json">OpenAPI 3.1</a>. '
        "Токен: <code>firstline token create ИМЯ --role РОЛЬ</code>, затем "
        "<code>Authorization: Bearer ТОКЕН</code>.</p>"
        f"<nav>{contents}<a href=#schemas>schemas</a></nav>{sections}<h2 id=schemas>schemas</h2>{schemas}</main></html>"
    )


def _row(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}<td><code>{escape(_brief(p['schema']))}</code>"
        for p in operation["parameters"]
    )
    table = f"<table><tr><th>параметр<th>где<th>вид{parameters}</table>" if parameters else ""
    bodies = operation.get("requestBody", {}).get("content", {})
    body = "".join(f"<p>Тело: <code>{escape(t)}</code> {_link(each['schema'])}</p>" for t, each in bodies.items())
    answers = ", ".join(
        f"{status} {_link(each.get('content', {}).get('application/json', {}).get('schema', {}))}".strip()
        for status, each in operation["responses"].items()
    )
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation['summary'])}"
        "</summary>"
        f"<p>{escape(operation.get('description', ''))}</p>{table}{body}<p>Ответы: {answers}</p></details>"
    )


def _schema_row(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code>{'*' if key in needed else ''}<td>{_link(each)} "
        f"<code>{escape(_brief(each))}</code>"
        for key, each in schema.get("properties", {}).items()
    )
    return f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary><table>{rows}</table></details>'


def _link(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""


def _brief(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_brief(each) for each in schema["anyOf"])
    limits = [f"{key} {schema[key]}" for key in ("format", "minimum", "maximum", "maxLength") if key in schema]
    return ", ".join([str(schema.get("type", str(schema.get("$ref", "")).rpartition("/")[2])), *limits])


STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin: 2rem 0 .5rem; }
nav a { margin-right: .5rem; }
details { border: 1px solid #8884; border-radius: 6px; margin: .25rem 0; padding: .35rem .75rem; }
summary { cursor: pointer; }
details p { white-space: pre-line; }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid #8884; padding: .2rem .5rem .2rem 0; text-align: left; vertical-align: top; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
"""
