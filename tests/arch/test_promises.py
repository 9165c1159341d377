"""Promises that no import rule can hold: time is handed in, the engine stays hidden, modules explain themselves."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.arch.tree import BESIDE_ROOMS, ROOMS, files, sources, text, tree

DOMAIN = ("crm_core", "distribution", "router")
CLOCKS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "utcnow",
}


def clock_readings(module: ast.AST) -> Iterator[int]:
    """Lines where code asks the machine for the time, however the module was imported."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in CLOCKS or any(name.endswith(f".{clock}") for clock in CLOCKS):
                yield node.lineno


def engine_branches(module: ast.AST) -> Iterator[int]:
    """Lines where a decision asks which storage engine there is."""
    for node in ast.walk(module):
        test = node.subject if isinstance(node, ast.Match) else getattr(node, "test", None)
        if isinstance(test, ast.expr) and "sqlite" in ast.unparse(test).lower():
            yield test.lineno


def places(room_files: tuple[Path, ...], look: Callable[[ast.AST], Iterator[int]]) -> list[str]:
    return [f"{path}:{line}" for path in room_files for line in look(tree(path))]


def test_domain_code_is_handed_the_time() -> None:
    assert places(sources(*DOMAIN), clock_readings) == []


def test_only_storage_knows_which_engine_there_is() -> None:
    assert places(sources(*(room for room in ROOMS if room != "storage")), engine_branches) == []


def test_every_module_opens_with_what_happens_in_it() -> None:
    silent = [str(path) for path in sources(*ROOMS) if text(path).strip() and not ast.get_docstring(tree(path))]
    assert silent == []


def test_every_room_is_there_and_no_other() -> None:
    packages = {path.parts[0] for path in sources()}
    assert packages - {*ROOMS, *BESIDE_ROOMS} == set(), "a new top-level package needs a decision record"
    assert set(ROOMS) <= {path.parts[0] for path in files()}


@pytest.mark.parametrize(
    "code", ["datetime.now(UTC)", "dt.datetime.utcnow()", "datetime.date.today()", "time.time()", "date.today()"]
)
def test_a_reading_of_the_clock_is_noticed(code: str) -> None:
    assert list(clock_readings(ast.parse(f"x = 1\ny = {code}"))) == [2]


def test_a_clock_that_is_handed_in_may_be_asked() -> None:
    assert list(clock_readings(ast.parse("clock.now()\ncontext.now()\ndatetime.fromtimestamp(0, UTC)"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "if url.startswith('sqlite:'): pass",
        "x = 1 if isinstance(store, SQLiteStore) else 2",
        "match 'sqlite':\n    case _: pass",
    ],
)
def test_a_branch_on_the_engine_is_noticed(code: str) -> None:
    assert list(engine_branches(ast.parse(code))) == [1]
