"""The guide for those who write templates: it says all that works, and nothing that does not."""

from __future__ import annotations

import pytest

from crm_core.company import FieldRule
from crm_core.documents import language
from crm_core.documents.data import titles
from crm_core.documents.guide import FILTERS, variables
from crm_core.documents.templates import check_template
from tests.api.papers import docx


class OneField:
    deal_fields = (FieldRule("color", "Цвет"),)


def test_the_guide_names_every_filter() -> None:
    assert FILTERS.keys() == {*language.FILTERS, "default", "length"}


@pytest.mark.parametrize("name", FILTERS)
def test_each_example_of_the_guide_works(name: str) -> None:
    example = FILTERS[name][1]
    text = "{% for line in lines %}" + example + "{% endfor %}" if "line." in example else example
    check_template(docx(text))


def test_each_variable_of_the_guide_works_and_none_is_left_out() -> None:
    found = variables(OneField())  # type: ignore[arg-type]
    assert {each.path for each in found} >= {path for path in titles() if "." in path and path != "deal.fields"}
    assert [each.title for each in found if each.path == "deal.fields.color"] == ["Сделка: Цвет"]
    plain = " ".join(each.write for each in found if not each.path.startswith("lines[]"))
    rows = " ".join(each.write for each in found if each.path.startswith("lines[]"))
    check_template(docx(plain, "{% for line in lines %}" + rows + "{% endfor %}"))
