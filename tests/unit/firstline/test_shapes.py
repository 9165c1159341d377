"""Whatever shape a table has, reading it ends with settings or with a list of mistakes, never with another error."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import pytest

from crm_core.presets import FOLDER
from firstline.preset import PRESET_TABLES
from firstline.problems import ConfigError
from firstline.sources import CONFIG_TABLES
from tests.unit.firstline.builders import loaded, written

SHAPES = [
    "5",
    '"x"',
    "[]",
    "[5]",
    "[{}]",
    '[{ a = "b" }]',
    "{}",
    "{ a = 5 }",
    "{ a = [] }",
    "{ a = { b = 5 } }",
    "true",
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("table", [*CONFIG_TABLES, "server.host", "queues.first-line", "connectors.site.fields"])
def test_no_shape_of_the_configuration_breaks_the_reading(tmp_path: Path, table: str, shape: str) -> None:
    text = f"{table} = {shape}\n" + ('connectors.site.type = "form"\n' if table.startswith("connectors.") else "")
    with contextlib.suppress(ConfigError):
        loaded(tmp_path, text)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("table", PRESET_TABLES)
def test_no_shape_of_a_preset_breaks_the_reading(tmp_path: Path, table: str, shape: str) -> None:
    copy = shutil.copytree(FOLDER / "equipment", tmp_path / "ours")
    for file in copy.glob("*.toml"):
        kept = re.split(r"(?m)^(?=\[)", file.read_text("utf-8"))
        file.write_text("".join(each for each in kept if not re.match(rf"\[+{table}[.\]]", each)), "utf-8")
    written(copy, f"{table} = {shape}\n", "zz.toml")
    with contextlib.suppress(ConfigError):
        loaded(tmp_path, '[company]\npreset = "ours"\n')
