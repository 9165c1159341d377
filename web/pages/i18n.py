"""Texts of the pages. Message ids are the Russian texts themselves; the Russian catalog only holds plural forms.

Catalogs are read from their `.po` sources when first asked for, so no build step can be forgotten and a compiled file
can never be older than its source.
"""

from __future__ import annotations

from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from web.pages.look import look

FOLDER = Path(__file__).resolve().parent.parent / "locale"


@lru_cache
def catalog(locale: str) -> NullTranslations:
    """Translations of one language; the message ids themselves where there is no catalog."""
    path = FOLDER / locale / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=locale))
    compiled.seek(0)
    return Translations(compiled)


def _(text: str) -> str:
    """The text in the reader's language."""
    return catalog(look().locale).gettext(text)


def ngettext(one: str, many: str, number: int) -> str:
    """The form that fits the number; `%(num)s` stands for it."""
    return catalog(look().locale).ngettext(one, many, number)


def mark(text: str) -> str:
    """Marks a text of a table for the catalog; it is translated where it is shown."""
    return text
