"""The first start: the demo can be signed in to, a company of its own is told how to begin; later starts change
nothing."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

from crm_core.categories import CATEGORIES
from crm_core.prices import PRODUCT_PRICES
from crm_core.products import PRODUCTS, by_sku
from crm_core.rights import Rights
from crm_core.users import DEPARTMENTS, USERS, User, actor_for, by_email, by_extension
from firstline.bootstrap import prepare
from firstline.opening import opened
from firstline.schema import SCHEMA
from firstline.settings import Settings, load_settings
from storage import Collection, ReadTx
from tests.unit.firstline.builders import loaded
from web.passwords import hash_password, verify_password

ROOMS = ("crm_core", "connectors", "distribution", "router")


async def users_after(settings: Settings, data: Path, starts: int = 1) -> list[User]:
    async with opened(settings, data) as store:
        for _ in range(starts):
            await prepare(store, settings)
        return await store.read(lambda tx: tx.find(USERS, sort="name"))


async def test_the_demo_has_its_employees_and_their_password_fits(tmp_path: Path) -> None:
    settings = load_settings(None, {})
    users = {user.email: user for user in await users_after(settings, tmp_path)}
    assert settings.demo is not None
    assert users.keys() == {person.email for person in settings.demo.users}
    anna = users["anna@demo.local"]
    assert (anna.name, anna.roles, anna.extension, anna.department_id) == (
        "Анна Иванова", ("first_line",), "101", "equipment",
    )  # fmt: skip
    assert await verify_password(anna.password_hash, "demo")
    assert not await verify_password(anna.password_hash, "Demo")


async def test_a_second_start_adds_nobody(tmp_path: Path) -> None:
    settings = load_settings(None, {})
    assert len(await users_after(settings, tmp_path, starts=3)) == 7


async def test_the_head_of_a_department_sees_its_people(tmp_path: Path) -> None:
    settings = load_settings(None, {})

    def seen(tx: ReadTx) -> tuple[set[str], set[str]]:
        head = by_email(tx, "grigory@demo.local")
        sellers = {user.id for number in ("101", "102", "103") if (user := by_extension(tx, number))}
        assert head is not None
        return sellers, set(actor_for(tx, head, Rights({})).department)

    async with opened(settings, tmp_path) as store:
        await prepare(store, settings)
        sellers, department = await store.read(seen)
    assert len(sellers) == 3
    assert sellers < department


async def test_a_company_of_its_own_gets_departments_and_a_hint_but_no_known_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = loaded(tmp_path, "")
    assert await users_after(settings, tmp_path / "data") == []
    assert "firstline user add" in capsys.readouterr().err
    async with opened(settings, tmp_path / "data") as store:
        departments = await store.read(lambda tx: tx.find(DEPARTMENTS))
    assert {each.id for each in departments} == {each.key for each in settings.departments}
    assert all(each.head_id is None for each in departments)


def test_the_schema_holds_every_collection_that_a_room_declares() -> None:
    declared = {id(each): each.name for room in ROOMS for each in collections_of(room)}
    kept = {id(each) for each in SCHEMA.collections}
    assert declared
    assert sorted(name for key, name in declared.items() if key not in kept) == []


def collections_of(room: str) -> list[Collection[object]]:  # type: ignore[type-var]
    package = importlib.import_module(room)
    names = [room, *(info.name for info in pkgutil.walk_packages(package.__path__, f"{room}."))]
    modules = [importlib.import_module(name) for name in names]
    return [value for module in modules for value in vars(module).values() if isinstance(value, Collection)]


async def test_a_password_is_recognised_however_its_letters_are_composed() -> None:
    stored = await hash_password("й" * 5)
    assert await verify_password(stored, "й" * 5)
    assert stored != await hash_password("й" * 5)


@pytest.mark.parametrize("stored", [None, "", "not a hash"])
async def test_without_a_hash_no_password_is_right(stored: str | None) -> None:
    assert not await verify_password(stored, "demo")


async def test_odd_letters_in_a_password_are_no_error() -> None:
    assert not await verify_password(await hash_password("a\ud800\0"), "a")


async def test_the_demo_has_a_catalogue_and_a_company_of_its_own_has_none(tmp_path: Path) -> None:
    def catalogue(tx: ReadTx) -> tuple[int, int, int]:
        return tx.count(PRODUCTS), tx.count(CATEGORIES), tx.count(PRODUCT_PRICES)

    for name, settings, wanted in (
        ("demo", load_settings(None, {}), (12, 8, 24)),
        ("own", loaded(tmp_path, ""), (0, 0, 0)),
    ):
        async with opened(settings, tmp_path / name) as store:
            for _ in range(2):
                await prepare(store, settings)
            assert await store.read(catalogue) == wanted
            lathe = await store.read(by_sku, "st-400")
            assert (lathe.prices["retail"].amount if lathe else None) == (4_850_000 if name == "demo" else None)
