"""The project's own files, for the tests that read the code instead of running it."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("storage", "workhours", "crm_core", "distribution", "connectors", "router", "web", "firstline")
BESIDE_ROOMS = ("tests", "bench", "tools", "deploy", "docs")
NOT_OURS = {".git", ".venv", ".make", "node_modules", "build", "dist", "data", "artifacts"}
"""Folders at the root that an installation, a build or a run leaves."""


@cache
def files() -> tuple[Path, ...]:
    """What the repository holds, relative to its root: tracked files and those about to be; without git (an unpacked
    archive) all but what the build leaves."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False) if (ROOT / ".git").exists() else None
    if listed is not None and listed.returncode == 0:
        found = [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    else:
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    return tuple(sorted(path for path in found if not is_built(path)))


def is_built(path: Path) -> bool:
    """Whether a file comes from an installation, a build or a run."""
    return (
        path.parts[0] in NOT_OURS
        or path.parts[0].endswith((".egg-info", "_cache"))
        or "__pycache__" in path.parts
        or path.is_relative_to("web/static/vendor")
        or path.suffix == ".mo"
    )


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """Python files below these top-level folders; without folders all of the project."""
    return tuple(path for path in files() if path.suffix == ".py" and (not folders or path.parts[0] in folders))


@cache
def text(path: Path) -> str:
    return (ROOT / path).read_text("utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path), str(path))
