"""`/search`: one question to everything, answered by kind."""

from __future__ import annotations

from crm_core.actor import Actor
from crm_core.search import Question
from crm_core.searchable import CONTACT, KINDS, LEAD, TASK
from storage import ReadTx
from web.api.call import Call, In, Out, Route
from web.api.input import Limit, Line
from web.api.shapes import ContactOut, LeadOut, TaskOut, show_contact, show_lead, show_task


class SearchQuery(In, frozen=True, kw_only=True):
    q: Line
    limit: Limit = 20
    """Of each kind."""


class SearchOut(Out, frozen=True, kw_only=True):
    leads: list[LeadOut]
    contacts: list[ContactOut]
    tasks: list[TaskOut]


async def search(call: Call[SearchQuery, None]) -> SearchOut:
    """By number, by any digits of a phone, by words or beginnings of words of names, titles, emails, companies, also
    typed in the wrong keyboard layout or in Latin letters; only what the reader may see, the best first."""
    return await call.read(_search, call.query)


def _search(tx: ReadTx, actor: Actor, query: SearchQuery) -> SearchOut:
    question, limit = Question(tx, KINDS, query.q), query.limit
    return SearchOut(
        leads=[show_lead(tx, lead) for lead in question.records(LEAD, actor, limit)],
        contacts=[show_contact(person) for person in question.records(CONTACT, actor, limit)],
        tasks=[show_task(task) for task in question.records(TASK, actor, limit)],
    )


ROUTES = (Route("GET", "/search", search, "Поиск по всему", "lead.read"),)
