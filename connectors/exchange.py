"""The door of accounting systems: what a connector of such a system and the rest of the hub share.

A contact goes through the intake; a catalogue or a payment is no contact. Such a connector keeps what was uploaded,
then hands it over in pieces. Every call is durable when it returns, and only then may the other side be told so. All of
them raise `NotReady` when the store cannot write, and `Refused` when the request makes no sense in this session.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from connectors.contract import ConnectorContext, ConnectorError
from connectors.messages import Part


class Refused(ConnectorError):
    """The step cannot be taken now; the text says why and what to do."""


class ExchangeItem(Part, frozen=True, kw_only=True):
    """One thing out of a file. Numbers in `data` are exact decimals written as text, moments RFC 3339 in UTC."""

    kind: str
    """`category`, `price_type`, `product`, `price`, `stock`, `customer`, `order`, `payment`, `shipment`, `document`."""
    external_id: str
    data: dict[str, Any] = {}
    problem: str | None = None
    """Why it cannot be read: it is noted for people, and the next one goes on."""


class StoredPart(Part, frozen=True, kw_only=True):
    """A piece of an upload: `blob` holds a nonce (so that the blob is this session's own and can be removed), then the
    piece."""

    blob: str
    size: int
    """Bytes of the piece, without the nonce."""
    digest: str


class StoredFile(Part, frozen=True, kw_only=True):
    """An uploaded file, or a member of an uploaded archive."""

    id: str
    session: str
    name: str
    parts: tuple[StoredPart, ...]
    """Of the archive, when it is a member of one."""
    archive: str | None
    state: str
    """`receiving`, `importing`, `done`, `failed`."""
    position: int
    """Items that are durable already."""
    error: str | None = None

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


class SessionInfo(Part, frozen=True, kw_only=True):
    """A session and how it is going."""

    id: str
    kind: str
    started_at: datetime
    state: str
    error: str | None
    taken: int
    changed: int
    failed: int


class Buyer(Part, frozen=True, kw_only=True):
    """Whom an order is for."""

    id: str
    name: str
    full_name: str = ""
    inn: str = ""
    kpp: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""


class Line(Part, frozen=True, kw_only=True):
    """A row of an order."""

    name: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    product_id: str = ""
    unit: str = ""
    vat: str = ""
    """`20`, `10`, `0`, `Без НДС`; empty: not said."""


class Order(Part, frozen=True, kw_only=True):
    """An order for the accounting system."""

    id: str
    number: str
    placed_at: datetime
    currency: str
    amount: Decimal
    buyer: Buyer
    lines: tuple[Line, ...]
    comment: str = ""
    revision: int = 1


class ExchangeDoor(Protocol):
    """What the hub offers; all of it belongs to one connector."""

    async def begin(self, kind: str, token: str) -> SessionInfo:
        """A new session; `token` is the digest of its secret."""

    async def session(self, token: str) -> SessionInfo | None:
        """The session of this token, unless it is over."""

    async def last(self) -> SessionInfo | None:
        """The newest session."""

    async def add_part(self, session: str, name: str, part: StoredPart) -> StoredFile:
        """Append a piece to a file; the same piece twice in a row is one."""

    async def files(self, session: str) -> list[StoredFile]:
        """Everything that was uploaded in this session or begun to import."""

    async def start_import(self, session: str, name: str, archive: str | None = None) -> StoredFile:
        """Begin; one that was begun or finished stays as it is."""

    async def unfinished(self) -> list[StoredFile]:
        """Imports that a stop interrupted."""

    async def take(self, file: StoredFile, start: int, items: Sequence[ExchangeItem]) -> StoredFile:
        """Apply items that begin at this position of the file. An item that is refused is noted and holds up nobody."""

    async def finish(self, file: StoredFile, error: str | None = None) -> SessionInfo:
        """The file is read to its end, or cannot be read further."""

    async def fail(self, session: str, error: str) -> SessionInfo:
        """The session went wrong outside of an import."""

    async def orders(self, session: str, stages: Sequence[str]) -> list[Order]:
        """Deals at these stages (`pipeline/stage`), as far as the other side has not confirmed them yet; noted as given
        out in this session."""

    async def confirm(self, session: str) -> int:
        """The other side has what this session gave out; the number of orders."""

    async def tidy(self) -> None:
        """Remove files that nobody needs any more."""


@runtime_checkable
class OffersExchange(Protocol):
    """A context that has the door."""

    def exchange(self) -> ExchangeDoor: ...


def door_of(context: ConnectorContext) -> ExchangeDoor:
    """The door of this connector. `Refused` where the hub offers none."""
    if not isinstance(context, OffersExchange):
        raise Refused("Обмен с учётной системой здесь не поддержан")
    return context.exchange()
