"""The check itself: may this actor do that with this record, and which records may he see at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crm_core.actor import Actor
from crm_core.errors import Conflict, Forbidden
from crm_core.rights import Action, Grant, Scope
from storage import AnyOf, Entity, Filter, In

_WHAT = {
    "lead": "с лидами",
    "deal": "со сделками",
    "task": "с задачами",
    "call": "со звонками",
    "contact": "с контактами",
    "product": "с товарами",
    "document": "с документами",
    "template": "с шаблонами документов",
    "company": "с компаниями",
    "user": "с сотрудниками",
    "queue": "с очередями",
    "connector": "с каналами",
    "journal": "с журналом",
    "setting": "с настройками",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table asks about a record."""

    owners: frozenset[str | None] = frozenset()
    """Users that the record belongs to: owner, the one it is offered to, participants."""
    stage: str | None = None
    open: bool = True
    pipeline: str | None = None
    """Of a deal."""


def allows(actor: Actor, grant: Grant, facts: Facts) -> bool:
    if grant.only_open and not facts.open:
        return False
    if grant.pipelines and facts.pipeline not in grant.pipelines:
        return False
    match grant.scope:
        case Scope.ALL:
            return True
        case Scope.OWN:
            return actor.id is not None and actor.id in facts.owners
        case Scope.DEPARTMENT:
            return bool(actor.department & facts.owners)
        case Scope.STAGE:
            return facts.stage in grant.stages


def may(actor: Actor, entity: str, action: Action, facts: Facts | None = None) -> bool:
    """Whether it is allowed; without facts: whether for any record at all."""
    grants = actor.rights.granted(actor.roles, entity, action)
    return any(facts is None or allows(actor, grant, facts) for grant in grants)


def check(actor: Actor, entity: str, action: Action, facts: Facts | None = None) -> None:
    """Raises `Forbidden` with a sentence that names what was refused."""
    if not may(actor, entity, action, facts):
        raise Forbidden(f"Недостаточно прав: действие «{action}» {_WHAT.get(entity, f'с «{entity}»')}")


def check_version(record: Entity, seen: int | None, changed: str) -> None:
    """Whether the record is still as the actor saw it; None: he does not say. `Conflict`: «Лид уже изменён» …"""
    if seen is not None and seen != record.version:
        raise Conflict(f"{changed} кем-то другим. Обновите карточку")


def visible(
    actor: Actor,
    entity: str,
    *,
    owner_fields: tuple[str, ...],
    has_stage: bool = False,
    action: Action = Action.READ,
) -> Filter | None:
    """The filter that a list must add so that it shows only what the actor may read (or export, …); None when nothing
    is allowed."""
    filters: list[Filter] = []
    for grant in actor.rights.granted(actor.roles, entity, action):
        extra: dict[str, Any] = {"open": True} if grant.only_open else {}
        if grant.pipelines:
            extra["pipeline"] = In(sorted(grant.pipelines))
        match grant.scope:
            case Scope.ALL:
                filters.append(extra)
            case Scope.OWN if actor.id is not None:
                filters.extend({field: actor.id, **extra} for field in owner_fields)
            case Scope.DEPARTMENT if actor.department:
                filters.extend({field: In(sorted(actor.department)), **extra} for field in owner_fields)
            case Scope.STAGE if has_stage:
                filters.append({"stage": In(sorted(grant.stages)), **extra})
    if not filters:
        return None
    return {} if {} in filters else AnyOf(tuple(filters))
