"""Settings changed at run time, over the preset and a real store: what holds, what is refused, what can be undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_core import setting_commands as commands
from crm_core import timers
from crm_core.actor import SYSTEM, Actor
from crm_core.audit import AUDIT
from crm_core.automation import Automation, Event, Step, Trigger
from crm_core.automation_commands import save_automation
from crm_core.company import Company
from crm_core.deal_stages import move_deal
from crm_core.deals import DEALS, create_deal, edit_deal
from crm_core.errors import Conflict, Forbidden, Invalid, Missing
from crm_core.setting_commands import Edit, Entry
from crm_core.setting_moves import MOVE, PIECE
from crm_core.settings import NUMBER, company_now
from crm_core.task_commands import create_task
from crm_core.tasks import TASKS
from crm_core.users import create_user
from distribution.desk import Desk, LiveDesk
from firstline.blueprint import FileBlueprint
from firstline.schema import SCHEMA
from firstline.settings import load_settings
from router.clockwork import handlers
from storage import IdSource, Store, open_store
from workhours import ManualClock

SETTINGS = load_settings(None, {})
BLUEPRINT = FileBlueprint(SETTINGS, SETTINGS.company)
NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass
class Hub:
    store: Store
    live: LiveDesk
    admin: Actor

    async def do(self, command: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return await self.store.write(command, self.admin, BLUEPRINT, *args, **more)

    async def save(self, table: str, key: str, value: Any, **more: Any) -> Entry:
        entry: Entry = await self.do(commands.save_entry, Edit(table, key, **more), value)
        return entry

    async def change(self, table: str, key: str, parts: Mapping[str, Any], **more: Any) -> Entry:
        entry: Entry = await self.do(commands.change_entry, Edit(table, key, **more), parts)
        return entry

    async def refused(self, table: str, key: str, value: Any, **more: Any) -> dict[str, str]:
        with pytest.raises(Invalid) as refusal:
            await self.save(table, key, value, **more)
        return refusal.value.fields

    async def company(self) -> Company:
        return (await self.store.read(self.live.at)).company

    async def value(self, table: str, key: str) -> Any:
        entry = await self.store.read(commands.read_entry, self.admin, BLUEPRINT, table, key)
        return entry.value

    async def stages(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], **more: Any) -> Entry:
        """The pipeline of service with its stages changed."""
        way = await self.value("pipelines", "service")
        return await self.save("pipelines", "service", {**way, "stages": change(way["stages"])}, **more)

    async def deal(self, pipeline: str = "service", stage: str | None = None, **values: Any) -> str:
        company = await self.company()
        deal = await self.store.write(create_deal, SYSTEM, company, pipeline, values)
        if stage:
            await self.store.write(move_deal, SYSTEM, company, deal.id, stage)
        return deal.id

    async def fire(self) -> None:
        table = handlers(self.live)
        while due := [each for each in await self.store.read(timers.due, 1000) if each.kind == MOVE]:
            for timer in due:
                await self.store.write(timers.fire, timer.id, table)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    clock = ManualClock(NOON)
    store = open_store("sqlite:settings.db", tmp_path, SCHEMA, clock=clock.now, ids=IdSource())
    live = LiveDesk(Desk(SETTINGS.company, SETTINGS.queues), NUMBER, lambda tx: company_now(tx, BLUEPRINT))
    admin = Actor(id="user_admin", name="Админ", roles=frozenset({"admin"}), rights=SETTINGS.company.rights)
    yield Hub(store, live, admin)
    await store.close()


async def test_a_new_field_is_there_at_once_and_in_its_place(hub: Hub) -> None:
    await hub.save("deal_fields", "warranty", {"title": "Гарантия", "type": "choice", "choices": {"y": "Да"}})
    keys = [rule.key for rule in (await hub.company()).deal_fields]
    assert keys[-1] == "warranty"
    await hub.do(commands.order_table, Edit("deal_fields", ""), ["warranty", "requirements"])
    keys = [rule.key for rule in (await hub.company()).deal_fields]
    assert keys[:3] == ["warranty", "requirements", "equipment_category"]
    deal = await hub.deal(fields={"warranty": "y"})
    await hub.change("deal_fields", "warranty", {"hidden": True})
    assert next(iter((await hub.company()).deal_fields)).hidden
    assert (await hub.store.read(lambda tx: tx.require(DEALS, deal))).fields == {"warranty": "y"}


async def test_a_wrong_change_is_told_as_a_wrong_file_is(hub: Hub) -> None:
    found = await hub.refused("deal_fields", "x1", {"title": "", "type": "colour"})
    assert found.keys() == {"value.title", "value.type"}
    assert "choice" in found["value.type"]
    way = await hub.value("pipelines", "service")
    wrong = {**way, "stages": [*way["stages"][:1], {"key": "won", "title": "Да", "demands": [{"field": "amuont"}]}]}
    found = await hub.refused("pipelines", "service", wrong)
    assert found["value.stages[1].demands[0].field"] == "поля amuont нет; возможно, amount"
    assert "ровно одна" in found["value.stages"]
    assert await hub.refused("deal_fields", "title", {"title": "Имя"}) == {
        "value.key": "поле title есть у каждой сделки и так; выберите другой ключ"
    }
    assert (await hub.refused("roles", "a b", "Роль")).keys() == {"key"}
    assert (await hub.refused("deal_fields", "x1", {"key": "x2", "title": "Х"})).keys() == {"value.key"}
    assert (await hub.company()) == SETTINGS.company
    with pytest.raises(Missing):
        await hub.save("server", "port", 80)


async def test_what_is_referred_to_cannot_go(hub: Hub) -> None:
    way = await hub.value("pipelines", "equipment")
    rest = [stage for stage in way["stages"] if stage["key"] != "delivery"]
    found = await hub.refused("pipelines", "equipment", {**way, "stages": rest})
    assert found == {"automations[1].on.stage": found["automations[1].on.stage"]}
    with pytest.raises(Invalid) as refusal:
        await hub.change("fields", "how_learned", {"hidden": True})
    text = "поле how_learned скрыто, а конвертация его требует; покажите поле или уберите требование"
    assert refusal.value.fields == {"conversion.requires": text}


async def test_a_robot_that_people_changed_counts_as_they_changed_it(hub: Hub) -> None:
    company = await hub.company()
    robot = company.automations["purchase"]
    moved = Automation(id="purchase", title=robot.title, trigger=Trigger(entity="deal", event=Event.CREATED),
                       steps=robot.steps)  # fmt: skip
    await hub.store.write(save_automation, SYSTEM, company, moved)
    way = await hub.value("pipelines", "equipment")
    rest = [stage for stage in way["stages"] if stage["key"] != "delivery"]
    await hub.save("pipelines", "equipment", {**way, "stages": rest})
    step = Step(action="set_field", params={"field": "variants", "value": "нет"})
    own = Automation(id="", title="Свой", trigger=Trigger(entity="deal", event=Event.STAGE, stage="interest"),
                     steps=(step,))  # fmt: skip
    await hub.store.write(save_automation, SYSTEM, await hub.company(), own)
    rest = [stage for stage in rest if stage["key"] != "interest"]
    found = await hub.refused("pipelines", "equipment", {**way, "stages": rest})
    (text,) = found.values()
    assert text.startswith("Робот «Свой»: Такой стадии нет")


async def test_a_stage_with_deals_goes_only_when_they_are_taken_elsewhere(hub: Hub) -> None:
    ids = [await hub.deal(stage="offer", title=f"Сделка {number}") for number in range(PIECE + 3)]
    way = await hub.value("pipelines", "service")
    rest = [stage for stage in way["stages"] if stage["key"] != "offer"]
    found = await hub.refused("pipelines", "service", {**way, "stages": rest})
    assert found["value"].startswith(f"На стадии «Коммерческое предложение» есть записи ({len(ids)}): назовите в moves")
    for target in ("won", "nowhere", "offer"):
        moves = {"offer": target}
        assert (await hub.refused("pipelines", "service", {**way, "stages": rest}, moves=moves)).keys() == {
            "moves.offer"
        }
    await hub.stages(lambda stages: [each for each in stages if each["key"] != "offer"], moves={"offer": "contract"})
    company = await hub.company()
    assert company.pipeline("service").stage("offer").archived
    with pytest.raises(Invalid, match="в архиве"):
        await hub.store.write(move_deal, SYSTEM, company, await hub.deal(), "offer")
    await hub.fire()
    deals = await hub.store.read(lambda tx: [tx.require(DEALS, each) for each in ids])
    assert {deal.stage for deal in deals} == {"contract"}


async def test_nothing_more_is_moved_once_the_stage_is_back(hub: Hub) -> None:
    deal = await hub.deal(stage="offer")
    await hub.stages(lambda stages: [each for each in stages if each["key"] != "offer"], moves={"offer": "contract"})
    (change,) = await hub.store.read(commands.history, hub.admin, limit=1)
    assert change.moves == {"offer": "contract"}
    await hub.do(commands.undo_change, change.id)
    await hub.fire()
    assert (await hub.store.read(lambda tx: tx.require(DEALS, deal))).stage == "offer"


async def test_an_archived_stage_keeps_its_deals_and_asks_nothing_of_others(hub: Hub) -> None:
    inside = await hub.deal(stage="offer")
    await hub.stages(
        lambda stages: [
            {**each, "archived": True, "demands": [{"next_step": True}]} if each["key"] == "offer" else each
            for each in stages
        ]
    )
    company = await hub.company()
    fresh = await hub.deal(amount=Decimal(100))
    assert (await hub.store.write(move_deal, SYSTEM, company, fresh, "contract")).stage == "contract"
    assert (await hub.store.write(edit_deal, SYSTEM, company, inside, {"comment": "да"})).stage == "offer"


async def test_kinds_of_stages_with_deals_and_types_of_fields_stay(hub: Hub) -> None:
    await hub.deal(stage="price")
    with pytest.raises(Invalid, match="её вид сменить нельзя"):
        await hub.stages(
            lambda stages: [{**each, "kind": "open"} if each["key"] == "price" else each for each in stages]
        )
    with pytest.raises(Invalid) as refusal:
        await hub.change("deal_fields", "prepaid_at", {"type": "text"})
    assert refusal.value.fields.keys() == {"value.type"}
    await hub.change("deal_fields", "variants", {"type": "text"})
    await hub.save("deal_fields", "n1", {"title": "Число", "type": "money"})
    await hub.do(commands.reset_entry, Edit("deal_fields", "n1"))
    assert (await hub.refused("deal_fields", "n1", {"title": "Число", "type": "date"})).keys() == {"value.type"}
    await hub.save("deal_fields", "n1", {"title": "Число", "type": "money"})


async def test_an_archived_pipeline_takes_no_new_deals(hub: Hub) -> None:
    await hub.deal()
    await hub.change("pipelines", "service", {"archived": True})
    with pytest.raises(Invalid, match="новые сделки в нём не заводят"):
        await hub.deal()


async def test_stages_of_tasks_go_with_their_tasks_taken_elsewhere(hub: Hub) -> None:
    company = await hub.company()
    task = await hub.store.write(create_task, SYSTEM, title="Дело", company=company, group="purchase_check",
                                 responsible_id=None)  # fmt: skip
    group = await hub.value("task_groups", "purchase_check")
    fresh = {"key": "fresh", "title": "Свежая", "kind": "open"}
    stages = [fresh, *group["stages"][1:]]
    assert "value" in await hub.refused("task_groups", "purchase_check", {**group, "stages": stages})
    await hub.save("task_groups", "purchase_check", {**group, "stages": stages}, moves={"new": "fresh"})
    await hub.fire()
    assert (await hub.store.read(lambda tx: tx.require(TASKS, task.id))).stage == "fresh"


async def test_a_role_that_somebody_has_stays_and_nobody_locks_himself_out(hub: Hub) -> None:
    await hub.save("roles", "partner", "Партнёр")
    await hub.save("rights", "partner", {"deal": {"read": "own in service"}})
    await hub.store.write(create_user, SYSTEM, email="p@example.ru", name="П", roles=("partner",))
    with pytest.raises(Invalid):
        await hub.do(commands.reset_entry, Edit("roles", "partner"))
    assert "лишите себя" in (await hub.refused("rights", "admin", {"deal": {"read": "all"}}))["value"]
    assert (await hub.refused("rights", "partner", {"deal": {"read": "half"}})).keys() == {"value.deal.read"}


async def test_the_history_says_who_changed_what_and_leads_back(hub: Hub) -> None:
    entry = await hub.change("fields", "price", {"title": "Цена"}, comment="короче")
    (change,) = await hub.store.read(commands.history, hub.admin, "fields", "price", limit=10)
    assert (change.actor, change.comment, change.number) == ("Админ", "короче", entry.version)
    assert (change.before["title"], change.after["title"]) == ("Ориентировочная цена", "Цена")
    await hub.change("fields", "price", {"title": "Стоимость"})
    with pytest.raises(Conflict, match="другие изменения"):
        await hub.do(commands.undo_change, change.id)
    for title in ("Цена", "Стоимость", "Цена"):
        (last,) = await hub.store.read(commands.history, hub.admin, "fields", "price", limit=1)
        await hub.do(commands.undo_change, last.id)
        assert (await hub.value("fields", "price"))["title"] == title
    entries = await hub.store.read(lambda tx: tx.find(AUDIT, {"entity_id": "fields/price"}))
    assert [entry.action for entry in entries] == ["changed", "changed", "undone", "undone", "undone"]


async def test_a_change_back_to_the_files_leaves_nothing_in_the_store(hub: Hub) -> None:
    former = await hub.value("fields", "price")
    await hub.change("fields", "price", {"title": "Цена"})
    await hub.save("fields", "price", former)
    shelf = await hub.store.read(commands.read_table, hub.admin, BLUEPRINT, "fields")
    assert shelf.changed == 0
    assert (await hub.company()) == SETTINGS.company
    with pytest.raises(Conflict):
        await hub.do(commands.reset_entry, Edit("fields", "price"))


async def test_two_who_change_the_same_do_not_overwrite_each_other(hub: Hub) -> None:
    seen = (await hub.store.read(commands.read_entry, hub.admin, BLUEPRINT, "fields", "price")).version
    await hub.change("fields", "price", {"title": "Цена"}, version=seen)
    with pytest.raises(Conflict, match="кто-то другой"):
        await hub.change("fields", "price", {"title": "Стоимость"}, version=seen)


async def test_only_who_may_configure_may_change(hub: Hub) -> None:
    seller = Actor(id="user_2", name="П", roles=frozenset({"consultant"}), rights=SETTINGS.company.rights)
    with pytest.raises(Forbidden):
        await hub.store.write(commands.save_entry, seller, BLUEPRINT, Edit("fields", "x1"), {"title": "Х"})
    with pytest.raises(Forbidden):
        await hub.store.read(commands.list_tables, seller, BLUEPRINT)


async def test_a_desk_follows_the_transaction_it_is_asked_in(hub: Hub) -> None:
    other = LiveDesk(Desk(SETTINGS.company, SETTINGS.queues), NUMBER, lambda tx: company_now(tx, BLUEPRINT))
    await hub.save("texts", "closed_subject", "Получили")
    assert other.latest.company.texts.closed_subject != "Получили"
    assert (await hub.store.write(lambda tx: other.at(tx).company)).texts.closed_subject == "Получили"
    assert other.latest.company.texts.closed_subject == other.company.texts.closed_subject == "Получили"
    assert await hub.store.read(other.at) is other.latest


async def test_a_process_with_other_files_goes_on_with_the_company_it_has(hub: Hub) -> None:
    """A new release reaches one process after the other: a change that only the new files allow stops nobody's work."""
    await hub.save("conversion", "requires", ["name", "price"])
    tables = {**SETTINGS.tables, "fields": [], "conversion": {}}
    former = replace(SETTINGS, tables=tables, company=replace(SETTINGS.company, fields=()))
    other = FileBlueprint(former, former.company)
    live = LiveDesk(Desk(other.company, SETTINGS.queues), NUMBER, lambda tx: company_now(tx, other))
    assert (await hub.store.write(live.at)).company is other.company
