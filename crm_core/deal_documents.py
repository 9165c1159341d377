"""What a document of a deal is made of: the deal, its customer, its lines with their sums, and whoever makes it."""

from __future__ import annotations

from datetime import date

from crm_core.actor import Actor
from crm_core.companies import CustomerCompany, find_company
from crm_core.company import Company
from crm_core.deals import Deal, get_deal
from crm_core.documents.data import DealData, DocumentData, LineData, Party, PersonData
from crm_core.documents.declension import Kind, is_name, kinds_of
from crm_core.documents.issued import Document
from crm_core.documents.links import Links
from crm_core.errors import Conflict
from crm_core.lines import ZERO, Line, line_sum
from crm_core.money import share
from crm_core.normalize import shown_phone
from crm_core.people import Person, find_person
from crm_core.products import PRODUCTS
from crm_core.trade import HUNDRED
from crm_core.users import USERS
from storage import ReadTx

DATES = {"delivery_date": "delivery_on", "valid_until": "valid_until", "ends_on": "ends_on"}
"""Field of the deal card → date of a document."""
TEXTS = ("city", "delivery_address", "payment_terms", "delivery_terms", "warranty")
"""Fields of the deal card that documents name by the same key."""


def data_of(tx: ReadTx, actor: Actor, company: Company, deal_id: str) -> tuple[Deal, DocumentData, Links]:
    """Everything that a document of this deal may say. `Missing` and `Forbidden` as for reading the deal."""
    deal = get_deal(tx, actor, deal_id)
    person = find_person(tx, deal.person_id) if deal.person_id else None
    customer = find_company(tx, deal.company_id) if deal.company_id else None
    data = DocumentData(
        firm=company.firm,
        customer=_customer(customer, person),
        person=_person(person),
        deal=_deal(deal),
        lines=tuple(_line(tx, company, line) for line in deal.lines),
        author=_author(tx, actor),
    )
    links = Links(deal_id=deal.id, lead_id=deal.lead_id, person_id=deal.person_id, company_id=deal.company_id)
    return deal, data, links


def data_again(tx: ReadTx, actor: Actor, company: Company, document: Document) -> DocumentData:
    """The same of the deal that a document was made of, as it is now. `Conflict` for one that is of no deal."""
    if document.deal_id is None:
        raise Conflict(f"Документ {document.number} сделан не из сделки: заново его не выпустить")
    return data_of(tx, actor, company, document.deal_id)[1]


def _customer(customer: CustomerCompany | None, person: Person | None) -> Party:
    """The company; a private person stands for himself."""
    if customer is None:
        return _private(person)
    position, director = split_director(customer.director or "")
    return Party(
        name=customer.name,
        full_name=customer.name,
        inn=customer.inn or "",
        kpp=customer.kpp or "",
        ogrn=customer.ogrn or "",
        address=customer.legal_address or "",
        post_address=customer.postal_address or "",
        bank=customer.bank or "",
        bik=customer.bik or "",
        account=customer.account or "",
        corr_account=customer.corr_account or "",
        phone=_phone(customer),
        email=next(iter(customer.emails), ""),
        site=customer.site or "",
        director=director,
        director_position=customer.fields.get("director_position") or position,
        basis=customer.fields.get("basis", "Устава"),
    )


def split_director(text: str) -> tuple[str, str]:
    """Position and name of «Генеральный директор Иванов Иван Иванович»; a name alone has no position."""
    words = text.split()
    for place in range(len(words)):
        name = " ".join(words[place:])
        if is_name(name) and kinds_of(words[place:])[0].count(Kind.SURNAME) < 2:
            return " ".join(words[:place]).rstrip(","), name
    return "", text.strip()


def _private(person: Person | None) -> Party:
    if person is None:
        return Party()
    name, email = person.name or "", next(iter(person.emails), "")
    return Party(kind="person", name=name, full_name=name, phone=_phone(person), email=email)


def _person(person: Person | None) -> PersonData:
    if person is None:
        return PersonData()
    email = next(iter(person.emails), "")
    return PersonData(name=person.name or "", position=person.position or "", phone=_phone(person), email=email)


def _phone(customer: CustomerCompany | Person) -> str:
    return shown_phone(next(iter(customer.phones), ""))


def _deal(deal: Deal) -> DealData:
    dates: dict[str, date] = {
        target: date.fromisoformat(deal.fields[key]) for key, target in DATES.items() if deal.fields.get(key)
    }
    return DealData(
        number=str(deal.number),
        title=deal.title,
        amount=deal.amount,
        currency=deal.currency,
        comment=deal.comment,
        fields=deal.fields,
        valid_until=dates.get("valid_until"),
        delivery_on=dates.get("delivery_on"),
        ends_on=dates.get("ends_on"),
        **{key: deal.fields.get(key, "") for key in TEXTS},
    )


def _line(tx: ReadTx, company: Company, line: Line) -> LineData:
    sums = line_sum(line)
    product = tx.get(PRODUCTS, line.product_id) if line.product_id else None
    unit = next((each.title for each in company.trade.units if each.code == line.unit), line.unit)
    percent = share(HUNDRED, sums.discount, sums.gross) if sums.gross else ZERO
    return LineData(
        name=line.name,
        article=(product.sku or "") if product else "",
        unit=unit,
        quantity=line.quantity,
        price=line.price,
        vat_rate=line.vat_percent,
        vat_included=line.vat_included,
        vat=sums.vat,
        total=sums.total,
        discount=percent,
        discount_sum=sums.discount,
    )


def _author(tx: ReadTx, actor: Actor) -> PersonData:
    user = tx.get(USERS, actor.id) if actor.id else None
    if user is None:
        return PersonData(name=actor.name)
    return PersonData(name=user.name, phone=shown_phone(user.phone or ""), email=user.email)
