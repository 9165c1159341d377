"""Lines as people type them: what a product gives, what it may not give any more, and what is said about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM
from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.line_reading import DiscountText, LineText, read_lines
from crm_core.lines import Line, totals
from crm_core.money import Money
from crm_core.products import Product, archive_product, create_product
from firstline.schema import SCHEMA
from firstline.settings import load_settings
from storage import IdSource, Store, open_store
from workhours import ManualClock

COMPANY: Company = load_settings(None, {}).company


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, 8, tzinfo=UTC))


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:lines.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


async def product(store: Store, **values: Any) -> Product:
    prices = {"retail": Money(Decimal(122)), "wholesale": Money(Decimal(61))}
    return await store.write(create_product, SYSTEM, COMPANY, {"name": "Станок", "prices": prices} | values)


async def read(store: Store, *given: LineText, was: tuple[Line, ...] = (), kind: str | None = None) -> tuple[Line, ...]:
    return await store.read(read_lines, SYSTEM, COMPANY, given, kind, was)


async def wrong(store: Store, *given: LineText) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        await read(store, *given)
    return refused.value.fields


async def test_a_line_of_a_product_takes_its_price_and_todays_vat(store: Store, clock: ManualClock) -> None:
    saw = await product(store)
    half = DiscountText(kind="percent", value="50")
    (line,) = await read(store, LineText(product_id=saw.id, quantity="2", discount=half))
    assert (line.name, line.vat, line.vat_percent, totals([line]).vat) == ("Станок", "vat22", 22, Decimal("22.00"))
    assert totals(await read(store, LineText(product_id=saw.id), kind="wholesale")).total == 61
    clock.set(datetime(2025, 12, 31, 20, 59, tzinfo=UTC))
    assert (await read(store, LineText(product_id=saw.id)))[0].vat == "vat20"
    clock.set(datetime(2025, 12, 31, 21, 0, tzinfo=UTC))
    assert (await read(store, LineText(product_id=saw.id)))[0].vat == "vat22"


async def test_what_a_product_cannot_give_is_named(store: Store) -> None:
    bare = await product(store, name="Без цены", prices={})
    told = await wrong(store, LineText(product_id=bare.id))
    assert told == {"lines[0].price": "У товара «Без цены» нет цены «Розничная»: укажите цену"}


async def test_a_product_of_the_archive_stays_only_in_the_lines_that_have_it(store: Store) -> None:
    saw = await product(store)
    was = await read(store, LineText(product_id=saw.id))
    await store.write(archive_product, SYSTEM, saw.id)
    assert "в архиве" in (await wrong(store, LineText(product_id=saw.id)))["lines[0].product_id"]
    (kept,) = await read(store, LineText(id=was[0].id, product_id=saw.id, quantity="3"), was=was)
    assert kept.quantity == 3


async def test_a_rate_that_does_not_hold_any_more_is_explained_and_may_stay_where_it_was(
    store: Store, clock: ManualClock
) -> None:
    clock.set(datetime(2025, 12, 1, tzinfo=UTC))
    saw = await product(store, vat="vat20")
    was = await read(store, LineText(product_id=saw.id))
    clock.set(datetime(2026, 2, 1, tzinfo=UTC))
    told = (await wrong(store, LineText(product_id=saw.id)))["lines[0].vat"]
    assert told.startswith("Товар «Станок»: Ставка")
    assert told.endswith("Выберите ставку строки")
    (kept,) = await read(store, LineText(id=was[0].id, product_id=saw.id, quantity="3"), was=was)
    assert (kept.vat, kept.vat_percent) == ("vat20", 20)


async def test_new_lines_get_ids_that_no_kept_line_bears(store: Store) -> None:
    first, second = await read(store, LineText(id="2", name="Станок", price="5"), LineText(name="Пила", price="7"))
    assert (first.id, second.id) == ("2", "1")


async def test_a_discount_in_another_currency_than_the_price_is_refused(store: Store) -> None:
    euros = DiscountText(kind="sum", value="5 €")
    told = await wrong(store, LineText(name="Станок", price="100", discount=euros))
    assert told == {"lines[0].discount": "Скидка нужна в валюте цены: RUB"}
