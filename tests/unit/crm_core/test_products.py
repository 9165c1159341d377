"""The catalogue: a tree of categories, products with a SKU of their own, prices that remember when they held."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_core.actor import SYSTEM, Actor
from crm_core.audit import AUDIT
from crm_core.categories import (
    MAX_DEPTH,
    archive_category,
    create_category,
    edit_category,
    list_categories,
    path_to,
    restore_category,
    upsert_category,
)
from crm_core.company import Company
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.money import Money
from crm_core.prices import price_at, price_history
from crm_core.products import (
    Product,
    archive_product,
    by_sku,
    create_product,
    edit_product,
    get_product,
    list_products,
    restore_product,
    upsert_product,
)
from firstline.schema import SCHEMA
from firstline.settings import load_settings
from storage import IdSource, Store, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
COMPANY: Company = load_settings(None, {}).company
HEAD = Actor(id="head", name="Григорий", roles=frozenset({"head_equipment"}), rights=COMPANY.rights)
SELLER = Actor(id="seller", name="Анна", roles=frozenset({"first_line"}), rights=COMPANY.rights)
NOBODY = Actor(id="ops", name="Ольга", roles=frozenset({"ops"}), rights=COMPANY.rights)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:products.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


def rubles(amount: str) -> Money:
    return Money(Decimal(amount))


async def add(store: Store, **values: Any) -> Product:
    return await store.write(create_product, HEAD, COMPANY, {"name": "Станок"} | values)


async def names(store: Store, **asked: Any) -> list[str]:
    return [each.name for each in (await store.read(list_products, SELLER, **asked)).items]


async def test_a_product_is_found_by_the_beginning_of_its_sku_or_name_in_any_case(store: Store) -> None:
    await add(store, name="Станок токарный", sku="СТ-400")
    await add(store, name="Пресс", sku="ПГ-100")
    await add(store, name="Стружка")
    assert await names(store) == ["Пресс", "Станок токарный", "Стружка"]
    assert await names(store, text="ст") == ["Станок токарный", "Стружка"]
    assert await names(store, text=" ПГ-1") == ["Пресс"]
    assert await names(store, text="токарный") == []
    found = await store.read(by_sku, "пг-100")
    assert found is not None
    assert found.name == "Пресс"


async def walked(store: Store, **asked: Any) -> list[str]:
    """A whole list, read two by two."""
    found: list[str] = []
    after: str | None = None
    for _ in range(20):
        page = await store.read(list_products, SELLER, limit=2, after=after, **asked)
        found += [each.name for each in page.items]
        after = page.next
        if after is None:
            return found
    raise AssertionError("the list never ends")


async def test_a_list_goes_on_where_it_stopped(store: Store) -> None:
    for number in range(5):
        await add(store, name=f"Товар {number}")
    assert await walked(store) == [f"Товар {number}" for number in range(5)]
    assert await walked(store, sort="-name_key") == [f"Товар {number}" for number in range(4, -1, -1)]


@pytest.mark.parametrize("by_sku", range(6))
async def test_a_search_shows_each_product_once_skus_first(
    store: Store, monkeypatch: pytest.MonkeyPatch, by_sku: int
) -> None:
    monkeypatch.setattr("crm_core.products.SEARCHED_AT_ONCE", 2)
    for number in range(6):
        await add(store, name=f"СТ товар {number}", sku=f"СТ-{9 - number}" if number < by_sku else None)
    await add(store, name="Другой", sku="ДР-1")
    expected = [*range(by_sku - 1, -1, -1), *range(by_sku, 6)]
    assert await walked(store, text="ст") == [f"СТ товар {number}" for number in expected]


async def test_the_place_of_another_list_is_refused(store: Store) -> None:
    with pytest.raises(Invalid, match="начните с начала"):
        await store.read(list_products, SELLER, text="ст", after="elsewhere")


async def test_a_sku_belongs_to_one_live_product(store: Store) -> None:
    first = await add(store, sku="A-1")
    with pytest.raises(Invalid, match="«a-1» уже занят у товара «Станок»"):
        await add(store, name="Другой", sku="a-1")
    await store.write(archive_product, HEAD, first.id)
    second = await add(store, name="Другой", sku="a-1")
    with pytest.raises(Conflict, match="уже занят у товара «Другой»"):
        await store.write(restore_product, HEAD, first.id)
    await store.write(edit_product, HEAD, COMPANY, second.id, {"sku": ""})
    assert (await store.write(restore_product, HEAD, first.id)).active
    assert [each.sku for each in (await store.read(list_products, SELLER)).items] == [None, "A-1"]


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"name": " "}, {"name"}),
        ({"name": "x" * 301, "sku": "y" * 101}, {"name", "sku"}),
        ({"category_id": "nowhere"}, {"category_id"}),
        ({"unit": "000", "vat": "vat21"}, {"unit", "vat"}),
        ({"vat": "vat20"}, {"vat"}),
        ({"prices": {"retail": rubles("-1"), "secret": rubles("1")}}, {"prices.retail", "prices.secret"}),
        ({"prices": {"retail": Money(Decimal("0.001"))}}, {"prices.retail"}),
        ({"fields": {"": "x", "long": "y" * 2001}}, {"fields.", "fields.long"}),
        ({"active": False, "id": "mine"}, {"active", "id"}),
    ],
)
async def test_each_wrong_field_is_named(store: Store, values: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        await add(store, **values)
    assert refused.value.fields.keys() == fields


async def test_the_price_of_any_moment_can_be_told(store: Store, clock: ManualClock) -> None:
    product = await add(store, prices={"retail": rubles("100")})
    clock.advance(timedelta(days=1))
    await store.write(
        edit_product, HEAD, COMPANY, product.id, {"prices": {"retail": rubles("120"), "wholesale": rubles("90")}}
    )
    clock.advance(timedelta(days=1))
    changed = await store.write(edit_product, HEAD, COMPANY, product.id, {"prices": {"retail": None}})
    assert changed.prices == {"wholesale": rubles("90")}
    held = [
        await store.read(price_at, SELLER, product.id, "retail", NOW + timedelta(hours=hours))
        for hours in (-1, 0, 23, 24, 47, 48)
    ]
    assert held == [None, rubles("100"), rubles("100"), rubles("120"), rubles("120"), None]
    rows = await store.read(price_history, SELLER, product.id, "retail")
    assert [(each.amount, each.author) for each in rows] == [(None, "Григорий"), (120, "Григорий"), (100, "Григорий")]
    assert len(await store.read(price_history, SELLER, product.id)) == 4


async def test_the_same_price_again_leaves_no_trace(store: Store, clock: ManualClock) -> None:
    product = await add(store, prices={"retail": rubles("100")})
    clock.advance(timedelta(days=1))
    again = await store.write(edit_product, HEAD, COMPANY, product.id, {"prices": {"retail": rubles("100.00")}})
    assert again.version == product.version
    assert len(await store.read(price_history, SELLER, product.id)) == 1


async def test_two_changes_of_one_moment_leave_the_last(store: Store) -> None:
    product = await add(store, prices={"retail": rubles("100")})
    await store.write(edit_product, HEAD, COMPANY, product.id, {"prices": {"retail": rubles("110")}})
    assert await store.read(price_at, SELLER, product.id, "retail", NOW) == rubles("110")
    assert len(await store.read(price_history, SELLER, product.id)) == 1


async def test_whoever_saw_an_older_version_is_refused(store: Store) -> None:
    product = await add(store)
    await store.write(edit_product, HEAD, COMPANY, product.id, {"fields": {"Мощность": "7 кВт"}}, 1)
    with pytest.raises(Conflict, match="уже изменён"):
        await store.write(edit_product, HEAD, COMPANY, product.id, {"name": "Пресс"}, 1)
    cleared = await store.write(edit_product, HEAD, COMPANY, product.id, {"fields": {"Мощность": None}}, 2)
    assert cleared.fields == {}


async def test_readers_read_and_only_those_who_may_change_do(store: Store) -> None:
    product = await add(store)
    assert (await store.read(get_product, SELLER, product.id)).name == "Станок"
    commands: tuple[tuple[Any, tuple[Any, ...]], ...] = (
        (create_product, (COMPANY, {"name": "x"})),
        (edit_product, (COMPANY, product.id, {"name": "x"})),
        (archive_product, (product.id,)),
        (upsert_product, (COMPANY, "1c", "guid", {"name": "x"})),
        (create_category, ("x",)),
        (upsert_category, ("1c", "guid")),
    )
    for command, arguments in commands:
        more = {"name": "x"} if command is upsert_category else {}
        with pytest.raises(Forbidden, match="с товарами"):
            await store.write(command, SELLER, *arguments, **more)
    for query, arguments in ((get_product, (product.id,)), (list_products, ()), (price_history, (product.id,))):
        with pytest.raises(Forbidden):
            await store.read(query, NOBODY, *arguments)  # type: ignore[operator]
    with pytest.raises(Missing):
        await store.read(get_product, SELLER, "nobody")


async def test_every_change_is_in_the_audit_trail(store: Store) -> None:
    product = await add(store, prices={"retail": rubles("5")})
    await store.write(edit_product, HEAD, COMPANY, product.id, {"name": "Пресс"})
    await store.write(archive_product, HEAD, product.id)
    trail = await store.read(lambda tx: tx.find(AUDIT, {"entity_id": product.id}, sort="at"))
    assert [(each.action, each.changes.get("name")) for each in trail] == [
        ("created", (None, "Станок")), ("updated", ("Станок", "Пресс")), ("archived", None),
    ]  # fmt: skip


async def test_another_systems_product_is_made_once_and_kept_up_to_date(store: Store) -> None:
    await store.write(upsert_category, SYSTEM, "1c", "cat-1", name="Станки")
    values = {"name": "Станок", "sku": "СТ", "category_external_id": "cat-1", "prices": {"retail": rubles("7")}}
    made = await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-1", values)
    again = await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-1", values)
    assert (again.id, again.version) == (made.id, made.version)
    assert made.external_ids == {"1c": "guid-1"}
    renamed = await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-1", values | {"name": "Станок 2"})
    assert (renamed.id, renamed.name) == (made.id, "Станок 2")
    gone = await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-1", values | {"active": False})
    assert not gone.active
    assert (await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-1", values)).active
    with pytest.raises(Invalid, match="передайте её раньше"):
        await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-2", {"name": "x", "category_external_id": "no"})
    with pytest.raises(Invalid) as refused:
        await store.write(upsert_product, SYSTEM, COMPANY, "1С", "", {"name": "x"})
    assert refused.value.fields.keys() == {"origin", "external_id"}


async def test_a_product_that_was_typed_in_first_is_recognised_by_its_sku(store: Store) -> None:
    typed = await add(store, sku="СТ-1")
    taken = await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-1", {"name": "Станок из 1С", "sku": "ст-1"})
    assert (taken.id, taken.external_ids) == (typed.id, {"1c": "guid-1"})
    other = await store.write(upsert_product, SYSTEM, COMPANY, "price-list", "row 7", {"name": "Станок", "sku": "СТ-1"})
    assert (other.id, other.external_ids) == (typed.id, {"1c": "guid-1", "price-list": "row 7"})
    with pytest.raises(Invalid, match="уже занят"):
        await store.write(upsert_product, SYSTEM, COMPANY, "1c", "guid-2", {"name": "Другой", "sku": "СТ-1"})


async def test_a_category_shows_what_lies_below_it(store: Store) -> None:
    large = await store.write(create_category, HEAD, "Крупное")
    lathes = await store.write(create_category, HEAD, "Токарные", large.id)
    small = await store.write(create_category, HEAD, "Мелкое")
    await add(store, name="Станок", category_id=lathes.id)
    await add(store, name="Тиски", category_id=small.id)
    assert await names(store, category_id=large.id) == ["Станок"]
    assert await names(store, category_id=small.id, text="т") == ["Тиски"]
    assert [each.name for each in await store.read(path_to, lathes.id)] == ["Крупное", "Токарные"]


async def test_categories_are_a_tree_without_circles_and_not_too_deep(store: Store) -> None:
    chain = [await store.write(create_category, HEAD, "1")]
    for number in range(2, MAX_DEPTH + 1):
        chain.append(await store.write(create_category, HEAD, str(number), chain[-1].id))
    with pytest.raises(Invalid, match="больше 10 уровней"):
        await store.write(create_category, HEAD, "11", chain[-1].id)
    for below in (chain[0], chain[1], chain[-1]):
        with pytest.raises(Invalid, match="в самой себе"):
            await store.write(edit_category, HEAD, chain[0].id, {"parent_id": below.id})
    top = await store.write(create_category, HEAD, "Над всеми")
    with pytest.raises(Invalid, match="больше 10 уровней"):
        await store.write(edit_category, HEAD, chain[0].id, {"parent_id": top.id})
    moved = await store.write(edit_category, HEAD, chain[1].id, {"parent_id": top.id})
    assert moved.parent_id == top.id
    with pytest.raises(Invalid, match="Такой категории нет"):
        await store.write(create_category, HEAD, "x", "nowhere")


async def test_a_category_goes_to_the_archive_from_below_and_comes_back_from_above(store: Store) -> None:
    above = await store.write(create_category, HEAD, "Крупное")
    below = await store.write(create_category, HEAD, "Токарные", above.id)
    with pytest.raises(Conflict, match="есть другие категории"):
        await store.write(archive_category, HEAD, above.id)
    await store.write(archive_category, HEAD, below.id)
    await store.write(archive_category, HEAD, above.id)
    assert await store.read(list_categories, SELLER, {"active": True}) == []
    with pytest.raises(Conflict, match="сначала верните её"):
        await store.write(restore_category, HEAD, below.id)
    with pytest.raises(Invalid, match="в архиве"):
        await store.write(create_category, HEAD, "Новая", above.id)
    await store.write(restore_category, HEAD, above.id)
    assert (await store.write(restore_category, HEAD, below.id)).active


async def test_another_systems_categories_follow_it(store: Store) -> None:
    with pytest.raises(Invalid, match="передайте её раньше"):
        await store.write(upsert_category, SYSTEM, "1c", "2", name="Токарные", parent_external_id="1")
    parent = await store.write(upsert_category, SYSTEM, "1c", "1", name="Крупное")
    child = await store.write(upsert_category, SYSTEM, "1c", "2", name="Токарные", parent_external_id="1")
    assert child.parent_id == parent.id
    same = await store.write(upsert_category, SYSTEM, "1c", "2", name="Токарные станки", parent_external_id="1")
    assert (same.id, same.name) == (child.id, "Токарные станки")
