"""The hub as a process of its own, to be killed: what runs is exactly what `firstline serve` runs."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from tests.conftest import free_port

READY = re.compile(r"http://127\.0\.0\.1:(\d+)")


class HubProcess:
    """`firstline serve` over a data folder, on a free port that stays the same over restarts."""

    def __init__(self, data: Path, config: Path | None = None) -> None:
        self.data = data
        self.config = config
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: asyncio.subprocess.Process | None = None

    def command(self, *args: str) -> list[str]:
        config = ["--config", str(self.config)] if self.config else []
        return [sys.executable, "-m", "firstline", *args, "--data", str(self.data), *config]

    async def start(self) -> None:
        """Returns when the hub takes requests."""
        with (self.data.parent / "hub.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command("serve"),
                "--port",
                str(self.port),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            while line := await self._process.stdout.readline():
                if READY.search(line.decode()):
                    return
        raise AssertionError((self.data.parent / "hub.log").read_text()[-2000:])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """As a power cut would, but for the disk's own memory."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """As Ctrl-C does; the exit status."""
        return await self._end(signal.SIGINT)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    async def run(self, *args: str) -> str:
        """Run another command of the program beside the hub; its standard output."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*args), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode().strip()
