"""Servers of the bench as processes of their own, so that the load does not share their interpreter."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

READY = re.compile(r"http://127\.0\.0\.1:(\d+)")
START_WITHIN = 30.0
STOP_WITHIN = 30.0


class Server:
    """A running server; its output goes to a file, because a full pipe would stop it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    def memory(self) -> tuple[float, float]:
        """Resident now and at its peak, MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status))
        return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024

    async def stop(self) -> None:
        """Ask to end, as Ctrl-C does; raises when the server died before."""
        if self._process.returncode is not None:
            raise RuntimeError(f"the server ended by itself with status {self._process.returncode}")
        self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise


@asynccontextmanager
async def server(log: Path, *command: str) -> AsyncIterator[Server]:
    """`python COMMAND…` until the block is left; entered when it has printed its address."""
    with log.open("ab") as output:
        offset = output.tell()
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    try:
        running = Server(process, await _port(process, log, offset))
        yield running
        await running.stop()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _port(process: asyncio.subprocess.Process, log: Path, offset: int) -> int:
    async with asyncio.timeout(START_WITHIN):
        while True:
            text = log.read_bytes()[offset:].decode("utf-8", "replace")
            if found := READY.search(text):
                return int(found[1])
            if process.returncode is not None:
                raise RuntimeError(f"the server did not start:\n{text[-2000:]}")
            await asyncio.sleep(0.02)
