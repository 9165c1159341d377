"""Pipelines of deals («направления»): their stages in order, and what each stage demands before a deal may enter it.

Configuration, not code: they come from the preset and are checked when the hub starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from crm_core.stages import Stage, Staged


class DemandKind(StrEnum):
    FIELD = "field"
    """A field of the deal is filled; `key` names it."""
    PRODUCTS = "products"
    """There is at least one line."""
    NEXT_STEP = "next_step"
    """The next step and its date are named."""
    DOCUMENT = "document"
    """A document of this template was generated."""
    TASK = "task"
    """Every task of this group that belongs to the deal is finished, and there is one."""
    APPROVAL = "approval"
    """Somebody with this role has approved."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One condition of a gate."""

    kind: DemandKind
    key: str = ""
    title: str = ""
    """How the person who is refused reads it; empty: made from the kind and the key."""


@dataclass(frozen=True, slots=True)
class PipelineStage(Stage):
    """A place of a deal on its way."""

    probability: int = 0
    """Per cent, for the forecast."""
    demands: Sequence[Demand] = ()
    """What must be there before a deal enters this stage or any behind it."""


@dataclass(frozen=True, slots=True)
class Pipeline(Staged[PipelineStage]):
    """One way of selling."""

    key: str
    title: str
    stages: Sequence[PipelineStage]
    archived: bool = False
    """No new deals; those there are go on."""

    def gates(self, former: str, target: PipelineStage) -> list[PipelineStage]:
        """Stages whose demands must be met for this move, in order: those passed over and the target. A step back and
        a loss demand nothing, nor does what is archived."""
        if target.kind == "lost":
            return []
        keys = [stage.key for stage in self.stages if stage.kind != "lost"]
        start = keys.index(former) + 1 if former in keys else 0
        way = keys[start : keys.index(target.key) + 1]
        return [stage for key in way if not (stage := self.stage(key)).archived]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What becomes of a lead that is worth a deal."""

    stage: str = "converted"
    """The lead's final stage."""
    requires: Sequence[str] = ()
    """`name`, `contact`, `source`, `company`, or keys of fields of the lead."""
    carried: Mapping[str, str] = field(default_factory=dict)
    """Field of the lead → field of the deal that takes its value over."""
