"""The exchange with 1C: sessions, the files that came, and the latest state of each thing that 1C told of.

1C uploads a file, then asks to import it. What is in the file becomes `Item`s, taken in pieces: one transaction writes
the piece into `ITEMS`, lets the handlers of its kinds act, and moves `ExchangeFile.position`, so a crash continues at
the next piece and a repeated piece changes nothing. An item whose content is the one that was applied last is only
counted. Whoever cares for a kind (products, deals) gives a handler; a handler that refuses spoils its own item alone:
the caller takes the piece item by item then, and `fail_item` notes the reason.

Commands of this module are the hub's own steps on behalf of 1C: they take no actor and leave no audit entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from crm_core.changes import tell
from crm_core.errors import Conflict, Missing
from storage import Collection, Entity, In, Index, ReadTx, Tx, Unique

KINDS = frozenset(
    {"category", "price_type", "product", "price", "stock", "customer", "order", "payment", "shipment", "document"}
)
MAX_ID = 200
"""Characters of an external id; 1C's are 36, or 73 with a characteristic."""
MAX_ERRORS = 1000
"""Kept of one session; further ones are only counted."""
SESSION_LASTS = timedelta(hours=12)
"""Without a request."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing as 1C told it. Numbers in `data` are exact decimals written as text, moments RFC 3339 in UTC."""

    kind: str
    external_id: str
    data: dict[str, Any] = {}
    problem: str | None = None
    """Why it cannot be read; such an item is only noted."""


class Exchange(Entity, frozen=True, kw_only=True):
    """One session of 1C with one connector."""

    connector: str
    kind: str
    """`catalog` or `sale`."""
    token: str
    """SHA-256 of the session's cookie."""
    started_at: datetime
    touched_at: datetime
    state: str = "open"
    """`open`, `importing`, `done`, `failed`."""
    error: str | None = None
    taken: int = 0
    """Items read so far; the sum of the next three."""
    changed: int = 0
    unchanged: int = 0
    failed: int = 0
    sent: int = 0
    """Orders that 1C confirmed."""
    handed: dict[str, int] = {}
    """Orders given out in this session and not confirmed yet: id → revision."""
    has_files: bool = True


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an uploaded file, kept as a blob of its own."""

    blob: str
    size: int
    """Bytes."""
    digest: str


class ExchangeFile(Entity, frozen=True, kw_only=True):
    """`id` is `exchange/name`."""

    exchange_id: str
    connector: str
    name: str
    archive: str | None = None
    """Name of the uploaded archive that holds it; it has no parts of its own then."""
    parts: tuple[Part, ...] = ()
    spare: tuple[str, ...] = ()
    """Blobs of pieces that came twice, and of an upload before this one: removed with the file."""
    state: str = "receiving"
    """`receiving`, `importing`, `done`, `failed`."""
    position: int = 0
    """Items that are durable."""
    error: str | None = None


class OnecItem(Entity, frozen=True, kw_only=True):
    """The latest state of one thing; `id` comes from connector, kind and external id."""

    connector: str
    kind: str
    external_id: str
    hash: str
    data: dict[str, Any]
    state: str = "applied"
    """`applied` or `failed`."""
    error: str | None = None
    at: datetime
    """Of the last change."""
    exchange_id: str


class OnecError(Entity, frozen=True, kw_only=True):
    """Why one item of a session was not applied."""

    exchange_id: str
    file: str
    kind: str
    external_id: str
    text: str
    at: datetime


EXCHANGES = Collection(
    "onec_exchanges",
    Exchange,
    [
        Unique("token"),
        Index("started_at"),
        Index("connector", "started_at"),
        Index("touched_at", where={"has_files": True}),
    ],
)
FILES = Collection("onec_files", ExchangeFile, [Index("exchange_id"), Index("connector", "state")])
ITEMS = Collection("onec_items", OnecItem, [Index("connector", "kind", "at"), Index("state", "at")])
ERRORS = Collection("onec_errors", OnecError, [Index("exchange_id", "at")])

Handler = Callable[[Tx, OnecItem], None]
"""Applies one changed item; raises `CoreError` (or anything) to refuse it."""
Handlers = Mapping[str, Handler]
"""Kind → what is done with a changed item."""


def compose(*tables: Handlers) -> dict[str, Handler]:
    """One table out of several: for each kind every handler in turn."""

    def chain(handlers: Sequence[Handler]) -> Handler:
        def run(tx: Tx, item: OnecItem) -> None:
            for handler in handlers:
                handler(tx, item)

        return run

    kinds = {kind for table in tables for kind in table}
    return {kind: chain([table[kind] for table in tables if kind in table]) for kind in kinds}


def item_id(connector: str, kind: str, external_id: str) -> str:
    return f"{connector}:{kind}:{external_id}"


def find_item(tx: ReadTx, connector: str, kind: str, external_id: str) -> OnecItem | None:
    """What 1C told last of this thing."""
    return tx.get(ITEMS, item_id(connector, kind, external_id))


def hash_of(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(dict(data), order="deterministic")).hexdigest()[:32]


def begin(tx: Tx, connector: str, kind: str, token: str) -> Exchange:
    """A new session; `token` is the digest of its cookie."""
    return tx.insert(
        EXCHANGES,
        Exchange(
            id=tx.new_id("ex_"), connector=connector, kind=kind, token=token, started_at=tx.now, touched_at=tx.now
        ),
    )


def session(tx: ReadTx, connector: str, token: str) -> Exchange | None:
    """The session of this cookie, unless it is over."""
    found = tx.first(EXCHANGES, {"token": token})
    if found is None or found.connector != connector or found.touched_at < tx.now - SESSION_LASTS:
        return None
    return found


def add_part(tx: Tx, exchange_id: str, name: str, part: Part) -> ExchangeFile:
    """A piece of an upload, in its order. The same piece twice in a row is a redelivery. A file that was imported
    begins anew. `Conflict` while it is being imported."""
    exchange = tx.require(EXCHANGES, exchange_id)
    tx.update(EXCHANGES, exchange, touched_at=tx.now, has_files=True)
    file = tx.get(FILES, file_id(exchange_id, name))
    if file is None:
        return tx.insert(FILES, _new_file(exchange, name, parts=(part,)))
    if file.state == "importing":
        raise Conflict(f"Файл {name} сейчас загружается в базу: дождитесь конца и начните обмен заново")
    if file.state != "receiving":
        for member in files_of(tx, exchange_id):
            if member.archive == name:
                tx.delete(FILES, member)
        spare = (*file.spare, *(each.blob for each in file.parts))
        return tx.replace(FILES, msgspec.structs.replace(file, **_fresh((part,)), spare=spare))
    if file.parts and file.parts[-1].digest == part.digest:
        return tx.update(FILES, file, spare=(*file.spare, part.blob))
    return tx.update(FILES, file, parts=(*file.parts, part))


def file_id(exchange_id: str, name: str) -> str:
    return f"{exchange_id}/{name}"


def _new_file(exchange: Exchange, name: str, **more: Any) -> ExchangeFile:
    return ExchangeFile(
        id=file_id(exchange.id, name), exchange_id=exchange.id, connector=exchange.connector, name=name, **more
    )


def _fresh(parts: tuple[Part, ...]) -> dict[str, Any]:
    return {"parts": parts, "state": "receiving", "position": 0, "error": None, "archive": None}


def files_of(tx: ReadTx, exchange_id: str) -> list[ExchangeFile]:
    return tx.find(FILES, {"exchange_id": exchange_id})


def start_import(tx: Tx, exchange_id: str, name: str, archive: str | None) -> ExchangeFile:
    """Begin to import an uploaded file, or the member `name` of an uploaded archive. One that was begun or finished
    stays as it is. `Missing` when nothing was uploaded."""
    exchange = tx.require(EXCHANGES, exchange_id)
    file = tx.get(FILES, file_id(exchange_id, name))
    if file is None:
        if archive is None:
            raise Missing(f"Файл {name} не загружен")
        file = tx.insert(FILES, _new_file(exchange, name, archive=archive))
        holder = tx.require(FILES, file_id(exchange_id, archive))
        tx.update(FILES, holder, state="done")  # whatever comes under its name now is another archive
    if file.state != "receiving":
        return file
    tx.update(EXCHANGES, exchange, state="importing", touched_at=tx.now, error=None)
    return tx.update(FILES, file, state="importing")


def unfinished(tx: ReadTx, connector: str) -> list[ExchangeFile]:
    """Imports that a stop interrupted."""
    return tx.find(FILES, {"connector": connector, "state": "importing"})


def take(tx: Tx, file_id: str, start: int, items: Sequence[Item], handlers: Handlers) -> ExchangeFile:
    """Apply `items`, which begin at position `start` of the file; those before its position are known already."""
    file = tx.require(FILES, file_id)
    items = items[max(0, file.position - start) :]
    if not items or file.state != "importing":
        return file
    exchange = tx.require(EXCHANGES, file.exchange_id)
    ids = [item_id(file.connector, item.kind, item.external_id) for item in items]
    known = {each.id: each for each in tx.find(ITEMS, {"id": In(sorted(set(ids)))})}
    changed, failed = 0, 0
    for id, item in zip(ids, items, strict=True):
        if item.problem is not None:
            failed += 1
            _note(tx, exchange, file, item, item.problem, failed)
            continue
        row = _store(tx, exchange, known.get(id), id, item)
        if row is not None:
            known[id] = row
            changed += 1
            if item.kind in handlers:
                handlers[item.kind](tx, row)
    tx.update(
        EXCHANGES,
        exchange,
        touched_at=tx.now,
        taken=exchange.taken + len(items),
        changed=exchange.changed + changed,
        failed=exchange.failed + failed,
        unchanged=exchange.unchanged + len(items) - changed - failed,
    )
    return tx.update(FILES, file, position=file.position + len(items))


def _store(tx: Tx, exchange: Exchange, former: OnecItem | None, id: str, item: Item) -> OnecItem | None:
    """The row to apply, or None when nothing is new."""
    digest = hash_of(item.data)
    if former is None:
        row = OnecItem(
            id=id,
            connector=exchange.connector,
            kind=item.kind,
            external_id=item.external_id,
            hash=digest,
            data=item.data,
            at=tx.now,
            exchange_id=exchange.id,
        )
        return tx.insert(ITEMS, row)
    if former.hash == digest and former.state == "applied":
        return None
    return tx.update(
        ITEMS, former, hash=digest, data=item.data, state="applied", error=None, at=tx.now, exchange_id=exchange.id
    )


def fail_item(tx: Tx, file_id: str, position: int, item: Item, error: str) -> ExchangeFile:
    """The item at this position was refused: note why and go on. It is tried again when 1C sends it again."""
    file = tx.require(FILES, file_id)
    if file.position != position or file.state != "importing":
        return file
    exchange = tx.require(EXCHANGES, file.exchange_id)
    row = tx.get(ITEMS, item_id(file.connector, item.kind, item.external_id))
    if row is not None:
        tx.update(ITEMS, row, state="failed", error=error[:1000], at=tx.now)
    _note(tx, exchange, file, item, error, 1)
    tx.update(EXCHANGES, exchange, taken=exchange.taken + 1, failed=exchange.failed + 1, touched_at=tx.now)
    return tx.update(FILES, file, position=position + 1)


def _note(tx: Tx, exchange: Exchange, file: ExchangeFile, item: Item, text: str, number: int) -> None:
    if exchange.failed + number > MAX_ERRORS:
        return
    tx.insert(
        ERRORS,
        OnecError(
            id=tx.new_id(),
            exchange_id=exchange.id,
            file=file.name,
            kind=item.kind,
            external_id=item.external_id[:MAX_ID],
            text=text[:1000],
            at=tx.now,
        ),
    )


def finish(tx: Tx, file_id: str, error: str | None = None) -> Exchange:
    """The file is read to its end, or cannot be read further: `error` says why."""
    file = tx.require(FILES, file_id)
    exchange = tx.require(EXCHANGES, file.exchange_id)
    if file.state != "importing":
        return exchange
    tx.update(FILES, file, state="failed" if error else "done", error=error)
    tell(tx, "connector", exchange.connector, "exchange", data={"exchange": exchange.id})
    return tx.update(
        EXCHANGES, exchange, state="failed" if error else "done", error=error or exchange.error, touched_at=tx.now
    )


def fail_exchange(tx: Tx, exchange_id: str, error: str) -> Exchange:
    """The session went wrong outside of an import: an archive that cannot be opened, a file that was never sent."""
    return tx.update(EXCHANGES, tx.require(EXCHANGES, exchange_id), state="failed", error=error, touched_at=tx.now)
