"""A lead becomes a deal, from the lead's page: what is missing in words, or the choice of pipeline and company."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.companies import COMPANIES, CustomerCompany, alike, facts, find_company
from crm_core.company import Company
from crm_core.conversion import Customer, convert_lead, lacks
from crm_core.errors import Incomplete, Invalid, Lack
from crm_core.leads import Lead, for_change
from crm_core.people import find_person
from crm_core.rights import Action
from storage import ReadTx
from web.pages.actions import done, form_of, toast
from web.pages.pipelines import creatable
from web.pages.render import Reader, part, reader


@dataclass(frozen=True, slots=True)
class Asked:
    """What the dialog shows."""

    lead: Lead
    missing: list[Lack]
    own: CustomerCompany | None
    """That the person belongs to."""
    alike: list[CustomerCompany]
    """Whose names resemble the one that is called."""
    name: str


def asked(tx: ReadTx, actor: Actor, company: Company, lead_id: str, name: str | None) -> Asked:
    """The lead, what it still lacks, and the companies that its customer may be."""
    lead = for_change(tx, actor, lead_id)
    person = find_person(tx, lead.person_id)
    own = find_company(tx, person.company_id) if person else None
    if own is not None and not may(actor, "company", Action.READ, facts(own)):
        own = None
    called = (lead.company or "") if name is None else name
    found = alike(tx, actor, called, None) if called.strip() else {}
    others = [tx.require(COMPANIES, each) for each in found if own is None or each != own.id]
    return Asked(lead, lacks(tx, company, lead), own, others, called)


async def convert_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/convert`, for the dialog."""
    return await _show(request, await reader(request), {}, {})


async def _show(request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]) -> web.Response:
    company, name = who.services.desk.company, given.get("company")
    found = await who.read(asked, who.actor, company, request.match_info["id"], name)
    context = {"asked": found, "ways": creatable(who.actor, company), "given": given, "errors": errors}
    may_make = may(who.actor, "company", Action.CREATE)
    return part(
        request, who, "deals/convert.html", lead=found.lead, missing=found.missing, may_make=may_make, **context
    )


async def convert(request: web.Request) -> web.Response:
    """`POST /leads/{id}/convert`: the lead's page then links to the deal."""
    who, lead_id, form = await reader(request), request.match_info["id"], await form_of(request)
    pipeline, customer = form.get("pipeline", ""), _customer(form)
    try:
        await who.write(convert_lead, who.actor, who.services.desk.company, lead_id, pipeline, customer)
    except Incomplete:
        return await _show(request, who, form, {})
    except Invalid as error:
        return await _show(request, who, form, error.fields)
    return done(**{"lead:changed": {"lead": lead_id}, "close-dialog": {}, "toast": toast(who, "Сделка создана")})


def _customer(form: Mapping[str, str]) -> Customer:
    """The chosen company. A new one is made without asking again when those that resemble it were on the form."""
    name = form.get("company", "").strip()
    match form.get("customer", "none"):
        case "new":
            return Customer(name=name, is_new=form.get("seen", "") == name) if name else Customer()
        case "none" | "":
            return Customer()
        case company_id:
            return Customer(company_id=company_id)
