"""`/calls`: what was called, and click-to-call: the seller's own phone first, then the customer."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import field

from connectors.contract import CallRequest, NotReady, Originates, SendRejected
from connectors.supervisor import Supervisor
from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.calls import CALLS, list_calls
from crm_core.errors import Conflict, Invalid
from crm_core.leads import get_lead
from crm_core.people import find_person
from crm_core.rights import Action
from crm_core.users import require_user
from router import normalize
from storage import AllOf, Filter, Gte, Lt, ReadTx, Tx
from web.api.call import Call, In, Out, Page, Route, page_of
from web.api.input import Id, Line, ListQuery, Moment
from web.api.shapes import CallOut, show_call
from web.problems import RETRY_AFTER, Problem


class CallQuery(ListQuery, frozen=True, kw_only=True):
    sort: Literal["started_at", "-started_at"] = "-started_at"
    number: Line | None = None
    """In any notation."""
    direction: Literal["in", "out", "internal"] | None = None
    outcome: Literal["answered", "missed", "no_answer", "busy", "failed", "unknown"] | None = None
    did: Line | None = None
    lead_id: Id | None = None
    from_: Moment | None = field(default=None, name="from")
    to: Moment | None = None


async def list_(call: Call[CallQuery, None]) -> Page[CallOut]:
    return await call.read(_list, call.query)


def _list(tx: ReadTx, actor: Actor, query: CallQuery) -> Page[CallOut]:
    check(actor, "call", Action.READ)
    names = ("direction", "outcome", "did", "lead_id")
    where: dict[str, Any] = {name: getattr(query, name) for name in names if getattr(query, name) is not None}
    if query.number is not None:
        where["number"] = normalize.phone(query.number) or query.number.strip()
    filters: list[Filter] = [where]
    if query.from_ is not None:
        filters.append({"started_at": Gte(query.from_)})
    if query.to is not None:
        filters.append({"started_at": Lt(query.to)})
    rows = list_calls(tx, actor, AllOf(tuple(filters)), sort=query.sort, limit=query.limit + 1, after=query.cursor)
    return page_of(tx, CALLS, rows, query.limit, query.sort, show_call)


class NewCall(In, frozen=True, kw_only=True):
    lead_id: Id | None = None
    number: Line | None = None


class NewCallOut(Out, frozen=True, kw_only=True):
    request_id: str
    """Stands on the call as soon as the exchange reports it."""
    connector: str


async def originate(call: Call[None, NewCall]) -> NewCallOut:
    """Exactly one of `lead_id` and `number`. Never placed late: when the exchange is away now, it is refused."""
    name, exchange = first_exchange(call.services.supervisor)
    request: CallRequest = await call.write(_request, call.user_id(), call.body)
    try:
        await exchange.originate(request)
    except NotReady as error:
        raise Problem(503, f"Позвонить сейчас нельзя: {error}", headers={"Retry-After": RETRY_AFTER}) from error
    except SendRejected as error:
        raise Problem(409, f"Звонок не состоялся: {error}") from error
    return NewCallOut(request_id=request.id, connector=name)


def first_exchange(supervisor: Supervisor) -> tuple[str, Originates]:
    """The first connector that can place calls and is at work. `Problem` 503 when there is none."""
    for health in supervisor.health():
        connector: object = supervisor.get(health.name)
        if isinstance(connector, Originates):
            return health.name, connector
    raise Problem(503, "Телефония не подключена или приостановлена", headers={"Retry-After": RETRY_AFTER})


def _request(tx: Tx, actor: Actor, user_id: str, body: NewCall) -> CallRequest:
    if (body.lead_id is None) == (body.number is None):
        raise Invalid({"number": "Укажите либо лид (lead_id), либо номер (number)"})
    user = require_user(tx, user_id)
    if not user.extension:
        raise Conflict("У вас не указан внутренний номер: его задаёт администратор")
    number, name = _of_lead(tx, actor, body.lead_id) if body.lead_id else _of_number(actor, body.number or "")
    request = CallRequest(id=tx.new_id("call_"), extension=user.extension, number=number, caller_name=name)
    record(tx, actor, "call", request.id, "originated", {"number": (None, number)})
    return request


def _of_lead(tx: ReadTx, actor: Actor, lead_id: str) -> tuple[str, str | None]:
    lead = get_lead(tx, actor, lead_id)
    person = find_person(tx, lead.person_id)
    if person is None or not person.phones:
        raise Conflict("У клиента нет телефона")
    return person.phones[0].partition(";")[0], person.name


def _of_number(actor: Actor, text: str) -> tuple[str, str | None]:
    check(actor, "call", Action.READ)
    number = normalize.phone(text)
    if number is None:
        raise Invalid({"number": "Не похоже на номер телефона"})
    return number.partition(";")[0], None


ROUTES = (
    Route("GET", "/calls", list_, "Звонки", "call.read"),
    Route("POST", "/calls", originate, "Позвонить: сначала вам, затем клиенту", "lead.read", 202),
)
