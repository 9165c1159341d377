"""Calls become leads: the card before the answer, the owner by who answered, a task for who was missed."""

from __future__ import annotations

from datetime import timedelta

from connectors.contract import CallDirection, CallOutcome, CallPhase
from crm_core.calls import CALLS, CallRecord
from crm_core.changes import CHANGES, Change
from crm_core.people import PEOPLE
from crm_core.timeline import TIMELINE
from distribution.offers import take
from router.calls import LONGEST_CALL
from tests.scenario.office import Office


async def call_record(office: Office) -> CallRecord:
    (record,) = await office.store.read(lambda tx: tx.find(CALLS))
    return record


async def news(office: Office, entity: str) -> list[Change]:
    changes = await office.store.read(lambda tx: tx.find(CHANGES, sort="seq"))
    return [change for change in changes if change.entity == entity]


async def test_the_card_is_on_the_rung_sellers_screen_before_the_answer(office: Office) -> None:
    anna = await office.hire("anna", extension="101")
    await office.receive(office.form(name="Иван Петров"))
    await office.receive(office.call(CallPhase.STARTED), office.call(CallPhase.RINGING, ringing=("101",)))
    (ringing,) = await news(office, "call")
    assert (ringing.event, ringing.to) == ("ringing", (anna.id,))
    assert (ringing.data["name"], ringing.data["number"]) == ("Иван Петров", "+79161234567")
    await office.receive(office.call(CallPhase.RINGING, ringing=(), rang=("101",)))
    assert [change.event for change in await news(office, "call")] == ["ringing", "stopped"]


async def test_whoever_answers_first_owns_the_lead(office: Office) -> None:
    await office.hire("anna", extension="101")
    boris = await office.hire("boris", extension="102")
    await office.receive(
        office.call(CallPhase.STARTED),
        office.call(CallPhase.RINGING, ringing=("101", "102"), rang=("101", "102")),
        office.call(CallPhase.ANSWERED, answered_by="102", last_agent="102", rang=("101", "102"), wait_seconds=4.0),
    )
    lead = await office.lead()
    assert (lead.owner_id, lead.stage) == (boris.id, "qualification")
    assert lead.first_response_at is not None
    await office.receive(
        office.call(
            CallPhase.ENDED,
            outcome=CallOutcome.ANSWERED,
            answered_by="102",
            last_agent="102",
            talk_seconds=5.0,
            ended_at=office.clock.now(),
        )
    )
    record = await call_record(office)
    assert (record.outcome, record.answered_by, record.talk_seconds) == ("answered", "102", 5.0)
    assert (await office.lead()).owner_id == boris.id
    assert await office.tasks() == []


async def test_a_missed_call_leaves_a_distributed_lead_and_a_callback_task(office: Office) -> None:
    anna = await office.hire("anna")
    await office.missed_call()
    lead = await office.lead()
    (task,) = await office.tasks()
    assert lead.offered_to == anna.id
    assert (task.kind, task.phone, task.lead_id) == ("callback", "+79161234567", lead.id)
    assert task.deadline == office.clock.now() + timedelta(minutes=30)
    await office.do(take, await office.actor(anna), office.desk, lead.id)
    assert (await office.tasks())[0].responsible_id == anna.id, "the task follows the lead's owner"


async def test_a_caller_who_gives_up_and_calls_again_is_one_lead_and_one_task(office: Office) -> None:
    await office.hire("anna", extension="101")
    await office.missed_call("call-1")
    await office.missed_call("call-2")
    (task,) = await office.tasks()
    assert task.calls == 2
    await office.receive(
        office.call(CallPhase.STARTED, "call-3"),
        office.call(CallPhase.ANSWERED, "call-3", answered_by="101", last_agent="101"),
    )
    assert len(await office.leads()) == 1
    assert [task.state for task in await office.tasks()] == ["done"]


async def test_calling_back_closes_the_task(office: Office) -> None:
    await office.hire("anna", extension="101")
    await office.missed_call()
    await office.receive(
        office.call(
            CallPhase.ENDED,
            "call-9",
            direction=CallDirection.OUT,
            outcome=CallOutcome.NO_ANSWER,
            answered_by="101",
            ended_at=office.clock.now(),
        )
    )
    assert [task.open for task in await office.tasks()] == [True], "he did not answer"
    await office.receive(
        office.call(CallPhase.ANSWERED, "call-10", direction=CallDirection.OUT, answered_by="101"),
    )
    assert [task.open for task in await office.tasks()] == [False]


async def test_a_withheld_number_is_a_lead_without_a_person_and_without_a_task(office: Office) -> None:
    anna = await office.hire("anna")
    await office.missed_call(number=None)
    lead = await office.lead()
    assert (lead.person_id, lead.title, lead.offered_to) == (None, "Звонок: номер скрыт", anna.id)
    assert await office.tasks() == []


async def test_internal_calls_concern_no_lead(office: Office) -> None:
    await office.receive(
        office.call(
            CallPhase.ENDED,
            number="102",
            direction=CallDirection.INTERNAL,
            outcome=CallOutcome.ANSWERED,
            ended_at=office.clock.now(),
        )
    )
    assert await office.leads() == []
    assert (await call_record(office)).direction == "internal"


async def test_the_last_phase_alone_is_enough(office: Office) -> None:
    await office.hire("anna")
    ended = office.call(CallPhase.ENDED, outcome=CallOutcome.MISSED, ended_at=office.clock.now())
    await office.receive(ended)
    assert (await office.lead()).offered_to is not None
    assert len(await office.tasks()) == 1


async def test_a_lead_whose_calls_end_is_never_reported_is_distributed_all_the_same(office: Office) -> None:
    anna = await office.hire("anna")
    await office.receive(office.call(CallPhase.STARTED))
    assert (await office.lead()).offered_to is None
    office.clock.advance(LONGEST_CALL)
    await office.settle()
    assert (await office.lead()).offered_to == anna.id


async def test_the_call_is_one_item_of_the_timeline_from_ring_to_end(office: Office) -> None:
    await office.hire("anna")
    await office.missed_call()
    items = await office.store.read(lambda tx: tx.find(TIMELINE, {"lead_id": None}) + tx.find(TIMELINE))
    calls = [item for item in items if item.kind == "call"]
    assert len(calls) == 1
    assert calls[0].call is not None
    assert calls[0].call["outcome"] == "missed"


async def test_8_916_and_plus_7_916_are_the_same_person(office: Office) -> None:
    await office.hire("anna")
    await office.missed_call("call-1", "8 (916) 123-45-67")
    await office.receive(office.form("+79161234567"))
    people = await office.store.read(lambda tx: tx.find(PEOPLE))
    assert len(people) == 1
    assert (await office.lead()).unread == 2
