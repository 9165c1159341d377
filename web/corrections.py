"""Corrections of people, which have one thing of their own: a refusal leaves something behind.

Whoever gives somebody a phone that another contact has is refused, and the pair is filed as possible duplicates. The
refusal undoes its transaction, so the filing is a second one; API and pages come here for both.
"""

from __future__ import annotations

from typing import Protocol

from crm_core.actor import Actor
from crm_core.contacts import Taken, file_taken
from crm_core.people import Person
from storage import Store, Tx


class Correction(Protocol):
    """A command of `crm_core/contacts.py` or `router/person.py`, ready but for its transaction."""

    def __call__(self, tx: Tx, actor: Actor, /) -> Person: ...


async def corrected(store: Store, actor: Actor, correction: Correction) -> Person:
    """Run it; raises what it raises."""
    try:
        return await store.write(correction, actor)
    except Taken as taken:
        await store.write(file_taken, actor, taken)
        raise
