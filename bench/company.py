"""The company of the bench: one queue with offers, ten sellers at work round the clock, the channels of a measurement.

Sellers and their sessions are written into the store before the hub starts: signing in is not what is measured.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.process import Server, server
from crm_core.accounts import open_session
from crm_core.actor import SYSTEM
from crm_core.users import Presence, User, create_user
from firstline.schema import SCHEMA
from storage import IdSource, ReadTx, Store, Tx, open_store
from workhours import SystemClock

T = TypeVar("T")

SELLERS = 10
URL = "sqlite:firstline.db"
CONFIG = """
[company]
preset = "equipment"
[workhours.always]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"
[queues.first-line]
members = ["role:first_line"]
accept_within = "5m"
capacity = 0
presence = "required"
calendar = "always"
[connectors.site]
type = "form"
rate_limit = "off"
"""
PHONE = """
[connectors.office-phone]
type = "asterisk"
port = {port}
username = "firstline"
secret = "secret"
"""
MAIL = """
[connectors.sales-mail]
type = "email"
address = "sales@firstline.example"
imap = {{ host = "127.0.0.1", port = {port}, tls = "none", username = "{user}", password = "{password}" }}
"""


@dataclass(frozen=True, slots=True)
class Seller:
    """An employee with an open session."""

    id: str
    extension: str
    secret: str
    """Of the session cookie."""


@dataclass(frozen=True, slots=True)
class Company:
    """A data folder with a configuration; the hub may be started on it several times."""

    folder: Path
    config: Path
    sellers: tuple[Seller, ...]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @asynccontextmanager
    async def hub(self, *roles: str) -> AsyncIterator[Server]:
        """`firstline serve` as everybody runs it, or only these parts of it."""
        log = self.folder / "hub.log"
        if roles:
            command = ["bench.serve", str(self.config), str(self.data), "0", ",".join(roles)]
        else:
            command = ["firstline", "serve", "--config", str(self.config), "--data", str(self.data), "--port", "0"]
        async with server(log, "-m", *command) as running:
            yield running

    async def look(self, fn: Callable[[ReadTx], T]) -> T:
        """Read the store, beside the hub or after it."""
        store = open_company_store(self.data, guest=True)
        try:
            return await store.read(fn)
        finally:
            await store.close()


async def found(folder: Path, *channels: str) -> Company:
    """A new company with an empty store."""
    folder.mkdir(parents=True)
    config = folder / "firstline.toml"
    config.write_text(CONFIG + "".join(channels))
    store = open_company_store(folder / "data")
    try:
        sellers = await store.write(hire)
    finally:
        await store.close()
    return Company(folder, config, sellers)


def hire(tx: Tx) -> tuple[Seller, ...]:
    """Ten sellers who are at work."""
    return tuple(_hire(tx, number) for number in range(SELLERS))


def _hire(tx: Tx, number: int) -> Seller:
    user: User = create_user(
        tx,
        SYSTEM,
        email=f"seller{number}@firstline.example",
        name=f"Продавец {number}",
        roles=("first_line",),
        extension=str(101 + number),
        presence=Presence.ONLINE,
    )
    secret = f"bench-session-{number}"
    open_session(tx, user, secret, "csrf")
    return Seller(user.id, str(101 + number), secret)


def open_company_store(data: Path, *, guest: bool = False) -> Store:
    """The store of a data folder; a guest beside a running hub."""
    return open_store(URL, data, SCHEMA, clock=SystemClock().now, ids=IdSource(), guest=guest)
