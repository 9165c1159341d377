"""Closed hours: an honest answer, once; leads wait and are distributed at the opening in order of arrival."""

from __future__ import annotations

from datetime import timedelta

from tests.scenario.office import MONDAY_10, Office

SATURDAY_NOON = MONDAY_10 - timedelta(days=2) + timedelta(hours=2)


async def test_a_letter_in_closed_hours_is_answered_once_with_the_next_opening(office: Office) -> None:
    office.clock.set(SATURDAY_NOON)
    await office.hire("anna")
    await office.receive(office.letter(message_id="a@client.example", conversation="a@client.example"))
    await office.receive(
        office.letter(message_id="b@client.example", conversation="a@client.example", in_reply_to="a@client.example")
    )
    (answer,) = await office.outbox()
    assert "ответим в понедельник с 10:00" in answer.outbound.text
    assert answer.outbound.automatic
    assert answer.outbound.recipient == "ivan@client.example"
    assert (answer.outbound.in_reply_to, answer.outbound.subject) == ("a@client.example", "Re: Нужен насос")


async def test_the_next_closure_answers_again(office: Office) -> None:
    office.clock.set(SATURDAY_NOON)
    await office.hire("anna")
    await office.receive(office.letter(conversation="thread"))
    office.clock.set(MONDAY_10 + timedelta(hours=12))
    await office.receive(office.letter(conversation="thread"))
    texts = [row.outbound.text for row in await office.outbox()]
    assert len(texts) == 2
    assert "завтра с 10:00" in texts[1]


async def test_in_open_hours_nobody_is_answered_by_a_machine(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.letter())
    assert await office.outbox() == []


async def test_leads_of_closed_hours_are_distributed_at_the_opening_in_order_of_arrival(office: Office) -> None:
    office.clock.set(SATURDAY_NOON)
    anna, boris = await office.hire("anna"), await office.hire("boris")
    for number in range(4):
        await office.receive(office.form(f"+7916000000{number}"))
        office.clock.advance(timedelta(hours=1))
        await office.settle()
    assert all(lead.waiting and lead.offered_to is None for lead in await office.leads())
    office.clock.set(MONDAY_10 - timedelta(seconds=1))
    await office.settle()
    assert all(lead.waiting for lead in await office.leads())
    office.clock.set(MONDAY_10)
    await office.settle()
    assert [lead.offered_to for lead in await office.leads()] == [anna.id, boris.id] * 2


async def test_a_contact_at_the_very_opening_does_not_overtake_those_who_waited(office: Office) -> None:
    office.clock.set(SATURDAY_NOON)
    anna = await office.hire("anna")
    boris = await office.hire("boris")
    await office.receive(office.form("+79160000001"))
    office.clock.set(MONDAY_10)
    await office.receive(office.form("+79160000002"))
    assert [lead.offered_to for lead in await office.leads()] == [anna.id, boris.id]


async def test_a_missed_call_in_closed_hours_leaves_a_task_due_after_the_opening(office: Office) -> None:
    office.clock.set(SATURDAY_NOON)
    await office.hire("anna")
    await office.missed_call()
    (task,) = await office.tasks()
    assert task.deadline == MONDAY_10 + timedelta(minutes=30)
    assert task.responsible_id is None
    office.clock.set(MONDAY_10)
    await office.settle()
    assert (await office.lead()).offered_to is not None


async def test_addresses_that_nobody_reads_get_no_automatic_answer(office: Office) -> None:
    office.clock.set(SATURDAY_NOON)
    await office.receive(office.letter("no-reply@shop.example"), office.letter("noreply-orders@shop.example"))
    assert await office.outbox() == []
