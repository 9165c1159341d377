"""Reading what was written: TOML files, references to secrets, overrides from the environment.

A value `"env:NAME"` or `"file:PATH"` stands for the content of the variable or of the file (without its last line
break; a relative path is taken from the folder of the configuration).

`FIRSTLINE_SECTION__KEY` overrides any key: levels are parted by two underscores, and `_` in a variable stands for `-`
in a name, because variables cannot hold one. A list or a table is written there as in TOML.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstline.draft import Draft, Place
from firstline.problems import nearest, os_words

PREFIX = "FIRSTLINE_"
LEVEL = "__"
NAMED = ("queues", "connectors", "workhours")
"""Tables whose keys are names that the company chose."""
CONFIG_TABLES = (
    "server", "storage", "bus", "company", "workhours", "workhours_updates", "queues", "connectors", "texts",
    "routing", "alerts", "firm", "retention", "webhooks",
)  # fmt: skip


def read_toml(path: Path, draft: Draft, label: str) -> dict[str, Any]:
    """The tables of a file; an unreadable one is a mistake and empty."""
    place: Place = (label,)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        draft.report(place, "такого файла нет", "проверьте путь; новый создаёт firstline init")
    except UnicodeDecodeError:
        draft.report(place, "файл не в UTF-8", "сохраните его в этой кодировке")
    except OSError as error:
        reason, mend = os_words(error)
        draft.report(place, f"файл не читается: {reason}", mend)
    except tomllib.TOMLDecodeError as error:
        draft.report(place, _where(str(error)), "проверьте кавычки, скобки и знак =; ключ и раздел пишутся один раз")
    return {}


def _where(message: str) -> str:
    spot = re.search(r"line (\d+), column (\d+)", message)
    where = f"строка {spot[1]}, столбец {spot[2]}" if spot else "конец файла"
    return f"{where}: это не TOML ({message.partition(' (at')[0]})"


def resolve(value: Any, place: Place, folder: Path, environ: Mapping[str, str], draft: Draft) -> Any:
    """The value with every reference to a secret replaced by what it stands for."""
    if isinstance(value, dict):
        return {key: resolve(inner, (*place, key), folder, environ, draft) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, (*place, number), folder, environ, draft) for number, inner in enumerate(value)]
    if not isinstance(value, str):
        return value
    if (variable := re.fullmatch(r"env:([A-Za-z_]\w*)", value)) is not None:
        return _from_environment(variable[1], place, environ, draft)
    if value.startswith("file:"):
        return _from_file(folder / value.removeprefix("file:"), place, draft)
    return value


def _from_environment(name: str, place: Place, environ: Mapping[str, str], draft: Draft) -> str:
    if name not in environ:
        draft.report(place, f"переменная окружения {name} не задана", f"задайте {name} перед запуском")
        draft.unresolved.add(place)
    return environ.get(name, "")


def _from_file(path: Path, place: Place, draft: Draft) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        reason, mend = os_words(error) if isinstance(error, OSError) else ("это не текст", "сохраните его в UTF-8")
        draft.report(place, f"файл {path} не читается: {reason}", mend)
        draft.unresolved.add(place)
        return ""


def override(draft: Draft, folder: Path, environ: Mapping[str, str]) -> None:
    """Lay the variables `FIRSTLINE_SECTION__KEY` over the tables."""
    for name in sorted(environ):
        levels = name.removeprefix(PREFIX).lower().split(LEVEL)
        if not name.startswith(PREFIX) or len(levels) < 2:
            continue
        if levels[0] not in CONFIG_TABLES or not all(levels):
            draft.report((name,), "такого раздела настроек нет", nearest(levels[0], CONFIG_TABLES))
            continue
        place, table = _find(draft, levels)
        if table is None:
            draft.report((name,), "здесь не таблица, менять в ней нечего", "задайте ключ целиком, как в TOML")
            continue
        draft.labels[place] = name
        table[place[-1]] = resolve(_value(environ[name]), place, folder, environ, draft)


def _find(draft: Draft, levels: list[str]) -> tuple[tuple[str, ...], dict[str, Any] | None]:
    """The place that a variable means and the table that holds it, made where it was absent."""
    table: Any = draft.tables
    place: tuple[str, ...] = ()
    for depth, level in enumerate(levels):
        if not isinstance(table, dict):
            return place, None
        place = (*place, _known(level, table, is_name=depth == 1 and levels[0] in NAMED))
        if depth < len(levels) - 1:
            table[place[-1]] = table = _own_copy(table.get(place[-1], {}))
    return place, table if isinstance(table, dict) else None


def _own_copy(value: Any) -> Any:
    """A table of one source is never changed for the others."""
    return dict(value) if isinstance(value, dict) else value


def _known(level: str, table: Mapping[str, Any], *, is_name: bool) -> str:
    for key in table:
        if key.casefold().replace("-", "_") == level:
            return key
    return level.replace("_", "-") if is_name else level


def _value(text: str) -> Any:
    """Lists and tables as TOML writes them; whatever is no TOML is text (a password may begin with a bracket)."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
