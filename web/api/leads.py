"""`/leads`: lists, the card, and what people do with a lead. The doing itself is the core's and distribution's."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from connectors.contract import Inbound, InboundKind, Sender, SourceHints
from crm_core.access import check
from crm_core.actor import SYSTEM, Actor
from crm_core.audit import record
from crm_core.company import Company
from crm_core.errors import Conflict, Incomplete, Invalid, Lack, Missing
from crm_core.leads import LEADS, Lead, edit_lead, get_lead, list_leads, mark_seen, move_lead
from crm_core.rights import Action
from crm_core.search import matching
from crm_core.searchable import KINDS
from distribution import offers
from distribution.desk import Desk
from router import normalize
from router.journal import JOURNAL, accept
from router.process import handle
from storage import AllOf, AnyOf, Filter, Gte, Lt, ReadTx, Tx
from storage import In as OneOf
from web.api import find
from web.api.call import Call, In, Page, Route, page_of, sifted
from web.api.input import Fields, Id, Line, ListQuery, Moment, Text
from web.api.shapes import LeadOut, show_lead
from web.problems import Problem

CONNECTOR = "api"
"""Under which leads made by this API stand in the journal and in sources."""
MAX_KEY = 200


class LeadQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["created_at", "-created_at", "updated_at", "-updated_at", "number", "-number"] = "-created_at"
    stage: Line | None = None
    """One, or several with commas."""
    owner_id: Id | None = None
    offered_to: Id | None = None
    queue: Id | None = None
    open: bool | None = None
    waiting: bool | None = None
    channel: Line | None = None
    source: Line | None = None
    """Key or label of the reference list, or name or title of a connector."""
    phone: Line | None = None
    email: Line | None = None
    q: Line | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None


_EQUAL = {"owner_id": "owner_id", "offered_to": "offered_to", "queue": "queue", "open": "open", "waiting": "waiting",
          "channel": "source.channel"}  # fmt: skip
"""Parameter → field of the store."""


async def list_(call: Call[LeadQuery, None]) -> Page[LeadOut]:
    return await call.read(_list, call.company, call.query)


def _list(tx: ReadTx, actor: Actor, company: Company, query: LeadQuery) -> Page[LeadOut]:
    check(actor, "lead", Action.READ)
    where = filter_of(tx, actor, query)
    if query.source is None:
        rows = list_leads(tx, actor, where, sort=query.sort, limit=query.limit + 1, after=query.cursor)
    else:
        rows = _of_source(tx, actor, company, query, where)
    return page_of(tx, LEADS, rows, query.limit, query.sort, lambda lead: show_lead(tx, lead))


def _of_source(tx: ReadTx, actor: Actor, company: Company, query: LeadQuery, where: Filter) -> list[Lead]:
    """Leads of a source, whichever of its names was given. Sources are indexed by key and by channel; of a connector's
    channel the leads of its neighbours are passed over."""
    asked = (query.source or "").strip().casefold()
    keys = {rule.key for rule in company.sources if asked in (rule.key.casefold(), rule.label.casefold())} | {asked}
    connectors = {each.name: each.channel for each in company.connectors.values()} | {CONNECTOR: CONNECTOR}
    titles = {each.name: each.title for each in company.connectors.values()}
    names = {name for name in connectors if asked in (name.casefold(), titles.get(name, "").casefold())}
    channels = sorted({connectors[name] for name in names})
    ways = AnyOf(({"source.key": OneOf(sorted(keys))}, {"source.channel": OneOf(channels)}))

    def found(limit: int, after: str | None) -> list[Lead]:
        return list_leads(tx, actor, AllOf((where, ways)), sort=query.sort, limit=limit, after=after)

    return sifted(
        tx, LEADS, found, lambda lead: lead.source.key in keys or lead.source.connector in names,
        limit=query.limit + 1, sort=query.sort, after=query.cursor,
    )  # fmt: skip


def filter_of(tx: ReadTx, actor: Actor, query: LeadQuery) -> Filter:
    """What the parameters mean to the store."""
    given = {field: getattr(query, name) for name, field in _EQUAL.items() if getattr(query, name) is not None}
    filters: list[Filter] = [given]
    if query.stage is not None:
        filters.append({"stage": OneOf([stage.strip() for stage in query.stage.split(",")])})
    if query.created_from is not None:
        filters.append({"created_at": Gte(query.created_from)})
    if query.created_to is not None:
        filters.append({"created_at": Lt(query.created_to)})
    if query.phone is not None:
        filters.append(find.leads_of_phone(tx, query.phone))
    if query.email is not None:
        filters.append(find.leads_of_email(tx, query.email))
    if query.q is not None and query.q.strip():
        filters.append(matching(tx, KINDS, actor, "lead", query.q))
    return AllOf(tuple(filters))


class NewLead(In, frozen=True, kw_only=True):
    name: Line | None = None
    phone: Line | None = None
    email: Line | None = None
    company: Line | None = None
    title: Line | None = None
    text: Text = ""
    """What the customer said or asked for."""
    fields: Fields = {}
    page: Text | None = None
    referrer: Text | None = None
    utm: dict[str, Line] = {}
    """Without the prefix: `source`, `medium`, `campaign`, `term`, `content`."""


async def create(call: Call[None, NewLead]) -> LeadOut:
    """Takes the router's usual way: the person is recognised, an open lead of his continues, the queue distributes.
    The same `Idempotency-Key` again answers the same lead and adds nothing."""
    key = call.request.headers.get("Idempotency-Key", "").strip()
    if len(key) > MAX_KEY:
        raise Problem(422, "Слишком длинный ключ", fields={"Idempotency-Key": f"Не длиннее {MAX_KEY} знаков"})
    return await call.write(_create, call.services.desk, call.body, key)


def _create(tx: Tx, actor: Actor, desk: Desk, new: NewLead, key: str) -> LeadOut:
    check(actor, "lead", Action.CREATE)
    inbound = _inbound(tx, actor, new, key)
    accept(tx, [inbound])
    outcome = handle(tx, desk, inbound.id)
    lead_id = outcome.lead_id if outcome else tx.require(JOURNAL, inbound.id).lead_id
    lead = tx.get(LEADS, lead_id) if lead_id else None
    if lead is None:
        raise Conflict("Лид не создан: отправитель в чёрном списке")
    if outcome is not None:
        record(tx, actor, "lead", lead.id, "created", {"rule": (None, outcome.rule)})
        if new.title and new.title.strip() and outcome.rule != "continue_open_lead":
            lead = edit_lead(tx, SYSTEM, lead.id, {"title": new.title.strip()})
    return show_lead(tx, lead)


def _inbound(tx: Tx, actor: Actor, new: NewLead, key: str) -> Inbound:
    wrong = {}
    if new.phone and normalize.phone(new.phone) is None:
        wrong["phone"] = "Не похоже на номер телефона"
    if new.email and normalize.email(new.email) is None:
        wrong["email"] = "Не похоже на адрес электронной почты"
    if not new.phone and not new.email:
        wrong["phone"] = "Укажите телефон или почту"
    if wrong:
        raise Invalid(wrong)
    who = f"{actor.id or actor.name}\0{key}"
    external = "key-" + hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32] if key else tx.new_id()
    return Inbound(
        connector=CONNECTOR,
        channel=CONNECTOR,
        external_id=external,
        kind=InboundKind.MESSAGE,
        occurred_at=tx.now,
        sender=Sender(
            name=new.name,
            company=new.company,
            phones=(new.phone,) if new.phone else (),
            emails=(new.email,) if new.email else (),
        ),
        text=new.text,
        source=SourceHints(page=new.page, referrer=new.referrer, utm=new.utm),
        fields={name: value for name, value in new.fields.items() if value and not name.startswith("_")},
    )


async def read(call: Call[None, None]) -> LeadOut:
    return await call.read(lambda tx, actor: show_lead(tx, get_lead(tx, actor, call.id)))


class LeadPatch(In, frozen=True, kw_only=True):
    title: Annotated[str, Meta(min_length=1, max_length=300)] | UnsetType = UNSET
    company: Line | UnsetType | None = UNSET
    source: Id | UnsetType = UNSET
    """Key of the reference list: the user corrects what the hub guessed."""
    fields: Fields | UnsetType = UNSET
    """Those to change; null or an empty text clears one."""


async def patch(call: Call[None, LeadPatch]) -> LeadOut:
    """`If-Match: VERSION` refuses a change of what somebody else has changed meanwhile."""
    return await call.write(_patch, call.company, call.id, call.body, call.if_match)


def _patch(tx: Tx, actor: Actor, company: Company, lead_id: str, body: LeadPatch, version: int | None) -> LeadOut:
    changes = body.given()
    if "fields" in changes:
        _check_choices(company, changes["fields"])
    if "source" in changes:
        lead = get_lead(tx, actor, lead_id)
        changes["source"] = replace(lead.source, key=changes["source"], label=source_label(company, changes["source"]))
    return show_lead(tx, edit_lead(tx, actor, lead_id, changes, version))


def _check_choices(company: Company, values: dict[str, str | None]) -> None:
    rules = {rule.key: rule for rule in company.fields}
    wrong = {
        f"fields.{key}": f"Такого значения нет; есть {', '.join(rules[key].choices)}"
        for key, value in values.items()
        if value and key in rules and rules[key].choices and value not in rules[key].choices
    }
    if wrong:
        raise Invalid(wrong)


def source_label(company: Company, key: str) -> str:
    """How the reference list calls this source. `Invalid` names those there are."""
    labels = {rule.key: rule.label for rule in company.sources}
    if key not in labels:
        raise Invalid({"source": f"Источника «{key}» нет; есть {', '.join(labels)}"})
    return labels[key]


async def take(call: Call[None, None]) -> LeadOut:
    """«Взять в работу»: accept one's offer, or take a lead that nobody owns."""
    return await call.write(_shown, offers.take, call.services.desk, call.id)


class Assignment(In, frozen=True, kw_only=True):
    user_id: Id | None = None
    queue: Id | None = None


async def assign(call: Call[None, Assignment]) -> LeadOut:
    """Exactly one of `user_id` and `queue`."""
    body = call.body
    return await call.write(_assign, call.services.desk, call.id, body)


def _assign(tx: Tx, actor: Actor, desk: Desk, lead_id: str, body: Assignment) -> LeadOut:
    try:
        lead = offers.assign(tx, actor, desk, lead_id, user_id=body.user_id, queue=body.queue)
    except Missing as error:
        get_lead(tx, actor, lead_id)  # the lead is there, so it is the colleague who is not
        raise Invalid({"user_id": str(error)}) from error
    return show_lead(tx, lead)


class Refusal(In, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


async def decline(call: Call[None, Refusal]) -> LeadOut:
    """Refuse an offer or give a lead back; the next member gets it."""
    return await call.write(_shown, offers.decline, call.services.desk, call.id, call.body.reason)


def _shown(tx: Tx, actor: Actor, command: Any, *args: Any) -> LeadOut:
    """Run a command of distribution and show the lead that it gives back."""
    lead: Lead = command(tx, actor, *args)
    return show_lead(tx, lead)


class Move(In, frozen=True, kw_only=True):
    stage: Id


async def move(call: Call[None, Move]) -> LeadOut:
    """A move that a gate refuses is answered `422` with `missing`: kind, key, stage and title of each thing."""
    stage = call.body.stage
    try:
        return await call.write(_move, call.company, call.id, stage, call.if_match)
    except Invalid as error:
        if stage not in {each.key for each in call.company.stages}:
            raise
        lacks = [Lack(kind="field", key=key, title=title, stage=stage) for key, title in error.fields.items()]
        raise Incomplete("Чтобы перевести лид на эту стадию, не хватает", lacks) from error


def _move(tx: Tx, actor: Actor, company: Company, lead_id: str, stage: str, version: int | None) -> LeadOut:
    return show_lead(tx, move_lead(tx, actor, company, lead_id, stage, version))


async def seen(call: Call[None, None]) -> LeadOut:
    """The owner has read what the customer wrote: `unread` becomes 0."""
    return await call.write(_seen, call.id)


def _seen(tx: Tx, actor: Actor, lead_id: str) -> LeadOut:
    return show_lead(tx, mark_seen(tx, actor, lead_id))


ROUTES = (
    Route("GET", "/leads", list_, "Лиды с отбором", "lead.read"),
    Route(
        "POST",
        "/leads",
        create,
        "Создать лид: он пройдёт маршрутизацию и распределение",
        "lead.create",
        201,
        idempotent=True,
    ),
    Route("GET", "/leads/{id}", read, "Карточка лида", "lead.read"),
    Route("PATCH", "/leads/{id}", patch, "Изменить карточку", "lead.update"),
    Route("POST", "/leads/{id}/take", take, "Взять в работу", "lead.update"),
    Route("POST", "/leads/{id}/assign", assign, "Передать сотруднику или в очередь", "lead.update"),
    Route("POST", "/leads/{id}/decline", decline, "Отказаться с причиной", "lead.update"),
    Route("POST", "/leads/{id}/move", move, "Перевести на другую стадию", "lead.update"),
    Route("POST", "/leads/{id}/seen", seen, "Отметить прочитанным", "lead.read"),
)
