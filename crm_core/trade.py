"""What a company sells by: VAT rates with the dates from which they hold, units of measure, price types. Data of the
preset; nothing here knows of products or deals.

The rates of the reference company follow the tax code, articles 164 and 145: the general rate is 22 % for what is
shipped from 1 January 2026 (federal law 425-ФЗ of 28.11.2025), before that 20 % (303-ФЗ of 03.08.2018); 5 % and 7 % are
for the simplified system since 1 January 2025 (176-ФЗ of 12.07.2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from crm_core.errors import Invalid

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class VatRate:
    """One way to tax a line. `percent` is None for «без НДС», which is not the same as 0 %."""

    key: str
    title: str
    percent: Decimal | None = None
    since: date | None = None
    """First day of shipments that it holds for."""
    until: date | None = None
    """Last such day."""

    def holds(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


WITHOUT_VAT = VatRate("none", "Без НДС")


@dataclass(frozen=True, slots=True)
class Vat:
    """The rates of a company. `usual` names those that are meant when nobody chose: the first that holds on the day."""

    rates: Sequence[VatRate] = (WITHOUT_VAT,)
    usual: Sequence[str] = (WITHOUT_VAT.key,)

    def rate(self, key: str) -> VatRate:
        """The rate, in force or not. `Invalid` names those there are."""
        for rate in self.rates:
            if rate.key == key:
                return rate
        raise Invalid({"vat": f"Ставки НДС «{key}» нет; есть {', '.join(rate.key for rate in self.rates)}"})

    def on(self, day: date) -> list[VatRate]:
        """Rates that hold on this day, in the order of the preset."""
        return [rate for rate in self.rates if rate.holds(day)]

    def chosen(self, key: str | None, day: date) -> VatRate:
        """The rate for a sale of this day; None means the usual one. `Invalid` when it does not hold then."""
        if key is None:
            return next(rate for name in self.usual if (rate := self.rate(name)).holds(day))
        rate = self.rate(key)
        if not rate.holds(day):
            known = ", ".join(each.key for each in self.on(day))
            raise Invalid({"vat": f"Ставка «{rate.title}» на {day:%d.%m.%Y} не действует; действуют {known}"})
        return rate


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure by its code of the Russian classifier ОКЕИ (ОК 015-94): `796`, «шт»."""

    code: str
    title: str
    """As it stands in documents: «шт», «кг»."""
    name: str = ""
    """In full: «Штука»."""


PIECE = Unit("796", "шт", "Штука")


@dataclass(frozen=True, slots=True)
class PriceType:
    """A column of the price list."""

    key: str
    title: str
    vat_included: bool = True
    """Whether its prices have the VAT inside."""


RETAIL = PriceType("retail", "Розничная")


@dataclass(frozen=True, slots=True)
class Trade:
    """All of it for one company; the first price type and the first unit are meant when nobody chose."""

    vat: Vat = Vat()
    units: Sequence[Unit] = (PIECE,)
    price_types: Sequence[PriceType] = (RETAIL,)

    def unit(self, code: str) -> Unit:
        """The unit, or `Invalid`."""
        for unit in self.units:
            if unit.code == code:
                return unit
        raise Invalid(
            {"unit": f"Единицы с кодом ОКЕИ «{code}» нет; есть {', '.join(each.code for each in self.units)}"}
        )

    def unit_title(self, code: str) -> str:
        """For people; a unit that is gone from the configuration is called by its code."""
        return next((unit.title for unit in self.units if unit.code == code), code)

    def price_type(self, key: str | None = None) -> PriceType:
        """The price type, or `Invalid`; None means the first one."""
        if key is None:
            return self.price_types[0]
        for each in self.price_types:
            if each.key == key:
                return each
        known = ", ".join(each.key for each in self.price_types)
        raise Invalid({"price_type": f"Вида цен «{key}» нет; есть {known}"})


def local_day(moment: datetime, timezone: str) -> date:
    """The day of a sale: that of the company's clock."""
    return moment.astimezone(ZoneInfo(timezone)).date()
