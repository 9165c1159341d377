"""The only door: what `accept` returned is durable, and only then may the channel be told so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.contract import Inbound, Receipt
from router.journal import accept
from storage import Store


class Intake:
    """Writes inbounds to the journal; many callers share one commit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def accept(self, *inbounds: Inbound, cursor: tuple[str, Any] | None = None) -> Sequence[Receipt]:
        """Durable when it returns. Raises `StoreUnavailable` when the store cannot write: acknowledge nothing."""
        return await self._store.write(accept, inbounds, cursor)
