"""What every connector's section of `firstline.toml` has in common; each channel adds its keys in its `settings.py`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ConnectorSettings(BaseModel):
    """Keys that every `[connectors.NAME]` takes. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    queue: str = "first-line"
    """Queue that new leads of this connector go to."""
    calendar: str = "office"
    enabled: bool = True
    title: str | None = Field(default=None, max_length=80)
    """How people see it: «Почта отдела продаж». Without it the connector's name is shown."""
