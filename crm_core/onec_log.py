"""What was exchanged with 1C, for whoever is on duty, and what of it is forgotten in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.errors import Missing
from crm_core.onec import ERRORS, EXCHANGES, FILES, Exchange, OnecError, files_of
from crm_core.onec_orders import OUTGOING, OutgoingOrder
from crm_core.rights import Action
from storage import Lt, ReadTx, Tx

KEEP_FILES = timedelta(hours=1)
"""After the last request of a session its files are needed no more."""
KEEP = timedelta(days=90)
"""Of sessions and their errors."""


def tidy(tx: Tx, limit: int = 20) -> list[str]:
    """Forget the files of sessions that nobody uses any more, and sessions older than `KEEP`; the blobs to remove."""
    blobs: list[str] = []
    quiet = tx.find(
        EXCHANGES, {"has_files": True, "touched_at": Lt(tx.now - KEEP_FILES)}, sort="touched_at", limit=limit
    )
    for exchange in quiet:
        files = files_of(tx, exchange.id)
        if any(file.state == "importing" for file in files):
            continue
        for file in files:
            blobs += [*(part.blob for part in file.parts), *file.spare]
            tx.delete(FILES, file)
        tx.update(EXCHANGES, exchange, has_files=False)
    for exchange in tx.find(EXCHANGES, {"started_at": Lt(tx.now - KEEP)}, sort="started_at", limit=limit):
        errors = tx.find(ERRORS, {"exchange_id": exchange.id})
        for error in errors:
            tx.delete(ERRORS, error)
        if not exchange.has_files:
            tx.delete(EXCHANGES, exchange)
    return blobs


def last_exchange(tx: ReadTx, connector: str) -> Exchange | None:
    return tx.first(EXCHANGES, {"connector": connector}, sort="-started_at")


def list_orders(
    tx: ReadTx, actor: Actor, where: dict[str, Any], *, limit: int = 50, after: str | None = None
) -> list[OutgoingOrder]:
    """Orders for 1C, those queued last first."""
    check(actor, "connector", Action.READ)
    return tx.find(OUTGOING, where, sort="-queued_at", limit=limit, after=after)


def list_exchanges(
    tx: ReadTx, actor: Actor, where: dict[str, Any], *, limit: int = 50, after: str | None = None
) -> list[Exchange]:
    """Sessions, newest first."""
    check(actor, "connector", Action.READ)
    return tx.find(EXCHANGES, where, sort="-started_at", limit=limit, after=after)


def get_exchange(tx: ReadTx, actor: Actor, exchange_id: str) -> Exchange:
    """`Missing` when there is none."""
    check(actor, "connector", Action.READ)
    found = tx.get(EXCHANGES, exchange_id)
    if found is None:
        raise Missing("Такого обмена нет")
    return found


def list_errors(
    tx: ReadTx, actor: Actor, exchange_id: str, *, limit: int = 50, after: str | None = None
) -> list[OnecError]:
    """What was not applied in a session, in the order of the files; at most `MAX_ERRORS` are kept."""
    get_exchange(tx, actor, exchange_id)
    return tx.find(ERRORS, {"exchange_id": exchange_id}, sort="at", limit=limit, after=after)
