"""From listed letters to accepted `Inbound`s: the part of the connector that handles mail in bulk.

Small letters are fetched and read in batches, each batch in one hop to a worker thread, so that the event loop answers
others meanwhile. A large letter comes alone, piece by piece, through a temporary file. The cursor moves in the same
commit as the letters (`ConnectorContext.accept`): a crash at any point repeats letters, which are duplicates by their
`external_id`, and loses none.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

from connectors.contract import BlobWriter, ConnectorContext, Inbound
from connectors.email import parse
from connectors.email.mailbox import Entry, Mailbox
from connectors.email.parse import Box, Letter

SMALL = 1024 * 1024
GROUP_COUNT = 100
GROUP_BYTES = 4 * 1024 * 1024
BLOB_WRITERS = 16


def groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Letters that are fetched together, in order of arrival: small ones in batches, each large one alone."""
    group: list[Entry] = []
    for entry in entries:
        full = len(group) >= GROUP_COUNT or sum(item.size for item in group) + entry.size > GROUP_BYTES
        if group and (entry.size > SMALL or full):
            yield group
            group = []
        group.append(entry)
        if entry.size > SMALL:
            yield group
            group = []
    if group:
        yield group


class Intake:
    """Reads letters of one mailbox into the hub."""

    def __init__(self, mailbox: Mailbox, context: ConnectorContext, box: Box, max_size: int) -> None:
        self.mailbox = mailbox
        self.context = context
        self.box = box
        self.max_size = max_size

    async def read(self, group: Sequence[Entry]) -> list[Inbound]:
        """The letters of a group; those that vanished meanwhile are missing."""
        first = group[0]
        if first.size > self.max_size:
            return [inbound] if (inbound := await self._too_large(first)) is not None else []
        if first.size > SMALL:
            return [inbound] if (inbound := await self._large(first)) is not None else []
        return await self._small(group)

    async def _small(self, group: Sequence[Entry]) -> list[Inbound]:
        raw = await self.mailbox.letters([entry.uid for entry in group])
        now = self.context.now()
        found = [(io.BytesIO(raw[e.uid]), len(raw[e.uid]), e.received_at or now) for e in group if e.uid in raw]
        drafts = await asyncio.to_thread(_drafts, found, self.box)
        writers = asyncio.Semaphore(BLOB_WRITERS)
        stored = (
            _stored(writers, source, size, draft, self.context.blobs)
            for (source, size, _), draft in zip(found, drafts, strict=True)
        )
        return list(await asyncio.gather(*stored))

    async def _large(self, entry: Entry) -> Inbound | None:
        with tempfile.TemporaryFile(prefix="firstline-mail-") as file:
            size = await self.mailbox.copy_to(file, entry.uid, entry.size)
            if not size:
                return None
            moment = entry.received_at or self.context.now()
            letter, inbound = await asyncio.to_thread(parse.draft, file, size, self.box, moment)
            return await parse.to_inbound(file, letter, inbound, self.context.blobs, size)

    async def _too_large(self, entry: Entry) -> Inbound | None:
        """The header alone, with a note: a person has to look into the box."""
        head = await self.mailbox.head(entry.uid)
        if head is None:
            return None
        megabytes = -(-entry.size // 2**20)
        why = f"письмо на {megabytes} МБ больше предела, взят только заголовок; само письмо лежит в почтовом ящике"
        moment: datetime = entry.received_at or self.context.now()
        source = io.BytesIO(head)
        digest = parse.raw_digest(source, len(head))
        letter, inbound = parse.unreadable(source, len(head), self.box, moment, digest, why)
        return await parse.to_inbound(source, letter, inbound, self.context.blobs, len(head))


def _drafts(found: Sequence[tuple[BinaryIO, int, datetime]], box: Box) -> list[tuple[Letter, Inbound]]:
    return [parse.draft(source, size, box, moment) for source, size, moment in found]


async def _stored(
    writers: asyncio.Semaphore, source: BinaryIO, size: int, draft: tuple[Letter, Inbound], blobs: BlobWriter
) -> Inbound:
    async with writers:
        return await parse.to_inbound(source, *draft, blobs, size)
