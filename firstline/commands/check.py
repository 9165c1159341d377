"""`check` lists every mistake of a configuration; `init` writes a new one."""

from __future__ import annotations

from pathlib import Path

import click

from firstline.commands.common import WRONG, Failure, Target, options
from firstline.problems import ConfigError
from firstline.settings import Settings

NAME = "firstline.toml"
TEMPLATE = Path(__file__).parent.parent / "template.toml"


@click.command(short_help="проверить настройки")
@options
def check(hub: Target) -> int:
    """Проверяет настройки и называет каждую ошибку: где она и как её исправить."""
    try:
        settings = hub.settings()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem)
        click.echo(f"Ошибок: {len(error.problems)}")
        return WRONG
    click.echo(summary(settings))
    return 0


def summary(settings: Settings) -> str:
    """One line about a configuration that is in order."""
    on = [name for name, connector in settings.connectors.items() if connector.enabled]
    channels = f"каналы: {', '.join(on)}" if on else "каналов пока нет"
    return f"Настройки в порядке; {channels}; очереди: {', '.join(settings.queues)}."


@click.command(short_help="создать файл настроек новой компании")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@options
def init(hub: Target, folder: Path) -> None:
    """Пишет в папку DIR файл firstline.toml с пояснением каждого ключа."""
    target = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise Failure(f"{target} уже есть; укажите другую папку") from error
    click.echo(f"Создан {target}. Дальше:")
    click.echo(f"  firstline check --config {target}")
    click.echo(f'  firstline user add ПОЧТА --name "Имя Фамилия" --role admin --config {target}')
    click.echo(f"  firstline serve --config {target}")
