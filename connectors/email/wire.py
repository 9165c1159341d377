"""aioimaplib's protocol with three things mended that a busy mailbox meets.

(1) It handles one response line per stack frame: about 1,000 lines in one chunk (a colleague deletes 2,000 letters)
end in `RecursionError`; here it is a loop. (2) It formats every received byte for its debug log, letters of customers
included; here nothing of a letter reaches a log. (3) It has no STARTTLS; here it is (RFC 3501, 6.2.1).
It also notes `EXISTS` wherever it appears: a server announces a new letter once, and when that falls into the answer
to another command, a client that only listens during IDLE sleeps over the letter.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from typing import Any

from aioimaplib import aioimaplib as lib

logging.getLogger(lib.__name__).setLevel(logging.WARNING)

COUNT = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)\s*$", re.IGNORECASE)

Lost = Callable[[Exception | None], None]


class Protocol(lib.IMAP4ClientProtocol):  # type: ignore[misc]
    """`news` is set whenever the server says that the number of letters has changed otherwise than by deleting."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Lost) -> None:
        super().__init__(loop, lost)
        self.incomplete_line = b""
        self.current_command: Any = None
        self.news = asyncio.Event()
        self.count = -1

    def data_received(self, data: bytes) -> None:
        try:
            self._handle_responses(self.incomplete_line + data, self._handle_line, self.current_command)
            self.incomplete_line, self.current_command = b"", None
        except lib.IncompleteRead as unfinished:
            self.current_command, self.incomplete_line = unfinished.cmd, unfinished.data

    def _handle_responses(self, data: bytes, line_handler: Any, current_cmd: Any = None) -> None:
        position = 0
        while position < len(data):
            if current_cmd is not None and current_cmd.wait_literal_data():
                position = self._literal(data, position, current_cmd)
            end = data.find(lib.CRLF, position)
            if end < 0:
                raise lib.IncompleteRead(current_cmd, data[position:])
            line, position = data[position:end], end + 2
            current_cmd = self._line(line, line_handler, current_cmd)
        if self.pending_sync_command is not None:
            self.pending_sync_command.flush()
        if current_cmd is not None and current_cmd.wait_data():
            raise lib.IncompleteRead(current_cmd)

    def _counted(self, number: int, what: bytes) -> None:
        """Some servers repeat EXISTS at every IDLE: the same number again is no news."""
        if what == b"EXPUNGE":
            self.count -= 1
        elif number != self.count:
            self.count = number
            self.news.set()

    def _literal(self, data: bytes, position: int, command: Any) -> int:
        missing: int = command._expected_size - len(command._resp_literal_data)
        command.append_literal_data(data[position : position + missing])
        if command.wait_literal_data():
            raise lib.IncompleteRead(command)
        return position + missing

    def _line(self, line: bytes, line_handler: Any, current_cmd: Any) -> Any:
        """The command that the next line continues, or None."""
        if (count := COUNT.match(line)) is not None:
            self._counted(int(count[1]), count[2].upper())
        command = line_handler(line, current_cmd)
        if (literal := lib.literal_data_re.match(line)) is not None:
            command = command or lib.Command("NIL", "unused")
            command.begin_literal_data(int(literal["size"]))
            return command
        return command if command is not None and command.wait_data() else None


class Client(lib.IMAP4):  # type: ignore[misc]
    """An IMAP connection; with `context`, TLS from the first byte."""

    protocol: Protocol

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeout: float, lost: Lost) -> None:
        super().__init__(host, port, None, timeout, lost, context)

    def create_client(
        self, host: str, port: int, loop: Any, conn_lost_cb: Any = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        running = asyncio.get_running_loop()
        self.protocol = Protocol(running, conn_lost_cb)
        opening = running.create_connection(lambda: self.protocol, host, port, ssl=ssl_context)
        self._client_task = running.create_task(opening)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go over to TLS. Raises `lib.Abort` when the server does not offer it, `OSError` when TLS fails."""
        protocol = self.protocol
        if "STARTTLS" not in protocol.capabilities:
            raise lib.Abort("server does not offer STARTTLS")
        answer = await asyncio.wait_for(
            protocol.execute(lib.Command("STARTTLS", protocol.new_tag(), loop=protocol.loop)), self.timeout
        )
        # What arrived in clear after the answer could be an attacker's (CVE-2011-0411): such a link is not used.
        if answer.result != "OK" or protocol.incomplete_line:
            raise lib.Abort("server refused STARTTLS")
        protocol.transport = await protocol.loop.start_tls(
            protocol.transport, protocol, context, server_hostname=self.host, ssl_handshake_timeout=self.timeout
        )
        await asyncio.wait_for(protocol.capability(), self.timeout)

    def drop(self) -> None:
        """Cut the connection at once."""
        self._client_task.cancel()
        if self.protocol.transport is not None:
            self.protocol.transport.abort()
