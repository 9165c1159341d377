"""A backup as one file: a tar of what the store writes as its consistent copy, with a manifest at the end.

The manifest names every file with its SHA-256, so a cut or damaged archive is noticed before anything is put in place.
Reading takes nothing on trust: only plain files, only below the target, only names that the manifest knows.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

MANIFEST = "manifest.json"
FORMAT = 1
LIMIT_MANIFEST = 256 * 2**20
"""Bytes; a million attachments make about 150 MB."""
CHUNK = 2**20
ENDINGS = (".tar.gz", ".tgz", ".tar")
_PART = re.compile(r"[\w-][\w.-]*", re.ASCII)


class ArchiveError(Exception):
    """The archive cannot be used; a Russian sentence with the mend."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last file of an archive."""

    format: int
    store: str
    """`storage.url` of the hub that was copied."""
    files: dict[str, str]
    """Path → SHA-256 hex."""


def is_archive_name(path: Path) -> bool:
    return path.name.endswith(ENDINGS)


def pack(folder: Path, target: Path, store: str) -> int:
    """Write everything below the folder into a new archive, flushed to the disk. Returns its size in bytes."""
    files: dict[str, str] = {}
    mode = "w" if target.name.endswith(".tar") else "w:gz"
    with tarfile.open(target, mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            name = path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                files[name] = hashlib.file_digest(file, "sha256").hexdigest()
            tar.add(path, name, recursive=False)
        manifest = msgspec.json.encode(Manifest(FORMAT, store, files))
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return target.stat().st_size


def unpack(archive: Path, folder: Path) -> Manifest:
    """Write the archive's files into an empty folder and compare them with the manifest. `ArchiveError` when it is
    damaged, cut, or holds anything that a backup would not."""
    found: dict[str, str] = {}
    manifest = None
    try:
        with tarfile.open(archive) as tar:
            for member, content in _plain_files(tar):
                if member.name == MANIFEST:
                    manifest = msgspec.json.decode(content.read(LIMIT_MANIFEST), type=Manifest)
                else:
                    found[member.name] = _extract(content, folder / _safe(member.name))
    except (tarfile.TarError, EOFError, OSError, msgspec.DecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ArchiveError("файл повреждён или это не резервная копия; возьмите другую") from error
    if manifest is None or manifest.format != FORMAT or manifest.files != found:
        raise ArchiveError("копия неполна или повреждена: содержимое не сходится с описью; возьмите другую")
    return manifest


def _plain_files(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for member in tar:
        content = tar.extractfile(member) if member.isreg() else None
        if content is None:
            raise ArchiveError("в копии есть не только файлы; такие копии не создаёт firstline backup")
        yield member, content


def _safe(name: str) -> PurePosixPath:
    """The name as a path below the target: no root, no `..`, nothing odd."""
    parts = name.split("/")
    if len(parts) > 4 or not all(_PART.fullmatch(part) for part in parts):
        raise ArchiveError("в копии есть недопустимое имя файла; такие копии не создаёт firstline backup")
    return PurePosixPath(*parts)


def _extract(content: IO[bytes], target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def move_into(source: Path, target: Path) -> None:
    """Put the verified files in place: folders first, so that the documents never precede their attachments."""
    for path in sorted(source.iterdir(), key=lambda each: (each.is_file(), each.name)):
        os.rename(path, target / path.name)
    shutil.rmtree(source)
