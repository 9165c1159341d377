"""Robots: the preset's four tasks, moments, conditions, chains that bite their tail, changes at run time, dry runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from crm_core.automation import AUTOMATIONS, Automation, Event, Step, Trigger
from tests.api.hub import Bench, Caller
from tests.api.test_deals import a_deal


@pytest.fixture
async def admin(bench: Bench) -> Caller:
    return await bench.token("admin")


async def runs(caller: Caller, deal: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What robots did with a deal, once they have done so much."""
    for _ in range(200):
        found = await caller.items(f"/api/v1/deals/{deal['id']}/robot-runs")
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(found)} runs instead of {count}: {found}")


async def move(caller: Caller, deal: dict[str, Any], stage: str) -> None:
    answer = await caller.post(f"/api/v1/deals/{deal['id']}/move", {"stage": stage})
    assert answer.status == 200, answer.json


def robot(event: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": "Проба", "trigger": {"entity": "deal", "event": event, **more}, "steps": list(steps)}


def step(action: str, **params: str) -> dict[str, Any]:
    return {"action": action, "params": params}


async def test_the_four_tasks_of_the_preset_reach_their_departments(bench: Bench, admin: Caller) -> None:
    buyer = await bench.hire("buyer", "procurement")
    engineer = await bench.hire("engineer", "service_admin")
    head = await bench.hire("head", "head_service")
    fields = {
        "requirements": "ЧПУ, 5 осей",
        "delivery_date": "2026-12-20",
        "prepaid_at": "2026-11-20",
        "postpaid_at": "2026-12-22",
    }
    deal = await a_deal(admin, pipeline="equipment", title="Станок", amount="100", fields=fields)
    await admin.post(f"/api/v1/deals/{deal['id']}/documents", {"template": "offer-equipment", "leave_blanks": True})
    for count, stage in enumerate(("purchase_check", "delivery", "commissioning"), 1):
        await move(admin, deal, stage)
        assert {run["outcome"] for run in await runs(admin, deal, count)} == {"done"}
    (installation,) = await admin.items(f"/api/v1/tasks?entity=deal&entity_id={deal['id']}&group=installation")
    for command, body in (("complete", {"result": "Наладили"}), ("accept", None)):
        assert (await admin.post(f"/api/v1/tasks/{installation['id']}/{command}", body)).status == 200
    await move(admin, deal, "won")
    await runs(admin, deal, 4)
    tasks = await admin.items(f"/api/v1/tasks?entity=deal&entity_id={deal['id']}&sort=created_at")
    assert [(task["group"], task["responsible_id"]) for task in tasks] == [
        ("purchase_check", buyer.id), ("purchase", buyer.id), ("installation", engineer.id), ("service_sales", head.id),
    ]  # fmt: skip
    assert "ЧПУ, 5 осей" in tasks[0]["description"]
    assert tasks[1]["deadline"].startswith("2026-12-20")


async def test_nobody_to_do_it_is_a_failure_in_words_and_the_move_stands(admin: Caller) -> None:
    deal = await a_deal(admin, pipeline="equipment", fields={"requirements": "ЧПУ"})
    await move(admin, deal, "purchase_check")
    (run,) = await runs(admin, deal, 1)
    assert run["outcome"] == "failed"
    assert "Некому поручить: role:procurement" in run["text"]
    assert (await admin.get(f"/api/v1/deals/{deal['id']}")).json["stage"] == "purchase_check"


async def test_robots_that_set_each_other_off_are_stopped_with_a_word(admin: Caller) -> None:
    for stage, other in (("new", "offer"), ("offer", "new")):
        body = robot("stage", step("move", stage=other), pipeline="service", stage=stage)
        assert (await admin.post("/api/v1/automations", body)).status == 201
    deal = await a_deal(admin, pipeline="service")
    found = await runs(admin, deal, 6)
    assert [run["outcome"] for run in found].count("done") == 5
    assert found[0]["outcome"] == "stopped"
    assert "запускают друг друга" in found[0]["text"]


async def test_a_condition_that_does_not_hold_skips(admin: Caller) -> None:
    body = robot("created", step("set_field", field="comment", value="Крупная {title}"), pipeline="service")
    body["conditions"] = [{"field": "amount", "op": "gt", "value": "1000"}]
    await admin.post("/api/v1/automations", body)
    small, big = [await a_deal(admin, pipeline="service", title="Ремонт", amount=each) for each in ("10", "5000")]
    assert (await runs(admin, small, 1))[0]["outcome"] == "skipped"
    assert (await runs(admin, big, 1))[0]["outcome"] == "done"
    assert (await admin.get(f"/api/v1/deals/{big['id']}")).json["comment"] == "Крупная Ремонт"


async def mark(admin: Caller, event: str) -> None:
    """A robot after whose run every other robot of the same event has been given its own."""
    answer = await admin.post(
        "/api/v1/automations", robot(event, step("set_field", field="amount", value="1")) | {"title": "Метка"}
    )
    assert answer.status == 201, answer.json


async def test_an_hour_before_the_next_step_the_owner_is_told(bench: Bench, admin: Caller) -> None:
    await mark(admin, "created")
    await bench.hire("boris", "consultant")
    seller = await bench.sign_in("boris")
    at = bench.clock.now() + timedelta(hours=2)
    step_ = {"text": "Встреча", "at": at.isoformat()}
    deal = await a_deal(seller, pipeline="equipment", title="Станок", next_step=step_)
    assert [run["title"] for run in await runs(seller, deal, 1)] == ["Метка"]
    bench.clock.push(timedelta(hours=1, minutes=5))
    await seller("PATCH", f"/api/v1/deals/{deal['id']}", {"comment": "будим часы"})
    run, _ = await runs(seller, deal, 2)
    assert (run["event"], run["outcome"]) == ("time", "done")
    notes = await seller.items("/api/v1/notifications")
    assert any("Через час следующий шаг" in note["text"] for note in notes)


async def test_a_contact_of_the_customer_is_an_event(bench: Bench, admin: Caller) -> None:
    lead = await bench.lead_of(await bench.form())
    body = robot("inbound", step("set_field", field="comment", value="Клиент обратился"), pipeline="service")
    await admin.post("/api/v1/automations", body)
    deal = await a_deal(admin, pipeline="service", person_id=lead["person"]["id"])
    await bench.lead_of(await bench.form(comment="Когда приедете?"))
    assert (await runs(admin, deal, 1))[0]["event"] == "inbound"


async def test_a_robot_of_the_preset_is_switched_off_and_back(bench: Bench, admin: Caller) -> None:
    await bench.hire("buyer", "procurement")
    at = "/api/v1/automations/check_purchase"
    await mark(admin, "stage")
    off = await admin("PATCH", at, {"active": False})
    assert (off.json["active"], off.json["of_preset"], off.json["changed"]) == (False, True, True)
    deal = await a_deal(admin, pipeline="equipment", fields={"requirements": "ЧПУ"})
    await move(admin, deal, "purchase_check")
    assert {run["title"] for run in await runs(admin, deal, 2)} == {"Метка"}
    assert (await admin("DELETE", at)).status == 204
    assert (await admin.get(at)).json["changed"] is False
    assert (await admin("DELETE", at)).status == 409


async def test_a_dry_run_says_what_would_happen_and_does_nothing(bench: Bench, admin: Caller) -> None:
    await bench.hire("buyer", "procurement")
    deal = await a_deal(admin, pipeline="equipment", title="Станок", fields={"requirements": "ЧПУ"})
    tried = await admin.post("/api/v1/automations/check_purchase/dry-run", {"record_id": deal["id"]})
    assert any("Проверить, можно ли закупить: Станок" in line for line in tried.json["lines"])
    assert any("Событие робота не про эту запись" in line for line in tried.json["lines"])
    assert await admin.items("/api/v1/tasks") == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"steps": [step("fly")]}, "steps[0].action"), ({"steps": [step("move", stage="nowhere")]}, "steps[0].stage"),
        ({"steps": [step("notify", text="{nothing}")]}, "steps[0].text"),
        ({"steps": [step("notify", text="Да", to="role:nobody")]}, "steps[0].to"),
        ({"steps": [step("create_task", title="Т", deadline="скоро")]}, "steps[0].deadline"),
        ({"steps": [step("create_task", title="Т", group="nothing")]}, "steps[0].group"),
        ({"trigger": {"entity": "deal", "event": "stage", "stage": "nowhere"}}, "trigger.stage"),
        ({"trigger": {"entity": "deal", "event": "time", "field": "comment"}}, "trigger.field"),
        ({"trigger": {"entity": "deal", "event": "stuck", "offset": "долго"}}, "trigger.offset"),
        ({"conditions": [{"field": "nothing"}]}, "conditions[0].field"),
    ],
)  # fmt: skip
async def test_a_wrong_robot_is_refused_by_field(admin: Caller, change: dict[str, Any], field: str) -> None:
    answer = await admin.post("/api/v1/automations", robot("stage", step("notify", text="Да")) | change)
    assert answer.status == 422
    assert field in answer.json["fields"]


async def test_a_robot_that_is_no_longer_right_can_be_switched_off(bench: Bench, admin: Caller) -> None:
    gone = Step(action="call_webhook", params={"url": "https://example.ru/"})
    kept = Automation(id="rob_old", title="Вебхук", trigger=Trigger(entity="deal", event=Event.CREATED), steps=(gone,))
    await bench.hub.store.write(lambda tx: tx.insert(AUTOMATIONS, kept))
    at = "/api/v1/automations/rob_old"
    assert (await admin("PATCH", at, {"title": "Другой"})).status == 422
    assert (await admin("PATCH", at, {"active": False})).json["active"] is False
    assert (await admin("PATCH", at, {"active": True})).status == 422


async def test_the_page_of_robots_is_for_its_readers_and_the_switch_for_its_managers(bench: Bench) -> None:
    statuses = {}
    for role in ("admin", "head_equipment", "consultant"):
        await bench.hire(f"a-{role}".replace("_", "-"), role)
        caller = await bench.sign_in(f"a-{role}".replace("_", "-"))
        shown = await caller.get("/admin/robots?robot=stuck&number=1")
        form = {"active": "no", "csrf": caller.headers["X-CSRF-Token"]}
        switched = await caller.post("/admin/robots/stuck", data=form)
        statuses[role] = (shown.status, switched.status)
    assert statuses == {"admin": (200, 303), "head_equipment": (200, 403), "consultant": (403, 403)}
