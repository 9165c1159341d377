"""What the forms of the settings page do: each in one transaction, by the commands of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_core.actor import Actor
from crm_core.deal_fields import BUILT_IN
from crm_core.errors import Invalid, Missing
from crm_core.setting_commands import Edit, order_table, read_entry, read_table, save_entry, undo_change
from crm_core.settings import Blueprint
from storage import ReadTx, Tx
from web.api.call import MAX_VERSION_DIGITS
from web.pages.setting_forms import Form, field_of, moved, new_key, stage_of, text_of

FIELD_TABLES = ("deal_fields", "fields")
DEMANDABLE = {key: BUILT_IN[key] for key in ("amount", "comment", "person_id", "company_id", "expected_close")}
"""Fields of every deal that a stage may well ask for."""
CONVERSION = "conversion"
"""Where a lead's field may be demanded."""


def _edit(form: Form, table: str, key: str, moves: Mapping[str, str] | None = None) -> Edit:
    seen = text_of(form, "version")
    known = seen.isascii() and seen.isdecimal() and len(seen) <= MAX_VERSION_DIGITS
    return Edit(table, key, int(seen) if known else None, text_of(form, "comment"), moves or {})


def save_way(tx: Tx, actor: Actor, blueprint: Blueprint, form: Form) -> None:
    """A pipeline's title and whether it is archived; a new one begins with a first stage and a won one."""
    title, key = text_of(form, "title"), text_of(form, "way")
    if key:
        former = read_entry(tx, actor, blueprint, "pipelines", key).value
        rest = {name: each for name, each in former.items() if name != "archived"}
        value = rest | {"title": title} | ({"archived": True} if "archived" in form else {})
        save_entry(tx, actor, blueprint, _edit(form, "pipelines", key), value)
        return
    taken = [each.key for each in read_table(tx, actor, blueprint, "pipelines").entries]
    first = {"key": "new", "title": "Новая", "probability": 10}
    stages = [first, {"key": "won", "title": "Завершена", "kind": "won", "color": "green"}]
    edit = Edit("pipelines", new_key(title, taken))
    save_entry(tx, actor, blueprint, edit, {"title": title, "stages": stages})


def save_stage(tx: Tx, actor: Actor, blueprint: Blueprint, form: Form) -> None:
    """Change a stage (`edit`) or add one behind those of its kind."""
    way, key = text_of(form, "way"), text_of(form, "edit")
    rows = _stages(tx, actor, blueprint, way)
    former = next((row for row in rows if row["key"] == key), None)
    if former is None and key:
        raise Missing("Такой стадии нет")
    stage = stage_of(form, former, [row["key"] for row in rows])
    target = text_of(form, "move_to")
    moves = {stage["key"]: target} if target and stage.get("archived") else {}
    if former is not None:
        changed = [stage if row is former else row for row in rows]
    else:
        behind = [at for at, row in enumerate(rows, 1) if row.get("kind", "open") == stage["kind"]]
        at = max(behind, default=len(rows))
        changed = [*rows[:at], stage, *rows[at:]]
    if way:
        value = read_entry(tx, actor, blueprint, "pipelines", way).value
        save_entry(tx, actor, blueprint, _edit(form, "pipelines", way, moves), {**value, "stages": changed})
        return
    save_entry(tx, actor, blueprint, _edit(form, "stages", stage["key"], moves), stage)
    if former is None:
        order_table(tx, actor, blueprint, Edit("stages", ""), [row["key"] for row in changed])


def _stages(tx: ReadTx, actor: Actor, blueprint: Blueprint, way: str) -> list[dict[str, Any]]:
    if way:
        return list(read_entry(tx, actor, blueprint, "pipelines", way).value["stages"])
    return [each.value for each in read_table(tx, actor, blueprint, "stages").entries]


def remove_stage(tx: Tx, actor: Actor, blueprint: Blueprint, form: Form) -> None:
    """A stage of a pipeline goes; its deals go to `move_to`, and without that there must be none."""
    way, key, target = text_of(form, "way"), text_of(form, "edit"), text_of(form, "move_to")
    value = read_entry(tx, actor, blueprint, "pipelines", way).value
    stages = [row for row in value["stages"] if row["key"] != key]
    edit = _edit(form, "pipelines", way, {key: target} if target else {})
    save_entry(tx, actor, blueprint, edit, {**value, "stages": stages})


def save_field(tx: Tx, actor: Actor, blueprint: Blueprint, form: Form) -> None:
    """Change a field (`edit`) or add one; where it is demanded (`required`) is changed in the same go."""
    table, key = text_of(form, "table"), text_of(form, "edit")
    shelf = read_table(tx, actor, blueprint, table)
    if not key:
        key = new_key(text_of(form, "title"), {*BUILT_IN, *(each.key for each in shelf.entries)})
    wanted = {str(each) for each in form.getall("required", [])}
    if "hidden" in form and wanted:
        raise Invalid({"hidden": "Скрытое поле нельзя требовать: снимите требования или покажите поле"})
    before = set(required_at(tx, actor, blueprint, table).get(key, ()))
    for place in sorted(before - wanted):
        _demand(tx, actor, blueprint, key, place, wanted=False)
    save_entry(tx, actor, blueprint, _edit(form, table, key), field_of(form, key))
    for place in sorted(wanted - before):
        _demand(tx, actor, blueprint, key, place, wanted=True)


def required_at(tx: ReadTx, actor: Actor, blueprint: Blueprint, table: str) -> dict[str, list[str]]:
    """Field → where it is demanded: `pipeline/stage` of deals, `conversion` of leads."""
    found: dict[str, list[str]] = {}
    if table == "fields":
        return {key: [CONVERSION] for key in _requires(tx, actor, blueprint)}
    if table == "deal_fields":
        for way in read_table(tx, actor, blueprint, "pipelines").entries:
            for stage in way.value["stages"]:
                for demand in stage.get("demands", ()):
                    if "field" in demand:
                        found.setdefault(demand["field"], []).append(f"{way.key}/{stage['key']}")
    return found


def _requires(tx: ReadTx, actor: Actor, blueprint: Blueprint) -> list[str]:
    entries = {each.key: each.value for each in read_table(tx, actor, blueprint, CONVERSION).entries}
    return list(entries.get("requires", []))


def _demand(tx: Tx, actor: Actor, blueprint: Blueprint, key: str, place: str, *, wanted: bool) -> None:
    """Demand the field at this place, or do not demand it any more."""
    if place == CONVERSION:
        asked = [each for each in _requires(tx, actor, blueprint) if each != key]
        save_entry(tx, actor, blueprint, Edit(CONVERSION, "requires"), asked + [key] * wanted)
        return
    way, _, stage_key = place.partition("/")
    value = read_entry(tx, actor, blueprint, "pipelines", way).value
    stages = []
    for row in value["stages"]:
        if row["key"] == stage_key:
            kept = [each for each in row.get("demands", ()) if each.get("field") != key]
            row = {**row, "demands": kept + [{"field": key}] * wanted}
        stages.append(row)
    save_entry(tx, actor, blueprint, Edit("pipelines", way), {**value, "stages": stages})


def shift(tx: Tx, actor: Actor, blueprint: Blueprint, form: Form) -> None:
    """One place up or down: a stage of a pipeline, a stage of leads, a field."""
    table, way, key = text_of(form, "table"), text_of(form, "way"), text_of(form, "key")
    is_up = text_of(form, "to") == "up"
    if table == "pipelines":
        value = read_entry(tx, actor, blueprint, "pipelines", way).value
        rows = {row["key"]: row for row in value["stages"]}
        stages = [rows[each] for each in moved(list(rows), key, is_up)]
        save_entry(tx, actor, blueprint, Edit(table, way), {**value, "stages": stages})
        return
    keys = [each.key for each in read_table(tx, actor, blueprint, table).entries]
    order_table(tx, actor, blueprint, Edit(table, ""), moved(keys, key, is_up))


def undo(tx: Tx, actor: Actor, blueprint: Blueprint, form: Form) -> None:
    """Take back the change `id`."""
    undo_change(tx, actor, blueprint, text_of(form, "id"))
