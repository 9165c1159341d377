"""Lines add up exactly: to the kopeck, in any order, with VAT inside or on top."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.errors import Invalid
from crm_core.lines import MAX_LINES, Discount, Line, checked_line, checked_lines, line_sum, totals
from crm_core.money import MAX_AMOUNT
from crm_core.trade import Trade
from firstline.settings import load_settings

TRADE: Trade = load_settings(None, {}).company.trade
DAY = date(2026, 11, 23)
KOPECK = Decimal("0.01")
RATES = {rate.key: rate.percent for rate in TRADE.vat.rates}


def line(**given: Any) -> Line:
    values = {"id": "1", "name": "Станок", "price": Decimal(100)} | given
    return Line(**{key: Decimal(value) if key in ("price", "quantity") else value for key, value in values.items()})


def counted(**given: Any) -> tuple[str, ...]:
    found = line_sum(checked_line(TRADE, line(**given), DAY))
    return tuple(str(getattr(found, name)) for name in found.__struct_fields__)


@pytest.mark.parametrize(
    ("given", "sums"),
    [
        ({"price": "122", "vat": "vat22"}, ("122.00", "0.00", "100.00", "22.00", "122.00")),
        ({"price": "100", "vat": "vat22", "vat_included": False}, ("100.00", "0.00", "100.00", "22.00", "122.00")),
        ({"price": "100", "vat": "vat22"}, ("100.00", "0.00", "81.97", "18.03", "100.00")),
        ({"price": "100"}, ("100.00", "0.00", "100.00", "0.00", "100.00")),
        ({"price": "100", "vat": "vat0"}, ("100.00", "0.00", "100.00", "0.00", "100.00")),
        ({"price": "105", "vat": "vat5"}, ("105.00", "0.00", "100.00", "5.00", "105.00")),
        ({"price": "0.05", "vat": "vat10", "vat_included": False}, ("0.05", "0.00", "0.05", "0.01", "0.06")),
        (
            {"price": "33.33", "quantity": "3.333", "vat": "vat22", "vat_included": False},
            ("111.09", "0.00", "111.09", "24.44", "135.53"),
        ),
        (
            {"price": "1000", "quantity": "2", "vat": "vat22", "discount": Discount("percent", Decimal("12.5"))},
            ("2000.00", "250.00", "1434.43", "315.57", "1750.00"),
        ),
        (
            {"price": "1000", "discount": Discount("sum", Decimal("999.99")), "vat": "vat10"},
            ("1000.00", "999.99", "0.01", "0.00", "0.01"),
        ),
    ],
)
def test_a_line_comes_to(given: dict[str, Any], sums: tuple[str, ...]) -> None:
    assert counted(**given) == sums


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"discount": Discount("percent", Decimal("100.01"))}, "discount", "от 0 до 100"),
        ({"discount": Discount("percent", Decimal(-1))}, "discount", "от 0 до 100"),
        ({"discount": Discount("percent", Decimal("0.001"))}, "discount", "двух знаков"),
        ({"discount": Discount("sum", Decimal("100.01"))}, "discount", "больше суммы строки"),
        ({"discount": Discount("sum", Decimal("NaN"))}, "discount", "Нужна сумма скидки"),
        ({"quantity": "0"}, "quantity", "больше нуля"),
        ({"quantity": "-1"}, "quantity", "больше нуля"),
        ({"quantity": "1.0001"}, "quantity", "трёх знаков"),
        ({"quantity": "Infinity"}, "quantity", "больше нуля"),
        ({"price": "-1"}, "price", "от нуля"),
        ({"price": "0.001"}, "price", "копейках"),
        ({"price": "NaN"}, "price", "от нуля"),
        ({"price": "999999999999.99", "quantity": "2"}, "quantity", "меньше триллиона"),
        ({"vat": "vat21"}, "vat", "есть vat22"),
        ({"vat": "vat20"}, "vat", "на 23.11.2026 не действует"),
        ({"unit": "000"}, "unit", "ОКЕИ"),
        ({"name": " "}, "name", "наименование"),
        ({"currency": "XXX"}, "currency", "RUB"),
    ],
)
def test_what_cannot_be_added_up_is_refused_by_field(given: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as refused:
        checked_line(TRADE, line(**given), DAY)
    assert refused.value.fields.keys() == {field}


def test_the_percent_comes_from_the_rate_and_not_from_whoever_asks() -> None:
    assert checked_line(TRADE, line(vat="vat22", vat_percent=Decimal(1)), DAY).vat_percent == 22


def test_a_rate_that_was_agreed_stays_when_the_law_changes() -> None:
    agreed = checked_line(TRADE, line(vat="vat20"), date(2025, 12, 31))
    later = checked_line(TRADE, line(vat="vat20", quantity="2"), DAY, was=agreed)
    assert (later.vat_percent, later.quantity) == (20, 2)


@pytest.mark.parametrize(
    ("day", "key"), [(date(2025, 12, 31), "vat20"), (date(2026, 1, 1), "vat22"), (date(2018, 1, 1), "vat20")]
)
def test_the_usual_rate_is_that_of_the_day(day: date, key: str) -> None:
    assert TRADE.vat.chosen(None, day).key == key


def test_all_lines_are_checked_together_and_named_by_place() -> None:
    with pytest.raises(Invalid) as refused:
        checked_lines(TRADE, [line(), line(price="-1"), line(id="3", quantity="0", name="")], DAY)
    assert refused.value.fields.keys() == {"lines[1].id", "lines[1].price", "lines[2].quantity", "lines[2].name"}
    with pytest.raises(Invalid, match="Не больше 500"):
        checked_lines(TRADE, [line(id=str(number)) for number in range(MAX_LINES + 1)], DAY)
    with pytest.raises(Invalid, match="Слишком большой итог"):
        checked_lines(TRADE, [line(id=str(number), price=str(MAX_AMOUNT)) for number in range(2)], DAY)


def test_lines_of_two_currencies_have_no_total() -> None:
    with pytest.raises(Invalid, match="разные валюты: RUB, USD"):
        totals([line(), line(id="2", currency="USD")])
    assert totals([]).total == 0


@st.composite
def lines(draw: st.DrawFn) -> Line:
    price = draw(st.decimals(0, 10_000_000, places=2))
    quantity = draw(st.decimals(Decimal("0.001"), 10_000, places=3))
    gross = line_sum(line(price=price, quantity=quantity)).gross
    percent = st.builds(Discount, st.just("percent"), st.decimals(0, 100, places=2))
    amount = st.builds(Discount, st.just("sum"), st.decimals(0, gross, places=2))
    made = line(
        id=draw(st.uuids().map(str)),
        price=price,
        quantity=quantity,
        discount=draw(st.none() | percent | amount),
        vat=draw(st.sampled_from([rate.key for rate in TRADE.vat.on(DAY)])),
        vat_included=draw(st.booleans()),
    )
    return checked_line(TRADE, made, DAY)


@given(lines())
def test_a_line_is_whole_kopecks_and_its_parts_make_it(one: Line) -> None:
    found = line_sum(one)
    for name in found.__struct_fields__:
        value = getattr(found, name)
        assert type(value) is Decimal
        assert value >= 0
        assert value == value.quantize(KOPECK)
    assert found.net + found.vat == found.total
    assert found.gross - found.discount == (found.total if one.vat_included else found.net)
    percent = RATES[one.vat] or Decimal(0)
    exact = found.total * percent / (100 + percent) if one.vat_included else found.net * percent / 100
    assert abs(found.vat - exact) <= Decimal("0.005")
    assert found.vat <= found.total


@given(st.lists(lines(), max_size=12), st.randoms(use_true_random=False))
def test_totals_are_the_sums_of_the_lines_in_any_order(some: list[Line], chance: Any) -> None:
    found = totals(some)
    sums = [line_sum(each) for each in some]
    for name in ("gross", "discount", "net", "vat", "total"):
        assert getattr(found, name) == sum((getattr(each, name) for each in sums), Decimal(0))
    assert found.net + found.vat == found.total
    assert sum((each.vat for each in found.by_rate), Decimal(0)) == found.vat
    assert sum((each.net for each in found.by_rate), Decimal(0)) == found.net
    assert len({each.key for each in found.by_rate}) == len(found.by_rate)
    mixed = list(some)
    chance.shuffle(mixed)
    assert totals(mixed) == found


@given(lines())
def test_a_line_survives_the_store_without_a_float(one: Line) -> None:
    document = msgspec.json.encode(one)
    assert msgspec.json.decode(document, type=Line) == one
    assert not any(isinstance(value, float) for value in msgspec.json.decode(document).values())
