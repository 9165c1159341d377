"""Builds the DOCX templates of the preset `equipment`: `python -m tools.build_document_templates`.

They are committed beside this script, so that nobody needs it to run the hub; it is where their wording is changed and
reviewed as text. A4, GOST margins, Times New Roman 12 (tables 9), table headings repeat on each page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

FOLDER = Path(__file__).resolve().parent.parent / "crm_core/presets/equipment/documents"
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
    ("НДС", "{% if line.vat_rate is none %}без НДС{% else %}{{ line.vat_rate|number }} %{% endif %}", 17, RIGHT),
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
            fill(cell.add_paragraph(), f"{{{{ {side}.director_position }}}}", LEFT, size=10, after=10)
            fill(cell.add_paragraph(), f"_______________ / {{{{ {side}.director|initials }}}}", LEFT, size=10)
            fill(cell.add_paragraph(), "М. П.", LEFT, size=9)
        for row in table.rows:
            unsplit(row)

    def _page_number(self) -> None:
        paragraph = self.document.sections[0].footer.paragraphs[0]
        fill(paragraph, "№ {{ number }} от {{ date|date }} · стр. ", CENTER, size=8)
        run = paragraph.add_run()
        run.font.size, run.font.name = Pt(8), FONT
        for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
            element = OxmlElement("w:instrText" if text else "w:fldChar")
            if text:
                element.text = text
            else:
                element.set(qn("w:fldCharType"), kind)
            run._r.append(element)

    def save(self, name: str) -> None:
        FOLDER.mkdir(exist_ok=True)
        self.document.save(str(FOLDER / f"{name}.docx"))


def fill(
    paragraph: Any, text: str, align: Any = LEFT, *, bold: bool = False, size: float = 12, after: float = 0,
    keep: bool = False,
) -> None:  # fmt: skip
    paragraph.alignment = align
    paragraph.paragraph_format.space_after, paragraph.paragraph_format.keep_with_next = Pt(after), keep
    run = paragraph.add_run(text)
    run.bold, run.font.size, run.font.name, run.font.color.rgb = bold, Pt(size), FONT, RGBColor(0, 0, 0)


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
    def field(name: str) -> str:
        return f"{{{{ {side}.{name} }}}}"

    def optional(label: str, name: str) -> str:
        return f"{{% if {side}.{name} %}}{label}{field(name)}{{% endif %}}"

    return (
        field("name"),
        f"ИНН {field('inn')}{optional(', КПП ', 'kpp')}{optional(', ОГРН ', 'ogrn')}",
        f"Адрес: {field('address')}",
        f"Р/с {field('account')}",
        f"в {field('bank')}",
        f"К/с {field('corr_account')}, БИК {field('bik')}",
        optional("Тел.: ", "phone") + optional(", ", "email"),
    )


def side(who: str, name: str) -> str:
    """«ООО …, именуемое в дальнейшем «…», в лице … , действующего на основании …»."""
    return (
        f"{{{{ {who}.full_name|default({who}.name) }}}}, именуемое в дальнейшем «{name}», в лице "
        f'{{{{ {who}.director_position|decline("gent")|lower }}}} {{{{ {who}.director|decline("gent") }}}}, '
        f'{{{{ {who}.director|by_gender("действующего", "действующей") }}}} на основании {{{{ {who}.basis }}}}'
    )


def offer(name: str, title: str, intro: str, terms: Sequence[tuple[str, str]]) -> None:
    paper = Paper(title)
    paper.letterhead()
    table = paper.table((82, 83), 1, borders=False)
    fill(table.cell(0, 0).paragraphs[0], "№ {{ number }} от {{ date|date }}", LEFT, size=11)
    right = table.cell(0, 1)
    fill(right.paragraphs[0], "{{ customer.name }}", RIGHT, bold=True, size=11)
    person = '{% if person.name %}{% if person.position %}{{ person.position|decline("datv") }} {% endif %}'
    fill(right.add_paragraph(), person + '{{ person.name|decline("datv") }}{% endif %}', RIGHT, size=11)
    requisite = "{% if customer.inn %}ИНН {{ customer.inn }}{% endif %}"
    fill(right.add_paragraph(), requisite + "{% if customer.kpp %}, КПП {{ customer.kpp }}{% endif %}", RIGHT, size=9)
    fill(right.add_paragraph(), "{% if customer.address %}{{ customer.address }}{% endif %}", RIGHT, size=9)
    paper.heading("Коммерческое предложение")
    paper.text(title, CENTER, size=11, after=8)
    paper.text(intro, after=6)
    paper.lines()
    paper.heading("Условия")
    for label, text in terms:
        paper.text(f"{label}: {text}", after=3)
    paper.text("{%p if deal.comment %}", after=0)
    paper.text("{{ deal.comment }}", after=3)
    paper.text("{%p endif %}", after=0)
    paper.text("", after=6)
    signatures = paper.table((95, 70), 1, borders=False)
    fill(signatures.cell(0, 0).paragraphs[0], "{{ firm.director_position }}", LEFT)
    fill(signatures.cell(0, 1).paragraphs[0], "____________ / {{ firm.director|initials }}", RIGHT)
    author = "Исполнитель: {{ author.name }}{% if author.phone %}, тел. {{ author.phone }}{% endif %}"
    paper.text("", after=6)
    paper.text(author + "{% if author.email %}, {{ author.email }}{% endif %}", LEFT, size=9)
    paper.save(name)


PAYMENT = '{{ deal.payment_terms|default("предоплата 50 % по счёту, остальное — в течение 5 рабочих дней после подписания акта") }}'
VALID = "{% if deal.valid_until %}до {{ deal.valid_until|date }}{% else %}14 календарных дней с его даты{% endif %}"


def contract(name: str, title: str, ours: str, theirs: str, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
    paper = Paper(title)
    paper.text(f"{title} № {{{{ number }}}}", CENTER, bold=True, size=14, after=8)
    table = paper.table((82, 83), 1, borders=False)
    fill(table.cell(0, 0).paragraphs[0], "{% if deal.city %}г. {{ deal.city }}{% else %}г. Москва{% endif %}", LEFT)
    fill(table.cell(0, 1).paragraphs[0], "{{ date|date }}", RIGHT)
    paper.text("", after=2)
    sides = f"{side('firm', ours)}, с одной стороны, и {side('customer', theirs)}, с другой стороны, вместе именуемые"
    paper.text(f"{sides} «Стороны», заключили настоящий договор о нижеследующем.", after=4)
    for number, (heading, clauses) in enumerate(sections, start=1):
        paper.clauses(number, heading, *clauses)
    paper.heading(f"{len(sections) + 1}. Адреса, реквизиты и подписи сторон")
    paper.parties(ours, theirs)
    paper.document.add_page_break()
    paper.text("Приложение № 1", RIGHT, after=0)
    paper.text("к договору № {{ number }} от {{ date|date }}", RIGHT, after=6)
    paper.heading("Спецификация")
    paper.lines()
    signatures = paper.table((82, 83), 1, borders=False)
    for cell, who, called in zip(signatures.rows[0].cells, ("firm", "customer"), (ours, theirs), strict=True):
        fill(cell.paragraphs[0], f"{called}:", LEFT, bold=True, size=10, after=8)
        fill(cell.add_paragraph(), f"_______________ / {{{{ {who}.director|initials }}}}", LEFT, size=10)
    paper.save(name)


DISPUTES = (
    "Разрешение споров",
    (
        "Споры стороны решают переговорами. Претензия рассматривается в течение 10 рабочих дней со дня получения.",
        "Спор, который не удалось решить, передаётся в арбитражный суд по месту нахождения ответчика.",
    ),
)
PRICE = "{{ total|money(currency) }} ({{ total|money_words(currency) }}){% if total_vat %}, в том числе НДС {{ total_vat|money(currency) }}{% else %}, НДС не облагается{% endif %}."
FORCE = "Стороны освобождаются от ответственности за неисполнение, вызванное обстоятельствами непреодолимой силы, если известили о них в течение 5 рабочих дней."
TERM = "Договор вступает в силу с даты подписания и действует {% if deal.ends_on %}до {{ deal.ends_on|date }}{% else %}до полного исполнения обязательств{% endif %}."
COPIES = "Договор составлен в двух экземплярах равной силы, по одному для каждой стороны. Приложение № 1 — его неотъемлемая часть."


def main() -> None:
    offer(
        "offer-equipment",
        "на поставку оборудования",
        "{{ firm.name }} благодарит вас за обращение и предлагает поставить следующее оборудование:",
        (
            ("Срок поставки", "{% if deal.delivery_on %}до {{ deal.delivery_on|date }}{% else %}по согласованию{% endif %}"),
            ("Условия поставки", '{{ deal.delivery_terms|default("доставка до склада покупателя, пусконаладка включена") }}'),
            ("Оплата", PAYMENT),
            ("Гарантия", '{{ deal.warranty|default("12 месяцев со дня ввода в эксплуатацию") }}'),
            ("Предложение действует", VALID),
        ),
    )  # fmt: skip
    offer(
        "offer-service",
        "на сервисное обслуживание оборудования",
        "{{ firm.name }} благодарит вас за обращение и предлагает следующие работы по обслуживанию оборудования:",
        (
            ("Место проведения работ", "{{ deal.delivery_address|default(\"по адресу заказчика\") }}"),
            ("Порядок обслуживания", '{{ deal.delivery_terms|default("выезд инженера в течение 2 рабочих дней после заявки") }}'),
            ("Оплата", PAYMENT),
            ("Гарантия на работы", '{{ deal.warranty|default("6 месяцев") }}'),
            ("Предложение действует", VALID),
        ),
    )  # fmt: skip
    contract("contract-equipment", "Договор поставки", "Поставщик", "Покупатель", SUPPLY)
    contract("contract-service", "Договор сервисного обслуживания", "Исполнитель", "Заказчик", SERVICE)


SUPPLY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Предмет договора", (
        "Поставщик обязуется передать в собственность Покупателя оборудование, указанное в Спецификации (Приложение № 1), а Покупатель — принять и оплатить его.",
        "Поставщик гарантирует, что оборудование новое, не заложено, не арестовано и свободно от прав третьих лиц.",
    )),
    ("Цена и порядок расчётов", (
        "Цена договора составляет " + PRICE,
        f"Порядок оплаты: {PAYMENT}.",
        "Обязанность по оплате исполнена в день зачисления денег на счёт Поставщика.",
    )),
    ("Поставка, наладка и приёмка", (
        "Срок поставки: {% if deal.delivery_on %}до {{ deal.delivery_on|date }}{% else %}30 рабочих дней со дня предоплаты{% endif %}.",
        "Место поставки: {{ deal.delivery_address|default(customer.address) }}.",
        'Условия поставки: {{ deal.delivery_terms|default("доставка и пусконаладка силами Поставщика, включены в цену") }}.',
        "Количество и комплектность проверяются при передаче; стороны подписывают накладную, а после наладки — акт ввода в эксплуатацию.",
        "Право собственности и риск случайной гибели переходят к Покупателю в момент подписания накладной.",
    )),
    ("Гарантия", (
        'Гарантийный срок: {{ deal.warranty|default("12 месяцев со дня ввода в эксплуатацию") }}.',
        "Недостатки, возникшие не по вине Покупателя, Поставщик устраняет за свой счёт в течение 20 рабочих дней.",
    )),
    ("Ответственность сторон", (
        "За просрочку поставки или оплаты виновная сторона платит неустойку 0,1 % от просроченной суммы за каждый день, но не более 10 % от неё.",
        FORCE,
    )),
    DISPUTES,
    ("Срок действия и прочие условия", (TERM, COPIES)),
)  # fmt: skip
SERVICE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Предмет договора", (
        "Исполнитель обязуется обслуживать оборудование Заказчика по перечню работ в Спецификации (Приложение № 1), а Заказчик — принимать и оплачивать работы.",
        "Место проведения работ: {{ deal.delivery_address|default(customer.address) }}.",
    )),
    ("Порядок обслуживания", (
        'Порядок: {{ deal.delivery_terms|default("выезд инженера в течение 2 рабочих дней после заявки по телефону или электронной почте") }}.',
        "Заказчик обеспечивает доступ к оборудованию и безопасные условия работы инженера.",
        "По окончании работ стороны подписывают акт. Если в течение 5 рабочих дней Заказчик не направил мотивированный отказ, работы считаются принятыми.",
    )),
    ("Цена и порядок расчётов", (
        "Стоимость работ по договору составляет " + PRICE,
        f"Порядок оплаты: {PAYMENT}.",
        "Запасные части, не указанные в Спецификации, оплачиваются по отдельному счёту после согласования.",
    )),
    ("Гарантия на работы", (
        'Гарантия на выполненные работы: {{ deal.warranty|default("6 месяцев со дня подписания акта") }}.',
    )),
    ("Ответственность сторон", (
        "За нарушение сроков виновная сторона платит неустойку 0,1 % от стоимости просроченного за каждый день, но не более 10 % от неё.",
        FORCE,
    )),
    DISPUTES,
    ("Срок действия и прочие условия", (
        TERM,
        "Каждая сторона вправе отказаться от договора, известив другую за 30 календарных дней и оплатив выполненное.",
        COPIES,
    )),
)  # fmt: skip


if __name__ == "__main__":
    main()
