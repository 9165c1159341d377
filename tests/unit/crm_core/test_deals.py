"""Deals in the core: exact money, what may stand in a card, worth of customers, activity, stages that are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crm_core.actor import SYSTEM, Actor
from crm_core.companies import COMPANIES, create_company
from crm_core.company import Company
from crm_core.contacts import create_person
from crm_core.dates import DateError, parse_day, parse_moment
from crm_core.deal_approvals import approve, ask, refuse, withdraw
from crm_core.deal_forecast import forecast, forecast_of
from crm_core.deal_notes import add_deal_note
from crm_core.deal_stages import lacks, move_deal, set_stage, undo_closing
from crm_core.deals import DEALS, Deal, NextStep, Party, create_deal, customer_of, edit_deal, get_deal, parties_of
from crm_core.errors import Conflict, Forbidden, Incomplete, Invalid
from crm_core.lines import Line
from crm_core.notifications import NOTIFICATIONS
from crm_core.people import PEOPLE
from crm_core.pipelines import Pipeline
from crm_core.users import User, create_user
from firstline.schema import SCHEMA
from firstline.settings import load_settings
from storage import IdSource, Store, Tx, open_store
from workhours import ManualClock

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
COMPANY: Company = load_settings(None, {}).company
HEAD = Actor(id="head", name="Григорий", roles=frozenset({"head_equipment"}), rights=COMPANY.rights)
BUYER = Actor(id="buyer", name="Павел", roles=frozenset({"procurement"}), rights=COMPANY.rights)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_store("sqlite:deals.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    yield store
    await store.close()


async def a_deal(store: Store, pipeline: str = "service", **values: Any) -> Deal:
    return await store.write(create_deal, SYSTEM, COMPANY, pipeline, {"title": "Станок", **values})


async def edit(store: Store, deal: Deal, actor: Actor = HEAD, **changes: Any) -> Deal:
    return await store.write(edit_deal, actor, COMPANY, deal.id, changes)


async def move(store: Store, deal: Deal, stage: str, actor: Actor = HEAD, **more: Any) -> Deal:
    return await store.write(move_deal, actor, COMPANY, deal.id, stage, **more)


async def a_person(store: Store, name: str = "Иван") -> str:
    return (await store.write(create_person, SYSTEM, {"name": name})).id


def a_line(**values: Any) -> Line:
    given: dict[str, Any] = {"id": "1", "name": "Станок", "price": Decimal(100), "vat": "none", **values}
    return Line(**given)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"amount": "1,250"}, "amount", "тысячи это или доли"), ({"amount": "1.250"}, "amount", "тысячи это или доли"),
        ({"amount": "1e5"}, "amount", "ничего не нужно"), ({"amount": "1_000"}, "amount", "ничего не нужно"),
        ({"amount": "1 000 000 000 000"}, "amount", "меньше триллиона"),
        ({"amount": Decimal("0.001")}, "amount", "больше двух знаков"), ({"amount": Decimal(-1)}, "amount", "от нуля"),
        ({"amount": "5 $", "currency": "EUR"}, "amount", "другая валюта"),
        ({"currency": "XXX"}, "currency", "есть RUB"), ({"probability": 101}, "probability", "от 0 до 100"),
        ({"title": "Т" * 301}, "title", "не длиннее 300"),
        ({"comment": "К" * 100_001}, "comment", "не длиннее"), ({"person_id": "no"}, "person_id", "Такого контакта"),
        ({"lines": (a_line(price=Decimal("0.001")),)}, "lines[0].price", "в рублях и копейках"),
        ({"lines": (a_line(vat="vat99"),)}, "lines[0].vat", "нет; есть"),
        ({"parties": (Party(role="payer", note="П" * 1001),)}, "parties", "не длиннее"),
        ({"next_step": NextStep(text="Ш" * 1001, at=NOW)}, "next_step", "не длиннее"),
        ({"fields": {"delivery_date": "2026-11-22garbage"}}, "fields.delivery_date", "Нужна дата"),
        ({"stage": "won"}, "stage", "другой командой"),
    ],
)  # fmt: skip
async def test_what_cannot_stand_in_a_deal_is_refused_by_field(
    store: Store, changes: dict[str, Any], field: str, words: str
) -> None:
    deal = await a_deal(store)
    for refused in (edit(store, deal, **changes), a_deal(store, **changes)):
        with pytest.raises(Invalid) as error:
            await refused
        assert words in error.value.fields[field]


async def test_an_amount_is_read_as_people_type_it_with_its_currency(store: Store) -> None:
    deal = await a_deal(store, amount="1 250 000,50 ₽")
    assert (deal.amount, deal.currency) == (Decimal("1250000.50"), "RUB")
    deal = await edit(store, deal, amount="99,90 $")
    assert (deal.amount, deal.currency) == (Decimal("99.90"), "USD")
    assert (await edit(store, deal, amount="100")).currency == "USD"
    assert (await edit(store, deal, amount="")).amount is None


async def test_a_title_is_one_line(store: Store) -> None:
    assert (await a_deal(store, title=" Станок\r\n 16К20 ")).title == "Станок 16К20"


async def test_the_amount_of_a_deal_with_products_is_their_total_and_nothing_else(store: Store) -> None:
    deal = await edit(store, await a_deal(store, amount=Decimal(5)), lines=(a_line(),))
    assert deal.amount == 100
    for changes in ({"amount": "500"}, {"currency": "EUR"}, {"amount": None}):
        with pytest.raises(Invalid, match="считается по товарам"):
            await edit(store, deal, **changes)
    assert await edit(store, deal, amount="100,00") == deal
    assert (await edit(store, deal, lines=(), amount="500")).amount == 500


async def test_the_worth_of_a_customer_follows_every_change_of_a_won_deal(store: Store) -> None:
    ivan, anna = await a_person(store), await a_person(store, "Анна")
    firm = (await store.write(create_company, SYSTEM, {"name": "Завод"})).id
    deal = await move(store, await a_deal(store, amount="1000", person_id=ivan), "won")

    async def bought() -> list[tuple[int, Decimal]]:
        people = [await store.read(lambda tx, each=each: tx.require(PEOPLE, each)) for each in (ivan, anna)]
        customer = await store.read(lambda tx: tx.require(COMPANIES, firm))
        return [(each.won_count, each.won_sum) for each in (*people, customer)]

    assert await bought() == [(1, 1000), (0, 0), (0, 0)]
    await edit(store, deal, amount="400")
    assert await bought() == [(1, 400), (0, 0), (0, 0)]
    await edit(store, deal, lines=(a_line(price=Decimal(700)),))
    assert await bought() == [(1, 700), (0, 0), (0, 0)]
    await edit(store, deal, person_id=anna, company_id=firm)
    assert await bought() == [(0, 0), (1, 700), (1, 700)]
    await move(store, deal, "offer")
    assert await bought() == [(0, 0), (0, 0), (0, 0)]


async def test_money_of_another_currency_is_no_roubles(store: Store) -> None:
    ivan = await a_person(store)
    await a_deal(store, amount="100")
    await a_deal(store, amount="50 €")
    await move(store, await a_deal(store, amount="7 €", person_id=ivan), "won")
    columns = {each.stage: each for each in await store.read(forecast, HEAD, COMPANY, "service")}
    sums = [(each.currency, each.amount, each.weighted) for each in columns["new"].sums]
    assert sums == [("RUB", 100, 10), ("EUR", 50, 5)]
    assert (columns["new"].number, columns["won"].roubles.amount) == (2, 0)
    every = await store.read(lambda tx: tx.find(DEALS))
    assert forecast_of(COMPANY, "service", every) == list(columns.values())
    person = await store.read(lambda tx: tx.require(PEOPLE, ivan))
    assert (person.won_count, person.won_sum) == (1, 0)


async def test_what_a_person_does_is_activity_and_what_a_robot_does_is_not(store: Store, clock: ManualClock) -> None:
    deal = await a_deal(store)
    clock.set(NOW + timedelta(days=5))
    assert (await edit(store, deal, SYSTEM, comment="Робот")).last_activity_at == NOW
    assert (await edit(store, deal, comment="Звонил")).last_activity_at == clock.now()
    clock.set(NOW + timedelta(days=6))
    note = await store.write(add_deal_note, HEAD, deal.id, " Ждёт бюджета ")
    assert (note.text, note.deal_id) == ("Ждёт бюджета", deal.id)
    assert (await store.read(get_deal, HEAD, deal.id)).last_activity_at == clock.now()


async def test_a_deal_whose_stage_is_gone_can_be_edited_counted_and_moved_out(store: Store) -> None:
    deal = await a_deal(store, amount="100")
    deal = await store.write(lambda tx: tx.update(DEALS, deal, stage="former"))
    assert (await edit(store, deal, comment="Живая")).comment == "Живая"
    gone = [each for each in await store.read(forecast, HEAD, COMPANY, "service") if each.kind == "gone"]
    assert [(each.stage, each.number, each.roubles.amount) for each in gone] == [("former", 1, 100)]
    assert (await move(store, deal, "offer")).stage == "offer"


async def test_a_deal_whose_pipeline_is_gone_moves_to_another_that_asks_for_its_own(store: Store) -> None:
    deal = await a_deal(store)
    deal = await store.write(lambda tx: tx.update(DEALS, deal, pipeline="former", stage="offer"))
    assert (await edit(store, deal, title="Живая")).title == "Живая"
    with pytest.raises(Invalid, match="Направления «former» нет"):
        await move(store, deal, "offer")
    with pytest.raises(Incomplete, match="Сумма"):
        await move(store, deal, "contract", pipeline="service")
    moved = await move(store, deal, "offer", pipeline="service")
    assert (moved.pipeline, moved.stage) == ("service", "offer")


async def test_a_move_to_another_pipeline_needs_the_right_to_make_deals_there(store: Store) -> None:
    seller = Actor(id="anna", name="Анна", roles=frozenset({"consultant"}), rights=COMPANY.rights)
    deal = await store.write(lambda tx: tx.insert(DEALS, _owned(tx, seller)))
    with pytest.raises(Forbidden):
        await move(store, deal, "new", seller, pipeline="service")


def _owned(tx: Tx, owner: Actor) -> Deal:
    return Deal(
        id="deal_1", number=1, title="Станок", pipeline="equipment", stage="new", stage_since=tx.now, owner_id=owner.id,
        last_activity_at=tx.now, created_at=tx.now, updated_at=tx.now,
    )  # fmt: skip


def test_a_company_without_pipelines_is_told_so() -> None:
    with pytest.raises(Invalid, match="ни одного направления"):
        _ = replace(COMPANY, pipelines={}).default_pipeline


async def test_an_equipment_deal_is_not_won_before_the_rest_is_paid(store: Store) -> None:
    deal = await a_deal(store, "equipment", fields={"prepaid_at": "01.11.2026"})
    assert deal.fields == {"prepaid_at": "2026-11-01"}
    way: Pipeline = COMPANY.pipeline("equipment")
    deal = await store.write(set_stage, SYSTEM, COMPANY, deal, way.stage("postpayment"))
    missing = await store.read(lacks, COMPANY, deal, way.stage("won"))
    assert [each.title for each in missing] == ["Получена постоплата"]
    await edit(store, deal, fields={"postpaid_at": "2026-11-23"})
    assert not (await move(store, deal, "won")).open


async def test_who_may_not_read_contacts_sees_nobody_of_the_other_side(store: Store) -> None:
    ivan = await a_person(store)
    party = Party(role="payer", person_id=ivan, name="Иван Петров", note="решает с января")
    deal = await a_deal(store, person_id=ivan, parties=(party,))
    assert await store.read(customer_of, BUYER, deal) is None
    assert parties_of(BUYER, deal) == (msgspec.structs.replace(party, person_id=None, name=""),)
    seen = await store.read(customer_of, HEAD, deal)
    assert (seen.id if seen else None, parties_of(HEAD, deal)) == (ivan, (party,))


async def test_a_deal_that_follows_from_another_takes_over_its_customer(store: Store) -> None:
    ivan = await a_person(store)
    first = await a_deal(store, person_id=ivan, title="Фрезерный")
    second = await store.write(create_deal, SYSTEM, COMPANY, "service", {"origin_id": first.id})
    assert (second.person_id, second.title, second.origin_id) == (ivan, "Фрезерный", first.id)
    with pytest.raises(Invalid, match="origin_id"):
        await store.write(create_deal, SYSTEM, COMPANY, "service", {"origin_id": "nothing"})


async def test_a_closing_is_taken_back_by_its_author_within_two_minutes(store: Store, clock: ManualClock) -> None:
    deal = await move(store, await a_deal(store), "offer")
    await move(store, deal, "price")
    other = replace(HEAD, id="other")
    with pytest.raises(Conflict, match="Отменить уже нельзя"):
        await store.write(undo_closing, other, COMPANY, deal.id)
    back = await store.write(undo_closing, HEAD, COMPANY, deal.id)
    assert (back.stage, back.open, back.closed_at) == ("offer", True, None)
    await move(store, deal, "price")
    clock.set(NOW + timedelta(minutes=3))
    with pytest.raises(Conflict, match="Отменить уже нельзя"):
        await store.write(undo_closing, HEAD, COMPANY, deal.id)


async def hire(store: Store, name: str, role: str) -> Actor:
    user: User = await store.write(create_user, SYSTEM, email=f"{name}@firstline.example", name=name, roles=(role,))
    return Actor(id=user.id, name=name, roles=frozenset({role}), rights=COMPANY.rights)


async def notes(store: Store, actor: Actor) -> list[str]:
    found = await store.read(lambda tx: tx.find(NOTIFICATIONS, {"user_id": actor.id}, sort="-at"))
    return [each.text for each in found]


async def test_an_approval_is_asked_for_refused_with_the_reason_and_given(store: Store, clock: ManualClock) -> None:
    head, seller = await hire(store, "Ольга", "head_service"), await hire(store, "Анна", "service_seller")
    buyer = await hire(store, "Павел", "procurement")
    deal = await store.write(create_deal, seller, COMPANY, "service", {"title": "Ремонт"})
    await store.write(ask, seller, COMPANY, deal.id, "head_service", "Скидка 10 %")
    assert await notes(store, head) == ["Анна просит согласовать: сделка № 1 «Ремонт»: Скидка 10 %"]
    await store.write(ask, seller, COMPANY, deal.id, "procurement")
    assert await notes(store, buyer) == []
    with pytest.raises(Invalid, match="почему"):
        await store.write(refuse, head, COMPANY, deal.id, "head_service", " ")
    with pytest.raises(Forbidden):
        await store.write(refuse, seller, COMPANY, deal.id, "head_service", "Нет")
    clock.set(NOW + timedelta(minutes=1))
    deal = await store.write(refuse, head, COMPANY, deal.id, "head_service", "Много")
    assert [each.state for each in deal.approvals if each.role == "head_service"] == ["refused"]
    assert await notes(store, seller) == ["Не согласовано: сделка № 1 «Ремонт» — Ольга: Много"]
    deal = await store.write(approve, head, COMPANY, deal.id, "head_service")
    assert [each.state for each in deal.approvals if each.role == "head_service"] == ["approved"]
    deal = await store.write(withdraw, seller, COMPANY, deal.id, "procurement")
    with pytest.raises(Forbidden):
        await store.write(withdraw, seller, COMPANY, deal.id, "head_service")
    assert [each.role for each in deal.approvals] == ["head_service"]


MSK = load_settings(None, {}).company.calendar().zone


@pytest.mark.parametrize("text", ["24.11.2026 15:00", "2026-11-24T15:00", "24.11.2026, 15:00", "2026-11-24T12:00Z"])
def test_a_moment_is_read_whichever_way_it_is_written(text: str) -> None:
    assert parse_moment(text, MSK) == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert parse_day(text).isoformat() == "2026-11-24"


@pytest.mark.parametrize("text", ["", "завтра", "24.11.2026", "2026-11-24", "31.02.2026 10:00", "24.11.0026 10:00"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DateError, match=r"24\.11\.2026 15:00"):
        parse_moment(text, MSK)
