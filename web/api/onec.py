"""`/onec/exchanges`: what 1C sent and fetched, and what of it could not be applied."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from crm_core.actor import Actor
from crm_core.onec import ERRORS, EXCHANGES, Exchange, OnecError
from crm_core.onec_log import get_exchange, list_errors, list_exchanges, list_orders
from crm_core.onec_orders import OUTGOING, OutgoingOrder
from storage import ReadTx
from web.api.call import Call, Out, Page, Route, page_of
from web.api.input import Id, ListQuery
from web.api.shapes import same


class ExchangeOut(Out, frozen=True, kw_only=True):
    id: str
    connector: str
    kind: str
    started_at: datetime
    touched_at: datetime
    """Of the last request or the last piece applied."""
    state: str
    """`open`, `importing`, `done`, `failed`."""
    error: str | None
    taken: int
    changed: int
    unchanged: int
    failed: int
    sent: int
    """Orders that 1C confirmed."""


class ExchangeErrorOut(Out, frozen=True, kw_only=True):
    id: str
    file: str
    kind: str
    external_id: str
    text: str
    at: datetime


class ExchangeQuery(ListQuery, frozen=True, kw_only=True):
    connector: Id | None = None


def show_exchange(row: Exchange) -> ExchangeOut:
    return same(ExchangeOut, row)


def show_error(row: OnecError) -> ExchangeErrorOut:
    return same(ExchangeErrorOut, row)


async def list_(call: Call[ExchangeQuery, None]) -> Page[ExchangeOut]:
    """Newest first."""
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: ExchangeQuery) -> Page[ExchangeOut]:
    where = {"connector": query.connector} if query.connector else {}
    rows = list_exchanges(tx, actor, where, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, EXCHANGES, rows, query.limit, "-started_at", show_exchange)


async def read(call: Call[None, None]) -> ExchangeOut:
    return show_exchange(await call.read(get_exchange, call.id))


async def errors(call: Call[ListQuery, None]) -> Page[ExchangeErrorOut]:
    """In the order of the files; at most a thousand are kept."""
    return await call.read(_errors, call.id, call.query)


def _errors(tx: ReadTx, actor: Actor, exchange_id: str, query: ListQuery) -> Page[ExchangeErrorOut]:
    rows = list_errors(tx, actor, exchange_id, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, ERRORS, rows, query.limit, "at", show_error)


class OrderOut(Out, frozen=True, kw_only=True):
    id: str
    connector: str
    number: str
    """On the site, as 1C calls it."""
    deal_number: str
    amount: Decimal
    currency: str
    pending: bool
    """1C has not fetched it yet, or not what has changed since."""
    queued_at: datetime
    sent_at: datetime | None
    """When 1C confirmed it."""
    status: str | None
    """In 1C, in its words."""
    onec_number: str | None


class OrderQuery(ListQuery, frozen=True, kw_only=True):
    deal_number: Id | None = None


def show_order(row: OutgoingOrder) -> OrderOut:
    return OrderOut(**{name: getattr(row, name) for name in OrderOut.__struct_fields__})


async def orders(call: Call[OrderQuery, None]) -> Page[OrderOut]:
    """Those queued last first."""
    return await call.read(_orders, call.query)


def _orders(tx: ReadTx, actor: Actor, query: OrderQuery) -> Page[OrderOut]:
    where = {"deal_number": query.deal_number} if query.deal_number else {}
    rows = list_orders(tx, actor, where, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, OUTGOING, rows, query.limit, "-queued_at", show_order)


ROUTES = (
    Route("GET", "/onec/orders", orders, "Сделки, которые ушли в 1С заказами или ждут её", "connector.read"),
    Route("GET", "/onec/exchanges", list_, "Обмены с 1С: сколько принято, изменилось, с ошибками", "connector.read"),
    Route("GET", "/onec/exchanges/{id}", read, "Обмен с 1С", "connector.read"),
    Route("GET", "/onec/exchanges/{id}/errors", errors, "Что из обмена не удалось применить", "connector.read"),
)
