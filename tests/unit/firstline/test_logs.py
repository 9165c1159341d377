"""The stream of the logs: nothing is lost, one turn of the loop is one write, and a full disk stops nobody."""

from __future__ import annotations

import asyncio
import io

from firstline.logs import Stream


class Disk(io.BytesIO):
    """Counts its writes; a full one refuses them."""

    def __init__(self, *, full: bool = False) -> None:
        super().__init__()
        self.writes = 0
        self.full = full

    def write(self, text: object) -> int:
        self.writes += 1
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)  # type: ignore[arg-type]


def say(stream: Stream, text: bytes) -> None:
    stream.write(text)
    stream.flush()


async def test_the_lines_of_one_turn_are_one_write_in_their_order() -> None:
    disk = Disk()
    stream = Stream(disk)
    for number in range(16):
        say(stream, b"%d\n" % number)
    assert disk.getvalue() == b""
    await asyncio.sleep(0)
    assert (disk.getvalue().split(), disk.writes) == ([b"%d" % number for number in range(16)], 1)


def test_without_a_loop_every_line_is_written_at_once() -> None:
    disk = Disk()
    say(Stream(disk), b"one\n")
    assert disk.getvalue() == b"one\n"


async def test_a_thread_beside_the_loop_takes_along_what_waits() -> None:
    disk = Disk()
    stream = Stream(disk)
    say(stream, b"loop\n")
    await asyncio.to_thread(say, stream, b"thread\n")
    assert disk.getvalue() == b"loop\nthread\n"


async def test_a_full_disk_stops_nobody() -> None:
    stream = Stream(Disk(full=True))
    say(stream, b"lost\n")
    await asyncio.sleep(0)
