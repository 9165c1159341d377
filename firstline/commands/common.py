"""What every command shares: `--config` and `--data`, errors in one line, exit codes 0, 1 and 2.

The two options are taken before the command and after it; the later one counts.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from crm_core.errors import CoreError, Invalid
from firstline.archive import ArchiveError
from firstline.problems import ConfigError, nearest, os_words
from firstline.settings import Settings, load_settings
from storage import StorageError, StoreLocked, StoreTooNew

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_DATA = Path("data")
FAILED, WRONG = 1, 2
"""Exit codes: something did not work; wrong usage or configuration."""


class Failure(click.ClickException):
    """A command could not do its work; one Russian sentence."""

    exit_code = FAILED


class Wrong(click.ClickException):
    """Wrong usage; one Russian sentence with the mend."""

    exit_code = WRONG


@dataclass(frozen=True, slots=True)
class Target:
    """Which hub a command is about."""

    config: Path | None
    data: Path

    def settings(self) -> Settings:
        return load_settings(self.config)


def options(command: Callable[..., T]) -> Callable[..., T]:
    """Adds `--config` and `--data` to a command, which gets them as one `Target`."""

    @click.option("--config", type=click.Path(path_type=Path), help="файл настроек; без него — образцовая компания")
    @click.option("--data", type=click.Path(path_type=Path), help="папка данных (./data)")
    @functools.wraps(command)
    def wrapped(*args: Any, config: Path | None, data: Path | None, **kwargs: Any) -> T:
        before: Mapping[str, Path | None] = click.get_current_context().find_root().params
        hub = Target(config or before.get("config"), data or before.get("data") or DEFAULT_DATA)
        return command(hub, *args, **kwargs)

    return wrapped


def blocking(command: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Runs an asynchronous command to its end."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        return asyncio.run(command(*args, **kwargs))

    return wrapped


HELP_WORDS = {
    "Options": "Параметры",
    "Commands": "Команды",
    "Show this message and exit.": "показать эту справку",
    "[required]": "[обязательно]",
    "[default: ": "[по умолчанию ",
}


class RussianHelp(click.HelpFormatter):
    """The words that click itself puts into `--help`."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, "Вызов: ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(HELP_WORDS.get(heading, heading))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(term, _translated(text)) for term, text in rows], col_max, col_spacing)


def _translated(text: str) -> str:
    for word, translation in HELP_WORDS.items():
        text = text.replace(word, translation)
    return text


click.Context.formatter_class = RussianHelp


class Commands(click.Group):
    """The root: turns every error into one line without a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except Exception as error:
            lines, code = describe(error)
            for line in lines:
                click.echo(line, err=True)
        sys.exit(code if isinstance(code, int) else 0)


def describe(error: Exception) -> tuple[list[str], int]:
    """The lines that a person reads, and the exit code. Errors that nobody foresaw go on to the interpreter."""
    if isinstance(error, ConfigError):
        return [str(problem) for problem in error.problems], WRONG
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return [error.ctx.get_help() if error.ctx else ""], WRONG
    if isinstance(error, click.ClickException):
        return [f"Ошибка: {_usage(error)}"], error.exit_code
    if isinstance(error, click.Abort):
        return ["Прервано"], FAILED
    if isinstance(error, Invalid):
        taken = isinstance(error.__cause__, StorageError)
        return [f"Ошибка: {'; '.join(error.fields.values())}"], FAILED if taken else WRONG
    if isinstance(error, StorageError | CoreError | ArchiveError | OSError):
        return [f"Ошибка: {failure(error)}"], FAILED
    raise error


def failure(error: Exception) -> str:
    """One sentence about a store, a file or a refusal of the core."""
    match error:
        case StoreLocked():
            return f"с этой папкой данных уже работает процесс {str(error).rpartition(' ')[2]}; остановите его"
        case StoreTooNew():
            return "хранилище создано более новой версией программы; обновите её"
        case StorageError():
            return f"хранилище не работает: {error}"
        case OSError():
            reason, mend = os_words(error)
            return f"{f'{error.filename}: ' if error.filename else ''}{reason}; {mend}"
    return str(error)


def _usage(error: click.ClickException) -> str:
    """Click's own refusals in Russian."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    match error:
        case click.NoSuchOption(option_name=name):
            known = [each for param in context.command.params for each in param.opts] if context else []
            return f"нет параметра {name}; {nearest(name, known)}"
        case click.exceptions.NoSuchCommand(command_name=name):
            command = context.command if context else None
            known = list(command.commands) if isinstance(command, click.Group) else []
            return f"нет команды {name}; {nearest(name, known)}"
        case click.MissingParameter(param=param):
            return f"не хватает: {_hint(param, context)}"
        case click.BadParameter(param=param):
            return f"{_hint(param, context)}: значение не подходит"
        case click.BadOptionUsage(option_name=name):
            return f"{name}: нужно значение"
        case click.UsageError():
            return "в команде лишнее или непонятное слово; как она пишется, говорит --help"
    return error.format_message()


def _hint(param: click.Parameter | None, context: click.Context | None) -> str:
    return param.get_error_hint(context).replace("'", "") if param and context else ""
