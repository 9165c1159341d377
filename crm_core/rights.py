"""Rights: role × entity × action → scope, as data of the preset, enforced for page, API, export and stream alike.

A grant is written as words: `"all"`, `"own"`, `"department"`, or `"stage purchase_check delivery"`, optionally with
`open` when finished records are out of reach: `"all open"`, and with the pipelines of deals that it reaches:
`"own in service"`. What is not granted is refused. Somebody with several roles has the widest of their grants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    EXPORT = "export"
    IMPORT = "import"
    MANAGE = "manage"
    """Configure or operate: connectors, quarantine, users."""


class Scope(StrEnum):
    OWN = "own"
    DEPARTMENT = "department"
    STAGE = "stage"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one role may do with one kind of record."""

    scope: Scope
    stages: frozenset[str] = frozenset()
    only_open: bool = False
    pipelines: frozenset[str] = frozenset()
    """Of deals; empty: all of them."""

    @property
    def is_everything(self) -> bool:
        """Whether it reaches every record."""
        return self.scope is Scope.ALL and not self.only_open and not self.pipelines


class GrantError(ValueError):
    """The words of a grant make no sense; the text says what is right."""


def parse_grant(text: str) -> Grant:
    """`"all"`, `"own open"`, `"stage contract delivery in equipment"` → `Grant`."""
    scoped, is_limited, pipelines = text.partition(" in ")
    words = scoped.split()
    only_open = "open" in words
    words = [word for word in words if word != "open"]
    if not words or words[0] not in tuple(Scope):
        raise GrantError(f"«{text}»: ожидается all, own, department или stage с названиями стадий, и при нужде open")
    scope = Scope(words[0])
    if (scope is Scope.STAGE) != (len(words) > 1):
        raise GrantError(f"«{text}»: названия стадий пишутся после слова stage, и только там")
    if is_limited and not pipelines.split():
        raise GrantError(f"«{text}»: после слова in пишутся направления сделок")
    return Grant(scope, frozenset(words[1:]), only_open, frozenset(pipelines.split()))


_OWNED = frozenset({"own", "department"})
FACTS: Mapping[str, frozenset[str]] = {
    "lead": _OWNED | {"stage", "open"},
    "deal": _OWNED | {"stage", "open", "in"},
    "task": _OWNED | {"open"},
    "contact": _OWNED,
    "company": _OWNED,
    "document": _OWNED,
    "user": _OWNED,
}
"""What is known of the records of a kind, so what a grant may ask of them; of any other kind one has all or none."""


def check_fit(entity: str, grant: Grant) -> None:
    """`GrantError` when the grant asks for what records of this kind do not have: it would hide what it shows."""
    known = FACTS.get(entity, frozenset())
    words = (str(grant.scope), "open" if grant.only_open else "all", "in" if grant.pipelines else "all")
    asked = set(words) - {"all"}
    if asked - known:
        possible = ", ".join(["all", *sorted(known)])
        raise GrantError(f"«{' '.join(sorted(asked - known))}» для «{entity}» не имеет смысла; можно: {possible}")


@dataclass(frozen=True, slots=True)
class Rights:
    """The table for everybody: `grants[role][entity][action]`. `*` as entity or action stands for all of them."""

    grants: Mapping[str, Mapping[str, Mapping[str, Grant]]]

    @classmethod
    def everything(cls, role: str) -> Rights:
        return cls({role: {"*": {"*": Grant(Scope.ALL)}}})

    @classmethod
    def parse(cls, table: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Rights:
        """From the words of a preset. Raises `GrantError` naming the place."""
        grants: dict[str, dict[str, dict[str, Grant]]] = {}
        for role, entities in table.items():
            for entity, actions in entities.items():
                for action, words in actions.items():
                    if action != "*" and action not in tuple(Action):
                        raise GrantError(f"{role}.{entity}.{action}: нет такого действия; есть {', '.join(Action)}")
                    try:
                        grant = parse_grant(words)
                        check_fit(entity, grant)
                    except GrantError as error:
                        raise GrantError(f"{role}.{entity}.{action}: {error}") from error
                    grants.setdefault(role, {}).setdefault(entity, {})[action] = grant
        return cls(grants)

    def granted(self, roles: Iterable[str], entity: str, action: Action) -> list[Grant]:
        """Every grant that these roles hold; empty means refused."""
        found = []
        for role in roles:
            entities = self.grants.get(role, {})
            for name in (entity, "*"):
                actions = entities.get(name, {})
                grant = actions.get(action) or actions.get("*")
                if grant is not None:
                    found.append(grant)
                    break
        return found
