"""`serve`: runs the hub until it is told to stop."""

from __future__ import annotations

import asyncio

import click

from firstline.commands.common import Target, Wrong, options
from firstline.problems import nearest

ROLES = ("web", "connectors", "router")


@click.command(short_help="запустить")
@click.option("--host", help="адрес, на котором слушать")
@click.option("--port", type=click.IntRange(0, 65535), help="порт")
@click.option("--role", default="all", show_default=True, help="части хаба: all или web,connectors,router")
@options
def serve(hub: Target, host: str | None, port: int | None, role: str) -> None:
    """Запускает хаб; Ctrl-C останавливает его."""
    parse_roles(role)
    settings = hub.settings().at(host, port)
    # The whole program is loaded only now: a mistake in the settings is told at once.
    from firstline.serve import run

    asyncio.run(run(settings, hub.data))


def parse_roles(text: str) -> frozenset[str]:
    """`all` or a comma-separated subset. A subset needs a store and a bus that several processes share."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*ROLES, "all"):
            raise Wrong(f"--role: части {name} нет; {nearest(name, (*ROLES, 'all'))}")
    roles = frozenset(ROLES) if "all" in names else frozenset(names)
    if roles != frozenset(ROLES):
        raise Wrong("--role: по частям хаб работает с MongoDB и NATS, которые пока не поддерживаются; уберите --role")
    return roles
