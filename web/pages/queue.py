"""The left pane: what waits for this seller, most urgent first.

«Мои» are the offers that wait for an answer (with the moment at which they go to somebody else) and the open leads in
the seller's hands; «Очередь» is what waits in the seller's queues; «Все» is everything open that he may see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from crm_core import timers
from crm_core.actor import Actor
from crm_core.lead_timers import OFFER
from crm_core.leads import LEADS, Lead, lead_scope, list_leads
from crm_core.people import Person, find_person
from crm_core.timeline import TIMELINE, ItemKind, TimelineItem
from crm_core.users import User
from distribution.desk import Desk
from distribution.offers import offers_of
from storage import AllOf, In, ReadTx
from web.pages.i18n import mark
from web.pages.render import part, reader
from workhours import opening_phrase

TABS = (("mine", mark("Мои")), ("queue", mark("Очередь")), ("all", mark("Все")))
SHOWN = 100
COUNT_TO = 1000
TALK = frozenset(
    {ItemKind.MESSAGE, ItemKind.MAIL, ItemKind.CALL, ItemKind.FORM, ItemKind.ORDER, ItemKind.CALLBACK, ItemKind.NOTE}
)
"""What a preview line shows; stages and offers are no talk."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the pane."""

    lead: Lead
    person: Person | None
    last: TimelineItem | None
    owner: str | None
    until: datetime | None = None
    """When the offer goes to the next seller."""


@dataclass(frozen=True, slots=True)
class Pane:
    tab: str
    offers: list[Row]
    rows: list[Row]
    counts: dict[str, int]
    unread: int
    opening: str | None
    """While the seller's queues are closed: when they open, in words."""


def pane(tx: ReadTx, actor: Actor, desk: Desk, user: User, tab: str) -> Pane:
    """Everything that the pane shows."""
    offers = offers_of(tx, user.id)
    mine = tx.find(LEADS, {"owner_id": user.id, "open": True}, sort="-created_at", limit=SHOWN)
    queues = queues_of(tx, desk, user)
    scope = lead_scope(actor)
    waiting = {"queue": In(queues), "waiting": True}
    counts = {
        "mine": len(offers) + tx.count(LEADS, {"owner_id": user.id, "open": True}, limit=COUNT_TO),
        "queue": tx.count(LEADS, AllOf((waiting, scope)), limit=COUNT_TO) if scope is not None else 0,
        "all": tx.count(LEADS, AllOf(({"open": True}, scope)), limit=COUNT_TO) if scope is not None else 0,
    }
    if tab == "queue":
        leads: Iterable[Lead] = list_leads(tx, actor, waiting, sort="waiting_since", limit=SHOWN)
    elif tab == "all":
        leads = list_leads(tx, actor, {"open": True}, sort="-updated_at", limit=SHOWN)
    else:
        leads = sorted(mine, key=urgency)
    return Pane(
        tab=tab,
        offers=[row(tx, desk, lead, until=_until(tx, lead)) for lead in offers],
        rows=[row(tx, desk, lead) for lead in leads],
        counts=counts,
        unread=len(offers) + sum(lead.unread > 0 for lead in mine),
        opening=_opening(tx, desk, user, queues),
    )


def _opening(tx: ReadTx, desk: Desk, user: User, queues: list[str]) -> str | None:
    calendars = [desk.company.calendar(desk.queues[name].calendar) for name in queues]
    if any(calendar.is_open(tx.now) for calendar in calendars):
        return None
    openings = [(moment, each.zone) for each in calendars if (moment := each.state(tx.now).next_open)]
    if not openings:
        return None
    moment, zone = min(openings, key=lambda each: each[0])
    return opening_phrase(moment, tx.now, zone, "en" if user.locale == "en" else "ru")


def queues_of(tx: ReadTx, desk: Desk, user: User) -> list[str]:
    """The queues that this employee serves; whoever serves none looks after all."""
    own = [name for name, queue in desk.queues.items() if user in desk.members(tx, queue.members)]
    return own or list(desk.queues)


def urgency(lead: Lead) -> tuple[int, float]:
    """Customers without any answer first, by their deadline; then new words of known ones; then the latest talks."""
    if lead.first_response_at is None:
        return 0, (lead.due_at or lead.created_at).timestamp()
    return (1 if lead.unread else 2), -lead.last_activity_at.timestamp()


def row(tx: ReadTx, desk: Desk, lead: Lead, until: datetime | None = None) -> Row:
    """A lead with what its line shows."""
    latest = tx.find(TIMELINE, {"lead_id": lead.id}, sort="-at", limit=8)
    owners = {user.id: user.name for user in desk.roster(tx).users}
    return Row(
        lead=lead,
        person=find_person(tx, lead.person_id),
        last=next((item for item in latest if item.kind in TALK), None),
        owner=owners.get(lead.owner_id or lead.offered_to or ""),
        until=until,
    )


def _until(tx: ReadTx, lead: Lead) -> datetime | None:
    timer = tx.get(timers.TIMERS, f"{OFFER}:{lead.id}")
    return timer.due_at if timer else None


def chosen_tab(request: web.Request) -> str:
    """The tab that the address asks for."""
    tab = request.query.get("tab", "mine")
    return tab if tab in dict(TABS) else "mine"


async def queue_part(request: web.Request) -> web.Response:
    """`GET /work/queue?tab=`: the pane anew."""
    who = await reader(request)
    found = await who.read(pane, who.actor, who.services.desk, who.user, chosen_tab(request))
    return part(request, who, "work/queue.html", pane=found, tabs=TABS, selected=request.query.get("lead"))
