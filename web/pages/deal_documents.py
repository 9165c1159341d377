"""Making a document from the card of a deal: choose the template; what it names and what is empty is said in words."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.deal_documents import data_of
from crm_core.deals import get_deal
from crm_core.documents.library import FoundTemplate, templates
from crm_core.errors import Conflict, Invalid
from crm_core.rights import Action
from storage import ReadTx
from web.documents import DOCUMENTS
from web.pages.actions import done, form_of, toast
from web.pages.render import Reader, part, reader


def may_make(actor: Actor) -> bool:
    return may(actor, "document", Action.CREATE)


async def document_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/document`: the dialog."""
    who = await reader(request)
    return await _dialog(request, who, {}, {})


async def make(request: web.Request) -> web.Response:
    """`POST /deals/{id}/document`."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    _, data, links = await who.read(data_of, who.actor, who.services.desk.company, deal_id)
    try:
        made = await request.app[DOCUMENTS].generate(
            who.actor, form.get("template", ""), data, links, leave_blanks=bool(form.get("leave_blanks"))
        )
    except Invalid as error:
        return await _dialog(request, who, form, error.fields)
    except Conflict as error:
        return await _dialog(request, who, form, {"template": str(error)})
    note = toast(who, f"Создан документ № {made.number}")
    return done(**{"deal:changed": {"deal": deal_id}, "close-dialog": {}, "toast": note})


async def _dialog(
    request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    deal = await who.read(get_deal, who.actor, request.match_info["id"])
    found = await who.read(_templates, who.actor, who.services.desk.company)
    texts = list(dict.fromkeys(errors.values()))
    return part(request, who, "deals/document.html", deal=deal, templates=found, given=given, errors=texts)


def _templates(tx: ReadTx, actor: Actor, company: Company) -> list[FoundTemplate]:
    return [each for each in templates(tx, actor, company) if each.active]
