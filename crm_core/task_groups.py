"""Groups of tasks and their stages, as the preset has them: «Установка оборудования», «Проверка закупок».

A stage stands for a state of the task (`kind`), so that a board and a task's own buttons are two ways to do one thing:
to move a task to a stage takes the step that its kind means, and a step moves the task to the stage of that kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm_core.errors import Invalid
from crm_core.stages import Stage, Staged

STAGE_KINDS = ("open", "in_work", "waiting", "acceptance", "done")
"""The states of a task that a stage may stand for."""


class TaskStage(Stage):
    """Its `kind` is one of `STAGE_KINDS`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TaskGroup(Staged[TaskStage]):
    """The first stage is where a new task begins."""

    key: str
    title: str
    stages: tuple[TaskStage, ...]

    def has(self, kind: str) -> bool:
        return any(stage.kind == kind for stage in self.stages)

    def stage_for(self, kind: str, now: str | None) -> str | None:
        """Where a task belongs that came into this state: it stays when its stage says so already or when no stage
        does."""
        if any(stage.key == now and stage.kind == kind for stage in self.stages):
            return now
        return next((stage.key for stage in self.stages if stage.kind == kind), now)


def group_of(groups: Mapping[str, TaskGroup], key: str) -> TaskGroup:
    """The group, or `Invalid` that names those there are."""
    group = groups.get(key)
    if group is None:
        raise Invalid({"group": f"Группы задач «{key}» нет; есть {', '.join(groups) or 'ни одной'}"})
    return group
