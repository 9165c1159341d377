"""Small pieces that the tests of settings and commands are made of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firstline.cli import main
from firstline.problems import ConfigError, Problem
from firstline.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[3]


def written(folder: Path, text: str, name: str = "firstline.toml") -> Path:
    """A configuration file with this content."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    return load_settings(written(folder, text), environ or {})


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """The mistakes of a configuration; fails the test when there are none."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, environ)
    return caught.value.problems


def run(*arguments: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], input=typed)


def add_anna(data: Path, *more: str) -> Result:
    arguments = ("--name", "Анна Иванова", "--role", "first_line,consultant", "--data", data, *more)
    return run("user", "add", "Anna@Example.ru", *arguments)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FIRSTLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "firstline", *arguments],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
