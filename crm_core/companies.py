"""Companies that are our customers: requisites, contacts' home, what they bought.

Two live companies never share ИНН and КПП: the store itself refuses, and the refusal names the company that has them.
Names that look alike are only a hint (`similar`), because two firms may well bear one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import force_setattr

from crm_core import normalize
from crm_core.access import Facts, check, visible
from crm_core.actor import SYSTEM, Actor
from crm_core.audit import record
from crm_core.changes import tell
from crm_core.customers import Bought
from crm_core.errors import Conflict, Invalid, Missing
from crm_core.merged import resolve
from crm_core.people import PossibleDuplicate, file_duplicate
from crm_core.requisites import FIELDS as NUMBERS
from crm_core.requisites import check_requisites, clean
from crm_core.rights import Action
from crm_core.similar import company_key
from crm_core.users import USERS
from storage import AllOf, Collection, Filter, Index, ReadTx, Tx, Unique, UniqueViolation


class CustomerCompany(Bought, frozen=True, kw_only=True):
    """A company that buys, or may buy. (`Company` is our own, as configured.)"""

    name: str
    name_key: str | None = None
    """The name made comparable; follows it by itself."""
    inn: str | None = None
    kpp: str | None = None
    tax_key: str | None = None
    """ИНН and КПП together; follows them by itself."""
    ogrn: str | None = None
    bank: str | None = None
    """Name of the bank."""
    bik: str | None = None
    account: str | None = None
    """Расчётный счёт."""
    corr_account: str | None = None
    legal_address: str | None = None
    postal_address: str | None = None
    director: str | None = None
    activity: str | None = None
    """Field of activity."""
    size: str | None = None
    """As people say it: «50–100 сотрудников»."""
    phones: tuple[str, ...] = ()
    """E.164."""
    emails: tuple[str, ...] = ()
    site: str | None = None
    owner_id: str | None = None
    comment: str | None = None
    fields: dict[str, str] = {}
    created_at: datetime
    updated_at: datetime
    last_activity_at: datetime
    """Of the company itself, its contacts and its deals; contacts count to the hour."""

    def __post_init__(self) -> None:
        force_setattr(self, "name_key", company_key(self.name))
        force_setattr(self, "tax_key", f"{self.inn}/{self.kpp or ''}" if self.inn else None)


COMPANIES = Collection(
    "companies",
    CustomerCompany,
    [
        Unique("tax_key"),
        Index("inn"),
        Index("name"),
        Index("name_key"),
        Index("created_at"),
        Index("last_activity_at"),
        Index("owner_id", "last_activity_at"),
        Index("rfm", "last_won_at"),
        Index("rfm", "last_activity_at"),
        Index("abc", "last_activity_at"),
        Index("abc", "won_sum", sparse=True),
        Index("won_sum"),
        Index("won_count"),
    ],
)
COMPANY_DUPLICATES = Collection(
    "possible_company_duplicates",
    PossibleDuplicate,
    [Unique("first_id", "second_id"), Index("second_id"), Index("state", "created_at")],
)

MOST = 20
"""Phones or emails of one company."""
MANY = 20
"""Similar companies that are named."""
LINES = frozenset({"name", "bank", "legal_address", "postal_address", "director", "activity", "size", "site"})
TEXTS = frozenset({"comment"})
EDITABLE = LINES | TEXTS | frozenset(NUMBERS) | {"phones", "emails", "owner_id", "fields"}
LONGEST_LINE, LONGEST_TEXT = 500, 10_000
_LISTS = {
    "phones": (normalize.phone, "не похоже на номер телефона"),
    "emails": (normalize.email, "не похоже на адрес электронной почты"),
}


def facts(company: CustomerCompany) -> Facts:
    return Facts(owners=frozenset({company.owner_id}))


def find_company(tx: ReadTx, company_id: str | None) -> CustomerCompany | None:
    """The company with this id, or the one that it was merged into; no rights are asked."""
    if company_id is None:
        return None
    return tx.get(COMPANIES, company_id) or tx.get(COMPANIES, resolve(tx, company_id))


def get_company(tx: ReadTx, actor: Actor, company_id: str, action: Action = Action.READ) -> CustomerCompany:
    """The company, checked for this action; an id that was merged away leads to the one that lives on."""
    check(actor, "company", action)
    company = find_company(tx, company_id)
    if company is None:
        raise Missing("Такой компании нет")
    check(actor, "company", action, facts(company))
    return company


def list_companies(
    tx: ReadTx,
    actor: Actor,
    where: Filter,
    *,
    sort: str = "-last_activity_at",
    limit: int = 50,
    after: str | None = None,
) -> list[CustomerCompany]:
    """Companies that match and that the actor may see."""
    scope = visible(actor, "company", owner_fields=("owner_id",))
    return [] if scope is None else tx.find(COMPANIES, AllOf((where, scope)), sort=sort, limit=limit, after=after)


def create_company(tx: Tx, actor: Actor, values: Mapping[str, Any]) -> CustomerCompany:
    """`Invalid` names each wrong field; `Conflict` names the company that has this ИНН and КПП already."""
    check(actor, "company", Action.CREATE)
    wanted = _clean(tx, values, {})
    if not wanted.get("name"):
        raise Invalid({"name": "Укажите название компании"})
    wanted.setdefault("owner_id", actor.id)
    company = CustomerCompany(
        id=tx.new_id("com_"), **wanted, created_at=tx.now, updated_at=tx.now, last_activity_at=tx.now
    )
    check(actor, "company", Action.CREATE, facts(company))
    try:
        company = tx.insert(COMPANIES, company)
    except UniqueViolation as error:
        raise _taken(tx, company) from error
    _file_alike(tx, company)
    record(tx, actor, "company", company.id, "created", {name: (None, value) for name, value in wanted.items()})
    tell(tx, "company", company.id, "created", owners=(company.owner_id,))
    return company


def edit_company(
    tx: Tx, actor: Actor, company_id: str, changes: Mapping[str, Any], version: int | None = None
) -> CustomerCompany:
    """Change what is named; None empties a field, in `fields` too. Errors as in `create_company`, and `Conflict` when
    `version` is not the present one."""
    company = get_company(tx, actor, company_id, Action.UPDATE)
    if version is not None and version != company.version:
        raise Conflict("Компания уже изменена кем-то другим. Обновите карточку")
    wanted = _clean(tx, changes, {name: getattr(company, name) for name in (*NUMBERS, "fields")})
    if "name" in wanted and not wanted["name"]:
        raise Invalid({"name": "Название не может быть пустым"})
    before_after = {
        name: (getattr(company, name), value) for name, value in wanted.items() if getattr(company, name) != value
    }
    if not before_after:
        return company
    try:
        changed = tx.update(COMPANIES, company, **wanted, updated_at=tx.now, last_activity_at=tx.now)
    except UniqueViolation as error:
        numbers = {"inn": company.inn, "kpp": company.kpp} | wanted
        raise _taken(tx, CustomerCompany(
            id=company.id, name=company.name, inn=numbers["inn"], kpp=numbers["kpp"],
            created_at=tx.now, updated_at=tx.now, last_activity_at=tx.now,
        )) from error  # fmt: skip
    if before_after.keys() & {"name", "inn"}:
        _file_alike(tx, changed)
    record(tx, actor, "company", company.id, "updated", before_after)
    tell(tx, "company", company.id, "updated", owners=(changed.owner_id, company.owner_id))
    return changed


SAME_INN, SAME_NAME = "Тот же ИНН", "Похожее название или имя"


def alike(tx: ReadTx, actor: Actor, name: str | None, inn: str | None) -> dict[str, list[str]]:
    """Ids of companies that the actor may see and that may be the one with this ИНН (another branch, perhaps) or this
    name but for its writing, with the reasons: a hint, never a refusal."""
    found: dict[str, list[str]] = {}
    ways = (("inn", clean(inn), SAME_INN), ("name_key", company_key(name), SAME_NAME))
    for field, value, reason in ways:
        if value is not None:
            for each in list_companies(tx, actor, {field: value}, sort=field, limit=MANY):
                found.setdefault(each.id, []).append(reason)
    return found


def _file_alike(tx: Tx, company: CustomerCompany) -> None:
    """Control on entry: the pair is there to be looked at, whoever may see the other company."""
    for other, reasons in alike(tx, SYSTEM, company.name, company.inn).items():
        if other != company.id:
            file_duplicate(tx, company.id, other, ", ".join(reasons), among=COMPANY_DUPLICATES)


TOUCHED_EVERY = timedelta(hours=1)


def touch(tx: Tx, company_id: str | None) -> None:
    """One of its contacts was active. Written at most once an hour, so that a lively customer's card can be edited."""
    company = find_company(tx, company_id)
    if company is not None and tx.now - company.last_activity_at > TOUCHED_EVERY:
        tx.update(COMPANIES, company, last_activity_at=tx.now)


def _taken(tx: ReadTx, company: CustomerCompany) -> Conflict:
    other = tx.first(COMPANIES, {"tax_key": company.tax_key})
    numbers = f"ИНН {company.inn}" + (f" и КПП {company.kpp}" if company.kpp else "")
    return Conflict(f"Компания с {numbers} уже есть: «{other.name if other else '?'}». Работайте с ней")


def _clean(tx: ReadTx, values: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in its final shape, or `Invalid` with every wrong field. `present`: what goes together with it."""
    wrong = dict.fromkeys(sorted(set(values) - EDITABLE), "Такого поля нет или его нельзя менять")
    wanted: dict[str, Any] = {}
    for name, value in values.items():
        if name in LINES:
            wanted[name] = " ".join((value or "").split()) or None
        elif name in TEXTS:
            wanted[name] = (value or "").strip() or None
        elif name in NUMBERS:
            wanted[name] = clean(value)
        elif name in _LISTS:
            wanted[name] = _marks(name, value, wrong)
        elif name == "fields":
            merged = {**present.get("fields", {}), **value}
            wanted[name] = {key: text for key, text in merged.items() if text}
        elif name == "owner_id":
            wanted[name] = value
    wrong |= _too_long(wanted) | check_owner(tx, wanted.get("owner_id"))
    if wanted.keys() & set(NUMBERS):
        wrong |= check_requisites({name: wanted.get(name, present.get(name)) for name in NUMBERS})
    if wrong:
        raise Invalid(wrong)
    return wanted


def _too_long(wanted: Mapping[str, Any]) -> dict[str, str]:
    most = dict.fromkeys(LINES, LONGEST_LINE) | dict.fromkeys(TEXTS, LONGEST_TEXT)
    return {
        name: f"Не длиннее {most[name]} знаков"
        for name, value in wanted.items()
        if name in most and value and len(value) > most[name]
    }


def check_owner(tx: ReadTx, owner_id: str | None) -> dict[str, str]:
    """What is wrong with an owner, by field."""
    owner = tx.get(USERS, owner_id) if owner_id else None
    wrong = owner_id is not None and (owner is None or not owner.active)
    return {"owner_id": "Такого сотрудника нет, или он отключён"} if wrong else {}


def _marks(name: str, texts: list[str] | tuple[str, ...], wrong: dict[str, str]) -> tuple[str, ...]:
    normal, refusal = _LISTS[name]
    found = {text: normal(text) for text in texts}
    bad = [text for text, value in found.items() if value is None]
    if bad:
        wrong[name] = f"«{bad[0][:60]}» {refusal}"
    elif len(found) > MOST:
        wrong[name] = f"Не больше {MOST}"
    return tuple(dict.fromkeys(value for value in found.values() if value))
