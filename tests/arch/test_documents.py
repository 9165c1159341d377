"""Documents lead somewhere: every relative link names a file of the repository, every goal they tell to run exists."""

from __future__ import annotations

import re
from pathlib import Path

from tests.arch.tree import ROOT, files, text

LINK = re.compile(r"\]\(([^)\s]+)\)")
GOAL = re.compile(r"`make ([a-z-]+)")


def documents() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def is_relative(link: str) -> bool:
    return not link.startswith(("#", "http://", "https://", "mailto:"))


def test_every_link_of_a_document_leads_to_a_file() -> None:
    links = [(path, link) for path in documents() for link in LINK.findall(text(path)) if is_relative(link)]
    broken = [f"{path}: {link}" for path, link in links if not (ROOT / path.parent / link.partition("#")[0]).exists()]
    assert links
    assert broken == []


def test_every_goal_that_a_document_names_is_in_the_makefile() -> None:
    makefile = text(Path("Makefile"))
    goals = {goal for path in documents() for goal in GOAL.findall(text(path))}
    assert {"run", "test"} <= goals
    assert [goal for goal in sorted(goals) if not re.search(rf"^{goal}:", makefile, re.MULTILINE)] == []
