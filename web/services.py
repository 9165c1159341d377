"""What the web application is given; nothing else of the hub is visible from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from connectors.supervisor import Supervisor
from distribution.desk import Desk
from storage import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The running hub, as pages and API use it."""

    store: Store
    desk: Desk
    supervisor: Supervisor
    clock: Callable[[], datetime]
    public_url: str
    version: str
    proxies: tuple[str, ...] = ()
    """Networks whose `X-Forwarded-For` is believed, besides this very machine."""
    demo: bool = False
    """The reference company without a configuration: the login page names the demo logins."""


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
