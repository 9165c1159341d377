"""Tasks over the API: a task from its making to its acceptance, its parts, and how it is found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.api.hub import Bench, Caller, until


@pytest.fixture
async def people(bench: Bench) -> dict[str, str]:
    """Name → id: anna gives, boris does, vera helps, gleb looks on, dina has no part."""
    return {name: (await bench.hire(name)).id for name in ("anna", "boris", "vera", "gleb", "dina")}


async def give(caller: Caller, **fields: Any) -> dict[str, Any]:
    answer = await caller.post("/api/v1/tasks", {"title": "Смонтировать печь"} | fields)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def installation(anna: Caller, people: dict[str, str], **fields: Any) -> dict[str, Any]:
    return await give(
        anna,
        responsible_id=people["boris"],
        co_executors=[people["vera"]],
        observers=[people["gleb"]],
        group="installation",
        acceptance=True,
        result_required=True,
        priority="high",
        planned_minutes=240,
        deadline="2026-11-27T15:00:00+03:00",
        **fields,
    )


async def test_an_installation_is_done_returned_and_accepted(bench: Bench, people: dict[str, str]) -> None:
    anna, boris = await bench.sign_in("anna"), await bench.sign_in("boris")
    lead = await bench.lead_of(await bench.form())
    links = [{"entity": "contact", "id": lead["person"]["id"]}]
    task = await installation(anna, people, lead_id=lead["id"], links=links)
    path = f"/api/v1/tasks/{task['id']}"
    assert (task["stage"], task["state"], task["priority"]) == ("new", "open", "high")
    assert {(link["entity"], link["id"]) for link in task["links"]} == {
        ("lead", lead["id"]),
        ("contact", lead["person"]["id"]),
    }
    assert (await boris.get(path)).json["allowed"] == ["start", "defer", "complete", "cancel", "delegate"]
    assert (await boris.post(f"{path}/start")).json["stage"] == "in_work"
    refused = await boris.post(f"{path}/complete")
    assert (refused.status, set(refused.fields)) == (422, {"result"})
    comment = await boris.post(f"{path}/comments", {"text": "Акт подписан", "result": True})
    assert (comment.status, comment.json["data"]) == (201, {"result": True})
    waiting = (await boris.post(f"{path}/complete")).json
    assert (waiting["state"], waiting["stage"], waiting["result"]) == ("acceptance", "finished", "Акт подписан")
    assert (await boris.post(f"{path}/accept")).status == 403
    assert set((await anna.post(f"{path}/return", {})).fields) == {"reason"}
    back = (await anna.post(f"{path}/return", {"reason": "Нет фото"})).json
    assert (back["state"], back["stage"], back["result"]) == ("in_work", "in_work", None)
    assert (await boris.post(f"{path}/complete", {"result": "Фото приложил"})).json["state"] == "acceptance"
    done = (await anna.post(f"{path}/accept")).json
    assert (done["state"], done["stage"], done["open"], done["allowed"]) == ("done", "accepted", False, ["reopen"])
    assert (await anna.post(f"{path}/accept")).status == 409
    said = [each["text"] for each in await anna.items(f"{path}/comments")]
    assert said[:3] == ["Акт подписан", "Нет фото", "Фото приложил"]
    trail = await (await bench.token("admin")).items(f"/api/v1/audit?entity_id={task['id']}")
    assert {"created", "started", "to_accept", "returned", "accepted"} <= {each["action"] for each in trail}


async def test_steps_besides_the_straight_way(bench: Bench, people: dict[str, str]) -> None:
    anna, vera = await bench.sign_in("anna"), await bench.sign_in("vera")
    task = await give(anna, group="purchase")
    path = f"/api/v1/tasks/{task['id']}"
    assert (await anna.post(f"{path}/defer")).json["stage"] == "on_the_way"
    assert set((await anna.post(f"{path}/delegate", {"user_id": "nobody"})).fields) == {"user_id"}
    assert (await anna.post(f"{path}/move", {"stage": "ordered"})).json["state"] == "in_work"
    assert set((await anna.post(f"{path}/move", {"stage": "nowhere"})).fields) == {"stage"}
    assert (await vera.post(f"{path}/start")).status == 403
    given = (await anna.post(f"{path}/delegate", {"user_id": people["vera"]})).json
    assert given["responsible_id"] == people["vera"]
    assert "task_assigned" in [note["kind"] for note in await vera.items("/api/v1/notifications")]
    assert (await vera.post(f"{path}/cancel", {"reason": "Передумали"})).json["result"] == "Передумали"
    assert (await vera.post(f"{path}/reopen")).json["state"] == "open"


async def test_the_groups_come_with_their_stages(bench: Bench) -> None:
    groups = await (await bench.token("procurement")).items("/api/v1/task-groups")
    assert [group["key"] for group in groups] == ["purchase_check", "purchase", "installation", "service_sales"]
    assert groups[2]["stages"][-1] == {"key": "accepted", "title": "Принято клиентом", "kind": "done"}


async def test_tasks_are_found_by_part_group_deadline_record_and_words(bench: Bench, people: dict[str, str]) -> None:
    anna, vera, gleb = [await bench.sign_in(name) for name in ("anna", "vera", "gleb")]
    lead = await bench.lead_of(await bench.form())
    contact = lead["person"]["id"]
    first = await give(
        anna,
        responsible_id=people["boris"],
        co_executors=[people["vera"]],
        observers=[people["gleb"]],
        group="installation",
        links=[{"entity": "contact", "id": contact}],
        deadline="2026-11-27T12:00:00Z",
    )
    second = await give(anna, title="Позвонить на завод", lead_id=lead["id"], deadline="2026-11-23T09:30:00Z")
    both = {first["id"], second["id"]}

    async def found(caller: Caller, query: str) -> set[str]:
        return {each["id"] for each in await caller.items(f"/api/v1/tasks?{query}")}

    for query, wanted in (
        ("role=creator", both),
        ("role=responsible", {second["id"]}),
        ("role=observer", set()),
        ("group=installation", {first["id"]}),
        ("group=installation&stage=new", {first["id"]}),
        ("group=installation&stage=accepted", set()),
        ("deadline_from=2026-11-24T00:00:00Z", {first["id"]}),
        ("deadline_to=2026-11-24T00:00:00Z", {second["id"]}),
        (f"entity=contact&entity_id={contact}", {first["id"]}),
        (f"entity=lead&entity_id={lead['id']}", {second["id"]}),
        ("q=завод+позвонить", {second["id"]}),
        (f"q={first['number']}", {first["id"]}),
        ("q=чайник", set()),
    ):
        assert await found(anna, query) == wanted, query
    assert await found(vera, "role=co_executor&open=true") == {first["id"]}
    assert await found(gleb, "role=observer") == await found(gleb, "") == {first["id"]}
    assert set((await anna.get("/api/v1/tasks?entity=deal")).fields) == {"entity_id"}
    assert set((await anna.get("/api/v1/tasks?stage=new")).fields) == {"group"}


async def test_an_overdue_task_is_found_and_told_once(bench: Bench, people: dict[str, str]) -> None:
    anna = await bench.sign_in("anna")
    await give(anna, deadline="2026-11-27T12:00:00Z")
    late = await give(anna, deadline="2026-11-23T09:30:00Z")
    bench.clock.push(timedelta(hours=1))

    async def overdue() -> list[str]:
        return [each["id"] for each in await anna.items("/api/v1/tasks?overdue=true")]

    assert await until(overdue) == [late["id"]]
    kinds = [note["kind"] for note in await anna.items("/api/v1/notifications")]
    assert kinds.count("task_overdue") == 1


async def test_links_lead_to_records_that_one_may_see(bench: Bench) -> None:
    lead = await bench.lead_of(await bench.form())
    await bench.hire("buyer", "procurement")
    await bench.hire("root", "admin")
    buyer, admin = await bench.sign_in("buyer"), await bench.sign_in("root")
    link = {"entity": "lead", "id": lead["id"]}
    assert (await buyer.post("/api/v1/tasks", {"title": "Х", "links": [link]})).status == 403
    wrong = await admin.post("/api/v1/tasks", {"title": "Х", "links": [link, {"entity": "contact", "id": "no"}]})
    assert wrong.fields == {"links[1]": "Такого контакта нет"}
    task = await give(admin)
    path = f"/api/v1/tasks/{task['id']}"
    assert (await admin("PATCH", path, {"links": [link]})).json["lead_id"] == lead["id"]
    twice = await admin("PATCH", path, {"links": [link, link, {"entity": "deal", "id": "no"}]})
    assert twice.fields == {"links[2]": "Такой сделки нет"}
    assert (await admin("PATCH", path, {"links": []})).json["lead_id"] is None


async def test_a_change_keeps_to_the_version_that_was_seen(bench: Bench, people: dict[str, str]) -> None:
    anna = await bench.sign_in("anna")
    task = await give(anna)
    path = f"/api/v1/tasks/{task['id']}"
    change = {"observers": [people["gleb"]], "priority": "low", "group": "service_sales", "planned_minutes": 30}
    seen = {"If-Match": str(task["version"])}
    changed = (await anna("PATCH", path, change, headers=seen)).json
    assert {name: changed[name] for name in change} == change
    assert changed["stage"] == "new"
    assert (await anna("PATCH", path, {"priority": "high"}, headers=seen)).status == 409
    assert set((await anna("PATCH", path, {"group": "nothing"})).fields) == {"group"}
    assert (await anna("PATCH", path, {"group": None})).json["stage"] is None


async def test_checklist_reminders_and_time_belong_to_the_task(bench: Bench, people: dict[str, str]) -> None:
    anna, boris = await bench.sign_in("anna"), await bench.sign_in("boris")
    task = await give(anna, responsible_id=people["boris"], deadline="2026-11-27T12:00:00Z")
    path = f"/api/v1/tasks/{task['id']}"
    for text in ("Замер", "Монтаж"):
        items = (await anna.post(f"{path}/checklist", {"text": text})).json["checklist"]
    ids = [item["id"] for item in items]
    ticked = (await boris("PATCH", f"{path}/checklist/{ids[0]}", {"done": True})).json["checklist"][0]
    assert (ticked["done"], ticked["done_by"]) == (True, people["boris"])
    assert ticked["done_at"] is not None
    ordered = (await boris("PUT", f"{path}/checklist", {"order": ids[::-1]})).json["checklist"]
    assert [item["text"] for item in ordered] == ["Монтаж", "Замер"]
    assert set((await boris("PUT", f"{path}/checklist", {"order": ids[:1]})).fields) == {"order"}
    assert len((await boris("DELETE", f"{path}/checklist/{ids[0]}")).json["checklist"]) == 1
    assert (await boris("DELETE", f"{path}/checklist/{ids[0]}")).status == 404
    stale = await boris("PATCH", f"{path}/checklist/{ids[1]}", {"done": True}, headers={"If-Match": "1"})
    assert stale.status == 409
    reminder = (await boris.post(f"{path}/reminders", {"before_minutes": 60})).json["reminders"][0]
    assert reminder["at"] == "2026-11-27T11:00:00Z"
    assert (await anna.get(path)).json["reminders"] == []  # they are one's own
    assert set((await boris.post(f"{path}/reminders", {"at": "2026-11-01T00:00:00Z"})).fields) == {"at"}
    assert (await boris("DELETE", f"{path}/reminders/{reminder['id']}")).json["reminders"] == []
    await boris.post(f"{path}/reminders", {"at": "2026-11-23T09:30:00Z"})
    bench.clock.push(timedelta(hours=1))

    async def reminded() -> bool:
        return "task_reminder" in [note["kind"] for note in await boris.items("/api/v1/notifications")]

    await until(reminded)
    assert (await boris.post(f"{path}/time", {"minutes": 90})).json["spent_minutes"] == 90


async def test_files_come_with_a_task_or_a_comment_and_only_its_people_read_them(
    bench: Bench, people: dict[str, str]
) -> None:
    anna, dina, vera = [await bench.sign_in(name) for name in ("anna", "dina", "vera")]
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("title", "С планом цеха")
    form.add_field("file", b"%PDF-1.4 plan", filename="план.pdf", content_type="application/pdf")
    task = (await anna.post("/api/v1/tasks", data=form)).json
    assert [file["name"] for file in task["files"]] == ["план.pdf"]
    path = f"/api/v1/tasks/{task['id']}"
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("text", "И фото")
    form.add_field("file", b"\x89PNG\r\n\x1a\n", filename="цех.png", content_type="image/png")
    assert (await anna.post(f"{path}/comments", data=form)).json["attachments"][0]["name"] == "цех.png"
    files = (await anna.get(path)).json["files"]
    assert [file["name"] for file in files] == ["план.pdf", "цех.png"]
    assert (await anna.get(files[0]["url"])).body == b"%PDF-1.4 plan"
    assert (await dina.get(files[0]["url"])).status == 403
    assert (await vera.get(path)).status == 403
    mention = {"text": "Вера, взгляни", "mentions": [people["vera"]]}
    assert (await anna.post(f"{path}/comments", mention)).json["data"] == {"mentions": [people["vera"]]}
    assert (await vera.get(files[1]["url"])).status == 200
    assert [note["kind"] for note in await vera.items("/api/v1/notifications")] == ["task_mention"]
    assert set((await anna.post(f"{path}/comments", {})).fields) == {"text"}


async def test_a_program_names_whose_task_it_is_and_has_none_itself(bench: Bench, people: dict[str, str]) -> None:
    program = await bench.token("admin")
    refused = await program.post("/api/v1/tasks", {"title": "Счёт"})
    assert (refused.status, set(refused.fields)) == (422, {"responsible_id"})
    given = await give(program, responsible_id=people["anna"])
    assert (given["responsible_id"], given["creator_id"]) == (people["anna"], None)
    for asked in ("mine=true", "role=responsible", "role=observer"):
        assert (await program.get(f"/api/v1/tasks?{asked}")).status == 403


async def test_a_task_is_taken_back_from_acceptance_by_a_move_with_a_reason(
    bench: Bench, people: dict[str, str]
) -> None:
    boris = await bench.sign_in("boris")
    path = f"/api/v1/tasks/{(await give(boris, group='installation'))['id']}"
    assert (await boris.post(f"{path}/complete", {"result": "Смонтировали"})).json["state"] == "acceptance"
    assert set((await boris.post(f"{path}/move", {"stage": "in_work"})).fields) == {"reason"}
    back = (await boris.post(f"{path}/move", {"stage": "in_work", "reason": "Нет фото"})).json
    assert (back["state"], back["result"]) == ("in_work", None)


async def test_a_task_repeats_until_it_is_stopped(bench: Bench) -> None:
    await bench.hire("root", "admin")
    admin = await bench.sign_in("root")
    task = await give(admin, title="Отчёт по складу")
    path = f"/api/v1/tasks/{task['id']}/repeat"
    assert (await admin.get(path)).status == 404
    assert set((await admin("PUT", path, {"unit": "day", "weekdays": [1]})).fields) == {"weekdays"}
    ended = await admin("PUT", path, {"unit": "day", "until": "2026-11-22"})
    assert set(ended.fields) == {"until"}
    rule = (await admin("PUT", path, {"unit": "week", "weekdays": [0, 3]})).json
    assert rule["next_at"][:10] == "2026-11-26"
    bench.clock.push(timedelta(days=3, minutes=1))

    async def made() -> bool:
        return len(await admin.items("/api/v1/tasks?q=отчёт")) == 2

    await until(made)
    assert (await admin.get(path)).json["next_at"][:10] == "2026-11-30"
    assert (await admin("DELETE", path)).json["next_at"] is None
    assert (await admin("DELETE", path)).status == 409
