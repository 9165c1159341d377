"""What `[connectors.NAME]` of an exchange with 1C takes."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from connectors.settings import ConnectorSettings, Timezone


class OnecSettings(ConnectorSettings):
    """An exchange with one 1C base."""

    type: Literal["onec"] = "onec"
    username: str = Field(min_length=1, max_length=200)
    """What is typed into the settings of the exchange in 1C."""
    password: str = Field(min_length=8, max_length=200)
    price_type: str | None = Field(default=None, max_length=200)
    """Name or Ид of the price that products are sold at; None: the first one that an offer has."""
    order_stages: tuple[Annotated[str, Field(pattern=r"^[^/\s]+/[^/\s]+$")], ...] = ()
    """Stages, as `pipeline/stage`, at which a deal is an order that 1C fetches. None: no deal is."""
    encoding: Literal["utf-8", "windows-1251"] = "utf-8"
    """Of answers and of orders; what 1C sends says its encoding itself."""
    schema_version: str = Field(default="2.05", pattern=r"^2\.(0[3-9]|10)$")
    """ВерсияСхемы of orders."""
    zip: bool = True
    """Let 1C send archives."""
    file_limit_kb: int = Field(default=1024, ge=64, le=16_384)
    """1C sends files in pieces of this size; a piece must arrive within 15 seconds."""
    max_upload_mb: int = Field(default=1024, ge=1, le=8192)
    """What one session may upload, and what one file may be once it is unpacked."""
    timezone: Timezone = "Europe/Moscow"
    """In which 1C writes date and time."""

    @field_validator("username")
    @classmethod
    def _username(cls, username: str) -> str:
        if ":" in username:
            raise ValueError("в имени не может быть двоеточия: HTTP Basic отделяет им пароль")
        return username

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def file_limit(self) -> int:
        """Bytes."""
        return self.file_limit_kb << 10

    @cached_property
    def max_upload(self) -> int:
        """Bytes."""
        return self.max_upload_mb << 20
