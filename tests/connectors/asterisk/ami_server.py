"""A replaying AMI server: what a real Asterisk sent, sent again, to the real connector over a real socket.

    async with AmiServer() as server:
        ... connect to 127.0.0.1:server.port ...
        await server.play(TRACES / "a_answered.ami")            # all at once
        await server.play(path, speed=10, chunk=7)              # ten times as fast, 7 bytes at a time
        await server.emit({"Event": "Newchannel", ...})
        server.half_open = True                                 # stays connected, answers nothing
        await server.crash(); await server.listen()             # SIGKILL and start again on the same port

It logs in, answers Ping, CoreShowChannels (`channels`), QueueStatus (`queue_entries`), CoreSettings, DBPut (`astdb`)
and Originate, refuses what stands in `denied` and unknown actions, and keeps every action it got in `actions`. The
answers have the form that Asterisk 20 gives them. Needs nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType

Headers = Mapping[str, str]
_END = b"\r\n\r\n"


class AmiServer:
    """One exchange on a free port of the loopback."""

    def __init__(self, *, username: str = "firstline", secret: str = "secret", uptime: int = 3600) -> None:
        self.port = 0
        self.actions: list[dict[str, str]] = []
        """Everything that was asked, in order; the secret of a login too."""
        self.logins = 0
        """Attempts, refused ones included."""
        self.channels: list[dict[str, str]] = []
        self.queue_entries: list[dict[str, str]] = []
        self.astdb: dict[str, str] = {}
        """`family/key` to value."""
        self.denied: set[str] = set()
        self.half_open = False
        self.uptime = uptime
        """Seconds, as FullyBooted tells."""
        self.fully_booted = True
        """Say FullyBooted after a login. Off: not ready yet (a trace or a test says it), or no `system` class."""
        self.banner = b"Asterisk Call Manager/9.0.0\r\n"
        self._account = (username, secret)
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.StreamWriter, bool] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> AmiServer:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.crash()

    async def listen(self) -> None:
        """Start, again on the same port after a crash."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def crash(self) -> None:
        """Gone without a word."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._sessions):
            writer.transport.abort()
        await self._gone()

    async def hang_up(self) -> None:
        """Close every connection politely (FIN) and stop listening, as after `core restart now`."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._sessions):
            writer.close()
        await self._gone()

    async def play(
        self, trace: Path | bytes, *, speed: float = math.inf, chunk: int | random.Random | None = None
    ) -> None:
        """Send the events of a recording to every logged-in client. The banner, the answers to the recorded client's
        actions and, when this server says it itself, FullyBooted are left out. `speed` 1 keeps the recorded pauses;
        `chunk`: bytes per write, or a source of random sizes."""
        raw = trace if isinstance(trace, bytes) else await asyncio.to_thread(trace.read_bytes)
        blocks = [block for block in raw.split(_END) if block.startswith(b"Event:")]
        if self.fully_booted:
            blocks = [block for block in blocks if not block.startswith(b"Event: FullyBooted")]
        if math.isinf(speed):
            await self.send(b"".join(block + _END for block in blocks), chunk=chunk)
            return
        last = None
        for block in blocks:
            moment = _timestamp(block)
            if last is not None and moment is not None and moment > last:
                await asyncio.sleep((moment - last) / speed)
            last = moment or last
            await self.send(block + _END, chunk=chunk)

    async def emit(self, *events: Headers) -> None:
        """Send events to every logged-in client, in one write."""
        await self.send(b"".join(encode(event) for event in events))

    async def send(self, data: bytes, *, chunk: int | random.Random | None = None) -> None:
        """Send bytes as they are."""
        async with self._writing:  # an answer must not fall into the middle of an event
            for piece in _pieces(data, chunk):
                for writer in [writer for writer, logged_in in self._sessions.items() if logged_in]:
                    if not self.half_open:
                        writer.write(piece)
                        await writer.drain()
                if chunk is not None:
                    await asyncio.sleep(0)  # lets a client in this loop read the piece by itself

    async def wait_for(self, condition: Callable[[], bool], timeout: float = 5.0) -> None:
        """Until the condition holds; it is looked at after every action and login."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def wait_action(self, name: str, timeout: float = 5.0) -> dict[str, str]:
        """The newest action of this name, waited for."""
        await self.wait_for(lambda: bool(self.asked(name)), timeout)
        return self.asked(name)[-1]

    def asked(self, name: str) -> list[dict[str, str]]:
        """Actions of this name so far."""
        return [action for action in self.actions if action.get("Action") == name]

    async def _gone(self) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._sessions[writer] = False
        writer.write(self.banner)
        try:
            while True:
                block = await reader.readuntil(_END)
                action = dict(line.split(": ", 1) for line in block.decode().strip().split("\r\n") if ": " in line)
                self.actions.append(action)
                async with self._writing:
                    if not self.half_open:
                        self._answer(writer, action)
                        await writer.drain()
                self._changed.set()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._sessions.pop(writer, None)
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        name = action.get("Action", "")
        if name == "Login":
            self._login(writer, action)
        elif not self._sessions[writer] or name in self.denied:
            _reply(writer, action, {"Response": "Error", "Message": "Permission denied"})
        elif name in ("CoreShowChannels", "QueueStatus"):
            self._list(writer, action)
        elif name in _ANSWERS:
            if name == "DBPut":
                self.astdb[f"{action['Family']}/{action['Key']}"] = action.get("Val", "")
            _reply(writer, action, _ANSWERS[name])
        else:
            _reply(writer, action, {"Response": "Error", "Message": "Invalid/unknown command"})

    def _login(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        self.logins += 1
        if (action.get("Username"), action.get("Secret")) != self._account:
            _reply(writer, action, {"Response": "Error", "Message": "Authentication failed"})
            writer.close()
            return
        self._sessions[writer] = True
        _reply(writer, action, {"Response": "Success", "Message": "Authentication accepted"})
        if self.fully_booted:
            boot = {"Event": "FullyBooted", "Privilege": "system,all", "Uptime": str(self.uptime)}
            writer.write(encode({**boot, "LastReload": str(self.uptime), "Status": "Fully Booted"}))

    def _list(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        channels = action["Action"] == "CoreShowChannels"
        rows, row, message = (
            (self.channels, "CoreShowChannel", "Channels will follow")
            if channels
            else (self.queue_entries, "QueueEntry", "Queue status will follow")
        )
        _reply(writer, action, {"Response": "Success", "EventList": "start", "Message": message})
        for one in rows:
            _reply(writer, action, {"Event": row, **one})
        end = {"Event": f"{action['Action']}Complete", "EventList": "Complete", "ListItems": str(len(rows))}
        _reply(writer, action, end)


_ANSWERS: dict[str, Headers] = {
    "Ping": {"Response": "Success", "Ping": "Pong", "Timestamp": "1795344700.000000"},
    "CoreSettings": {"Response": "Success", "AMIversion": "9.0.0", "AsteriskVersion": "20.20.1"},
    "DBPut": {"Response": "Success", "Message": "Updated database successfully"},
    "Originate": {"Response": "Success", "Message": "Originate successfully queued"},
    "Logoff": {"Response": "Goodbye", "Message": "Thanks for all the fish."},
}


def encode(headers: Headers) -> bytes:
    """A message as Asterisk writes it."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


def _reply(writer: asyncio.StreamWriter, action: Headers, headers: Headers) -> None:
    first, *rest = headers.items()
    own = [("ActionID", action["ActionID"])] if "ActionID" in action else []
    writer.write(encode(dict([first, *own, *rest])))


def _timestamp(block: bytes) -> float | None:
    for line in block.split(b"\r\n"):
        if line.startswith(b"Timestamp: "):
            return float(line[11:])
    return None


def _pieces(data: bytes, chunk: int | random.Random | None) -> Iterable[bytes]:
    if chunk is None:
        yield data
        return
    position = 0
    while position < len(data):
        size = chunk if isinstance(chunk, int) else chunk.choice((1, 2, 3, 17, 250, 1460, 4096))
        yield data[position : position + size]
        position += size
