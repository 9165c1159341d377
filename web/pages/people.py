"""A person with everything that passed."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.deals import Deal, list_deals
from crm_core.errors import Missing
from crm_core.leads import Lead, list_leads
from crm_core.people import Person, find_person
from crm_core.rights import Action
from crm_core.tasks import Task, list_tasks
from distribution.desk import Desk
from storage import ReadTx
from web.pages.conversation import Talk, staff, talk
from web.pages.render import page, reader

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Dossier:
    person: Person
    leads: list[Lead]
    deals: list[Deal]
    tasks: list[Task]
    talk: Talk | None
    staff: dict[str, str]
    users: dict[str, str]


def dossier(tx: ReadTx, actor: Actor, desk: Desk, person_id: str) -> Dossier:
    """The person; his timeline is that of his newest visible lead, which shows the whole history."""
    check(actor, "contact", Action.READ)
    person = find_person(tx, person_id)
    if person is None:
        raise Missing("Такого человека нет")
    leads = list_leads(tx, actor, {"person_id": person.id}, sort="-created_at", limit=SHOWN)
    return Dossier(
        person=person,
        leads=leads,
        deals=list_deals(tx, actor, {"person_id": person.id}, limit=SHOWN),
        tasks=list_tasks(tx, actor, {"person_id": person.id, "open": True}, limit=SHOWN),
        talk=talk(tx, actor, leads[0]) if leads else None,
        staff=staff(tx, desk),
        users={user.id: user.name for user in desk.roster(tx).users},
    )


async def person_page(request: web.Request) -> web.Response:
    """`GET /people/{id}`."""
    who = await reader(request)
    found = await who.read(dossier, who.actor, who.services.desk, request.match_info["id"])
    return await page(request, who, "people/person.html", "leads", dossier=found)
