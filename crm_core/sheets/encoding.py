"""In which encoding a text file is, found by trying: no statistics, so the answer can be explained.

A mark at the beginning (BOM) is believed. Without one, zero bytes mean UTF-16, because separators, digits and line ends
are half zeros there and no other text has any. What then reads as UTF-8 from end to end is UTF-8: Russian text in
Windows-1251 practically never does, every letter would have to be followed by a byte of the other half of the table.
What is left is Windows-1251, in which Russian Excel saves.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from crm_core.errors import Invalid

ENCODINGS = {"utf-8": "UTF-8", "cp1251": "Windows-1251", "utf-16-le": "UTF-16 LE", "utf-16-be": "UTF-16 BE"}
"""What can be chosen → how people call it."""
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CHUNK = 1 << 20
_HEAD = 1 << 16
_SOME_ZEROS = 0.02
"""Part of all bytes; Russian text in UTF-16 has some 10 % of them, English about half."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """`name` is one of `ENCODINGS`, `reason` a Russian sentence, `mark` the number of bytes of the BOM."""

    name: str
    reason: str
    mark: int = 0


def detect(path: Path) -> Encoding:
    """`Invalid` when the file is no text that we know."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, f"Файл начинается с метки {ENCODINGS[name]}", len(mark))
    if head.count(0) > len(head) * _SOME_ZEROS:
        name = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
        return Encoding(name, f"В файле много нулевых байтов, так бывает в {ENCODINGS[name]}")
    if _reads(path, "utf-8"):
        return Encoding("utf-8", "Файл целиком читается как UTF-8")
    if _reads(path, "cp1251"):
        return Encoding("cp1251", "Это не UTF-8, но читается как Windows-1251: так сохраняет таблицы русский Excel")
    raise Invalid({"encoding": "Кодировка не распознана. Сохраните файл как «CSV UTF-8» или XLSX"})


def chosen(path: Path, name: str) -> Encoding:
    """The encoding that a person chose; a mark of that encoding is passed over. `Invalid` for one that we lack."""
    if name not in ENCODINGS:
        raise Invalid({"encoding": f"Такой кодировки нет; есть {', '.join(ENCODINGS)}"})
    with path.open("rb") as file:
        head = file.read(4)
    mark = next((len(mark) for mark, each in _MARKS if each == name and head.startswith(mark)), 0)
    return Encoding(name, "Выбрано вами", mark)


def _reads(path: Path, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
