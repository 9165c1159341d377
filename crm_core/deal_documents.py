"""What a document of a deal is made of: the deal, its customer, its lines with their sums, and whoever makes it."""

from __future__ import annotations

from datetime import date

from crm_core.actor import Actor
from crm_core.companies import CustomerCompany, find_company
from crm_core.company import Company
from crm_core.deals import Deal, get_deal
from crm_core.documents.data import DealData, DocumentData, LineData, Party, PersonData
from crm_core.documents.links import Links
from crm_core.lines import Line, line_sum
from crm_core.people import Person, find_person
from crm_core.products import PRODUCTS
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


def _customer(customer: CustomerCompany | None, person: Person | None) -> Party:
    """The company; a private person stands for himself."""
    if customer is None:
        return _private(person)
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
        phone=next(iter(customer.phones), ""),
        email=next(iter(customer.emails), ""),
        site=customer.site or "",
        director=customer.director or "",
        director_position=customer.fields.get("director_position", "Директор"),
        basis=customer.fields.get("basis", "Устава"),
    )


def _private(person: Person | None) -> Party:
    if person is None:
        return Party()
    phone, email = next(iter(person.phones), ""), next(iter(person.emails), "")
    return Party(name=person.name or "", full_name=person.name or "", phone=phone, email=email)


def _person(person: Person | None) -> PersonData:
    if person is None:
        return PersonData()
    phone, email = next(iter(person.phones), ""), next(iter(person.emails), "")
    return PersonData(name=person.name or "", position=person.position or "", phone=phone, email=email)


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
    percent = (sums.discount * 100 / sums.gross).quantize(sums.gross) if sums.discount and sums.gross else None
    return LineData(
        name=line.name,
        article=(product.sku or "") if product else "",
        unit=unit,
        quantity=line.quantity,
        price=line.price,
        vat_rate=line.vat_percent,
        vat=sums.vat,
        total=sums.total,
        **({"discount": percent} if percent is not None else {}),
    )


def _author(tx: ReadTx, actor: Actor) -> PersonData:
    user = tx.get(USERS, actor.id) if actor.id else None
    if user is None:
        return PersonData(name=actor.name)
    return PersonData(name=user.name, phone=user.phone or "", email=user.email)
