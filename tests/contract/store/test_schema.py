"""Declarations change from release to release: columns, keys, documents, versions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from storage import (
    Collection,
    Entity,
    Index,
    Migration,
    QueryError,
    Schema,
    StorageError,
    Store,
    StoreTooNew,
    Sum,
    Unique,
    UniqueViolation,
)
from tests.contract.store.conftest import Engine


class Note(Entity, frozen=True, kw_only=True):
    text: str = ""
    rank: int = 0


class PricedNote(Entity, frozen=True, kw_only=True):
    """The same document in a later release: `rank` became money."""

    text: str = ""
    rank: Decimal = Decimal(0)


PLAIN = Collection("notes", Note)
BY_RANK = Collection("notes", Note, indexes=[Index("rank"), Index("text")])
UNIQUE = Collection("notes", Note, indexes=[Unique("rank"), Index("text")])
FIRST = Schema([PLAIN], version=1)


async def filled(engine: Engine, schema: Schema = FIRST, count: int = 2500) -> Store:
    """More documents than an engine handles at one go."""
    store = engine.open(schema)
    notes = schema.collections[0]
    await store.write(lambda tx: [tx.insert(notes, Note(id=f"n{n:04}", text="t", rank=n)) for n in range(count)])
    return store


async def test_a_new_index_covers_what_was_stored_before(engine: Engine) -> None:
    store = await filled(engine)
    with pytest.raises(QueryError):
        await store.read(lambda tx: tx.find(PLAIN, {"rank": 7}))
    store = await engine.reopen(store, Schema([BY_RANK]))
    assert [note.id for note in await store.read(lambda tx: tx.find(BY_RANK, {"rank": 7}))] == ["n0007"]
    assert await store.read(lambda tx: tx.count(BY_RANK, {"text": "t"})) == 2500


async def test_an_index_dropped_and_declared_again_is_right(engine: Engine) -> None:
    store = await engine.reopen(await filled(engine, Schema([BY_RANK])), FIRST)
    await store.write(lambda tx: tx.update(PLAIN, tx.require(PLAIN, "n0007"), rank=-1))
    store = await engine.reopen(store, Schema([BY_RANK]))
    assert await store.read(lambda tx: tx.count(BY_RANK, {"rank": 7})) == 0
    assert await store.read(lambda tx: tx.count(BY_RANK, {"rank": -1})) == 1


async def test_a_field_that_changes_its_kind_is_searched_by_the_new_one(engine: Engine) -> None:
    store = await filled(engine, Schema([BY_RANK]), count=10)
    priced = Collection("notes", PricedNote, indexes=[Index("rank"), Index("text")])
    store = await engine.reopen(store, Schema([priced]))
    assert await store.read(lambda tx: tx.count(priced, {"rank": Decimal(7)})) == 1
    assert await store.read(lambda tx: tx.aggregate(priced, by=[], measures=[Sum("rank")])) == [(Decimal(45),)]


async def test_a_new_unique_key_that_old_data_break_is_said_and_changes_nothing(engine: Engine) -> None:
    store = await filled(engine, count=10)
    await store.write(lambda tx: tx.insert(PLAIN, Note(id="twin", rank=7)))
    with pytest.raises(UniqueViolation):
        await engine.reopen(store, Schema([UNIQUE]))
    store = engine.open()
    assert await store.read(lambda tx: tx.count(PLAIN)) == 11


def climb(document: dict[str, Any]) -> dict[str, Any]:
    """A change that would break a unique key half-way: each rank takes the place of the next."""
    return {**document, "rank": document.get("rank", 0) + 1, "text": document.get("text", "") + "+"}


async def test_migrations_run_in_order_once_and_the_indexes_follow(engine: Engine) -> None:
    store = await filled(engine, Schema([UNIQUE]))
    later = Schema([UNIQUE], version=3, migrations=[Migration(3, "notes", climb), Migration(2, "notes", climb)])
    store = await engine.reopen(store, later)
    store = await engine.reopen(store, later)
    assert await store.read(lambda tx: tx.require(UNIQUE, "n0007").rank) == 9
    assert [note.id for note in await store.read(lambda tx: tx.find(UNIQUE, {"rank": 9}))] == ["n0007"]
    assert await store.read(lambda tx: tx.count(UNIQUE, {"text": "t++"})) == 2500


async def test_a_migration_that_fails_changes_nothing(engine: Engine) -> None:
    def fails(document: dict[str, Any]) -> dict[str, Any]:
        if document["id"] == "n0009":
            raise LookupError
        return climb(document)

    store = await filled(engine, count=10)
    with pytest.raises(LookupError):
        await engine.reopen(store, Schema([PLAIN], version=2, migrations=[Migration(2, "notes", fails)]))
    store = engine.open(FIRST)
    assert await store.read(lambda tx: tx.require(PLAIN, "n0001").rank) == 1


async def test_a_document_that_no_longer_fits_is_said_at_the_start(engine: Engine) -> None:
    store = await filled(engine, count=1)

    class Strict(Entity, frozen=True, kw_only=True):
        text: int

    with pytest.raises(StorageError, match="notes"):
        await engine.reopen(store, Schema([Collection("notes", Strict, indexes=[Index("text")])]))


async def test_a_new_store_runs_no_migrations(engine: Engine) -> None:
    store = await filled(engine, Schema([PLAIN], version=2, migrations=[Migration(2, "notes", climb)]), count=1)
    store = await engine.reopen(store, Schema([PLAIN], version=2, migrations=[Migration(2, "notes", climb)]))
    assert (await store.read(lambda tx: tx.require(PLAIN, "n0000"))).rank == 0


async def test_an_older_program_opens_what_it_can_read_and_refuses_what_it_cannot(engine: Engine) -> None:
    newer = Schema([PLAIN], version=5, oldest_compatible=3)
    store = await engine.reopen(await filled(engine, count=1), newer)
    store = await engine.reopen(store, replace(newer, version=3, oldest_compatible=1))
    store = await engine.reopen(store, newer)
    with pytest.raises(StoreTooNew, match="5"):
        await engine.reopen(store, Schema([PLAIN], version=2))
    await engine.open(newer).write(lambda tx: tx.insert(PLAIN, Note(id="still works")))
