"""The dialog in which two companies, or two people, become one: which of them stays, and whose value of each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.actor import Actor
from crm_core.duplicates import Candidate, duplicates_of
from crm_core.errors import Conflict, Invalid
from crm_core.leads import Lead, open_lead_of
from crm_core.merge import KINDS, Merge, merge_companies, merge_people
from crm_core.rights import Action
from crm_core.search import Question
from crm_core.searchable import COMPANY, CONTACT
from crm_core.searchable import KINDS as SEARCHED
from crm_core.unmerge import undo_merge
from distribution.desk import Desk
from storage import ReadTx
from web.pages.actions import form_of
from web.pages.customer_fields import FIELDS, Field, values_of
from web.pages.customers import BY_ENTITY
from web.pages.render import Reader, part, reader

FOUND = 10
ENTITIES = {"companies": "company", "people": "contact"}
TOGETHER = {"company": ("company", "company_id")}
"""A row of the dialog → the fields that its choice is of, where they are several."""
SIDES = ("this", "other")


@dataclass(frozen=True, slots=True)
class Row:
    """A field that differs."""

    field: Field
    this: str
    other: str
    is_text: bool
    """Both can be kept, one below the other."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records side by side."""

    entity: str
    path: str
    this: Any
    other: Any
    rows: list[Row]
    leads: list[Lead]
    """Open ones, when each has one: only one may stay open."""


def pair(tx: ReadTx, actor: Actor, desk: Desk, entity: str, id: str, other_id: str) -> Pair:
    """Both records, which the actor may change."""
    this, other = (KINDS[entity].get(tx, actor, each, Action.UPDATE) for each in (id, other_id))
    names = {user.id: user.name for user in desk.roster(tx).users}
    left, right = values_of(this), values_of(other)
    rows = [
        Row(field, _shown(field, left, names), _shown(field, right, names), field.name == "comment")
        for field in FIELDS[entity]
        if field.type != "list" and left[field.name] and right[field.name] and left[field.name] != right[field.name]
    ]
    leads = [lead for each in (this.id, other.id) if (lead := open_lead_of(tx, each)) is not None]
    path = f"{BY_ENTITY[entity].path}/{this.id}"
    return Pair(entity, path, this, other, rows, leads if len(leads) == len(SIDES) else [])


def _shown(field: Field, values: Mapping[str, str], users: Mapping[str, str]) -> str:
    value = values[field.name]
    return users.get(value, value) if field.type == "owner" else value


def candidates(tx: ReadTx, actor: Actor, entity: str, id: str, text: str) -> list[Candidate]:
    """With whom it may be merged: whoever the words find, or else those that look alike."""
    if not text:
        return duplicates_of(tx, actor, entity, id)
    kind = COMPANY if entity == "company" else CONTACT
    record = KINDS[entity].get(tx, actor, id, Action.UPDATE)
    found = Question(tx, SEARCHED, text).records(kind, actor, FOUND)
    return [Candidate(each, ()) for each in found if each.id != record.id]


async def merge_part(request: web.Request) -> web.Response:
    """`GET /{companies|people}/{id}/merge`: with whom (`?q=` looks for it), then (`?with=`) the choices."""
    who, entity = await reader(request), ENTITIES[request.match_info["kind"]]
    if other := request.query.get("with"):
        return await _choices(request, who, entity, other, {}, {})
    text, id = request.query.get("q", "").replace("\0", "").strip()[:200], request.match_info["id"]
    found = await who.read(candidates, who.actor, entity, id, text)
    path = f"{BY_ENTITY[entity].path}/{id}"
    return part(request, who, "customers/merge_with.html", found=found, path=path, q=text, entity=entity)


async def _choices(
    request: web.Request, who: Reader, entity: str, other: str, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    desk, id = who.services.desk, request.match_info["id"]
    found = await who.read(pair, who.actor, desk, entity, id, other)
    lost = [stage for stage in desk.company.stages if stage.kind == "lost"]
    return part(request, who, "customers/merge.html", pair=found, given=given, errors=errors, lost=lost)


async def merge(request: web.Request) -> web.Response:
    """`POST /{companies|people}/{id}/merge`: `other`, `stays` (`this` or `other`), `field.NAME` with whose value."""
    who, form = await reader(request), await form_of(request)
    entity, this, other = ENTITIES[request.match_info["kind"]], request.match_info["id"], form.get("other", "")
    gone, into = (this, other) if form.get("stays") == "other" else (other, this)
    choices = _chosen(form, into_is="other" if into == other else "this")
    company = who.services.desk.company
    try:
        if entity == "company":
            await who.write(merge_companies, who.actor, company, gone, into, choices)
        else:
            leads = {"keep_lead": form.get("keep_lead") or None, "close_stage": form.get("close_stage") or None}
            await who.write(merge_people, who.actor, company, gone, into, choices, **leads)
    except Invalid as error:
        return await _choices(request, who, entity, other, form, error.fields)
    except Conflict as error:
        return await _choices(request, who, entity, other, form, {"": str(error)})
    return _to(entity, into)


def _chosen(form: Mapping[str, str], *, into_is: str) -> dict[str, str]:
    choices: dict[str, str] = {}
    for key, side in form.items():
        if key.startswith("field.") and side in SIDES:
            name = key.removeprefix("field.")
            choices |= dict.fromkeys(TOGETHER.get(name, (name,)), "into" if side == into_is else "from")
    return choices


async def undo(request: web.Request) -> web.Response:
    """`POST /merges/{id}/undo`: both as they were; the page of the one that stayed is loaded anew."""
    who = await reader(request)
    found: Merge = await who.write(undo_merge, who.actor, who.services.desk.company, request.match_info["id"])
    return _to(found.entity, found.into_id)


def _to(entity: str, id: str) -> web.Response:
    return web.Response(status=204, headers={"HX-Redirect": f"{BY_ENTITY[entity].path}/{id}"})
