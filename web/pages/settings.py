"""The company's own settings as a page: pipelines, stages, fields, loss reasons, and the history with the way back.

Every form is a plain post that ends in the page again: what is wrong stands above the form, what was typed stays in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.documents.library import templates
from crm_core.errors import Conflict, Incomplete, Invalid, Missing
from crm_core.rights import Action
from crm_core.setting_commands import history, read_table
from crm_core.settings import Blueprint, SettingChange
from distribution.desk import Desk
from storage import ReadTx
from web.pages import setting_edits as edits
from web.pages.i18n import mark
from web.pages.look import seen_by
from web.pages.render import Reader, page, reader
from web.pages.setting_forms import Form, demand_name, written_choices
from web.pages.setting_words import brief, label, name_of

TABS = (
    ("pipelines", mark("Направления")),
    ("deal_fields", mark("Поля сделки")),
    ("fields", mark("Поля лида")),
    ("stages", mark("Стадии лида")),
    ("history", mark("История")),
)
HISTORY = 50
COLORS = ("blue", "teal", "green", "amber", "red", "violet", "gray")
AT = "/admin/settings"
USUAL: Mapping[str, Any] = {
    "title": "", "kind": "open", "color": "blue", "archived": False, "probability": 0, "demands": (), "type": "text",
    "choices": {}, "hidden": False,
}  # fmt: skip
"""What is meant where a stage or a field says nothing."""
TYPED: Mapping[str, Any] = {"comment": "", "move_to": "", "required": ()}


@dataclass(frozen=True, slots=True)
class Step:
    """A change as the history shows it."""

    change: SettingChange
    name: str
    lines: list[str]
    may_undo: bool
    """Nothing was changed there since."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a tab shows."""

    tab: str
    way: str
    """Of the pipelines: the chosen one."""
    rows: list[dict[str, Any]]
    """Stages or fields as the files have them, in order."""
    version: int
    """Of the chosen pipeline, or of the edited entry."""
    ways: list[tuple[str, dict[str, Any]]]
    demands: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    """Group → what a stage may demand."""
    required: Mapping[str, list[str]] = field(default_factory=dict)
    """Field → where it is demanded: `pipeline/stage`, or `conversion`."""
    changes: list[SettingChange] = field(default_factory=list)
    """The history, newest first."""


def view(tx: ReadTx, actor: Actor, live: Desk, blueprint: Blueprint, tab: str, way: str, edit: str) -> View:
    """What a tab shows; `way` and `edit` may be absent or gone."""
    check(actor, "setting", Action.MANAGE)
    found = {each.key: each for each in read_table(tx, actor, blueprint, "pipelines").entries}
    ways = [(key, _whole(each.value)) for key, each in found.items()]
    if tab == "history":
        return View(tab, "", [], 0, ways, changes=history(tx, actor, limit=HISTORY))
    if tab == "pipelines":
        way = way if way in found else next(iter(found), "")
        rows = dict(ways)[way]["stages"] if way else []
        return View(tab, way, rows, found[way].version if way else 0, ways, _demands(tx, actor, live, blueprint))
    shelf = read_table(tx, actor, blueprint, tab)
    version = next((each.version for each in shelf.entries if each.key == edit), 0)
    rows = [{**USUAL, **each.value} for each in shelf.entries]
    return View(tab, "", rows, version, ways, required=edits.required_at(tx, actor, blueprint, tab))


def _whole(way: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline with what its file left out."""
    return {"archived": False, **way, "stages": [{**USUAL, **stage} for stage in way["stages"]]}


def _demands(tx: ReadTx, actor: Actor, live: Desk, blueprint: Blueprint) -> list[tuple[str, list[tuple[str, str]]]]:
    company = live.at(tx).company
    fields = edits.DEMANDABLE | {rule.key: rule.title for rule in company.deal_fields if not rule.hidden}
    papers = [(f"document:{each.key}", each.title) for each in templates(tx, actor, company) if each.active]
    return [
        (mark("Общее"), [("products", mark("Есть товары")), ("next_step", mark("Назван следующий шаг"))]),
        (mark("Заполнены поля"), [(f"field:{key}", title) for key, title in fields.items()]),
        (mark("Созданы документы"), papers),
        (mark("Завершены задачи"), [(f"task:{key}", group.title) for key, group in company.task_groups.items()]),
        (mark("Согласовано"), [(f"approval:{key}", title) for key, title in company.roles.items()]),
    ]


def _steps(changes: list[SettingChange]) -> list[Step]:
    """In the reader's language."""
    steps, seen = [], set()
    for change in changes:
        place = (change.table, change.key)
        lines = brief(change.before, change.after)
        steps.append(Step(change, name_of(change), lines, place not in seen))
        seen.add(place)
    return steps


async def settings_page(request: web.Request) -> web.Response:
    """`GET /admin/settings`, `?tab=&way=&edit=&done=`."""
    query = request.query
    return await _page(request, await reader(request), query.get("tab", ""), query.get("way", ""), query.get("edit"))


async def _page(
    request: web.Request, who: Reader, tab: str, way: str, edit: str | None = None,
    given: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None,
) -> web.Response:  # fmt: skip
    tab = tab if tab in dict(TABS) else TABS[0][0]
    services = who.services
    found = await who.read(view, who.actor, services.live, services.blueprint, tab, way, edit or "")
    row = next((each for each in found.rows if each["key"] == edit), None)
    with seen_by(who.look):
        wrong = [f"{name}: {text}" if (name := label(place)) else text for place, text in (errors or {}).items()]
        steps = _steps(found.changes)
    context = {
        "view": found, "tabs": TABS, "colors": COLORS, "edit": edit if row else None,
        "given": {**TYPED, **_raw(row or USUAL, found), **(given or {})}, "wrong": wrong, "demand_name": demand_name,
        "steps": steps,
        "done": request.query.get("done") if request.method == "GET" else None,
    }  # fmt: skip
    return await page(request, who, "settings/company.html", "settings", **context)


def _raw(row: Mapping[str, Any], found: View) -> dict[str, Any]:
    """An entry as its form shows it."""
    return {
        **row,
        "demands": [demand_name(each) for each in row.get("demands", ())],
        "choices": written_choices(row.get("choices", {})),
        "required": found.required.get(row.get("key", ""), []),
    }


def _typed(form: Form) -> dict[str, Any]:
    """What was typed, to be shown again."""
    many = {name: [str(each) for each in form.getall(name, [])] for name in ("demands", "required")}
    unticked = dict.fromkeys(("archived", "hidden"), "")
    return unticked | {key: value for key, value in form.items() if isinstance(value, str)} | many


Command = Callable[[Any, Actor, Blueprint, Form], Any]


async def _carry_out(request: web.Request, command: Command, tab: str) -> web.Response:
    """Run a change; the page again with what stands in the way, or with the change and a way to take it back."""
    who, form = await reader(request), await request.post()
    check(who.actor, "setting", Action.MANAGE)
    way, edit = str(form.get("way", "")), str(form.get("edit", "")) or None
    try:
        await who.write(command, who.actor, who.services.blueprint, form)
    except Invalid as error:
        return await _page(request, who, tab, way, edit, _typed(form), error.fields)
    except (Conflict, Missing, Incomplete) as error:
        return await _page(request, who, tab, way, edit, _typed(form), {"": str(error)})
    last = await who.read(history, who.actor, limit=1)
    query = {"tab": tab} | ({"way": way} if way else {}) | ({"done": last[0].id} if last else {})
    raise web.HTTPSeeOther(f"{AT}?{urlencode(query)}")


async def save_way(request: web.Request) -> web.Response:
    """`POST /admin/settings/pipeline`: title and archive of a pipeline, or a new one."""
    return await _carry_out(request, edits.save_way, "pipelines")


async def save_stage(request: web.Request) -> web.Response:
    """`POST /admin/settings/stage`: of a pipeline (`way`) or of leads."""
    return await _carry_out(request, edits.save_stage, await _stage_tab(request))


async def remove_stage(request: web.Request) -> web.Response:
    """`POST /admin/settings/stage/remove`; `move_to` takes its records over."""
    return await _carry_out(request, edits.remove_stage, await _stage_tab(request))


async def _stage_tab(request: web.Request) -> str:
    return "pipelines" if (await request.post()).get("way") else "stages"


async def save_field(request: web.Request) -> web.Response:
    """`POST /admin/settings/field`: of deals or of leads (`table`), and where it is demanded."""
    return await _carry_out(request, edits.save_field, await _table(request))


async def shift(request: web.Request) -> web.Response:
    """`POST /admin/settings/order`: one place up or down."""
    return await _carry_out(request, edits.shift, await _table(request))


async def _table(request: web.Request) -> str:
    table = str((await request.post()).get("table", ""))
    if table not in ("pipelines", *edits.FIELD_TABLES, "stages"):
        raise Missing("Такого раздела настроек нет")
    return table


async def undo(request: web.Request) -> web.Response:
    """`POST /admin/settings/undo`: take a change back."""
    return await _carry_out(request, edits.undo, "history")
