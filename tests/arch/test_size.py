"""Files and functions stay small enough to be read at once: 400 and 40 lines are where a reader gives up.

What has to be longer is named here with its reason, so that the list is looked at whenever it grows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.arch.tree import sources, text, tree

MAX_FILE, MAX_FUNCTION = 400, 40

LONG_FILES: dict[str, str] = {}
"""Path → reason."""
LONG_FUNCTIONS: dict[str, str] = {}
"""`path:name` → reason."""


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function with its length in lines, from `def` to the end, docstring included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {str(path): len(text(path).splitlines()) for path in sources()}
    long = {name: lines for name, lines in lengths.items() if lines > MAX_FILE}
    assert lengths
    assert long.keys() == LONG_FILES.keys(), f"split these, or give the reason in LONG_FILES: {long}"


def test_no_function_is_longer_than_40_lines() -> None:
    lengths = [pair for path in sources() for pair in functions(path)]
    long = {name: lines for name, lines in lengths if lines > MAX_FUNCTION}
    assert lengths
    assert long.keys() == LONG_FUNCTIONS.keys(), f"split these, or give the reason in LONG_FUNCTIONS: {long}"
