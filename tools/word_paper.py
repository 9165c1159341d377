"""A sheet of Word that the bundled templates are put together from: A4, GOST margins, Times New Roman 12 (tables 9), table
headings repeat on each page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

FONT = "Times New Roman"
WIDTH = 165
"""Millimetres between the margins."""
LEFT, CENTER, RIGHT, BOTH = (
    WD_ALIGN_PARAGRAPH.LEFT,
    WD_ALIGN_PARAGRAPH.CENTER,
    WD_ALIGN_PARAGRAPH.RIGHT,
    WD_ALIGN_PARAGRAPH.JUSTIFY,
)
COLUMNS: tuple[tuple[str, str, int, Any], ...] = (
    ("№", "{{ line.number }}", 9, CENTER),
    ("Наименование", "{{ line.name }}{% if line.article %}, арт. {{ line.article }}{% endif %}", 48, LEFT),
    ("Кол-во", "{{ line.quantity|number }}", 14, RIGHT),
    ("Ед.", "{{ line.unit }}", 12, CENTER),
    ("Цена", "{{ line.price|number(2) }}", 24, RIGHT),
    ("Скидка", "{% if line.discount %}{{ line.discount|number }} %{% else %}—{% endif %}", 15, RIGHT),
    (
        "НДС",
        "{% if line.vat_rate is none %}без НДС{% else %}{{ line.vat_rate|number }} %{% if not line.vat_included %} сверх цены{% endif %}{% endif %}",
        17,
        RIGHT,
    ),
    ("Сумма", "{{ line.total|number(2) }}", 26, RIGHT),
)
"""Heading, cell, width in millimetres, alignment."""


class Paper:
    """A document that grows from top to bottom."""

    def __init__(self, title: str) -> None:
        self.document = Document()
        section = self.document.sections[0]
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.left_margin, section.right_margin = Mm(30), Mm(15)
        section.top_margin, section.bottom_margin = Mm(20), Mm(20)
        style = self.document.styles["Normal"]
        style.font.name, style.font.size = FONT, Pt(12)
        style.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
        style.paragraph_format.space_after, style.paragraph_format.space_before = Pt(0), Pt(0)
        style.paragraph_format.line_spacing = 1.0
        properties = self.document.core_properties
        properties.title, properties.author, properties.comments = title, "", ""
        properties.created = properties.modified = datetime(2026, 1, 1, tzinfo=UTC)
        self._page_number()

    def text(
        self,
        text: str,
        align: Any = BOTH,
        *,
        bold: bool = False,
        size: float = 12,
        after: float = 4,
        keep: bool = False,
    ) -> None:
        fill(self.document.add_paragraph(), text, align, bold=bold, size=size, after=after, keep=keep)

    def heading(self, text: str) -> None:
        paragraph = self.document.add_paragraph()
        paragraph.paragraph_format.space_before = Pt(8)
        fill(paragraph, text, CENTER, bold=True, after=4, keep=True)

    def clauses(self, number: int, title: str, *clauses: str) -> None:
        """A section of a contract: «1. Предмет договора», 1.1, 1.2…"""
        self.heading(f"{number}. {title}")
        for place, clause in enumerate(clauses, start=1):
            self.text(f"{number}.{place}. {clause}", after=3)

    def table(self, widths: Sequence[int], rows: int, *, borders: bool = True) -> Any:
        table = self.document.add_table(rows, len(widths))
        table.alignment, table.autofit = WD_TABLE_ALIGNMENT.CENTER, False
        if borders:
            table.style = "Table Grid"
        else:
            flush(table)
        for column, width in zip(table.columns, widths, strict=True):
            column.width = Mm(width)
            for cell in column.cells:
                cell.width = Mm(width)
        return table

    def letterhead(self) -> None:
        """Our firm with its requisites, above a line."""
        self.text("{{ firm.name }}", CENTER, bold=True, size=16, after=2)
        self.text("{{ firm.address }}", CENTER, size=9, after=0)
        self.text(
            "ИНН {{ firm.inn }}{% if firm.kpp %}, КПП {{ firm.kpp }}{% endif %}, ОГРН {{ firm.ogrn }}",
            CENTER, size=9, after=0,
        )  # fmt: skip
        self.text("{{ firm.phone }} · {{ firm.email }}{% if firm.site %} · {{ firm.site }}{% endif %}", CENTER, size=9)
        underline(self.document.paragraphs[-1])

    def lines(self) -> None:
        """The table of lines, its totals, the sum in words."""
        table = self.table([width for _, _, width, _ in COLUMNS], 4)
        for cell, (title, _, _, _) in zip(table.rows[0].cells, COLUMNS, strict=True):
            fill(cell.paragraphs[0], title, CENTER, bold=True, size=9)
            shade(cell)
        repeat(table.rows[0])
        fill(table.cell(1, 0).paragraphs[0], "{%tr for line in lines %}", size=9)
        for cell, (_, text, _, align) in zip(table.rows[2].cells, COLUMNS, strict=True):
            fill(cell.paragraphs[0], text, align, size=9)
        unsplit(table.rows[2])
        fill(table.cell(3, 0).paragraphs[0], "{%tr endfor %}", size=9)
        self._totals()

    def _totals(self) -> None:
        self.text("", after=0, size=4)
        self.text("{%p if total_discount %}", after=0)
        self.text("Скидка: {{ total_discount|money(currency) }}", RIGHT, after=0, keep=True)
        self.text("{%p endif %}", after=0)
        self.text("Итого: {{ total|money(currency) }}", RIGHT, bold=True, after=0, keep=True)
        vat = "{% if total_vat %}В том числе НДС: {{ total_vat|money(currency) }}{% else %}НДС не облагается{% endif %}"
        self.text(vat, RIGHT, after=4, keep=True)
        self.text("Всего на сумму: {{ total|money_words(currency)|first_upper }}.", LEFT, bold=True, after=6)

    def parties(self, ours: str, theirs: str) -> None:
        """Requisites and signatures side by side."""
        table = self.table((82, 83), 2, borders=False)
        for cell, title, side in zip(table.rows[0].cells, (ours, theirs), ("firm", "customer"), strict=True):
            fill(cell.paragraphs[0], f"{title}:", LEFT, bold=True, size=10, after=3)
            for text in requisites(side):
                fill(cell.add_paragraph(), text, LEFT, size=10)
        for cell, side in zip(table.rows[1].cells, ("firm", "customer"), strict=True):
            fill(cell.paragraphs[0], "", LEFT, size=10)
            position = f"{{% if {side}.director_position %}}{{{{ {side}.director_position }}}}{{% endif %}}"
            fill(cell.add_paragraph(), position, LEFT, size=10, after=10)
            fill(cell.add_paragraph(), f"_______________ / {{{{ {side}.director|initials }}}}", LEFT, size=10)
            fill(cell.add_paragraph(), f'{{% if {side}.kind != "person" %}}М. П.{{% endif %}}', LEFT, size=9)
        for row in table.rows:
            unsplit(row)

    def _page_number(self) -> None:
        paragraph = self.document.sections[0].footer.paragraphs[0]
        fill(paragraph, "№ {{ number }} от {{ date|date }} · стр. ", CENTER, size=8)
        for kind, text in (("begin", ""), ("", "PAGE"), ("separate", ""), ("", "1"), ("end", "")):
            run = paragraph.add_run("" if kind or text == "PAGE" else text)
            run.font.size, run.font.name = Pt(8), FONT
            if kind:
                element = OxmlElement("w:fldChar")
                element.set(qn("w:fldCharType"), kind)
                run._r.append(element)
            elif text == "PAGE":
                element = OxmlElement("w:instrText")
                element.text = text
                run._r.append(element)


def fill(
    paragraph: Any, text: str, align: Any = LEFT, *, bold: bool = False, size: float = 12, after: float = 0,
    keep: bool = False,
) -> None:  # fmt: skip
    paragraph.alignment = align
    paragraph.paragraph_format.space_after, paragraph.paragraph_format.keep_with_next = Pt(after), keep
    run = paragraph.add_run(_unbroken(text))
    run.bold, run.font.size, run.font.name, run.font.color.rgb = bold, Pt(size), FONT, RGBColor(0, 0, 0)


def _unbroken(text: str) -> str:
    """«50 %» and «№ 7» stay on one line."""
    return re.sub(r"№ ", "№\u00a0", re.sub(r"(?<=[\d}]) %(?!\})", "\u00a0%", text))


def flush(table: Any) -> None:
    """Its text begins and ends where the text of the page does."""
    margins = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        margin = OxmlElement(f"w:{side}")
        margin.set(qn("w:w"), "0")
        margin.set(qn("w:type"), "dxa")
        margins.append(margin)
    table._tbl.tblPr.append(margins)


def underline(paragraph: Any) -> None:
    borders, bottom = OxmlElement("w:pBdr"), OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "8"), ("space", "4"), ("color", "000000")):
        bottom.set(qn(f"w:{name}"), value)
    borders.append(bottom)
    paragraph._p.get_or_add_pPr().insert_element_before(borders, "w:spacing", "w:jc")


def shade(cell: Any) -> None:
    shading = OxmlElement("w:shd")
    for name, value in (("val", "clear"), ("color", "auto"), ("fill", "EDEDED")):
        shading.set(qn(f"w:{name}"), value)
    cell._tc.get_or_add_tcPr().append(shading)


def repeat(row: Any) -> None:
    """On each page anew."""
    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def unsplit(row: Any) -> None:
    """Not over two pages."""
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def requisites(side: str) -> Sequence[str]:
    """Lines of the column of one side; those for organisations and entrepreneurs are left out for a private person."""

    def field(name: str) -> str:
        return f"{{{{ {side}.{name} }}}}"

    def optional(label: str, name: str) -> str:
        return f"{{% if {side}.{name} %}}{label}{field(name)}{{% endif %}}"

    firm = "{%p if " + side + '.kind != "person" %}'
    return (
        field("name"),
        firm,
        f"ИНН {field('inn')}{optional(', КПП ', 'kpp')}",
        f"{{%p if {side}.ogrn %}}",
        f'{{% if {side}.kind == "entrepreneur" %}}ОГРНИП{{% else %}}ОГРН{{% endif %}} {field("ogrn")}',
        "{%p endif %}",
        "{%p else %}",
        "Паспорт: ___________________________",
        "____________________________________",
        "{%p endif %}",
        f"Адрес: {field('address')}",
        firm,
        f"Р/с {field('account')}",
        f"в {field('bank')}",
        f"К/с {field('corr_account')}, БИК {field('bik')}",
        "{%p endif %}",
        f"{{%p if {side}.phone %}}",
        f"Тел.: {field('phone')}",
        "{%p endif %}",
        f"{{%p if {side}.email %}}",
        f"Эл. почта: {field('email')}",
        "{%p endif %}",
    )
