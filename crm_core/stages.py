"""Stages in their order: what lead stages, pipelines of deals and groups of tasks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from crm_core.errors import Invalid


@dataclass(frozen=True, slots=True)
class Stage:
    """A place of a record on its way."""

    key: str
    title: str
    kind: str = "open"
    """`open`, `won` or `lost`; of a task see `task_groups.STAGE_KINDS`."""
    color: str = "blue"
    archived: bool = False
    """Nothing enters it any more; what stands there stays."""


S = TypeVar("S", bound=Stage)


def find_stage(stages: Sequence[S], key: str) -> S:
    """The stage, or `Invalid` that names those there are."""
    for stage in stages:
        if stage.key == key:
            return stage
    raise Invalid({"stage": f"Стадии «{key}» нет; есть {', '.join(stage.key for stage in stages)}"})


def stage_title(stages: Sequence[Stage], key: str) -> str:
    """For people; a stage that is gone from the configuration is called by its key."""
    return next((stage.title for stage in stages if stage.key == key), key)


def enterable(stages: Sequence[S], key: str) -> S:
    """The stage as the target of a move: `Invalid` too when it is archived."""
    stage = find_stage(stages, key)
    if stage.archived:
        raise Invalid({"stage": f"Стадия «{stage.title}» в архиве: выберите другую"})
    return stage


class Staged(Generic[S]):
    """Whatever has stages of its own."""

    __slots__ = ()
    stages: Sequence[S]

    @property
    def first(self) -> S:
        """Where a new record begins."""
        return next((stage for stage in self.stages if not stage.archived), self.stages[0])

    def stage(self, key: str) -> S:
        """The stage, or `Invalid` that names those there are."""
        return find_stage(self.stages, key)

    def title_of(self, key: str) -> str:
        """For people; a stage that is gone from the configuration is called by its key."""
        return stage_title(self.stages, key)
