"""A lead becomes a deal, from the lead's page: what is missing in words, or the choice of the pipeline."""

from __future__ import annotations

from aiohttp import web

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.conversion import convert_lead, lacks
from crm_core.errors import Incomplete, Lack
from crm_core.leads import Lead, for_change
from storage import ReadTx
from web.pages.actions import done, form_of, toast
from web.pages.pipelines import creatable
from web.pages.render import Reader, part, reader


def asked(tx: ReadTx, actor: Actor, company: Company, lead_id: str) -> tuple[Lead, list[Lack]]:
    """The lead and what it still lacks."""
    lead = for_change(tx, actor, lead_id)
    return lead, lacks(tx, company, lead)


async def convert_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/convert`, for the dialog."""
    return await _show(request, await reader(request))


async def _show(request: web.Request, who: Reader) -> web.Response:
    company = who.services.desk.company
    lead, missing = await who.read(asked, who.actor, company, request.match_info["id"])
    ways = creatable(who.actor, company)
    return part(request, who, "deals/convert.html", lead=lead, missing=missing, ways=ways)


async def convert(request: web.Request) -> web.Response:
    """`POST /leads/{id}/convert`: the lead's page then links to the deal."""
    who, lead_id = await reader(request), request.match_info["id"]
    pipeline = (await form_of(request)).get("pipeline", "")
    try:
        await who.write(convert_lead, who.actor, who.services.desk.company, lead_id, pipeline)
    except Incomplete:
        return await _show(request, who)
    return done(**{"lead:changed": {"lead": lead_id}, "close-dialog": {}, "toast": toast(who, "Сделка создана")})
