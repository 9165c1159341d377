"""One import as a sequence of pieces that a thread prepares: the file is opened, parsed and counted off here."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice

from connectors.exchange import ExchangeItem, StoredFile
from connectors.onec.parse import BrokenFile, read
from connectors.onec.settings import OnecSettings
from connectors.onec.uploads import BadUpload, Joined, Member, members

PIECE = 200
"""Items of one transaction."""


class Pieces:
    """Items of an uploaded file, `PIECE` at a time. Blocking, for one thread of its own. Raises `BrokenFile` and
    `BadUpload`."""

    def __init__(self, file: StoredFile, settings: OnecSettings, path_of: Callable[[str], str]) -> None:
        self._file = file
        self._settings = settings
        self._path_of = path_of
        self._stack = ExitStack()
        self._items: Iterator[ExchangeItem] | None = None
        self._broken: Exception | None = None

    def next(self) -> list[ExchangeItem]:
        """The next items, empty at the end. What was read before a break is given out before it is raised."""
        if self._broken is not None:
            raise self._broken
        found: list[ExchangeItem] = []
        try:
            if self._items is None:
                self._items = self._open()
            for item in islice(self._items, PIECE):
                found.append(item)  # noqa: PERF402 - what came before an error must be kept
        except (BrokenFile, BadUpload) as error:
            self._broken = error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            self._broken = BrokenFile("Архив повреждён: выгрузите данные из 1С заново")
            self._broken.__cause__ = error
        except FileNotFoundError as error:
            self._broken = BrokenFile("Загруженный файл уже удалён: выгрузите данные из 1С заново")
            self._broken.__cause__ = error
        if self._broken is not None and not found:
            raise self._broken
        return found

    def _open(self) -> Iterator[ExchangeItem]:
        info = None
        if self._file.archive is not None:
            found = members(Joined(self._file.parts, self._path_of), self._settings.max_upload)
            info = found.get(self._file.name)
            if info is None:
                raise BadUpload(f"В архиве нет файла {self._file.name}")
        stream = self._stack.enter_context(Member(Joined(self._file.parts, self._path_of), info))
        return read(stream, self._settings.zone, self._settings.price_type)

    def close(self) -> None:
        self._items = None
        self._stack.close()
