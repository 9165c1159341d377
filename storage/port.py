"""The store as the rest of the program sees it. These docstrings are the specification that every engine is tested by.

**Functions, not sessions.** Work is a plain synchronous function over a `Tx`, handed to `Store.write` or `Store.read`.
It must have no effect but through the `Tx`, because an engine may run it again after a conflict.

**Atomic.** What one function did is committed as a whole before `write` returns, or not at all when it raises. Two
functions never see each other's unfinished work.

**Order.** Functions handed to `write` by one task run in that order. `find` sorts by the given field, then by id;
absent values come first in ascending order.

**Values.** What is stored can be read back: a document that its own type cannot read, half of a surrogate pair, a
number that is none, an integer beyond 64 bits or a decimal with more than 4 places in an indexed field raise
`InvalidValue`, and the transaction stays usable. A field is compared with values of its own kind only.

**One for each.** A function that raises fails for its caller alone. What is not an `Exception` (SystemExit…) and
StopIteration reach the caller as the cause of a `RuntimeError`. When the store itself fails, every function of the same
commit raises `StoreUnavailable` and leaves nothing, even if it swallowed the error.

**Cancelled callers.** A function whose caller was cancelled before it began is not run; one that has begun is finished
and committed.

**Time and chance.** `Tx.now` is one moment per call of the function, `Tx.new_id` gives ids that sort by creation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from storage.blobs import Blobs
from storage.collection import Collection, Entity
from storage.query import Filter, Measure

E = TypeVar("E", bound=Entity)
T = TypeVar("T")
P = ParamSpec("P")

Listener = Callable[[frozenset[str]], None]


class ReadTx(Protocol):
    """A consistent view of the store; over when the function returns."""

    @property
    def now(self) -> datetime:
        """The moment of this transaction, aware UTC."""

    def get(self, collection: Collection[E], id: str) -> E | None:
        """The document, or None."""

    def require(self, collection: Collection[E], id: str) -> E:
        """The document, or `NotFound`."""

    def find(
        self,
        collection: Collection[E],
        where: Filter = ...,
        *,
        sort: str = "id",
        limit: int | None = None,
        after: str | None = None,
    ) -> list[E]:
        """Matching documents, sorted by `sort` (`-field` descends) and id. `after` is a cursor from `cursor_after`.
        `QueryError` for a field that is not indexed, a value of another kind, a cursor of another list."""

    def first(self, collection: Collection[E], where: Filter = ..., *, sort: str = "id") -> E | None:
        """The first match or None."""

    def cursor_after(self, collection: Collection[E], last: E, sort: str = "id") -> str:
        """Opaque cursor that continues a `find` with the same sort after this document, whatever was written since."""

    def find_words(
        self,
        collection: Collection[E],
        beginnings: Sequence[tuple[str, ...]],
        *,
        limit: int,
        after: E | None = None,
    ) -> list[E]:
        """Documents that hold, for each of these, a word that begins with one of its beginnings; those inserted last
        come first, replaced ones keep their place. `after` continues behind a document of the
        former answer. Its cost grows with the number of matches, not with the collection. Nothing asked: nothing.
        `QueryError` when the collection declares no words, `InvalidValue` for what is not letters and digits in lower
        case."""

    def count(self, collection: Collection[E], where: Filter = ..., *, limit: int | None = None) -> int:
        """Number of matches; counting stops at `limit`."""

    def aggregate(
        self, collection: Collection[E], *, by: Sequence[str], measures: Sequence[Measure], where: Filter = ...
    ) -> list[tuple[Any, ...]]:
        """One row per combination of `by` values, followed by the measures, sorted by the `by` values, absent first.
        Decimals add up exactly and come back as Decimal, datetimes as microseconds since 1970 UTC. Measures pass over
        absent values and are None when nothing is left. Without `by`, exactly one row."""

    def last_number(self, name: str) -> int:
        """What `Tx.next_number` gave last for this name, 0 when nothing yet."""


class Tx(ReadTx, Protocol):
    """A view that can also write."""

    def new_id(self, prefix: str = "") -> str:
        """A new opaque id; later ones sort after earlier ones."""

    def insert(self, collection: Collection[E], entity: E) -> E:
        """Add a new document and return it as it will be read. `UniqueViolation` when its id or a unique key is taken;
        the transaction stays usable."""

    def append(self, collection: Collection[E], entity: E) -> E:
        """`insert` of one of many, for records that are written and rarely looked at in the same transaction: they are
        written together, before the next look at the collection or at the end. A taken id or key fails the function
        there, instead of here."""

    def insert_unknown(self, collection: Collection[E], entities: Sequence[E]) -> list[bool]:
        """Add those whose id is not taken yet, all in one go, and tell of each whether it was added: of equal ids the
        first wins. Raises as `insert` for another unique key."""

    def replace(self, collection: Collection[E], entity: E) -> E:
        """Store a changed document and return it with its new version. `VersionConflict` when the stored version is not
        the entity's, `NotFound` when it is gone, `UniqueViolation` as in insert."""

    def update(self, collection: Collection[E], entity: E, **changes: Any) -> E:
        """`replace` with these fields changed, and those that the entity derives from them in `__post_init__`; writes
        nothing when nothing differs."""

    def delete(self, collection: Collection[E], entity: E) -> None:
        """Remove the document; version checked as in replace."""

    def next_number(self, name: str) -> int:
        """1, 2, 3… per name, in commit order. A failed transaction leaves no gap."""


class Store(Protocol):
    """A document store with one writer's semantics and many readers."""

    blobs: Blobs

    async def write(self, fn: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, …)` in a transaction and return its result once that is durable. `StoreUnavailable` when the
        store cannot write now or is closed."""

    async def write_background(self, fn: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`write` for work that nobody waits for at a screen or on a line: it lets the others go first."""

    async def read(self, fn: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, …)` on a consistent view; never waits for writers."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on the event loop after each commit of this process, with the collections that it wrote.
        News, not truth: a listener that misses one must find the work by itself; one that raises is logged. Returns
        the way to stop."""

    async def backup(self, folder: Path) -> None:
        """Write a consistent copy of documents and blobs into an empty folder while others work: every blob that a
        copied document names is there. `StorageError` when the folder is not empty, `StoreUnavailable` when there is no
        room."""

    def size(self) -> int:
        """Bytes on disk, blobs not counted."""

    async def close(self) -> None:
        """Finish what was handed in, then release the store. May be called again."""
