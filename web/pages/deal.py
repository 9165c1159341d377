"""One deal on a page of its own: moves through its stages, fields that are changed in place, the next step, a note, a
task, a deal that follows from it.

A move that a gate refuses is shown in place: the page remembers the wanted stage (`want`) and says what is missing
until nothing is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_notes import add_deal_note
from crm_core.deal_stages import move_deal, undo_closing
from crm_core.deals import Deal, NextStep, create_deal, edit_deal, for_change, get_deal
from crm_core.errors import Conflict, Incomplete, Invalid
from crm_core.rights import Action
from crm_core.task_commands import create_task
from crm_core.tasks import Link, Task
from storage import Tx
from web.pages.actions import done, form_of, toast
from web.pages.deal_card import deal_card, values_of
from web.pages.deals import active, closed_note
from web.pages.i18n import mark
from web.pages.render import Reader, page, part, reader, wants_part
from web.pages.typed import day_of, moment_of

PLAIN = ("title", "amount", "probability", "expected_close", "owner_id", "comment")
"""Fields of every deal that are changed in place."""


async def deal_page(request: web.Request) -> web.Response:
    """`GET /deals/{id}`; `?want=` a stage whose gates are explained."""
    who = await reader(request)
    return await show(request, who, request.match_info["id"], request.query.get("want", ""))


async def show(request: web.Request, who: Reader, deal_id: str, want: str = "") -> web.Response:
    """The page, or the card alone for a script."""
    card = await who.read(deal_card, who.actor, who.services.desk, deal_id, want)
    if wants_part(request):
        return part(request, who, "deals/card.html", card=card)
    return await page(request, who, "deals/deal.html", "deals", card=card)


async def move(request: web.Request) -> web.Response:
    """`POST /deals/{id}/move`: the card comes back, moved or with what is missing."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company, stage = who.services.desk.company, form.get("stage", "")
    try:
        deal = await who.write(move_deal, who.actor, company, deal_id, stage, pipeline=form.get("pipeline") or None)
    except Incomplete:
        return await show(request, who, deal_id, stage)
    answer = await show(request, who, deal_id)
    if note := closed_note(who, company, deal):
        answer.headers["HX-Trigger"] = json.dumps(note)
    return answer


async def undo(request: web.Request) -> web.Response:
    """`POST /deals/{id}/undo`: the closing was a slip."""
    who, deal_id = await reader(request), request.match_info["id"]
    await who.write(undo_closing, who.actor, who.services.desk.company, deal_id)
    return changed(who, deal_id, mark("Сделка снова в работе"))


def changed(who: Reader, deal_id: str, text: str = "", **words: Any) -> web.Response:
    """Nothing but the news: the open card is loaded anew, and a dialog that asked is closed. `words` fill the text."""
    events: dict[str, Any] = {"deal:changed": {"deal": deal_id}, "close-dialog": {}}
    if text:
        note = toast(who, text)
        events["toast"] = note | {"text": note["text"] % words}
    return done(**events)


def edit_field(tx: Tx, actor: Actor, company: Company, deal_id: str, name: str, value: str, was: str) -> Deal:
    """Change one field, unless somebody changed that very field since this page showed it."""
    deal = for_change(tx, actor, deal_id)
    present = values_of(company, deal)[name]
    if present not in (was, value):
        raise Conflict(f"Поле уже изменил кто-то другой, теперь там: «{present[:200]}». Карточка обновлена")
    return edit_deal(tx, actor, company, deal_id, _change(name, value), deal.version)


def _change(name: str, value: str) -> dict[str, Any]:
    match name:
        case "title" | "comment" | "amount":
            return {name: value}
        case "probability":
            plain = value.removesuffix("%").strip()
            return {name: int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 4 else plain or None}
        case "expected_close":
            return {name: day_of(value, name) if value else None}
        case "owner_id":
            return {name: value or None}
    return {"fields": {name: value}}


async def field(request: web.Request) -> web.Response:
    """`POST /deals/{id}/field`: `name`, `value`, and `was`, the value that the page had shown."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company = who.services.desk.company
    name, value = form.get("name", ""), form.get("value", "").strip().replace("\r\n", "\n")
    if name not in {*PLAIN, *(rule.key for rule in company.deal_fields)}:
        raise Invalid({"name": "Такого поля на карточке нет"})
    was = form.get("was", "").replace("\r\n", "\n")
    deal = await who.write(edit_field, who.actor, company, deal_id, name, value, was)
    return done(**{"saved": {"name": name, "value": values_of(company, deal)[name]}, "deal:changed": {"deal": deal.id}})


async def step_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/step`: the next step, for the dialog."""
    who, deal_id = await reader(request), request.match_info["id"]
    deal = await who.read(for_change, who.actor, deal_id)
    step, given = deal.next_step, {}
    if step:
        at = f"{step.at.astimezone(who.look.zone):%Y-%m-%dT%H:%M}"
        given = {"text": step.text, "at": at, "commitment": step.commitment}
    return part(request, who, "deals/step.html", deal=deal, given=given, errors={})


async def save_step(request: web.Request) -> web.Response:
    """`POST /deals/{id}/step`: what comes next, when (on the reader's clock), and what the customer promised; with
    `done` the step was taken and the next is not known yet."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company = who.services.desk.company
    try:
        step = None if form.get("done") else _step(who, form)
        await who.write(edit_deal, who.actor, company, deal_id, {"next_step": step})
    except Invalid as error:
        deal = await who.read(get_deal, who.actor, deal_id)
        return part(request, who, "deals/step.html", deal=deal, given=form, errors=error.fields)
    return changed(who, deal_id, mark("Следующий шаг сохранён") if step else mark("Шаг сделан: назначьте следующий"))


def _step(who: Reader, form: Mapping[str, str]) -> NextStep:
    text = form.get("text", "").strip()
    wrong = {} if text else {"text": "Назовите следующий шаг"}
    try:
        at = moment_of(who, form.get("at", ""), "at")
    except Invalid as error:
        raise Invalid(wrong | error.fields) from None
    if wrong:
        raise Invalid(wrong)
    return NextStep(text=text, at=at, commitment=form.get("commitment", "").strip())


async def note(request: web.Request) -> web.Response:
    """`POST /deals/{id}/note`: for colleagues; the card comes back with it."""
    who, deal_id = await reader(request), request.match_info["id"]
    text = (await form_of(request)).get("text", "").replace("\r\n", "\n")
    await who.write(add_deal_note, who.actor, deal_id, text)
    return await show(request, who, deal_id)


async def task_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/task`: a new task about this deal, for the dialog."""
    who = await reader(request)
    check(who.actor, "task", Action.CREATE)
    return await _task_form(request, who, {}, {})


async def _task_form(
    request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    deal = await who.read(get_deal, who.actor, request.match_info["id"])
    users = await who.read(active, who.services.desk)
    return part(request, who, "deals/task.html", deal=deal, users=users, given=given, errors=errors, reader=who.user)


async def add_task(request: web.Request) -> web.Response:
    """`POST /deals/{id}/task`; the deadline is on the reader's clock."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    try:
        deadline = moment_of(who, text, "deadline") if (text := form.get("deadline", "").strip()) else None
        task = await who.write(_add_task, who.actor, who.services.desk.company, deal_id, form, deadline)
    except Invalid as error:
        return await _task_form(request, who, form, error.fields)
    return changed(who, deal_id, mark("Поставлена задача № %(number)s"), number=task.number)


def _add_task(tx: Tx, actor: Actor, company: Company, deal_id: str, form: Mapping[str, str], deadline: Any) -> Task:
    get_deal(tx, actor, deal_id)
    return create_task(
        tx, actor, title=form.get("title", ""), description=form.get("description", "").replace("\r\n", "\n"),
        responsible_id=form.get("responsible_id") or None, group=form.get("group") or None, deadline=deadline,
        links=(Link("deal", deal_id),), company=company,
    )  # fmt: skip


async def follow(request: web.Request) -> web.Response:
    """`POST /deals/{id}/follow`: a deal of another pipeline for the same customer, and on to its page."""
    who, deal_id = await reader(request), request.match_info["id"]
    pipeline = (await form_of(request)).get("pipeline", "")
    company = who.services.desk.company
    deal = await who.write(create_deal, who.actor, company, pipeline, {"origin_id": deal_id})
    return web.Response(status=204, headers={"HX-Redirect": f"/deals/{deal.id}"})
