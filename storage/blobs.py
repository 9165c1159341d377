"""Files of any size, kept by their content: `ab/cdef…` under the blob folder.

A blob is written to a temporary file, flushed to the disk, then renamed: an address that was handed out always leads to
the whole content, also after a power cut. The same content is stored once.

Removing waits for nobody's memory: a blob that is put again gets a new date, and whoever removes says up to which date
he knows that nothing names it. A lock file makes date and removal one step, and lets a backup keep everything in place
while it copies; other processes on the same folder take part in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from storage.errors import NotFound, StoreUnavailable

_ADDRESS = re.compile(r"[0-9a-f]{64}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_STALE = 86_400
"""Seconds."""
_AGAIN = 0.5
"""Seconds after which a removal that a backup holds up is tried again."""


class Blobs:
    """The blob folder of one store."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] | None = None) -> None:
        """`clock` gives the dates of blobs; without it the system does."""
        self.folder = folder
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        self._durable: set[str] = set()
        """Sub-folders that are known to outlive a power cut."""
        self._sweep()

    def _sweep(self) -> None:
        """Remove what crashed writers left behind; a file of the last day may still be growing."""
        for left in self.folder.glob("new-*"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE:
                    left.unlink()

    async def put(self, data: bytes | AsyncIterable[bytes]) -> tuple[str, int]:
        """Store and return (SHA-256 hex, bytes). `StoreUnavailable` when the disk is full."""
        if isinstance(data, bytes):
            return await asyncio.to_thread(self.put_now, data)
        with _typed():
            return await self._put_stream(data)

    def put_now(self, data: bytes) -> tuple[str, int]:
        """Blocking form of `put` for bytes at hand."""
        address = hashlib.sha256(data).hexdigest()
        target = self._target(address)
        with _typed():
            if self._touch_now(address):
                _sync_folder(target.parent)  # whoever renamed it may not have come to that yet
            else:
                self._publish(self._new_file(), target, data)
        return address, len(data)

    async def touch(self, blob: str) -> bool:
        """Whoever is about to name a blob that was put a while ago says so; False when it is gone."""
        return await asyncio.to_thread(self._touch_now, blob)

    def _touch_now(self, blob: str) -> bool:
        with self._locked(fcntl.LOCK_SH):
            try:
                self._date(self._target(blob))
            except FileNotFoundError:
                return False
        return True

    def _date(self, path: str | Path) -> None:
        moment = self._clock().timestamp() if self._clock else None
        os.utime(path, None if moment is None else (moment, moment))

    async def _put_stream(self, chunks: AsyncIterable[bytes]) -> tuple[str, int]:
        digest = hashlib.sha256()
        size = 0
        file = self._new_file()
        try:
            async for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
        except BaseException:
            _discard(file)
            raise
        # From here on the thread owns the file: a cancelled caller must not take it away half published.
        await asyncio.shield(asyncio.to_thread(self._publish, file, self._target(digest.hexdigest())))
        return digest.hexdigest(), size

    def _new_file(self) -> IO[bytes]:
        return tempfile.NamedTemporaryFile(dir=self.folder, prefix="new-", delete=False)

    def _publish(self, file: IO[bytes], target: Path, data: bytes = b"") -> None:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            self._ensure_folder(target.parent)
            self._date(file.name)
            with self._locked(fcntl.LOCK_SH):
                os.replace(str(file.name), target)
            _sync_folder(target.parent)
        except BaseException:
            _discard(file)
            raise

    def _ensure_folder(self, folder: Path) -> None:
        if folder.name not in self._durable:
            folder.mkdir(exist_ok=True, mode=0o700)
            _sync_folder(self.folder)
            self._durable.add(folder.name)

    async def get(self, blob: str) -> bytes:
        """The whole content; `NotFound` when there is none."""
        try:
            return await asyncio.to_thread(Path(self.path(blob)).read_bytes)
        except FileNotFoundError as error:
            raise NotFound("blobs", blob) from error

    async def remove(self, blob: str, before: datetime | None = None) -> bool:
        """Delete the content for good, once no backup is under way. The caller knows that nothing names it, as of
        `before`: a blob that was put or touched since then stays, and the answer is False."""
        while (gone := await asyncio.to_thread(self._remove_now, blob, before)) is None:  # noqa: ASYNC110 - another process may hold it
            await asyncio.sleep(_AGAIN)
        return gone

    def _remove_now(self, blob: str, before: datetime | None) -> bool | None:
        """None: not now."""
        target = self._target(blob)
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                if before is not None and target.exists() and target.stat().st_mtime >= before.timestamp():
                    return False
                target.unlink(missing_ok=True)
        except BlockingIOError:
            return None
        return True

    def is_held(self) -> bool:
        """Whether a removal would have to wait."""
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
        except BlockingIOError:
            return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is removed meanwhile, by any process."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        file = os.open(self.folder.with_name(f"{self.folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, kind)
            yield
        finally:
            os.close(file)

    def path(self, blob: str) -> str:
        """Where the content lies, for streaming; the file may be absent."""
        return str(self._target(blob))

    def copy_to(self, folder: Path) -> None:
        """Copy every whole blob into another blob folder. One that vanishes meanwhile is left out; `held` sees to it
        that it is none that a document names."""
        for blob in self.folder.glob("??/*"):
            target = folder / blob.parent.name / blob.name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                shutil.copyfile(blob, target)
            except FileNotFoundError:
                continue
            target.chmod(0o600)

    def _target(self, blob: str) -> Path:
        if not _ADDRESS.fullmatch(blob):
            raise NotFound("blobs", blob[:64])
        return self.folder / blob[:2] / blob[2:]


def _discard(file: IO[bytes]) -> None:
    Path(file.name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # closing writes what is buffered, and the disk may be full
        file.close()


def _sync_folder(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def _typed() -> Iterator[None]:
    """A disk that takes nothing is the store's error; any other failure (of the source of a stream too) is its own."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreUnavailable(f"blob folder: {error.strerror}") from error
        raise
