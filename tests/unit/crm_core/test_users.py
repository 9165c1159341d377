"""Who may change which employee."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm_core.actor import SYSTEM, Actor
from crm_core.errors import Forbidden
from crm_core.rights import Rights
from crm_core.users import Presence, User, add_absence, create_user, end_absence, set_presence, update_user
from firstline.schema import SCHEMA
from storage import IdSource, Store, open_store

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
RIGHTS = Rights.parse({"head": {"user": {"manage": "department"}}, "seller": {"user": {"read": "all"}}})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store("sqlite:users.db", tmp_path, SCHEMA, clock=lambda: NOW, ids=IdSource())
    yield store
    await store.close()


async def hire(store: Store, name: str) -> User:
    email = f"{name}@firstline.example"
    return await store.write(create_user, SYSTEM, email=email, name=name, roles=("seller",))


def head(*people: User) -> Actor:
    return Actor(
        id="head", name="H", roles=frozenset({"head"}), rights=RIGHTS, department=frozenset(user.id for user in people)
    )


async def test_a_head_manages_the_own_department_and_no_other(store: Store) -> None:
    own, other = await hire(store, "own"), await hire(store, "other")
    actor = head(own)
    assert (await store.write(update_user, actor, own.id, {"weight": 2})).weight == 2
    await store.write(set_presence, actor, own.id, Presence.BREAK)
    mine = await store.write(add_absence, actor, own.id, "отпуск", NOW, NOW + timedelta(days=1))
    await store.write(end_absence, actor, mine.id)
    theirs = await store.write(add_absence, SYSTEM, other.id, "отпуск", NOW, NOW + timedelta(days=1))
    for command, arguments in (
        (update_user, (other.id, {"weight": 2})),
        (set_presence, (other.id, Presence.BREAK)),
        (add_absence, (other.id, "отпуск", NOW, NOW + timedelta(days=1))),
        (end_absence, (theirs.id,)),
    ):
        with pytest.raises(Forbidden):
            await store.write(command, actor, *arguments)  # type: ignore[operator]


async def test_everybody_changes_what_is_the_own_and_nothing_more(store: Store) -> None:
    anna = await hire(store, "anna")
    actor = Actor(id=anna.id, name="anna", roles=frozenset({"seller"}), rights=RIGHTS)
    assert (await store.write(update_user, actor, anna.id, {"theme": "dark"})).theme == "dark"
    for change in ({"roles": ("head",)}, {"active": False}, {"theme": "dark", "weight": 9}):
        with pytest.raises(Forbidden):
            await store.write(update_user, actor, anna.id, change)
