"""Reading and writing tables: encodings, separators, what cells become, what may not become a formula."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from crm_core.errors import Invalid
from crm_core.sheets.encoding import detect
from crm_core.sheets.kinds import Field
from crm_core.sheets.mapping import find_headings, match, suggest
from crm_core.sheets.reading import Layout, data_rows, inspect, read_rows
from crm_core.sheets.writing import writer
from router.sheets.contacts import PERSON_FIELDS

MOSCOW = ZoneInfo("Europe/Moscow")
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC).replace(tzinfo=None)
"""Excel knows no time zones."""
AFTERNOON = MIDNIGHT.replace(hour=14, minute=5)
RUSSIAN = "Имя;Телефон\nЁжиков Иван;+7 916 123-45-67\n"


def saved(folder: Path, content: bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (RUSSIAN.encode("utf-8"), "utf-8"),
        (RUSSIAN.encode("utf-8-sig"), "utf-8"),
        (RUSSIAN.encode("cp1251"), "cp1251"),
        (RUSSIAN.encode("utf-16"), "utf-16-le"),
        (RUSSIAN.encode("utf-16-le"), "utf-16-le"),
        (RUSSIAN.encode("utf-16-be"), "utf-16-be"),
        (b"\xfe\xff" + RUSSIAN.encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_russian_text_is_read_whatever_it_was_saved_in(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = saved(tmp_path, content)
    found = detect(path)
    assert found.name == encoding
    assert found.reason
    assert list(read_rows(path, inspect(path, path.name))) == [
        (1, ["Имя", "Телефон"]),
        (2, ["Ёжиков Иван", "+7 916 123-45-67"]),
    ]


def test_a_letter_beyond_the_first_part_of_a_file_still_decides_the_encoding(tmp_path: Path) -> None:
    assert detect(saved(tmp_path, b"a;b\n" * 100_000 + "Я;ё\n".encode("cp1251"))).name == "cp1251"


def test_what_no_encoding_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="Кодировка не распознана"):
        detect(saved(tmp_path, b"\x98\xff\xfea"))


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_the_separator_is_found_though_cells_hold_others(tmp_path: Path, separator: str) -> None:
    rows = [["Имя", "Комментарий", "Сумма"], ['Иван "Ваня"', "да, нет; может\nбыть", "1,5"], ["Пётр", "a|b", "2"]]
    text = "\r\n".join(separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    path = saved(tmp_path, text.encode())
    layout = inspect(path, path.name)
    assert layout.separator == separator
    assert [cells for _, cells in read_rows(path, layout)] == rows


def test_the_line_that_excel_adds_names_the_separator_and_is_no_row(tmp_path: Path) -> None:
    path = saved(tmp_path, b"sep=|\na|b;c\n1|2\n")
    assert [cells for _, cells in read_rows(path, inspect(path, path.name))] == [["a", "b;c"], ["1", "2"]]


def test_a_quote_that_is_never_closed_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, b'a;b\n"' + b"x;y\n" * 100_000)
    with pytest.raises(Invalid, match="кавычки"):
        list(read_rows(path, Layout(format="csv")))


def test_a_workbook_gives_what_a_person_sees(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Пустой"
    sheet = book.create_sheet("Клиенты")
    sheet.append(["Имя", "Телефон", "Дата", "Сумма", "Да"])
    sheet.append([])
    sheet.append(["Иван", 79161234567.0, MIDNIGHT, 10.50, True])
    sheet.append(["Пётр", "+79035556677", AFTERNOON, 0.1, False])
    path = tmp_path / "t.xlsx"
    book.save(path)
    layout = inspect(path, path.name)
    assert layout.sheets == ("Пустой", "Клиенты")
    assert list(read_rows(path, layout)) == []
    rows = list(data_rows(path, Layout(format="xlsx", sheet="Клиенты")))
    assert rows == [
        (3, ["Иван", "79161234567", "2026-11-22", "10.5", "да"]),
        (4, ["Пётр", "+79035556677", "2026-11-22 14:05:00", "0.1", "нет"]),
    ]


def test_headings_are_found_below_a_title_and_through_merged_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["A1"] = "Список клиентов на ноябрь"
    sheet.merge_cells("A1:C1")
    sheet["A2"], sheet["B2"] = "Имя", "Связь"
    sheet.merge_cells("A2:A3")
    sheet.merge_cells("B2:C2")
    sheet["B3"], sheet["C3"] = "Телефон", "E-mail"
    sheet.append(["Иван", 79161234567, "i@example.ru"])
    path = tmp_path / "t.xlsx"
    book.save(path)
    layout, headings = find_headings(path, inspect(path, path.name), PERSON_FIELDS)
    assert (layout.header_row, headings) == (3, ("Имя", "Телефон", "E-mail"))
    assert list(data_rows(path, layout)) == [(4, ["Иван", "79161234567", "i@example.ru"])]


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("ФИО", "name"),
        ("имя клиента", "name"),
        ("Тел. №2", "phones"),
        ("Мобильный телефон (основной)", "phones"),
        ("Phone 1", "phones"),
        ("Телефн", "phones"),
        ("e_mail", "emails"),
        ("Организация", "company"),
        ("Цвет", None),
        ("№", None),
    ],
)
def test_a_heading_is_understood_by_its_words(heading: str, field: str | None) -> None:
    found = match(heading, PERSON_FIELDS)
    assert (found.field.key if found else None) == field
    assert found is None or f"«{heading}»" in found.reason


def test_a_field_of_one_value_takes_the_column_that_fits_it_best() -> None:
    fields = (Field("title", "Название"), Field("phones", "Телефон", many=True))
    found = suggest(["Полное название", "Название", "Телефон 1", "Телефон 2"], fields)
    assert [each.field for each in found] == [None, "title", "phones", "phones"]
    assert "уже берётся из столбца «Название»" in found[0].reason


CELLS = ["=1+1", "+79161234567", "-5", "@cmd", "#N/A", "Иван", None, 5, Decimal("10.50")]


def test_text_never_becomes_a_formula_in_a_workbook() -> None:
    made = writer("xlsx", MOSCOW)
    made.rows([CELLS, [datetime(2026, 11, 22, 11, 5, tzinfo=UTC), "a\x01b"]])
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(made.end()))).active
    assert [cell.value for cell in sheet[1]] == [*CELLS[:8], 10.5]
    assert {cell.data_type for cell in sheet[1][:6]} == {"s"}
    assert (sheet["A2"].value, sheet["B2"].value) == (AFTERNOON, "ab")


def test_text_never_becomes_a_formula_in_csv_and_is_read_back_as_it_was(tmp_path: Path) -> None:
    made = writer("csv", MOSCOW)
    content = made.rows([CELLS, [datetime(2026, 11, 22, 11, 5, tzinfo=UTC), date(2026, 11, 22)]]) + b"".join(made.end())
    assert content.startswith(b"\xef\xbb\xbf'=1+1;'+79161234567;'-5;'@cmd;")
    path = saved(tmp_path, content)
    first, second = (cells for _, cells in read_rows(path, inspect(path, path.name)))
    assert first == ["=1+1", "+79161234567", "-5", "@cmd", "#N/A", "Иван", "", "5", "10,50"]
    assert second == ["22.11.2026 14:05:00", "22.11.2026"]


def test_too_many_columns_and_too_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, b";".join([b"x"] * 300))
    with pytest.raises(Invalid, match="больше 200 столбцов"):
        list(read_rows(path, inspect(path, path.name)))
    monkeypatch.setattr("crm_core.sheets.reading.MAX_ROWS", 3)
    path = saved(tmp_path, b"x;y\n" * 6)
    with pytest.raises(Invalid, match="разделите её на части"):
        list(read_rows(path, inspect(path, path.name)))
    monkeypatch.setattr("crm_core.sheets.reading.MAX_FILE", 3)
    with pytest.raises(Invalid, match="разделите его на части"):
        inspect(path, path.name)


def test_what_one_sheet_cannot_hold_goes_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_core.sheets.writing.LONGEST_SHEET", 3)
    made = writer("xlsx", MOSCOW)
    made.rows([["Имя"], ["А"], ["Б"]])
    made.rows([["В"]])
    book = openpyxl.load_workbook(io.BytesIO(b"".join(made.end())))
    assert {sheet.title: [row[0] for row in sheet.values] for sheet in book} == {
        "Данные": ["Имя", "А", "Б"],
        "Данные 2": ["Имя", "В"],
    }
