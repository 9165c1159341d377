"""Who is it: found by any identity, made new, never merged silently."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.contract import Messenger, Sender
from crm_core.people import DUPLICATES, IDENTITIES, PEOPLE, Person, by_email, by_phone
from firstline.schema import SCHEMA
from router.identify import identify
from storage import IdSource, Store, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
PHONE, EMAIL = "+79161234567", "ivan@client.example"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:people.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


async def known(store: Store, **sender: object) -> Person:
    person, _, _ = await store.write(identify, Sender(**sender), "inb")  # type: ignore[arg-type]
    assert person is not None
    return person


async def test_somebody_with_nothing_to_recognise_him_by_is_nobody(store: Store) -> None:
    person, steps, is_new = await store.write(identify, Sender(name="Иван", phones=("скрыт",)), "inb")
    assert (person, is_new) == (None, True)
    assert steps
    assert await store.read(lambda tx: tx.count(PEOPLE)) == 0


async def test_each_identity_finds_the_person_again(store: Store) -> None:
    account = Messenger(network="telegram", id="7")
    person = await known(store, phones=("8 916 123-45-67",), emails=("Ivan@client.example",), messengers=(account,))
    assert (await known(store, phones=(PHONE,))).id == person.id
    assert (await known(store, emails=(EMAIL,))).id == person.id
    assert (await known(store, messengers=(account,))).id == person.id
    assert (
        await store.read(lambda tx: [by_phone(tx, PHONE), by_email(tx, " IVAN@client.example ")])
        == [await store.read(lambda tx: tx.require(PEOPLE, person.id))] * 2
    )


async def test_what_is_new_is_learned_and_what_is_known_is_not_overwritten(store: Store) -> None:
    person = await known(store, name="Иван", phones=(PHONE,))
    richer = await known(store, name="Пётр", company="Насосы", phones=(PHONE, "+79037654321"), emails=(EMAIL,))
    assert (richer.id, richer.name, richer.company) == (person.id, "Иван", "Насосы")
    assert (richer.phones, richer.emails) == ((PHONE, "+79037654321"), (EMAIL,))
    same = await known(store, phones=(PHONE,), emails=(EMAIL,))
    assert (same.phones, same.emails) == (richer.phones, richer.emails)


async def test_two_people_in_one_contact_are_filed_once_and_the_more_recent_one_has_it(
    store: Store, clock: ManualClock
) -> None:
    await known(store, phones=(PHONE,))
    clock.advance(timedelta(minutes=1))
    recent = await known(store, emails=(EMAIL,))
    clock.advance(timedelta(minutes=1))
    for _ in range(2):
        assert (await known(store, phones=(PHONE,), emails=(EMAIL,))).id == recent.id
    assert await store.read(lambda tx: tx.count(DUPLICATES)) == 1
    assert await store.read(lambda tx: tx.count(PEOPLE)) == 2, "nothing is merged"


async def test_three_people_in_one_contact_are_two_pairs_and_the_new_identity_goes_to_the_chosen(
    store: Store, clock: ManualClock
) -> None:
    for sender in ({"phones": (PHONE,)}, {"emails": (EMAIL,)}, {"phones": ("+79037654321",)}):
        last = await known(store, **sender)
        clock.advance(timedelta(minutes=1))
    chosen = await known(store, phones=(PHONE, "+79037654321"), emails=(EMAIL, "new@client.example"))
    assert chosen.id == last.id
    assert await store.read(lambda tx: tx.count(DUPLICATES)) == 2
    owner = await store.read(lambda tx: tx.require(IDENTITIES, "email:new@client.example"))
    assert owner.person_id == last.id


async def test_the_same_number_with_an_extension_is_another_desk(store: Store) -> None:
    first = await known(store, phones=("8 495 123-45-67 доб. 12",))
    assert (await known(store, phones=("8 495 123-45-67 доб. 13",))).id != first.id
