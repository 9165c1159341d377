"""PDF out of DOCX, by a LibreOffice of this machine.

It is started for each document and ends with it: a LibreOffice that stays keeps a few hundred megabytes and locks its
profile. Every start has a profile of its own (`-env:UserInstallation`), so that neither a crashed one nor somebody's
desktop is in the way. One at a time, and never longer than the limit: the whole group of processes is ended then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

log = structlog.get_logger("documents")

PROGRAMS = ("soffice", "libreoffice")
WITHIN = 90.0
"""Seconds for one document; the first start of a profile takes several."""
MAX_PDF = 50 << 20
NOT_INSTALLED = "PDF готовит LibreOffice, а он не установлен на сервере. Скачайте DOCX или установите его: apt install libreoffice-writer"  # noqa: E501


class NotInstalled(Exception):
    """There is no LibreOffice here; the text names the mend."""


class ConversionFailed(Exception):
    """LibreOffice gave no PDF; the text is for people, the cause is in the log."""


class Pdf:
    """The converter; one for a process."""

    def __init__(self, program: str | None = None, within: float = WITHIN) -> None:
        self._program = program
        self._within = within
        self._one_at_a_time = asyncio.Lock()

    @property
    def program(self) -> str | None:
        """Looked up each time: it may be installed while the hub runs."""
        return self._program or next((found for name in PROGRAMS if (found := shutil.which(name))), None)

    async def convert(self, docx: bytes) -> bytes:
        """The same document as PDF. `NotInstalled`, `ConversionFailed`."""
        program = self.program
        if program is None:
            raise NotInstalled(NOT_INSTALLED)
        async with self._one_at_a_time:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="firstline-pdf-"))
            try:
                return await self._convert(program, docx, folder)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _convert(self, program: str, docx: bytes, folder: Path) -> bytes:
        source, target = folder / "document.docx", folder / "document.pdf"
        await asyncio.to_thread(source.write_bytes, docx)
        arguments = (
            f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            "--headless", "--norestore", "--nolockcheck", "--nodefault", "--nofirststartwizard",
            "--convert-to", "pdf:writer_pdf_Export", "--outdir", str(folder), str(source),
        )  # fmt: skip
        code = await self._run(program, arguments, folder)
        pdf = await asyncio.to_thread(_read, target)
        if pdf is None:
            log.error("no pdf", program=program, exit_code=code)
            raise ConversionFailed("LibreOffice не смог преобразовать документ. Скачайте DOCX и повторите позже")
        return pdf

    async def _run(self, program: str, arguments: Sequence[str], folder: Path) -> int | None:
        """Run it to its end; its exit code."""
        environment = {
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
        }
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                cwd=folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            log.exception("cannot start", program=program)
            raise ConversionFailed("LibreOffice не запускается: проверьте, что он установлен целиком") from error
        try:
            async with asyncio.timeout(self._within):
                return await process.wait()
        except TimeoutError:
            log.exception("too slow", program=program, seconds=self._within)
            raise ConversionFailed(f"LibreOffice не справился за {self._within:.0f} с. Повторите позже") from None
        finally:  # soffice is a script that starts others: what is left of the group goes with it
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > MAX_PDF:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    return content if content.startswith(b"%PDF-") else None
