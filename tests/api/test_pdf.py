"""The PDF driver against small programs that behave like LibreOffice, well and badly, and against the real one."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.api.papers import docx
from web.pdf import PROGRAMS, ConversionFailed, NotInstalled, Pdf

GOOD = """
echo "$@" > {notes}
for last; do :; done
test -f "$last" && printf '%%PDF-1.7 made' > "$(dirname "$last")/document.pdf"
"""


def program(folder: Path, body: str) -> str:
    """An executable that is called as soffice is."""
    path = folder / "soffice"
    path.write_text("#!/bin/sh\n" + body.format(notes=folder / "notes"), "utf-8")
    path.chmod(0o755)
    return str(path)


def left_behind() -> list[Path]:
    return list(Path(os.environ.get("TMPDIR", "/tmp")).glob("firstline-pdf-*"))


async def test_a_document_becomes_a_pdf_under_a_profile_of_its_own(tmp_path: Path) -> None:
    before = left_behind()
    pdf = Pdf(program(tmp_path, GOOD))
    assert await pdf.convert(docx("Текст")) == b"%PDF-1.7 made"
    first = (tmp_path / "notes").read_text("utf-8")
    await pdf.convert(docx("Текст"))
    second = (tmp_path / "notes").read_text("utf-8")
    assert "--headless" in first
    assert first.split()[0].startswith("-env:UserInstallation=file:///")
    assert first.split()[0] != second.split()[0]
    assert left_behind() == before


@pytest.mark.parametrize(
    "body", ["exit 1", "exit 0", "for last; do :; done; echo junk > \"$(dirname \"$last\")/document.pdf\""]
)  # fmt: skip
async def test_a_program_that_gives_no_pdf_is_told_in_words(tmp_path: Path, body: str) -> None:
    with pytest.raises(ConversionFailed, match="не смог преобразовать"):
        await Pdf(program(tmp_path, body)).convert(b"x")


async def hung(folder: Path) -> int:
    """The child of a program that ran into the limit. On a busy machine it may not have begun by then: a longer one."""
    for within in (0.5, 2, 10, 50):
        with pytest.raises(ConversionFailed, match="не справился"):
            await Pdf(program(folder, "sleep 300 & echo $! > {notes}; wait"), within=within).convert(b"x")
        if (folder / "notes").exists() and (child := (folder / "notes").read_text("utf-8").strip()):
            return int(child)
    raise AssertionError("the program never began")


async def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    child = await hung(tmp_path)
    assert time.monotonic() - began < 200

    def is_running() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    deadline = time.monotonic() + 5
    while is_running() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert not is_running()


async def test_a_caller_who_leaves_leaves_nothing_running(tmp_path: Path) -> None:
    before = left_behind()
    task = asyncio.create_task(Pdf(program(tmp_path, "echo 1 > {notes}; sleep 60")).convert(b"x"))
    while not (tmp_path / "notes").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_behind() == before


async def test_documents_are_converted_one_at_a_time(tmp_path: Path) -> None:
    busy = "test -e {notes} && exit 1; touch {notes}; sleep 0.1; rm {notes}\n"
    body = busy + GOOD.partition("\n")[2].partition("\n")[2]
    pdf = Pdf(program(tmp_path, body))
    assert await asyncio.gather(*(pdf.convert(b"x") for _ in range(3))) == [b"%PDF-1.7 made"] * 3


async def test_without_the_program_the_answer_names_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="apt install libreoffice-writer"):
        await Pdf().convert(b"x")
    with pytest.raises(ConversionFailed, match="не запускается"):
        await Pdf(str(tmp_path / "nothing")).convert(b"x")


@pytest.mark.skipif(
    not any(shutil.which(name) for name in PROGRAMS),
    reason="LibreOffice is not installed (300 MB, not part of tools/install_test_servers.sh)",
)
async def test_the_real_program_makes_a_pdf() -> None:
    assert (await Pdf().convert(docx("Договор № 1"))).startswith(b"%PDF-")
