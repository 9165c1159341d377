"""One deal on a page of its own: its way through the stages, its fields, what comes next, and all that belongs to it.

A move that a gate refuses is shown in place: the page remembers the wanted stage (`want`) and says what is missing
until nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.automation import RobotRun
from crm_core.automation_commands import runs_of_record
from crm_core.company import Company
from crm_core.deal_stages import lacks, move_deal
from crm_core.deals import Deal, NextStep, edit_deal, facts, for_change, get_deal
from crm_core.documents.issued import Document, list_documents
from crm_core.errors import Conflict, Incomplete, Invalid, Lack
from crm_core.leads import LEADS, Lead
from crm_core.leads import facts as lead_facts
from crm_core.people import Person
from crm_core.pipelines import Pipeline, PipelineStage
from crm_core.rights import Action
from crm_core.tasks import TASK_LINKS, TASKS, Task, may_read
from crm_core.timeline import TIMELINE, TimelineItem
from crm_core.timeline_rights import is_readable
from crm_core.users import User
from distribution.desk import Desk
from storage import AnyOf, Filter, ReadTx, Tx
from web.api.input import YEARS
from web.pages.actions import done, form_of, toast
from web.pages.conversation import staff
from web.pages.deal_documents import may_make
from web.pages.deals import day_of, money_of, people_of
from web.pages.render import Reader, page, part, reader, wants_part

SHOWN = 100
"""The newest records of the timeline."""
FEW = 20
PLAIN = ("title", "amount", "expected_close", "owner_id", "comment")
"""Fields of every deal that are changed in place."""


@dataclass(frozen=True, slots=True)
class DealCard:
    """What the page shows."""

    deal: Deal
    pipeline: Pipeline
    stage: PipelineStage
    want: PipelineStage | None
    """The stage that a gate refused, or that was asked for."""
    missing: list[Lack]
    """For `want`."""
    may_change: bool
    person: Person | None
    lead: Lead | None
    owner: str | None
    users: list[User]
    values: Mapping[str, str]
    """What stands in the fields, by name."""
    items: list[TimelineItem]
    staff: Mapping[str, str]
    tasks: list[Task]
    documents: list[Document]
    may_make_documents: bool
    runs: list[RobotRun]

    @property
    def lacking(self) -> set[str]:
        """Names of the fields that must be filled in for `want`."""
        return {lack.key for lack in self.missing if lack.kind == "field"}


def deal_card(tx: ReadTx, actor: Actor, desk: Desk, deal_id: str, want: str = "") -> DealCard:
    """`Missing` or `Forbidden` as the core says."""
    deal = get_deal(tx, actor, deal_id)
    way = desk.company.pipeline(deal.pipeline)
    target = next(
        (each for each in way.stages if each.key == want and want != deal.stage and each.kind != "lost"), None
    )
    roster = desk.roster(tx).users
    lead = tx.get(LEADS, deal.lead_id) if deal.lead_id else None
    return DealCard(
        deal=deal,
        pipeline=way,
        stage=stage_of(way, deal),
        want=target,
        missing=lacks(tx, desk.company, deal, target) if target else [],
        may_change=may(actor, "deal", Action.UPDATE, facts(deal)),
        person=people_of(tx, actor, [deal]).get(deal.person_id or ""),
        lead=lead if lead and may(actor, "lead", Action.READ, lead_facts(lead)) else None,
        owner=next((user.name for user in roster if user.id == deal.owner_id), None),
        users=sorted(roster, key=lambda user: user.name),
        values=values_of(desk.company, deal),
        items=_items(tx, actor, deal),
        staff=staff(tx, desk),
        tasks=_tasks(tx, actor, deal),
        documents=list_documents(tx, actor, {"deal_id": deal.id}, limit=FEW),
        may_make_documents=may_make(actor),
        runs=runs_of_record(tx, actor, "deal", deal.id, FEW, None),
    )


def stage_of(way: Pipeline, deal: Deal) -> PipelineStage:
    """The stage; one that is gone from the configuration is shown by its key."""
    gone = PipelineStage(deal.stage, deal.stage, "open" if deal.open else "lost", "gray")
    return next((stage for stage in way.stages if stage.key == deal.stage), gone)


def values_of(company: Company, deal: Deal) -> dict[str, str]:
    """The fields as the page shows them for editing."""
    amount = "" if deal.amount is None else f"{deal.amount:,.2f}".removesuffix(".00").replace(",", " ")
    return {
        "title": deal.title,
        "amount": amount.replace(".", ","),
        "expected_close": deal.expected_close.isoformat() if deal.expected_close else "",
        "owner_id": deal.owner_id or "",
        "comment": deal.comment,
    } | {rule.key: deal.fields.get(rule.key, "") for rule in company.deal_fields}


def _items(tx: ReadTx, actor: Actor, deal: Deal) -> list[TimelineItem]:
    """The newest records of the deal and of the lead that it was made of, oldest first."""
    own: Filter = {"deal_id": deal.id}
    where = AnyOf((own, {"lead_id": deal.lead_id})) if deal.lead_id else own
    found = tx.find(TIMELINE, where, sort="-at", limit=SHOWN)
    return [item for item in reversed(found) if is_readable(tx, actor, item)]


def _tasks(tx: ReadTx, actor: Actor, deal: Deal) -> list[Task]:
    """Open ones first, of those that the reader may see."""
    links = tx.find(TASK_LINKS, {"entity": "deal", "record_id": deal.id}, limit=SHOWN)
    tasks = [task for link in links if (task := tx.get(TASKS, link.task_id)) is not None]
    visible = [task for task in tasks if may_read(actor, task)]
    return sorted(visible, key=lambda task: (not task.open, task.number))


async def deal_page(request: web.Request) -> web.Response:
    """`GET /deals/{id}`; `?want=` a stage whose gates are explained."""
    who = await reader(request)
    return await _show(request, who, request.match_info["id"], request.query.get("want", ""))


async def _show(request: web.Request, who: Reader, deal_id: str, want: str = "") -> web.Response:
    card = await who.read(deal_card, who.actor, who.services.desk, deal_id, want)
    if wants_part(request):
        return part(request, who, "deals/card.html", card=card)
    return await page(request, who, "deals/deal.html", "deals", card=card)


async def move(request: web.Request) -> web.Response:
    """`POST /deals/{id}/move`: the card comes back, moved or with what is missing."""
    who, deal_id = await reader(request), request.match_info["id"]
    stage = (await form_of(request)).get("stage", "")
    try:
        await who.write(move_deal, who.actor, who.services.desk.company, deal_id, stage)
    except Incomplete:
        return await _show(request, who, deal_id, stage)
    return await _show(request, who, deal_id)


def edit_field(tx: Tx, actor: Actor, company: Company, deal_id: str, name: str, value: str, was: str) -> Deal:
    """Change one field, unless somebody changed that very field since this page showed it."""
    deal = for_change(tx, actor, deal_id)
    present = values_of(company, deal)[name]
    if present not in (was, value):
        raise Conflict(f"Поле уже изменил кто-то другой, теперь там: «{present[:200]}». Карточка обновлена")
    return edit_deal(tx, actor, company, deal_id, _change(name, value), deal.version)


def _change(name: str, value: str) -> dict[str, Any]:
    match name:
        case "title" | "comment":
            return {name: value}
        case "amount":
            return {name: money_of(value, name) if value else None}
        case "expected_close":
            return {name: day_of(value, name) if value else None}
        case "owner_id":
            return {name: value or None}
    return {"fields": {name: value}}


async def field(request: web.Request) -> web.Response:
    """`POST /deals/{id}/field`: `name`, `value`, and `was`, the value that the page had shown."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company = who.services.desk.company
    name, value = form.get("name", ""), form.get("value", "").strip().replace("\r\n", "\n")
    if name not in {*PLAIN, *(rule.key for rule in company.deal_fields)}:
        raise Invalid({"name": "Такого поля на карточке нет"})
    was = form.get("was", "").replace("\r\n", "\n")
    deal = await who.write(edit_field, who.actor, company, deal_id, name, value, was)
    return done(**{"saved": {"name": name, "value": values_of(company, deal)[name]}, "deal:changed": {"deal": deal.id}})


async def step_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/step`: the next step, for the dialog."""
    who, deal_id = await reader(request), request.match_info["id"]
    deal = await who.read(for_change, who.actor, deal_id)
    step, given = deal.next_step, {}
    if step:
        at = f"{step.at.astimezone(who.look.zone):%Y-%m-%dT%H:%M}"
        given = {"text": step.text, "at": at, "commitment": step.commitment}
    return part(request, who, "deals/step.html", deal=deal, given=given, errors={})


async def save_step(request: web.Request) -> web.Response:
    """`POST /deals/{id}/step`: what comes next, when (on the reader's clock), and what the customer promised."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    try:
        step = _step(who, form)
        await who.write(edit_deal, who.actor, who.services.desk.company, deal_id, {"next_step": step})
    except Invalid as error:
        deal = await who.read(get_deal, who.actor, deal_id)
        return part(request, who, "deals/step.html", deal=deal, given=form, errors=error.fields)
    note = toast(who, "Следующий шаг сохранён")
    return done(**{"deal:changed": {"deal": deal_id}, "close-dialog": {}, "toast": note})


def _step(who: Reader, form: Mapping[str, str]) -> NextStep:
    text, wrong = form.get("text", "").strip(), {}
    if not text:
        wrong["text"] = "Назовите следующий шаг"
    try:
        at = datetime.fromisoformat(form.get("at", ""))
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.year not in YEARS:
        wrong["at"] = "Нужны дата и время: 24.11.2026 15:00"
    if wrong or at is None:
        raise Invalid(wrong)
    moment = at.replace(tzinfo=who.look.zone).astimezone(UTC)
    return NextStep(text=text[:1000], at=moment, commitment=form.get("commitment", "").strip()[:1000])
