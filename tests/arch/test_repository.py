"""The repository can be built anywhere: locks cover what is declared, and no file leads to one particular machine."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.arch.tree import ROOT, files
from tools.lock import BUILD, DEV, RUNTIME, closure, declared, needs, pins

# Hosts are put together from pieces, so that this file does not name them either.
REGISTRIES = [
    ".".join(parts).encode()
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("npmmirror", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
]
SOMEBODYS_HOME = re.compile(rb"(?<![\w./-])/(?:home|Users)/\w+/|(?<![\w./-])/root/\w")
BINARY = {".png", ".jpg", ".ico", ".woff2", ".mp3", ".wav", ".eml", ".docx"}


def locked() -> dict[str, dict[str, str]]:
    return {name: pins((ROOT / name).read_text("utf-8")) for name in (RUNTIME, DEV, BUILD)}


def test_every_declared_dependency_is_locked_in_a_version_that_is_allowed() -> None:
    for lock, versions in locked().items():
        for requirement in map(Requirement, declared()[lock]):
            name = canonicalize_name(requirement.name)
            assert name in versions, f"{lock} lacks {name}: run make lock"
            assert requirement.specifier.contains(versions[name]), f"{lock}: {name} {versions[name]}: run make lock"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the locks are written with Python 3.11")
def test_locks_hold_what_the_dependencies_need_and_nothing_else() -> None:
    locks, wanted = locked(), declared()
    assert locks[RUNTIME].keys() == closure(wanted[RUNTIME]).keys()
    assert locks[DEV].keys() == closure(wanted[DEV]).keys() - locks[RUNTIME].keys()
    assert locks[BUILD].keys() == closure(wanted[BUILD]).keys()


def test_locked_versions_fit_each_other() -> None:
    locks = locked()
    versions = locks[RUNTIME] | locks[DEV]
    for name in versions:
        for need in needs(name, ""):
            assert need.specifier.contains(versions[canonicalize_name(need.name)], prereleases=True), f"{name}: {need}"


def test_a_line_that_is_not_a_pin_is_refused() -> None:
    with pytest.raises(ValueError, match="not a pin"):
        pins("aiohttp>=3.14\n")


def test_the_lock_of_the_pages_names_no_address() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    assert len(packages) > 1
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in packages.items() if name)


def leads_away(path: Path) -> list[str]:
    """Registry hosts and paths of a build machine that a file names."""
    data = (ROOT / path).read_bytes()
    found = [host.decode() for host in REGISTRIES if host in data]
    if path.suffix not in BINARY:
        found += [match[0].decode() for match in SOMEBODYS_HOME.finditer(data)]
        found += [str(ROOT)] if re.search(rb"(?<![\w.])" + re.escape(bytes(ROOT)) + rb"(?![\w-])", data) else []
    return found


def test_no_file_names_a_registry_or_a_path_of_a_build_machine() -> None:
    bad = {str(path): found for path in files() if (found := leads_away(path))}
    assert bad == {}


@pytest.mark.parametrize("line", [b"see {}home/anna/firstline/x", b"cp {}root/x y", b"'{}Users/anna/x'"])
def test_a_path_of_somebodys_home_is_noticed(line: bytes) -> None:
    assert SOMEBODYS_HOME.search(line.replace(b"{}", b"/"))


@pytest.mark.parametrize("line", [b"GET /in/forms/x", b"ProtectHome=true", b"shop.ru/home/page/", b"/api/v1/users/"])
def test_an_address_of_the_hub_is_no_path_of_a_machine(line: bytes) -> None:
    assert SOMEBODYS_HOME.search(line) is None
