"""A template of the preset, as configured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TemplateRule:
    """One row of `[[documents]]`."""

    key: str
    title: str
    kind: str
    entity: str
    numbering: str
    file: Path
