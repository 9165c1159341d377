"""What a document is made of: our firm, the customer, the deal and its lines.

The deals fill `DocumentData`; `context.py` turns it into what templates name: `{{ customer.inn }}`, `{{ line.total }}`.
The Russian titles stand beside the members, so that a missing one is asked for by the words people know it by.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta


class _Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base: text that is not known is empty, anything else that is not known is None."""


class Party(_Data, frozen=True, kw_only=True):
    """Requisites of one side of a contract."""

    kind: Annotated[str, Meta(title="вид: company, entrepreneur или person")] = ""
    """Empty: told by the name."""
    name: Annotated[str, Meta(title="название")] = ""
    full_name: Annotated[str, Meta(title="полное название")] = ""
    inn: Annotated[str, Meta(title="ИНН")] = ""
    kpp: Annotated[str, Meta(title="КПП")] = ""
    ogrn: Annotated[str, Meta(title="ОГРН")] = ""
    address: Annotated[str, Meta(title="юридический адрес")] = ""
    post_address: Annotated[str, Meta(title="почтовый адрес")] = ""
    bank: Annotated[str, Meta(title="банк")] = ""
    bik: Annotated[str, Meta(title="БИК")] = ""
    account: Annotated[str, Meta(title="расчётный счёт")] = ""
    corr_account: Annotated[str, Meta(title="корреспондентский счёт")] = ""
    phone: Annotated[str, Meta(title="телефон")] = ""
    email: Annotated[str, Meta(title="электронная почта")] = ""
    site: Annotated[str, Meta(title="сайт")] = ""
    director: Annotated[str, Meta(title="ФИО руководителя")] = ""
    director_position: Annotated[str, Meta(title="должность руководителя, пишется перед его ФИО")] = ""
    basis: Annotated[str, Meta(title="на основании чего действует руководитель")] = ""
    """In the genitive: «Устава», «доверенности № 5 от 01.02.2026»."""


class PersonData(_Data, frozen=True, kw_only=True):
    """A person on the customer's side, or the author of the document."""

    name: Annotated[str, Meta(title="ФИО")] = ""
    position: Annotated[str, Meta(title="должность")] = ""
    phone: Annotated[str, Meta(title="телефон")] = ""
    email: Annotated[str, Meta(title="электронная почта")] = ""


class DealData(_Data, frozen=True, kw_only=True):
    """What the parties agree on, besides the lines."""

    number: Annotated[str, Meta(title="номер")] = ""
    title: Annotated[str, Meta(title="название")] = ""
    amount: Annotated[Decimal | None, Meta(title="сумма")] = None
    currency: Annotated[str, Meta(title="валюта")] = "RUB"
    city: Annotated[str, Meta(title="город договора")] = ""
    valid_until: Annotated[date | None, Meta(title="предложение действует до")] = None
    delivery_on: Annotated[date | None, Meta(title="дата поставки")] = None
    ends_on: Annotated[date | None, Meta(title="договор действует до")] = None
    delivery_address: Annotated[str, Meta(title="адрес поставки или обслуживания")] = ""
    payment_terms: Annotated[str, Meta(title="условия оплаты")] = ""
    delivery_terms: Annotated[str, Meta(title="условия поставки или обслуживания")] = ""
    warranty: Annotated[str, Meta(title="гарантия")] = ""
    comment: Annotated[str, Meta(title="комментарий")] = ""
    fields: Annotated[dict[str, str], Meta(title="поля")] = {}
    """Fields of the pipeline, by key; a template names `deal.fields.KEY`."""


class LineData(_Data, frozen=True, kw_only=True):
    """A line of the table; the sums are computed by whoever knows the rules of rounding and VAT."""

    name: Annotated[str, Meta(title="наименование")] = ""
    article: Annotated[str, Meta(title="артикул")] = ""
    unit: Annotated[str, Meta(title="единица")] = "шт."
    quantity: Annotated[Decimal | None, Meta(title="количество")] = None
    price: Annotated[Decimal | None, Meta(title="цена")] = None
    discount: Annotated[Decimal, Meta(title="скидка, %")] = Decimal(0)
    discount_sum: Annotated[Decimal, Meta(title="сумма скидки")] = Decimal(0)
    """Off the price times the quantity, as the line counts it."""
    vat_rate: Annotated[Decimal | None, Meta(title="ставка НДС, %")] = None
    """None: without VAT."""
    vat_included: Annotated[bool, Meta(title="НДС внутри цены")] = True
    """Else it comes on top."""
    vat: Annotated[Decimal, Meta(title="сумма НДС")] = Decimal(0)
    """Within `total`."""
    total: Annotated[Decimal | None, Meta(title="сумма")] = None
    """To pay for this line, discount and VAT included."""


class DocumentData(_Data, frozen=True, kw_only=True):
    """Everything that a document may say. Kept with it, so that it can be explained later."""

    firm: Annotated[Party, Meta(title="Наша организация")] = Party()
    customer: Annotated[Party, Meta(title="Клиент")] = Party()
    person: Annotated[PersonData, Meta(title="Контактное лицо")] = PersonData()
    deal: Annotated[DealData, Meta(title="Сделка")] = DealData()
    lines: Annotated[tuple[LineData, ...], Meta(title="Строки")] = ()
    author: Annotated[PersonData, Meta(title="Автор")] = PersonData()


MAX_LINES = 500
_MADE = {
    "number": "Номер документа",
    "date": "Дата документа",
    "total": "Итого",
    "total_vat": "В том числе НДС",
    "total_discount": "Скидка всего",
    "currency": "Валюта",
    "lines[].number": "Строки: номер по порядку",
    "firm.called": "Наша организация: «именуемый», «именуемая» или «именуемое»",
    "customer.called": "Клиент: «именуемый», «именуемая» или «именуемое»",
}
"""What `context_of` adds to the data."""


@cache
def titles() -> dict[str, str]:
    """Path that a template may name → what it is called: `customer.inn` → «Клиент: ИНН». Members of a table's rows are
    under `lines[].`, free fields are not listed."""
    return dict(_titles()) | _MADE


def _titles() -> Iterator[tuple[str, str]]:
    for name, struct, title in _members(DocumentData):
        many = get_origin(struct) is tuple
        yield name, title
        for member, _, each in _members(get_args(struct)[0] if many else struct):
            yield f"{name}{'[]' if many else ''}.{member}", f"{title}: {each}"


def _members(struct: Any) -> Iterator[tuple[str, Any, str]]:
    """(name, type, title) of each member."""
    for name, hint in get_type_hints(struct, include_extras=True).items():
        if get_origin(hint) is Annotated:
            type_, meta = get_args(hint)
            yield name, type_, meta.title
