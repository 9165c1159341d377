"""Uploaded files: names, pieces read as one stream, members of archives. Nothing is ever unpacked to the disk.

A piece is stored behind a nonce of `NONCE` bytes, so that its blob is no one else's and may be removed. A member of an
archive is read out of it as a stream, after its declared size and its compression were judged; the size is also where
reading ends, so an archive cannot give more than it declared.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from connectors.exchange import StoredPart

NONCE = 16
MAX_NAME = 250
MAX_MEMBERS = 50_000
MAX_RATIO = 400
"""XML of 1C shrinks 20 to 60 times; only an attack shrinks more than this."""
SMALL = 10 << 20
"""Bytes; below, the ratio does not matter."""
TAIL = 4096
_CLOSED = re.compile(r"</(?:[\w-]+:)?КоммерческаяИнформация\s*>\s*\Z")
PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")


class BadUpload(Exception):
    """A file, name or archive that is not taken; one sentence for people."""


def safe_name(name: str) -> str:
    """The name of an upload with plain slashes. `BadUpload` when it leads anywhere else."""
    plain = name.strip().replace("\\", "/").removeprefix("./")
    parts = plain.split("/")
    if (
        not plain
        or len(plain) > MAX_NAME
        or plain.startswith("/")
        or ":" in plain
        or any(part in ("", ".", "..") for part in parts)
        or any(ord(sign) < 32 for sign in plain)
    ):
        raise BadUpload("Недопустимое имя файла: нужно имя без «..», двоеточия и косой черты в начале")
    return plain


class Joined(io.RawIOBase):
    """The pieces of an upload as one seekable file."""

    def __init__(self, parts: Sequence[StoredPart], path_of: Callable[[str], str]) -> None:
        self._parts = parts
        self._path_of = path_of
        self._at = 0
        self._open: tuple[int, BinaryIO] | None = None
        self.size = sum(part.size for part in parts)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the beginning")  # as a file does
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = 0
        for number, part in enumerate(self._parts):
            if self._at < start + part.size:
                file = self._file(number)
                inside = self._at - start
                file.seek(NONCE + inside)
                data = file.read(min(len(buffer), part.size - inside))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            start += part.size
        return 0

    def _file(self, number: int) -> BinaryIO:
        if self._open is None or self._open[0] != number:
            self._shut()
            self._open = (number, Path(self._path_of(self._parts[number].blob)).open("rb"))  # noqa: SIM115 - closed by `close`
        return self._open[1]

    def _shut(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        self._shut()
        super().close()


def is_archive(name: str) -> bool:
    return name.lower().endswith(".zip")


def is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURES)


def is_whole(file: Joined, name: str) -> bool:
    """Whether the upload seems to have its end: the closing tag, or an archive's directory."""
    if is_archive(name):
        return zipfile.is_zipfile(io.BufferedReader(file))
    file.seek(max(0, file.size - TAIL))
    tail = io.BufferedReader(file).read(TAIL)
    return any(_CLOSED.search(tail.decode(charset, "replace")) for charset in ("utf-8", "cp1251"))


def members(file: Joined, limit: int) -> dict[str, zipfile.ZipInfo]:
    """Files of an archive by their safe names. `BadUpload` for what is no archive, or one that would not end."""
    try:
        with zipfile.ZipFile(io.BufferedReader(file)) as archive:
            found = [each for each in archive.infolist() if not each.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadUpload("Архив повреждён или пришёл не целиком: выгрузите данные заново") from error
    if len(found) > MAX_MEMBERS:
        raise BadUpload(f"В архиве больше {MAX_MEMBERS} файлов")
    if sum(each.file_size for each in found) > limit:
        raise BadUpload(
            f"После распаковки архив больше {limit >> 20} МБ: увеличьте max_upload_mb или выгружайте частями"
        )
    for each in found:
        if each.file_size > SMALL and each.file_size > MAX_RATIO * max(1, each.compress_size):
            raise BadUpload("Архив сжат подозрительно сильно: похоже на атаку, файл не принят")
        if each.flag_bits & 1:
            raise BadUpload("Архив зашифрован: уберите пароль")
    return {safe_name(each.filename): each for each in found}


class Member:
    """A context that gives the stream of one member, or of the file itself."""

    def __init__(self, file: Joined, info: zipfile.ZipInfo | None) -> None:
        self._file = file
        self._info = info
        self._archive: zipfile.ZipFile | None = None
        self._stream: BinaryIO | None = None

    def __enter__(self) -> BinaryIO:
        whole = io.BufferedReader(self._file, 1 << 16)
        if self._info is None:
            self._stream = whole
        else:
            self._archive = zipfile.ZipFile(whole)
            self._stream = self._archive.open(self._info)  # type: ignore[assignment]
        assert self._stream is not None
        return self._stream

    def __exit__(self, *error: object) -> None:
        for each in (self._stream, self._archive, self._file):
            if each is not None:
                each.close()
