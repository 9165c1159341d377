"""Leads that once got stuck, went to the wrong hands or bothered people: each test is a mistake that was made here."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from crm_core.actor import SYSTEM
from crm_core.changes import CHANGES
from crm_core.errors import Conflict
from crm_core.leads import edit_lead, move_lead
from crm_core.notifications import NOTIFICATIONS, Notification
from crm_core.timers import TIMERS
from crm_core.users import Presence, User, set_presence, update_user
from distribution.offers import assign, decline, take
from distribution.queues import Strategy
from tests.scenario.office import MONDAY_10, Office, make_company, office_hours, queue


def phone(number: int) -> str:
    return f"+7916{number:07d}"


async def notes(office: Office, user: User, kind: str) -> list[Notification]:
    found = await office.store.read(lambda tx: tx.find(NOTIFICATIONS, {"user_id": user.id}, sort="at"))
    return [note for note in found if note.kind == kind]


async def presence(office: Office, user: User, state: Presence) -> None:
    await office.do(set_presence, SYSTEM, user.id, state)
    await office.settle()


async def move(office: Office, lead_id: str, stage: str) -> None:
    await office.do(move_lead, SYSTEM, office.desk.company, lead_id, stage)
    await office.settle()


async def test_a_lead_closed_in_the_queue_and_reopened_is_offered_again(office: Office) -> None:
    await office.receive(office.form())
    lead = await office.lead()
    assert lead.waiting
    await move(office, lead.id, "spam")
    anna = await office.hire("anna")
    await move(office, lead.id, "new")
    assert (await office.lead()).offered_to == anna.id


async def test_a_reopened_lead_stays_with_its_owner_and_leaves_him_when_he_is_disabled(office: Office) -> None:
    anna = await office.hire("anna")
    await office.receive(office.form())
    lead = await office.lead()
    await office.do(take, await office.actor(anna), office.desk, lead.id)
    await move(office, lead.id, "mistaken")
    await move(office, lead.id, "qualification")
    assert (await office.lead()).owner_id == anna.id
    await move(office, lead.id, "mistaken")
    await office.do(update_user, SYSTEM, anna.id, {"active": False})
    boris = await office.hire("boris")
    await move(office, lead.id, "qualification")
    lead = await office.lead()
    assert (lead.owner_id, lead.offered_to) == (None, boris.id)


async def test_a_finished_lead_takes_its_callback_along_and_back(office: Office) -> None:
    anna = await office.hire("anna")
    await office.missed_call()
    lead = await office.lead()
    await office.do(take, await office.actor(anna), office.desk, lead.id)
    await move(office, lead.id, "mistaken")
    assert [task.state for task in await office.tasks()] == ["cancelled"]
    await office.pass_time(minutes=5)
    await move(office, lead.id, "qualification")
    (task,) = await office.tasks()
    assert (task.state, task.responsible_id) == ("open", anna.id)
    await office.pass_time(minutes=30)
    assert (await office.tasks())[0].overdue


async def test_a_finished_lead_cannot_be_declined_back_into_distribution(office: Office) -> None:
    galina = await office.hire("galina", "head")
    await office.receive(office.form())
    lead = await office.lead()
    actor = await office.actor(galina)
    await office.do(take, actor, office.desk, lead.id)
    await move(office, lead.id, "mistaken")
    with pytest.raises(Conflict, match="закрыт"):
        await office.do(decline, actor, office.desk, lead.id, "не моё")
    assert (await office.lead()).owner_id == galina.id


async def test_capacity_freed_in_one_queue_serves_the_other(tmp_path: Path) -> None:
    rules = {"accept_within": timedelta(0), "capacity": 1}
    office = Office(tmp_path, None, queue(**rules), queue(name="service", title="Сервис", **rules))
    anna = await office.hire("anna")
    await office.receive(office.form(phone(1)), office.form(phone(2)))
    first, second = await office.leads()
    await office.do(assign, SYSTEM, office.desk, second.id, queue="service")
    await office.settle()
    assert (await office.leads())[1].waiting
    await move(office, first.id, "mistaken")
    assert (await office.leads())[1].owner_id == anna.id
    await office.close()


async def test_a_transfer_frees_the_giver_at_once(tmp_path: Path) -> None:
    office = Office(tmp_path, None, queue(accept_within=timedelta(0), capacity=1))
    anna = await office.hire("anna")
    galina = await office.hire("galina", "head")
    await office.receive(office.form(phone(1)), office.form(phone(2)))
    first = (await office.leads())[0]
    await office.do(assign, await office.actor(anna), office.desk, first.id, user_id=galina.id)
    await office.settle()
    assert [lead.owner_id for lead in await office.leads()] == [galina.id, anna.id]
    await office.close()


async def test_those_who_lose_a_lead_hear_of_it_whatever_they_may_read(office: Office) -> None:
    anna = await office.hire("anna")
    boris = await office.hire("boris")
    await office.receive(office.form())
    lead = await office.lead()
    await office.do(take, await office.actor(boris), office.desk, lead.id)
    galina = await office.hire("galina", "head")
    await office.do(assign, SYSTEM, office.desk, lead.id, user_id=galina.id)
    changes = await office.store.read(lambda tx: tx.find(CHANGES, sort="seq"))
    heard = [set(change.owners) for change in changes if change.event == "assigned"]
    assert heard == [{anna.id, boris.id}, {boris.id, galina.id}]


async def test_a_new_colleague_is_not_flooded_to_catch_up(tmp_path: Path) -> None:
    office = Office(tmp_path, None, queue(accept_within=timedelta(0), capacity=None))
    anna = await office.hire("anna")
    await office.receive(*(office.form(phone(n)) for n in range(10)))
    boris = await office.hire("boris")
    await office.receive(*(office.form(phone(n)) for n in range(10, 20)))
    assert Counter(lead.owner_id for lead in await office.leads()) == {anna.id: 15, boris.id: 5}
    await office.close()


async def test_leads_taken_by_hand_do_not_starve_whoever_comes_back_from_a_break(tmp_path: Path) -> None:
    office = Office(tmp_path, None, queue(capacity=None))
    anna, vera, boris = [await office.hire(name) for name in ("anna", "vera", "boris")]
    for user in (anna, boris, vera):
        await presence(office, user, Presence.OFFLINE)
    await office.receive(*(office.form(phone(n)) for n in range(8)))
    for lead in await office.leads():
        await office.do(take, await office.actor(anna), office.desk, lead.id)
    await presence(office, boris, Presence.ONLINE)
    await office.receive(office.form(phone(10)))
    await presence(office, vera, Presence.ONLINE)
    await office.receive(*(office.form(phone(n)) for n in range(11, 15)))
    given = Counter(lead.offered_to for lead in (await office.leads())[8:])
    assert given == {boris.id: 3, vera.id: 2}
    await office.close()


async def test_a_lead_that_everybody_misses_is_told_to_the_head_and_nobody_is_flooded(office: Office) -> None:
    anna, boris, galina = await office.hire("anna"), await office.hire("boris"), await office.hire("galina", "head")
    await office.receive(office.form())
    await office.pass_time(minutes=60)
    assert len(await notes(office, anna, "offer_missed")) == 1
    assert len(await notes(office, boris, "offer_missed")) == 1
    assert len(await notes(office, galina, "escalation")) == 1


async def test_many_waiting_leads_are_one_note_to_the_head(office: Office) -> None:
    galina = await office.hire("galina", "head")
    for number in range(5):
        await office.receive(office.form(phone(number)))
    await office.pass_time(minutes=20)
    (note,) = await notes(office, galina, "escalation")
    assert "ждёт 15 мин рабочего времени" in note.text
    assert "Кроме него ждут: 4" in note.text


async def test_a_head_who_read_the_note_is_told_again_ever_more_rarely(office: Office) -> None:
    galina = await office.hire("galina", "head")
    await office.receive(office.form())
    for _ in range(8 * 4):
        await office.pass_time(minutes=15)
        for note in await notes(office, galina, "escalation"):
            await office.do(lambda tx, note=note: tx.update(NOTIFICATIONS, note, read=True))
    told = [note.at for note in await notes(office, galina, "escalation")]
    pauses = [(later - earlier) // timedelta(minutes=15) for earlier, later in pairwise(told)]
    assert pauses == [2, 4, 8, 16]


async def test_a_waiting_queue_whose_name_is_gone_from_the_configuration_is_adopted(office: Office) -> None:
    await office.receive(office.form())
    office.desk.queues = {"sales": queue(name="sales", title="Продажи")}
    anna = await office.hire("anna")
    lead = await office.lead()
    assert (lead.queue, lead.offered_to) == ("sales", anna.id)
    assert "queue_gone" in [decision.rule for decision in await office.decisions(lead)]


async def test_an_offer_in_a_queue_that_is_gone_moves_on_when_missed_or_declined(office: Office) -> None:
    anna, boris = await office.hire("anna"), await office.hire("boris")
    await office.receive(office.form())
    office.desk.queues = {"sales": queue(name="sales", title="Продажи")}
    await office.pass_time(minutes=5)
    lead = await office.lead()
    assert (lead.queue, lead.offered_to) == ("sales", boris.id)
    await office.missed_call()
    await office.do(decline, await office.actor(boris), office.desk, lead.id, "занят")
    assert (await office.lead()).offered_to == anna.id
    assert len(await office.tasks()) == 1


async def test_an_employee_whose_own_calendar_is_gone_works_by_that_of_the_queue(office: Office) -> None:
    anna = await office.hire("anna")
    await office.do(update_user, SYSTEM, anna.id, {"calendar": "night"})
    await office.receive(office.form())
    assert (await office.lead()).offered_to == anna.id
    office.clock.set(MONDAY_10 + timedelta(days=6))
    await office.receive(office.form("+79031112233"))
    assert (await office.leads())[-1].waiting


async def test_a_calendar_that_never_opens_still_takes_leads_and_callbacks_in(tmp_path: Path) -> None:
    calendar = office_hours()
    never = type(calendar)("office", calendar.zone, [()] * 7)
    office = Office(tmp_path, make_company(never))
    await office.hire("anna")
    (record,) = await office.receive(office.form())
    await office.missed_call(number="89031112233")
    assert office.errors == []
    assert record.state == "done"
    assert all(lead.waiting for lead in await office.leads())
    assert (await office.tasks())[0].deadline is not None
    await office.close()


async def test_one_skill_that_nobody_has_does_not_hold_up_the_others(tmp_path: Path) -> None:
    office = Office(tmp_path, None, queue(accept_within=timedelta(0), capacity=None, strategy=Strategy.SKILL))
    await office.receive(*(office.form(phone(n), fields={"equipment": "large"}) for n in range(60)))
    await office.receive(office.form(phone(99), fields={"equipment": "small"}))
    anna = await office.hire("anna")
    await office.do(update_user, SYSTEM, anna.id, {"skills": ("small",)})
    await office.settle()
    assert [lead.owner_id for lead in await office.leads()][-1] == anna.id
    assert len(await office.leads(queue="first-line", waiting=True)) == 60
    await office.close()


async def test_a_stage_that_is_gone_from_the_configuration_can_be_left(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.form())
    company = office.desk.company
    lead = await office.lead()
    renamed = replace(company, stages=tuple(stage for stage in company.stages if stage.key != "new"))
    moved = await office.do(move_lead, SYSTEM, renamed, lead.id, "qualification")
    assert moved.stage == "qualification"


async def test_an_edited_card_is_newer_and_an_unchanged_one_is_not(office: Office) -> None:
    await office.receive(office.form())
    lead = await office.lead()
    office.clock.advance(timedelta(minutes=1))
    same = await office.do(edit_lead, SYSTEM, lead.id, {"title": lead.title})
    assert (same.version, same.updated_at) == (lead.version, lead.updated_at)
    changed = await office.do(edit_lead, SYSTEM, lead.id, {"title": "Насос"})
    assert changed.updated_at == office.clock.now()


async def test_waiting_leads_are_looked_at_every_ten_minutes_even_when_nothing_is_known_to_change(
    office: Office,
) -> None:
    await office.receive(office.form())
    wake = await office.store.read(lambda tx: tx.get(TIMERS, "queue_wake:first-line"))
    assert wake is not None
    assert wake.due_at - office.clock.now() == timedelta(minutes=10)
