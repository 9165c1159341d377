"""The command line: `firstline COMMAND`. Here the commands are put together; each group has a module in `commands`."""

from __future__ import annotations

from pathlib import Path

import click

from firstline.commands.backups import backup, restore
from firstline.commands.check import check, init
from firstline.commands.common import Commands
from firstline.commands.doctor import doctor
from firstline.commands.people import token, user
from firstline.commands.preset import preset
from firstline.commands.reindex import reindex
from firstline.commands.serve import serve
from firstline.commands.tables import export, import_
from firstline.version import program_version


@click.group(cls=Commands)
@click.option("--config", type=click.Path(path_type=Path), help="файл настроек; без него — образцовая компания")
@click.option("--data", type=click.Path(path_type=Path), help="папка данных (./data)")
@click.version_option(program_version(), message="%(version)s", help="показать версию")
def main(config: Path | None, data: Path | None) -> None:
    """Первая линия: обращения из всех каналов — в одном месте, у нужного продавца."""


for command in (serve, check, init, user, token, import_, export, backup, restore, reindex, preset, doctor):
    main.add_command(command)
