"""What a change of the settings may not do to what is there: records, employees, robots, the changer himself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from crm_core.access import may
from crm_core.accounts import TOKENS
from crm_core.actor import Actor
from crm_core.automation import AUTOMATIONS
from crm_core.automation_check import problems
from crm_core.automation_commands import known_to
from crm_core.company import Company, FieldRule
from crm_core.deals import DEALS
from crm_core.leads import LEADS
from crm_core.rights import Action
from crm_core.stages import Stage
from crm_core.tasks import TASKS
from crm_core.users import USERS
from storage import Collection, ReadTx

COUNT_TO = 1000
TEXTS = frozenset({"text", "textarea"})
MEND = "назовите в moves, куда их перенести, или отправьте стадию в архив: archived = true"


def objections(tx: ReadTx, actor: Actor, old: Company, new: Company, moves: Mapping[str, str]) -> dict[str, str]:
    """Why the company cannot become this one, by field of the change; empty when it can. Stages whose records `moves`
    takes elsewhere may go."""
    found: dict[str, str] = {}
    for place, text in (
        *_deals(tx, old, new),
        *_stages(tx, LEADS, {}, old.stages, new.stages, frozenset()),
        *_tasks(tx, old, new, moves),
        *_fields(old.fields, new.fields),
        *_fields(old.deal_fields, new.deal_fields),
        *_roles(tx, old, new),
        *_robots(tx, old, new),
        *_rights(actor, old, new),
    ):
        found.setdefault(place, text)
    return found


def _deals(tx: ReadTx, old: Company, new: Company) -> Iterator[tuple[str, str]]:
    for key, way in old.pipelines.items():
        if key in new.pipelines:
            yield from _stages(tx, DEALS, {"pipeline": key}, way.stages, new.pipelines[key].stages, frozenset())
        elif number := tx.count(DEALS, {"pipeline": key}, limit=COUNT_TO):
            yield "value", f"В направлении «{way.title}» есть сделки ({_many(number)}): отправьте его в архив"


def _tasks(tx: ReadTx, old: Company, new: Company, moves: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, group in old.task_groups.items():
        if key in new.task_groups:
            left = frozenset(moves)
            yield from _stages(tx, TASKS, {"group": key}, group.stages, new.task_groups[key].stages, left)
        elif number := tx.count(TASKS, {"group": key}, limit=COUNT_TO):
            yield "value", f"В группе «{group.title}» есть задачи ({_many(number)}): сначала смените их группу"


def _stages(
    tx: ReadTx, collection: Collection[Any], where: Mapping[str, Any], old: Sequence[Stage], new: Sequence[Stage],
    left: frozenset[str],
) -> Iterator[tuple[str, str]]:  # fmt: skip
    kinds = {stage.key: stage.kind for stage in new}
    for stage in old:
        if kinds.get(stage.key) == stage.kind or (stage.key in left and stage.key not in kinds):
            continue
        number = tx.count(collection, {**where, "stage": stage.key}, limit=COUNT_TO)
        if number and stage.key in kinds:
            yield "value", f"На стадии «{stage.title}» есть записи ({_many(number)}): её вид сменить нельзя"
        elif number:
            yield "value", f"На стадии «{stage.title}» есть записи ({_many(number)}): {MEND}"


def _fields(old: Iterable[FieldRule], new: Sequence[FieldRule]) -> Iterator[tuple[str, str]]:
    types = {rule.key: rule.type for rule in new}
    for rule in old:
        kinds = {rule.type, types.get(rule.key, rule.type)}
        if len(kinds) > 1 and not kinds <= TEXTS:
            yield "value.type", f"Тип поля «{rule.title}» не меняется: заведите новое поле, а это скройте"


def _roles(tx: ReadTx, old: Company, new: Company) -> Iterator[tuple[str, str]]:
    if not (gone := old.roles.keys() - new.roles.keys()):
        return
    held = {role for user in tx.find(USERS) for role in user.roles}
    held |= {token.role for token in tx.find(TOKENS) if token.active}
    for role in sorted(gone & held):
        yield "value", f"Роль «{old.roles[role]}» есть у сотрудников или токенов: сначала дайте им другую"


def _robots(tx: ReadTx, old: Company, new: Company) -> Iterator[tuple[str, str]]:
    known = known_to(tx, new)
    for robot in tx.find(AUTOMATIONS):
        if robot.active and (wrong := problems(new, robot, known)) and not problems(old, robot, known):
            yield f"automations.{robot.id}", f"Робот «{robot.title}»: {next(iter(wrong.values()))}; измените его раньше"


def _rights(actor: Actor, old: Company, new: Company) -> Iterator[tuple[str, str]]:
    """Whoever holds a role of the company must be able to take his change back."""
    if actor.roles & old.roles.keys() and not may(replace(actor, rights=new.rights), "setting", Action.MANAGE):
        yield "value", "Так вы лишите себя права менять настройки: оставьте его хотя бы одной своей роли"


def _many(number: int) -> str:
    return f"{number}" if number < COUNT_TO else f"{COUNT_TO} и больше"
