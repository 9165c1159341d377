"""`preset export`: the company as it is in force, back as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from crm_core.presets.exporting import preset_files
from firstline.blueprint import FileBlueprint
from firstline.commands.common import Failure, Target, blocking, options
from firstline.opening import console, in_force, opened
from web.documents import Documents
from web.pdf import Pdf


@click.group(short_help="набор компании")
def preset() -> None:
    """Набор: файлы, в которых описана компания."""


@preset.command("export", short_help="выгрузить настройки компании в файлы набора")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@options
@blocking
async def export(hub: Target, folder: Path) -> None:
    """Пишет в пустую папку DIR набор со всем, что изменили в работающей системе. С ним можно начать другой хаб:
    [company] preset = "DIR"."""
    settings = hub.settings()
    _check_empty(folder)
    async with opened(settings, hub.data) as store:
        company = (await in_force(store, settings)).company
        blueprint = FileBlueprint(settings, settings.company)
        files = await store.read(preset_files, console(company), blueprint)
        papers = Documents(store, company, Pdf())
        contents = {name: text.encode() for name, text in files.texts.items()}
        contents |= {name: await papers.content_of(template) for name, template in files.templates.items()}
    _write(contents, folder)
    click.echo(f"Набор выгружен в {folder}, файлов: {len(contents)}.")


def _check_empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise Failure(f"папка {folder} не пуста; укажите другую")


def _write(contents: Mapping[str, bytes], folder: Path) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
