"""The version that the program says it is."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from firstline import version
from tests.unit.firstline.builders import ROOT, process


def nowhere(name: str) -> str:
    raise PackageNotFoundError(name)


def test_a_checkout_without_metadata_has_the_version_of_its_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "version", nowhere)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert version.program_version() == project["version"]


def test_without_either_there_is_an_answer_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(version, "version", nowhere)
    monkeypatch.setattr(version, "PROJECT", tmp_path / "pyproject.toml")
    assert version.program_version() == version.UNKNOWN


def test_the_command_line_says_it() -> None:
    result = process("--version")
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, version.program_version(), "")
