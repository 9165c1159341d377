"""What can be wrong with a configuration, said so that whoever wrote it can mend it.

All mistakes are found in one go. Each says where it is, what is wrong and what to do; values are not repeated, because
a value may be a secret.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `place` is `connectors.site.origins`, for presets and the environment with the file or variable."""

    place: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.words}"

    @property
    def words(self) -> str:
        """What is wrong and what to do."""
        return f"{self.message}; {self.mend}" if self.mend else self.message


class ConfigError(Exception):
    """The configuration cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def nearest(word: str, known: Iterable[str]) -> str:
    """The mend for a misspelt word: «возможно, origins», or all that there are when nothing is near."""
    names = sorted(known)
    close = difflib.get_close_matches(word.lower(), names, n=1)
    if close:
        return f"возможно, {close[0]}"
    return f"есть: {', '.join(names)}" if names else ""


OS_WORDS = {
    errno.ENOENT: ("нет такого файла или папки", "проверьте путь"),
    errno.ENOTDIR: ("это не папка", "проверьте путь"),
    errno.EISDIR: ("это папка, а нужен файл", "проверьте путь"),
    errno.EACCES: ("нет прав", "проверьте владельца и права"),
    errno.EPERM: ("нет прав", "проверьте владельца и права"),
    errno.EROFS: ("диск доступен только для чтения", "выберите другую папку"),
    errno.ENOSPC: ("на диске нет места", "освободите его"),
    errno.EADDRINUSE: ("порт занят другим процессом", "остановите его или укажите другой --port"),
    errno.EADDRNOTAVAIL: ("такого адреса у этой машины нет", "проверьте --host"),
}
"""What the system says → (message, mend)."""


def os_words(error: OSError) -> tuple[str, str]:
    """A refusal of the system in words."""
    return OS_WORDS.get(error.errno or 0, (str(error.strerror or error), "проверьте путь и права"))
