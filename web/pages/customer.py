"""One customer on a page of its own, a company or a person: what is known, what it is worth, and all that passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from crm_core.access import may
from crm_core.actor import Actor
from crm_core.companies import CustomerCompany, alike, create_company, facts, find_company, get_company
from crm_core.company_timeline import company_items
from crm_core.contacts import create_person, get_person, list_people
from crm_core.contacts import facts as person_facts
from crm_core.deals import Deal, list_deals
from crm_core.duplicates import Candidate, dismiss, duplicates_of
from crm_core.errors import Invalid
from crm_core.leads import Lead, list_leads
from crm_core.merge import Merge, merges_into
from crm_core.people import Person
from crm_core.rights import Action
from crm_core.tasks import Task, list_tasks, of_record
from crm_core.timeline import TIMELINE
from crm_core.users import User
from distribution.desk import Desk
from storage import AllOf, ReadTx, Tx
from web.pages.actions import done, form_of, toast
from web.pages.conversation import PAGE, Talk, staff, told
from web.pages.customer_fields import FIELDS, values_of
from web.pages.customers import BY_ENTITY, RFM
from web.pages.render import Reader, page, part, reader, wants_part

SHOWN = 50
NEW_COMPANY = ("name", "inn", "kpp", "phone", "email")
NEW_PERSON = ("name", "position", "phone", "email", "company_id")


@dataclass(frozen=True, slots=True)
class Dossier:
    """What the page shows."""

    entity: str
    path: str
    """Address of the page."""
    record: Any
    """The person or the company."""
    values: Mapping[str, str]
    """What stands in the fields, by name."""
    may_change: bool
    company: CustomerCompany | None
    """That the person belongs to."""
    people: list[Person]
    """Of the company."""
    leads: list[Lead]
    deals: list[Deal]
    tasks: list[Task]
    duplicates: list[Candidate]
    merges: list[Merge]
    """That can be taken back."""
    talk: Talk
    staff: Mapping[str, str]
    users: list[User]


def of_company(tx: ReadTx, actor: Actor, desk: Desk, company_id: str) -> Dossier:
    """`Missing` or `Forbidden` as the core says."""
    company = get_company(tx, actor, company_id)
    where = {"company_id": company.id}
    return Dossier(
        record=company,
        may_change=may(actor, "company", Action.UPDATE, facts(company)),
        company=None,
        people=list_people(tx, actor, where, limit=SHOWN),
        leads=[],
        deals=list_deals(tx, actor, where, limit=SHOWN),
        talk=company_talk(tx, actor, company.id),
        **_common(tx, actor, desk, "company", company),
    )


def of_person(tx: ReadTx, actor: Actor, desk: Desk, person_id: str) -> Dossier:
    """`Missing` or `Forbidden` as the core says."""
    person = get_person(tx, actor, person_id)
    where = {"person_id": person.id}
    company = find_company(tx, person.company_id)
    sees_company = company is not None and may(actor, "company", Action.READ, facts(company))
    return Dossier(
        record=person,
        may_change=may(actor, "contact", Action.UPDATE, person_facts(person)),
        company=company if sees_company else None,
        people=[],
        leads=list_leads(tx, actor, where, limit=SHOWN),
        deals=list_deals(tx, actor, where, limit=SHOWN),
        talk=person_talk(tx, actor, person.id),
        **_common(tx, actor, desk, "contact", person),
    )


def _common(tx: ReadTx, actor: Actor, desk: Desk, entity: str, record: Any) -> dict[str, Any]:
    tasks = AllOf((of_record(tx, entity, record.id), {"open": True}))
    return {
        "entity": entity,
        "path": f"{BY_ENTITY[entity].path}/{record.id}",
        "values": values_of(record),
        "tasks": list_tasks(tx, actor, tasks, limit=SHOWN) if may(actor, "task", Action.READ) else [],
        "duplicates": duplicates_of(tx, actor, entity, record.id),
        "merges": merges_into(tx, actor, entity, record.id),
        "staff": staff(tx, desk),
        "users": sorted(desk.roster(tx).users, key=lambda user: user.name),
    }


def company_talk(tx: ReadTx, actor: Actor, company_id: str, before: str | None = None) -> Talk:
    """The newest of what passed with the company, or what came before the cursor."""
    company = get_company(tx, actor, company_id)
    found = company_items(tx, actor, company.id, PAGE, before)
    return told(tx, actor, found, f"/companies/{company.id}/timeline")


def person_talk(tx: ReadTx, actor: Actor, person_id: str, before: str | None = None) -> Talk:
    """The same of a person, whatever lead or deal it belongs to."""
    person = get_person(tx, actor, person_id)
    found = tx.find(TIMELINE, {"person_id": person.id}, sort="-at", limit=PAGE, after=before)
    return told(tx, actor, found, f"/people/{person.id}/timeline")


async def company_page(request: web.Request) -> web.Response:
    """`GET /companies/{id}`."""
    return await _show(request, of_company)


async def person_page(request: web.Request) -> web.Response:
    """`GET /people/{id}`."""
    return await _show(request, of_person)


async def _show(request: web.Request, load: Any) -> web.Response:
    who = await reader(request)
    found: Dossier = await who.read(load, who.actor, who.services.desk, request.match_info["id"])
    context = {"dossier": found, "fields": FIELDS[found.entity], "rfm": dict(RFM)}
    if wants_part(request):
        return part(request, who, "customers/card.html", **context)
    return await page(request, who, "customers/card_page.html", "customers", **context)


async def company_earlier(request: web.Request) -> web.Response:
    """`GET /companies/{id}/timeline?before=`: what came before."""
    return await _earlier(request, company_talk)


async def person_earlier(request: web.Request) -> web.Response:
    """`GET /people/{id}/timeline?before=`: what came before."""
    return await _earlier(request, person_talk)


async def _earlier(request: web.Request, load: Any) -> web.Response:
    who = await reader(request)
    found = await who.read(load, who.actor, request.match_info["id"], request.query.get("before"))
    names = await who.read(staff, who.services.desk)
    return part(request, who, "work/talk.html", talk=found, lead={"id": ""}, staff=names)


async def new_company(request: web.Request) -> web.Response:
    """`GET /companies/new`: an empty form, for the dialog."""
    return part(request, await reader(request), "customers/new_company.html", given={}, errors={}, similar=[])


def add_checked(tx: Tx, actor: Actor, form: Mapping[str, str]) -> CustomerCompany | list[CustomerCompany]:
    """The new company; or those that it may be, unless they were seen already."""
    name, inn = form.get("name", ""), form.get("inn", "")
    if form.get("seen") != "yes" and (found := alike(tx, actor, name, inn)):
        return [get_company(tx, actor, each) for each in found]
    return create_company(tx, actor, _values(form, NEW_COMPANY))


async def add_company(request: web.Request) -> web.Response:
    """`POST /companies`: a new one, and on to its page; companies that resemble it are shown first."""
    who, form = await reader(request), await form_of(request)
    errors: Mapping[str, str] = {}
    similar: list[CustomerCompany] = []
    try:
        made = await who.write(add_checked, who.actor, form)
        if isinstance(made, CustomerCompany):
            return _to(f"/companies/{made.id}")
        similar = made
    except Invalid as error:
        errors = error.fields
    return part(request, who, "customers/new_company.html", given=form, errors=errors, similar=similar)


async def new_person(request: web.Request) -> web.Response:
    """`GET /people/new`: an empty form, for the dialog; `?company=` names the company."""
    who, given = await reader(request), {"company_id": request.query.get("company", "")}
    return await _person_form(request, who, given, {})


async def _person_form(
    request: web.Request, who: Reader, given: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    wanted = given.get("company_id")
    company = await who.read(get_company, who.actor, wanted) if wanted else None
    return part(request, who, "customers/new_person.html", given=given, errors=errors, company_of=company)


async def add_person(request: web.Request) -> web.Response:
    """`POST /people`: a new one, and on to his page."""
    who, form = await reader(request), await form_of(request)
    try:
        person = await who.write(create_person, who.actor, _values(form, NEW_PERSON))
    except Invalid as error:
        return await _person_form(request, who, form, error.fields)
    return _to(f"/people/{person.id}")


def _values(form: Mapping[str, str], names: tuple[str, ...]) -> dict[str, Any]:
    """What the form says, without what was left empty; `phone` and `email` become the lists that the core takes."""
    given = {name: text for name in names if (text := form.get(name, "").strip())}
    lists = {"phone": "phones", "email": "emails"}
    return {lists.get(name, name): [text] if name in lists else text for name, text in given.items()}


async def dismiss_duplicate(request: web.Request) -> web.Response:
    """`POST /{companies|people}/{id}/dismiss`: «не дубль»; `other` names the other record."""
    who, form = await reader(request), await form_of(request)
    entity = "company" if request.match_info["kind"] == "companies" else "contact"
    await who.write(dismiss, who.actor, entity, request.match_info["id"], form.get("other", ""))
    return done(**{"customer:changed": {}, "toast": toast(who, "Больше не показываем эту пару")})


def _to(address: str) -> web.Response:
    return web.Response(status=204, headers={"HX-Redirect": address})
