"""`/leads/{id}/convert`: a lead becomes a deal."""

from __future__ import annotations

from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.conversion import Customer, convert_lead
from storage import Tx
from web.api.call import Call, In, Out, Route
from web.api.deals import DealOut, show_deal
from web.api.input import Id, Line
from web.api.shapes import LeadOut, show_lead


class Convert(In, frozen=True, kw_only=True):
    pipeline: Id | None = None
    """The first one when absent."""
    company_id: Id | None = None
    """The customer's company; without it and `company`, the one that the contact belongs to."""
    company: Line | None = None
    """Name of the customer's company: the one of exactly this name is taken, or a new one made. When others only
    resemble it, the answer is `422`, and `missing` names them as `{kind: company, key: ID, title}`."""
    new_company: bool = False
    """It is none of those."""


class Converted(Out, frozen=True, kw_only=True):
    lead: LeadOut
    deal: DealOut


async def convert(call: Call[None, Convert]) -> Converted:
    """A lead that lacks something is answered `422` with `missing`."""
    return await call.write(_convert, call.company, call.id, call.body, call.if_match)


def _convert(tx: Tx, actor: Actor, company: Company, lead_id: str, body: Convert, version: int | None) -> Converted:
    pipeline = body.pipeline or next(iter(company.pipelines))
    customer = Customer(body.company_id, body.company, body.new_company)
    lead, deal = convert_lead(tx, actor, company, lead_id, pipeline, customer, version)
    return Converted(lead=show_lead(tx, lead), deal=show_deal(tx, actor, company, deal))


ROUTES = (Route("POST", "/leads/{id}/convert", convert, "Сделать из лида сделку", "deal.create", 201),)
