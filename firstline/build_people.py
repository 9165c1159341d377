"""Departments and demo employees of a preset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from firstline.draft import Draft, Place
from firstline.problems import nearest
from firstline.settings_models import DemoUser, DepartmentRow


@dataclass(frozen=True, slots=True)
class Department:
    """`key` becomes the id, so that `department:KEY` in a queue finds it."""

    key: str
    title: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """An employee of the demo."""

    email: str
    name: str
    roles: tuple[str, ...]
    extension: str | None
    department: str | None
    heads: tuple[str, ...]


def read_departments(draft: Draft) -> tuple[Department, ...]:
    """The tree, parents first; unknown parents and circles are mistakes."""
    rows = {
        key: row
        for key, data in draft.table("departments").items()
        if (row := draft.read(DepartmentRow, data, ("departments", key))) is not None
    }
    ordered: dict[str, Department] = {}
    for key, row in rows.items():
        place: Place = ("departments", key, "parent")
        if row.parent is not None and row.parent not in rows:
            draft.report(place, f"отдела {row.parent} нет", nearest(row.parent, rows))
            continue
        chain = _up(key, rows)
        if chain is None:
            draft.report(place, "отдел подчинён сам себе", "разорвите круг")
            continue
        ordered |= {name: Department(name, rows[name].title, rows[name].parent) for name in chain if name in rows}
    return tuple(ordered.values())


def _up(key: str, rows: dict[str, DepartmentRow]) -> list[str] | None:
    """The department after all those above it; None when they go in a circle."""
    chain: list[str] = []
    step: str | None = key
    while step is not None and step in rows:
        if step in chain:
            return None
        chain.append(step)
        step = rows[step].parent
    return chain[::-1]


def read_people(draft: Draft) -> tuple[Person, ...]:
    """Demo employees; roles and departments must exist, emails and extensions be there once."""
    users = draft.table("demo").get("users", [])
    if not isinstance(users, list):
        draft.report(("demo", "users"), "нужен список таблиц", "каждая начинается строкой [[demo.users]]")
        return ()
    places: list[Place] = [("demo", "users", number) for number in range(len(users))]
    rows = [(place, draft.read(DemoUser, data, place)) for place, data in zip(places, users, strict=True)]
    known = [(place, row) for place, row in rows if row is not None]
    roles, departments = draft.table("roles"), draft.table("departments")
    for place, row in known:
        refers(draft, (*place, "roles"), "роли", row.roles, roles)
        refers(draft, (*place, "department"), "отдела", [row.department] if row.department else [], departments)
        refers(draft, (*place, "heads"), "отдела", row.heads, departments)
    once(draft, [((*place, "email"), row.email.lower()) for place, row in known], "адрес")
    once(draft, [((*place, "extension"), row.extension) for place, row in known if row.extension], "внутренний номер")
    return tuple(
        Person(row.email.lower(), row.name, row.roles, row.extension, row.department, row.heads) for _, row in known
    )


def refers(draft: Draft, place: Place, what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Report every name that is not among the known ones."""
    known = list(known)
    for name in names:
        if name not in known:
            draft.report(place, f"{what} {name} нет", nearest(name, known))


def once(draft: Draft, values: Iterable[tuple[Place, str]], what: str) -> None:
    """Report every value that was already there."""
    first: dict[str, Place] = {}
    for place, value in values:
        if value in first:
            draft.report(place, f"{what} {value} уже занят", f"он есть в {draft.name(first[value])}")
        first.setdefault(value, place)
