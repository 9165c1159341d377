"""Why the core refuses a command. The texts are for people, in Russian; `fields` name what to mend."""

from __future__ import annotations

from collections.abc import Mapping


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
