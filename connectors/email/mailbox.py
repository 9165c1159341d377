"""One IMAP session: connect, log in, select, search, fetch, wait, append.

Rules that cost mail when forgotten: letters are read with `BODY.PEEK` (reading marks nothing); at most `BATCH` letters
are asked for at a time; large ones come piece by piece into a file; a lost connection wakes whoever waits, since the
library itself would let him wait for ever; IDLE ends every five minutes, so that a half-open link is noticed.
Every failure leaves as one of the contract's errors with a sentence for ops.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO

from aioimaplib import aioimaplib as lib

from connectors.contract import AuthFailed, ConnectorError, Misconfigured, NotReady
from connectors.email import utf7
from connectors.email.settings import ImapSettings, Server
from connectors.email.wire import Client

BATCH = 200
PIECE = 512 * 1024
IDLE_SECONDS = 300.0
POLL_SECONDS = 30.0
TIMEOUT = 30.0
APPEND_TIMEOUT = 300.0

ENTRY = re.compile(rb"\bUID (\d+)")
SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
INTERNAL_DATE = re.compile(rb'\bINTERNALDATE "\s*([^"]+)"')
FOLDER = re.compile(rb'\(([^)]*)\) (?:NIL|"(?:\\?.)") (?:"((?:[^"\\]|\\.)*)"|(\S+))\s*$')
TEMPORARY = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|CONTACTADMIN|SERVERBUG|THROTTLED)\]", re.IGNORECASE)
"""Response codes of RFC 5530 that say: the password may be right."""
SENT_NAMES = ("Sent", "INBOX.Sent", "Sent Items", "Sent Messages", "Отправленные", "INBOX.Отправленные")


@dataclass(frozen=True, slots=True)
class Selected:
    uidvalidity: int
    uidnext: int | None
    exists: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A letter as the server lists it."""

    uid: int
    size: int
    received_at: datetime | None
    """UTC."""


@dataclass(frozen=True, slots=True)
class Folder:
    name: str
    """As people see it."""
    flags: frozenset[str]


def tls_context(server: Server) -> ssl.SSLContext:
    """Raises `Misconfigured` when `ca_file` cannot be read."""
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"Файл сертификатов {server.ca_file} не читается: проверьте ключ ca_file.") from error
    if not server.checks_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def network_error(server: Server, what: str, error: BaseException) -> ConnectorError:
    """What a failed connection means for ops. `what` is `imap` or `smtp`, the name of the settings table."""
    place = f"{server.host}:{server.port}"
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
        return Misconfigured(f"Сервер «{server.host}» не найден: проверьте ключ {what}.host.")
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        return Misconfigured(
            f"Сертификат {place} не проходит проверку ({why}): проверьте {what}.host или {what}.ca_file."
        )
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return Misconfigured(f"На {place} нет TLS: проверьте ключи {what}.port и {what}.tls.")
    if isinstance(error, ConnectionRefusedError):
        return NotReady(f"Почтовый сервер {place} не принимает соединения; пробуем снова.")
    if isinstance(error, TimeoutError):
        return NotReady(f"Почтовый сервер {place} не отвечает; пробуем снова.")
    return NotReady(f"Нет связи с почтовым сервером {place} ({type(error).__name__}); пробуем снова.")


async def open_mailbox(settings: ImapSettings) -> Mailbox:
    """A session that is logged in. Raises `AuthFailed`, `Misconfigured`, `NotReady`."""
    # Loading the system's certificates takes 30 ms and more: not in the event loop.
    context = await asyncio.to_thread(tls_context, settings) if settings.tls != "none" else None
    mailbox = Mailbox(settings, context)
    try:
        await mailbox.connect()
        await mailbox.login()
    except BaseException:
        mailbox.drop()
        raise
    return mailbox


class Mailbox:
    """A session. Methods run one after another: IMAP answers commands in order."""

    def __init__(self, settings: ImapSettings, context: ssl.SSLContext | None) -> None:
        self.settings = settings
        self._context = context
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        at_once = context if settings.tls == "ssl" else None
        self._client = Client(settings.host, settings.port, at_once, TIMEOUT, self._on_lost)

    def _on_lost(self, _: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)

    async def _run(self, command: Awaitable[Any]) -> Any:
        """The command's result, or `NotReady` as soon as the connection is gone."""
        task = asyncio.ensure_future(command)
        try:
            await asyncio.wait({task, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise NotReady(f"Почтовый сервер {self.settings.host} закрыл соединение; подключаемся снова.")
        except (lib.CommandTimeout, TimeoutError, OSError) as error:
            raise network_error(self.settings, "imap", self._cause(error)) from error
        except lib.AioImapException as error:
            raise NotReady(
                f"Почтовый сервер {self.settings.host} ответил не по протоколу; подключаемся снова."
            ) from error
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    @staticmethod
    def _cause(error: BaseException) -> BaseException:
        return TimeoutError() if isinstance(error, lib.CommandTimeout) else error

    async def connect(self) -> None:
        await self._run(self._client.wait_hello_from_server())
        if self.settings.tls == "starttls" and self._context is not None:
            if not self._client.has_capability("STARTTLS"):
                raise Misconfigured(
                    f"Сервер {self.settings.host} не предлагает STARTTLS: проверьте imap.tls и imap.port."
                )
            await self._run(self._client.start_tls(self._context))

    async def login(self) -> None:
        if self._client.has_capability("LOGINDISABLED"):
            raise Misconfigured('Сервер не принимает пароль без шифрования: поставьте imap.tls = "ssl" или "starttls".')
        user, password = self.settings.username, self.settings.password.get_secret_value()
        try:
            answer = await self._run(self._client.login(lib.quoted(user), password))
        except ValueError as error:
            raise AuthFailed("В имени или пароле почты есть недопустимые знаки: проверьте imap.password.") from error
        if answer.result != "OK":
            said = b" ".join(bytes(line) for line in answer.lines).decode("utf-8", "replace")
            if TEMPORARY.search(said):
                raise NotReady(f"Почтовый сервер {self.settings.host} сейчас не пускает в ящик; пробуем снова.")
            raise AuthFailed(
                f"Почтовый сервер {self.settings.host} не принял имя или пароль: проверьте imap.username"
                " и imap.password (часто нужен пароль приложения) и включён ли доступ по IMAP."
            )
        # Many servers tell what they can do (IDLE) only after the login, and not by themselves.
        await self._run(asyncio.wait_for(self._client.protocol.capability(), TIMEOUT))

    async def select(self, folder: str) -> Selected:
        """Open a folder. `Misconfigured` names the folders that exist."""
        answer = await self._run(self._client.select(lib.quoted(utf7.encode(folder))))
        if answer.result != "OK":
            names = "», «".join([item.name for item in await self.folders()][:20])
            raise Misconfigured(f"В ящике нет папки «{folder}»: проверьте imap.folder. Есть «{names}».")
        text = b"\n".join(bytes(line) for line in answer.lines)
        found = {key: re.search(rf"(?i){pattern}".encode(), text) for key, pattern in SELECT_ANSWERS.items()}
        number = {key: int(match[1]) if match else None for key, match in found.items()}
        return Selected(number["uidvalidity"] or 0, number["uidnext"], number["exists"] or 0)

    async def folders(self) -> list[Folder]:
        extended = self._client.has_capability("SPECIAL-USE") and self._client.has_capability("LIST-EXTENDED")
        wanted = ('""', '"*"', "RETURN (SPECIAL-USE)") if extended else ('""', '"*"')
        answer = await self._run(self._client.protocol.simple_command("LIST", *wanted))
        return [folder for line in answer.lines if (folder := _folder(bytes(line))) is not None]

    async def sent_folder(self) -> str | None:
        """Where copies of our letters belong. Gmail keeps them by itself: None, or there would be two."""
        if self._client.has_capability("X-GM-EXT-1"):
            return None
        folders = await self.folders()
        special = [folder.name for folder in folders if "\\sent" in folder.flags]
        names = {folder.name.lower(): folder.name for folder in folders}
        usual = [names[name.lower()] for name in SENT_NAMES if name.lower() in names]
        return next(iter(special + usual), None)

    async def search_after(self, uid: int, since: date | None = None) -> list[int]:
        """UIDs above `uid` in order; with `since` only what arrived on that day or later by the server's calendar."""
        self._client.protocol.news.clear()
        criteria = ["UID", f"{uid + 1}:*"]
        if since is not None:
            criteria += ["SINCE", f"{since.day}-{MONTHS[since.month - 1]}-{since.year}"]
        answer = _good(await self._run(self._client.uid_search(*criteria, charset=None)))
        # `n:*` always contains the last letter, even below n (RFC 3501, 6.4.8).
        found = {int(word) for line in answer.lines[:-1] for word in bytes(line).split() if word.isdigit()}
        return sorted(item for item in found if item > uid)

    async def listing(self, uids: Sequence[int]) -> list[Entry]:
        """Size and moment of arrival; letters that are gone meanwhile are missing."""
        answer = _good(await self._fetch(uids, "(UID RFC822.SIZE INTERNALDATE)"))
        entries = {entry.uid: entry for line in answer.lines if (entry := _entry(bytes(line))) is not None}
        return [entries[uid] for uid in uids if uid in entries]

    async def letters(self, uids: Sequence[int]) -> dict[int, bytes]:
        return dict(_literals(_good(await self._fetch(uids, "(UID BODY.PEEK[])")).lines))

    async def head(self, uid: int) -> bytes | None:
        """The header of a letter, at most 64 KB of it."""
        return dict(_literals(_good(await self._fetch([uid], "(UID BODY.PEEK[HEADER]<0.65536>)")).lines)).get(uid)

    async def copy_to(self, file: BinaryIO, uid: int, size: int) -> int:
        """Write a letter into a file piece by piece; the number of bytes, 0 when it is gone."""
        offset = 0
        # A server's RFC822.SIZE may be wrong, so the end is where a piece comes short.
        while offset == 0 or offset < size + PIECE:
            answer = _good(await self._fetch([uid], f"(UID BODY.PEEK[]<{offset}.{PIECE}>)"))
            piece = next((data for _, data in _literals(answer.lines)), b"")
            file.write(piece)
            offset += len(piece)
            if len(piece) < PIECE:
                break
        return offset

    async def _fetch(self, uids: Sequence[int], what: str) -> Any:
        return await self._run(self._client.uid("fetch", ",".join(map(str, uids)), what))

    async def mark_seen(self, uids: Sequence[int]) -> None:
        _good(await self._run(self._client.uid("store", ",".join(map(str, uids)), r"+FLAGS.SILENT (\Seen)")))

    async def append(self, letter: bytes, folder: str) -> None:
        """Put a letter into a folder as read. `Misconfigured` when the server refuses."""
        append = self._client.protocol.append(letter, lib.quoted(utf7.encode(folder)), r"\Seen", timeout=APPEND_TIMEOUT)
        if (await self._run(append)).result != "OK":
            raise Misconfigured(f"Сервер не принял копию письма в папку «{folder}»: проверьте ключ sent_folder.")

    async def wait_for_news(self) -> None:
        """Return when the server announces a letter, at the latest after five minutes: then search again."""
        protocol = self._client.protocol
        if not self._client.has_capability("IDLE"):
            with suppress(TimeoutError):
                await self._run(asyncio.wait_for(asyncio.shield(self._lost), POLL_SECONDS))
            await self._run(self._client.noop())
            return
        idle = asyncio.ensure_future(protocol.idle())
        try:
            await self._run(_first(idle, protocol.wait_for_idle_response(), TIMEOUT))
            if not idle.done():
                await self._run(_first(idle, protocol.news.wait(), IDLE_SECONDS))
            if not idle.done():
                protocol.idle_done()
            # The watchdog: a dead link does not answer DONE.
            await self._run(asyncio.wait_for(asyncio.shield(idle), TIMEOUT))
        finally:
            if not idle.done() and not self._lost.done() and protocol.has_pending_idle_command():
                protocol.idle_done()  # cancelled: end IDLE, or the server would not hear the goodbye
            idle.cancel()
            protocol.idle_queue = asyncio.Queue()

    async def close(self) -> None:
        """Say goodbye if the server still listens."""
        try:
            if not self._lost.done():
                await asyncio.wait_for(self._run(self._client.logout()), 2)
        except (ConnectorError, TimeoutError):
            pass
        finally:
            self.drop()

    def drop(self) -> None:
        self._client.drop()


SELECT_ANSWERS = {"uidvalidity": r"UIDVALIDITY (\d+)", "uidnext": r"UIDNEXT (\d+)", "exists": r"(\d+) EXISTS"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


async def _first(idle: asyncio.Future[Any], other: Awaitable[Any], seconds: float) -> None:
    """Wait until either is done or the time is over."""
    task = asyncio.ensure_future(other)
    try:
        await asyncio.wait({idle, task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()


def _good(answer: Any) -> Any:
    if answer.result != "OK":
        raise NotReady("Почтовый сервер отказался выполнить команду; подключаемся снова.")
    return answer


def _folder(line: bytes) -> Folder | None:
    if (match := FOLDER.search(line)) is None:
        return None
    raw = re.sub(rb"\\(.)", rb"\1", match[2]) if match[2] is not None else match[3]
    flags = frozenset(match[1].decode("ascii", "replace").lower().split())
    return Folder(utf7.decode(raw.decode("utf-8", "replace")), flags)


def _entry(line: bytes) -> Entry | None:
    uid, size, moment = ENTRY.search(line), SIZE.search(line), INTERNAL_DATE.search(line)
    if uid is None or size is None:
        return None
    return Entry(int(uid[1]), int(size[1]), _internal_date(moment[1]) if moment else None)


def _internal_date(value: bytes) -> datetime | None:
    try:
        return parsedate_to_datetime(value.decode("ascii").replace("-", " ", 2)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _literals(lines: Sequence[bytes | bytearray]) -> Iterator[tuple[int, bytes]]:
    """(UID, literal) of each FETCH answer; the UID may stand before or behind the literal."""
    text, data = b"", None
    for line in [*lines, b"0 FETCH ("]:
        if isinstance(line, bytearray):
            data = bytes(line)
        elif re.match(rb"\d+ FETCH \(", line):
            if data is not None and (uid := ENTRY.search(text)) is not None:
                yield int(uid[1]), data
            text, data = line, None
        else:
            text += b" " + line
