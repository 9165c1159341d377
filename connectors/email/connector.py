"""The shared mailbox as a state machine: connect → log in → open the folder → catch up → wait → catch up → …

Its whole memory is the cursor `imap`: `{"uidvalidity", "uid", "since"}`, committed together with the letters. Every
start, reconnect and announcement does the same thing: take all letters above the cursor. When UIDVALIDITY changes (or
the server's numbers run backwards) the numbers mean nothing any more, and the folder is read again from the start:
letters that are known are duplicates by their `external_id`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from connectors.contract import (
    Attachment,
    Capabilities,
    ConnectorContext,
    ConnectorError,
    HealthState,
    Misconfigured,
    NotReady,
    Outbound,
    SendResult,
)
from connectors.email.intake import Intake, groups
from connectors.email.mailbox import BATCH, Entry, Mailbox, Selected, open_mailbox
from connectors.email.parse import Box
from connectors.email.render import message_id, render
from connectors.email.send import keep_copy, send, try_login
from connectors.email.settings import EmailSettings

CURSOR = "imap"
COPIES = 20
"""Letters that may wait for their copy in Sent; more would only hold memory."""


class Cursor(msgspec.Struct, frozen=True):
    uidvalidity: int
    uid: int
    """The last one that is durable."""
    since: datetime | None = None
    """Letters that arrived earlier are left alone."""


class EmailConnector:
    """One shared mailbox. `Connector`, `Sends` and `Tests` of the contract."""

    type = "email"
    channel = "email"

    def __init__(self, name: str, settings: EmailSettings) -> None:
        self.name = name
        self.settings = settings
        self.capabilities = Capabilities(
            can_reply=settings.smtp is not None,
            attachments=True,
            max_attachment=25 * 2**20,  # what the large providers let through
            subject=True,
        )
        self._box = Box(name, settings.address, settings.own)
        self._context: ConnectorContext | None = None
        self._copies: asyncio.Queue[bytes] = asyncio.Queue(COPIES)
        self._copy_error: str | None = None
        self._was_connected = False

    async def run(self, context: ConnectorContext) -> None:
        """Receive until cancelled. Raises `AuthFailed`, `Misconfigured`, `NotReady`."""
        self._context = context
        context.report(HealthState.STARTING)
        copies = asyncio.create_task(self._keep_copies())
        try:
            await self._session(context)
        finally:
            self._context = None
            copies.cancel()

    async def _session(self, context: ConnectorContext) -> None:
        mailbox = await self._open()
        try:
            selected = await mailbox.select(self.settings.imap.folder)
            cursor = await self._start(context, selected)
            self._was_connected = True
            while True:
                cursor = await self._catch_up(mailbox, context, cursor)
                self._report(f"Папка «{self.settings.imap.folder}»: ждём новых писем.")
                await mailbox.wait_for_news()
        finally:
            await mailbox.close()

    async def _open(self) -> Mailbox:
        try:
            return await open_mailbox(self.settings.imap)
        except Misconfigured as error:
            if self._was_connected:  # it worked before: the network is at fault, not the settings
                raise NotReady(str(error)) from error
            raise

    async def _start(self, context: ConnectorContext, selected: Selected) -> Cursor:
        """Where to go on: the committed cursor, or by `since` at the first connection."""
        known = await context.load_cursor(CURSOR)
        if known is None:
            now = context.now()
            is_now = self.settings.since == "now" and selected.uidnext is not None
            cursor = Cursor(selected.uidvalidity, (selected.uidnext or 1) - 1 if is_now else 0, self._since(now))
            await context.save_cursor(CURSOR, msgspec.to_builtins(cursor))
            return cursor
        cursor = msgspec.convert(known, Cursor)
        backwards = selected.uidnext is not None and selected.uidnext <= cursor.uid
        if cursor.uidvalidity == selected.uidvalidity and not backwards:
            return cursor
        context.count("uidvalidity_change")
        return Cursor(selected.uidvalidity, 0, cursor.since)

    def _since(self, now: datetime) -> datetime | None:
        match self.settings.since:
            case "all":
                return None
            case "now":
                return now
            case date() as day:
                return datetime.combine(day, time(), UTC)

    async def _catch_up(self, mailbox: Mailbox, context: ConnectorContext, cursor: Cursor) -> Cursor:
        """Take everything above the cursor; returns when the server has nothing more."""
        intake = Intake(mailbox, context, self._box, self.settings.max_size)
        # A day earlier: the server's calendar may be behind ours; `_is_wanted` looks at the moment itself.
        day = (cursor.since - timedelta(days=1)).date() if cursor.since else None
        while uids := await mailbox.search_after(cursor.uid, day):
            for start in range(0, len(uids), BATCH):
                cursor = await self._take(intake, cursor, uids[start : start + BATCH])
                if len(uids) > BATCH:
                    self._report(f"Разбираем накопившиеся письма: {min(start + BATCH, len(uids))} из {len(uids)}.")
        return cursor

    async def _take(self, intake: Intake, cursor: Cursor, uids: list[int]) -> Cursor:
        entries = [entry for entry in await intake.mailbox.listing(uids) if _is_wanted(entry, cursor)]
        for group in groups(entries):
            inbounds = await intake.read(group)
            cursor = msgspec.structs.replace(cursor, uid=group[-1].uid)
            if inbounds:
                await intake.context.accept(*inbounds, cursor=(CURSOR, msgspec.to_builtins(cursor)))
            if inbounds and self.settings.mark_seen:
                await intake.mailbox.mark_seen([entry.uid for entry in group])
        if cursor.uid < uids[-1]:  # the last ones are gone or older than wanted
            cursor = msgspec.structs.replace(cursor, uid=uids[-1])
            await intake.context.save_cursor(CURSOR, msgspec.to_builtins(cursor))
        return cursor

    def _report(self, detail: str) -> None:
        if self._context is not None:
            state = HealthState.DEGRADED if self._copy_error else HealthState.UP
            self._context.report(state, self._copy_error, detail=detail)

    async def send(self, outbound: Outbound) -> SendResult:
        """Deliver through SMTP; the copy in Sent follows by itself. See `connectors.email.send` for errors."""
        context = self._context
        if context is None:
            raise NotReady("Почта ещё не запущена; письмо уйдёт после запуска.")
        files = [(item, await context.blobs.get(item.blob)) for item in outbound.attachments]
        raw, recipient = await asyncio.to_thread(self._render, outbound, files)
        await send(raw, recipient, self.settings)
        if self.settings.sent_folder != "none" and not self._copies.full():
            self._copies.put_nowait(raw)
        return SendResult(external_id=message_id(outbound, self.settings))

    def _render(self, outbound: Outbound, files: list[tuple[Attachment, bytes]]) -> tuple[bytes, str]:
        letter = render(outbound, self.settings, self.name, files)
        return letter.as_bytes(), letter["To"].addresses[0].addr_spec

    async def _keep_copies(self) -> None:
        while True:
            letter = await self._copies.get()
            try:
                await keep_copy(letter, self.settings)
                self._copy_error = None
            except ConnectorError as error:
                self._copy_error = f"Письма уходят, но копии не ложатся в «Отправленные». {error}"
                self._report("Приём писем работает.")

    async def check(self) -> str:
        """Log in both ways and look into the folder."""
        mailbox = await open_mailbox(self.settings.imap)
        try:
            selected = await mailbox.select(self.settings.imap.folder)
        finally:
            await mailbox.close()
        found = f"Почта на связи: в папке «{self.settings.imap.folder}» писем: {selected.exists}"
        if self.settings.smtp is None:
            return f"{found}; отправка не настроена."
        await try_login(self.settings)
        return f"{found}; отправка через {self.settings.smtp.host} работает."


def _is_wanted(entry: Entry, cursor: Cursor) -> bool:
    """The server's SINCE knows days only; the moment itself is compared here."""
    return cursor.since is None or entry.received_at is None or entry.received_at >= cursor.since
