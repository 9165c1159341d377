"""What every connector's section of `firstline.toml` has in common; each channel adds its keys in its `settings.py`."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _known_timezone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"неизвестный часовой пояс «{timezone}»: нужен вид Europe/Moscow") from error
    return timezone


Timezone = Annotated[str, AfterValidator(_known_timezone)]
"""Name of a zone in the tz database."""


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
