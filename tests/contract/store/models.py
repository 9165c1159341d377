"""Entities and small builders of the store's contract tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec.structs import force_setattr

from storage import Collection, Entity, Index, Schema, Tx, Unique

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Origin(msgspec.Struct, frozen=True):
    channel: str | None = None


class Item(Entity, frozen=True, kw_only=True):
    text: str | None = None
    number: int | None = None
    ratio: float | None = None
    price: Decimal | None = None
    at: datetime | None = None
    flag: bool = False
    order: int = 0
    """Never absent."""
    colour: Colour = Colour.RED
    origin: Origin | None = None
    tags: dict[str, str] = {}
    payload: str = ""


class Seat(Entity, frozen=True, kw_only=True):
    """Something with unique keys."""

    name: str | None = None
    person: str | None = None
    room: str | None = None
    open: bool = True


class Label(Entity, frozen=True, kw_only=True):
    """Something that derives one field from another."""

    text: str
    key: str | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "key", self.text.casefold())


LABELS = Collection("labels", Label, indexes=[Unique("key")])
FIELDS = ("text", "number", "ratio", "price", "at", "flag", "order", "colour", "origin.channel", "tags.city")
SPARSE = ("number", "origin.channel")
ITEMS = Collection(
    "items", Item, indexes=[*(Index(field, sparse=field in SPARSE) for field in FIELDS), Index("flag", "number")]
)
SEATS = Collection(
    "seats", Seat, indexes=[Unique("name"), Unique("person", "room", where={"open": True}), Index("room")]
)
SCHEMA = Schema([ITEMS, LABELS, SEATS])


def add_item(tx: Tx, /, id: str | None = None, **fields: object) -> Item:
    return tx.insert(ITEMS, msgspec.convert({"id": id or tx.new_id("it_"), **fields}, Item))


def add_items(tx: Tx, /, count: int, size: int = 0) -> list[str]:
    """Several documents with a payload of so many characters each."""
    return [tx.insert(ITEMS, Item(id=tx.new_id("it_"), payload="x" * size)).id for _ in range(count)]
