"""`doctor`: tries the configuration, the store and every connector, and says in words what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import click

from connectors.contract import ConnectorError, Tests
from connectors.registry import REGISTRY
from connectors.settings import ConnectorSettings
from crm_core.users import USERS
from firstline.bootstrap import NO_USERS
from firstline.commands.check import summary
from firstline.commands.common import FAILED, Target, blocking, failure, options
from firstline.opening import opened
from firstline.schema import SCHEMA
from firstline.settings import Settings
from firstline.verify import verify
from storage import StorageError

PATIENCE = 30.0
"""Seconds for one connector."""
Finding = tuple[bool, str]


@click.command(short_help="проверить каналы и хранилище")
@options
@blocking
async def doctor(hub: Target) -> int:
    """Пробует хранилище и каждый канал и говорит словами, что не так."""
    settings = hub.settings()
    failed = False
    async for good, text in examine(settings, hub):
        failed |= not good
        click.echo(f"{'✓' if good else '✗'} {text}")
    return FAILED if failed else 0


async def examine(settings: Settings, hub: Target) -> AsyncIterator[Finding]:
    """(is it good, sentence), as they are found."""
    yield True, summary(settings)
    yield await _store(settings, hub)
    for name, connector in settings.connectors.items():
        yield await _connector(name, connector)


async def _store(settings: Settings, hub: Target) -> Finding:
    if not hub.data.is_dir():
        return True, f"хранилище: папки {hub.data} ещё нет, её создаст первый запуск"
    try:
        async with opened(settings, hub.data) as store:
            count, damages = await verify(store, SCHEMA.collections)
            users = await store.read(lambda tx: tx.count(USERS, limit=1))
            size = store.size()
    except (StorageError, OSError) as error:
        return False, failure(error)
    if damages:
        return False, f"хранилище повреждено: {'; '.join(damages)}; восстановите его из копии: firstline restore"
    hint = "" if users else f". {' '.join(NO_USERS.split())}"
    return True, f"хранилище: записей {count}, {size / 2**20:.1f} МБ{hint}"


async def _connector(name: str, settings: ConnectorSettings) -> Finding:
    if not settings.enabled:
        return True, f"{name}: выключен в настройках"
    connector = REGISTRY[settings.type].create(name, settings)
    if not isinstance(connector, Tests):
        return True, f"{name}: внешней стороны нет, проверять нечего"
    try:
        return True, f"{name}: {await asyncio.wait_for(connector.check(), PATIENCE)}"
    except ConnectorError as error:
        return False, f"{name}: {error}"
    except TimeoutError:
        return False, f"{name}: нет ответа за {PATIENCE:.0f} с; проверьте адрес и сеть"
    except OSError as error:
        return False, f"{name}: {failure(error)}"
