"""Bundled presets: a company as data. Each folder beside this file is one; `firstline.preset` reads and checks them.

A preset is a folder of TOML files or a single file with the same tables. Another company copies a folder, changes it
and names its path in `[company] preset`, without touching Python.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def bundled() -> list[str]:
    """Names of the presets that come with the program."""
    return sorted(path.name for path in FOLDER.iterdir() if (path / "company.toml").is_file())
