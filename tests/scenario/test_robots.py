"""Robots of leads: what comes in raises their events once, whatever the channel; where there are none, nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_id

from connectors.contract import CallOutcome, CallPhase
from crm_core.actor import SYSTEM
from crm_core.automation import ROBOT, RUNS, Automation, Event, RobotRun, Step, Trigger
from crm_core.automation_commands import save_automation
from crm_core.deals import create_deal
from crm_core.notifications import NOTIFICATIONS, mark_all_read, notify
from crm_core.pipelines import Pipeline, PipelineStage
from crm_core.timeline import TIMELINE
from crm_core.timers import TIMERS
from router.journal import accept, claim
from router.process import handle
from storage import ReadTx, Tx
from tests.scenario.office import Office, make_company

SERVICE = Pipeline("service", "Сервис", (PipelineStage("new", "Новая"),))


def robot(entity: Any, event: Event, action: str = "set_field", **params: str) -> Automation:
    steps = (Step(action=action, params=params or {"field": "title", "value": "Новый: {title}"}),)
    return Automation(id="", title="Робот", trigger=Trigger(entity=entity, event=event), steps=steps)


async def office_with(folder: Path, *robots: Automation) -> Office:
    """Its robots are kept at run time, as people make them."""
    office = Office(folder, replace(make_company(), pipelines={"service": SERVICE}))
    for each in robots:
        await office.do(save_automation, SYSTEM, office.desk.company, each)
    return office


async def runs(office: Office) -> list[RobotRun]:
    return await office.store.read(lambda tx: tx.find(RUNS, sort="at"))


@pytest.mark.parametrize("event", [Event.CREATED, Event.STAGE])
async def test_a_new_lead_is_an_event(tmp_path: Path, event: Event) -> None:
    office = await office_with(tmp_path, robot("lead", event))
    await office.receive(office.form(name="Иван"))
    assert (await office.lead()).title.startswith("Новый: ")
    assert office.errors == []
    await office.close()


async def test_a_robot_of_the_preset_hears_of_a_new_lead_too(tmp_path: Path) -> None:
    own = {"hello": replace_id(robot("lead", Event.CREATED), id="hello")}
    office = Office(tmp_path, replace(make_company(), automations=own))
    await office.receive(office.form(name="Иван"))
    assert (await office.lead()).title.startswith("Новый: ")
    await office.close()


async def test_without_robots_of_leads_a_new_lead_raises_nothing(tmp_path: Path) -> None:
    office = await office_with(tmp_path, robot("deal", Event.CREATED))
    await office.do(accept, (office.form(),))
    for record_id in await office.do(claim, 100):
        await office.do(handle, office.desk, record_id)
    timers = await office.store.read(lambda tx: tx.find(TIMERS))
    assert [timer.kind for timer in timers if timer.kind == ROBOT] == []
    await office.close()


async def test_one_call_is_one_contact_for_a_lead_and_for_a_deal(tmp_path: Path) -> None:
    office = await office_with(tmp_path, robot("lead", Event.INBOUND), robot("deal", Event.INBOUND))
    await office.hire("anna", extension="101")
    await office.receive(office.form(name="Иван"))
    lead = await office.lead()
    deal = await office.do(create_deal, SYSTEM, office.desk.company, "service", {"person_id": lead.person_id})
    await office.receive(office.call(CallPhase.STARTED))
    await office.receive(office.call(CallPhase.RINGING, ringing=("101",), rang=("101",)))
    await office.receive(office.call(CallPhase.ANSWERED, answered_by="101", last_agent="101"))
    ended = {"outcome": CallOutcome.ANSWERED, "answered_by": "101", "ended_at": office.clock.now()}
    await office.receive(office.call(CallPhase.ENDED, **ended))
    assert sorted(run.entity_id for run in await runs(office)) == sorted([deal.id, lead.id])
    assert office.errors == []
    await office.close()


async def test_a_robot_answers_in_the_channel_of_the_customer_and_is_no_answer_of_ours(tmp_path: Path) -> None:
    answer = robot("lead", Event.CREATED, "send_message", text="Здравствуйте! Это {title}.")
    office = await office_with(tmp_path, answer)
    await office.receive(office.letter(subject="Нужен насос"))
    (row,) = await office.outbox()
    assert (row.connector, row.outbound.recipient) == ("mail", "ivan@client.example")
    assert (row.outbound.subject, row.outbound.text) == ("Re: Нужен насос", "Здравствуйте! Это Нужен насос.")
    assert row.outbound.automatic
    lead = await office.lead()
    assert lead.first_response_at is None
    assert lead.due_at is not None
    items = await office.store.read(lambda tx: tx.find(TIMELINE, {"lead_id": lead.id}, sort="at"))
    assert [item.state for item in items if item.direction == "out"] == ["queued"]
    await office.close()


@pytest.mark.parametrize("address", ["no-reply@client.example", None])
async def test_a_robot_that_has_nowhere_to_write_says_so(tmp_path: Path, address: str | None) -> None:
    office = await office_with(tmp_path, robot("lead", Event.CREATED, "send_message", text="Здравствуйте!"))
    await office.receive(office.letter(address) if address else office.form())
    (run,) = await runs(office)
    assert (run.outcome, "некуда" in run.text) == ("failed", True)
    assert await office.outbox() == []
    await office.close()


async def test_two_robots_that_answer_each_other_come_to_rest(tmp_path: Path) -> None:
    office = await office_with(tmp_path, robot("lead", Event.INBOUND, "send_message", text="Мы получили ваше письмо"))
    for number in range(8):
        await office.receive(office.letter(subject=f"Автоответ {number}"))
    assert [run.outcome for run in await runs(office)] == ["done"] * 5 + ["failed"] * 2
    await office.pass_time(hours=1)
    await office.receive(office.letter(subject="И ещё"))
    assert (await runs(office))[-1].outcome == "done"
    await office.close()


async def test_a_note_that_is_replaced_is_shown_at_once_and_leads_to_what_it_says(tmp_path: Path) -> None:
    office = await office_with(tmp_path)
    anna = await office.hire("anna")
    first = await office.do(notify, anna.id, "robot", "Раз", task_id="tsk_1", key="k")
    before = await office.store.read(_news)
    second = await office.do(notify, anna.id, "robot", "Два", deal_id="deal_1", key="k")
    assert (second.id, second.text, second.task_id, second.deal_id) == (first.id, "Два", None, "deal_1")
    assert await office.store.read(_news) == before + 1
    await office.close()


def _news(tx: ReadTx) -> int:
    return tx.last_number("change")


async def test_read_all_reads_more_than_one_piece(tmp_path: Path) -> None:
    office = await office_with(tmp_path)
    anna = await office.hire("anna")

    def flood(tx: Tx) -> None:
        for number in range(601):
            notify(tx, anna.id, "robot", f"Заметка {number}")

    await office.do(flood)
    await office.do(mark_all_read, anna.id)
    unread = {"user_id": anna.id, "read": False}
    assert await office.store.read(lambda tx: tx.count(NOTIFICATIONS, unread)) == 0
    await office.close()
