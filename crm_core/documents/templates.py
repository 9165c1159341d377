"""DOCX templates: what they name, what is missing for them, and the finished document. Pure work on bytes.

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
from jinja2 import TemplateSyntaxError, nodes

from crm_core.documents.data import DocumentData, LineData, Party, PersonData, context_of, titles
from crm_core.documents.language import COUNTED, FILTERS, FieldError, Language, TooLarge, is_empty

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
                for path, required in _used(language.parse(source), {}, frozenset()):
                    found[path] = found.get(path, False) or required
    return tuple(Field(path, required) for path, required in sorted(found.items()))


def missing(fields: tuple[Field, ...], context: Mapping[str, Any]) -> dict[str, str]:
    """Required fields that are empty in this context, with their Russian titles, before anything is generated."""
    names = titles()
    empty = (each.path for each in fields if each.required and _is_missing(context, each.path.split(".")))
    return {path: names.get(path, f"Сделка: поле «{path.removeprefix(FREE)}»") for path in empty}


def _is_missing(value: Any, steps: list[str]) -> bool:
    if not steps:
        return is_empty(value) or value in ([], ())
    name, many, _ = steps[0].partition("[]")
    inner = value.get(name) if isinstance(value, Mapping) else None
    if many:  # that there are no rows at all is told once, of the table itself
        return any(_is_missing(row, steps[1:]) for row in inner or ())
    return _is_missing(inner, steps[1:])


def check_template(content: bytes) -> tuple[Field, ...]:
    """The fields of a template that is fit for use: its names exist, and a trial document comes out of it."""
    fields = fields_of(content)
    names = titles()
    for each in fields:
        if each.path not in names and not each.path.startswith(FREE):
            near = get_close_matches(each.path, names, 1)
            raise TemplateProblem(f"Поля «{each.path}» нет" + (f"; похоже на «{near[0]}»" if near else ""))
    render(content, _trial())
    return fields


def render(content: bytes, context: Mapping[str, Any], *, title: str = "", author: str = "") -> bytes:
    """The finished DOCX. What is empty becomes a blank to be filled in by hand."""
    language = Language()
    with _told():
        document = _opened(content)
        with _placed(language):
            document.render(dict(context), language, autoescape=True)
        properties = document.docx.core_properties
        properties.title, properties.author, properties.last_modified_by = title[:255], author[:255], author[:255]
        finished = BytesIO()
        document.save(finished)
    return finished.getvalue()


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


def _used(node: nodes.Node, scope: dict[str, str], guarded: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """(path, required) of every name below this node."""
    if path := _path(node, scope):
        if path != "loop" and not path.startswith("loop."):
            yield path, path not in guarded
        return
    match node:
        case nodes.If() | nodes.CondExpr():
            tested = frozenset(path for path, _ in _used(node.test, scope, guarded))
            yield from ((path, False) for path in tested)
            guarded |= tested
            children = [child for child in node.iter_child_nodes() if child is not node.test]
        case nodes.For():
            yield from _used(node.iter, scope, guarded)
            rows = _path(node.iter, scope)
            target = node.target.name if isinstance(node.target, nodes.Name) else ""
            inner = scope | ({target: f"{rows}[]"} if rows and target else {})
            for child in (*node.body, *([node.test] if node.test else [])):
                yield from _used(child, inner, guarded)
            children = node.else_
        case nodes.Filter(name="default", node=nodes.Node() as inner_node):
            yield from ((path, False) for path, _ in _used(inner_node, scope, guarded))
            children = list(node.args)
        case _:
            children = list(node.iter_child_nodes())
    for child in children:
        yield from _used(child, scope, guarded)


def _path(node: nodes.Node | None, scope: Mapping[str, str]) -> str | None:
    match node:
        case nodes.Name():
            return scope.get(node.name, node.name)
        case nodes.Getattr():
            base = _path(node.node, scope)
            return f"{base}.{node.attr}" if base else None
        case nodes.Getitem(arg=nodes.Const(value=key)):
            base = _path(node.node, scope)
            return f"{base}.{key}" if base else None
        case nodes.Filter() if node.name == COUNTED:
            return _path(node.node, scope)
    return None


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
    party = Party(**dict.fromkeys(Party.__struct_fields__, "Иванов Иван"))
    person = PersonData(**dict.fromkeys(PersonData.__struct_fields__, "Иванов Иван"))
    line = LineData(name="Станок", quantity=Decimal(2), price=Decimal(100), total=Decimal(200), vat_rate=Decimal(22))
    data = DocumentData(firm=party, customer=party, person=person, author=person, lines=(line, line))
    return context_of(data, "1", date(2026, 11, 22))
