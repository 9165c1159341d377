"""Opening the store as the command line does: with the machine's clock, the whole schema, and an actor of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.rights import Rights
from crm_core.settings import company_now
from firstline.blueprint import FileBlueprint
from firstline.schema import SCHEMA
from firstline.settings import Settings
from storage import IdSource, Store, open_store
from workhours import SystemClock

CONSOLE_ROLE = "console"


@asynccontextmanager
async def opened(settings: Settings, data: Path, *, guest: bool = True) -> AsyncIterator[Store]:
    """The store of a data folder, closed at the end. A guest works beside a running hub."""
    store = open_store(settings.storage_url, data, SCHEMA, clock=SystemClock().now, ids=IdSource(), guest=guest)
    try:
        yield store
    finally:
        await store.close()


async def in_force(store: Store, settings: Settings) -> Settings:
    """The settings with what people changed in the running system. `Invalid` when the files do not fit that."""
    blueprint = FileBlueprint(settings, settings.company)
    return replace(settings, company=await store.read(company_now, blueprint))


def console(company: Company) -> Actor:
    """Whoever has the machine may do everything; unlike the hub itself he leaves an audit trail."""
    rights = Rights({**company.rights.grants, **Rights.everything(CONSOLE_ROLE).grants})
    return Actor(id=None, name="Командная строка", roles=frozenset({CONSOLE_ROLE}), rights=rights)
