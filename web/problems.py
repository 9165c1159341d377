"""Refusals as callers see them: RFC 9457 `application/problem+json` for programs, a readable page for people.

Every error of the rooms below has one line in a table here: its status and its words. Whoever needs another refusal
raises `Problem`. Texts of the rooms below that are written for people go out as they are; all others are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from connectors.contract import NotReady
from crm_core.errors import Conflict, CoreError, Forbidden, Incomplete, Invalid, Missing
from storage import NotFound, QueryError, StorageError, StoreUnavailable, UniqueViolation, VersionConflict

TYPE = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds after which to try again when the store cannot write."""

TITLES = {
    400: "Запрос не понят",
    401: "Нужен вход",
    403: "Нет прав",
    404: "Не найдено",
    405: "Так этот адрес не вызывают",
    408: "Запрос пришёл слишком медленно",
    409: "Уже изменилось",
    413: "Слишком большой запрос",
    415: "Неподходящий вид содержимого",
    422: "Ошибки в данных",
    429: "Слишком часто",
    500: "Внутренняя ошибка",
    502: "Канал отказал",
    503: "Временно недоступно",
}


class Problem(Exception):
    """A refusal: status, one plain Russian sentence, and which fields are wrong."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        """Further members of the body, such as `missing` of a refused stage move."""

    @property
    def title(self) -> str:
        return TITLES.get(self.status, "Ошибка")


def invalid(**fields: str) -> Problem:
    """`422` that names fields."""
    return Problem(422, "; ".join(fields.values()), fields=fields)


def too_soon(seconds: int, detail: str) -> Problem:
    """`429` with `Retry-After`."""
    return Problem(429, detail, headers={"Retry-After": str(max(1, seconds))})


def _refused_by_core(error: CoreError) -> Problem:
    status = {Forbidden: 403, Missing: 404, Invalid: 422, Conflict: 409}.get(type(error), 422)
    if isinstance(error, Incomplete):
        wanted = {lack.key: lack.title for lack in error.missing if lack.kind == "field"}
        return Problem(422, str(error), fields=wanted, extra={"missing": msgspec.to_builtins(error.missing)})
    fields = error.fields if isinstance(error, Invalid) else None
    detail = "; ".join(fields.values()) if fields else str(error)
    return Problem(status, detail, fields=fields)


def _refused_by_store(error: StorageError) -> Problem:
    if isinstance(error, VersionConflict):
        return Problem(409, "Запись уже изменена кем-то другим. Прочитайте её заново")
    if isinstance(error, UniqueViolation):
        return Problem(409, "Такая запись уже есть")
    if isinstance(error, NotFound):
        return Problem(404, "Такой записи нет")
    if isinstance(error, QueryError):
        return Problem(422, "Хранилище не может принять такое значение или искать по нему")
    if isinstance(error, StoreUnavailable):
        detail = "Хранилище сейчас не принимает запись. Повторите попытку немного позже"
        return Problem(503, detail, headers={"Retry-After": RETRY_AFTER})
    return Problem(500, "Внутренняя ошибка хранилища. Она записана в журнал сервера")


def problem_of(error: Exception) -> Problem | None:
    """The refusal that an error means; None for one that nobody foresaw."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, CoreError):
        return _refused_by_core(error)
    if isinstance(error, StorageError):
        return _refused_by_store(error)
    if isinstance(error, TimeoutError):
        return Problem(408, "Запрос пришёл слишком медленно", headers={"Connection": "close"})
    if isinstance(error, web.RequestPayloadError | HttpProcessingError):
        # The rest of such a body cannot be told from the next request: the connection ends with the answer.
        words = "Тело запроса не читается: оно не соответствует Content-Encoding или оборвано"
        return Problem(422, words, fields={"body": words}, headers={"Connection": "close"})
    if isinstance(error, UnicodeDecodeError):
        return Problem(422, "Текст не в UTF-8", fields={"body": "Текст не в UTF-8"})
    if isinstance(error, NotReady):
        return Problem(503, str(error), headers={"Retry-After": RETRY_AFTER})
    if isinstance(error, web.HTTPException) and error.status >= 400:
        return _refused_by_server(error)
    return None


def _refused_by_server(error: web.HTTPException) -> Problem:
    """aiohttp's own refusals: its English texts are replaced, texts and headers that a page gave are kept."""
    usual = {
        404: "Такого адреса нет",
        405: f"Здесь можно: {error.headers.get('Allow', '')}",
        413: "Запрос слишком большой",
    }
    own = error.text if error.text and not error.text.startswith(f"{error.status}:") else ""
    headers = {name: value for name, value in error.headers.items() if not name.lower().startswith("content-")}
    return Problem(error.status, own or usual.get(error.status, ""), headers=headers)


def body_of(problem: Problem) -> bytes:
    """The problem document."""
    document: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status}
    if problem.detail:
        document["detail"] = problem.detail
    if problem.fields:
        document["fields"] = problem.fields
    return msgspec.json.encode(document | problem.extra)


def reply(problem: Problem) -> web.Response:
    """The problem as an answer to a program."""
    return web.Response(
        status=problem.status,
        body=body_of(problem),
        content_type=TYPE,
        headers={"Cache-Control": "no-store"} | problem.headers,
    )
