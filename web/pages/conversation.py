"""The middle pane: everything that passed between us and this customer, oldest first, and the ways to answer.

The whole history of the person is shown, not only that of the lead at hand; items of records that the reader may not
see are left out. Newest items are loaded first, older ones on demand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.company import ConnectorInfo
from crm_core.errors import Missing
from crm_core.leads import LEADS, Lead, facts, get_lead
from crm_core.people import Person, find_person
from crm_core.rights import Action
from crm_core.timeline import TIMELINE, TimelineItem
from crm_core.timeline_rights import check_item, is_readable
from distribution.desk import Desk
from storage import ReadTx

PAGE = 60
LOOK_BACK = 200
"""Items searched for an address to answer to, as the router does."""


@dataclass(frozen=True, slots=True)
class Way:
    """A channel through which this customer can be answered."""

    name: str
    title: str
    channel: str
    address: str


@dataclass(frozen=True, slots=True)
class Talk:
    """A stretch of the history, oldest first."""

    items: list[TimelineItem]
    numbers: dict[str, int]
    """Lead id → number, for items of other leads."""
    earlier: str | None
    """Cursor of what came before."""
    address: str
    """Where that is asked for."""


def talk(tx: ReadTx, actor: Actor, lead: Lead, before: str | None = None) -> Talk:
    """The newest `PAGE` items of the lead's person, or those before the cursor."""
    where: dict[str, Any] = {"person_id": lead.person_id} if lead.person_id else {"lead_id": lead.id}
    found = tx.find(TIMELINE, where, sort="-at", limit=PAGE, after=before)
    return told(tx, actor, found, f"/leads/{lead.id}/timeline")


def told(tx: ReadTx, actor: Actor, found: list[TimelineItem], address: str) -> Talk:
    """Up to `PAGE` items that were found, newest first, as far as the reader may see them."""
    earlier = tx.cursor_after(TIMELINE, found[-1], "-at") if len(found) == PAGE else None
    numbers = _numbers(tx, actor, {item.lead_id for item in found if item.lead_id})
    visible = [item for item in reversed(found) if is_readable(tx, actor, item)]
    return Talk(visible, numbers, earlier, address)


def _numbers(tx: ReadTx, actor: Actor, ids: set[str]) -> dict[str, int]:
    leads = [lead for each in ids if (lead := tx.get(LEADS, each)) is not None]
    return {lead.id: lead.number for lead in leads if may(actor, "lead", Action.READ, facts(lead))}


def item_of(tx: ReadTx, actor: Actor, lead_id: str, item_id: str) -> TimelineItem:
    """One item of a lead that the actor may see, or of the same person; `Missing` otherwise."""
    lead = get_lead(tx, actor, lead_id)
    item = tx.get(TIMELINE, item_id)
    if item is None or not (item.lead_id == lead.id or (lead.person_id and item.person_id == lead.person_id)):
        raise Missing("Такой записи нет")
    check_item(tx, actor, item)
    return item


def person_of(tx: ReadTx, lead: Lead) -> Person | None:
    return find_person(tx, lead.person_id)


def ways(tx: ReadTx, desk: Desk, lead: Lead) -> list[Way]:
    """Channels that can answer, the one of the customer's last contact first."""
    able = {name: info for name, info in desk.company.connectors.items() if info.can_reply}
    where: dict[str, Any] = {"person_id": lead.person_id} if lead.person_id else {"lead_id": lead.id}
    found: dict[str, Way] = {}
    for item in tx.find(TIMELINE, where, sort="-at", limit=LOOK_BACK) if able else ():
        info = able.get(item.connector or "")
        if info is not None and item.direction == "in" and item.address and info.name not in found:
            found[info.name] = _way(info, item.address)
    person = person_of(tx, lead)
    for info in able.values():
        if info.name not in found and info.channel == "email" and person and person.emails:
            found[info.name] = _way(info, person.emails[0])
    return list(found.values())


def _way(info: ConnectorInfo, address: str) -> Way:
    return Way(info.name, info.title, info.channel, address)


def staff(tx: ReadTx, desk: Desk) -> dict[str, str]:
    """Extension → name of whoever has it."""
    return {user.extension: user.name for user in desk.roster(tx).users if user.extension}
