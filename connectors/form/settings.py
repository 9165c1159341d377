"""What `[connectors.NAME]` of a site form takes.

Lists and limits are validated once at the start; what a request needs quickly (the set of origins, the rate as two
numbers, the synonyms of the equipment list) is derived here once, too.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.settings import ConnectorSettings, Timezone

RATE = re.compile(r"([1-9]\d{0,5})/(s|min|hour)")
_SECONDS = {"s": 1.0, "min": 60.0, "hour": 3600.0}
_ORIGIN = re.compile(r"https?://[^/?#@\s]+", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """`scheme://host[:port]` as browsers write it in `Origin` (RFC 6454): lower case, punycode, no default port."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in _PORTS or not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _PORTS[parts.scheme]) else "")


class FormField(BaseModel):
    """One more field of the generated form, or changes to a built-in one of the same name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")
    label: str | None = Field(default=None, max_length=200)
    type: Literal["text", "textarea", "select", "checkbox", "number", "date", "file"] = "text"
    required: bool = False
    """Demanded of every post to this connector, not of the generated form alone."""
    options: tuple[str, ...] = ()
    """For `select`."""
    hide: bool = False
    """Leaves a built-in field out of the generated form."""


class FormTexts(BaseModel):
    """Own words instead of the usual ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = Field(default=None, max_length=200)
    intro: str | None = Field(default=None, max_length=2000)
    submit: str | None = Field(default=None, max_length=60)
    consent: str | None = Field(default=None, max_length=500)
    thanks: str | None = Field(default=None, max_length=500)
    """Said in working hours; out of hours the next opening is named."""


class FormSettings(ConnectorSettings):
    """A site form."""

    type: Literal["form"] = "form"
    origins: tuple[str, ...] = ()
    """Sites whose pages may post: exact origins, or `*`. Empty: only the hub's own pages (the generated form). Posts
    without `Origin` come from servers, not from pages of strangers, and are always taken."""
    rate_limit: str = "30/min"
    """Posts per visitor address (an IPv6 visitor is his /64): `N/s`, `N/min`, `N/hour` or `off`."""
    redirect: str | None = None
    """Where a plain form post ends; without it, back on the page it came from."""
    honeypot: str = Field(default="homepage_url", min_length=1, max_length=64)
    """Field that people never see: who fills it is a robot."""
    min_fill_seconds: float = Field(default=2, ge=0, le=60)
    """Whoever sends the generated form sooner is a robot. 0: off."""
    max_links: int = Field(default=3, ge=0)
    """A comment with more links is a robot's."""
    double_click_seconds: float = Field(default=10, ge=0, le=300)
    """The same content from the same visitor within this time is one application. 0: off."""
    consent: Literal["required", "optional"] = "optional"
    privacy_url: str | None = Field(default=None, pattern=r"^(https?://|/)\S+$")
    phone_required: bool = True
    """When false, a phone number or an email address is demanded."""
    equipment: dict[str, tuple[str, ...]] = {
        "large": ("Крупное", "Крупное оборудование"),
        "small": ("Мелкое", "Мелкое оборудование"),
    }
    """The list of equipment types: the kept value, then what people call it; the first name is its label."""
    fields: tuple[FormField, ...] = ()
    max_fields: int = Field(default=64, ge=8, le=500)
    max_files: int = Field(default=5, ge=0, le=20)
    max_file_mb: int = Field(default=10, ge=1, le=50)
    timezone: Timezone = "Europe/Moscow"
    """In which the next opening is named to the visitor."""
    language: Literal["auto", "ru", "en"] = "auto"
    """`auto`: by the visitor's browser, Russian when it does not say."""
    texts: FormTexts = FormTexts()
    secret: str | None = Field(default=None, min_length=16)
    """Signs the time in the generated form. Needed only when several web processes serve one form: without it each
    process makes its own at start, and forms signed by another are taken without the timing check."""

    @field_validator("origins")
    @classmethod
    def _exact_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin if origin == "*" else _checked_origin(origin) for origin in origins)

    @field_validator("rate_limit")
    @classmethod
    def _readable_rate(cls, rate: str) -> str:
        if rate != "off" and not RATE.fullmatch(rate):
            raise ValueError('ограничение пишется как "30/min", "5/s", "200/hour" или "off"')
        return rate

    @field_validator("redirect")
    @classmethod
    def _reachable_redirect(cls, redirect: str | None) -> str | None:
        if redirect is not None and origin_of(redirect) is None:
            raise ValueError("нужен полный адрес страницы: https://shop.example/thanks")
        return redirect

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def allowed_origins(self) -> frozenset[str]:
        return frozenset(self.origins)

    @cached_property
    def rate(self) -> tuple[int, float] | None:
        """Posts and the seconds in which they may come; None when off."""
        match = RATE.fullmatch(self.rate_limit)
        return (int(match[1]), _SECONDS[match[2]]) if match else None

    @cached_property
    def equipment_names(self) -> dict[str, str]:
        """Every accepted spelling in lower case → the kept value."""
        names = {name.casefold(): key for key, labels in self.equipment.items() for name in labels}
        return names | {key.casefold(): key for key in self.equipment}

    @cached_property
    def required_extra(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.required)


def _checked_origin(text: str) -> str:
    origin = origin_of(text)
    if origin is None or not _ORIGIN.fullmatch(text):
        raise ValueError(f"«{text}» — не адрес сайта: нужен вид https://shop.example, без пути и косой черты в конце")
    return origin
