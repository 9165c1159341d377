"""One AMI connection: log in, read, send actions, notice that it is dead. It never reconnects by itself.

panoramisk's `Action` and `Message` speak the protocol; its `Manager` and `AMIProtocol` are not used, for their design
fights a hub: half-open links go unnoticed, actions that were sent while the exchange was away are replayed later (a
click-to-call would ring out of the blue), a wrong secret is tried for ever, `close()` leaves a reconnect scheduled,
characters split between two chunks vanish, an exception in a callback drops the link, the answer of Originate swallows
the event that tells what became of it, and nothing checks values for line breaks. So here:

- bytes are split into messages before they are decoded: as latin-1 for panoramisk, then each value as UTF-8;
- events that answer no action are read here, in a fraction of the time: when fifty phones ring at once it counts;
- `on_event` is called in the order of the stream, and an action's answer resolves after all events before it;
- an action is written now or not at all, waits a limited time and is forgotten;
- an unanswered ping aborts the transport; a refused login raises `AuthFailed` and is not repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import ssl
from collections.abc import Callable
from typing import Any

import structlog
from panoramisk.actions import Action
from panoramisk.message import Message

from connectors.asterisk.handlers import is_wanted
from connectors.asterisk.legs import Event
from connectors.asterisk.settings import AsteriskSettings
from connectors.contract import AuthFailed, Misconfigured, NotReady

log = structlog.get_logger(__name__)

ANSWER_WITHIN = 5.0
"""Seconds that an action's answer may take."""
_BANNER = b"Asterisk Call Manager/"
_END = b"\r\n\r\n"
_CHUNK = 1 << 14
"""Bytes taken at once, some eight calls that begin to ring: the first card shall not wait for the last event."""
_MAX_MESSAGE = 1 << 20
_EVENT_CLASSES = "system,call,agent,dialplan,cdr"
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class BadValue(ValueError):
    """A header's value that would break out of its line."""


class AmiLink:
    """A live, logged-in connection. Made by `AmiLink.open`, ended by `close` or by the other side (`closed`)."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_event: Callable[[Event], None]
    ) -> None:
        self.version = ""
        """Of the protocol, from the banner."""
        self.closed = asyncio.Event()
        self._reader, self._writer, self._on_event = reader, writer, on_event
        self._pending: dict[str, Any] = {}
        self._ids = itertools.count(1)
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: AsteriskSettings, on_event: Callable[[Event], None]) -> AmiLink:
        """Connect and log in. Raises `NotReady` (away), `Misconfigured` (no AMI there), `AuthFailed` (refused)."""
        context = ssl.create_default_context() if settings.tls else None
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                reader, writer = await asyncio.open_connection(settings.host, settings.port, ssl=context)
        except ssl.SSLError as error:
            raise Misconfigured("Станция не подтвердила TLS-соединение: проверьте порт и сертификат.") from error
        except (OSError, TimeoutError) as error:
            where = f"{settings.host}:{settings.port}"
            raise NotReady(
                f"Asterisk не отвечает по адресу {where}: проверьте, что он запущен и AMI включён."
            ) from error
        link = cls(reader, writer, on_event)
        try:
            await link._greet()
            link._reading = asyncio.create_task(link._read(), name="ami-read")
            await link._login(settings)
        except BaseException:
            await link.close()
            raise
        return link

    async def action(self, name: str, headers: dict[str, str], *, action_id: str | None = None) -> Event:
        """Send an action and return its answer. Raises `NotReady` when the link is gone or goes, `TimeoutError` when no
        answer came in time, `BadValue` for a value with control characters."""
        answer = await self._send(name, headers, action_id, as_list=False)
        return _event(answer)

    async def listing(self, name: str) -> list[Event]:
        """Send an action that answers with a list of events and return them without the frame. Raises as `action`, and
        `PermissionError` when the account may not."""
        answer = await self._send(name, {}, None, as_list=None)
        rows = [_event(row) for row in (answer if isinstance(answer, list) else [answer])]
        if rows[0].get("Response") == "Error":
            raise PermissionError(rows[0].get("Message", ""))
        return rows[1:-1]

    async def watch(self, interval: float) -> None:
        """Ping for ever; a link that does not answer is aborted, which wakes whoever waits for `closed`."""
        while not self.closed.is_set():
            try:
                await self.action("Ping", {})
            except TimeoutError:
                log.warning("ami_half_open")
                self.abort()
                return
            except NotReady:
                return
            await asyncio.sleep(interval)

    def abort(self) -> None:
        """Drop the connection and what is still in its buffer."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection; nothing stays scheduled."""
        self.abort()
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        self._fail_pending()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                banner = await self._reader.readline()
        except (OSError, TimeoutError, ValueError) as error:
            raise NotReady("Asterisk принял соединение, но молчит.") from error
        if not banner:
            raise NotReady("Asterisk закрыл соединение сразу: он ещё запускается или занят.")
        if not banner.startswith(_BANNER):
            raise Misconfigured("По этому адресу отвечает не Asterisk AMI: проверьте host и port.")
        self.version = banner[len(_BANNER) :].decode("ascii", "replace").strip()[:20]

    async def _login(self, settings: AsteriskSettings) -> None:
        headers = {"Username": settings.username, "Secret": settings.secret.get_secret_value()}
        try:
            answer = await self.action("Login", {**headers, "Events": _EVENT_CLASSES})
        except TimeoutError as error:
            raise NotReady("Asterisk не ответил на вход.") from error
        except BadValue as error:
            raise Misconfigured("В имени или пароле AMI есть управляющие символы.") from error
        if answer.get("Response") != "Success":
            raise AuthFailed(
                "Asterisk отказал во входе: проверьте username, secret и строки permit/deny в manager.conf."
            )

    async def _send(self, name: str, headers: dict[str, str], action_id: str | None, *, as_list: bool | None) -> Any:
        if self.closed.is_set() or self._writer.transport.is_closing():
            raise NotReady("Нет связи с Asterisk.")
        action_id = action_id or f"firstline-{next(self._ids)}"
        for value in (*headers.values(), action_id):
            if _FORBIDDEN.search(value):
                raise BadValue("control characters in an action's value")
        action = Action({"Action": name, "ActionID": action_id, **headers}, as_list=as_list)
        self._pending[action_id] = action
        self._writer.write(str(action).encode("utf-8", "replace"))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await action.future
        finally:
            self._pending.pop(action_id, None)

    async def _read(self) -> None:
        buffer = bytearray()
        try:
            while chunk := await self._reader.read(_CHUNK):
                buffer += chunk
                *messages, rest = bytes(buffer).split(_END)
                buffer = bytearray(rest)
                if len(buffer) > _MAX_MESSAGE:
                    log.warning("ami_message_too_long")
                    break
                for message in messages:
                    self._take(message)
                # In a flood the next bytes are there already: what was heard so far goes its way meanwhile.
                await asyncio.sleep(0)
        except OSError as error:
            log.info("ami_connection_lost", error=type(error).__name__)
        finally:
            self._writer.transport.abort()
            self._fail_pending()
            self.closed.set()

    def _take(self, raw: bytes) -> None:
        is_news = raw.startswith(b"Event: ") and b"\r\nActionID: " not in raw
        if is_news:
            if is_wanted(raw):
                self._hear(_news(raw))
            return
        message = Message.from_line(raw.strip(b"\r\n").decode("latin-1"))
        if message is None:
            return
        action = self._pending.get(message.action_id or "")
        if action is not None and not action.future.done() and ("Event" not in message or action.as_list is None):
            action.add_message(message)
        elif "Event" in message:
            self._hear(_event(message))

    def _hear(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            # One event that nobody foresaw must not cost the link; its headers may hold numbers, so not logged.
            log.exception("ami_event_failed", event_kind=event.get("Event"))

    def _fail_pending(self) -> None:
        for action in self._pending.values():
            if not action.future.done():
                action.future.set_exception(NotReady("Связь с Asterisk прервалась."))
                action.future.exception()  # Retrieved: nobody may be waiting any more.


def _news(raw: bytes) -> Event:
    """An event that answers no action. Of a repeated header the last counts."""
    lines = (line.partition(": ") for line in raw.strip(b"\r\n").decode("latin-1").split("\r\n"))
    return {name: _text(value) for name, found, value in lines if found}


def _event(message: Any) -> Event:
    # panoramisk adds the header `content` of its own.
    return {
        str(name): _text(value[-1] if isinstance(value, list) else value)
        for name, value in message.items()
        if name != "content"
    }


def _text(value: str) -> str:
    """Undo latin-1. Names from the operator that are not UTF-8 are windows-1251 as a rule."""
    if value.isascii():
        return value
    raw = value.encode("latin-1")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1251", "replace")
