"""`/settings`: the company's own settings, changed while the hub runs, with history, undo and export to files."""

from __future__ import annotations

import asyncio
import io
import zipfile
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from aiohttp import web
from msgspec import Meta

from crm_core import setting_commands as commands
from crm_core.actor import Actor
from crm_core.presets.exporting import preset_files
from crm_core.setting_commands import Edit, Entry, Shelf
from crm_core.settings import SETTING_CHANGES, Blueprint, SettingChange
from storage import ReadTx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Id, ListQuery
from web.documents import DOCUMENTS

Comment = Annotated[str, Meta(max_length=commands.MAX_COMMENT)]
Moves = Annotated[dict[Id, Id], Meta(max_length=50)]


class SettingTableOut(Out, frozen=True, kw_only=True):
    table: str
    title: str
    entries: int
    changed: int
    """How many entries differ from the files."""


class SettingTables(Out, frozen=True, kw_only=True):
    items: list[SettingTableOut]
    next: str | None = None
    """There are never more."""


async def tables(call: Call[None, None]) -> SettingTables:
    found = await call.read(commands.list_tables, call.services.blueprint)
    return SettingTables(
        items=[
            SettingTableOut(table=each.name, title=each.title, entries=len(each.entries), changed=each.changed)
            for each in found
        ]
    )


class SettingOut(Out, frozen=True, kw_only=True):
    table: str
    key: str
    value: Any
    """As the file of a preset would have it."""
    version: int
    """For `If-Match`; 0 while nobody has changed it."""
    in_files: bool
    changed: bool
    """Whether it differs from the files, or is not in them."""
    changed_at: datetime | None
    changed_by: str | None


def show(entry: Entry) -> SettingOut:
    own = entry.own
    return SettingOut(
        table=entry.table, key=entry.key, value=entry.value, version=entry.version, in_files=entry.in_files,
        changed=own is not None, changed_at=entry.changed_at, changed_by=own.changed_by if own else None,
    )  # fmt: skip


class SettingTable(Out, frozen=True, kw_only=True):
    table: str
    title: str
    version: int
    """Of the order, for `If-Match`."""
    items: list[SettingOut]
    next: str | None = None
    """There are never more."""


def show_table(shelf: Shelf) -> SettingTable:
    items = [show(each) for each in shelf.entries]
    return SettingTable(table=shelf.name, title=shelf.title, version=shelf.version, items=items)


async def table(call: Call[None, None]) -> SettingTable:
    """Every entry, in order."""
    return show_table(await call.read(commands.read_table, call.services.blueprint, call.ids["table"]))


class SettingOrder(In, frozen=True, kw_only=True):
    order: Annotated[list[Id], Meta(max_length=commands.MAX_ENTRIES)]
    """Keys; those not named come last, as they stood."""
    comment: Comment = ""


async def order(call: Call[None, SettingOrder]) -> SettingTable:
    edit = Edit(call.ids["table"], "", call.if_match, call.body.comment)
    return show_table(await call.write(commands.order_table, call.services.blueprint, edit, call.body.order))


async def read(call: Call[None, None]) -> SettingOut:
    return show(await call.read(commands.read_entry, call.services.blueprint, call.ids["table"], call.ids["key"]))


class SettingPut(In, frozen=True, kw_only=True):
    value: Any
    """As the file of a preset would have it."""
    comment: Comment = ""
    moves: Moves = {}
    """Stage that goes → the stage that takes its records over."""


class SettingPatch(In, frozen=True, kw_only=True):
    value: Annotated[dict[Id, Any], Meta(max_length=100)]
    """Members to change; null takes one away."""
    comment: Comment = ""
    moves: Moves = {}


def _edit(call: Call[None, Any], version: int | None) -> Edit:
    return Edit(call.ids["table"], call.ids["key"], version, call.body.comment, call.body.moves)


async def put(call: Call[None, SettingPut]) -> SettingOut:
    """Add an entry, or put another in its place; it holds from the next transaction on."""
    return show(
        await call.write(commands.save_entry, call.services.blueprint, _edit(call, call.if_match), call.body.value)
    )


async def patch(call: Call[None, SettingPatch]) -> SettingOut:
    return show(
        await call.write(commands.change_entry, call.services.blueprint, _edit(call, call.if_match), call.body.value)
    )


async def reset(call: Call[None, None]) -> None:
    """An own entry goes; a changed one of the files is again as they have it."""
    edit = Edit(call.ids["table"], call.ids["key"], call.if_match)
    await call.write(commands.reset_entry, call.services.blueprint, edit)


class SettingChangeOut(Out, frozen=True, kw_only=True):
    id: str
    number: int
    at: datetime
    actor_id: str | None
    actor: str
    table: str
    key: str
    """Empty: the order of the table."""
    before: Any
    after: Any
    comment: str
    moves: dict[str, str]
    """Stages that went → where their records were taken."""
    undoes: str | None


def show_change(change: SettingChange) -> SettingChangeOut:
    return SettingChangeOut(**{name: getattr(change, name) for name in SettingChangeOut.__struct_fields__})


class SettingChangeQuery(ListQuery, frozen=True, kw_only=True):
    table: Id | None = None
    key: Annotated[str, Meta(max_length=100)] | None = None
    """Of the table; empty: its order."""


async def changes(call: Call[SettingChangeQuery, None]) -> Page[SettingChangeOut]:
    """Newest first."""
    return await call.read(_changes, call.query)


def _changes(tx: ReadTx, actor: Actor, query: SettingChangeQuery) -> Page[SettingChangeOut]:
    rows = commands.history(tx, actor, query.table, query.key, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, SETTING_CHANGES, rows, query.limit, "-number", show_change)


class SettingUndo(In, frozen=True, kw_only=True):
    comment: Comment = ""


class SettingUndone(Out, frozen=True, kw_only=True):
    change: SettingChangeOut | None
    """The change that took it back; null when everything was so already."""


async def undo(call: Call[None, SettingUndo]) -> SettingUndone:
    """Only the last change of an entry can be taken back, then the one before it."""
    done = await call.write(commands.undo_change, call.services.blueprint, call.id, call.body.comment)
    return SettingUndone(change=show_change(done) if done else None)


async def export(call: Call[None, None]) -> web.StreamResponse:
    """The preset as it is in force, as a ZIP of its files."""
    blueprint: Blueprint = call.services.blueprint
    files = await call.read(preset_files, blueprint)
    papers = call.request.app[DOCUMENTS]
    contents = {name: text.encode() for name, text in files.texts.items()}
    contents |= {name: await papers.content_of(template) for name, template in files.templates.items()}
    headers = {
        "Content-Disposition": f"attachment; filename=\"preset.zip\"; filename*=UTF-8''{quote('набор')}.zip",
        "Cache-Control": "no-store",
    }
    return web.Response(
        body=await asyncio.to_thread(_packed, contents), content_type="application/zip", headers=headers
    )


def _packed(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


ROUTES = (
    Route("GET", "/settings", tables, "Разделы настроек", "setting.read"),
    Route("GET", "/settings/changes", changes, "История настроек", "setting.read"),
    Route("POST", "/settings/changes/{id}/undo", undo, "Отменить изменение настроек", "setting.manage"),
    Route("GET", "/settings/export", export, "Выгрузить набор файлами", "setting.export", media="application/zip"),
    Route("GET", "/settings/{table}", table, "Раздел настроек", "setting.read"),
    Route("PUT", "/settings/{table}", order, "Задать порядок раздела", "setting.manage"),
    Route("GET", "/settings/{table}/{key}", read, "Одна настройка", "setting.read"),
    Route("PUT", "/settings/{table}/{key}", put, "Добавить или заменить настройку", "setting.manage"),
    Route("PATCH", "/settings/{table}/{key}", patch, "Изменить части настройки", "setting.manage"),
    Route("DELETE", "/settings/{table}/{key}", reset, "Удалить свою или вернуть к набору", "setting.manage", 204),
)
