"""Where each connector stopped reading: IMAP UIDs, update offsets. Committed with or after the intake, never before."""

from __future__ import annotations

from typing import Any

from storage import Collection, Entity, ReadTx, Tx


class Cursor(Entity, frozen=True, kw_only=True):
    """`id` is `connector:key`; the value is whatever JSON the connector likes."""

    value: Any


CURSORS = Collection("cursors", Cursor)


def load(tx: ReadTx, connector: str, key: str) -> Any:
    found = tx.get(CURSORS, f"{connector}:{key}")
    return found.value if found else None


def save(tx: Tx, connector: str, key: str, value: Any) -> None:
    existing = tx.get(CURSORS, f"{connector}:{key}")
    if existing is None:
        tx.insert(CURSORS, Cursor(id=f"{connector}:{key}", value=value))
    else:
        tx.update(CURSORS, existing, value=value)
