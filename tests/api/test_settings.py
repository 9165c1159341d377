"""Settings through the API: they hold at once, have versions, a history and a way back, and go out as files."""

from __future__ import annotations

import asyncio
import io
import shutil
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crm_core.actor import SYSTEM
from crm_core.presets import FOLDER
from crm_core.presets.writing import toml
from crm_core.setting_commands import Edit, save_entry
from firstline.blueprint import FileBlueprint
from firstline.cli import main
from firstline.opening import opened
from firstline.problems import ConfigError
from firstline.settings import load_settings
from firstline.wiring import start_hub
from tests.api.hub import Bench, Caller, settings
from tests.api.test_deals import a_deal

AT = "/api/v1/settings"


@pytest.fixture
async def admin(bench: Bench) -> Caller:
    return await bench.token("admin")


async def value(caller: Caller, table: str, key: str) -> dict[str, Any]:
    answer = await caller.get(f"{AT}/{table}/{key}")
    assert answer.status == 200, answer.json
    found: dict[str, Any] = answer.json["value"]
    return found


async def add_stage(caller: Caller, stage: dict[str, Any], at: int) -> Any:
    stages = (await value(caller, "pipelines", "service"))["stages"]
    body = {"value": {"stages": [*stages[:at], stage, *stages[at:]]}, "comment": "новая стадия"}
    return await caller("PATCH", f"{AT}/pipelines/service", body)


async def test_a_new_stage_and_field_hold_from_the_next_request_on(bench: Bench, admin: Caller) -> None:
    stage = {"key": "demo", "title": "Показ", "color": "teal", "demands": [{"field": "hall"}]}
    refused = await add_stage(admin, stage, 2)
    assert (refused.status, set(refused.fields)) == (422, {"value.stages[2].demands[0].field"})
    put = await admin("PUT", f"{AT}/deal_fields/hall", {"value": {"title": "Зал"}})
    assert (put.status, put.json["in_files"], put.json["changed"]) == (200, False, True)
    assert (await add_stage(admin, stage, 2)).status == 200
    ways = {each["key"]: each for each in (await admin.get("/api/v1/pipelines")).json["items"]}
    assert [each["key"] for each in ways["service"]["stages"]][:3] == ["new", "offer", "demo"]
    deal = await a_deal(admin, pipeline="service", title="Осмотр")
    refused = await admin.post(f"/api/v1/deals/{deal['id']}/move", {"stage": "demo"})
    assert [lack["title"] for lack in refused.json["missing"]] == ["Заполните поле «Зал»"]
    assert (await admin("PATCH", f"/api/v1/deals/{deal['id']}", {"fields": {"hall": "№ 1"}})).status == 200
    assert (await admin.post(f"/api/v1/deals/{deal['id']}/move", {"stage": "demo"})).json["stage"] == "demo"


async def test_a_contact_from_a_channel_is_sorted_by_the_newest_rules(bench: Bench, admin: Caller) -> None:
    rules = (await admin.get(f"{AT}/sources/rules")).json["value"]
    mine = {"key": "fair", "label": "Выставка", "when": {"channel": "form"}}
    assert (await admin("PUT", f"{AT}/sources/rules", {"value": [mine, *rules]})).status == 200
    lead = await bench.lead_of(await bench.form())
    assert lead["source"]["label"] == "Выставка"


async def test_versions_keep_two_admins_from_overwriting_each_other(admin: Caller) -> None:
    seen = (await admin.get(f"{AT}/fields/price")).json["version"]
    match = {"If-Match": str(seen)}
    first = await admin("PATCH", f"{AT}/fields/price", {"value": {"title": "Цена"}}, headers=match)
    assert (first.status, first.json["version"]) == (200, 1)
    late = await admin("PATCH", f"{AT}/fields/price", {"value": {"title": "Стоимость"}}, headers=match)
    assert late.status == 409
    order = (await admin.get(f"{AT}/fields")).json["version"]
    body = {"order": ["price", "comment"]}
    put = await admin("PUT", f"{AT}/fields", body, headers={"If-Match": str(order)})
    assert [each["key"] for each in put.json["items"]][:3] == ["price", "comment", "how_learned"]
    assert (await admin("PUT", f"{AT}/fields", body, headers={"If-Match": str(order)})).status == 409
    assert (await admin("PUT", f"{AT}/fields", {"order": ["price", "prise"]})).fields.keys() == {"order[1]"}


async def test_the_history_tells_and_undoes(bench: Bench, admin: Caller) -> None:
    await admin("PATCH", f"{AT}/fields/price", {"value": {"title": "Цена"}, "comment": "короче"})
    (change,) = (await admin.get(f"{AT}/changes?table=fields&key=price")).json["items"]
    assert (change["before"]["title"], change["after"]["title"]) == ("Ориентировочная цена", "Цена")
    assert (change["comment"], change["undoes"]) == ("короче", None)
    undone = await admin.post(f"{AT}/changes/{change['id']}/undo", {})
    assert undone.json["change"]["undoes"] == change["id"]
    assert (await value(admin, "fields", "price"))["title"] == "Ориентировочная цена"
    assert (await admin.post(f"{AT}/changes/{change['id']}/undo", {})).status == 409
    assert (await admin.post(f"{AT}/changes/nobody/undo", {})).status == 404
    audit = (await admin.get("/api/v1/audit?entity_id=fields/price")).json["items"]
    assert {entry["action"] for entry in audit} == {"changed", "undone"}


async def test_changed_rights_hold_at_once_and_for_open_streams(bench: Bench, admin: Caller) -> None:
    seller = await bench.token("service_seller")
    assert (await seller.get("/api/v1/leads")).status == 403
    async with seller.http.get(f"{seller.url}/api/v1/events", headers=seller.headers) as stream:
        rights = await value(admin, "rights", "service_seller") | {"lead": {"read": "all"}}
        assert (await admin("PUT", f"{AT}/rights/service_seller", {"value": rights})).status == 200
        assert (await seller.get("/api/v1/leads")).status == 200
        async with asyncio.timeout(10):
            await stream.read()  # it ends, so that the reader comes again with the new rights


async def test_the_deals_of_a_stage_that_goes_are_moved_in_the_background(bench: Bench, admin: Caller) -> None:
    deals = [await a_deal(admin, pipeline="service", title=f"Сделка {number}") for number in range(3)]
    for deal in deals:
        await admin.post(f"/api/v1/deals/{deal['id']}/move", {"stage": "offer"})
    stages = [each for each in (await value(admin, "pipelines", "service"))["stages"] if each["key"] != "offer"]
    refused = await admin("PATCH", f"{AT}/pipelines/service", {"value": {"stages": stages}})
    assert (refused.status, set(refused.fields)) == (422, {"value"})
    body = {"value": {"stages": stages}, "moves": {"offer": "contract"}}
    assert (await admin("PATCH", f"{AT}/pipelines/service", body)).status == 200
    for deal in deals:
        async with asyncio.timeout(10):
            while (await admin.get(f"/api/v1/deals/{deal['id']}")).json["stage"] != "contract":
                await asyncio.sleep(0.02)


async def test_what_was_changed_survives_a_restart_and_files_that_no_longer_fit_are_refused(
    bench: Bench, admin: Caller, tmp_path: Path
) -> None:
    asked = [*(await admin.get(f"{AT}/conversion/requires")).json["value"], "price"]
    assert (await admin("PUT", f"{AT}/conversion/requires", {"value": asked})).status == 200
    await bench.hub.stop()
    again = await start_hub(settings(tmp_path), tmp_path)
    assert list(again.desk.latest.company.conversion.requires) == asked
    await again.stop()
    shutil.copytree(FOLDER / "equipment", tmp_path / "own")
    for name, gone in (("fields", '[[fields]]\nkey = "price"'), ("pipelines", 'price = "amount"\n')):
        file = tmp_path / "own" / f"{name}.toml"
        text = file.read_text("utf-8")
        assert gone in text
        file.write_text(text.replace(gone, '[[fields]]\nkey = "cost"' if name == "fields" else ""), "utf-8")
    config = tmp_path / "firstline.toml"
    config.write_text(config.read_text("utf-8").replace('"equipment"', '"own"'), "utf-8")
    with pytest.raises(ConfigError, match=r"изменённые в системе: conversion\.requires: поля лида price нет"):
        await start_hub(load_settings(config, {}), tmp_path)


async def test_another_process_on_the_same_store_changes_the_running_hub(bench: Bench, tmp_path: Path) -> None:
    """Sources for the router, rights for the sign-in: each looks in its own transaction."""
    blueprint = FileBlueprint(bench.hub.settings, bench.hub.settings.company)
    sources = [{"key": "fair", "label": "Выставка", "when": {"channel": "form"}}]
    seller = await bench.token("service_seller")
    assert (await seller.get("/api/v1/leads")).status == 403
    async with opened(bench.hub.settings, tmp_path) as other:
        await other.write(save_entry, SYSTEM, blueprint, Edit("sources", "rules"), sources)
        await other.write(save_entry, SYSTEM, blueprint, Edit("rights", "service_seller"), {"lead": {"read": "all"}})
    assert (await bench.lead_of(await bench.form()))["source"]["label"] == "Выставка"
    assert (await seller.get("/api/v1/leads")).status == 200


async def change_much(admin: Caller) -> None:
    """Something of every kind."""
    nasty = 'Кавычки "и" \\ слэш,\nстрока\tи \x7f'
    calls = (
        ("PUT", "deal_fields/hall", {"title": nasty, "type": "choice", "choices": {"a": "А", "б в": "Б"}}),
        ("PUT", "fields/hall", {"title": "Зал", "hidden": True}),
        ("PUT", "roles/partner", "Партнёр"),
        ("PUT", "rights/partner", {"deal": {"read": "own in service"}}),
        ("PUT", "texts/closed_subject", "Получили"),
        ("PATCH", "stages/mistaken", {"color": "violet", "archived": True}),
        ("PATCH", "task_groups/purchase", {"title": "Закупка"}),
    )
    for method, path, body in calls:
        answer = await admin(method, f"{AT}/{path}", {"value": body})
        assert answer.status == 200, answer.json
    stage = {
        "key": "demo",
        "title": "Показ",
        "probability": 50,
        "demands": [{"field": "hall", "title": "Выберите зал"}],
    }
    assert (await add_stage(admin, stage, 1)).status == 200
    assert (await admin("PUT", f"{AT}/deal_fields", {"order": ["hall"]})).status == 200
    robot = await admin("PATCH", "/api/v1/automations/purchase", {"active": False})
    assert robot.status == 200, robot.json


async def test_the_exported_preset_makes_the_same_company(bench: Bench, admin: Caller, tmp_path: Path) -> None:
    await change_much(admin)
    answer = await admin.get(f"{AT}/export")
    folder = tmp_path / "preset"
    zipfile.ZipFile(io.BytesIO(answer.body)).extractall(folder)
    config = tmp_path / "other.toml"
    config.write_text((tmp_path / "firstline.toml").read_text("utf-8").replace('"equipment"', '"preset"'), "utf-8")
    now = bench.hub.desk.company
    other = load_settings(config, {})
    assert other.company.deal_fields == now.deal_fields
    assert list(other.company.pipelines) == list(now.pipelines)
    assert list(other.company.task_groups) == list(now.task_groups)
    assert not other.company.automations["purchase"].active
    assert other.tables["workhours"] == bench.hub.settings.tables["workhours"]
    assert other.queues == bench.hub.desk.queues
    same = ("stages", "fields", "pipelines", "conversion", "task_groups", "sources", "routing", "roles", "rights",
            "texts", "trade", "firm", "timezone", "response_within")  # fmt: skip
    assert {name for name in same if getattr(other.company, name) != getattr(now, name)} == set()
    assert [(rule.key, rule.title) for rule in other.company.documents] == [
        (rule.key, rule.title) for rule in now.documents
    ]
    assert [department.key for department in other.departments] == [
        department.key for department in load_settings(None, {}).departments
    ]
    hub = await start_hub(other, tmp_path / "other")
    assert hub.desk.latest.company.pipelines == now.pipelines
    await hub.stop()


async def test_the_command_line_exports_what_the_running_hub_has(bench: Bench, admin: Caller, tmp_path: Path) -> None:
    await change_much(admin)
    folder = tmp_path / "files"
    words = ["preset", "export", str(folder), "--config", str(tmp_path / "firstline.toml"), "--data", str(tmp_path)]
    result = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert result.exit_code == 0, result.output
    written = tomllib.loads((folder / "pipelines.toml").read_text("utf-8"))
    assert written["pipelines"]["service"]["stages"][1]["title"] == "Показ"
    assert (folder / "documents" / "offer-service.docx").stat().st_size > 1000
    again = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert (again.exit_code, "не пуста" in again.output) == (1, True)


@pytest.mark.parametrize(
    "tables",
    [
        {"a": {"b": {"c": {"d": [{"e": {"f": "g" * 200}}, {"e": {}}]}}, "h": 1.5, "i": True}},
        {"rows": [{"key": "x", "list": [], "deep": [{"one": {"two": "three"}}]}, {"key": "y", "last": "\x00\x1f\"'"}]},
        {"empty": {}, "plain": {"*": "all", "дом": "«ёлки»", "long": ["слово" * 10] * 9}},
        {"mixed": {"section": {"key": "x" * 200}, "after": "value"}},
    ],
)
def test_tables_are_written_so_that_reading_gives_them_back(tables: dict[str, Any]) -> None:
    assert tomllib.loads(toml(tables)) == tables


async def test_departments_are_changed_at_run_time_and_stay_a_tree(bench: Bench, admin: Caller) -> None:
    at = "/api/v1/departments"
    head = await bench.hire("head", "head_service")
    top_id = (await admin.post(at, {"name": "Продажи"})).json["id"]
    made = await admin.post(at, {"name": " Склад ", "parent_id": top_id, "head_id": head.id})
    assert (made.status, made.json["name"], made.json["head_id"]) == (201, "Склад", head.id)
    top, own = f"{at}/{top_id}", f"{at}/{made.json['id']}"
    assert (await admin("PATCH", top, {"parent_id": made.json["id"]})).fields.keys() == {"parent_id"}
    wrong = await admin("PATCH", own, {"head_id": "nobody", "parent_id": "x"})
    assert wrong.fields.keys() == {"head_id", "parent_id"}
    changed = await admin("PATCH", own, {"name": "Логистика"}, headers={"If-Match": "1"})
    assert (changed.status, changed.json["version"]) == (200, 2)
    assert (await admin("PATCH", own, {"name": "Х"}, headers={"If-Match": "1"})).status == 409
    seller = await bench.token("consultant")
    assert (await seller("PATCH", own, {"name": "Х"})).status == 403
    assert (await seller("DELETE", own)).status == 403


async def test_a_department_goes_only_when_nobody_is_in_it_nor_names_it(bench: Bench, admin: Caller) -> None:
    at = "/api/v1/departments"
    top_id = (await admin.post(at, {"name": "Продажи"})).json["id"]
    below = (await admin.post(at, {"name": "Склад", "parent_id": top_id})).json["id"]
    worker = await bench.hire("worker", "consultant")
    assert (await admin("PATCH", f"/api/v1/users/{worker.id}", {"department_id": below})).status == 200
    step = {"action": "create_task", "params": {"title": "Да", "responsible": f"head:{below}"}}
    robot = {"title": "Задача", "trigger": {"entity": "deal", "event": "created"}, "steps": [step]}
    robot_id = (await admin.post("/api/v1/automations", robot)).json["id"]
    for id in (top_id, below):
        assert (await admin("DELETE", f"{at}/{id}")).status == 409
    assert (await admin("PATCH", f"/api/v1/users/{worker.id}", {"department_id": None})).status == 200
    assert "робот «Задача»" in (await admin("DELETE", f"{at}/{below}")).json["detail"]
    assert (await admin("DELETE", f"/api/v1/automations/{robot_id}")).status == 204
    assert (await admin("DELETE", f"{at}/{below}")).status == 204
    assert (await admin.get(f"{at}/{below}")).status == 404
