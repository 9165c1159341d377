"""Queues: turns, capacity, presence, absence, offers with time-out, transfers, and why it went so."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from crm_core.actor import SYSTEM
from crm_core.errors import Conflict
from crm_core.leads import Lead, move_lead
from crm_core.notifications import NOTIFICATIONS
from crm_core.users import Presence, add_absence, set_presence, update_user
from distribution.offers import assign, decline, take
from distribution.queues import Strategy
from tests.scenario.office import Office, make_company, queue


@pytest.fixture
async def direct(tmp_path: Path) -> AsyncIterator[Office]:
    """An office whose queue hands leads over at once, without limits."""
    office = Office(tmp_path, None, queue(accept_within=timedelta(0), capacity=None))
    yield office
    await office.close()


def phone(number: int) -> str:
    return f"+7916{number:07d}"


async def owners(office: Office) -> Counter[str | None]:
    return Counter(lead.owner_id for lead in await office.leads())


async def test_leads_go_round_the_members_in_turn(direct: Office) -> None:
    team = [await direct.hire(name) for name in ("anna", "boris", "vera")]
    await direct.receive(*(direct.form(phone(n)) for n in range(9)))
    in_order = [lead.owner_id for lead in await direct.leads()]
    assert in_order == [user.id for user in team] * 3


async def test_turns_survive_a_restart(direct: Office) -> None:
    team = [await direct.hire(name) for name in ("anna", "boris", "vera")]
    await direct.receive(direct.form(phone(1)))
    await direct.restart()
    await direct.receive(direct.form(phone(2)), direct.form(phone(3)))
    assert await owners(direct) == {user.id: 1 for user in team}


async def test_a_member_back_from_a_break_is_not_flooded_to_catch_up(direct: Office) -> None:
    anna, boris = await direct.hire("anna"), await direct.hire("boris")
    await direct.do(set_presence, SYSTEM, boris.id, Presence.BREAK)
    await direct.receive(*(direct.form(phone(n)) for n in range(10)))
    await direct.do(set_presence, SYSTEM, boris.id, Presence.ONLINE)
    await direct.settle()
    await direct.receive(*(direct.form(phone(n)) for n in range(10, 20)))
    assert await owners(direct) == {anna.id: 15, boris.id: 5}


async def test_weights_share_out_in_proportion(tmp_path: Path) -> None:
    rules = queue(
        accept_within=timedelta(0), capacity=None, strategy=Strategy.WEIGHTED, weights={"boris@firstline.example": 3}
    )
    office = Office(tmp_path, None, rules)
    anna, boris = await office.hire("anna"), await office.hire("boris")
    await office.receive(*(office.form(phone(n)) for n in range(20)))
    assert await owners(office) == {anna.id: 5, boris.id: 15}
    await office.close()


async def test_least_busy_gets_the_next(tmp_path: Path) -> None:
    office = Office(tmp_path, None, queue(accept_within=timedelta(0), strategy=Strategy.LEAST_BUSY))
    anna, boris = await office.hire("anna"), await office.hire("boris")
    await office.receive(*(office.form(phone(n)) for n in range(4)))
    for lead in await office.leads(owner_id=boris.id, open=True):
        await office.do(move_lead, SYSTEM, office.desk.company, lead.id, "mistaken")
    await office.receive(office.form(phone(10)), office.form(phone(11)))
    assert [lead.owner_id for lead in (await office.leads())[-2:]] == [boris.id, boris.id]
    assert anna.id
    await office.close()


async def test_a_skill_that_the_lead_needs_decides(tmp_path: Path) -> None:
    office = Office(tmp_path, None, queue(accept_within=timedelta(0), strategy=Strategy.SKILL))
    await office.hire("anna")
    boris = await office.hire("boris")
    await office.do(update_user, SYSTEM, boris.id, {"skills": ("large",)})
    await office.settle()
    await office.receive(*(office.form(phone(n), fields={"equipment": "large"}) for n in range(3)))
    assert await owners(office) == {boris.id: 3}
    await office.close()


async def test_capacity_keeps_leads_in_the_queue_until_one_is_finished(tmp_path: Path) -> None:
    office = Office(tmp_path, None, queue(accept_within=timedelta(0), capacity=2))
    anna = await office.hire("anna")
    await office.receive(*(office.form(phone(n)) for n in range(4)))
    assert await owners(office) == {anna.id: 2, None: 2}
    waiting = await office.leads(queue="first-line", waiting=True)
    first = (await office.leads(owner_id=anna.id, open=True))[0]
    await office.do(move_lead, await office.actor(anna), office.desk.company, first.id, "spam")
    await office.settle()
    assert (await office.leads(queue="first-line", waiting=True))[0].id == waiting[1].id
    await office.close()


async def test_nobody_outside_shift_absent_or_offline_gets_anything(office: Office) -> None:
    anna, boris = await office.hire("anna"), await office.hire("boris", presence=Presence.OFFLINE)
    vera = await office.hire("vera")
    now = office.clock.now()
    await office.do(add_absence, SYSTEM, vera.id, "отпуск", now - timedelta(days=1), now + timedelta(days=5))
    await office.settle()
    await office.receive(*(office.form(phone(n)) for n in range(3)))
    assert {lead.offered_to for lead in await office.leads()} == {anna.id}
    offer = next(d for d in await office.decisions((await office.leads())[2]) if d.rule == "offer")
    verdicts = {verdict.user_id: (verdict.verdict, verdict.reason) for verdict in offer.candidates}
    assert verdicts[anna.id][0] == "chosen"
    assert verdicts[boris.id] == ("skipped", "не в сети")
    assert verdicts[vera.id] == ("skipped", "отсутствует до 28.11 (отпуск)")


async def test_an_offer_not_accepted_in_time_goes_to_the_next_and_the_miss_is_recorded(office: Office) -> None:
    anna, boris = await office.hire("anna"), await office.hire("boris")
    await office.receive(office.form())
    assert (await office.lead()).offered_to == anna.id
    await office.pass_time(minutes=5)
    lead = await office.lead()
    assert lead.offered_to == boris.id
    assert lead.declined_by == (anna.id,)
    rules = [decision.rule for decision in await office.decisions(lead)]
    assert "missed_offer" in rules
    notes = await office.store.read(lambda tx: tx.find(NOTIFICATIONS, {"user_id": anna.id}))
    assert [note.kind for note in notes] == ["offer_missed"]


async def test_an_offer_is_never_lost_however_often_it_is_missed(office: Office) -> None:
    team = {(await office.hire(name)).id for name in ("anna", "boris")}
    await office.receive(office.form())
    for _ in range(10):
        assert (await office.lead()).offered_to in team
        await office.pass_time(minutes=5)


async def test_accepting_moves_a_new_lead_into_work(office: Office) -> None:
    anna = await office.hire("anna")
    await office.receive(office.form())
    lead = await office.do(take, await office.actor(anna), office.desk, (await office.lead()).id)
    assert (lead.owner_id, lead.offered_to, lead.stage) == (anna.id, None, "qualification")
    await office.pass_time(minutes=30)
    assert (await office.lead()).owner_id == anna.id, "the offer's timer is gone"


async def test_two_who_take_the_same_lead_learn_who_was_faster(office: Office) -> None:
    anna, boris = await office.hire("anna"), await office.hire("boris")
    await office.receive(office.form())
    lead = await office.lead()
    await office.do(take, await office.actor(boris), office.desk, lead.id)
    with pytest.raises(Conflict, match="уже в работе: boris"):
        await office.do(take, await office.actor(anna), office.desk, lead.id)


async def test_a_declined_lead_goes_to_the_next_with_the_reason_on_record(office: Office) -> None:
    anna, boris = await office.hire("anna"), await office.hire("boris")
    await office.receive(office.form())
    await office.do(decline, await office.actor(anna), office.desk, (await office.lead()).id, "не моя тема")
    await office.settle()
    lead = await office.lead()
    assert lead.offered_to == boris.id
    texts = [decision.text for decision in await office.decisions(lead)]
    assert "Отказ: anna — не моя тема" in texts


async def test_transfer_to_a_colleague_and_to_another_queue(tmp_path: Path) -> None:
    office = Office(tmp_path, make_company(), queue(), queue(name="service", title="Сервис", members=("role:head",)))
    anna, boris = await office.hire("anna"), await office.hire("boris")
    head = await office.hire("galina", "head")
    await office.receive(office.form())
    lead = await office.lead()
    actor = await office.actor(anna)
    await office.do(take, actor, office.desk, lead.id)
    lead = await office.do(assign, actor, office.desk, lead.id, user_id=boris.id)
    assert lead.owner_id == boris.id
    lead = await office.do(assign, await office.actor(boris), office.desk, lead.id, queue="service")
    assert (lead.queue, lead.owner_id, lead.offered_to) == ("service", None, head.id)
    await office.close()


async def test_the_head_is_told_when_a_lead_waits_too_long(office: Office) -> None:
    head = await office.hire("galina", "head")
    await office.receive(office.form())
    await office.pass_time(minutes=16)
    notes = await office.store.read(lambda tx: tx.find(NOTIFICATIONS, {"user_id": head.id}))
    assert [note.kind for note in notes] == ["escalation"]


async def test_somebody_who_comes_online_gets_what_waits_in_order_of_arrival(office: Office) -> None:
    anna = await office.hire("anna", presence=Presence.OFFLINE)
    for number in range(3):
        await office.receive(office.form(phone(number)))
        await office.pass_time(minutes=1)
    assert all(lead.waiting for lead in await office.leads())
    await office.do(set_presence, SYSTEM, anna.id, Presence.ONLINE)
    await office.settle()
    leads: list[Lead] = await office.leads()
    assert [lead.offered_to for lead in leads] == [anna.id] * 3
    assert [lead.offer_id for lead in leads] == sorted(str(lead.offer_id) for lead in leads)


async def test_the_owner_of_a_disabled_account_loses_the_lead_on_the_next_contact(office: Office) -> None:
    anna = await office.hire("anna")
    await office.receive(office.form())
    await office.do(take, await office.actor(anna), office.desk, (await office.lead()).id)
    boris = await office.hire("boris")
    await office.do(update_user, SYSTEM, anna.id, {"active": False})
    await office.receive(office.form())
    assert (await office.lead()).offered_to == boris.id


async def test_the_only_seller_who_declined_is_left_in_peace_and_others_come_first(office: Office) -> None:
    anna = await office.hire("anna")
    boris = await office.hire("boris", presence=Presence.OFFLINE)
    await office.receive(office.form(phone(1)))
    first = await office.lead()
    await office.do(decline, await office.actor(anna), office.desk, first.id, "занята")
    await office.settle()
    assert (await office.lead()).waiting, "nobody else is there"
    await office.receive(office.form(phone(2)))
    assert (await office.leads())[1].offered_to == anna.id, "what stands behind it is not held up"
    await office.do(set_presence, SYSTEM, boris.id, Presence.ONLINE)
    await office.settle()
    assert (await office.leads())[0].offered_to == boris.id


async def test_a_declined_lead_that_nobody_else_takes_is_offered_again_in_the_end(office: Office) -> None:
    anna = await office.hire("anna")
    await office.receive(office.form())
    await office.do(decline, await office.actor(anna), office.desk, (await office.lead()).id, "занята")
    await office.pass_time(minutes=11)
    assert (await office.lead()).offered_to == anna.id
