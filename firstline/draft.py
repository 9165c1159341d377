"""A configuration on its way to `Settings`: its tables, where each value came from, and what was found wrong.

Values come from three places that lie over each other: the preset, `firstline.toml`, the environment. The labels
remember which, so that a mistake is reported where it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from firstline.explain import explain
from firstline.problems import Problem

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]


@dataclass(slots=True)
class Draft:
    """Raw tables and the list of mistakes."""

    tables: dict[str, Any] = field(default_factory=dict)
    labels: dict[Place, str] = field(default_factory=dict)
    """Beginning of a place → file or variable that said it; an empty label is the configuration file itself."""
    problems: list[Problem] = field(default_factory=list)
    preset: Path | None = None
    """Folder of the preset, where files that it names lie."""
    unresolved: set[Place] = field(default_factory=set)
    """Where a secret could not be found: nothing more is said about what stands there."""

    def report(self, place: Place, message: str, mend: str = "") -> None:
        """Note a mistake at this place; the same one is noted once."""
        problem = Problem(self.name(place), message, mend)
        if place not in self.unresolved and problem not in self.problems:
            self.problems.append(problem)

    def name(self, place: Place) -> str:
        """`connectors.site.fields[0].name`, after the file or variable where that is not the configuration file."""
        for length in range(len(place), 0, -1):
            label = self.labels.get(place[:length])
            if label is not None:
                return f"{label}: {dotted(place)}" if label else dotted(place)
        return dotted(place)

    def table(self, *place: str) -> dict[str, Any]:
        """The table at this place; absent is empty, anything but a table is a mistake."""
        value: Any = self.tables
        for part in place:
            value = value.get(part, {})
            if not isinstance(value, Mapping):
                self.report(place, "нужна таблица ключей", f"начните раздел строкой [{dotted(place)}]")
                return {}
        return dict(value)

    def rows(self, table: str) -> list[Any]:
        """A list of tables such as `[[stages]]`."""
        value = self.tables.get(table, [])
        if isinstance(value, list):
            return value
        self.report((table,), "нужен список таблиц", f"каждая начинается строкой [[{table}]]")
        return []

    def read(self, model: type[M], data: object, place: Place) -> M | None:
        """Check one table against its model; mistakes are noted and give None."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for inner, message, mend in explain(error, model, data):
                self.report((*place, *inner), message, mend)
            return None


def dotted(place: Place) -> str:
    """`("connectors", "site", "fields", 0)` → `connectors.site.fields[0]`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
