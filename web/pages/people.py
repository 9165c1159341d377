"""The search over everything."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from crm_core.actor import Actor
from crm_core.companies import CustomerCompany
from crm_core.leads import Lead
from crm_core.people import Person
from crm_core.search import Question
from crm_core.searchable import COMPANY, CONTACT, KINDS, LEAD, TASK
from crm_core.tasks import Task
from distribution.desk import Desk
from storage import ReadTx
from web.pages.render import page, reader

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Found:
    people: list[Person]
    companies: list[CustomerCompany]
    leads: list[Lead]
    tasks: list[Task]
    users: dict[str, str]


def search(tx: ReadTx, actor: Actor, desk: Desk, text: str) -> Found:
    """Everything that the reader may see and that fits, the best first."""
    question = Question(tx, KINDS, text)
    return Found(
        question.records(CONTACT, actor, SHOWN),
        question.records(COMPANY, actor, SHOWN),
        question.records(LEAD, actor, SHOWN),
        question.records(TASK, actor, SHOWN),
        {user.id: user.name for user in desk.roster(tx).users},
    )


async def search_page(request: web.Request) -> web.Response:
    """`GET /search?q=`."""
    who = await reader(request)
    text = request.query.get("q", "").replace("\0", "").strip()[:200]
    found = await who.read(search, who.actor, who.services.desk, text) if text else None
    return await page(request, who, "people/search.html", "search", q=text, found=found)
