"""Every channel that this program has, one line each: adding a channel is its folder and its line here.

A line names the folder and the prefix of its classes by the convention of this room: `settings.<Prefix>Settings` and
`connector.<Prefix>Connector(name, settings)`. They are imported when a configuration uses the channel, so that a
company without telephony does not carry the telephony library in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Any

from connectors.contract import Connector
from connectors.settings import ConnectorSettings


@dataclass(frozen=True)
class ConnectorType:
    """One kind of channel."""

    package: str
    prefix: str
    channel: str
    """What the customer used, as reports and source rules name it: `form`, `email`, `phone`, …"""
    singleton: bool
    """Only one process may run an instance of it at a time (it holds a connection or a cursor)."""

    @cached_property
    def settings(self) -> type[ConnectorSettings]:
        """The keys of its section; importing them opens nothing."""
        found: type[ConnectorSettings] = self._load("settings", "Settings")
        return found

    def create(self, name: str, settings: ConnectorSettings) -> Connector:
        """An instance that does nothing until it is run. `settings` are of the type `self.settings`."""
        found: Connector = self._load("connector", "Connector")(name, settings)
        return found

    def _load(self, module: str, suffix: str) -> Any:
        return getattr(import_module(f"{self.package}.{module}"), self.prefix + suffix)


REGISTRY: MappingProxyType[str, ConnectorType] = MappingProxyType(
    {
        "form": ConnectorType("connectors.form", "Form", channel="form", singleton=False),
        "email": ConnectorType("connectors.email", "Email", channel="email", singleton=True),
        "asterisk": ConnectorType("connectors.asterisk", "Asterisk", channel="phone", singleton=True),
        "onec": ConnectorType("connectors.onec", "Onec", channel="onec", singleton=True),
    }
)

PLANNED = (
    "widget", "order", "webhook", "telegram", "vk", "messenger", "instagram", "whatsapp", "avito", "max", "sms",
)  # fmt: skip
"""Names that the public contract reserves for channels to come."""
