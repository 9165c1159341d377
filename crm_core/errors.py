"""Why the core refuses a command. The texts are for people, in Russian; `fields` name what to mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class CoreError(Exception):
    """Base of every refusal of this room."""


class Forbidden(CoreError):
    """The actor's roles do not allow this."""


class Missing(CoreError):
    """There is no such record, or the actor may not know of it."""


class Invalid(CoreError):
    """Wrong input, by field."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in fields.items()))
        self.fields = dict(fields)


class Conflict(CoreError):
    """The record is not in the state that the command needs (already taken, closed, changed by somebody else)."""


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a gate demands and that is not there yet."""

    kind: str
    key: str
    title: str
    """For people: what to do."""
    stage: str | None = None
    """The stage that demands it."""


class Incomplete(CoreError):
    """Something must be there before this may happen; `missing` lists what."""

    def __init__(self, what: str, missing: Sequence[Lack]) -> None:
        super().__init__(f"{what}: {'; '.join(lack.title for lack in missing)}")
        self.missing = tuple(missing)
