"""What a call of the API is given, and how it is declared.

A call is `async def name(call: Call[Query, Body]) -> Answer`: `Query` and `Body` are structs (or `None`), read and
checked before the function runs; the answer is a struct, a `Page` of them, `None` (204), or a ready aiohttp response.
A `Route` line adds method, path, summary and the right it needs. Nothing is declared twice: reading, checking and the
OpenAPI description all come from the signature.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_args, get_type_hints

import msgspec
from aiohttp import web

from crm_core.actor import Actor
from crm_core.company import Company
from storage import Collection, Entity, ReadTx, Store
from web.auth import Signed
from web.problems import Problem, invalid
from web.services import Services

Q = TypeVar("Q")
B = TypeVar("B")
T = TypeVar("T")
P = ParamSpec("P")
E = TypeVar("E", bound=Entity)

MAX_VERSION_DIGITS = 15
SIFTED_AT_ONCE = 500


class Out(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what goes out: every member is always there, absent values as null."""


class In(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of bodies and of query parameters: unknown members are refused by name."""

    def given(self) -> dict[str, Any]:
        """The members that a change names; those left out are `UNSET`."""
        named = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in named.items() if value is not msgspec.UNSET}


class Page(Out, Generic[T], frozen=True, kw_only=True):
    """One page of a list; `next` is the `cursor` of the following page, null at the end."""

    items: list[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, checked."""

    request: web.Request
    services: Services
    signed: Signed
    ids: Mapping[str, str]
    """Variable parts of the path."""
    query: Q
    body: B

    @property
    def actor(self) -> Actor:
        return self.signed.actor

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def company(self) -> Company:
        return self.services.desk.company

    @property
    def id(self) -> str:
        return self.ids["id"]

    async def read(self, fn: Callable[Concatenate[Any, Actor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query `fn(tx, actor, …)` of the core."""
        return await self.services.store.read(fn, self.actor, *args, **kwargs)

    async def write(self, fn: Callable[Concatenate[Any, Actor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a command `fn(tx, actor, …)` of the core."""
        return await self.services.store.write(fn, self.actor, *args, **kwargs)

    @property
    def if_match(self) -> int | None:
        """The version that the caller saw; None when he did not say. Quotes of an ETag are allowed."""
        text = self.request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
        if text in ("", "*"):
            return None
        if not text.isascii() or not text.isdecimal() or len(text) > MAX_VERSION_DIGITS:
            raise invalid(**{"If-Match": "Нужен номер версии записи, например 3"})
        return int(text)

    def user_id(self) -> str:
        """Of the signed-in employee; a token has none."""
        if self.signed.user is None:
            raise Problem(403, "Это действие доступно только сотруднику, а не токену")
        return self.signed.user.id


Handler = Callable[[Call[Any, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """One line of the API's table."""

    method: str
    path: str
    """Below `/api/v1`."""
    handler: Handler
    summary: str
    """For people, in Russian."""
    rights: str
    """The right that is needed, in words of the preset: `lead.read`; checked by the core, told by the description."""
    status: int = 200
    media: str = "application/json"
    """Of the answer."""
    accepts: str = "application/json"
    """Of the body."""
    idempotent: bool = False
    """It reads `Idempotency-Key`."""
    upload: bool = False
    """A `multipart/form-data` body is taken too: its files are stored, and their ids become `attachments`."""

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.handler)

    @property
    def query(self) -> type[In] | None:
        """Struct of the query parameters."""
        return self._struct(0)

    @property
    def body(self) -> type[In] | None:
        """Struct of the body."""
        return self._struct(1)

    @property
    def reads_version(self) -> bool:
        """It reads `If-Match`: the handler asks for `call.if_match`."""
        code = getattr(self.handler, "__code__", None)
        return code is not None and "if_match" in code.co_names

    @property
    def answer(self) -> Any:
        """Type of the answer: a struct, None, or `web.StreamResponse`."""
        return self._hints["return"]

    def _struct(self, position: int) -> type[In] | None:
        found = get_args(self._hints["call"])[position]
        return None if found is type(None) else found

    @property
    def refusals(self) -> tuple[int, ...]:
        """Every refusal that a caller may get."""
        found = {401, 403, 408, 429, 503}
        if self.query or self.body:
            found.add(422)
        if "{" in self.path:
            found.add(404)
        if self.method != "GET":
            found |= {404, 409, 413, 415, 422}
        return tuple(sorted(found))


def sifted(
    tx: ReadTx,
    collection: Collection[E],
    find: Callable[[int, str | None], list[E]],
    keep: Callable[[E], bool],
    *,
    limit: int,
    sort: str,
    after: str | None,
) -> list[E]:
    """Up to `limit` rows that `keep` takes, for what no index answers: `find(limit, after)` reads on until there are
    enough, so that a page is full wherever there is enough to fill it."""
    kept: list[E] = []
    while True:
        rows = find(SIFTED_AT_ONCE, after)
        kept += [row for row in rows if keep(row)]
        if len(rows) < SIFTED_AT_ONCE or len(kept) >= limit:
            return kept[:limit]
        after = tx.cursor_after(collection, rows[-1], sort)


def page_of(
    tx: ReadTx, collection: Collection[E], rows: list[E], limit: int, sort: str, show: Callable[[E], T]
) -> Page[T]:
    """A page out of up to `limit + 1` rows that were read: the extra one only tells that there is more."""
    shown = rows[:limit]
    following = tx.cursor_after(collection, shown[-1], sort) if len(rows) > limit and shown else None
    return Page(items=[show(row) for row in shown], next=following)
