"""Writes the lock files from what is installed in the environment that runs this script.

`pyproject.toml` says what the hub needs; the locks say exactly which versions were tested, dependencies of dependencies
included. They are plain `name==version` lines: no addresses and no hashes, so that a mirror, a folder of wheels or a
proxy serves as well as the public index (docs/decisions/0002-lock-files.md). To move to newer versions, upgrade them in
`.venv`, run the tests, then run `make lock`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Written by `make lock`; versions are changed there, never here.\n"
RUNTIME, DEV, BUILD = "requirements.lock", "requirements-dev.lock", "requirements-build.lock"


def declared(project: Path = ROOT) -> dict[str, list[str]]:
    """Requirement lines of `pyproject.toml`, by the lock file that must hold them."""
    data = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    return {
        RUNTIME: data["project"]["dependencies"],
        DEV: data["project"]["optional-dependencies"]["dev"],
        BUILD: data["build-system"]["requires"],
    }


def closure(lines: Iterable[str]) -> dict[str, str]:
    """Installed versions of these requirements and of all that they need in turn, by normalized name.

    Raises `importlib.metadata.PackageNotFoundError` when one is not installed.
    """
    found: dict[str, str] = {}
    todo = [Requirement(line) for line in lines]
    seen: set[tuple[str, str]] = set()
    while todo:
        requirement = todo.pop()
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), extra)
            if key not in seen:
                seen.add(key)
                found[key[0]] = distribution(requirement.name).version
                todo += needs(requirement.name, extra)
    return found


def needs(name: str, extra: str) -> Iterator[Requirement]:
    """What an installed distribution demands here (Python version, system) for one of its extras; "" for none."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def pins(text: str) -> dict[str, str]:
    """Versions that a lock file holds itself, by normalized name. Raises ValueError at a line that is not a pin."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith(("#", "-r ")):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+]+)", line)
            if match is None:
                raise ValueError(f"not a pin: {line}")
            found[canonicalize_name(match[1])] = match[2]
    return found


def main() -> None:
    wanted = declared()
    runtime = closure(wanted[RUNTIME])
    dev = {name: version for name, version in closure(wanted[DEV]).items() if name not in runtime}
    write(RUNTIME, HEADER, runtime)
    write(DEV, f"{HEADER}-r {RUNTIME}\n", dev)
    write(BUILD, HEADER, closure(wanted[BUILD]))


def write(name: str, head: str, versions: dict[str, str]) -> None:
    (ROOT / name).write_text(head + "".join(f"{key}=={versions[key]}\n" for key in sorted(versions)), "utf-8")


if __name__ == "__main__":
    main()
