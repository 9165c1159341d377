"""The first-line workplace: queue, conversation and card of one lead on one screen, and the parts it loads anew."""

from __future__ import annotations

from aiohttp import web

from crm_core.leads import get_lead, mark_seen
from crm_core.rights import Action
from web.pages.card import Card, card, colleagues, decisions
from web.pages.conversation import item_of, staff, talk
from web.pages.queue import TABS, chosen_tab, pane
from web.pages.render import Reader, page, part, reader, wants_part


async def workplace(request: web.Request) -> web.Response:
    """`GET /`: the workplace with no lead open; roles that see no leads start where they may."""
    who = await reader(request)
    if not who.actor.rights.granted(who.actor.roles, "lead", Action.READ):
        raise web.HTTPFound("/ops" if who.actor.rights.granted(who.actor.roles, "connector", Action.READ) else "/tasks")
    return await _workplace(request, who, None)


async def lead_page(request: web.Request) -> web.Response:
    """`GET /leads/{id}`: the workplace with this lead open; only the two right panes when the queue asks for them."""
    who = await reader(request)
    lead_id = request.match_info["id"]
    found = await _card(who, lead_id)
    if found.lead.unread and found.lead.owner_id == who.user.id:
        await who.write(mark_seen, who.actor, lead_id)
    if wants_part(request):
        return part(request, who, "work/lead.html", card=found)
    return await _workplace(request, who, found)


async def _card(who: Reader, lead_id: str) -> Card:
    return await who.read(card, who.actor, who.services.desk, lead_id)


async def _workplace(request: web.Request, who: Reader, found: Card | None) -> web.Response:
    left = await who.read(pane, who.actor, who.services.desk, who.user, chosen_tab(request))
    selected = found.lead.id if found else None
    return await page(request, who, "work/page.html", "work", pane=left, tabs=TABS, card=found, selected=selected)


async def head_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/head`: name, stage and buttons above the conversation."""
    who = await reader(request)
    return part(request, who, "work/head.html", card=await _card(who, request.match_info["id"]))


async def card_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/card`: the right pane."""
    who = await reader(request)
    return part(request, who, "work/card.html", card=await _card(who, request.match_info["id"]))


async def composer_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/composer`: the box below the conversation, when the ways to answer changed."""
    who = await reader(request)
    return part(request, who, "work/composer.html", card=await _card(who, request.match_info["id"]))


async def earlier_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/timeline?before=`: what came before."""
    who = await reader(request)
    lead = await who.read(get_lead, who.actor, request.match_info["id"])
    found = await who.read(talk, who.actor, lead, request.query.get("before"))
    names = await who.read(staff, who.services.desk)
    return part(request, who, "work/talk.html", talk=found, lead=lead, staff=names)


async def item_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/items/{item}`: one item, new or changed; `seen` tells that it comes before the reader's eyes."""
    who = await reader(request)
    lead_id, item_id = request.match_info["id"], request.match_info["item"]
    if "seen" in request.query:
        await who.write(mark_seen, who.actor, lead_id)
    item = await who.read(item_of, who.actor, lead_id, item_id)
    lead = await who.read(get_lead, who.actor, lead_id)
    names = await who.read(staff, who.services.desk)
    return part(request, who, "work/one_item.html", item=item, lead=lead, staff=names, numbers={lead_id: lead.number})


async def decisions_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/decisions`: «Почему мне?»."""
    who = await reader(request)
    found = await who.read(decisions, who.actor, request.match_info["id"])
    return part(request, who, "work/decisions.html", decisions=found)


async def transfer_part(request: web.Request) -> web.Response:
    """`GET /leads/{id}/transfer`: the dialog with colleagues and queues."""
    who = await reader(request)
    desk = who.services.desk
    lead, people = await who.read(colleagues, who.actor, desk, request.match_info["id"])
    queues = [queue for queue in desk.queues.values() if queue.name != lead.queue or lead.owner_id]
    return part(request, who, "work/transfer.html", lead=lead, people=people, queues=queues)
