"""Contacts through public doors become leads: one per person, with a source, in front of one seller."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from connectors.contract import RobotKind
from crm_core.actor import SYSTEM
from crm_core.blocklist import block
from crm_core.company import RoutingRule
from crm_core.leads import move_lead
from crm_core.people import DUPLICATES
from crm_core.timeline import TIMELINE
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


async def test_a_number_outside_the_numbering_plan_is_a_person_all_the_same(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.form("8 770 123 45 67"), office.form("+7 770 123-45-67"))
    lead = await office.lead()
    assert lead.person_id is not None


async def test_a_phone_that_cannot_be_read_stays_on_the_card(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.form("спросите у Ольги"))
    assert (await office.lead()).fields["phone"] == "спросите у Ольги"


async def test_a_call_from_the_switchboard_number_is_the_person_who_left_it_with_an_extension(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.form("8 (495) 123-45-67 доб. 12"))
    await office.missed_call(number="84951234567")
    await office.receive(office.form("8 (495) 123-45-67 доб. 15"))
    first, second = await office.leads()
    assert first.unread == 2
    assert second.person_id != first.person_id, "another extension is another person"


async def test_a_form_full_of_links_is_a_lead_in_the_stage_for_spam(office: Office) -> None:
    await office.hire("anna")
    await office.receive(office.form(fields={"_robot": "links"}))
    lead = await office.lead()
    assert (lead.stage, lead.open, lead.offered_to) == ("spam", False, None)


async def test_what_was_ignored_by_mistake_is_replayed_and_believed(office: Office) -> None:
    await office.hire("anna")
    (record,) = await office.receive(office.form(fields={"_robot": "honeypot"}))
    await office.do(replay, SYSTEM, record.id)
    await office.settle()
    assert (await office.lead()).offered_to is not None


async def test_a_letter_stands_on_the_timeline_at_the_time_it_was_written(office: Office) -> None:
    written = office.clock.now() - timedelta(days=2)
    await office.receive(msgspec.structs.replace(office.letter(), occurred_at=written))
    await office.receive(msgspec.structs.replace(office.letter(), occurred_at=written + timedelta(days=900)))
    items = await office.store.read(lambda tx: tx.find(TIMELINE))
    letters = sorted(item.at for item in items if item.kind == "mail")
    assert letters == [written, office.clock.now()]
