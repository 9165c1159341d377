"""What a program expects of its store: collections, and the versions that understand each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from storage.collection import Collection


@dataclass(frozen=True, slots=True)
class Schema:
    """What a program expects of a store."""

    collections: Sequence[Collection[Any]]
    version: int = 1
    oldest_compatible: int = 1
    """Programs of this version and later can still read what this one writes."""
    migrations: Sequence[Migration] = ()


@dataclass(frozen=True, slots=True)
class Migration:
    """Brings documents of one collection from schema `version - 1` to `version`."""

    version: int
    collection: str
    change: Callable[[dict[str, Any]], dict[str, Any]]
