"""Who stands around a deal: its customer, people of the other side by role, risks, and colleagues who approve it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.companies import CustomerCompany, create_company, get_company
from crm_core.company import Company
from crm_core.deal_approvals import approve, ask, refuse, withdraw
from crm_core.deals import Deal, Party, Risk, company_of, customer_of, edit_deal, for_change
from crm_core.errors import Conflict, Invalid
from crm_core.people import PEOPLE, Person, find_person
from crm_core.rights import Action
from crm_core.search import Question
from crm_core.searchable import COMPANY, CONTACT, KINDS
from storage import ReadTx, Tx
from web.pages.actions import form_of
from web.pages.deal import changed
from web.pages.i18n import mark
from web.pages.render import Reader, part, reader

T = TypeVar("T", Party, Risk)
FOUND = 8
COLLEAGUES = 50
ROLES = {
    "decision_maker": mark("Принимает решение"),
    "payer": mark("Платит"),
    "purchaser": mark("Закупает"),
    "blocker": mark("Противится"),
    "other": mark("Другая роль"),
}
LEVELS = {"high": mark("Высокий"), "medium": mark("Средний"), "low": mark("Низкий")}


@dataclass(frozen=True, slots=True)
class Sides:
    """The customer as he is now, and whoever the search found."""

    deal: Deal
    person: Person | None
    company: CustomerCompany | None
    people: list[Person]
    companies: list[CustomerCompany]


def sides(tx: ReadTx, actor: Actor, deal_id: str, text: str = "") -> Sides:
    """`Forbidden` for whoever may not read contacts or change the deal."""
    deal = for_change(tx, actor, deal_id)
    check(actor, "contact", Action.READ)
    question = Question(tx, KINDS, text)
    people = question.records(CONTACT, actor, FOUND) if text else []
    companies = question.records(COMPANY, actor, FOUND) if text else []
    return Sides(deal, customer_of(tx, actor, deal), company_of(tx, actor, deal), people, companies)


async def customer_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/customer`: the dialog; with `q` what the search found."""
    who = await reader(request)
    text = request.query.get("q", "").replace("\0", "").strip()[:200]
    found = await who.read(sides, who.actor, request.match_info["id"], text)
    return part(request, who, f"deals/customer{'_found' if 'q' in request.query else ''}.html", sides=found, text=text)


async def save_customer(request: web.Request) -> web.Response:
    """`POST /deals/{id}/customer`: `person_id` or `company_id`, empty for nobody, or the name of a `new_company`."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    await who.write(_save_customer, who.actor, who.services.desk.company, deal_id, form)
    return changed(who, deal_id, mark("Клиент сделки изменён"))


def _save_customer(tx: Tx, actor: Actor, company: Company, deal_id: str, form: Mapping[str, str]) -> Deal:
    deal = for_change(tx, actor, deal_id)
    check(actor, "contact", Action.READ)
    changes: dict[str, Any] = {key: form[key] or None for key in ("person_id", "company_id") if key in form}
    if name := form.get("new_company", "").strip():
        changes["company_id"] = create_company(tx, actor, {"name": name}).id
    elif changes.get("company_id"):
        get_company(tx, actor, changes["company_id"])
    person = find_person(tx, changes.get("person_id"))
    if person is not None and deal.company_id is None and person.company_id:
        changes["company_id"] = person.company_id
    return edit_deal(tx, actor, company, deal_id, changes)


async def party_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/party`: somebody more on the other side, for the dialog."""
    return await _party_form(request, await reader(request), {}, {})


async def _party_form(
    request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    deal, people = await who.read(_candidates, who.actor, request.match_info["id"])
    return part(request, who, "deals/party.html", deal=deal, people=people, roles=ROLES, given=given, errors=errors)


def _candidates(tx: ReadTx, actor: Actor, deal_id: str) -> tuple[Deal, list[Person]]:
    """The deal's contact, then those of its company."""
    deal = for_change(tx, actor, deal_id)
    check(actor, "contact", Action.READ)
    own = customer_of(tx, actor, deal)
    mates = tx.find(PEOPLE, {"company_id": deal.company_id}, limit=COLLEAGUES) if deal.company_id else []
    found = {each.id: each for each in ([own] if own else []) + mates}
    return deal, list(found.values())


async def add_party(request: web.Request) -> web.Response:
    """`POST /deals/{id}/party`."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    role, name, person_id = form.get("role", ""), form.get("name", "").strip(), form.get("person_id") or None
    try:
        if role not in ROLES:
            raise Invalid({"role": "Выберите роль"})
        if not name and person_id is None:
            raise Invalid({"name": "Выберите контакт или напишите имя"})
        party = msgspec.convert(
            {"role": role, "person_id": person_id, "name": name, "note": form.get("note", "").strip()}, Party
        )
        await who.write(_put_party, who.actor, who.services.desk.company, deal_id, party)
    except Invalid as error:
        return await _party_form(request, who, form, error.fields)
    return changed(who, deal_id)


def _put_party(tx: Tx, actor: Actor, company: Company, deal_id: str, party: Party) -> Deal:
    deal = for_change(tx, actor, deal_id)
    check(actor, "contact", Action.READ)
    return edit_deal(tx, actor, company, deal_id, {"parties": (*deal.parties, party)})


async def drop_party(request: web.Request) -> web.Response:
    """`POST /deals/{id}/party/drop`: `at` and `was`, the row and its words as the page showed them."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company = who.services.desk.company
    check(who.actor, "contact", Action.READ)

    def drop(tx: Tx, actor: Actor) -> Deal:
        deal = for_change(tx, actor, deal_id)
        rest = _without(deal.parties, form, lambda party: party.role + (party.person_id or party.name))
        return edit_deal(tx, actor, company, deal_id, {"parties": rest})

    await who.write(drop, who.actor)
    return changed(who, deal_id)


def _without(rows: tuple[T, ...], form: Mapping[str, str], words: Callable[[T], str]) -> tuple[T, ...]:
    at = _place(rows, form, words)
    return rows[:at] + rows[at + 1 :]


def _place(rows: tuple[T, ...], form: Mapping[str, str], words: Callable[[T], str]) -> int:
    """Which row is meant. `Conflict` when it is another one by now."""
    text = form.get("at", "")
    at = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else len(rows)
    if at >= len(rows) or words(rows[at]) != form.get("was", ""):
        raise Conflict("Список уже изменил кто-то другой. Карточка обновлена")
    return at


async def risk_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/risk`: one more risk, for the dialog."""
    return await _risk_form(request, await reader(request), {}, {})


async def _risk_form(
    request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    deal = await who.read(for_change, who.actor, request.match_info["id"])
    return part(request, who, "deals/risk.html", deal=deal, levels=LEVELS, given=given, errors=errors)


async def add_risk(request: web.Request) -> web.Response:
    """`POST /deals/{id}/risk`."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company, level = who.services.desk.company, form.get("level", "")
    try:
        if level not in LEVELS:
            raise Invalid({"level": "Выберите уровень"})
        risk = msgspec.convert({"text": form.get("text", "").strip(), "level": level}, Risk)

        def add(tx: Tx, actor: Actor) -> Deal:
            deal = for_change(tx, actor, deal_id)
            return edit_deal(tx, actor, company, deal_id, {"risks": (*deal.risks, risk)})

        await who.write(add, who.actor)
    except Invalid as error:
        return await _risk_form(request, who, form, error.fields)
    return changed(who, deal_id)


async def change_risk(request: web.Request) -> web.Response:
    """`POST /deals/{id}/risk/{what}`: `close` it, `open` it again, `drop` it."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company, what = who.services.desk.company, request.match_info["what"]

    def change(tx: Tx, actor: Actor) -> Deal:
        deal = for_change(tx, actor, deal_id)
        at = _place(deal.risks, form, lambda risk: risk.text)
        kept = () if what == "drop" else (msgspec.structs.replace(deal.risks[at], closed=what == "close"),)
        return edit_deal(tx, actor, company, deal_id, {"risks": (*deal.risks[:at], *kept, *deal.risks[at + 1 :])})

    await who.write(change, who.actor)
    return changed(who, deal_id)


async def approval_part(request: web.Request) -> web.Response:
    """`GET /deals/{id}/approval`: whom to ask, for the dialog; `?role=` chooses."""
    who = await reader(request)
    deal = await who.read(for_change, who.actor, request.match_info["id"])
    return part(request, who, "deals/approval.html", deal=deal, role=request.query.get("role", ""))


async def say(request: web.Request) -> web.Response:
    """`POST /deals/{id}/approval/{what}`: `ask`, `approve`, `refuse` or `withdraw`, in the name of `role`."""
    who, deal_id, form = await reader(request), request.match_info["id"], await form_of(request)
    company, role, what = who.services.desk.company, form.get("role", ""), request.match_info["what"]
    text = form.get("text", "").strip()
    match what:
        case "ask":
            await who.write(ask, who.actor, company, deal_id, role, text)
        case "refuse":
            await who.write(refuse, who.actor, company, deal_id, role, text)
        case "approve":
            await who.write(approve, who.actor, company, deal_id, role)
        case _:
            await who.write(withdraw, who.actor, company, deal_id, role)
    return changed(who, deal_id)
