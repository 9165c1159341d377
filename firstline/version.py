"""Which version this program is: that of the installed package, or of the checkout that is run as it lies."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
UNKNOWN = "0"
"""Neither installed nor a checkout."""


def program_version() -> str:
    try:
        return version("firstline")
    except PackageNotFoundError:
        if not PROJECT.is_file():
            return UNKNOWN
        return str(tomllib.loads(PROJECT.read_text("utf-8"))["project"]["version"])
