"""The right pane: the lead card, its explanation, and where it could go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.deals import DEALS, Deal
from crm_core.deals import facts as deal_facts
from crm_core.decisions import DECISIONS, Decision
from crm_core.leads import LEADS, Lead, facts, get_lead, list_leads
from crm_core.people import Person
from crm_core.rights import Action
from crm_core.stages import Stage
from crm_core.task_steps import allowed_steps
from crm_core.tasks import Task, list_tasks
from crm_core.users import USERS, User
from distribution.candidates import load
from distribution.desk import Desk
from storage import ReadTx
from web.pages.conversation import Talk, Way, person_of, staff, talk, ways
from web.pages.pipelines import creatable

FORMER = 20


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that the middle and the right pane show of one lead."""

    lead: Lead
    person: Person | None
    owner: User | None
    offered_to: User | None
    stage: Stage
    talk: Talk
    ways: list[Way]
    staff: dict[str, str]
    tasks: list[Task]
    task_steps: Mapping[str, tuple[str, ...]]
    """What the reader may do with each of them."""
    former: list[Lead]
    queue_title: str
    may_change: bool
    may_convert: bool
    deal: Deal | None
    """That was made of the lead."""
    can_call: bool


@dataclass(frozen=True, slots=True)
class Colleague:
    user: User
    load: int


def card(tx: ReadTx, actor: Actor, desk: Desk, lead_id: str) -> Card:
    """`Missing` or `Forbidden` as the core says."""
    lead = get_lead(tx, actor, lead_id)
    queue = desk.queues.get(lead.queue)
    tasks = list_tasks(tx, actor, {"lead_id": lead.id, "open": True}, limit=FORMER)
    return Card(
        lead=lead,
        person=person_of(tx, lead),
        owner=tx.get(USERS, lead.owner_id) if lead.owner_id else None,
        offered_to=tx.get(USERS, lead.offered_to) if lead.offered_to else None,
        stage=stage_of(desk, lead),
        talk=talk(tx, actor, lead),
        ways=ways(tx, desk, lead),
        staff=staff(tx, desk),
        tasks=tasks,
        task_steps={task.id: allowed_steps(actor, task) for task in tasks},
        former=_former(tx, actor, lead),
        queue_title=queue.title if queue else lead.queue,
        may_change=may(actor, "lead", Action.UPDATE, facts(lead)),
        may_convert=lead.open
        and not lead.deal_id
        and may(actor, "lead", Action.UPDATE, facts(lead))
        and bool(creatable(actor, desk.company)),
        deal=_deal(tx, actor, lead),
        can_call=any(info.can_call for info in desk.company.connectors.values()),
    )


def _deal(tx: ReadTx, actor: Actor, lead: Lead) -> Deal | None:
    deal = tx.get(DEALS, lead.deal_id) if lead.deal_id else None
    return deal if deal and may(actor, "deal", Action.READ, deal_facts(deal)) else None


def stage_of(desk: Desk, lead: Lead) -> Stage:
    """The stage; one that the preset no longer knows is shown by its key."""
    for stage in desk.company.stages:
        if stage.key == lead.stage:
            return stage
    return Stage(lead.stage, lead.stage, "open" if lead.open else "lost", "gray")


def _former(tx: ReadTx, actor: Actor, lead: Lead) -> list[Lead]:
    if not lead.person_id:
        return []
    found = list_leads(tx, actor, {"person_id": lead.person_id}, sort="-created_at", limit=FORMER)
    return [each for each in found if each.id != lead.id]


def decisions(tx: ReadTx, actor: Actor, lead_id: str) -> list[Decision]:
    """Why the lead is where it is, newest first."""
    lead = get_lead(tx, actor, lead_id)
    return tx.find(DECISIONS, {"lead_id": lead.id}, sort="-at", limit=50)


def colleagues(tx: ReadTx, actor: Actor, desk: Desk, lead_id: str) -> tuple[Lead, list[Colleague]]:
    """Who could take the lead over: those whose roles may change leads, present ones first."""
    lead = get_lead(tx, actor, lead_id)
    able = [user for user in desk.roster(tx).users if user.id != lead.owner_id and _may_work(actor, user)]
    order = {"online": 0, "break": 1, "offline": 2}
    rows = [Colleague(user, load(tx, user)) for user in able]
    return lead, sorted(rows, key=lambda each: (order[each.user.presence], each.load, each.user.name))


def _may_work(actor: Actor, user: User) -> bool:
    grants = actor.rights.granted(user.roles, "lead", Action.UPDATE)
    return any(grant.scope != "stage" for grant in grants)


def leads_by_id(tx: ReadTx, ids: set[str]) -> dict[str, Lead]:
    """For lists that name leads."""
    return {each: lead for each in ids if (lead := tx.get(LEADS, each)) is not None}
