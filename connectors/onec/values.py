"""Reading values out of CommerceML elements: text, exact numbers, flags, moments, requisites.

1C writes numbers with a point and without spaces; files that went through other hands have commas and no-break spaces.
Namespaces differ between versions (`urn:1C.ru:commerceml_2`, `…commerceml_205`, none), so only local names count.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

Element = Any
"""An lxml element; lxml has no types of its own."""
LONGEST = 100_000
"""Characters of a text that are kept."""
MAX_DIGITS = 18
TRUE = frozenset({"true", "1", "да", "истина"})


class Unreadable(Exception):
    """An element that makes no sense; the text names it and the mend."""


def local(element: Element) -> str:
    """Name without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: Element | None, name: str) -> Iterator[Element]:
    """Direct children of this name."""
    if element is not None:
        yield from (each for each in element if local(each) == name)


def child(element: Element | None, *path: str) -> Element | None:
    """The first one along a path of names."""
    for name in path:
        element = next(children(element, name), None)
    return element


def text(element: Element | None, *path: str) -> str:
    """Trimmed text of a child; empty when there is none."""
    found = child(element, *path)
    return (found.text or "").strip()[:LONGEST] if found is not None else ""


def number(value: str, what: str) -> str:
    """An exact decimal as plain text (`1200.5`); empty stays empty. `Unreadable` names the field."""
    cleaned = value.replace("\u00a0", "").replace("\u202f", "").replace(" ", "").replace(",", ".")
    if not cleaned:
        return ""
    try:
        found = Decimal(cleaned)
    except InvalidOperation:
        found = Decimal("NaN")
    if (
        not found.is_finite()
        or found.adjusted() > MAX_DIGITS
        or len(cleaned) > 40
        or "_" in cleaned
        or not cleaned.isascii()
    ):
        raise Unreadable(f"{what}: «{value[:40]}» — не число; исправьте в 1С")
    return format(found, "f")


CURRENCIES = {"": "RUB", "РУБ": "RUB", "RUR": "RUB", "₽": "RUB", "643": "RUB", "810": "RUB"} | {
    "840": "USD", "978": "EUR", "156": "CNY", "933": "BYN", "398": "KZT", "ТЕНГЕ": "KZT",
}  # fmt: skip


def currency(written: str) -> str:
    """ISO 4217; 1C names currencies by their codes, by their numbers, and the rouble by «руб»."""
    name = written.strip().rstrip(".").upper()
    return CURRENCIES.get(name, name[:10])


def flag(value: str) -> bool:
    return value.strip().lower() in TRUE


def moment(date: str, time: str, zone: ZoneInfo) -> str | None:
    """RFC 3339 in UTC out of `2026-11-20` (or `2026-11-20T10:15:00`, `20.11.2026 10:15:00`) and `10:15:00`; None when
    there is no date. 1C's empty date is the first of January of year 1."""
    date = date.strip()
    if not date or date.startswith(("0001", "01.01.0001")):
        return None
    if "T" not in date and " " not in date and time.strip():
        date = f"{date} {time.strip()}"
    found = _parse(date)
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)
    try:
        return found.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise Unreadable(f"Дата «{date[:40]}» невозможна; исправьте в 1С") from None


def _parse(written: str) -> datetime:
    for form in ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y"):
        try:
            return datetime.strptime(written, form)  # noqa: DTZ007 - the zone of 1C is added by the caller
        except ValueError:
            continue
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise Unreadable(f"Дата «{written[:40]}» не читается: нужен вид 2026-11-20") from None
    if not 1970 < found.year < 2200:
        raise Unreadable(f"Дата «{written[:40]}» невозможна; исправьте в 1С")
    return found


def requisites(element: Element) -> dict[str, str]:
    """`ЗначенияРеквизитов` as a dictionary; of equal names the first with a value wins."""
    found: dict[str, str] = {}
    for each in children(child(element, "ЗначенияРеквизитов"), "ЗначениеРеквизита"):
        name, value = text(each, "Наименование"), text(each, "Значение")
        if name and not found.get(name):
            found[name] = value
    return found


def is_deleted(element: Element) -> bool:
    """`Статус="Удален"` (attribute or child), `ПометкаУдаления`, in any of the places that versions use."""
    status = element.get("Статус") or text(element, "Статус")
    return (
        status.lower().replace("ё", "е") == "удален"
        or flag(text(element, "ПометкаУдаления"))
        or flag(requisites(element).get("ПометкаУдаления", ""))
    )
