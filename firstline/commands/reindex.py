"""`reindex`: build the search index anew. Safe beside a running hub, which goes on searching meanwhile."""

from __future__ import annotations

import click

from crm_core.search import ENTRIES
from crm_core.searchable import KINDS
from firstline.commands.common import Target, blocking, options
from firstline.opening import opened
from router.indexer import Indexer


@click.command(short_help="построить поисковый указатель заново")
@options
@blocking
async def reindex(hub: Target) -> None:
    """Строит поисковый указатель заново, по частям, не останавливая работу."""
    async with opened(hub.settings(), hub.data) as store:
        await Indexer(store, KINDS).rebuild()
        count = await store.read(lambda tx: tx.count(ENTRIES))
    click.echo(f"Поисковый указатель построен, записей: {count}")
