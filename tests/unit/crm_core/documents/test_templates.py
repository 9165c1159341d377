"""Templates: what they name, what comes out of them, and how broken and hostile ones are refused."""

from __future__ import annotations

import zipfile
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest

from crm_core.documents import language
from crm_core.documents.context import context_of
from crm_core.documents.data import DealData, DocumentData, LineData, Party, titles
from crm_core.documents.templates import TemplateProblem, check_template, fields_of, fill
from crm_core.presets import FOLDER
from tests.api.papers import CUSTOMER, LATHE, data, docx, words_of
from tools.build_document_templates import templates

DAY = date(2026, 11, 22)
FIRM = Party(
    **dict.fromkeys(Party.__struct_fields__, "Иванов Иван") | {"name": "ООО «Мы»", "full_name": "", "kind": ""}
)
BUNDLED = sorted((FOLDER / "equipment" / "documents").glob("*.docx"))
ROWS = (
    ("№", "Имя"),
    ("{%tr for line in lines %}", ""),
    ("{{ loop.index }}", "{{ line.name }}"),
    ("{%tr endfor %}", ""),
)


def filled(content: bytes, data: DocumentData) -> str:
    return words_of(fill(content, context_of(data, "КП-2026-0001", DAY)).content)


def lacks(content: bytes, data: DocumentData) -> dict[str, str]:
    return fill(content, context_of(data, "1", DAY)).lacks


def said(template: str, data: DocumentData | None = None) -> str:
    return filled(docx(template), data or DocumentData()).strip()


def refusal(content: bytes) -> str:
    with pytest.raises(TemplateProblem) as caught:
        check_template(content)
    return str(caught.value)


def test_fields_are_found_in_text_tables_headers_and_conditions() -> None:
    content = docx(
        "{{ customer.name }}{% if customer.kpp %}{{ customer.kpp }}{% endif %}{{ deal.comment|default('—') }}",
        "{{ deal.fields.color }}",
        rows=ROWS,
        header="{{ number }}",
    )
    assert {each.path: each.required for each in fields_of(content)} == {
        "customer.name": True,
        "customer.kpp": False,
        "deal.comment": False,
        "deal.fields.color": True,
        "lines": True,
        "lines[].name": True,
        "number": True,
    }


def test_what_is_missing_is_named_in_russian() -> None:
    content = docx("{{ customer.inn }} {{ customer.name|upper }} {{ deal.fields.color }}", rows=ROWS)
    empty = DocumentData(customer=Party(name="  "), lines=(LineData(),))
    assert lacks(content, empty) == {
        "customer.inn": "Заполните: Клиент: ИНН",
        "customer.name": "Заполните: Клиент: название",
        "deal.fields.color": "Заполните: Сделка: поле «color»",
        "lines[].name": "Заполните: Строки: наименование",
    }
    assert lacks(content, DocumentData())["lines"] == "Заполните: Строки"
    full = DocumentData(customer=CUSTOMER, deal=DealData(fields={"color": "синий"}), lines=(LATHE,))
    assert lacks(content, full) == {}


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{% if customer.kpp %}{{ customer.kpp }}{% endif %}", set()),
        ("{% if customer.name %}{{ customer.kpp }}{% else %}{{ customer.inn }}{% endif %}", {"customer.kpp"}),
        ("{{ deal.comment|default('—') }} {{ deal.city|default(customer.kpp) }}", {"deal.city"}),
        ("{{ deal.city|default(customer.name) }}", set()),
        ("{{ deal.city if customer.kpp else customer.name }}", set()),
        ("{{ customer.name ~ customer.kpp }}", {"customer.kpp"}),
        ("{% for line in lines %}{{ loop.index }}{{ line.article|default('—')|upper }}{% endfor %}", set()),
        ("{% for line in lines if line.article %}{{ line.article }}{% endfor %}", set()),
        ("{{ lines|length }}{{ deal.amount|money }}", {"deal.amount"}),
    ],
)
def test_only_what_is_printed_for_this_customer_is_missing(template: str, named: set[str]) -> None:
    assert lacks(docx(template), DocumentData(customer=CUSTOMER, lines=(LATHE,))).keys() == named


def test_what_cannot_be_declined_for_certain_is_asked_about_and_stays_in_the_nominative() -> None:
    content = docx('{{ customer.director|decline("gent") }}; {{ customer.director|by_gender("его", "её") }}')
    foreign = DocumentData(customer=Party(director="Ли Вэй"))
    found = lacks(content, foreign)
    assert found.keys() == {"customer.director"}
    assert "Клиент: ФИО руководителя: не ясно, как «Ли Вэй» ставится в родительный падеж" in found["customer.director"]
    assert filled(content, foreign).startswith("Ли Вэй; ")
    assert lacks(content, DocumentData(customer=CUSTOMER)) == {}


def test_every_member_of_the_data_has_a_title() -> None:
    context = context_of(DocumentData(lines=(LineData(),)), "1", DAY)
    named = {f"{top}.{name}" for top, inner in context.items() if isinstance(inner, dict) for name in inner}
    named |= {f"lines[].{name}" for name in context["lines"][0]} | context.keys()
    assert named == titles().keys()


def test_rows_repeat_and_values_cannot_become_markup() -> None:
    lines = (LineData(name="Болт <b> & «гайка» {{ 9 }}"), LineData(name="Шайба\x07"))
    text = filled(docx("{{ customer.name }}", rows=ROWS), DocumentData(customer=CUSTOMER, lines=lines))
    assert "ООО «Ромашка & Ко»" in text
    assert "1\nБолт <b> & «гайка» {{ 9 }}\n2\nШайба" in text


def test_an_empty_value_is_a_blank_for_the_pen() -> None:
    assert said("ИНН {{ customer.inn }} {{ deal.amount|money }}").count("____________") == 2


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ total|money }}", "950 000,00 ₽"),
        ("{{ total|money_words }}", "девятьсот пятьдесят тысяч рублей 00 копеек"),
        ("{{ total|money_words('USD', true) }}", "девятьсот пятьдесят тысяч долларов США ноль центов"),
        ("{{ date|date }}", "22 ноября 2026 г."),
        ("{{ date|short_date }}", "22.11.2026"),
        ("{{ date|date_words|first_upper }}", "Двадцать второе ноября две тысячи двадцать шестого года"),
        ('{{ customer.director|decline("gent") }}', "Черных Ольги Петровны"),
        ('{{ customer.director_position|decline("gent")|lower }}', "директора"),
        ("{{ customer.director|initials }}", "Черных О. П."),
        ('{{ customer.director|by_gender("действующего", "действующей") }}', "действующей"),
        ('{{ lines|length }} {{ lines|length|plural("строка", "строки", "строк") }}', "1 строка"),
        ("{{ total_vat|number }} {{ 3|number_words }}", "171 311,48 три"),
        ("{{ total_discount|number(2) }}", "50 000,00"),
        ("{% if total > 100 %}много{% else %}мало{% endif %}", "много"),
        ("{% for line in lines if line.discount %}{{ loop.index }}{{ line.name }}{% endfor %}", "1Станок токарный"),
    ],
)
def test_filters(template: str, text: str) -> None:
    assert said(template, data(FIRM)) == text


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("ИНН {{ customer.innn }}", "Поля «customer.innn» нет; похоже на «customer.inn»"),
        ("ИНН {{ customer.inn|mony }}", "Фильтра «mony» нет; есть"),
        ("Если {% if customer.inn %} и всё", "Не закрыто {% if %}: допишите {% endif %} — в абзаце «Если {% if"),
        ("{% endfor %}", "Для {% endfor %} нет начала"),
        ("{% foo %}", "Команды «foo» нет"),
        ("{{ }}", "Не хватает имени поля"),
        (
            "{{ customer.name|money }} рублей",
            "«money» от «Иванов Иван»: нужно число — в абзаце «{{ customer.name|money",
        ),
        ("{{ customer.name|decline('род') }}", "падежа «род» нет"),
        ("{{ customer }}", "названо несколько значений"),
        ("{{ customer.name > 3 }}", "Сравнивать можно числа с числами"),
        ("{% for letter in customer.name %}{% endfor %}", "повторять можно только строки таблицы"),
        ("{%tr for line in lines %}{%tr endfor %}", "стоит не на своём месте"),
        ("{{ ''.__class__ }}", "недоступны"),
        ("{{ customer['__class__'] }}", "недоступны"),
        ("{{ customer|attr('x') }}", "Фильтра «attr» нет"),
        ("{{ lines.append(1) }}", "вызовы функций"),
        ("{{ range(9) }}", "вызовы функций"),
        ("{% set a = 1 %}", "присваивания"),
        ("{% macro a() %}{% endmacro %}", "макросы"),
        ("{% include 'x' %}", "не допускаются"),
        ("{{ 9 ** 9 ** 9 }}", "не допускаются"),
        ("{{ 'a' * 999999999 }}", "не допускаются"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "слишком сложен"),
    ],
)
def test_a_broken_or_hostile_template_is_refused_with_a_sentence(template: str, sentence: str) -> None:
    assert sentence.lower() in refusal(docx("Перед", template)).lower()


def test_an_attribute_of_a_value_is_never_reached() -> None:
    assert "____" in said("{{ lines.append }}", data(FIRM))
    assert "____" in said("{{ total.as_tuple }}", data(FIRM))


def test_loops_within_loops_end_when_the_document_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "MAX_OUTPUT", 1_000_000)
    loops = "{% for a in lines %}" * 5 + "x" + "{% endfor %}" * 5
    many = DocumentData(lines=tuple(LineData(name=str(n), total=Decimal(1)) for n in range(100)))
    with pytest.raises(TemplateProblem, match="слишком большим"):
        fill(docx(loops), context_of(many, "1", DAY))


def repacked(change: dict[str, bytes]) -> bytes:
    """A Word file with other parts in it."""
    old, new = zipfile.ZipFile(BytesIO(docx("Текст"))), BytesIO()
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as package:
        for name in old.namelist():
            if name not in change:
                package.writestr(name, old.read(name))
        for name, content in change.items():
            package.writestr(name, content)
    return new.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "не документ Word"),
        (b"%PDF-1.4", "не документ Word"),
        (docx("Текст")[:3000], "не документ Word"),
        (b"x" * (6 << 20), "больше 5 МБ"),
        (repacked({"word/document.xml": b"<w:document"}), "не документ Word"),
        (repacked({"word/document.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "сущностей"),
        (repacked({"word/x.xml": b"<w:instrText>INCLUDE</w:instrText><w:instrText>PICTURE u</w:instrText>"}), "поле"),
        (repacked({"word/x.xml": b'<w:fldSimple w:instr=" DDEAUTO a b ">'}), "поле"),
        (repacked({"word/x.xml": b'<w:altChunk r:id="rId9"/>'}), "поле"),
        (repacked({"word/vbaProject.bin": b"x"}), "макросы"),
        (repacked({"word/big.xml": b"0" * (5 << 20)}), "слишком велик"),
        (repacked({f"word/{n}.bin": b"0" * (9 << 20) for n in range(5)}), "слишком велик"),
        (
            repacked({"word/_rels/x.rels": b'<Relationship Type="a/image" TargetMode="External" Target="//a/b"/>'}),
            "внешний файл",
        ),
    ],
)
def test_a_file_that_is_no_harmless_word_file_is_refused(content: bytes, sentence: str) -> None:
    assert sentence in refusal(content)


def test_the_finished_file_names_its_title_and_author() -> None:
    from docx import Document as Docx

    made = Docx(BytesIO(fill(docx("x"), {}, title="КП «А & Б»", author="Анна").content))
    assert (made.core_properties.title, made.core_properties.author) == ("КП «А & Б»", "Анна")


def test_the_preset_has_its_four_templates() -> None:
    assert [path.stem for path in BUNDLED] == [
        "contract-equipment", "contract-service", "offer-equipment", "offer-service",
    ]  # fmt: skip


@pytest.mark.parametrize("path", BUNDLED, ids=[path.stem for path in BUNDLED])
def test_a_template_of_the_preset_gives_a_whole_document(path: Path) -> None:
    content = path.read_bytes()
    check_template(content)
    full = data(FIRM)
    assert lacks(content, full) == {}
    text = filled(content, full)
    assert "___ " not in text.replace("_______________ /", "").replace("____________ /", "")
    for part in ("КП-2026-0001", "22 ноября 2026 г.", "Станок токарный", "950 000,00", "171 311,48", "22 %", "5 %"):
        assert part in text
    assert "Всего на сумму: Девятьсот пятьдесят тысяч рублей 00 копеек." in text
    if path.stem.startswith("contract"):
        assert "в лице директора Черных Ольги Петровны, действующей на основании Устава" in text
        assert "/ Черных О. П." in text
    else:
        assert "Главному инженеру Петровой Анне Ивановне" in text


@pytest.mark.parametrize("path", BUNDLED, ids=[path.stem for path in BUNDLED])
def test_a_template_of_the_preset_says_what_it_lacks(path: Path) -> None:
    found = lacks(path.read_bytes(), DocumentData(firm=FIRM))
    assert {"customer.name", "lines"} <= found.keys()
    assert ("customer.director" in found) == path.stem.startswith("contract")
    assert filled(path.read_bytes(), DocumentData()).count("____________") > 3


@pytest.mark.parametrize("path", BUNDLED, ids=[path.stem for path in BUNDLED])
def test_the_files_of_the_preset_are_what_the_tool_builds(path: Path) -> None:
    built = BytesIO()
    templates()[path.stem].save(built)
    ours, theirs = zipfile.ZipFile(built), zipfile.ZipFile(path)
    names = [name for name in ours.namelist() if name.endswith(".xml") and not name.startswith("docProps/app")]
    assert [name for name in names if ours.read(name) != theirs.read(name)] == [], "make templates"


ANNA = Party(name="ИП Смирнова Анна Сергеевна", inn="771234567890", ogrn="304770000000012")
VEGA = Party(
    name="Компания «Вега»", director="Ким Виктор Анатольевич", director_position="Президент", basis="Устава"
)  # fmt: skip
BUYER = "в дальнейшем «Покупатель»"
SIDES = (
    (CUSTOMER, f"ООО «Ромашка & Ко», именуемое {BUYER}, в лице директора Черных Ольги Петровны, действующей на основа"),
    (ANNA, f"Индивидуальный предприниматель Смирнова Анна Сергеевна, ОГРНИП {ANNA.ogrn}, именуемая {BUYER}, с другой"),
    (Party(kind="person", name="Кузнецов Пётр Ильич"), f"Кузнецов Пётр Ильич, именуемый {BUYER}, с другой"),
    (VEGA, f"Компания «Вега», именуемая {BUYER}, в лице президента Кима Виктора Анатольевича, действующего на основан"),
)


@pytest.mark.parametrize(("customer", "words"), SIDES, ids=[each.name for each, _ in SIDES])
def test_a_contract_calls_its_side_by_its_kind(customer: Party, words: str) -> None:
    contract = next(path for path in BUNDLED if path.stem == "contract-equipment").read_bytes()
    assert words in filled(contract, data(FIRM, customer))


def test_a_private_person_is_asked_for_no_requisites_of_a_company() -> None:
    contract = next(path for path in BUNDLED if path.stem == "contract-equipment").read_bytes()
    person = Party(kind="person", name="Кузнецов Пётр Ильич", address="г. Тула")
    assert lacks(contract, data(FIRM, person)) == {}
    assert {"customer.account", "customer.bank", "customer.inn"} <= lacks(
        contract, data(FIRM, Party(name="ООО «А»"))
    ).keys()
