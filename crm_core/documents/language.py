"""The language of the templates: Jinja's expressions, cut down to what a document needs.

A template comes from whoever may upload one and runs inside the hub, so nothing that can reach out or run on for ever
is part of the language: no calls, no assignments, no macros, no powers or repetitions, only the filters below, and what
a template may produce is counted while it is produced. What cannot be said here is worked out by the program and handed
in as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from jinja2 import ChainableUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import SandboxedEnvironment

from crm_core.documents import words
from crm_core.documents.declension import gender_of, initials
from crm_core.documents.doubts import DOUBTS, decline_surely
from crm_core.documents.names import COUNTED, DOUBTED, NAMED, watch
from crm_core.money import RUB, show_money

MAX_OUTPUT = 20_000_000
"""Characters of XML that one document may grow to."""
ROUND_COST = 50
"""What one round of a loop counts besides the text in it."""
BLANK = "\u00a0" * 3 + "_" * 12
"""Stands where a value is missing, to be filled in by hand."""

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Const, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
    nodes.Concat,
)  # fmt: skip
_TESTS = ("defined", "undefined", "none", "odd", "even", "eq", "ne", "lt", "le", "gt", "ge", "in")
_LOOP = ("index", "index0", "first", "last", "length", "revindex")
_CALLS = {nodes.Call: "вызовы функций", nodes.Assign: "присваивания set", nodes.Macro: "макросы"}


class TooLarge(Exception):
    """The document grew beyond `MAX_OUTPUT`."""


class FieldError(Exception):
    """A filter was given what it cannot write; the text says what."""


def is_empty(value: Any) -> bool:
    """Whether there is nothing to print: absent, or text without a letter. Zero is something."""
    return value is None or isinstance(value, Undefined) or (isinstance(value, str) and not value.strip())


def _decimal(value: Any) -> Decimal:
    try:
        found = Decimal(str(value).replace(",", ".").replace("\u00a0", "").replace(" ", ""))
    except InvalidOperation:
        raise FieldError("нужно число") from None
    if not found.is_finite() or abs(found) >= words.LIMIT or abs(found).adjusted() < -12:
        raise FieldError("число слишком велико или слишком мало")
    return found


def _date(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise FieldError("нужна дата, например 2026-11-22") from None


def _plural(value: Any, one: str, few: str, many: str) -> str:
    return words.plural(_decimal(value), str(one), str(few), str(many))


def _first_upper(value: Any) -> str:
    text = str(value)
    return text[:1].upper() + text[1:]


def _first_lower(value: Any) -> str:
    """Of a word in capitals («CEO», «ИП») nothing changes."""
    text = str(value)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


FILTERS: dict[str, Callable[..., Any]] = {
    "money": lambda value, currency=RUB: show_money(
        _decimal(value), words.currency_code(str(currency)), always_kopecks=True
    ),
    "money_words": lambda value, currency=RUB, in_words=False: words.money_words(
        _decimal(value), str(currency), minor_in_words=bool(in_words)
    ),
    "number": lambda value, places=None: words.number_text(_decimal(value), places if places in range(7) else None),
    "number_words": lambda value: words.integer_words(int(_decimal(value))),
    "date": lambda value: words.date_text(_date(value)),
    "date_words": lambda value: words.date_words(_date(value)),
    "short_date": lambda value: f"{_date(value):%d.%m.%Y}",
    "decline": lambda value, case: decline_surely(str(value)[:500], str(case)),
    "initials": lambda value: initials(str(value)[:500]),
    "by_gender": lambda name, his, her: str(her if gender_of(str(name)[:500]) == "femn" else his),
    "plural": _plural,
    "first_upper": _first_upper,
    "first_lower": _first_lower,
    "lower": lambda value: str(value).lower(),
    "upper": lambda value: str(value).upper(),
}
"""Filters by name. Each passes on what is empty, so that a missing value shows as a blank and not as an error."""


def _passing(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    def run(value: Any, *args: Any) -> Any:
        if is_empty(value):
            return value
        try:
            return filter_(value, *args)
        except (FieldError, ValueError) as error:
            raise FieldError(f"«{name}» от «{str(value)[:60]}»: {error}") from error
        except TypeError:
            raise FieldError(f"«{name}»: неверные значения в скобках") from None

    return run


def _default(value: Any, other: Any = "") -> Any:
    return other if is_empty(value) else value


_UNPRINTABLE = dict.fromkeys([*range(9), *range(11, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])
"""Characters that XML cannot hold, and those that docxtpl takes for its own marks."""


class Language(SandboxedEnvironment):
    """One rendering; it counts what it produces, so it is made anew for each."""

    def __init__(self) -> None:
        super().__init__(autoescape=True, finalize=self._print, undefined=ChainableUndefined)
        self.filters = {name: _passing(name, each) for name, each in FILTERS.items()}
        self.filters |= {"default": _default, "length": lambda value: 0 if is_empty(value) else len(value)}
        self.filters |= {COUNTED: self._counted, NAMED: self._named, DOUBTED: self._doubted}
        self.tests = {name: self.tests[name] for name in _TESTS}
        self.globals = {}
        self.left = MAX_OUTPUT
        self.source = ""
        """What was read last: where an error has to be looked for."""
        self.lacks: dict[str, str] = {}
        """What the document names and what is empty, by name; or what is in doubt there, in words."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Members of the data only, and the few of a loop: no value has methods here."""
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return self.undefined(name=f"{attribute}")

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self.getattr(obj, str(argument))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        self.source = source
        template = super()._parse(source, name, filename)
        check(template)
        for loop in template.find_all(nodes.For):
            cost = sum(len(each.data) for each in _own_text(loop)) + ROUND_COST
            loop.iter = nodes.Filter(loop.iter, COUNTED, [nodes.Const(cost)], [], None, None, lineno=loop.lineno)
        watch(template, frozenset(DOUBTS), self)
        return template

    def _spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise TooLarge

    def _named(self, value: Any, name: str) -> Any:
        if is_empty(value) or value in ([], ()):
            self.lacks.setdefault(name, "")
        return value

    def _doubted(self, value: Any, filter_: str, name: str, *args: Any) -> Any:
        try:
            found = None if is_empty(value) else DOUBTS[filter_](str(value)[:500], *args)
        except (ValueError, TypeError):  # the filter itself says what is wrong
            found = None
        if found:
            self.lacks.setdefault(name, found)
        return value

    def _counted(self, rows: Iterable[Any], cost: int, name: str) -> Iterator[Any]:
        if not rows and name:
            self.lacks.setdefault(name, "")
        if not isinstance(rows, list | tuple):
            if is_empty(rows):
                return
            raise FieldError("повторять можно только строки таблицы: {% for line in lines %}")
        for row in rows:
            self._spend(cost)
            yield row

    def _print(self, value: Any) -> Any:
        if is_empty(value):
            return BLANK
        if isinstance(value, dict | list | tuple):
            raise FieldError("здесь названо несколько значений сразу: назовите одно, например customer.name")
        if isinstance(value, Decimal):
            value = words.number_text(value)
        text = str(value).translate(_UNPRINTABLE)
        self._spend(len(text))
        return text


def _own_text(loop: nodes.For) -> Iterator[nodes.TemplateData]:
    for body in loop.body:
        yield from ([body] if isinstance(body, nodes.TemplateData) else body.find_all(nodes.TemplateData))


def check(template: nodes.Template) -> None:
    """Raises `TemplateSyntaxError` for what is not part of the language."""
    for node in template.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            what = _CALLS.get(type(node), f"конструкции {type(node).__name__}")
            raise TemplateSyntaxError(f"{what} в шаблоне не допускаются", node.lineno)
        name = getattr(node, "attr", None) or (node.name if isinstance(node, nodes.Name | nodes.Filter) else None)
        if isinstance(node, nodes.Getitem):
            name = node.arg.value if isinstance(node.arg, nodes.Const) else "_"
        if isinstance(name, str) and name.startswith("_"):
            raise TemplateSyntaxError("имена с подчёркиванием в начале и вычисляемые имена недоступны", node.lineno)
        if isinstance(node, nodes.For) and node.recursive:
            raise TemplateSyntaxError("повторы recursive в шаблоне не допускаются", node.lineno)
