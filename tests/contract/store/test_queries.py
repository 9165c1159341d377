"""Every operator, sort and page against a plain Python reference, on documents that hypothesis makes up."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import (
    AllOf,
    AnyOf,
    Between,
    Collection,
    Entity,
    Filter,
    Gt,
    Gte,
    In,
    Index,
    Lt,
    Lte,
    Ne,
    Prefix,
    QueryError,
    Schema,
    Store,
    Tx,
)
from tests.contract.store.conftest import Engine
from tests.contract.store.models import FIELDS, ITEMS, NOW, Colour, Item, Origin, add_item

TEXTS = st.text(st.sampled_from("aбЯ\0'\"%_\\\ud7ff\ue000\U0010ffff"), max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "number": st.sampled_from([-(2**63), -1, 0, 1, 2, 2**63 - 1]),
    "ratio": st.sampled_from([-1.5, 0.0, 0.1, 1e300]),
    "price": st.sampled_from([Decimal("-0.0001"), Decimal(0), Decimal("10.5"), Decimal("9.99")]),
    "at": st.sampled_from([NOW + timedelta(microseconds=n) for n in (-1, 0, 1)] + [datetime(1969, 1, 1, tzinfo=UTC)]),
    "flag": st.booleans(),
    "order": st.integers(0, 3),
    "colour": st.sampled_from(Colour),
    "origin.channel": TEXTS,
    "tags.city": TEXTS,
}


def value_of(item: Item, field: str) -> Any:
    if field == "origin.channel":
        return item.origin and item.origin.channel
    return item.tags.get("city") if field == "tags.city" else getattr(item, field)


@st.composite
def items(draw: st.DrawFn) -> Item:
    def maybe(field: str) -> Any:
        return draw(st.none() | VALUES[field])

    return Item(
        id="",
        text=maybe("text"),
        number=maybe("number"),
        ratio=maybe("ratio"),
        price=maybe("price"),
        at=maybe("at"),
        flag=draw(VALUES["flag"]),
        order=draw(VALUES["order"]),
        colour=draw(VALUES["colour"]),
        origin=draw(st.none() | st.builds(Origin, st.none() | TEXTS)),
        tags=draw(st.just({}) | st.builds(lambda city: {"city": city}, TEXTS)),
    )


def conditions(field: str) -> st.SearchStrategy[Any]:
    value = VALUES[field]
    simple = [
        st.none(),
        value,
        st.builds(Ne, st.none() | value),
        st.builds(In, st.lists(st.none() | value, max_size=3)),
    ]
    ordered = [st.builds(kind, value) for kind in (Gt, Gte, Lt, Lte)]
    text = [st.builds(Prefix, TEXTS)] if field in ("text", "colour", "origin.channel", "tags.city") else []
    return st.one_of(*simple, *ordered, st.builds(Between, value, value), *text)


PLAIN = st.lists(st.sampled_from(FIELDS), max_size=2, unique=True).flatmap(
    lambda fields: st.fixed_dictionaries({field: conditions(field) for field in fields})
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    PLAIN,
    lambda inner: (
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=5,
)
SORTS = st.builds(operator.add, st.sampled_from(["", "-"]), st.sampled_from([*FIELDS, "id", "version"]))

COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    Gt: operator.gt,
    Gte: operator.ge,
    Lt: operator.lt,
    Lte: operator.le,
}


def holds(value: Any, wanted: Any) -> bool:
    """The reference of one condition."""
    if isinstance(wanted, Ne):
        return bool(value != wanted.value)
    if isinstance(wanted, In):
        return value in wanted.values
    if isinstance(wanted, Between):
        return value is not None and wanted.low <= value < wanted.high
    if isinstance(wanted, Prefix):
        return value is not None and value.startswith(wanted.value)
    compare = COMPARE.get(type(wanted))
    if compare is not None:
        return value is not None and compare(value, wanted.value)
    return bool(value == wanted)


def matches(item: Item, where: Filter) -> bool:
    if isinstance(where, AnyOf):
        return any(matches(item, each) for each in where.filters)
    if isinstance(where, AllOf):
        return all(matches(item, each) for each in where.filters)
    return all(holds(value_of(item, field), wanted) for field, wanted in where.items())


def in_order(found: list[Item], sort: str) -> list[str]:
    field = sort.removeprefix("-")

    def key(item: Item) -> tuple[bool, Any, str]:
        value = value_of(item, field)
        return (value is not None, 0 if value is None else value, item.id)

    return [item.id for item in sorted(found, key=key, reverse=sort.startswith("-"))]


def filled(tx: Tx, made: list[Item]) -> list[Item]:
    """The collection with exactly these documents, of which every other one is written twice."""
    for old in tx.find(ITEMS):
        tx.delete(ITEMS, old)
    numbered = [Item(**{**_fields(item), "id": f"i{place:02}"}) for place, item in enumerate(made)]
    stored = [tx.insert(ITEMS, item) for item in numbered]
    return [tx.replace(ITEMS, item) if place % 2 else item for place, item in enumerate(stored)]


def _fields(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in Item.__struct_fields__}


thorough = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@thorough
@given(made=st.lists(items(), max_size=8), where=FILTERS, sort=SORTS, limit=st.integers(0, 9))
async def test_find_count_and_first_agree_with_the_reference(
    store: Store, made: list[Item], where: Filter, sort: str, limit: int
) -> None:
    def check(tx: Tx) -> None:
        wanted = in_order([item for item in filled(tx, made) if matches(item, where)], sort)
        assert [item.id for item in tx.find(ITEMS, where, sort=sort)] == wanted
        assert [item.id for item in tx.find(ITEMS, where, sort=sort, limit=limit)] == wanted[:limit]
        assert tx.count(ITEMS, where) == len(wanted)
        assert tx.count(ITEMS, where, limit=limit) == min(limit, len(wanted))
        first = tx.first(ITEMS, where, sort=sort)
        assert (first.id if first else None) == (wanted[0] if wanted else None)

    await store.write(check)


@thorough
@given(made=st.lists(items(), max_size=9), where=FILTERS, sort=SORTS, size=st.integers(1, 4))
async def test_pages_put_together_are_the_whole_list(
    store: Store, made: list[Item], where: Filter, sort: str, size: int
) -> None:
    def check(tx: Tx) -> None:
        wanted = in_order([item for item in filled(tx, made) if matches(item, where)], sort)
        seen: list[str] = []
        cursor = None
        while page := tx.find(ITEMS, where, sort=sort, limit=size, after=cursor):
            seen += [item.id for item in page]
            cursor = tx.cursor_after(ITEMS, page[-1], sort)
        assert seen == wanted

    await store.write(check)


async def test_a_prefix_ends_where_it_ends_even_at_the_edges_of_unicode(store: Store) -> None:
    last = "\U0010ffff"
    texts = ["", "a", f"a{last}", f"a{last}b", "b", "\ud7ff", "\ud7ffz", "\ue000", last, last + last]
    await store.write(lambda tx: [add_item(tx, text=text) for text in [*texts, None]])
    for prefix in texts:
        found = await store.read(lambda tx, begin: tx.find(ITEMS, {"text": Prefix(begin)}, sort="text"), prefix)
        assert [item.text for item in found] == sorted(text for text in texts if text.startswith(prefix))


@pytest.mark.parametrize("sort", ["number", "-number", "id", "-id"])
async def test_a_cursor_keeps_its_place_whatever_is_written_meanwhile(store: Store, sort: str) -> None:
    await store.write(lambda tx: [add_item(tx, f"m{n}", number=n * 10 if n else None) for n in range(8)])
    whole = [item.id for item in await store.read(lambda tx: tx.find(ITEMS, sort=sort))]
    first = await store.read(lambda tx: tx.find(ITEMS, sort=sort, limit=4))
    cursor = await store.read(lambda tx: tx.cursor_after(ITEMS, first[-1], sort))

    def disturb(tx: Tx) -> None:
        """New documents at both ends, and the one at the cursor is gone."""
        add_item(tx, "a-front", number=None)
        add_item(tx, "z-back", number=1000)
        tx.delete(ITEMS, tx.require(ITEMS, first[-1].id))

    await store.write(disturb)
    rest = [item.id for item in await store.read(lambda tx: tx.find(ITEMS, sort=sort, after=cursor))]
    assert [id for id in rest if id in whole] == whole[4:]


@pytest.mark.parametrize("cursor", ["", "x", "!!", "жуть", "W10", "WzFd", "WzEsMl0", "W3t9LCJhIl0", "A" * 5000])
async def test_a_foreign_cursor_is_a_query_error(store: Store, cursor: str) -> None:
    with pytest.raises(QueryError):
        await store.read(lambda tx: tx.find(ITEMS, sort="number", after=cursor))


async def test_a_cursor_with_an_endless_number_is_a_query_error(store: Store) -> None:
    with pytest.raises(QueryError):
        await store.read(lambda tx: tx.find(ITEMS, sort="number", after="Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTksImEiXQ"))


@pytest.mark.parametrize(
    ("where", "sort"),
    [({"payload": "x"}, "id"), ({"nothing": 1}, "id"), ({}, "payload"), ({}, "-"), ({'id" OR 1 --': 1}, "id")],
)
async def test_a_field_without_an_index_is_a_query_error(store: Store, where: Filter, sort: str) -> None:
    with pytest.raises(QueryError):
        await store.read(lambda tx: tx.find(ITEMS, where, sort=sort))


@pytest.mark.parametrize(
    "where",
    [
        {"number": "1"},
        {"text": 1},
        {"price": Gt(1.5)},
        {"at": Lt(5)},
        {"at": Lt(datetime(2026, 1, 1))},  # noqa: DTZ001 - naive on purpose
        {"number": In([1, "2"])},
        {"number": Prefix("1")},
        {"number": 2**63},
        {"ratio": float("nan")},
        {"text": "\ud800"},
        {"price": Decimal("0.00001")},
        {"price": Decimal("1e30")},
        {"price": Decimal("NaN")},
        {"id": "\udfff"},
    ],
    ids=repr,
)
async def test_a_value_of_the_wrong_kind_is_a_query_error(store: Store, where: Filter) -> None:
    with pytest.raises(QueryError):
        await store.read(lambda tx: tx.find(ITEMS, where))


async def test_a_whole_number_is_a_price_too(store: Store) -> None:
    await store.write(add_item, "a", price="100")
    assert await store.read(lambda tx: tx.count(ITEMS, {"price": 100})) == 1


async def test_thousands_of_alternatives_are_one_query(store: Store) -> None:
    await store.write(lambda tx: [add_item(tx, f"m{n}", number=n, text=f"«{n}»\0") for n in range(50)])
    many = range(40, 40_000)

    def ask(tx: Tx) -> list[int]:
        return [
            tx.count(ITEMS, {"number": In(many)}),
            tx.count(ITEMS, {"text": In([None, *(f"«{n}»\0" for n in many)])}),
            tx.count(ITEMS, AnyOf(tuple({"number": n} for n in many[:5000]))),
            tx.count(ITEMS, AllOf(tuple({"number": Ne(n)} for n in many[:5000]))),
        ]

    assert await store.read(ask) == [10, 10, 10, 40]


async def test_a_negative_limit_is_a_query_error(store: Store) -> None:
    for ask in (lambda tx: tx.find(ITEMS, limit=-1), lambda tx: tx.count(ITEMS, limit=-1)):
        with pytest.raises(QueryError):
            await store.read(ask)


async def test_an_index_on_a_field_that_does_not_exist_is_refused_at_once(engine: Engine) -> None:
    class Note(Entity, frozen=True, kw_only=True):
        text: str = ""

    with pytest.raises(QueryError, match="txet"):
        engine.open(Schema([Collection("notes", Note, indexes=[Index("txet")])]))
