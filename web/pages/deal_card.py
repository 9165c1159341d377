"""What the page of a deal shows, read in one go: its stage and what the next one wants, its fields, its customer, its
products, and all that belongs to it, as far as the reader may see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.automation import RobotRun
from crm_core.automation_commands import runs_of_record
from crm_core.companies import CustomerCompany
from crm_core.company import Company
from crm_core.deal_approvals import approval_of
from crm_core.deal_stages import lacks
from crm_core.deals import (
    DEALS,
    Approval,
    Deal,
    company_of,
    customer_of,
    facts,
    get_deal,
    history_of,
    list_deals,
    parties_of,
    pipeline_of,
    stage_of,
)
from crm_core.deals import Party as DealParty
from crm_core.errors import Lack
from crm_core.leads import LEADS, Lead
from crm_core.leads import facts as lead_facts
from crm_core.lines import LineSum, Totals, line_sum, totals
from crm_core.money import typed_money
from crm_core.people import Person, find_person
from crm_core.pipelines import DemandKind, Pipeline, PipelineStage
from crm_core.rights import Action
from crm_core.tasks import Task, list_tasks, of_record
from crm_core.timeline import TIMELINE, TimelineItem
from crm_core.timeline_rights import is_readable
from crm_core.users import USERS
from distribution.desk import Desk
from storage import AllOf, ReadTx
from web.pages.conversation import staff
from web.pages.deal_documents import Paper, may_make, papers_of
from web.pages.deals import active
from web.pages.pipelines import creatable

SHOWN = 100
"""The newest records of the timeline."""
FEW = 20
LINES = 100
"""Product lines before the dialog has to be opened for the rest."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a role says of the deal, and what the reader may do about it."""

    role: str
    title: str
    said: Approval | None
    may_answer: bool
    may_withdraw: bool


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody on the customer's side."""

    party: DealParty
    name: str


@dataclass(frozen=True, slots=True)
class DealCard:
    deal: Deal
    pipeline: Pipeline
    stage: PipelineStage
    want: PipelineStage | None
    """The stage that a gate refused, or that was asked for."""
    missing: list[Lack]
    """For `want`."""
    may_change: bool
    person: Person | None
    customer: CustomerCompany | None
    lead: Lead | None
    origin: Deal | None
    followers: list[Deal]
    follow_ways: list[Pipeline]
    """Pipelines in which the reader may start a deal that follows from this one."""
    owners: Mapping[str, str]
    """Whom the deal can be given to, and its owner whoever he is."""
    owner_is_gone: bool
    """The owner works here no more."""
    values: Mapping[str, str]
    """What stands in the fields, by name."""
    lines: list[LineSum]
    totals: Totals | None
    parties: list[Named]
    answers: list[Answer]
    items: list[TimelineItem]
    staff: Mapping[str, str]
    tasks: list[Task]
    documents: list[Paper]
    may_make_documents: bool
    runs: list[RobotRun]

    @property
    def lacking(self) -> set[str]:
        """Names of the fields that must be filled in for `want`."""
        return {lack.key for lack in self.missing if lack.kind == "field"}


def deal_card(tx: ReadTx, actor: Actor, desk: Desk, deal_id: str, want: str = "") -> DealCard:
    """`Missing` or `Forbidden` as the core says."""
    deal, company = get_deal(tx, actor, deal_id), desk.company
    way = pipeline_of(company, deal)
    target = next((each for each in way.stages if each.key == want != deal.stage and each.kind != "lost"), None)
    origin = tx.get(DEALS, deal.origin_id) if deal.origin_id else None
    roster = active(tx, desk)
    owners = {user.id: user.name for user in roster}
    if deal.owner_id and deal.owner_id not in owners:
        owner = tx.get(USERS, deal.owner_id)
        owners[deal.owner_id] = owner.name if owner else "—"
    return DealCard(
        deal=deal,
        pipeline=way,
        stage=stage_of(company, deal),
        want=target,
        missing=lacks(tx, company, deal, target) if target else [],
        may_change=may(actor, "deal", Action.UPDATE, facts(deal)),
        person=customer_of(tx, actor, deal),
        customer=company_of(tx, actor, deal),
        lead=_lead(tx, actor, deal),
        origin=origin if origin and may(actor, "deal", Action.READ, facts(origin)) else None,
        followers=list_deals(tx, actor, {"origin_id": deal.id}, limit=FEW),
        follow_ways=[each for each in creatable(actor, company) if each.key != deal.pipeline],
        owners=owners,
        owner_is_gone=deal.owner_id is not None and deal.owner_id not in {user.id for user in roster},
        values=values_of(company, deal),
        lines=[line_sum(line) for line in deal.lines[:LINES]],
        totals=totals(deal.lines) if deal.lines else None,
        parties=[Named(party, _name(tx, party)) for party in parties_of(actor, deal)],
        answers=_answers(actor, company, way, deal),
        items=_items(tx, actor, deal),
        staff=staff(tx, desk),
        tasks=_tasks(tx, actor, deal),
        documents=papers_of(tx, actor, deal.id),
        may_make_documents=may_make(actor),
        runs=runs_of_record(tx, actor, "deal", deal.id, FEW, None),
    )


def values_of(company: Company, deal: Deal) -> dict[str, str]:
    """The fields as the page shows them for editing."""
    return {
        "title": deal.title,
        "amount": "" if deal.amount is None else typed_money(deal.amount, deal.currency),
        "probability": "" if deal.probability is None else str(deal.probability),
        "expected_close": deal.expected_close.isoformat() if deal.expected_close else "",
        "owner_id": deal.owner_id or "",
        "comment": deal.comment,
    } | {rule.key: deal.fields.get(rule.key, "") for rule in company.deal_fields}


def _lead(tx: ReadTx, actor: Actor, deal: Deal) -> Lead | None:
    lead = tx.get(LEADS, deal.lead_id) if deal.lead_id else None
    return lead if lead and may(actor, "lead", Action.READ, lead_facts(lead)) else None


def _name(tx: ReadTx, party: DealParty) -> str:
    person = find_person(tx, party.person_id) if party.person_id else None
    return (person.name if person else None) or party.name


def _answers(actor: Actor, company: Company, way: Pipeline, deal: Deal) -> list[Answer]:
    """Roles that a gate of the way wants, then others that were asked."""
    wanted = [each.key for stage in way.stages for each in stage.demands if each.kind is DemandKind.APPROVAL]
    found = []
    for role in dict.fromkeys([*wanted, *(each.role for each in deal.approvals)]):
        said, holds = approval_of(deal, role), role in actor.roles
        own = said is not None and said.state == "asked" and said.asked_by is not None and said.asked_by == actor.id
        title = company.roles.get(role, role)
        found.append(Answer(role, title, said, holds and deal.open, deal.open and said is not None and (holds or own)))
    return found


def _items(tx: ReadTx, actor: Actor, deal: Deal) -> list[TimelineItem]:
    """The newest records of the deal and of the lead that it was made of, oldest first."""
    found = tx.find(TIMELINE, history_of(deal), sort="-at", limit=SHOWN)
    return [item for item in reversed(found) if is_readable(tx, actor, item)]


def _tasks(tx: ReadTx, actor: Actor, deal: Deal) -> list[Task]:
    """Open ones by their deadline, then finished ones, of those that the reader may see."""
    own = of_record(tx, "deal", deal.id)
    return [task for state in (True, False) for task in list_tasks(tx, actor, AllOf((own, {"open": state})), limit=FEW)]
