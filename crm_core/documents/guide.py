"""What a template may say, for whoever writes one: the names with their meanings, and the filters.

Made of the same tables that templates are checked against, so it cannot name what does not work.
"""

from __future__ import annotations

import msgspec

from crm_core.company import Company
from crm_core.documents.data import titles
from crm_core.documents.templates import FREE

_ROW = "lines[]."
_TABLES = frozenset({"firm", "customer", "person", "deal", "author", "lines", "deal.fields"})
"""Names of groups: they are never printed themselves."""
FILTERS: dict[str, tuple[str, str]] = {
    "money": ("сумма цифрами с валютой", "{{ total|money(currency) }}"),
    "money_words": ("сумма прописью", "{{ total|money_words(currency) }}"),
    "number": ("число; в скобках — знаков после запятой", "{{ line.price|number(2) }}"),
    "number_words": ("целое число прописью", "{{ lines|length|number_words }}"),
    "date": ("22 ноября 2026 г.", "{{ date|date }}"),
    "short_date": ("22.11.2026", "{{ date|short_date }}"),
    "date_words": ("дата прописью", "{{ date|date_words }}"),
    "decline": (
        "имя или должность в падеже: gent (родительный), datv (дательный), accs, ablt, loct",
        '{{ customer.director|decline("gent") }}',
    ),
    "by_gender": (
        "одно слово для мужчины, другое для женщины",
        '{{ customer.director|by_gender("действующего", "действующей") }}',
    ),
    "initials": ("Иванов И. И.", "{{ customer.director|initials }}"),
    "plural": ("форма слова при числе", '{{ lines|length|plural("позиция", "позиции", "позиций") }}'),
    "default": ("что написать, если пусто", '{{ deal.comment|default("нет") }}'),
    "length": ("сколько строк", "{{ lines|length }}"),
    "first_upper": ("с большой буквы", "{{ total|money_words|first_upper }}"),
    "first_lower": ("с маленькой буквы", "{{ customer.director_position|first_lower }}"),
    "upper": ("большими буквами", "{{ firm.name|upper }}"),
    "lower": ("маленькими буквами", "{{ deal.title|lower }}"),
}
"""Filter → what it writes, and how it is used."""


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a template may print."""

    path: str
    title: str
    write: str
    """As it stands in the template."""


def variables(company: Company) -> list[Variable]:
    """Everything that a template may print, the fields of the deal card with it."""
    named = [(path, title) for path, title in titles().items() if path not in _TABLES]
    named += [(f"{FREE}{rule.key}", f"Сделка: {rule.title}") for rule in company.deal_fields]
    return [Variable(path=path, title=title, write=_written(path)) for path, title in named]


def _written(path: str) -> str:
    return "{{ " + (f"line.{path.removeprefix(_ROW)}" if path.startswith(_ROW) else path) + " }}"
