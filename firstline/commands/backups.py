"""`backup` and `restore`: the whole company as one file, attachments included."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import click

from firstline.archive import ENDINGS, is_archive_name, move_into, pack, unpack
from firstline.commands.common import Failure, Target, Wrong, options
from firstline.opening import opened
from firstline.schema import SCHEMA
from firstline.settings import Settings
from firstline.verify import verify

IGNORED = frozenset({"lost+found"})
"""What an empty disk holds by itself."""


@click.command(short_help="сделать резервную копию")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="записать поверх файла, который уже есть")
@options
def backup(hub: Target, file: Path, force: bool) -> None:
    """Пишет согласованную копию данных вместе с вложениями в FILE (.tar.gz или .tar), не останавливая работу."""
    _check_name(file)
    if not file.absolute().parent.is_dir():
        raise Failure(f"папки {file.parent} нет; создайте её или укажите другой путь вместо {file}")
    if file.exists() and not force:
        raise Failure(f"файл {file} уже есть; укажите другое имя или добавьте --force, чтобы записать поверх него")
    settings = hub.settings()
    if not _content(hub.data):
        raise Failure(f"в папке {hub.data} нет данных; укажите её через --data")
    # Beside the target: the finished archive appears there by a rename, whole or not at all.
    with tempfile.TemporaryDirectory(prefix=".firstline-backup-", dir=file.absolute().parent) as scratch:
        copy, packed = Path(scratch) / "copy", Path(scratch) / file.name
        asyncio.run(_copy(settings, hub.data, copy))
        size = pack(copy, packed, settings.storage_url)
        os.chmod(packed, 0o600)
        os.replace(packed, file)
    click.echo(f"Копия готова: {file}, {size / 2**20:.1f} МБ.")


async def _copy(settings: Settings, data: Path, target: Path) -> None:
    async with opened(settings, data) as store:
        await store.backup(target)


@click.command(short_help="восстановить из резервной копии")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@options
def restore(hub: Target, file: Path) -> None:
    """Восстанавливает данные из FILE в пустую папку данных, проверив копию прежде, чем поставить её на место."""
    _check_name(file)
    settings = hub.settings()
    if not file.is_file():
        raise Failure(f"файла {file} нет; проверьте путь")
    if _content(hub.data):
        raise Failure(f"папка {hub.data} не пуста; восстановление возможно только в пустую, укажите её через --data")
    hub.data.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".restore-", dir=hub.data))
    try:
        count = asyncio.run(_verified(file, scratch, settings))
        move_into(scratch, hub.data)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    click.echo(f"Восстановлено в {hub.data}: записей {count}.")


async def _verified(file: Path, scratch: Path, settings: Settings) -> int:
    """Unpack and read everything; returns the number of documents."""
    manifest = unpack(file, scratch)
    if manifest.store != settings.storage_url:
        raise Failure(f"копия сделана при storage.url = «{manifest.store}»; укажите в настройках то же")
    async with opened(settings, scratch) as store:
        count, damages = await verify(store, SCHEMA.collections)
    if damages:
        raise Failure(f"копия повреждена: {damages[0]}; возьмите другую")
    return count


def _check_name(file: Path) -> None:
    if not is_archive_name(file):
        raise Wrong(f"имя копии должно кончаться на {', '.join(ENDINGS)}")


def _content(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name not in IGNORED] if folder.is_dir() else []
