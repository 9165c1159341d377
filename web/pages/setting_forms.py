"""Forms of the company's settings → entries as the files would have them, and back."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from multidict import MultiDictProxy

from crm_core.errors import Invalid
from crm_core.pipelines import DemandKind

LATIN = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", (
    "a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f",
    "h", "ts", "ch", "sh", "sch", "", "y", "", "e", "yu", "ya"), strict=True))  # fmt: skip
LONGEST_KEY = 32
BARE = (DemandKind.PRODUCTS, DemandKind.NEXT_STEP)
"""Demands that name nothing."""
Form = MultiDictProxy[Any]


def text_of(form: Form, name: str) -> str:
    value = form.get(name, "")
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def new_key(title: str, taken: Collection[str]) -> str:
    """A key made of a title: «Гарантия» → `garantiya`. Keys are for programs and files; people see titles."""
    latin = "".join(LATIN.get(letter, letter) for letter in title.lower())
    base = re.sub(r"[^a-z0-9]+", "_", latin).strip("_")[:LONGEST_KEY]
    base = base if base[:1].isalpha() else f"x_{base}".rstrip("_")
    number, key = 1, base
    while key in taken:
        number += 1
        key = f"{base}_{number}"
    return key


def stage_of(form: Form, former: Mapping[str, Any] | None, taken: Collection[str]) -> dict[str, Any]:
    """A stage; `former` is what it was, None for a new one. A lead's stage has neither probability nor demands."""
    title = text_of(form, "title")
    stage: dict[str, Any] = {"key": former["key"] if former else new_key(title, taken), "title": title}
    stage |= {"kind": text_of(form, "kind") or "open", "color": text_of(form, "color") or "blue"}
    if "archived" in form:
        stage["archived"] = True
    if "probability" in form and stage["kind"] == "open":
        stage["probability"] = _number(text_of(form, "probability"))
    if demands := _demands(form, former or {}):
        stage["demands"] = demands
    return stage


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise Invalid({"probability": "Вероятность: нужно целое число от 0 до 100"})
    return int(text[:4])


def _demands(form: Form, former: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chosen ones, those that were there first and with their own words."""
    chosen = [str(each) for each in form.getall("demands", [])]
    was = {demand_name(each): each for each in former.get("demands", ())}
    kept = [each for name, each in was.items() if name in chosen]
    return kept + [_demand(name) for name in dict.fromkeys(chosen) if name not in was]


def _demand(name: str) -> dict[str, Any]:
    kind, _, key = name.partition(":")
    return {kind: True if kind in BARE else key}


def demand_name(row: Mapping[str, Any]) -> str:
    """`field:amount`, `next_step`: how forms name a demand."""
    kind = next((each for each in DemandKind if row.get(each)), "")
    return str(kind) if kind in BARE else f"{kind}:{row.get(kind, '')}"


def field_of(form: Form, key: str) -> dict[str, Any]:
    """A field of the card."""
    kind = text_of(form, "type") or "text"
    rule: dict[str, Any] = {"key": key, "title": text_of(form, "title"), "type": kind}
    if kind == "choice":
        rule["choices"] = _choices(text_of(form, "choices"))
    if "hidden" in form:
        rule["hidden"] = True
    return rule


def _choices(text: str) -> dict[str, str]:
    """One per line; `large = Крупное` keeps the key of a value that records have already."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, equals, title = (part.strip() for part in line.partition("="))
        if not equals:
            key, title = new_key(line, found), line
        if not key or not title or key in found:
            raise Invalid(
                {"choices": f"Не понимаю строку «{line[:60]}»: пишите название или ключ = название, один раз"}
            )
        found[key] = title
    return found


def written_choices(choices: Mapping[str, str]) -> str:
    """As the form shows them."""
    return "\n".join(f"{key} = {title}" for key, title in choices.items())


def moved(keys: Sequence[str], key: str, up: bool) -> list[str]:
    """The keys with this one a place further up or down."""
    order = list(keys)
    if key not in order:
        return order
    at = order.index(key)
    to = min(max(at + (-1 if up else 1), 0), len(order) - 1)
    order.insert(to, order.pop(at))
    return order
