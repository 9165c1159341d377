"""Where the exchange with an accounting system enters the core: the door of `connectors/exchange.py` over the store.

A piece of items is one transaction. When something in it is refused, the piece is taken item by item, so that the bad
one is noted with its reason and the rest goes through.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
import structlog

from connectors import cursors
from connectors.contract import NotReady
from connectors.exchange import Buyer, ExchangeItem, Line, Order, Refused, SessionInfo, StoredFile, StoredPart
from crm_core import onec, onec_catalogue, onec_deals, onec_log, onec_orders, onec_payments
from crm_core.company import Company
from crm_core.errors import CoreError
from distribution.desk import Desk
from storage import ReadTx, Store, StoreUnavailable, Tx

log = structlog.get_logger("onec")

DEALS_SEEN = "deals"
"""Cursor of a connector: until when the changes of deals are queued as orders."""


def handlers(desk: Desk) -> onec.Handlers:
    """What the core does with what 1C tells."""
    return onec.compose(
        {"order": onec_orders.on_order, "payment": onec_payments.on_payment},
        {"order": onec_payments.on_order_of_payment, "payment": _for(desk, onec_deals.on_payment)},
        {"order": _for(desk, onec_deals.on_order), "category": onec_catalogue.on_category},
        {"product": _for(desk, onec_catalogue.on_product), "price": _for(desk, onec_catalogue.on_price)},
    )


def _for(desk: Desk, handler: Callable[[Tx, Company, onec.OnecItem], None]) -> onec.Handler:
    return lambda tx, item: handler(tx, desk.at(tx).company, item)


P = ParamSpec("P")
T = TypeVar("T")


class Exchange:
    """The door for one connector; see `connectors.exchange.ExchangeDoor`."""

    def __init__(self, store: Store, desk: Desk, connector: str) -> None:
        self._store = store
        self._desk = desk
        self._connector = connector
        self.handlers = handlers(desk)

    async def begin(self, kind: str, token: str) -> SessionInfo:
        return _info(await self._write(onec.begin, self._connector, kind, token))

    async def session(self, token: str) -> SessionInfo | None:
        found = await self._store.read(onec.session, self._connector, token)
        return _info(found) if found else None

    async def last(self) -> SessionInfo | None:
        found = await self._store.read(onec_log.last_exchange, self._connector)
        return _info(found) if found else None

    async def add_part(self, session: str, name: str, part: StoredPart) -> StoredFile:
        own = onec.Part(blob=part.blob, size=part.size, digest=part.digest)
        with _refusals():
            return _file(await self._write(onec.add_part, session, name, own))

    async def files(self, session: str) -> list[StoredFile]:
        return _with_archives(await self._store.read(onec.files_of, session))

    async def start_import(self, session: str, name: str, archive: str | None = None) -> StoredFile:
        with _refusals():
            started = await self._write(onec.start_import, session, name, archive)
        return await self._whole(started)

    async def unfinished(self) -> list[StoredFile]:
        files = await self._store.read(onec.unfinished, self._connector)
        return [await self._whole(file) for file in files]

    async def _whole(self, file: onec.ExchangeFile) -> StoredFile:
        found = await self.files(file.exchange_id)
        return next(each for each in found if each.id == file.id)

    async def take(self, file: StoredFile, start: int, items: Sequence[ExchangeItem]) -> StoredFile:
        own = [_item(each) for each in items]
        try:
            taken = await self._write(onec.take, file.id, start, own, self.handlers)
        except NotReady:
            raise
        except Exception:
            taken = await self._one_by_one(file.id, start, own)
        return msgspec.structs.replace(file, position=taken.position, state=taken.state)

    async def _one_by_one(self, file_id: str, start: int, items: Sequence[onec.Item]) -> onec.ExchangeFile:
        for position, item in enumerate(items, start):
            try:
                await self._write(onec.take, file_id, position, [item], self.handlers)
            except NotReady:
                raise
            except Exception as error:
                await self._write(onec.fail_item, file_id, position, item, _reason(error, item))
        return await self._store.read(_file_row, file_id)

    async def finish(self, file: StoredFile, error: str | None = None) -> SessionInfo:
        return _info(await self._write(onec.finish, file.id, error))

    async def fail(self, session: str, error: str) -> SessionInfo:
        return _info(await self._write(onec.fail_exchange, session, error))

    async def orders(self, session: str, stages: Sequence[str]) -> list[Order]:
        while await self._write(_collect, self._desk, self._connector, tuple(stages)):
            pass
        return [_order(each) for each in await self._write(onec_orders.hand_out, self._connector, session)]

    async def confirm(self, session: str) -> int:
        return await self._write(onec_orders.confirm, session)

    async def tidy(self) -> None:
        if self._store.blobs.is_held():
            return  # a session of 1C does not wait for a backup; the next one tidies up
        before = await self._store.read(lambda tx: tx.now) - onec_log.KEEP_FILES
        for blob in await self._write(onec_log.tidy):
            await self._store.blobs.remove(blob, before)

    async def _write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._store.write(fn, *args, **kwargs)
        except StoreUnavailable as error:
            raise NotReady("хранилище не принимает запись (нет места на диске?)") from error


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """The core's refusals in the words of the door."""
    try:
        yield
    except CoreError as error:
        raise Refused(str(error)) from error


def _collect(tx: Tx, desk: Desk, connector: str, stages: tuple[str, ...]) -> bool:
    """Whether there are more deals to look at."""
    if not stages:
        return False
    told = cursors.load(tx, connector, DEALS_SEEN) or {}
    since = datetime.fromisoformat(told["until"]) if told.get("stages") == list(stages) else None
    until, more = onec_deals.collect(tx, desk.at(tx).company, connector, stages, since)
    if until is not None:
        cursors.save(tx, connector, DEALS_SEEN, {"until": until.isoformat(), "stages": list(stages)})
    return more


def _file_row(tx: ReadTx, file_id: str) -> onec.ExchangeFile:
    return tx.require(onec.FILES, file_id)


def _reason(error: Exception, item: onec.Item) -> str:
    if isinstance(error, CoreError):
        return str(error)
    log.exception("item refused", kind=item.kind, exc_info=error)
    return f"Внутренняя ошибка: {type(error).__name__}. Подробности в журнале сервера"


def _item(item: ExchangeItem) -> onec.Item:
    return onec.Item(kind=item.kind, external_id=item.external_id, data=item.data, problem=item.problem)


def _info(row: onec.Exchange) -> SessionInfo:
    return msgspec.convert(row, SessionInfo, from_attributes=True)


def _file(row: onec.ExchangeFile, parts: tuple[onec.Part, ...] = ()) -> StoredFile:
    given: dict[str, Any] = {
        name: getattr(row, name) for name in ("id", "name", "archive", "state", "position", "error")
    }
    own = [StoredPart(blob=each.blob, size=each.size, digest=each.digest) for each in parts or row.parts]
    return StoredFile(session=row.exchange_id, parts=tuple(own), **given)


def _with_archives(rows: list[onec.ExchangeFile]) -> list[StoredFile]:
    archives = {row.name: row.parts for row in rows}
    return [_file(row, archives.get(row.archive, ()) if row.archive else ()) for row in rows]


def _order(row: onec_orders.OutgoingOrder) -> Order:
    names = ("id", "number", "placed_at", "currency", "amount", "comment", "revision")
    return Order(
        **{name: getattr(row, name) for name in names},
        buyer=msgspec.convert(row.customer, Buyer, from_attributes=True),
        lines=tuple(msgspec.convert(line, Line, from_attributes=True) for line in row.lines),
    )
