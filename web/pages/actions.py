"""What a seller does with a lead. Each is one command of the core; the answer is empty, and the live stream makes every
open page load what has changed. The header `HX-Trigger` tells the page that asked what to do at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.contacts import edit_person
from crm_core.errors import Conflict, Invalid
from crm_core.leads import Lead, edit_lead, for_change, move_lead, undo_closing
from crm_core.people import Person, find_person
from distribution.offers import assign, decline, take
from router.outgoing import add_note, cancel, reply, retry
from router.person import edit_lead_person
from storage import Tx
from web.corrections import Correction, corrected
from web.pages.card import stage_of
from web.pages.i18n import _
from web.pages.look import seen_by
from web.pages.render import Reader, reader
from web.pages.uploads import read_form

TOP_FIELDS = frozenset({"title", "company"})


def done(**events: Any) -> web.Response:
    """Nothing to show; `events` are told to the page that asked."""
    headers = {"HX-Trigger": json.dumps(events)} if events else {}
    return web.Response(status=204, headers=headers)


def toast(who: Reader, text: str, **extra: Any) -> dict[str, Any]:
    """A short message at the edge of the page, in the reader's language."""
    with seen_by(who.look):
        return {"text": _(text), **extra}


async def form_of(request: web.Request) -> Mapping[str, str]:
    """Text fields of a posted form."""
    return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}


async def take_lead(request: web.Request) -> web.Response:
    """`POST /leads/{id}/take`: accept an offer, or take what nobody has."""
    who, lead_id = await reader(request), request.match_info["id"]
    await who.write(take, who.actor, who.services.desk, lead_id)
    return done(**{"lead:changed": {"lead": lead_id, "open": True}})


async def decline_lead(request: web.Request) -> web.Response:
    """`POST /leads/{id}/decline`."""
    who, lead_id = await reader(request), request.match_info["id"]
    with seen_by(who.look):
        usual = _("Не могу взять сейчас")
    reason = (await form_of(request)).get("reason", "").strip() or usual
    await who.write(decline, who.actor, who.services.desk, lead_id, reason)
    note = toast(who, "Лид предложен следующему")
    return done(**{"lead:changed": {"lead": lead_id}, "toast": note})


async def move(request: web.Request) -> web.Response:
    """`POST /leads/{id}/move`: another stage; a final one can be taken back for two minutes."""
    who, lead_id = await reader(request), request.match_info["id"]
    stage = (await form_of(request)).get("stage", "")
    lead = await who.write(move_lead, who.actor, who.services.desk.company, lead_id, stage)
    events: dict[str, Any] = {"lead:changed": {"lead": lead_id}}
    if not lead.open:
        with seen_by(who.look):
            text = _("Лид закрыт: «%(stage)s»") % {"stage": stage_of(who.services.desk, lead).title}
        events["toast"] = {"text": text, "undo": f"/leads/{lead_id}/undo"}
    return done(**events)


async def undo(request: web.Request) -> web.Response:
    """`POST /leads/{id}/undo`: the closing was a slip."""
    who, lead_id = await reader(request), request.match_info["id"]
    await who.write(undo_closing, who.actor, who.services.desk.company, lead_id)
    return done(**{"lead:changed": {"lead": lead_id}, "toast": toast(who, "Лид снова в работе")})


async def transfer(request: web.Request) -> web.Response:
    """`POST /leads/{id}/assign`: to a colleague (`user_id`) or a queue (`queue`)."""
    who, lead_id = await reader(request), request.match_info["id"]
    form = await form_of(request)
    target = {"user_id": form.get("user_id") or None, "queue": form.get("queue") or None}
    await who.write(assign, who.actor, who.services.desk, lead_id, **target)
    return done(**{"lead:changed": {"lead": lead_id}, "close-dialog": {}, "toast": toast(who, "Лид передан")})


def edit_field(tx: Tx, actor: Actor, lead_id: str, name: str, value: str, was: str) -> Lead:
    """Change one field of the card, unless somebody changed that very field since this page showed it."""
    lead = for_change(tx, actor, lead_id)
    present = str(getattr(lead, name) or "") if name in TOP_FIELDS else lead.fields.get(name, "")
    if present not in (was, value):
        raise Conflict(f"Поле уже изменил кто-то другой, теперь там: «{present[:200]}». Карточка обновлена")
    changes = {name: value or None} if name in TOP_FIELDS else {"fields": {name: value}}
    return edit_lead(tx, actor, lead_id, changes, lead.version)


async def field(request: web.Request) -> web.Response:
    """`POST /leads/{id}/field`: `name`, `value`, and `was`, the value that the page had shown."""
    who, lead_id = await reader(request), request.match_info["id"]
    form = await form_of(request)
    name, value = form.get("name", ""), form.get("value", "").strip().replace("\r\n", "\n")
    known = TOP_FIELDS | {rule.key for rule in who.services.desk.company.fields}
    if name not in known:
        raise Invalid({"name": "Такого поля на карточке нет"})
    was = form.get("was", "").replace("\r\n", "\n")
    if name in TOP_FIELDS:
        value = " ".join(value.split())
    await who.write(edit_field, who.actor, lead_id, name, value, was)
    return done(saved={"name": name, "value": value})


def rename(tx: Tx, actor: Actor, *, lead_id: str, name: str, was: str) -> Person:
    """Change the name on the card, unless somebody changed it since this page showed it."""
    lead = for_change(tx, actor, lead_id)
    known = find_person(tx, lead.person_id)
    if known is None:
        raise Conflict("У этого лида ещё нет контакта: назовите клиента")
    present = known.name or ""
    if present not in (was, name):
        raise Conflict(f"Имя уже изменил кто-то другой, теперь там: «{present}». Карточка обновлена")
    return edit_person(tx, actor, known.id, {"name": name})


async def person(request: web.Request) -> web.Response:
    """`POST /leads/{id}/person`: `name` with `was`, the name that the page had shown; or what is added to the person,
    or whoever called from a withheld number: `name`, `phone`, `email`."""
    who, lead_id = await reader(request), request.match_info["id"]
    form = await form_of(request)
    name = " ".join(form.get("name", "").split())
    events: dict[str, Any] = {"lead:changed": {"lead": lead_id}, "person:changed": {}}
    if "was" in form:
        correction: Correction = partial(rename, lead_id=lead_id, name=name, was=form["was"])
        events["saved"] = {"name": "person-name", "value": name}
    else:
        phone, email = form.get("phone"), form.get("email")
        correction = partial(edit_lead_person, lead_id=lead_id, name=name, phone=phone, email=email)
    await corrected(who.services.store, who.actor, correction)
    return done(**events)


async def send_reply(request: web.Request) -> web.Response:
    """`POST /leads/{id}/reply`: text and files into the outbox."""
    who, lead_id = await reader(request), request.match_info["id"]
    form, files = await read_form(request)
    item = await who.write(
        reply,
        who.actor,
        who.services.desk,
        lead_id,
        form.get("text", ""),
        attachments=files,
        connector=form.get("connector") or None,
        subject=form.get("subject") or None,
    )
    return done(sent={"lead": lead_id, "item": item.id, "tab": "reply"})


async def send_note(request: web.Request) -> web.Response:
    """`POST /leads/{id}/note`: only colleagues see it."""
    who, lead_id = await reader(request), request.match_info["id"]
    form, _files = await read_form(request)
    item = await who.write(add_note, who.actor, lead_id, form.get("text", ""))
    return done(sent={"lead": lead_id, "item": item.id, "tab": "note"})


async def retry_message(request: web.Request) -> web.Response:
    """`POST /outbox/{id}/retry`: send a failed message again."""
    who = await reader(request)
    await who.write(retry, who.actor, request.match_info["id"])
    return done(**{"ops:changed": {}, "toast": toast(who, "Отправляем снова")})


async def cancel_message(request: web.Request) -> web.Response:
    """`POST /outbox/{id}/cancel`: take back what was not sent yet."""
    who = await reader(request)
    await who.write(cancel, who.actor, request.match_info["id"])
    return done(**{"ops:changed": {}, "toast": toast(who, "Отправка отменена")})
