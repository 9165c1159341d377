"""What the tests of documents are made of: data of a deal, and small templates."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO

from docx import Document as Docx

from crm_core.documents.data import DealData, DocumentData, LineData, Party, PersonData

CUSTOMER = Party(
    name="ООО «Ромашка & Ко»",
    inn="7711111111",
    address="300000, г. Тула, ул. Мира, д. 2",
    bank="ПАО «Другой банк»",
    bik="044525111",
    account="40702810000000000001",
    corr_account="30101810000000000001",
    director="Черных Ольга Петровна",
    director_position="Директор",
    basis="Устава",
)
LATHE = LineData(
    name="Станок токарный",
    quantity=Decimal(2),
    price=Decimal(500_000),
    discount=Decimal(5),
    discount_sum=Decimal(50_000),
    vat_rate=Decimal(22),
    vat=Decimal("171311.48"),
    total=Decimal(950_000),
)


def data(firm: Party, customer: Party = CUSTOMER, lines: tuple[LineData, ...] = (LATHE,)) -> DocumentData:
    return DocumentData(
        firm=firm,
        customer=customer,
        person=PersonData(name="Петрова Анна Ивановна", position="Главный инженер"),
        deal=DealData(number="17", title="Станки"),
        lines=lines,
        author=PersonData(name="Сидоров Пётр"),
    )


def docx(*paragraphs: str, rows: Sequence[Sequence[str]] = (), header: str = "") -> bytes:
    """A Word file with these texts."""
    document = Docx()
    for text in paragraphs:
        document.add_paragraph(text)
    document.sections[0].header.paragraphs[0].text = header
    if rows:
        table = document.add_table(len(rows), len(rows[0]))
        for row, texts in zip(table.rows, rows, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    file = BytesIO()
    document.save(file)
    return file.getvalue()


def words_of(content: bytes) -> str:
    """All that a Word file says, tables included."""
    document = Docx(BytesIO(content))
    cells = (cell.text for table in document.tables for row in table.rows for cell in row.cells)
    parts = (*(each.text for each in document.paragraphs), *cells, document.sections[0].footer.paragraphs[0].text)
    return "\n".join(parts).replace("\u00a0", " ")
