"""Data folders for the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.firstline.builders import add_anna


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def filled(data: Path) -> Path:
    """A data folder with an employee and a blob, made by a program that ended."""
    assert add_anna(data).exit_code == 0
    blob = data / "blobs" / "9f"
    blob.mkdir(parents=True)
    (blob / "86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08").write_bytes(b"test")
    return data
