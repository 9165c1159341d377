"""Contacts through public doors become leads: one per person, with a source, in front of one seller."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.contract import RobotKind
from crm_core.actor import SYSTEM
from crm_core.blocklist import block
from crm_core.company import RoutingRule
from crm_core.leads import move_lead
from crm_core.people import DUPLICATES
from distribution.offers import take
from router.journal import replay
from tests.scenario.office import Office, make_company, queue


async def test_a_form_becomes_a_lead_offered_to_a_seller_at_once(office: Office) -> None:
    anna = await office.hire("anna")
    (record,) = await office.receive(office.form(name="Иван Петров", utm={"source": "yandex_direct"}))
    lead = await office.lead()
    assert (record.state, record.lead_id) == ("done", lead.id)
    assert lead.offered_to == anna.id
    assert lead.title == "Заявка с сайта: Иван Петров"
    assert (lead.source.key, lead.source.label) == ("direct", "Яндекс Директ")
    assert lead.number == 1


async def test_the_same_native_event_delivered_again_changes_nothing(office: Office) -> None:
    await office.hire("anna")
    form = office.form()
    await office.receive(form)
    await office.receive(form)
    assert len(await office.leads()) == 1


async def test_ten_messages_through_three_channels_are_one_lead(office: Office) -> None:
    await office.hire("anna")
    contacts = []
    for number in range(5):
        contacts.append(office.form(phone="8 (916) 123-45-67", email="Ivan@Client.example", text=str(number)))
        contacts.append(office.letter("ivan@client.example"))
    await office.receive(*contacts)
    await office.missed_call()
    lead = await office.lead()
    assert lead.unread == 11


async def test_a_closed_lead_and_a_new_contact_make_a_repeat_lead_for_the_former_owner(office: Office) -> None:
    anna, boris = await office.hire("anna"), await office.hire("boris")
    await office.receive(office.form())
    first = await office.lead()
    owner = anna if first.offered_to == anna.id else boris
    await office.do(take, await office.actor(owner), office.desk, first.id)
    await office.do(move_lead, await office.actor(owner), office.desk.company, first.id, "mistaken")
    for number in range(3):
        await office.receive(office.form(phone=f"+7903111223{number}"))
    await office.receive(office.form())
    repeat = (await office.leads(open=True))[-1]
    assert repeat.repeat_of == first.id
    assert repeat.offered_to == owner.id


async def test_robots_and_spam_become_no_leads_and_get_no_answers(office: Office) -> None:
    await office.hire("anna")
    for robot in RobotKind:
        (record,) = await office.receive(office.letter(robot=robot))
        assert record.state == "ignored"
    (record,) = await office.receive(office.form(fields={"_robot": "honeypot"}))
    assert (record.state, record.rule) == ("ignored", "spam")
    assert await office.leads() == []
    assert await office.outbox() == []


async def test_identities_that_lead_to_two_people_are_filed_as_possible_duplicates(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.form(phone="+79161234567"))
    await office.pass_time(minutes=1)
    await office.receive(office.letter("ivan@client.example"))
    await office.pass_time(minutes=1)
    (record,) = await office.receive(office.form(phone="+79161234567", email="ivan@client.example"))
    by_letter = (await office.leads())[1]
    assert record.lead_id == by_letter.id, "the more recently active person has it"
    pairs = await office.store.read(lambda tx: tx.find(DUPLICATES))
    assert len(pairs) == 1


async def test_an_answer_from_another_address_continues_the_thread(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.letter("ivan@client.example", message_id="first@client.example"))
    await office.receive(office.letter("buh@client.example", in_reply_to="first@client.example"))
    assert len(await office.leads()) == 1


async def test_a_poisonous_contact_goes_to_the_quarantine_and_the_next_ones_go_on(office: Office) -> None:
    await office.hire("anna")
    poison = office.form(phone="+79030000000")
    queues = office.desk.queues
    office.desk.queues = {}
    await office.receive(poison)
    for _ in range(6):
        office.clock.advance(timedelta(minutes=5))
        await office.settle()
    office.desk.queues = queues
    assert len(office.errors) == 5
    office.errors.clear()
    await office.receive(office.form(phone="+79161234567"))
    assert len(await office.leads()) == 1
    record = (await office.receive(poison))[0]
    assert record.state == "quarantined"
    assert record.error
    await office.do(replay, SYSTEM, record.id)
    await office.settle()
    assert len(await office.leads()) == 2


async def test_a_routing_rule_chooses_the_queue_and_another_one_ignores(tmp_path: Path) -> None:
    company = replace(
        make_company(),
        routing=(
            RoutingRule("Биржа", {"email_domain": "exchange.example"}),
            RoutingRule("Сервис", {"field.topic": "*ремонт*"}, "service"),
        ),
    )
    office = Office(tmp_path, company, queue(), queue(name="service", title="Сервис", members=("role:head",)))
    await office.hire("anna")
    head = await office.hire("galina", "head")
    (record,) = await office.receive(office.letter("bot@exchange.example"))
    assert (record.state, record.rule) == ("ignored", "routing_rule")
    await office.receive(office.form(fields={"topic": "Ремонт насоса"}))
    lead = await office.lead()
    assert (lead.queue, lead.offered_to) == ("service", head.id)
    assert "Очередь по правилу «Сервис»" in (await office.decisions(lead))[-1].steps
    await office.close()


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("phone:+79161234567", 1),
        ("email:ivan@client.example", 1),
        ("domain:client.example", 1),
        ("domain:other.example", 2),
    ],
)
async def test_contacts_of_the_block_list_become_no_leads(office: Office, key: str, kept: int) -> None:
    await office.hire("anna")
    await office.do(block, SYSTEM, key, "звонит каждый день")
    blocked = office.form("8 916 123-45-67", email="Ivan@client.example")
    (record,) = await office.receive(blocked)
    await office.receive(office.form("+79030000000"))
    assert len(await office.leads()) == kept
    assert (record.state == "ignored") == (kept == 1)
