"""Documents: our own requisites and the templates of the preset."""

from __future__ import annotations

import zipfile
from pathlib import Path

from crm_core.documents.data import Party
from crm_core.documents.numbering import PatternError, check_pattern
from crm_core.documents.rules import TemplateRule
from crm_core.documents.templates import MAX_TEMPLATE
from firstline.build_people import once
from firstline.build_rules import read_rows
from firstline.draft import Draft, Place
from firstline.settings_models import DocumentRow, FirmSection


def read_firm(draft: Draft) -> Party:
    """`[firm]`; what is not there is empty, and a document that needs it says so."""
    section = draft.read(FirmSection, draft.table("firm"), ("firm",))
    return Party(**section.model_dump()) if section else Party()


def read_documents(draft: Draft) -> list[TemplateRule]:
    """`[[documents]]`: the files must lie in the folder of the preset, and the patterns of numbers make sense."""
    rows = read_rows(draft, "documents", DocumentRow)
    once(draft, [(("documents", number, "key"), row.key) for number, row in enumerate(rows)], "ключ")
    rules = []
    for number, row in enumerate(rows):
        place = ("documents", number)
        try:
            check_pattern(row.numbering)
        except PatternError as error:
            draft.report((*place, "numbering"), str(error), "пишите так: КП-{year}-{number:04}")
        file = _file(draft, (*place, "file"), row.file)
        if file is not None:
            rules.append(TemplateRule(row.key, row.title, row.kind, row.entity, row.numbering, file))
    return rules


def _file(draft: Draft, place: Place, name: str) -> Path | None:
    """The template's file. Whether its fields exist is seen when a document is made: reading Word takes time."""
    folder = (draft.preset or Path()).resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        draft.report(place, "файл лежит вне папки набора", "положите его рядом с файлами набора")
    elif not path.is_file():
        draft.report(place, f"файла {name} нет", f"положите его в {folder}")
    elif path.suffix.lower() != ".docx" or not zipfile.is_zipfile(path):
        draft.report(place, f"{name} — не документ Word", "сохраните его как «Документ Word (.docx)»")
    elif path.stat().st_size > MAX_TEMPLATE:
        draft.report(place, f"{name} слишком велик", f"шаблон не больше {MAX_TEMPLATE >> 20} МБ")
    else:
        return path
    return None
