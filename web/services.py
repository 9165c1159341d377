"""What the web application is given; nothing else of the hub is visible from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from connectors.supervisor import Supervisor
from crm_core.settings import Blueprint
from distribution.desk import Desk
from storage import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The running hub, as pages and API use it."""

    store: Store
    live: Desk
    blueprint: Blueprint
    """What the files of the company say, and how changed settings become a company."""
    supervisor: Supervisor
    clock: Callable[[], datetime]
    public_url: str
    version: str
    proxies: tuple[str, ...] = ()
    """Networks whose `X-Forwarded-For` is believed, besides this very machine."""
    demo: bool = False
    """The reference company without a configuration: the login page names the demo logins."""

    @property
    def desk(self) -> Desk:
        """As of the newest settings that a transaction of this process has seen; each request looks when it asks who
        is there, so it has the newest there were when it began."""
        return self.live.latest


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
