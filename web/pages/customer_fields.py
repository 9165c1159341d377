"""The fields of a customer's card, changed in place one by one, like those of leads and deals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web

from crm_core.actor import Actor
from crm_core.companies import CustomerCompany, alike, edit_company, find_company, get_company
from crm_core.contacts import edit_person, get_person
from crm_core.errors import Conflict, Invalid
from crm_core.people import Person
from crm_core.rights import Action
from crm_core.similar import exact_key
from storage import ReadTx, Tx
from web.corrections import corrected
from web.pages.actions import done, form_of
from web.pages.i18n import mark
from web.pages.render import reader


class Field(NamedTuple):
    """`type`: `text`, `textarea`, `list` (several with commas), `date`, `owner`."""

    name: str
    title: str
    type: str = "text"
    most: int = 500


COMPANY = (
    Field("name", mark("Название")),
    Field("inn", mark("ИНН"), most=20),
    Field("kpp", mark("КПП"), most=20),
    Field("ogrn", mark("ОГРН"), most=20),
    Field("legal_address", mark("Юридический адрес"), "textarea"),
    Field("postal_address", mark("Почтовый адрес"), "textarea"),
    Field("director", mark("Руководитель")),
    Field("bank", mark("Банк")),
    Field("bik", mark("БИК"), most=20),
    Field("account", mark("Расчётный счёт"), most=40),
    Field("corr_account", mark("Корр. счёт"), most=40),
    Field("phones", mark("Телефоны"), "list", 1000),
    Field("emails", mark("Почта"), "list", 2000),
    Field("site", mark("Сайт")),
    Field("activity", mark("Чем занимается")),
    Field("size", mark("Размер")),
    Field("owner_id", mark("Ответственный"), "owner"),
    Field("comment", mark("Комментарий"), "textarea", 10_000),
)
PERSON = (
    Field("name", mark("Имя"), most=300),
    Field("company", mark("Компания"), most=300),
    Field("position", mark("Должность"), most=300),
    Field("phones", mark("Телефоны"), "list", 1000),
    Field("emails", mark("Почта"), "list", 2000),
    Field("birthday", mark("День рождения"), "date"),
    Field("owner_id", mark("Ответственный"), "owner"),
    Field("comment", mark("Комментарий"), "textarea", 10_000),
)
FIELDS: Mapping[str, tuple[Field, ...]] = {"company": COMPANY, "contact": PERSON}
ONLY = {field.name: field for field in (*COMPANY, *PERSON)}


def values_of(record: Person | CustomerCompany) -> dict[str, str]:
    """What stands in the fields, as text."""
    fields = COMPANY if isinstance(record, CustomerCompany) else PERSON
    found = {}
    for field in fields:
        value = getattr(record, field.name)
        found[field.name] = ", ".join(value) if field.type == "list" else str(value or "")
    return found


def _check_unchanged(record: Person | CustomerCompany, name: str, value: str, was: str) -> None:
    present = values_of(record)[name]
    if present not in (was, value):
        raise Conflict(f"Поле уже изменил кто-то другой, теперь там: «{present[:200]}». Карточка обновлена")


def _change(name: str, value: str) -> dict[str, Any]:
    if ONLY[name].type == "list":
        return {name: [part for each in value.split(",") if (part := each.strip())]}
    return {name: value or None}


def edit_company_field(tx: Tx, actor: Actor, *, id: str, name: str, value: str, was: str) -> CustomerCompany:
    """Change one field, unless somebody changed that very field since this page showed it."""
    company = get_company(tx, actor, id, Action.UPDATE)
    _check_unchanged(company, name, value, was)
    return edit_company(tx, actor, company.id, _change(name, value), company.version)


def edit_person_field(tx: Tx, actor: Actor, *, id: str, name: str, value: str, was: str) -> Person:
    """The same for a contact; his company is named, and one of the companies that are there is meant."""
    person = get_person(tx, actor, id)
    _check_unchanged(person, name, value, was)
    changes = _company(tx, actor, value) if name == "company" else _change(name, value)
    return edit_person(tx, actor, person.id, changes, person.version)


def _company(tx: ReadTx, actor: Actor, name: str) -> dict[str, Any]:
    """The company of exactly this name. `Invalid` when there is none or several of them."""
    if not name:
        return {"company_id": None, "company": None}
    found = [find_company(tx, each) for each in alike(tx, actor, name, None)]
    same = [each for each in found if each is not None and exact_key(each.name) == exact_key(name)]
    if len(same) > 1:
        raise Invalid({"company": "Таких компаний несколько: откройте карточку нужной и добавьте контакт там"})
    if not same:
        known = f". Есть похожие: {', '.join(each.name for each in found if each)}" if found else ""
        raise Invalid({"company": f"Такой компании нет: заведите её в списке компаний{known}"})
    return {"company_id": same[0].id, "company": same[0].name}


async def company_field(request: web.Request) -> web.Response:
    """`POST /companies/{id}/field`: `name`, `value`, and `was`, the value that the page had shown."""
    who = await reader(request)
    asked = await _asked(request, "company")
    company = await who.write(lambda tx: edit_company_field(tx, who.actor, **asked))
    return _saved(asked["name"], values_of(company))


async def person_field(request: web.Request) -> web.Response:
    """`POST /people/{id}/field`: the same."""
    who = await reader(request)
    asked = await _asked(request, "contact")
    person = await corrected(who.services.store, who.actor, lambda tx, actor: edit_person_field(tx, actor, **asked))
    return _saved(asked["name"], values_of(person))


async def _asked(request: web.Request, entity: str) -> dict[str, str]:
    form = await form_of(request)
    name = form.get("name", "")
    if name not in {field.name for field in FIELDS[entity]}:
        raise Invalid({"name": "Такого поля на карточке нет"})
    texts = {key: form.get(key, "").strip().replace("\r\n", "\n") for key in ("value", "was")}
    return {"id": request.match_info["id"], "name": name, **texts}


def _saved(name: str, values: Mapping[str, str]) -> web.Response:
    return done(**{"saved": {"name": name, "value": values[name]}, "customer:changed": {}})
