"""Keys of `[connectors.NAME]` with `type = "asterisk"`.

Only the address and the account are needed for a usual installation. The rest exists because exchanges differ:
contexts, lengths of extensions, the way to reach a phone, where recordings lie. Every pattern list has defaults that
fit a plain Asterisk and FreePBX, and where no pattern matches the shape of the channel decides (`tables.Shapes`).
"""

from __future__ import annotations

import re
import string
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from connectors.settings import ConnectorSettings

_ORIGINATE_FIELDS = {"extension"}
_NUMBER_FIELDS = {"number", "digits", "national"}
_RECORDING_FIELDS = {"file", "path", "linkedid", "year", "month", "day"}


class AsteriskSettings(ConnectorSettings):
    """How to reach one exchange and how to read its traffic."""

    type: Literal["asterisk"] = "asterisk"
    host: str = Field(default="127.0.0.1", min_length=1, pattern=r"^\S+$")
    port: int = Field(default=5038, ge=1, le=65535)
    tls: bool = False
    """AMI over TLS (`tlsenable=yes` in manager.conf), with the system's certificate authorities."""
    username: str = Field(min_length=1, max_length=80, pattern=r"^[^\r\n]+$")
    secret: SecretStr

    trunk_contexts: tuple[str, ...] = (
        "from-trunk*",
        "from-pstn*",
        "from-did*",
        "from-sip-external*",
        "from-outside*",
        "from-provider*",
        "incoming*",
        "*-incoming",
        "inbound*",
        "*-inbound",
        "trunk*",
        "ext-did*",
    )
    """Dialplan contexts where operators' lines arrive: `*` and `?` as in file names, any case."""
    internal_contexts: tuple[str, ...] = ("from-internal*", "internal*", "*-internal", "phones*", "users*", "outbound*")
    """Contexts of our own phones."""
    closed_contexts: tuple[str, ...] = ("night*", "*-night", "*closed*", "*after-hours*", "*out-of-hours*", "*nonwork*")
    """A caller who was hung up in one of these came out of hours."""
    extension_pattern: str = r"\d{2,5}"
    """What an employee's extension looks like, matched against the whole peer name (`101` of `PJSIP/101-0000001a`).
    A group, if there is one, is the extension: `99(\\d{3})` for softphones that are named 99101."""
    voicemail_apps: tuple[str, ...] = ("VoiceMail", "MiniVM", "MinivmRecord", "Record")

    originate_channel: str = "PJSIP/{extension}"
    """Channel that rings the seller for click-to-call. FreePBX: `Local/{extension}@from-internal` rings all devices."""
    originate_context: str = Field(default="from-internal", min_length=1, pattern=r"^[\w.-]+$")
    originate_number: str = "{number}"
    """As the dialplan wants it: `{number}` +79161234567, `{digits}` 79161234567, `{national}` 89161234567."""
    originate_timeout: float = Field(default=30.0, gt=0, le=120)
    """Seconds that the seller's phone rings."""

    recording_url: str | None = None
    """Address of a recording: `https://pbx.example/rec/{year}/{month}/{day}/{file}`. Fields: `{file}` name without
    folder, `{path}` as the exchange names it, `{linkedid}`, and the date of the call in UTC."""

    publish_hours: str | None = Field(default="firstline", pattern=r"^[\w.-]+$")
    """AstDB family that gets `open` and `next_open`; empty publishes nothing."""
    ping_interval: float = Field(default=5.0, gt=0, le=9)
    """Seconds between two pings; a link that does not answer one within 5 seconds is dropped."""
    max_pending: int = Field(default=20_000, ge=100)
    """Phases kept in memory while the store cannot write."""

    @field_validator("publish_hours", "recording_url", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        # TOML has no null.
        return None if value == "" else value

    @field_validator("extension_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"это не регулярное выражение: {error}") from error
        return value

    @field_validator("originate_channel")
    @classmethod
    def _known_originate_fields(cls, value: str) -> str:
        return _check_template(value, _ORIGINATE_FIELDS)

    @field_validator("originate_number")
    @classmethod
    def _known_number_fields(cls, value: str) -> str:
        return _check_template(value, _NUMBER_FIELDS)

    @field_validator("recording_url")
    @classmethod
    def _known_recording_fields(cls, value: str | None) -> str | None:
        return None if value is None else _check_template(value, _RECORDING_FIELDS)


def _check_template(value: str, fields: set[str]) -> str:
    try:
        used = {name for _, name, _, _ in string.Formatter().parse(value) if name is not None}
    except ValueError as error:
        raise ValueError(f"ошибка в шаблоне: {error}") from error
    if unknown := used - fields:
        raise ValueError(f"неизвестное поле {', '.join(sorted(unknown))}; есть: {', '.join(sorted(fields))}")
    if any(ord(char) < 32 for char in value):
        raise ValueError("управляющие символы недопустимы")
    return value
