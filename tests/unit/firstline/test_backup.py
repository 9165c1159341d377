"""Backup and restore: what was copied comes back whole, anything doubtful is refused and leaves nothing behind."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from crm_core.actor import SYSTEM
from crm_core.users import USERS, create_user
from firstline.archive import MANIFEST
from firstline.opening import opened
from firstline.schema import SCHEMA
from firstline.settings import load_settings
from storage import IdSource, Store, Tx, open_store
from tests.unit.firstline.builders import process, run, written
from workhours import SystemClock

SETTINGS = load_settings(None, {})


BLOB = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize("name", ["copy.tar.gz", "copy.tgz", "copy.tar"])
def test_a_backup_comes_back_with_its_attachments(filled: Path, tmp_path: Path, name: str) -> None:
    assert run("backup", tmp_path / name, "--data", filled).exit_code == 0
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    shutil.rmtree(filled)
    result = run("restore", tmp_path / name, "--data", filled)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "anna@example.ru" in run("user", "list", "--data", filled).output
    assert (filled / "blobs" / BLOB[:2] / BLOB[2:]).read_bytes() == b"test"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert [path.name for path in filled.iterdir() if path.name.startswith(".")] == []


async def test_a_hub_at_work_is_copied_whole(tmp_path: Path, data: Path) -> None:
    store = open_store(SETTINGS.storage_url, data, SCHEMA, clock=SystemClock().now, ids=IdSource())
    await write_user(store, 0)
    copying = asyncio.create_task(asyncio.to_thread(process, "backup", str(tmp_path / "copy.tar"), "--data", str(data)))
    written_meanwhile = 1
    while not copying.done():
        await write_user(store, written_meanwhile)
        written_meanwhile += 1
    assert (await copying).returncode == 0
    await store.close()
    restored = await asyncio.to_thread(process, "restore", str(tmp_path / "copy.tar"), "--data", str(tmp_path / "new"))
    assert restored.returncode == 0
    async with opened(SETTINGS, tmp_path / "new") as copy:
        users = await copy.read(lambda tx: tx.find(USERS))
        letters = {await copy.blobs.get(user.photo) for user in users if user.photo}
    assert 1 <= len(users) < written_meanwhile
    assert letters == {user.name.encode() for user in users}


async def write_user(store: Store, number: int) -> None:
    """An employee and a picture, the picture first, as the hub does with letters and their attachments."""
    blob, _ = await store.blobs.put(f"Сотрудник {number}".encode())

    def insert(tx: Tx) -> None:
        user = create_user(tx, SYSTEM, email=f"u{number}@x.ru", name=f"Сотрудник {number}", roles=("ops",))
        tx.update(USERS, user, photo=blob)

    await store.write(insert)


def test_restore_refuses_a_folder_that_is_not_empty(filled: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "copy.tar", "--data", filled)
    before = sorted(path.name for path in filled.rglob("*"))
    result = run("restore", tmp_path / "copy.tar", "--data", filled)
    assert result.exit_code == 1
    assert "не пуста" in result.stderr
    assert sorted(path.name for path in filled.rglob("*")) == before


def test_a_backup_of_nothing_is_refused(data: Path, tmp_path: Path) -> None:
    result = run("backup", tmp_path / "copy.tar", "--data", data)
    assert (result.exit_code, data.exists()) == (1, False)
    assert "нет данных" in result.stderr


def test_a_later_backup_replaces_the_earlier_one_only_when_told(filled: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tar"
    copy.write_bytes(b"old")
    refused = run("backup", copy, "--data", filled)
    assert (refused.exit_code, copy.read_bytes()) == (1, b"old")
    assert str(copy) in refused.stderr
    assert "--force" in refused.stderr
    assert run("backup", copy, "--data", filled, "--force").exit_code == 0
    assert tarfile.is_tarfile(copy)


def test_a_missing_folder_is_named_as_it_was_given(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "copy.tar"
    refused = run("backup", target, "--data", filled)
    assert refused.exit_code == 1
    assert str(target) in refused.stderr
    assert ".firstline-backup-" not in refused.stderr
    assert not target.parent.exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"SQLite format 3") + 5000] ^= 1
    path.write_bytes(data)


def not_an_archive(path: Path) -> None:
    path.write_bytes(b"\0" * 5000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def rewritten(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], None]:
    """An archive whose members were changed, with the manifest as `change` leaves it."""

    def damage(path: Path) -> None:
        with tarfile.open(path) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        change(files)
        with tarfile.open(path, "w") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))

    return damage


def linked(path: Path) -> None:
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("blobs")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(info)


def documents_spoiled(files: dict[str, bytes]) -> None:
    """A manifest that fits a store that does not read."""
    files["firstline.db"] = b"SQLite format 3\0" + b"\0" * 5000
    manifest = msgspec.json.decode(files[MANIFEST])
    manifest["files"]["firstline.db"] = hashlib.sha256(files["firstline.db"]).hexdigest()
    files[MANIFEST] = msgspec.json.encode(manifest)


DAMAGES = {
    "cut": cut,
    "one bit flipped": flipped,
    "not an archive": not_an_archive,
    "empty": empty,
    "an attachment gone": rewritten(lambda files: files.pop(f"blobs/{BLOB[:2]}/{BLOB[2:]}") and None),
    "no manifest": rewritten(lambda files: files.pop(MANIFEST) and None),
    "a strange manifest": rewritten(lambda files: files.update({MANIFEST: b"[]"})),
    "another file": rewritten(lambda files: files.update({"more.txt": b""})),
    "a path upwards": rewritten(lambda files: files.update({"../outside.txt": b""})),
    "a path from the root": rewritten(lambda files: files.update({"/tmp/outside-firstline.txt": b""})),
    "a hidden path upwards": rewritten(lambda files: files.update({"blobs/../../outside.txt": b""})),
    "a link": linked,
    "documents that do not read": rewritten(documents_spoiled),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_backup_is_refused_and_leaves_nothing(
    filled: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    copy, target = tmp_path / "copy.tar", tmp_path / "deep" / "new"
    run("backup", copy, "--data", filled)
    damage(copy)
    result = run("restore", copy, "--data", target)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert list(target.iterdir()) == []
    assert not list(tmp_path.rglob("outside*"))
    assert not Path("/tmp/outside-firstline.txt").exists()


def test_a_backup_of_another_store_is_refused(filled: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "copy.tar", "--data", filled)
    config = written(tmp_path, '[storage]\nurl = "sqlite:other.db"\n')
    result = run("restore", tmp_path / "copy.tar", "--data", tmp_path / "new", "--config", config)
    assert result.exit_code == 1
    assert "sqlite:firstline.db" in result.stderr
