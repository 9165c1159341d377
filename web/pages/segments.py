"""Segments on the lists of customers: the filters at hand are saved under a name, or a saved one is deleted."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from crm_core.actor import Actor
from crm_core.errors import Invalid
from crm_core.segments import Segment, create_segment, delete_segment, get_segment
from storage import Tx
from web.pages.actions import form_of
from web.pages.customers import ABC, BY_ENTITY, FILTERS, QUIET, RFM, conditions
from web.pages.render import Reader, part, reader


async def new_part(request: web.Request) -> web.Response:
    """`GET /segments/new`: the form, for the dialog; the filters come with the address."""
    return await _form(request, await reader(request), request.query, {})


async def _form(request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]) -> web.Response:
    users = await who.read(lambda tx: {user.id: user.name for user in who.services.desk.roster(tx).users})
    kept = {name: given[name] for name in ("entity", "segment", *FILTERS) if given.get(name)}
    context = {"given": given, "kept": kept, "errors": errors, "users": users, "rfm": dict(RFM)}
    return part(request, who, "customers/segment.html", abc=ABC, quiet=QUIET, **context)


def save(tx: Tx, actor: Actor, form: Mapping[str, str]) -> Segment:
    """The filters of the form, with those of the segment that they narrowed."""
    asked = conditions(actor, form)
    if former := form.get("segment"):
        asked = (*get_segment(tx, actor, former).filter, *asked)
    values = {"name": form.get("name", ""), "entity": form.get("entity", ""), "filter": asked}
    return create_segment(tx, actor, values | {"shared": form.get("shared") == "on"})


async def add(request: web.Request) -> web.Response:
    """`POST /segments`: on to the list that it shows."""
    who, form = await reader(request), await form_of(request)
    try:
        segment = await who.write(save, who.actor, form)
    except Invalid as error:
        return await _form(request, who, form, error.fields)
    return _to(segment.entity, f"?segment={segment.id}")


async def remove(request: web.Request) -> web.Response:
    """`POST /segments/{id}/delete`: one's own."""
    who, segment_id = await reader(request), request.match_info["id"]
    segment = await who.read(get_segment, who.actor, segment_id)
    await who.write(delete_segment, who.actor, segment_id)
    return _to(segment.entity)


def _to(entity: str, query: str = "") -> web.Response:
    return web.Response(status=204, headers={"HX-Redirect": BY_ENTITY[entity].path + query})
