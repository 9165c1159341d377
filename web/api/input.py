"""Reading what a caller sent: query parameters and JSON bodies become structs, or a `422` that names each wrong field.

Nothing that came is trusted: not its type, size, depth, encoding or content type. Text with NUL or half a surrogate
pair is refused by field, because no store, mail or screen can do anything right with it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from crm_core.dates import YEARS
from web.api.call import In
from web.problems import Problem, invalid

S = TypeVar("S", bound=In)

MAX_BODY = 1 << 20
"""Bytes of a JSON body."""
BODY_WITHIN = 20.0
"""Seconds for a body to arrive."""
MAX_DEPTH = 20
MAX_WRONG = 50
"""Fields named in one refusal."""
ANY_KEY = "[...]"
"""How msgspec calls the place of a value under a free key."""
MAX_KEY = 100

Limit = Annotated[int, Meta(ge=1, le=200)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, с часовым поясом")]
Id = Annotated[str, Meta(min_length=1, max_length=100)]
Line = Annotated[str, Meta(max_length=300)]
Text = Annotated[str, Meta(max_length=100_000)]
Fields = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=100)], Text | None], Meta(max_length=100)]
"""Own fields of a record; null takes one away."""
Cursor = Annotated[str, Meta(max_length=500)]


class ListQuery(In, frozen=True, kw_only=True):
    """What every list understands."""

    limit: Limit = 50
    cursor: Cursor | None = None


_WORDS: tuple[tuple[str, str], ...] = (
    (r"of length <= (\d+)", "Не длиннее {}"),
    (r"of length >= 1\b", "Не может быть пустым"),
    (r"of length >= (\d+)", "Не короче {}"),
    (r"`(?:int|float)` <= (-?[\d.]+)", "Не больше {}"),
    (r"`(?:int|float)` >= (-?[\d.]+)", "Не меньше {}"),
    (r"unknown field `(.*)`", "Поля «{}» здесь нет"),
    (r"missing required field `(.*)`", "Не хватает поля «{}»"),
    (r"enum value|Invalid value", "Такого значения нет"),
    (r"RFC3339|timezone|Timestamp|Expected `datetime", "Нужны дата и время с часовым поясом: 2026-11-22T10:00:00Z"),
    (r"Expected `bool", "Нужно true или false"),
    (r"Expected `int", "Нужно целое число"),
    (r"Expected `float", "Нужно число"),
    (r"Expected `str", "Нужен текст"),
    (r"Expected `array", "Нужен список"),
    (r"Expected `object", "Нужен объект"),
)


def _in_words(error: str) -> tuple[str, str]:
    """(place below the field, sentence) of a msgspec message such as "Expected `int`, got `str` - at `$[0].a`"."""
    message, _, place = error.partition(" - at `$")
    for pattern, words in _WORDS:
        if found := re.search(pattern, message):
            return place.rstrip("`"), words.format(*found.groups())
    return place.rstrip("`"), "Неверное значение"


def read_struct(type: type[S], raw: Mapping[str, Any], *, strict: bool) -> S:
    """The struct, or a `422` with every wrong field. Not strict: values are text, as in a query."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(type)}
    wrong = {name[:100]: "Такого поля нет" for name in raw if name not in fields}
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in raw:
            if field.required:
                wrong[name] = "Обязательное поле"
            continue
        try:
            _check_text(raw[name])
            values[field.name] = _in_utc(msgspec.convert(raw[name], field.type, strict=strict))
        except (msgspec.ValidationError, _BadText) as error:
            place, words = _in_words(str(error))
            if place.startswith(ANY_KEY) and isinstance(raw[name], dict):
                wrong |= _wrong_values(name, raw[name], field.type, strict)
            else:
                wrong[name + place] = words if isinstance(error, msgspec.ValidationError) else str(error)
        except OverflowError:
            wrong[name] = "Слишком большое число"
    if wrong:
        shown = dict(list(wrong.items())[:MAX_WRONG])
        raise Problem(422, "Проверьте поля: " + ", ".join(shown), fields=shown)
    return type(**values)


def _wrong_values(name: str, values: dict[str, Any], type: Any, strict: bool) -> dict[str, str]:
    """The wrong entries of a member with free keys, each under its own key: msgspec does not tell which it was."""
    wrong = {}
    for key, value in values.items():
        try:
            msgspec.convert({key: value}, type, strict=strict)
        except msgspec.ValidationError as error:
            place, words = _in_words(str(error))
            wrong[f"{name}.{key[:MAX_KEY]}{place.removeprefix(ANY_KEY)}"] = words
    return wrong


class _BadText(ValueError):
    """Text that nothing can be done with."""


def _check_text(value: Any) -> None:
    for text in _texts(value, 0):
        if "\0" in text:
            raise _BadText("В тексте есть нулевой символ")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _BadText("Текст не в UTF-8") from None


def _texts(value: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise _BadText("Слишком глубокая вложенность")
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _texts(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, depth + 1)


def _in_utc(value: Any) -> Any:
    """Moments in UTC and within the years that every part of the hub can count with."""
    if not isinstance(value, datetime):
        return value
    if value.year not in YEARS:
        raise msgspec.ValidationError("Expected `datetime`")
    return value.astimezone(UTC)


def read_query(type: type[S], request: web.Request) -> S:
    """Query parameters; an empty one counts as not given, so that plain forms can send them."""
    return read_struct(type, {name: value for name, value in request.query.items() if value != ""}, strict=False)


async def read_body(type: type[S], request: web.Request) -> S:
    """The JSON body. A call whose fields are all optional may come without one."""
    raw = await read_bytes(request, MAX_BODY)
    if not raw and not any(field.required for field in msgspec.structs.fields(type)):
        return type()
    if request.content_type != "application/json":
        raise Problem(415, "Нужен JSON: Content-Type: application/json")
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid(body="Это не JSON в UTF-8") from None
    except RecursionError:
        raise invalid(body="Слишком глубокая вложенность") from None
    if not isinstance(document, dict):
        raise invalid(body="Нужен объект JSON: {…}")
    return read_struct(type, document, strict=True)


async def read_bytes(request: web.BaseRequest, limit: int, within: float = BODY_WITHIN) -> bytes:
    """The whole body: `413` when it is larger than `limit` bytes, `408` when it does not arrive within the time."""
    if (request.content_length or 0) > limit:
        raise Problem(413, f"Можно прислать не больше {limit >> 10} КБ")
    content = request.content
    if content.is_eof():
        whole = content.read_nowait()
        if len(whole) > limit:
            raise Problem(413, f"Можно прислать не больше {limit >> 10} КБ")
        return whole
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(within):
            while chunk := await content.readany():
                size += len(chunk)
                if size > limit:
                    raise Problem(413, f"Можно прислать не больше {limit >> 10} КБ")
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(408, "Запрос пришёл слишком медленно", headers={"Connection": "close"}) from None
    return b"".join(chunks)
