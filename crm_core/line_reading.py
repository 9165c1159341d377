"""Lines as people type them become lines fit to be kept: numbers in words of the reader, what a product line leaves out
taken from the product. The one reader for pages, API and robots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeVar

import msgspec

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Invalid
from crm_core.lines import Discount, Line, checked_lines
from crm_core.money import RUB, AmountError, Money, parse_money, parse_percent, parse_quantity
from crm_core.products import PRODUCTS, Product
from crm_core.rights import Action
from crm_core.trade import PriceType, local_day
from storage import ReadTx

T = TypeVar("T")


class DiscountText(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["percent", "sum"]
    value: str


class LineText(msgspec.Struct, frozen=True, kw_only=True):
    """One line; what a line of a product leaves out is taken from the product."""

    id: str | None = None
    """That of a line which is kept already, or a name for a new one; None: it gets one."""
    product_id: str | None = None
    name: str | None = None
    unit: str | None = None
    quantity: str = "1"
    price: str | None = None
    currency: str | None = None
    discount: DiscountText | None = None
    vat: str | None = None
    vat_included: bool | None = None


def read_lines(
    tx: ReadTx,
    actor: Actor,
    company: Company,
    given: Sequence[LineText],
    price_type: str | None = None,
    was: Sequence[Line] = (),
) -> tuple[Line, ...]:
    """Lines fit to be kept; `was` are those that the record holds now: what they refer to may stay, though it could not
    be chosen any more. `Invalid` names `lines[2].price`; `Forbidden` for who may not read products."""
    check(actor, "product", Action.READ)
    kind, day = company.trade.price_type(price_type), local_day(tx.now, company.timezone)
    reading = _Reading(tx, company, kind, day, {line.id: line for line in was}, {})
    names = _names(given)
    found = [reading.line(number, name, each) for number, (name, each) in enumerate(zip(names, given, strict=True))]
    if reading.wrong:
        raise Invalid(reading.wrong)
    return checked_lines(company.trade, [line for line in found if line], day, was=was)


def _names(given: Sequence[LineText]) -> list[str]:
    """An id for each line: its own, else the lowest number that no other line bears."""
    taken = {each.id for each in given if each.id}
    free = (str(number) for number in range(1, 2 * len(given) + 1) if str(number) not in taken)
    return [each.id or next(free) for each in given]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One body being read; everything wrong is gathered."""

    tx: ReadTx
    company: Company
    price_type: PriceType
    day: date
    was: dict[str, Line]
    wrong: dict[str, str]

    def line(self, number: int, name: str, given: LineText) -> Line | None:
        place = f"lines[{number}]"
        product = self._product(place, given)
        quantity = self._tried(f"{place}.quantity", parse_quantity, given.quantity)
        price = self._price(place, given, product)
        vat = self._vat(place, name, given, product)
        discount = self._discount(f"{place}.discount", given.discount, price)
        if quantity is None or price is None or vat is None:
            return None
        return Line(
            id=name,
            product_id=product.id if product else None,
            name=given.name or (product.name if product else f"Строка {number + 1}"),
            unit=given.unit or (product.unit if product else self.company.trade.units[0].code),
            quantity=quantity,
            price=price.amount,
            currency=price.currency,
            discount=discount,
            vat=vat,
            vat_included=self.price_type.vat_included if given.vat_included is None else given.vat_included,
        )

    def _product(self, place: str, given: LineText) -> Product | None:
        """One in the archive stays in the lines that have it, and gets into no other."""
        if not given.product_id:
            return None
        product = self.tx.get(PRODUCTS, given.product_id)
        if product is None:
            self.wrong[f"{place}.product_id"] = "Такого товара нет"
        elif not product.active and product.id not in {line.product_id for line in self.was.values()}:
            self.wrong[f"{place}.product_id"] = f"Товар «{product.name}» в архиве: верните его или выберите другой"
        return product

    def _price(self, place: str, given: LineText, product: Product | None) -> Money | None:
        if given.price is not None:
            typed, currency = given.price, given.currency or RUB
            return self._tried(f"{place}.price", lambda text: parse_money(text, currency), typed)
        known = product.prices.get(self.price_type.key) if product else None
        if known is None:
            whose = f"У товара «{product.name}» нет цены «{self.price_type.title}»: укажите" if product else "Укажите"
            self.wrong[f"{place}.price"] = f"{whose} цену"
        return known

    def _vat(self, place: str, name: str, given: LineText, product: Product | None) -> str | None:
        """Key of the rate: the written one, that of the product, the usual one of the day. Whether a written one holds
        is checked with the line."""
        if given.vat:
            return given.vat
        key = product.vat if product else None
        former = self.was.get(name)
        if key is not None and former is not None and former.vat == key:
            return key
        try:
            return self.company.trade.vat.chosen(key, self.day).key
        except Invalid as error:
            named = f"Товар «{product.name}»: " if product else ""
            self.wrong[f"{place}.vat"] = f"{named}{error.fields['vat']}. Выберите ставку строки"
            return None

    def _discount(self, place: str, given: DiscountText | None, price: Money | None) -> Discount | None:
        if given is None:
            return None
        if given.kind == "percent":
            value = self._tried(place, parse_percent, given.value)
            return None if value is None else Discount("percent", value)
        currency = price.currency if price else RUB
        money = self._tried(place, lambda text: parse_money(text, currency), given.value)
        if money is not None and money.currency != currency:
            self.wrong[place] = f"Скидка нужна в валюте цены: {currency}"
        return None if money is None else Discount("sum", money.amount)

    def _tried(self, field: str, parse: Callable[[str], T], text: str) -> T | None:
        try:
            return parse(text)
        except AmountError as error:
            self.wrong[field] = str(error)
            return None
