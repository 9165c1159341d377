"""`firstline import` and `export`: what they print, what they leave, how they exit."""

from __future__ import annotations

from pathlib import Path

import pytest

from firstline.cli import main
from tests.unit.firstline.builders import add_anna, run

GOOD = "ФИО;Телефон;ID\nИван Петров;8 916 123-45-67;A-1\nПётр;8 903 555-66-77;A-2\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a company with one employee."""
    folder = tmp_path / "data"
    assert add_anna(folder).exit_code == 0
    return folder


def table(folder: Path, content: str, name: str = "clients.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_table_goes_in_and_comes_out_again(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path, GOOD)
    tried = run("import", "contacts", file, "--dry-run", "--data", data)
    assert (tried.exit_code, tried.output.splitlines()[-1]) == (
        0,
        "Будет: создано 2, обновлено 0, пропущено 0, с ошибками 0.",
    )
    done = run("import", "contacts", file, "--data", data)
    assert done.exit_code == 0, done.output
    assert "ФИО → name" in done.output
    assert done.output.splitlines()[-1] == "Строк 2: создано 2, обновлено 0, пропущено 0, с ошибками 0."
    again = run("import", "contacts", file, "--data", data)
    assert again.output.splitlines()[-1] == "Строк 2: создано 0, обновлено 0, пропущено 2, с ошибками 0."
    for name in ("out.csv", "out.xlsx"):
        out = tmp_path / name
        assert run("export", "contacts", out, "--data", data).exit_code == 0
        back = run("import", "contacts", out, "--data", data, "--duplicates", "update")
        assert back.output.splitlines()[-1] == "Строк 2: создано 0, обновлено 0, пропущено 2, с ошибками 0."
        assert run("export", "contacts", out, "--data", data).exit_code == 1


def test_rows_with_errors_are_named_and_the_exit_status_says_so(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path, GOOD + "Ольга;12;\n")
    result = run("import", "contacts", file, "--data", data)
    assert result.exit_code == 1
    assert "создано 2, обновлено 0, пропущено 0, с ошибками 1" in result.output
    assert "строка 4: Телефон «12»: Не похоже на номер телефона" in result.output


def test_leads_come_in_too(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path, "Название;Клиент;Телефон;Ответственный\nПресс;Иван;89161234567;anna@example.ru\n")
    assert run("import", "leads", file, "--data", data).exit_code == 0
    out = tmp_path / "leads.csv"
    assert run("export", "leads", out, "--data", data).exit_code == 0
    assert "1;Пресс;Иван;'+79161234567;;;Квалификация;anna@example.ru" in out.read_text(encoding="utf-8-sig")


def test_wrong_usage_and_failures_have_their_own_exit_status(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path, GOOD)
    wrong = run("import", "contact", file, "--data", data)
    assert (wrong.exit_code, wrong.output) == (2, "Ошибка: вида «contact» нет; возможно, contacts\n")
    assert run("export", "contacts", tmp_path / "out.pdf", "--data", data).exit_code == 2
    assert run("import", "contacts", tmp_path / "none.csv", "--data", data).exit_code == 1
    assert run("import", "contacts", file, "--data", tmp_path / "nowhere").exit_code == 1
    assert "import" in main.commands


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("products", "Артикул;Название;Категория;Цена\nТВ-1;Станок;Станки / Токарные;1 250,50\n"),
        ("companies", "Название;ИНН;КПП\nООО «Ромашка»;7707083893;770701001\n"),
        ("deals", "Название;Стадия;Сумма;Контакт;Телефон;ID\nПресс;Завершена;100;Иван;89161234567;D-1\n"),
    ],
)
def test_every_kind_comes_out_as_it_went_in(tmp_path: Path, data: Path, kind: str, content: str) -> None:
    done = run("import", kind, table(tmp_path, content), "--data", data)
    assert done.output.splitlines()[-1] == "Строк 1: создано 1, обновлено 0, пропущено 0, с ошибками 0.", done.output
    for name in ("out.csv", "out.xlsx"):
        assert run("export", kind, tmp_path / name, "--data", data).exit_code == 0
        back = run("import", kind, tmp_path / name, "--data", data, "--duplicates", "update")
        assert back.output.splitlines()[-1] == "Строк 1: создано 0, обновлено 0, пропущено 1, с ошибками 0.", (
            back.output
        )
