"""Calls and contacts that once were handled wrongly: each test is a mistake that was made here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors.contract import CallDirection, CallOutcome, CallPhase, Inbound, InboundKind, Messenger, Sender
from crm_core.actor import SYSTEM
from crm_core.blocklist import block
from crm_core.calls import CALLS
from crm_core.leads import move_lead
from crm_core.people import PEOPLE
from crm_core.task_commands import create_task
from crm_core.tasks import TASKS
from crm_core.users import User, update_user
from distribution.offers import assign, decline, take
from router.calls import LONGEST_CALL
from router.outgoing import reply
from tests.scenario.office import MONDAY_10, Office


def started(office: Office, call: str = "call-1", **more: Any) -> Inbound:
    return office.call(CallPhase.STARTED, call, **more)


def answered(office: Office, extension: str, call: str = "call-1", **more: Any) -> Inbound:
    return office.call(CallPhase.ANSWERED, call, answered_by=extension, last_agent=extension, **more)


def ended(office: Office, extension: str, call: str = "call-1", **more: Any) -> Inbound:
    facts = {"answered_by": extension, "last_agent": extension, "outcome": CallOutcome.ANSWERED, **more}
    return office.call(CallPhase.ENDED, call, ended_at=office.clock.now(), **facts)


async def taken(office: Office, user: User) -> str:
    await office.receive(office.form())
    lead = await office.lead()
    await office.do(take, await office.actor(user), office.desk, lead.id)
    return lead.id


async def test_the_caller_of_a_disabled_owner_is_never_lost_though_the_end_is_not_reported(office: Office) -> None:
    anna = await office.hire("anna", extension="101")
    await taken(office, anna)
    await office.do(update_user, SYSTEM, anna.id, {"active": False})
    boris = await office.hire("boris")
    await office.receive(started(office))
    assert (await office.lead()).on_call is not None
    office.clock.advance(LONGEST_CALL)
    await office.settle()
    assert (await office.lead()).offered_to == boris.id


async def test_a_lead_given_away_during_the_call_stays_given_away_when_it_ends(office: Office) -> None:
    boris = await office.hire("boris", extension="102")
    await office.receive(started(office), answered(office, "102"))
    lead = await office.lead()
    assert lead.owner_id == boris.id
    anna = await office.hire("anna")
    await office.do(decline, await office.actor(boris), office.desk, lead.id, "передаю")
    await office.receive(ended(office, "102"))
    lead = await office.lead()
    assert (lead.owner_id, lead.offered_to) == (None, anna.id)


async def test_a_lead_transferred_to_a_queue_during_the_call_is_not_taken_back_by_its_end(office: Office) -> None:
    boris = await office.hire("boris", extension="102")
    await office.receive(started(office), answered(office, "102"))
    lead = await office.lead()
    await office.do(assign, await office.actor(boris), office.desk, lead.id, queue="first-line")
    await office.receive(ended(office, "102"))
    assert (await office.lead()).owner_id is None


async def test_the_end_alone_of_an_answered_call_still_finds_its_owner(office: Office) -> None:
    boris = await office.hire("boris", extension="102")
    await office.receive(ended(office, "102"))
    assert (await office.lead()).owner_id == boris.id


async def test_a_blocked_number_rings_without_becoming_a_lead(office: Office) -> None:
    await office.hire("anna", extension="101")
    await office.do(block, SYSTEM, "phone:+79161234567", "обзвон")
    (record, _) = await office.missed_call()
    assert record.rule == "blocked"
    assert (await office.leads(), await office.tasks()) == ([], [])
    (call,) = await office.store.read(lambda tx: tx.find(CALLS))
    assert (call.number, call.outcome) == ("+79161234567", "missed")


async def test_the_callback_goes_to_the_number_that_called(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.form("+79161234567", email="ivan@client.example"))
    form = office.form("+79037654321", email="ivan@client.example")
    await office.receive(form)
    await office.missed_call("call-1", "8 903 765-43-21")
    assert [task.phone for task in await office.tasks()] == ["+79037654321"]
    await office.missed_call("call-2", "8 916 123-45-67")
    (task,) = await office.tasks()
    assert (task.phone, task.calls) == ("+79161234567", 2)


async def test_a_local_number_is_shown_and_called_back_though_it_is_no_public_one(office: Office) -> None:
    await office.hire("anna")
    await office.missed_call(number="228-00-01")
    assert (await office.lead()).title == "Звонок: 228-00-01"
    (task,) = await office.tasks()
    assert (task.phone, task.person_id) == ("2280001", None)


async def test_calling_back_an_unowned_lead_makes_it_the_callers(office: Office) -> None:
    await office.hire("anna")
    boris = await office.hire("boris", extension="102")
    await office.missed_call()
    await office.receive(
        started(office, "out-1", direction=CallDirection.OUT),
        answered(office, "102", "out-1", direction=CallDirection.OUT),
    )
    lead = await office.lead()
    assert (lead.owner_id, lead.offered_to, lead.unread) == (boris.id, None, 0)
    assert [task.state for task in await office.tasks()] == ["done"]


async def test_an_end_told_twice_counts_one_missed_call(office: Office) -> None:
    await office.hire("anna")
    await office.missed_call()
    again = office.call(
        CallPhase.ENDED, outcome=CallOutcome.MISSED, last_agent="101", ended_at=office.clock.now(), recording="r.wav"
    )
    await office.receive(again)
    assert [task.calls for task in await office.tasks()] == [1]
    (call,) = await office.store.read(lambda tx: tx.find(CALLS))
    assert call.recording == "r.wav"


async def test_a_lead_closed_during_its_call_stays_closed(office: Office) -> None:
    await office.hire("anna", extension="101")
    await office.receive(started(office))
    lead = await office.lead()
    await office.do(move_lead, SYSTEM, office.desk.company, lead.id, "spam")
    await office.receive(answered(office, "101"), ended(office, "101"))
    lead = await office.lead()
    assert (lead.stage, lead.owner_id, lead.offered_to, lead.waiting) == ("spam", None, None, False)


async def test_two_calls_of_one_person_at_once_leave_one_distributed_lead(office: Office) -> None:
    anna = await office.hire("anna")
    missed = {"outcome": CallOutcome.MISSED, "answered_by": None, "last_agent": None}
    await office.receive(started(office, "call-1"), started(office, "call-2"))
    await office.receive(ended(office, "", "call-1", **missed))
    assert (await office.lead()).offered_to is None, "he is still on the line"
    await office.receive(ended(office, "", "call-2", **missed))
    assert (await office.lead()).offered_to == anna.id
    assert [task.calls for task in await office.tasks()] == [2]


async def test_another_open_task_does_not_double_the_callback(office: Office) -> None:
    anna = await office.hire("anna")
    await office.missed_call("call-1")
    lead = await office.lead()
    (callback,) = await office.tasks()
    actor = await office.actor(anna)
    created = await office.do(create_task, actor, title="Сверить цену", lead_id=lead.id)
    assert created.kind == "task"
    await office.do(lambda tx: tx.delete(TASKS, callback))
    await office.missed_call("call-2")
    await office.missed_call("call-3")
    assert [task.calls for task in await office.tasks() if task.kind == "callback"] == [2]


async def test_the_deadline_of_an_answer_goes_with_the_answer_and_comes_with_the_next_contact(office: Office) -> None:
    anna = await office.hire("anna")
    await office.receive(office.letter())
    lead = await office.lead()
    assert lead.due_at == office.clock.now() + timedelta(minutes=15)
    await office.do(reply, await office.actor(anna), office.desk, lead.id, "Добрый день")
    lead = await office.lead()
    assert (lead.due_at, lead.first_response_at) == (None, office.clock.now())
    await office.pass_time(minutes=60)
    await office.receive(office.letter())
    assert (await office.lead()).due_at == office.clock.now() + timedelta(minutes=15)


async def test_the_automatic_answer_is_no_response(office: Office) -> None:
    office.clock.set(MONDAY_10 - timedelta(days=1))
    await office.receive(office.letter())
    assert len(await office.outbox()) == 1
    assert (await office.lead()).first_response_at is None
    assert (await office.lead()).due_at == MONDAY_10 + timedelta(minutes=15)


async def test_a_robot_that_opens_a_thread_with_each_letter_is_answered_once_per_closure(office: Office) -> None:
    office.clock.set(MONDAY_10 - timedelta(days=1))
    for _ in range(5):
        await office.receive(office.letter("robot@client.example"))
    assert len(await office.outbox()) == 1


async def test_the_same_account_number_in_two_networks_is_two_accounts(office: Office) -> None:
    def message(network: str, phone: str) -> Inbound:
        sender = Sender(phones=(phone,), messengers=(Messenger(network=network, id="123"),))
        return Inbound(
            connector="site", channel=network, external_id=office.native_id(), kind=InboundKind.MESSAGE,
            occurred_at=office.clock.now(), sender=sender,
        )  # fmt: skip

    await office.receive(message("telegram", "+79161234567"), message("vk", "+79161234567"))
    (person,) = await office.store.read(lambda tx: tx.find(PEOPLE))
    assert [(each.network, each.id) for each in person.messengers] == [("telegram", "123"), ("vk", "123")]
