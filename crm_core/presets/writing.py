"""Tables as TOML that people read: a section per entry, short tables on one line. `tomllib` reads the same back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

WIDTH = 110
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml(tables: Mapping[str, Any]) -> str:
    """A whole file. Values are text, numbers, booleans, lists and tables of them; absent ones (None) are left out."""
    lines = list(_table((), tables))
    return "\n".join(lines).strip() + "\n"


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    """Values of the table itself first: behind the first section below it they would belong there."""
    given = {key: value for key, value in table.items() if value is not None}
    below = {key: value for key, value in given.items() if _is_section(value, top=not path)}
    for key, value in given.items():
        if key not in below:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in below.items():
        name = ".".join(map(_key, (*path, key)))
        for each in value if isinstance(value, list) else ():
            yield f"\n[[{name}]]"
            yield from _table((*path, key), each)
        if isinstance(value, dict):
            if not value or any(not _is_section(each, top=False) for each in value.values()):
                yield f"\n[{name}]"
            yield from _table((*path, key), value)


def _is_section(value: Any, *, top: bool) -> bool:
    """Whether the value gets a heading: every table of the file, and below what does not fit on a line."""
    if isinstance(value, dict):
        return top or not _is_short(value)
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return top or not all(_is_short(each) for each in value)
    return False


def _is_short(table: Mapping[str, Any]) -> bool:
    return not any(isinstance(each, dict) for each in table.values()) and len(_value(table)) <= WIDTH


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {_value(each)}" for key, each in value.items() if each is not None)
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        parts = [_value(each) for each in value]
        line = f"[{', '.join(parts)}]"
        return line if len(line) <= WIDTH else "[\n" + "".join(f"    {part},\n" for part in parts) + "]"
    return str(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)
