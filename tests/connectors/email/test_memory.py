"""A letter with 50 MB of files costs disk, not memory: measured in a process of its own, from Dovecot to the hub."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.connectors.email.dovecot import Dovecot

pytestmark = pytest.mark.server

SIZE = 50 * 2**20
ROOT = Path(__file__).parents[3]

RECEIVE = """
import asyncio, os, sys
from pathlib import Path
from tests.connectors.email.hub import Hub, running
from tests.waiting import until
from tests.connectors.email.test_connector import mailbox

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

class Server:
    port, user = int(sys.argv[1]), sys.argv[2]

async def main():
    hub = Hub(Path(sys.argv[3]))
    gaps, sizes = [], []
    async def heartbeat():
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            await asyncio.sleep(0.001)
            gaps.append(loop.time() - begin)
            sizes.append(resident())
    beat = asyncio.create_task(heartbeat())
    before = resident()
    async with running(mailbox(Server), hub):
        await until(lambda: len(hub.inbounds) == 2, 60)
    file = list(hub.inbounds.values())[1].attachments[0]
    print(max(sizes) - before, file.blob, file.size, round(max(gaps) * 1000))

asyncio.run(main())
"""


def giant(data: bytes) -> bytes:
    head = b"From: big@client.example\r\nSubject: giant\r\nMessage-ID: <giant@client.example>\r\nMIME-Version: 1.0\r\n"
    head += (
        b"Content-Type: multipart/mixed; boundary=edge\r\n\r\n--edge\r\nContent-Type: text/plain\r\n\r\nsee file\r\n"
    )
    head += b"--edge\r\nContent-Type: application/zip; name=big.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + base64.encodebytes(data).replace(b"\n", b"\r\n") + b"--edge--\r\n"


def test_fifty_megabytes_do_not_grow_the_process_by_as_much(dovecot: Dovecot, tmp_path: Path) -> None:
    data = os.urandom(SIZE)
    small = b"From: a@client.example\r\nSubject: small\r\nMessage-ID: <small@client.example>\r\n\r\nfirst\r\n"
    dovecot.deliver(small)
    dovecot.deliver(giant(data))
    command = [sys.executable, "-c", RECEIVE, str(dovecot.port), dovecot.user, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    grown, blob, size, pause = done.stdout.split()
    print(f"\n50 MB file: process grew by {int(grown) / 2**20:.0f} MB, longest pause of the loop {pause} ms")
    assert (blob, int(size)) == (hashlib.sha256(data).hexdigest(), SIZE)
    assert int(grown) < 35 * 2**20, "far less than the file itself"
