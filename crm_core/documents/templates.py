"""DOCX templates: what they name, and the finished document with what it lacks. Pure work on bytes.

docxtpl joins the pieces that Word cuts text into and repeats table rows; the language itself is in `language.py`. A
template that is broken or hostile raises `TemplateProblem`: one sentence and the words of the paragraph where it is.
Rendering takes tenths of a second, so it is done in a thread, never inside of a transaction.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from io import BytesIO
from typing import Any

import msgspec
from jinja2 import TemplateSyntaxError

from crm_core.documents.context import context_of
from crm_core.documents.data import DocumentData, LineData, Party, PersonData, titles
from crm_core.documents.language import FILTERS, FieldError, Language, TooLarge
from crm_core.documents.names import used

MAX_TEMPLATE = 5 << 20
"""Bytes of a template file."""
MAX_UNPACKED = 40 << 20
MAX_PARTS = 1000
MAX_XML = 4 << 20
"""Bytes of one XML part."""
FREE = "deal.fields."
"""Below here stand the fields of a pipeline, whatever their names."""
_INSTRUCTION = re.compile(rb"<w:instrText[^>]*>([^<]*)|w:instr=[\"']([^\"']*)")
_REACHING = re.compile(rb"INCLUDE(PICTURE|TEXT)|IMPORT|DDE|DATABASE|\bLINK\b", re.IGNORECASE)
"""Fields of Word that read other files; LibreOffice would follow them when it makes the PDF."""
_HYPERLINK = "/hyperlink"
_PLACE = 200


class TemplateProblem(Exception):
    """Why a template cannot be used: a sentence, and the text of the paragraph where it happened."""

    def __init__(self, sentence: str, place: str = "") -> None:
        super().__init__(f"{sentence} — в абзаце «{place}»" if place else sentence)
        self.sentence = sentence
        self.place = place


class Field(msgspec.Struct, frozen=True):
    """A name that a template uses: `customer.inn`, `lines[].price`."""

    path: str
    required: bool
    """Printed whatever happens: neither under a condition on itself nor with a `default`."""


def fields_of(content: bytes) -> tuple[Field, ...]:
    """Every name that the template uses, in alphabetical order; also inside of loops, headers and footers."""
    with _told():
        found: dict[str, bool] = {}
        language = Language()
        for source in _sources(_opened(content)):
            with _placed(language):
                for path, required in used(language.parse(source), {}, frozenset()):
                    found[path] = found.get(path, False) or required
    return tuple(Field(path, required) for path, required in sorted(found.items()))


def check_template(content: bytes) -> tuple[Field, ...]:
    """The fields of a template that is fit for use: its names exist, and a trial document comes out of it."""
    fields = fields_of(content)
    names = titles()
    for each in fields:
        if each.path not in names and not each.path.startswith(FREE):
            near = get_close_matches(each.path, names, 1)
            raise TemplateProblem(f"Поля «{each.path}» нет" + (f"; похоже на «{near[0]}»" if near else ""))
    fill(content, _trial())
    return fields


class Filled(msgspec.Struct, frozen=True):
    """A finished document."""

    content: bytes
    """DOCX. What is empty is a blank to be filled in by hand, what cannot be declined stands in the nominative."""
    lacks: dict[str, str]
    """Name → what has to be filled in or looked at, in Russian; only what is printed in this very document."""


def fill(content: bytes, context: Mapping[str, Any], *, title: str = "", author: str = "") -> Filled:
    """The finished document and what it lacks."""
    language = Language()
    with _told():
        document = _opened(content)
        with _placed(language):
            document.render(dict(context), language, autoescape=True)
        properties = document.docx.core_properties
        properties.title, properties.author, properties.last_modified_by = title[:255], author[:255], author[:255]
        finished = BytesIO()
        document.save(finished)
    return Filled(finished.getvalue(), {path: _lack(path, doubt) for path, doubt in language.lacks.items()})


def _lack(path: str, doubt: str) -> str:
    title = title_of(path)
    return f"{title}: {doubt}" if doubt else f"Заполните: {title}"


def title_of(path: str) -> str:
    """What a name is called: `customer.inn` → «Клиент: ИНН»."""
    return titles().get(path, f"Сделка: поле «{path.removeprefix(FREE)}»")


def _opened(content: bytes) -> Any:
    """The template as docxtpl has it, after a look at what is in the file."""
    from docxtpl import DocxTemplate

    _check_package(content)
    try:
        document = DocxTemplate(BytesIO(content))
        document.render_init()
    except Exception as error:
        raise TemplateProblem("Это не документ Word: сохраните шаблон как «Документ Word (.docx)»") from error
    return document


def _check_package(content: bytes) -> None:
    """Sizes, and that nothing in it reaches out of the file."""
    if len(content) > MAX_TEMPLATE:
        raise TemplateProblem(f"Шаблон больше {MAX_TEMPLATE >> 20} МБ: уменьшите картинки в нём")
    try:
        with zipfile.ZipFile(BytesIO(content)) as package:
            parts = package.infolist()
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
                raise TemplateProblem("Шаблон после распаковки слишком велик")
            for part in parts:
                _check_part(package, part)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError, LookupError) as error:
        raise TemplateProblem("Это не документ Word: сохраните шаблон как «Документ Word (.docx)»") from error


def _check_part(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    name = part.filename.lower()
    if "vbaproject" in name:
        raise TemplateProblem("В шаблоне есть макросы: сохраните его как «Документ Word (.docx)» без них")
    if not name.endswith((".xml", ".rels")):
        return
    if part.file_size > MAX_XML:
        raise TemplateProblem("Текст шаблона слишком велик")
    text = package.read(part)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise TemplateProblem("В шаблоне есть описания сущностей XML: они не допускаются")
    instructions = b"".join(b"".join(pair) for pair in _INSTRUCTION.findall(text))
    if _REACHING.search(instructions) or b"<w:altChunk" in text:
        raise TemplateProblem("В шаблоне есть поле, которое читает другой файл: вставьте его содержимое в сам документ")
    if name.endswith(".rels"):
        for found in re.findall(rb"<Relationship\b[^>]*>", text):
            if b'"External"' in found and _HYPERLINK.encode() not in found:
                raise TemplateProblem("Шаблон ссылается на внешний файл: вставьте картинку или объект в сам документ")


def _sources(document: Any) -> Iterator[str]:
    """What the language reads: body, headers, footers, footnotes; a paragraph begins on a line of its own."""
    pieces = [document.get_xml()]
    for uri in (document.HEADER_URI, document.FOOTER_URI):
        pieces += [document.get_part_xml(part) for _, part in document.get_headers_footers(uri)]
    for part in document.docx.part.package.iter_parts():
        if part.content_type.endswith("footnotes+xml"):
            pieces.append(part.blob.decode("utf-8"))
    for xml in pieces:
        yield re.sub(r"<w:p([ >])", r"\n<w:p\1", document.patch_xml(xml))


class _told:
    """Whatever a template makes the libraries raise becomes a sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, TemplateProblem) or not isinstance(error, Exception):
            return
        sentence = "Шаблон не складывается в документ: проверьте, что {%tr … %} стоит в своей строке таблицы, а {%p … %} — в своём абзаце"  # noqa: E501
        if isinstance(error, RecursionError | MemoryError):
            sentence = "Шаблон слишком сложен"
        raise TemplateProblem(sentence) from error


class _placed:
    """Adds the paragraph to what the language refuses."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, TooLarge):
            raise TemplateProblem("Документ получается слишком большим: проверьте повторы в шаблоне") from error
        if isinstance(error, TemplateSyntaxError):
            raise TemplateProblem(_in_words(str(error.message)), self._paragraph(error.lineno)) from error
        if isinstance(error, FieldError):
            raise TemplateProblem(f"Значение не подходит: {error}", self._paragraph(_line(traceback))) from error
        if isinstance(error, TypeError) and (line := _line(traceback)):
            raise TemplateProblem("Сравнивать можно числа с числами и даты с датами", self._paragraph(line)) from error

    def _paragraph(self, line: int) -> str:
        lines = self._language.source.splitlines()
        text = re.sub(r"<[^>]+>", "", lines[line - 1]) if 0 < line <= len(lines) else ""
        return text.strip()[:_PLACE]


def _line(traceback: Any) -> int:
    """Line of the template where it happened; 0 when that is not known."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


_WORDS: tuple[tuple[str, str], ...] = (
    (r"No filter named '(.+?)'", "Фильтра «{}» нет; есть " + ", ".join(sorted((*FILTERS, "default", "length")))),
    (r"No test named '(.+?)'", "Проверки «{}» нет"),
    (r"needs to be closed is '(\w+)'", "Не закрыто {{% {0} %}}: допишите {{% end{0} %}}"),
    (r"unknown tag '(end\w+|else|elif)'", "Для {{% {} %}} нет начала"),
    (r"unknown tag '(tr|tc|p|r)'", "{{%{} … %}} стоит не на своём месте: {{%tr — в строке таблицы, {{%p — в абзаце"),
    (r"unknown tag '(\w+)'", "Команды «{}» нет; есть if и for"),
    (r"expected token '(.+?)', got '(.+?)'", "Ожидается «{}», а стоит «{}»"),
    (r"Expected an expression", "Не хватает имени поля или значения"),
    (r"unexpected '(.+?)'", "Лишний знак «{}»"),
    (r"unexpected char (.+?) at", "Лишний знак {}"),
    (r"Missing end of|unexpected end of template", "Скобки не закрыты: нужны }}}} или %}}"),
)


def _in_words(message: str) -> str:
    if re.match("[а-яё]", message):  # our own words
        return message[0].upper() + message[1:]
    for pattern, sentence in _WORDS:
        if found := re.search(pattern, message):
            return sentence.format(*found.groups())
    return "Запись в скобках не понята"


def _trial() -> dict[str, Any]:
    """A context with something everywhere."""
    party = Party(**dict.fromkeys(Party.__struct_fields__, "Иванов Иван") | {"kind": ""})
    person = PersonData(**dict.fromkeys(PersonData.__struct_fields__, "Иванов Иван"))
    line = LineData(name="Станок", quantity=Decimal(2), price=Decimal(100), total=Decimal(200), vat_rate=Decimal(22))
    data = DocumentData(firm=party, customer=party, person=person, author=person, lines=(line, line))
    return context_of(data, "1", date(2026, 11, 22))
