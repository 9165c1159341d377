"""Keys of a `type = "email"` section. Everything that can be found out is optional: the Sent folder is detected, the
SMTP login is the IMAP one, a certificate is checked wherever the traffic leaves this machine.

`since` decides what the first connection takes in. The default is everything that lies in the folder: nothing may be
lost silently. Whoever connects a box with years of mail says `since = "2026-11-01"` or `since = "now"`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from connectors.settings import ConnectorSettings

Tls = Literal["ssl", "starttls", "none"]

LOOPBACK = ("localhost", "::1", "127.")
UNITS = {"": 1, "KB": 2**10, "MB": 2**20, "КБ": 2**10, "МБ": 2**20}


def _bytes(value: object) -> object:
    """`75MB`, `900 КБ` or a number of bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*([A-ZА-Я]*)\s*", value.upper())
    if match is None or match[2] not in UNITS:
        raise ValueError("размер пишется числом байт или как 75MB")
    return int(match[1]) * UNITS[match[2]]


def _address(value: str) -> str:
    local, at, domain = value.strip().rpartition("@")
    if not (local and at and domain) or re.search(r"[\s<>,;\x00-\x1f]", value.strip()):
        raise ValueError("нужен адрес почты вида sales@example.ru")
    return value.strip().lower()


class Server(BaseModel):
    """Where a server is and how the way to it is protected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    tls: Tls = "ssl"
    verify: bool | None = None
    """Check the certificate. Unless given: always, except for a server on this very machine."""
    ca_file: str | None = None
    """PEM file of the company's own certification authority."""

    @property
    def checks_certificate(self) -> bool:
        if self.verify is None:
            return self.ca_file is not None or not self.host.startswith(LOOPBACK)
        return self.verify


class ImapSettings(Server):
    port: int = Field(default=993, ge=1, le=65535)
    username: str = Field(min_length=1)
    password: SecretStr
    folder: str = Field(default="INBOX", min_length=1)


class SmtpSettings(Server):
    port: int = Field(default=465, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None


class EmailSettings(ConnectorSettings):
    """One shared mailbox."""

    type: Literal["email"] = "email"
    address: str
    """What customers write to; also the sender of our answers."""
    sender_name: str | None = Field(default=None, max_length=120)
    """Name of the company in the From of our answers."""
    imap: ImapSettings
    smtp: SmtpSettings | None = None
    """Without it the box is read only."""
    own_addresses: tuple[str, ...] = ()
    """Further addresses of ours (aliases, other boxes): letters from them are never contacts."""
    since: date | Literal["all", "now"] = "all"
    sent_folder: str | None = None
    """Folder for copies of our answers; unless given, found by `\\Sent` or by a usual name. `none` turns it off."""
    mark_seen: bool = False
    """Mark letters as read after they are durable."""
    max_size: Annotated[int, BeforeValidator(_bytes), Field(ge=2**20)] = 75 * 2**20
    """Bytes of the letter on the wire (50 MB of files are 69 MB of base64). Of larger ones only the header is taken."""
    signature: str = Field(default="", max_length=4000)
    """Under every answer, below the author's name."""

    @field_validator("address")
    @classmethod
    def _one_address(cls, value: str) -> str:
        return _address(value)

    @field_validator("own_addresses")
    @classmethod
    def _many_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(item) for item in value)

    @property
    def own(self) -> frozenset[str]:
        """All addresses that are ours, in lower case."""
        return frozenset({self.address, *self.own_addresses})

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]
