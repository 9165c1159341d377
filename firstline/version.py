"""Which version this program is: that of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

UNINSTALLED = "0"
"""Of a checkout that is run as it lies, with nothing installed to ask."""


def program_version() -> str:
    try:
        return version("firstline")
    except PackageNotFoundError:
        return UNINSTALLED
