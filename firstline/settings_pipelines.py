"""The tables `[pipelines.KEY]`, `[[deal_fields]]` and `[conversion]` of a preset, one model each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from firstline.settings_models import Key, Section, StageRow


class DemandRow(Section):
    """One of `demands`: exactly one of the conditions, and at will how to call it."""

    field: str | None = None
    products: Literal[True] | None = None
    next_step: Literal[True] | None = None
    document: str | None = None
    task: str | None = None
    approval: str | None = None
    title: str = Field(default="", max_length=200)


class PipelineStageRow(StageRow):
    """`[[pipelines.KEY.stages]]`."""

    probability: int = Field(default=0, ge=0, le=100)
    demands: tuple[DemandRow, ...] = ()


class PipelineSection(Section):
    """`[pipelines.KEY]`."""

    title: str = Field(min_length=1, max_length=80)
    archived: bool = False
    stages: tuple[PipelineStageRow, ...] = Field(min_length=2)


class ConversionSection(Section):
    """`[conversion]`."""

    stage: Key = "converted"
    requires: tuple[str, ...] = ()
    carried: dict[str, str] = {}
